//! The keys of the server: signing keys and token keys, and the master key that wraps them.

pub mod dev_key;
pub mod keyring;
pub mod lifecycle;
pub mod master;
pub mod record;
pub mod token_key;
