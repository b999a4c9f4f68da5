//! Clients and users: from memory, else from the database.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::protocol::claims::AccessClaims;
use crate::protocol::client::{Client, check_client_id};
use crate::protocol::scope::Scope;
use crate::state::{NodeState, Unavailable, within_limit};
use crate::store::ClientsInUse;

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

    /// What the enabled clients use.
    pub async fn clients_in_use(&self) -> Result<Arc<Option<ClientsInUse>>, Unavailable> {
        self.ensure_fresh().await?;
        let known = self.clients_in_use.load_full();
        if known.is_some() {
            return Ok(known);
        }
        let as_of = self.changes.load(Ordering::Acquire);
        let fresh = Arc::new(Some(within_limit(async { Ok(self.store.clients_in_use().await?) }).await?));
        self.clients_in_use.store(Arc::clone(&fresh));
        // It may have changed while it was read.
        if self.changes.load(Ordering::Acquire) != as_of {
            self.clients_in_use.store(Arc::default());
        }
        Ok(fresh)
    }

    /// The name of a user, for introspection.
    pub async fn username(&self, sub: &str) -> Result<Option<Arc<str>>, Unavailable> {
        self.ensure_fresh().await?;
        if let Some(name) = self.usernames.get(sub) {
            return Ok(Some(name));
        }
        let as_of = self.changes.load(Ordering::Acquire);
        let found = within_limit(async { Ok(self.store.user_with_sub(sub).await?) }).await?;
        let Some(user) = found else { return Ok(None) };
        let name: Arc<str> = user.username.into();
        self.usernames.insert(sub.to_owned(), Arc::clone(&name));
        // It may have changed while it was read.
        if self.changes.load(Ordering::Acquire) != as_of {
            self.usernames.remove(sub);
        }
        Ok(Some(name))
    }
}
