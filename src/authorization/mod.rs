//! The authorization endpoint's rules (RFC 6749 §4.1): what a good request is, what it needs, and the code that answers it.

pub mod answer;
pub mod client_lookup;
pub mod code;
pub mod decide;
pub mod device;
pub mod hint;
mod parameters;
pub mod request;
pub mod sealed_request;
