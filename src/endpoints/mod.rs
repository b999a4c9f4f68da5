//! The OAuth endpoints and those for people at browsers, one file each: ordered steps, named after the RFC.

pub mod authorize;
pub mod consent;
pub mod demo;
pub mod explain;
pub mod introspect;
pub mod login;
pub mod metadata;
pub mod register;
pub mod reply;
pub mod revoke;
pub mod token;
pub mod verify;
