//! The protocol's types and rules. No I/O, nothing asynchronous; the time is always an argument.

pub mod backoff;
pub mod bearer;
pub mod cause;
pub mod challenge;
pub mod claims;
pub mod client;
pub mod error;
pub mod feature;
pub mod form;
pub mod grant;
pub mod identity;
pub(crate) mod names;
pub mod ownership;
pub mod parameters;
pub mod resource;
pub mod revocation;
pub(crate) mod schema;
pub mod scope;
pub mod session;
pub mod subject;
pub mod time;
pub mod token_id;
pub mod user;
pub mod version;
