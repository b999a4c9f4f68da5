//! The endpoints of the public API, one file each.

pub(crate) mod authorize;
pub(crate) mod demo;
pub(crate) mod explain;
pub(crate) mod introspect;
pub(crate) mod keys;
pub(crate) mod metadata;
pub(crate) mod parameters;
pub(crate) mod register;
pub(crate) mod revoke;
pub(crate) mod token;
pub(crate) mod verify;
