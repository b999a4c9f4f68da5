//! What administrators block: URLs and hosts whose clients are not wanted, although nobody registered them.

use std::collections::BTreeMap;

use crate::protocol::cause::Cause;
use crate::protocol::object::Kind;
use crate::protocol::revocation::{NewRevocation, Target};
use crate::protocol::time::Timestamp;
use crate::store::changes::{LogTransaction, Logged, Notice, Written};
use crate::store::row::{Row, values};
use crate::store::sessions::ENDED_AT_ONCE;
use crate::store::{Audited, Ended, Page, Result, Store};

/// A URL or a host that is blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientBlock {
    /// The URL of a document, or a host with every name below it.
    pub target: String,
    /// Why, for other administrators.
    pub reason: Option<String>,
    /// Since when.
    pub created_at: Timestamp,
}

/// That the block `b` is about a document, by the URL and the host of that.
macro_rules! is_about {
    ($url:literal, $host:literal) => {
        concat!(
            "(b.target = ",
            $url,
            " OR b.target = ",
            $host,
            " OR substr(",
            $host,
            ", length(",
            $host,
            ") - length(b.target)) = '.' || b.target)"
        )
    };
}
pub(super) use is_about;

fn block(row: &Row) -> Result<ClientBlock> {
    Ok(ClientBlock { target: row.get("target")?, reason: row.get("reason")?, created_at: row.moment("created_at")? })
}

fn count(rows: &[Row]) -> i64 {
    i64::try_from(rows.len()).unwrap_or(i64::MAX)
}

/// What blocks that began or ended have still to do is noted in `settings`, by whoever writes such a block: there it outlives the
/// process that does it.
macro_rules! begun {
    ($target:literal) => {
        concat!("'client_block_begun/' || ", $target)
    };
}
/// That a block ended, and clients may still count as blocked.
const ENDED: &str = "client_block_ended";

impl Store {
    /// Blocks the URL of a document, or a host, and ends what was issued to the clients that this concerns. A transaction ends no more
    /// than five hundred: until the answer is [`Ended::Whole`], [`Store::client_blocks_carry_out`] goes on. Returns the block, too,
    /// which may be an earlier one.
    pub async fn client_block_create(
        &self,
        block: &ClientBlock,
        covers_until: Timestamp,
        audited: &Audited,
    ) -> Result<Logged<(ClientBlock, Ended)>> {
        let mut transaction = self.begin_logged().await?;
        let earlier = transaction.insert_block(block, audited).await?;
        let ended = transaction.carry_out_blocks(covers_until, audited).await?;
        transaction.commit((earlier.unwrap_or_else(|| block.clone()), ended)).await
    }

    /// Ends a block. The clients that no other block concerns can be used again, part by part, as with
    /// [`Store::client_block_create`]. Returns whether there was such a block, too.
    pub async fn client_block_delete(
        &self,
        target: &str,
        covers_until: Timestamp,
        audited: &Audited,
    ) -> Result<Logged<(bool, Ended)>> {
        let mut transaction = self.begin_logged().await?;
        let was_there = transaction.remove_block(target, audited).await?;
        let ended = transaction.carry_out_blocks(covers_until, audited).await?;
        transaction.commit((was_there, ended)).await
    }

    /// Goes on with what blocks that began or ended have still to do, whoever wrote them: five hundred clients at most.
    pub async fn client_blocks_carry_out(&self, covers_until: Timestamp, audited: &Audited) -> Result<Logged<Ended>> {
        if !self.client_blocks_are_unfinished().await? {
            return Ok(Logged::without_entries(Ended::Nothing));
        }
        let mut transaction = self.begin_logged().await?;
        let ended = transaction.carry_out_blocks(covers_until, audited).await?;
        transaction.commit(ended).await
    }

    /// The same in the background: nothing, while somebody else writes names, who may be doing just this.
    pub async fn client_blocks_go_on(&self, covers_until: Timestamp, audited: &Audited) -> Result<Logged<Ended>> {
        if !self.client_blocks_are_unfinished().await? {
            return Ok(Logged::without_entries(Ended::Nothing));
        }
        let mut transaction = self.begin_logged().await?;
        if !transaction.try_lock_names().await? {
            return transaction.roll_back(Ended::Nothing).await;
        }
        let ended = transaction.carry_out_blocks(covers_until, audited).await?;
        transaction.commit(ended).await
    }

    async fn client_blocks_are_unfinished(&self) -> Result<bool> {
        let sql = "SELECT 1 AS one FROM settings WHERE substr(name, 1, 13) = 'client_block_' LIMIT 1";
        Ok(self.database.query_one(sql, vec![]).await?.is_some())
    }

    /// The block that concerns a client with a document at this URL of this host, if there is one.
    pub async fn client_block_find(&self, client_id: &str, host: &str) -> Result<Option<ClientBlock>> {
        let sql = concat!(
            "SELECT b.target, b.reason, b.created_at FROM client_blocks b WHERE ",
            is_about!("$1", "$2"),
            " ORDER BY b.target LIMIT 1"
        );
        self.database.query_one(sql, values![client_id, host]).await?.as_ref().map(block).transpose()
    }

    /// Blocks by target, which is the key of a page.
    pub async fn client_block_list(&self, page: &Page) -> Result<Vec<ClientBlock>> {
        let sql = "SELECT target, reason, created_at FROM client_blocks WHERE ($1 IS NULL OR target > $1) \
                   ORDER BY target LIMIT $2";
        self.database.query(sql, values![page.after.clone(), page.limit]).await?.iter().map(block).collect()
    }

    /// Every block.
    pub async fn client_block_all(&self) -> Result<BTreeMap<String, ClientBlock>> {
        let all = self.client_block_list(&Page { limit: i64::MAX, after: None }).await?;
        Ok(all.into_iter().map(|block| (block.target.clone(), block)).collect())
    }
}

impl LogTransaction {
    /// Blocks something, unless it is blocked already. What that ends is left to [`LogTransaction::carry_out_blocks`].
    pub(super) async fn create_block(&mut self, block: &ClientBlock, audited: &Audited) -> Result<Written> {
        let earlier = self.insert_block(block, audited).await?;
        Ok(if earlier.is_some() { Written::Outdated } else { Written::Done })
    }

    /// Gives a block another reason. What ended for the earlier one stays as it is recorded.
    pub(super) async fn update_block(&mut self, block: &ClientBlock, audited: &Audited) -> Result<Written> {
        let sql = "UPDATE client_blocks SET reason = $1 WHERE target = $2 RETURNING target";
        if self.query_one(sql, values![block.reason.clone(), &block.target]).await?.is_none() {
            return Ok(Written::Outdated);
        }
        self.audit_block(block, audited).await?;
        Ok(Written::Done)
    }

    /// Ends a block. Whom that frees is left to [`LogTransaction::carry_out_blocks`].
    pub(super) async fn delete_block(&mut self, target: &str, audited: &Audited) -> Result<Written> {
        Ok(if self.remove_block(target, audited).await? { Written::Done } else { Written::Outdated })
    }

    /// Carries out what blocks that began or ended have still to do: five hundred clients at most.
    pub(super) async fn carry_out_blocks(&mut self, covers_until: Timestamp, audited: &Audited) -> Result<Ended> {
        // Nobody writes a block, or a document that it may be about, until what is noted is done.
        self.lock_names().await?;
        let mut left = ENDED_AT_ONCE;
        let sql = concat!(
            "SELECT b.target, b.reason, b.created_at, s.value FROM settings s, client_blocks b WHERE s.name = ",
            begun!("b.target"),
            " ORDER BY b.target"
        );
        for row in &self.query(sql, vec![]).await? {
            let block = block(row)?;
            // In the name of whoever blocked them, whoever carries it out.
            let actor = String::from_utf8(row.get("value")?).ok().filter(|actor| !actor.is_empty());
            let by = Audited { actor: actor.unwrap_or_else(|| audited.actor.clone()), ..audited.clone() };
            left -= self.end_blocked(&block, left, covers_until, &by).await?;
            if left <= 0 {
                return Ok(Ended::Part);
            }
            self.query(concat!("DELETE FROM settings WHERE name = ", begun!("$1")), values![&block.target]).await?;
        }
        if self.query_one("SELECT 1 AS one FROM settings WHERE name = $1", values![ENDED]).await?.is_some() {
            left -= self.free_unblocked(left, audited).await?;
            if left <= 0 {
                return Ok(Ended::Part);
            }
            self.query("DELETE FROM settings WHERE name = $1", values![ENDED]).await?;
        }
        Ok(Ended::Whole)
    }

    /// Adds a block. Returns the earlier one of the same target, which stays, if there is one.
    async fn insert_block(&mut self, block: &ClientBlock, audited: &Audited) -> Result<Option<ClientBlock>> {
        // A document that is kept from now on is compared with this block.
        self.lock_names().await?;
        let sql =
            concat!("INSERT INTO settings (name, value) VALUES (", begun!("$1"), ", $2) ON CONFLICT (name) DO NOTHING");
        self.query(sql, values![&block.target, audited.actor.clone().into_bytes()]).await?;
        let sql = "SELECT target, reason, created_at FROM client_blocks WHERE target = $1";
        if let Some(row) = self.query_one(sql, values![&block.target]).await? {
            return self::block(&row).map(Some);
        }
        let sql = "INSERT INTO client_blocks (target, reason, created_at) VALUES ($1, $2, $3)";
        self.query(sql, values![&block.target, block.reason.clone(), block.created_at]).await?;
        self.audit_block(block, audited).await?;
        Ok(None)
    }

    async fn audit_block(&mut self, block: &ClientBlock, audited: &Audited) -> Result<()> {
        self.audit(audited, "client.block", format!("clients of {}", block.target), block.reason.clone()).await
    }

    /// Ends what was issued to clients that a block concerns, and returns how many they were: at most `limit`.
    async fn end_blocked(
        &mut self,
        block: &ClientBlock,
        limit: i64,
        covers_until: Timestamp,
        audited: &Audited,
    ) -> Result<i64> {
        let sql = concat!(
            "UPDATE client_documents SET is_blocked = $1 WHERE client_id IN (SELECT d.client_id \
             FROM client_documents d, client_blocks b WHERE NOT d.is_blocked AND b.target = $2 AND ",
            is_about!("d.client_id", "d.host"),
            " ORDER BY d.client_id LIMIT $3) RETURNING client_id, is_used"
        );
        let rows = self.query(sql, values![true, &block.target, limit]).await?;
        for row in &rows {
            let client_id: String = row.get("client_id")?;
            if row.get("is_used")? {
                let revocation = NewRevocation {
                    target: Target::Client(client_id),
                    cause: Cause::ClientDisabled,
                    reason: block.reason.clone(),
                    covers_until,
                };
                self.revoke(&revocation, audited).await?;
            } else {
                self.notify(Notice::Client(&client_id), audited).await?;
            }
        }
        Ok(count(&rows))
    }

    /// Removes a block. Returns whether there was one.
    async fn remove_block(&mut self, target: &str, audited: &Audited) -> Result<bool> {
        self.lock_names().await?;
        let sql = "DELETE FROM client_blocks WHERE target = $1 RETURNING target";
        if self.query_one(sql, values![target]).await?.is_none() {
            return Ok(false);
        }
        self.query(concat!("DELETE FROM settings WHERE name = ", begun!("$1")), values![target]).await?;
        let sql = "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
        self.query(sql, values![ENDED, Vec::<u8>::new()]).await?;
        self.disown(Kind::Block, target).await?;
        self.audit(audited, "client.unblock", format!("clients of {target}"), None).await?;
        Ok(true)
    }

    /// Lets clients that no block concerns any more be used again, and returns how many they were: at most `limit`.
    async fn free_unblocked(&mut self, limit: i64, audited: &Audited) -> Result<i64> {
        let sql = concat!(
            "UPDATE client_documents SET is_blocked = $1 WHERE client_id IN (SELECT d.client_id FROM client_documents d \
             WHERE d.is_blocked AND NOT EXISTS (SELECT 1 FROM client_blocks b WHERE ",
            is_about!("d.client_id", "d.host"),
            ") ORDER BY d.client_id LIMIT $2) RETURNING client_id"
        );
        let rows = self.query(sql, values![false, limit]).await?;
        for row in &rows {
            self.notify(Notice::Client(&row.get::<String>("client_id")?), audited).await?;
        }
        Ok(count(&rows))
    }
}
