//! The protocol's types and rules. No input or output, nothing asynchronous; the time is always an argument.

pub mod advice;
pub mod cause;
pub mod challenge;
pub mod claims;
pub mod client;
pub mod commands;
pub mod credentials;
pub mod error;
pub mod form;
pub mod grant;
pub mod guessing;
pub mod identity;
pub mod parameters;
pub mod presentation;
pub mod revocation;
pub mod scope;
pub mod session;
pub mod target;
pub mod time;
pub mod user;
