//! Administration: what the admin API and the command line both do.

pub mod audit;
pub mod body;
pub mod clients;
pub mod demo;
mod error;
pub mod keys;
mod list;
mod receipts;
pub mod revocations;
pub mod schema;
pub mod sessions;
pub mod users;

pub use error::{AdminError, Result};
pub use list::{List, ListRequest};

use crate::app::App;
use crate::protocol::cause::Cause;
use crate::protocol::revocation::{NewRevocation, Target};
use crate::store::Audited;

/// Who administers, and with what power.
#[derive(Clone, Debug)]
pub struct Actor {
    /// What the audit trail records.
    pub audited: Audited,
    /// Whether the actor holds `jeton:admin` or is the command line.
    pub is_admin: bool,
}

impl App {
    /// A revocation of everything that was issued so far.
    fn revocation(&self, target: Target, cause: Cause, reason: impl Into<Option<String>>) -> NewRevocation {
        let covers_until = self.settings.covers_until(self.clock.now());
        NewRevocation { target, cause, reason: reason.into(), covers_until }
    }
}
