//! Administration: what the admin API and the command line both do.

pub mod apply;
pub mod audit;
pub mod body;
pub mod client_blocks;
pub mod clients;
pub mod demo;
mod error;
pub mod events;
pub mod findings;
pub mod issuers;
pub mod keys;
mod list;
pub mod nodes;
pub mod powers;
pub mod preview;
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

use crate::app::{App, Request};
use crate::protocol::claims::AccessClaims;
use crate::protocol::role::Role;
use crate::protocol::user::User;
use crate::store::Audited;

/// Who administers, and with what power.
#[derive(Clone, Debug)]
pub struct Actor {
    /// Who, for the audit trail: `client ID`, `user ID` or `command line, user NAME`.
    pub name: String,
    /// The id of the request, if any.
    pub request_id: Option<String>,
    /// The address that the request came from, if any.
    pub address: Option<String>,
    /// Whether the actor holds `jeton:admin`, has the role `admin` or is the command line.
    pub is_admin: bool,
    /// The claims of the access token, if any. What goes on for longer than a request asks again whether it is in force.
    pub token: Option<Arc<AccessClaims>>,
}

impl Actor {
    /// A person with a role, who asks for this at a browser.
    pub fn person(user: &User, role: Role, request: &Request<'_>) -> Self {
        Self {
            name: format!("user {}", user.id),
            request_id: Some(request.request_id.to_string()),
            address: Some(request.address.to_string()),
            is_admin: role == Role::Admin,
            token: None,
        }
    }

    /// One that works on the database itself, and so may do everything.
    pub fn on_the_database(name: impl Into<String>) -> Self {
        Self { name: name.into(), request_id: None, address: None, is_admin: true, token: None }
    }

    /// The client whose token was used, if one was.
    fn client_id(&self) -> Option<&str> {
        self.name.strip_prefix("client ")
    }
}

impl App {
    /// The audit data of something that an actor writes at this moment.
    pub(crate) fn dated(&self, actor: &Actor) -> Audited {
        Audited {
            actor: actor.name.clone(),
            request_id: actor.request_id.clone(),
            address: actor.address.clone(),
            at: self.clock.now(),
        }
    }
}
