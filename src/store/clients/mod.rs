//! Clients and their secrets.

mod change;
mod find;
mod search;
mod secrets;

pub use find::ClientsInUse;
pub(super) use find::{Found, find_all};
