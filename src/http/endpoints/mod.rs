//! The endpoints of the public API, one file each.

pub(crate) mod about_token;
pub(crate) mod account;
pub(crate) mod authorize;
pub(crate) mod demo;
pub(crate) mod device;
pub(crate) mod explain;
pub(crate) mod introspect;
pub(crate) mod keys;
pub(crate) mod logout;
pub(crate) mod metadata;
pub(crate) mod pushed_authorization;
pub(crate) mod register;
pub(crate) mod resource_metadata;
pub(crate) mod revoke;
pub(crate) mod token;
pub(crate) mod userinfo;
pub(crate) mod verify;
