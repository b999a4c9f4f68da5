//! The OAuth endpoints, one file each: ordered steps, named after the RFC.

pub mod explain;
pub mod introspect;
pub mod metadata;
pub mod resource_metadata;
pub mod revoke;
pub mod token;
pub mod userinfo;
pub mod verify;
