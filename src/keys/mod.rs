//! The keys of the server: signing keys, token keys and the data key, and the master key that wraps them.

pub mod dev_key;
pub mod keyring;
pub mod lifecycle;
pub mod master;
pub mod record;
pub mod token_key;
pub mod wrapping;
