//! The OAuth endpoints and those for people at browsers, one file each: ordered steps, named after the RFC.

pub mod account;
pub mod authorize;
pub mod consent;
pub mod demo;
pub mod device;
pub mod device_authorization;
pub mod explain;
pub mod introspect;
pub mod login;
pub mod logout;
pub mod metadata;
pub mod password_link;
pub mod pushed_authorization;
pub mod register;
pub mod reply;
pub mod resource_metadata;
pub mod revoke;
pub mod second_factor;
pub mod token;
pub mod userinfo;
pub mod verify;
