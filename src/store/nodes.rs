//! The running servers: how far each has followed the change log, and which features of clients it knows.

use std::time::Duration;

use uuid::Uuid;

use crate::protocol::client::ClientSettings;
use crate::protocol::feature::{self, Feature};
use crate::protocol::revocation::SequenceNumber;
use crate::protocol::time::Timestamp;
use crate::store::database::{Dialect, Transaction};
use crate::store::row::{Row, values};
use crate::store::{DATABASE_CLOCK, Result, Store, StoreError};

/// The time, beyond its own limit, for which a silent node counts as live.
pub(crate) const SILENCE: Duration = Duration::from_secs(5);

/// A running server, as it describes itself.
#[derive(Clone, Debug)]
pub struct NodeRecord {
    /// Its id, new at each start.
    pub id: Uuid,
    /// Its name for people: host and process.
    pub name: String,
    /// The version of its program, for people.
    pub version: String,
    /// The level of its program, see [`feature::LEVEL`].
    pub feature_level: i64,
    /// The sequence number up to which it has applied everything.
    pub applied: SequenceNumber,
    /// When it applied that number.
    pub applied_at: Timestamp,
    /// When its last heartbeat arrived, by the clock of the database.
    pub heartbeat_at: Timestamp,
    /// Milliseconds after which it stops answering from memory.
    pub max_staleness: i64,
}

impl NodeRecord {
    /// Whether it may answer requests. One that fell silent counts until it must have stopped answering from memory,
    /// and a little longer.
    fn is_live(&self, now: Timestamp) -> bool {
        let silence = i64::try_from(SILENCE.as_millis()).unwrap_or(i64::MAX);
        self.heartbeat_at.millis() + self.max_staleness + silence >= now.millis()
    }
}

fn node(row: &Row) -> Result<NodeRecord> {
    Ok(NodeRecord {
        id: row.get("id")?,
        name: row.get("name")?,
        version: row.get("version")?,
        feature_level: row.get("feature_level")?,
        applied: row.get("applied")?,
        applied_at: row.moment("applied_at")?,
        heartbeat_at: row.moment("heartbeat_at")?,
        max_staleness: row.get("max_staleness")?,
    })
}

const LIST: &str = "SELECT id, name, version, feature_level, applied, applied_at, heartbeat_at, max_staleness FROM nodes \
                    ORDER BY id";
pub(super) const FEATURE_LEVEL: &str = "SELECT level FROM feature_level WHERE id = 1";

macro_rules! heartbeat {
    ($lock:literal) => {
        concat!(
            "INSERT INTO nodes (id, name, version, feature_level, applied, applied_at, heartbeat_at, max_staleness) \
             SELECT $1, $2, $3, $4, $5, $6, $7, $8 FROM (SELECT level FROM feature_level WHERE id = 1 ",
            $lock,
            ") f WHERE f.level <= $4 ON CONFLICT (id) DO UPDATE SET applied = excluded.applied, \
             applied_at = excluded.applied_at, heartbeat_at = excluded.heartbeat_at, \
             max_staleness = excluded.max_staleness WHERE excluded.heartbeat_at >= nodes.heartbeat_at \
             OR excluded.heartbeat_at < nodes.heartbeat_at - 60000 RETURNING id"
        )
    };
}

impl Store {
    /// Records that a node is alive and how far it is. A heartbeat that arrives after a newer one changes nothing,
    /// unless the clock of the database went back by more than a minute. Returns false, and records nothing, if clients
    /// use a feature that the node does not know: then it must not answer.
    pub async fn node_heartbeat(&self, node: &NodeRecord) -> Result<bool> {
        let sql = match self.dialect() {
            // The lock makes it wait for a write that begins to use a feature, and such a write wait for it.
            Dialect::Postgres => heartbeat!("FOR SHARE"),
            Dialect::Sqlite => heartbeat!(""),
        };
        let values = values![
            node.id,
            &node.name,
            &node.version,
            node.feature_level,
            node.applied,
            node.applied_at,
            node.heartbeat_at,
            node.max_staleness
        ];
        if !self.for_nodes.write(sql, values).await?.is_empty() {
            return Ok(true);
        }
        let row = self.for_nodes.query_one(FEATURE_LEVEL, vec![]).await?;
        Ok(row.map_or(Ok(0), |row| row.get::<i64>("level"))? <= node.feature_level)
    }

    /// Removes a node that stops.
    pub async fn node_leave(&self, id: Uuid) -> Result<()> {
        self.database.write("DELETE FROM nodes WHERE id = $1", values![id]).await.map(drop)
    }

    /// Records that tokens and sessions are bound, for good. Fails if a live node does not know that.
    pub async fn use_bound_tokens(&self, now: Timestamp) -> Result<()> {
        self.begin_to_use(feature::BOUND_TOKENS, now).await
    }

    /// Records that tokens of other issuers are exchanged, for good. Fails if a live node does not know that.
    pub async fn use_foreign_exchange(&self, now: Timestamp) -> Result<()> {
        self.begin_to_use(feature::FOREIGN_EXCHANGE, now).await
    }

    async fn begin_to_use(&self, name: &str, now: Timestamp) -> Result<()> {
        let mut transaction = self.database.begin().await?;
        match transaction.use_feature(feature::named(name), now).await? {
            None => transaction.commit().await,
            Some(refusal) => {
                transaction.roll_back().await?;
                Err(refusal)
            }
        }
    }

    /// Every node, by id.
    pub async fn node_list(&self) -> Result<Vec<NodeRecord>> {
        self.database.query(LIST, vec![]).await?.iter().map(node).collect()
    }

    /// The nodes that may answer requests. `now` counts where the database has no clock of its own.
    pub async fn node_list_live(&self, now: Timestamp) -> Result<Vec<NodeRecord>> {
        // Heartbeats are in database time, and so is the decision whether one is too old.
        let now = self.database_clock().await?.map_or(now, Timestamp::from_millis);
        Ok(self.node_list().await?.into_iter().filter(|node| node.is_live(now)).collect())
    }
}

impl Transaction {
    /// Records the features that these settings use, for good. Returns the refusal if a live node does not know one.
    /// From here to the end of the transaction no node can join.
    pub(super) async fn use_features(
        &mut self,
        settings: &ClientSettings,
        now: Timestamp,
    ) -> Result<Option<StoreError>> {
        self.use_feature(feature::needed_by(settings), now).await
    }

    /// The same for one feature, given with its level.
    pub(super) async fn use_feature(
        &mut self,
        needed: Option<(i64, &'static Feature)>,
        now: Timestamp,
    ) -> Result<Option<StoreError>> {
        let Some((level, feature)) = needed else { return Ok(None) };
        let raise = "UPDATE feature_level SET level = $1 WHERE id = 1 AND level < $1 RETURNING level";
        if self.query_one(raise, values![level]).await?.is_none() {
            return Ok(None);
        }
        let now = match self.dialect() {
            Dialect::Sqlite => now,
            Dialect::Postgres => {
                let row = self.query_one(DATABASE_CLOCK, vec![]).await?;
                row.map_or(Ok(now), |row| row.moment("now"))?
            }
        };
        let nodes = self.query(LIST, vec![]).await?.iter().map(node).collect::<Result<Vec<_>>>()?;
        let unaware = nodes.into_iter().find(|node| node.feature_level < level && node.is_live(now));
        Ok(unaware.map(|node| StoreError::UnknownFeature {
            member: feature.member,
            node: node.name,
            version: node.version,
        }))
    }
}
