//! The grants of the token endpoint, one file each.

pub mod client_credentials;
pub mod issue;
pub mod password;
pub mod refresh_token;
