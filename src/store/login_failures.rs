//! Failed logins, counted by all nodes together, and the networks from which users have logged in.

use uuid::Uuid;

use crate::crypto::sha256;
use crate::protocol::backoff::{Backoff, Network};
use crate::protocol::time::Timestamp;
use crate::protocol::user::username_key;
use crate::store::row::values;
use crate::store::{Result, Store};

/// The most networks on which one user is known.
const NETWORKS: i64 = 50;

/// The name under which the failed logins to an account are counted, whether it exists or not.
pub fn account_digest(username: &str) -> [u8; 32] {
    sha256(username_key(username).as_bytes())
}

impl Store {
    /// Adds failed logins to the count of an account, after subtracting those that are forgiven by now. Returns
    /// how many there are then.
    pub async fn login_failures_add(
        &self,
        account: [u8; 32],
        failures: i64,
        backoff: Backoff,
        now: Timestamp,
    ) -> Result<i64> {
        let sql = "INSERT INTO login_failures (account, failures, last_at) VALUES ($1, $2, $3) \
                   ON CONFLICT (account) DO UPDATE SET last_at = $3, failures = $2 + CASE \
                   WHEN $3 <= login_failures.last_at THEN login_failures.failures \
                   WHEN login_failures.failures > ($3 - login_failures.last_at) / $4 \
                   THEN login_failures.failures - ($3 - login_failures.last_at) / $4 ELSE 0 END RETURNING failures";
        let rows = self.database.write(sql, values![account, failures, now, backoff.forgiven_after * 1000]).await?;
        rows.first().map_or(Ok(failures), |row| row.get("failures"))
    }

    /// Records that a user logged in from a network, and forgets the networks used longest ago.
    pub async fn network_note(&self, user: Uuid, network: Network, now: Timestamp) -> Result<()> {
        let mut transaction = self.database.begin().await?;
        // The user may be deleted at the same moment.
        let sql = "INSERT INTO known_networks (user_id, network, last_login_at) \
                   SELECT id, $2, $3 FROM users WHERE id = $1 \
                   ON CONFLICT (user_id, network) DO UPDATE SET last_login_at = $3";
        transaction.query(sql, values![user, network.to_string(), now]).await?;
        let forget = "DELETE FROM known_networks WHERE user_id = $1 AND network NOT IN (SELECT network FROM \
                      known_networks WHERE user_id = $1 ORDER BY last_login_at DESC, network LIMIT $2)";
        transaction.query(forget, values![user, NETWORKS]).await?;
        transaction.commit().await
    }
}
