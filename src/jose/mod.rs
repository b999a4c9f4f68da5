//! Signing and verifying (RFC 7515–7518).

pub mod signing;
