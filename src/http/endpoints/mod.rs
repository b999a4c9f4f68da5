//! The endpoints of the public API, one file each.

pub(crate) mod about_token;
pub(crate) mod explain;
pub(crate) mod introspect;
pub(crate) mod keys;
pub(crate) mod metadata;
pub(crate) mod revoke;
pub(crate) mod token;
pub(crate) mod verify;
