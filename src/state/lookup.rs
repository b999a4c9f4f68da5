//! Clients, users, and what sessions were asked for: from memory, else from the database.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use quick_cache::Weighter;
use serde_json::Value;
use uuid::Uuid;

use crate::protocol::claims::{AccessClaims, ExtraClaims};
use crate::protocol::client::{Client, check_client_id};
use crate::protocol::scope::Scope;
use crate::state::{NodeState, Unavailable, within_limit};

/// Who a user is, for introspection and UserInfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownUser {
    /// The name.
    pub username: Arc<str>,
    /// The claims of OpenID Connect.
    pub profile: ExtraClaims,
    /// The claims that go into tokens.
    pub claims: ExtraClaims,
}

/// Roughly how much room a user takes, in bytes.
#[derive(Clone)]
pub(super) struct Weight;

impl Weighter<String, Arc<KnownUser>> for Weight {
    fn weight(&self, sub: &String, user: &Arc<KnownUser>) -> u64 {
        /// A key, a value and what holds them.
        const EACH: usize = 128;
        fn size(value: &Value) -> usize {
            match value {
                Value::String(text) => EACH + text.len(),
                Value::Object(members) => members.iter().map(|(name, value)| name.len() + size(value)).sum(),
                _ => EACH,
            }
        }
        let members = user.profile.iter().chain(&user.claims).map(|(name, value)| name.len() + size(value));
        (EACH + sub.len() + user.username.len() + members.sum::<usize>()) as u64
    }
}

impl NodeState {
    /// The client with this id, if it is in memory.
    pub(crate) async fn client_in_memory(&self, client_id: &str) -> Result<Option<Arc<Client>>, Unavailable> {
        self.ensure_fresh().await?;
        Ok(self.clients.get(client_id))
    }

    /// The client with this id: from memory, else from the database.
    pub async fn client(&self, client_id: &str) -> Result<Option<Arc<Client>>, Unavailable> {
        match self.client_in_memory(client_id).await? {
            Some(client) => Ok(Some(client)),
            None => self.client_from_database(client_id).await,
        }
    }

    /// The client with this id, from the database: needed before anything is refused because of what memory holds. The
    /// client may have changed after any earlier query, so callers never share its answer. Those that wait at the same
    /// time share a statement, for whichever clients, and only a bounded number of statements start each second.
    pub(crate) async fn client_from_database(&self, client_id: &str) -> Result<Option<Arc<Client>>, Unavailable> {
        if check_client_id(client_id).is_err() {
            // No client can have this id, and not every database accepts it in a query.
            return Ok(None);
        }
        let query = async { Ok(self.store.client_find_shared(client_id).await?) };
        let Some((client, as_of)) = within_limit(query).await? else { return Ok(None) };
        let client = Arc::new(client);
        self.clients.put(Arc::clone(&client), as_of);
        Ok(Some(client))
    }

    /// The scope that a token grants now: a reserved scope counts only as long as its client still has it.
    pub(crate) async fn current_scope(&self, claims: &AccessClaims) -> Result<Scope, Unavailable> {
        let granted = claims.scope.clone().unwrap_or_default();
        if !granted.has_reserved() {
            return Ok(granted);
        }
        let client = self.client(&claims.client_id).await?;
        Ok(client.map(|client| granted.intersection(&client.settings.scope)).unwrap_or_default())
    }

    /// Who the user with this `sub` is, if there is one.
    pub async fn user(&self, sub: &str) -> Result<Option<Arc<KnownUser>>, Unavailable> {
        self.ensure_fresh().await?;
        if let Some(known) = self.users.get(sub) {
            return Ok(Some(known));
        }
        let as_of = self.changes.load(Ordering::Acquire);
        let found = within_limit(async { Ok(self.store.user_with_sub(sub).await?) }).await?;
        let Some(user) = found else { return Ok(None) };
        let known = Arc::new(KnownUser { username: user.username.into(), profile: user.profile, claims: user.claims });
        self.users.insert(sub.to_owned(), Arc::clone(&known));
        // It may have changed while it was read.
        if self.changes.load(Ordering::Acquire) != as_of {
            self.users.remove(sub);
        }
        Ok(Some(known))
    }

    /// The claims of UserInfo that the authorization request of a session named. They never change.
    pub(crate) async fn claims_request(&self, session: Uuid) -> Result<Arc<[String]>, Unavailable> {
        if let Some(known) = self.claims_requests.get(&session) {
            return Ok(known);
        }
        let found = within_limit(async { Ok(self.store.session_find(session).await?) }).await?;
        let Some(record) = found else { return Ok(Arc::default()) };
        let named: Arc<[String]> = record.session.login.map(|login| login.claims.userinfo).unwrap_or_default().into();
        self.claims_requests.insert(session, Arc::clone(&named));
        Ok(named)
    }
}
