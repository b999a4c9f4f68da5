//! The command line, by the real binary.

mod apply;
mod bad_input;
mod clients;
mod dev;
mod init;
mod inspect;
mod keys;
mod master_key;
mod resources;
mod revoke;
mod server;
mod start;
mod token;
mod users;
mod webhooks;

use crate::support::program::{LIMIT, Place, Running};

/// The value of a field as people see it: `name  value`.
#[track_caller]
fn field(text: &str, name: &str) -> String {
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(name));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).trim_start_matches(name).trim().to_owned()
}

/// A client with every grant, made by the command line; its secret.
fn make_client(place: &Place, client_id: &str) -> String {
    let grants = "password,client_credentials,refresh_token";
    let made = place.json(&["client", "create", "--client-id", client_id, "--grant-types", grants, "--scope", "read"]);
    made["client_secret"].as_str().unwrap().to_owned()
}
