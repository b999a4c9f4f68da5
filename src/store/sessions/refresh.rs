//! What a refresh does to a session.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::protocol::confirmation::{Confirmation, Sender};
use crate::protocol::session::{MOST_RETRIES, Session};
use crate::protocol::time::Timestamp;
use crate::store::database::{Database, Dialect};
use crate::store::row::{array, to_json, values};
use crate::store::sessions::find::{Answers, find_all};
use crate::store::sessions::record::{SessionRecord, by_id, session_records};
use crate::store::{Audited, Result, Store};

/// A request to move a session to its next generation.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// The session.
    pub id: Uuid,
    /// The client that refreshes.
    pub client_id: String,
    /// The generation that it presents.
    pub generation: i64,
    /// The time.
    pub now: Timestamp,
    /// When the session ends if it is not refreshed again.
    pub idle_expires_at: Timestamp,
    /// The network that it is requested from.
    pub network: String,
    /// What the sender proved: what the credential is bound to must be among it.
    pub sender: Sender,
    /// What the next refresh token is bound to, if this one is bound to nothing.
    pub binds: Option<Confirmation>,
}

impl Rotation {
    /// Two rotations that differ in this are not the same request.
    fn identity(&self) -> (i64, &str, Sender, Option<Confirmation>) {
        (self.generation, &self.client_id, self.sender, self.binds)
    }

    /// What was proved and what is to be bound, as the database has it: the key, the certificate, the new binding. What is not there
    /// is empty, which nothing is bound to.
    fn bindings(&self) -> [String; 3] {
        let Self { sender, binds, .. } = self;
        let (key, certificate) = (sender.key.map(Confirmation::Key), sender.certificate.map(Confirmation::Certificate));
        [key, certificate, *binds].map(|binding| binding.map(|binding| binding.to_string()).unwrap_or_default())
    }
}

/// What a rotation changes in a row, whose rotation is `asked`.
macro_rules! rotated {
    () => {
        "UPDATE sessions SET generation = sessions.generation + 1, retries = 0, network = asked.network, \
         last_refreshed_at = asked.now, previous_refreshed_at = sessions.last_refreshed_at, \
         idle_expires_at = asked.idle, previous_idle_expires_at = sessions.idle_expires_at, \
         confirmation = COALESCE(sessions.confirmation, NULLIF(asked.binds, '')), \
         bound_from = CASE WHEN sessions.confirmation IS NULL AND asked.binds <> '' \
         THEN sessions.generation + 1 ELSE sessions.bound_from END "
    };
}

/// Which rows a rotation may change.
macro_rules! rotatable {
    () => {
        "WHERE sessions.id = asked.id AND sessions.client_id = asked.client_id \
         AND sessions.generation = asked.generation AND NOT sessions.ended \
         AND sessions.idle_expires_at > asked.now AND sessions.expires_at > asked.now \
         AND (sessions.confirmation IS NULL OR sessions.confirmation IN (asked.key, asked.certificate)) \
         AND (sessions.generation > 0 OR sessions.code_key IS NULL OR 'jkt ' || sessions.code_key = asked.key) "
    };
}

/// Moves several sessions to their next generation with one statement (on SQLite, one more reads them). Of several
/// calls for one session, one wins.
pub(in crate::store) async fn rotate_all(database: &Database, rotations: Vec<Rotation>) -> Result<Answers> {
    // One rotation for each session, and in the same order on every node, so that two nodes cannot deadlock.
    let mut distinct: BTreeMap<Uuid, &Rotation> = BTreeMap::new();
    for rotation in &rotations {
        distinct.entry(rotation.id).or_insert(rotation);
    }
    let asked = distinct.values();
    let binding = |rotation: &Rotation, index: usize| rotation.bindings()[index].clone();
    let mut moved: HashMap<Uuid, Result<SessionRecord>> = match database.dialect() {
        Dialect::Postgres => {
            let sql = concat!(
                "WITH moved AS (",
                rotated!(),
                "FROM unnest($1::text::uuid[], $2::text::text[], $3::text::bigint[], $4::text::bigint[], \
                 $5::text::bigint[], $6::text::text[], $7::text::text[], $8::text::text[], $9::text::text[]) \
                 AS asked(id, client_id, generation, now, idle, network, key, certificate, binds) ",
                rotatable!(),
                "RETURNING sessions.*) ",
                session_records!("moved", "")
            );
            let values = values![
                array(asked.clone().map(|rotation| rotation.id)),
                array(asked.clone().map(|rotation| &rotation.client_id)),
                array(asked.clone().map(|rotation| rotation.generation)),
                array(asked.clone().map(|rotation| rotation.now.millis())),
                array(asked.clone().map(|rotation| rotation.idle_expires_at.millis())),
                array(asked.clone().map(|rotation| &rotation.network)),
                array(asked.clone().map(|rotation| binding(rotation, 0))),
                array(asked.clone().map(|rotation| binding(rotation, 1))),
                array(asked.map(|rotation| binding(rotation, 2)))
            ];
            by_id(&database.write(sql, values).await?)?
        }
        Dialect::Sqlite => {
            let sql = concat!(
                rotated!(),
                "FROM (SELECT unhex(value ->> 'id') AS id, value ->> 'client_id' AS client_id, \
                 value ->> 'generation' AS generation, value ->> 'now' AS now, value ->> 'idle' AS idle, \
                 value ->> 'network' AS network, value ->> 'key' AS key, value ->> 'certificate' AS certificate, \
                 value ->> 'binds' AS binds FROM json_each($1)) AS asked ",
                rotatable!(),
                "RETURNING id"
            );
            let member = |rotation: &&Rotation| {
                let [key, certificate, binds] = rotation.bindings();
                json!({
                    "id": rotation.id.simple().to_string(),
                    "client_id": rotation.client_id,
                    "generation": rotation.generation,
                    "now": rotation.now.millis(),
                    "idle": rotation.idle_expires_at.millis(),
                    "network": rotation.network,
                    "key": key,
                    "certificate": certificate,
                    "binds": binds,
                })
            };
            let rows = database.write(sql, values![to_json(&asked.map(member).collect::<Vec<Value>>())?]).await?;
            let ids = rows.iter().map(|row| row.get("id")).collect::<Result<Vec<Uuid>>>()?;
            let found = find_all(database, ids.clone()).await?;
            ids.into_iter().zip(found).filter_map(|(id, found)| Some((id, found.transpose()?))).collect()
        }
    };
    // Only the first rotation of a session succeeds.
    let won = |rotation: &Rotation| {
        let is_it = distinct.get(&rotation.id).is_some_and(|first| first.identity() == rotation.identity());
        if is_it { moved.remove(&rotation.id).transpose() } else { Ok(None) }
    };
    Ok(rotations.iter().map(won).collect())
}

impl Store {
    /// Moves a session to its next generation, if it belongs to this client, is at this generation, has neither
    /// expired nor ended, and the sender proved what its credential is bound to. Returns the session after the move; the caller checks whether its user or client was revoked.
    /// Concurrent calls share a statement and its commit.
    pub async fn session_rotate(&self, rotation: Rotation) -> Result<Option<SessionRecord>> {
        self.rotations.ask(rotation).await
    }

    /// Undoes a rotation from this generation after its request was refused, unless the session has moved on since. What it bound is
    /// free again.
    pub async fn session_give_back(&self, id: Uuid, generation: i64) -> Result<()> {
        // Otherwise the token before the restored one would pass for a retry.
        let sql = "UPDATE sessions SET generation = generation - 1, retries = $1, \
                   last_refreshed_at = previous_refreshed_at, idle_expires_at = previous_idle_expires_at, \
                   confirmation = CASE WHEN bound_from = generation THEN NULL ELSE confirmation END, \
                   bound_from = CASE WHEN bound_from = generation THEN 0 ELSE bound_from END \
                   WHERE id = $2 AND generation = $3 AND retries = 0 AND NOT ended";
        self.database.write(sql, values![MOST_RETRIES, id, generation + 1]).await.map(drop)
    }

    /// Records a refresh without rotation. Returns whether the session was still at this generation.
    pub async fn session_keep(&self, id: Uuid, generation: i64, now: Timestamp, idle: Timestamp) -> Result<bool> {
        let sql = "UPDATE sessions SET last_refreshed_at = $1, idle_expires_at = $2 \
                   WHERE id = $3 AND generation = $4 AND NOT ended RETURNING id";
        Ok(!self.database.write(sql, values![now, idle, id, generation]).await?.is_empty())
    }

    /// Counts and records a repeated refresh, which came from this network. Returns whether the session was still the
    /// same.
    pub async fn session_repeat(&self, session: &Session, network: &str, audited: &Audited) -> Result<bool> {
        let mut transaction = self.database.begin().await?;
        let sql = "UPDATE sessions SET retries = retries + 1, repeats = $1, repeats_since = $2 \
                   WHERE id = $3 AND generation = $4 AND retries = $5 AND NOT ended RETURNING id";
        let (repeats, since) = session.repeats_with_one_more(audited.at);
        let values = values![repeats, since, session.id, session.generation, session.retries];
        if transaction.query_one(sql, values).await?.is_none() {
            transaction.roll_back().await?;
            return Ok(false);
        }
        let mut detail = format!("repeat {} of generation {}", session.retries + 1, session.generation);
        if network != session.network {
            // Writing to a String cannot fail.
            _ = write!(detail, " from {network}, which was first asked for from {}", session.network);
        }
        transaction.audit(audited, "session.refresh.repeat", format!("session {}", session.id), Some(detail)).await?;
        transaction.commit().await?;
        Ok(true)
    }
}
