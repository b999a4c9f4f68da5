//! Clients and their secrets.

mod change;
mod find;
mod in_use;
mod search;
mod secrets;

pub(super) use find::{Found, find_all};
pub use in_use::{ClientUses, ClientsInUse};
