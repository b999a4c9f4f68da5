//! The DPoP proofs that counted a short while ago: a row for each batch that a node saw, so that the others learn of them.

use std::collections::HashMap;

use serde_json::json;
use uuid::Uuid;

use crate::protocol::time::Timestamp;
use crate::store::database::Dialect;
use crate::store::row::{array, to_json, values};
use crate::store::{Result, Store};

/// The proofs that one node saw in a fraction of a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofBatch {
    /// The node.
    pub node: Uuid,
    /// Its number among the batches of the node.
    pub number: i64,
    /// The proofs, packed.
    pub proofs: Vec<u8>,
    /// When none of them can be used any more.
    pub expires_at: Timestamp,
}

impl Store {
    /// Records a batch. One that was recorded before stays as it is.
    pub async fn proofs_write(&self, batch: &ProofBatch) -> Result<()> {
        let sql = "INSERT INTO dpop_proofs (node, number, proofs, expires_at) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT (node, number) DO NOTHING";
        let values = values![batch.node, batch.number, batch.proofs.clone(), batch.expires_at];
        self.for_nodes.write(sql, values).await.map(drop)
    }

    /// Batches of other nodes that have not expired, each node's in order, after the last one of each that was read.
    pub async fn proofs_after(
        &self,
        node: Uuid,
        read: &HashMap<Uuid, (i64, Timestamp)>,
        now: Timestamp,
        most: i64,
    ) -> Result<Vec<ProofBatch>> {
        let (sql, read) = match self.dialect() {
            Dialect::Postgres => (
                "SELECT p.node, p.number, p.proofs, p.expires_at FROM dpop_proofs p \
                 LEFT JOIN (SELECT split_part(pair, ' ', 1)::uuid AS node, split_part(pair, ' ', 2)::bigint AS number \
                 FROM unnest($1::text::text[]) AS pair) seen ON seen.node = p.node \
                 WHERE p.node <> $2 AND p.expires_at > $3 AND p.number > COALESCE(seen.number, 0) \
                 ORDER BY p.node, p.number LIMIT $4",
                array(read.iter().map(|(node, (number, _))| format!("{node} {number}"))),
            ),
            Dialect::Sqlite => {
                let member = |(node, (number, _)): (&Uuid, &(i64, Timestamp))| json!({"node": node.simple().to_string(), "number": number});
                (
                    "SELECT p.node, p.number, p.proofs, p.expires_at FROM dpop_proofs p \
                     LEFT JOIN (SELECT unhex(value ->> 'node') AS node, value ->> 'number' AS number FROM json_each($1)) seen \
                     ON seen.node = p.node \
                     WHERE p.node <> $2 AND p.expires_at > $3 AND p.number > COALESCE(seen.number, 0) \
                     ORDER BY p.node, p.number LIMIT $4",
                    to_json(&read.iter().map(member).collect::<Vec<_>>())?,
                )
            }
        };
        let rows = self.for_nodes.query(sql, values![read, node, now, most]).await?;
        rows.iter()
            .map(|row| {
                Ok(ProofBatch {
                    node: row.get("node")?,
                    number: row.get("number")?,
                    proofs: row.get("proofs")?,
                    expires_at: row.moment("expires_at")?,
                })
            })
            .collect()
    }
}
