//! Administration: what the admin API and the command line both do.

pub mod audit;
pub mod body;
pub mod clients;
pub mod demo;
mod error;
pub mod keys;
mod list;
mod nodes;
mod receipts;
pub mod revocations;
pub mod schema;
pub mod sessions;
pub mod users;

use std::sync::Arc;

pub use error::{AdminError, Result};
pub use list::{List, ListRequest};

use crate::app::App;
use crate::clock::Clock;
use crate::passwords::pool::PasswordPool;
use crate::protocol::cause::Cause;
use crate::protocol::revocation::{NewRevocation, Target};
use crate::settings::Settings;
use crate::store::{Audited, Store};

/// What administration works with.
#[derive(Clone, Debug)]
pub struct Administration {
    /// The settings.
    pub settings: Arc<Settings>,
    /// The one clock.
    pub clock: Clock,
    /// The database.
    pub store: Store,
    /// Hashes passwords and chosen secrets.
    pub passwords: PasswordPool,
}

impl From<&App> for Administration {
    fn from(app: &App) -> Self {
        Self {
            settings: Arc::clone(&app.settings),
            clock: app.clock.clone(),
            store: app.store.clone(),
            passwords: app.passwords.clone(),
        }
    }
}

/// Who administers, and with what power.
#[derive(Clone, Debug)]
pub struct Actor {
    /// What the audit trail records.
    pub audited: Audited,
    /// Whether the actor holds `jeton:admin` or is the command line.
    pub is_admin: bool,
}

impl Administration {
    /// A revocation of everything that was issued so far.
    fn revocation(&self, target: Target, cause: Cause, reason: impl Into<Option<String>>) -> NewRevocation {
        let covers_until = self.settings.covers_until(self.clock.now());
        NewRevocation { target, cause, reason: reason.into(), covers_until }
    }
}
