//! The authorization endpoint's rules (RFC 6749 §4.1): what a good request is, what it needs, and the code that answers it.

pub mod code;
