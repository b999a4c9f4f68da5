//! Client assertions that were used, until they have expired: each counts once, on whichever node (RFC 7523 §3).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::json;

use crate::protocol::time::Timestamp;
use crate::store::database::{Database, Dialect};
use crate::store::row::{array, hex, to_json, values};
use crate::store::{Result, Store};

/// An assertion that is about to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedAssertion {
    /// The hash of what no other assertion of any client has in common with it.
    pub hash: [u8; 32],
    /// The time.
    pub now: Timestamp,
    /// Until when it has to be remembered.
    pub expires_at: Timestamp,
}

/// Whether an assertion counts, or when it was used before.
pub(super) type Use = std::result::Result<(), Timestamp>;

/// Records several assertions with one statement; a further one is needed only if some were used before. Of several calls for
/// one assertion, one wins.
pub(super) async fn use_all(database: &Database, asked: Vec<UsedAssertion>) -> Result<Vec<Result<Use>>> {
    // In the same order on every node, so that two nodes cannot deadlock.
    let mut distinct: BTreeMap<[u8; 32], &UsedAssertion> = BTreeMap::new();
    for used in &asked {
        distinct.entry(used.hash).or_insert(used);
    }
    let (sql, values) = match database.dialect() {
        Dialect::Postgres => (
            "INSERT INTO client_assertions (hash, used_at, expires_at) \
             SELECT decode(asked.hash, 'hex'), asked.used_at, asked.expires_at \
             FROM unnest($1::text::text[], $2::text::bigint[], $3::text::bigint[]) AS asked(hash, used_at, expires_at) \
             ON CONFLICT (hash) DO NOTHING RETURNING hash",
            values![
                array(distinct.keys().map(hex)),
                array(distinct.values().map(|used| used.now.millis())),
                array(distinct.values().map(|used| used.expires_at.millis()))
            ],
        ),
        Dialect::Sqlite => {
            let member = |used: &&UsedAssertion| {
                json!({
                    "hash": hex(&used.hash),
                    "used_at": used.now.millis(),
                    "expires_at": used.expires_at.millis(),
                })
            };
            let members: Vec<_> = distinct.values().map(member).collect();
            (
                // Without the condition, ON would seem to belong to a join.
                "INSERT INTO client_assertions (hash, used_at, expires_at) \
                 SELECT unhex(value ->> 'hash'), value ->> 'used_at', value ->> 'expires_at' FROM json_each($1) WHERE TRUE \
                 ON CONFLICT (hash) DO NOTHING RETURNING hash",
                values![to_json(&members)?],
            )
        }
    };
    let rows = database.write(sql, values).await?;
    let mut new = rows.iter().map(|row| row.hash("hash")).collect::<Result<HashSet<[u8; 32]>>>()?;
    let counts: Vec<bool> = asked.iter().map(|used| new.remove(&used.hash)).collect();
    let others = asked.iter().zip(&counts).filter(|(_, counts)| !**counts).map(|(used, _)| used.hash);
    // If that fails, it fails for these others only.
    let before = used_before(database, others.collect()).await;
    let answer = |(used, counts): (&UsedAssertion, bool)| match &before {
        _ if counts => Ok(Ok(())),
        // One that is gone by now has expired.
        Ok(before) => Ok(Err(before.get(&used.hash).copied().unwrap_or(used.now))),
        Err(error) => Err(error.clone()),
    };
    Ok(asked.iter().zip(counts).map(answer).collect())
}

/// When assertions were used.
async fn used_before(database: &Database, hashes: BTreeSet<[u8; 32]>) -> Result<HashMap<[u8; 32], Timestamp>> {
    if hashes.is_empty() {
        return Ok(HashMap::new());
    }
    let (sql, asked) = match database.dialect() {
        Dialect::Postgres => (
            "SELECT hash, used_at FROM client_assertions \
             WHERE hash = ANY (ARRAY(SELECT decode(asked.hash, 'hex') FROM unnest($1::text::text[]) AS asked(hash)))",
            array(hashes.iter().map(hex)),
        ),
        Dialect::Sqlite => (
            "SELECT hash, used_at FROM client_assertions WHERE hash IN (SELECT unhex(value) FROM json_each($1))",
            to_json(&hashes.iter().map(hex).collect::<Vec<_>>())?,
        ),
    };
    let rows = database.query(sql, values![asked]).await?;
    rows.iter().map(|row| Ok((row.hash("hash")?, row.moment("used_at")?))).collect()
}

impl Store {
    /// Lets an assertion count, if none with this hash did before; otherwise says when that was. Concurrent calls share a
    /// statement and its commit.
    pub async fn assertion_use(&self, used: UsedAssertion) -> Result<std::result::Result<(), Timestamp>> {
        self.assertion_uses.ask(used).await
    }
}
