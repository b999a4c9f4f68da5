//! Named values of the whole installation: the check value of the master key, the mark of a dev database.

use crate::store::row::values;
use crate::store::{Result, Store};

/// The name of the check value of the master key.
pub(super) const MASTER_KEY_CHECK: &str = "master_key_check";
const DEV_MARK: &str = "dev";
const DEV_ISSUER: &str = "dev_issuer";

impl Store {
    /// The check value of the master key; stores `candidate` if there is none yet.
    pub async fn master_key_check(&self, candidate: Vec<u8>) -> Result<Vec<u8>> {
        if let Some(row) = self.setting(MASTER_KEY_CHECK).await? {
            return Ok(row);
        }
        let insert = "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
        self.database.write(insert, values![MASTER_KEY_CHECK, candidate.clone()]).await?;
        Ok(self.setting(MASTER_KEY_CHECK).await?.unwrap_or(candidate))
    }

    /// Whether the database is marked as one for development.
    pub async fn has_dev_mark(&self) -> Result<bool> {
        Ok(self.setting(DEV_MARK).await?.is_some())
    }

    /// Sets or removes the mark of a database for development.
    pub async fn set_dev_mark(&self, marked: bool) -> Result<()> {
        let sql = if marked {
            "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING"
        } else {
            "DELETE FROM settings WHERE name = $1 AND value = $2"
        };
        self.database.write(sql, values![DEV_MARK, b"1".to_vec()]).await.map(drop)
    }

    /// The issuer of the development server that last used the database. It follows the address on which that server
    /// listened.
    pub async fn dev_issuer(&self) -> Result<Option<String>> {
        Ok(self.setting(DEV_ISSUER).await?.and_then(|value| String::from_utf8(value).ok()))
    }

    /// Stores the issuer for commands that run beside the server.
    pub async fn set_dev_issuer(&self, issuer: &str) -> Result<()> {
        let sql = "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = $2";
        self.database.write(sql, values![DEV_ISSUER, issuer.as_bytes().to_vec()]).await.map(drop)
    }

    /// Whether the database is unused: it has no client and no user.
    pub async fn is_unused(&self) -> Result<bool> {
        let sql = "SELECT 1 AS one WHERE EXISTS (SELECT 1 FROM clients) OR EXISTS (SELECT 1 FROM users)";
        Ok(self.database.query_one(sql, vec![]).await?.is_none())
    }

    async fn setting(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let row = self.database.query_one("SELECT value FROM settings WHERE name = $1", values![name]).await?;
        row.map(|row| row.get("value")).transpose()
    }
}

/// Replaces the check value of the master key.
pub(super) const REPLACE_MASTER_KEY_CHECK: &str = "UPDATE settings SET value = $1 WHERE name = 'master_key_check'";
