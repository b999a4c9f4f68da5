//! The behaviour of the server over HTTP, on both stores.

// The server metadata is one `json!` of many members.
#![recursion_limit = "256"]
#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

#[path = "../support/mod.rs"]
mod support;

mod abuse;
mod client_documents;
mod command_line;
mod conformance;
mod console;
mod docs;
mod events;
mod faults;
mod floods;
mod flow;
mod fuzz;
mod hostile;
mod issuers;
mod logins;
mod model;
mod nodes;
mod openapi;
mod operations;
mod ops;
mod ordinary;
mod overlap;
mod password_links;
mod preview;
mod races;
mod readme;
mod refusals;
mod registration;
mod resources;
mod rust_client;
mod second_factors;
mod secrets;
mod security;
mod security_profile;
mod serving;
mod sessions;
mod sets;
mod store_contract;
mod structure;
mod subjects;
mod traces;
mod upgrades;
mod verify;
