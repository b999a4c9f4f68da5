//! The behaviour of the server over HTTP, on both stores.

#[path = "../support/mod.rs"]
mod support;

mod conformance;
mod docs;
mod nodes;
mod openapi;
mod readme;
mod rust_client;
mod sessions;
mod store_contract;
