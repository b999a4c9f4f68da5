//! The running servers, and how far each has followed the change log.

use uuid::Uuid;

use crate::protocol::revocation::SequenceNumber;
use crate::protocol::time::Timestamp;
use crate::store::row::values;
use crate::store::{Result, Store};

/// A running server, as it describes itself.
#[derive(Clone, Debug)]
pub struct NodeRecord {
    /// Its id, new at each start.
    pub id: Uuid,
    /// Its name for people: host and process.
    pub name: String,
    /// The version of its program.
    pub version: String,
    /// The sequence number up to which it has applied everything.
    pub applied: SequenceNumber,
    /// When it applied that number.
    pub applied_at: Timestamp,
    /// When its last heartbeat arrived, by the clock of the database.
    pub heartbeat_at: Timestamp,
    /// Milliseconds after which it stops answering from memory.
    pub max_staleness: i64,
}

impl Store {
    /// Records that a node is alive and how far it is. A heartbeat that arrives after a newer one changes nothing,
    /// unless the clock of the database went back by more than a minute.
    pub async fn node_heartbeat(&self, node: &NodeRecord) -> Result<()> {
        let sql = "INSERT INTO nodes (id, name, version, applied, applied_at, heartbeat_at, max_staleness) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET applied = excluded.applied, \
                   applied_at = excluded.applied_at, heartbeat_at = excluded.heartbeat_at, \
                   max_staleness = excluded.max_staleness \
                   WHERE excluded.heartbeat_at >= nodes.heartbeat_at \
                   OR excluded.heartbeat_at < nodes.heartbeat_at - 60000";
        let values = values![
            node.id,
            &node.name,
            &node.version,
            node.applied,
            node.applied_at,
            node.heartbeat_at,
            node.max_staleness
        ];
        self.for_nodes.write(sql, values).await.map(drop)
    }

    /// Removes a node that stops.
    pub async fn node_leave(&self, id: Uuid) -> Result<()> {
        self.database.write("DELETE FROM nodes WHERE id = $1", values![id]).await.map(drop)
    }

    /// Every node, by id.
    pub async fn node_list(&self) -> Result<Vec<NodeRecord>> {
        let sql = "SELECT id, name, version, applied, applied_at, heartbeat_at, max_staleness FROM nodes ORDER BY id";
        let rows = self.database.query(sql, vec![]).await?;
        rows.iter()
            .map(|row| {
                Ok(NodeRecord {
                    id: row.get("id")?,
                    name: row.get("name")?,
                    version: row.get("version")?,
                    applied: row.get("applied")?,
                    applied_at: row.moment("applied_at")?,
                    heartbeat_at: row.moment("heartbeat_at")?,
                    max_staleness: row.get("max_staleness")?,
                })
            })
            .collect()
    }
}
