//! Administration: what the admin API and the command line both do.

pub mod audit;
pub mod body;
pub mod client_blocks;
pub mod clients;
pub mod demo;
mod error;
pub mod events;
pub mod keys;
mod list;
mod receipts;
pub mod resources;
pub mod revocations;
pub mod schema;
pub mod sessions;
pub mod users;
pub mod webhooks;

pub use error::{AdminError, Result};
pub use list::{List, ListRequest};

use std::sync::Arc;

use crate::app::App;
use crate::protocol::claims::AccessClaims;
use crate::store::Audited;

/// Who administers, and with what power.
#[derive(Clone, Debug)]
pub struct Actor {
    /// Who, for the audit trail: `client ID` or `command line, user NAME`.
    pub name: String,
    /// The id of the request, if any.
    pub request_id: Option<String>,
    /// The address that the request came from, if any.
    pub address: Option<String>,
    /// Whether the actor holds `jeton:admin` or is the command line.
    pub is_admin: bool,
    /// The claims of the access token, if any. What goes on for longer than a request asks again whether it is in force.
    pub token: Option<Arc<AccessClaims>>,
}

impl Actor {
    /// One that works on the database itself, and so may do everything.
    pub fn on_the_database(name: impl Into<String>) -> Self {
        Self { name: name.into(), request_id: None, address: None, is_admin: true, token: None }
    }
}

impl App {
    /// The audit data of something that an actor writes at this moment.
    fn dated(&self, actor: &Actor) -> Audited {
        Audited {
            actor: actor.name.clone(),
            request_id: actor.request_id.clone(),
            address: actor.address.clone(),
            at: self.clock.now(),
        }
    }
}
