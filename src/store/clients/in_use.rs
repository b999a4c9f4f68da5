//! What all enabled clients use, counted client by client, so that a change of one is a change of what all use.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::protocol::client::{ClientSettings, GrantType, IdTokenAlgorithm};
use crate::store::clients::find::readable;
use crate::store::database::Dialect;
use crate::store::registrations::never_used;
use crate::store::row::{Row, array, to_json, values};
use crate::store::{Result, Store};

/// Clients that are read at once.
const PART: i64 = 1000;

/// What the enabled clients use, without those that this program cannot read, and those that nobody registered by hand and
/// with which nobody has logged in yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientsInUse {
    /// The grants that at least one client may use.
    pub grants: BTreeSet<GrantType>,
    /// The scopes that at least one client may be granted.
    pub scopes: BTreeSet<String>,
    /// The algorithms that sign the ID tokens of at least one client.
    pub id_token_algorithms: BTreeSet<IdTokenAlgorithm>,
    /// Whether at least one client may get identity assertions for other servers.
    pub has_identity_assertions: bool,
    /// The clients that may send authorization requests without PKCE.
    pub without_pkce: BTreeSet<String>,
}

/// What one client uses.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    grants: BTreeSet<GrantType>,
    scopes: BTreeSet<String>,
    id_token_algorithm: Option<IdTokenAlgorithm>,
    has_identity_assertions: bool,
    omits_pkce: bool,
}

impl Use {
    /// What a client of these settings uses, if it is enabled.
    fn of(settings: &ClientSettings) -> Option<Self> {
        if !settings.enabled {
            return None;
        }
        let named = settings.grant_types.iter().copied();
        let mut grants: BTreeSet<GrantType> = named.filter(|grant| *grant != GrantType::TokenExchange).collect();
        // That one is by other settings.
        if settings.uses_token_exchange() {
            grants.insert(GrantType::TokenExchange);
        }
        let begins_at_browser = grants.iter().any(|grant| grant.begins_at_browser());
        Some(Self {
            id_token_algorithm: begins_at_browser.then_some(settings.id_token_signed_response_alg),
            has_identity_assertions: !settings.identity_assertion_audiences.is_empty(),
            omits_pkce: grants.contains(&GrantType::AuthorizationCode) && !settings.require_pkce,
            scopes: settings.scope.tokens().map(str::to_owned).collect(),
            grants,
        })
    }
}

/// Where a walk through all clients is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// At the registered clients after this id.
    Registered(String),
    /// At the clients with documents after this id.
    Documents(String),
    /// At the end.
    End,
}

/// What each enabled client uses. Many use the same, which is kept once.
#[derive(Debug)]
pub struct ClientUses {
    of: HashMap<String, Arc<Use>>,
    counts: BTreeMap<Arc<Use>, usize>,
    without_pkce: BTreeSet<String>,
    place: Place,
}

impl Default for ClientUses {
    fn default() -> Self {
        Self {
            of: HashMap::new(),
            counts: BTreeMap::new(),
            without_pkce: BTreeSet::new(),
            place: Place::Registered(String::new()),
        }
    }
}

impl ClientUses {
    /// Whether every client was read.
    pub fn is_whole(&self) -> bool {
        self.place == Place::End
    }

    /// What all of them use.
    pub fn sum(&self) -> ClientsInUse {
        let mut sum = ClientsInUse { without_pkce: self.without_pkce.clone(), ..ClientsInUse::default() };
        for each in self.counts.keys() {
            sum.grants.extend(&each.grants);
            sum.scopes.extend(each.scopes.iter().cloned());
            sum.id_token_algorithms.extend(each.id_token_algorithm);
            sum.has_identity_assertions |= each.has_identity_assertions;
        }
        sum
    }

    /// Forgets a client.
    fn remove(&mut self, client_id: &str) {
        self.without_pkce.remove(client_id);
        let Some(before) = self.of.remove(client_id) else { return };
        if let Some(count) = self.counts.get_mut(&before) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&before);
            }
        }
    }

    /// Replaces what is known of a client by a row that was read of it.
    fn put(&mut self, row: &Row) -> Result<()> {
        let client_id: String = row.get("client_id")?;
        self.remove(&client_id);
        let Some(new) = readable(row, row.json("settings")).as_ref().and_then(Use::of) else { return Ok(()) };
        if new.omits_pkce {
            self.without_pkce.insert(client_id.clone());
        }
        let shared = self.counts.get_key_value(&new).map_or_else(|| Arc::new(new), |(shared, _)| Arc::clone(shared));
        *self.counts.entry(Arc::clone(&shared)).or_default() += 1;
        self.of.insert(client_id, shared);
        Ok(())
    }
}

/// The rows of registered clients that count.
macro_rules! registered {
    ($which:literal) => {
        concat!(
            "SELECT c.client_id, c.settings FROM clients c WHERE ",
            $which,
            " AND NOT EXISTS (SELECT 1 FROM registrations r WHERE ",
            never_used!(),
            ")"
        )
    };
}

/// The rows of clients with documents that count.
macro_rules! documents {
    ($which:literal) => {
        concat!(
            "SELECT c.client_id, c.settings FROM client_documents c WHERE ",
            $which,
            " AND is_used AND NOT is_blocked"
        )
    };
}

impl Store {
    /// What the enabled clients use, read from all of them.
    pub async fn clients_in_use(&self) -> Result<ClientsInUse> {
        let mut uses = ClientUses::default();
        while !uses.is_whole() {
            self.client_uses_read(&mut uses).await?;
        }
        Ok(uses.sum())
    }

    /// Reads the next thousand clients of a walk through all. If that fails, the walk goes on where it was.
    pub async fn client_uses_read(&self, uses: &mut ClientUses) -> Result<()> {
        let (sql, after) = match &uses.place {
            Place::Registered(after) => {
                (concat!(registered!("c.client_id > $1"), " ORDER BY c.client_id LIMIT $2"), after)
            }
            Place::Documents(after) => {
                (concat!(documents!("c.client_id > $1"), " ORDER BY c.client_id LIMIT $2"), after)
            }
            Place::End => return Ok(()),
        };
        let rows = self.database.query(sql, values![after, PART]).await?;
        rows.iter().try_for_each(|row| uses.put(row))?;
        let last = rows.last().map(|row| row.get("client_id")).transpose()?;
        uses.place = match (&uses.place, last) {
            (Place::Registered(_), Some(last)) => Place::Registered(last),
            (Place::Registered(_), None) => Place::Documents(String::new()),
            (_, Some(last)) => Place::Documents(last),
            (_, None) => Place::End,
        };
        Ok(())
    }

    /// Reads these clients anew.
    pub async fn client_uses_renew(&self, uses: &mut ClientUses, ids: &[String]) -> Result<()> {
        for some in ids.chunks(usize::try_from(PART).unwrap_or(usize::MAX)) {
            let (registered, documents, asked) = match self.dialect() {
                Dialect::Postgres => (
                    registered!("c.client_id = ANY ($1::text::text[])"),
                    documents!("c.client_id = ANY ($1::text::text[])"),
                    array(some.iter()),
                ),
                Dialect::Sqlite => (
                    registered!("c.client_id IN (SELECT value FROM json_each($1))"),
                    documents!("c.client_id IN (SELECT value FROM json_each($1))"),
                    to_json(&some)?,
                ),
            };
            let mut rows = self.database.query(registered, values![asked.clone()]).await?;
            rows.extend(self.database.query(documents, values![asked]).await?);
            some.iter().for_each(|client_id| uses.remove(client_id));
            rows.iter().try_for_each(|row| uses.put(row))?;
        }
        Ok(())
    }
}
