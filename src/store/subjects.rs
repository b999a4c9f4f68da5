//! The texts that can be the `sub` of a token. The table has one row for each user and each client, so that no user's
//! `sub` ever equals a `client_id`, however many nodes create users and clients at once.

use crate::store::database::Transaction;
use crate::store::row::values;
use crate::store::{Result, Store};

/// Whose a `sub` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubOwner {
    /// A user.
    User,
    /// A client, whose `client_id` it is.
    Client,
}

impl Store {
    /// Whose a `sub` is, if it is somebody's.
    pub async fn sub_owner(&self, sub: &str) -> Result<Option<SubOwner>> {
        let row = self.database.query_one("SELECT is_client FROM subjects WHERE sub = $1", values![sub]).await?;
        let owner = |is_client: bool| if is_client { SubOwner::Client } else { SubOwner::User };
        row.map(|row| Ok(owner(row.get("is_client")?))).transpose()
    }
}

impl Transaction {
    /// Takes a `sub` that somebody named for a new user or client, under the lock of names, which this transaction then holds: taken the
    /// other way round, two transactions could wait for each other. Returns the owner if there is one already.
    pub(super) async fn sub_take(&mut self, sub: &str, owner: SubOwner) -> Result<Option<SubOwner>> {
        self.lock_names().await?;
        self.sub_take_drawn(sub, owner).await
    }

    /// The same for a `sub` that was just drawn at random: nobody else waits for it, so it needs no lock.
    pub(super) async fn sub_take_drawn(&mut self, sub: &str, owner: SubOwner) -> Result<Option<SubOwner>> {
        let insert = "INSERT INTO subjects (sub, is_client) VALUES ($1, $2) ON CONFLICT (sub) DO NOTHING RETURNING sub";
        let held = "SELECT is_client FROM subjects WHERE sub = $1";
        loop {
            if self.query_one(insert, values![sub, owner == SubOwner::Client]).await?.is_some() {
                return Ok(None);
            }
            // No row now means that its owner was deleted between the two statements.
            if let Some(row) = self.query_one(held, values![sub]).await? {
                let is_client: bool = row.get("is_client")?;
                return Ok(Some(if is_client { SubOwner::Client } else { SubOwner::User }));
            }
        }
    }

    /// Frees the `sub` of a user or client that this transaction deletes.
    pub(super) async fn sub_free(&mut self, sub: &str) -> Result<()> {
        self.query("DELETE FROM subjects WHERE sub = $1", values![sub]).await.map(drop)
    }
}
