//! The change log: revocations, and notices of what changed. The database assigns the sequence numbers at commit.

mod transaction;

pub use transaction::Logged;
pub(in crate::store) use transaction::Notice;

use uuid::Uuid;

use crate::protocol::cause::Cause;
use crate::protocol::claims::AccessClaims;
use crate::protocol::revocation::{NewRevocation, Revocation, SequenceNumber, Target};
use crate::protocol::session::Session;
use crate::protocol::time::Timestamp;
use crate::store::row::{Row, unreadable, values};
use crate::store::{Audited, Page, Result, Store};

/// What an entry of the change log tells the nodes.
#[derive(Clone, Debug)]
pub enum LogEvent {
    /// Tokens were revoked.
    Revoked(Revocation),
    /// A client was created or changed.
    ClientChanged(String),
    /// A user was changed, named by `sub`.
    UserChanged(String),
    /// Keys were made, changed or deleted.
    KeysChanged,
}

impl LogEvent {
    /// Whether the keys must be loaded anew.
    pub fn changes_keys(&self) -> bool {
        match self {
            Self::KeysChanged => true,
            Self::Revoked(revocation) => matches!(revocation.target, Target::Key(_)),
            Self::ClientChanged(_) | Self::UserChanged(_) => false,
        }
    }

    /// The client that is no longer what it was.
    pub fn changed_client(&self) -> Option<&str> {
        match self {
            Self::ClientChanged(client_id) => Some(client_id),
            Self::Revoked(revocation) => match &revocation.target {
                Target::Client(client_id) => Some(client_id),
                _ => None,
            },
            Self::UserChanged(_) | Self::KeysChanged => None,
        }
    }

    /// The `sub` of the user that is no longer what it was.
    pub fn changed_user(&self) -> Option<&str> {
        match self {
            Self::UserChanged(sub) => Some(sub),
            Self::Revoked(revocation) => match &revocation.target {
                Target::User(sub) => Some(sub),
                _ => None,
            },
            Self::ClientChanged(_) | Self::KeysChanged => None,
        }
    }
}

/// An entry of the change log.
#[derive(Clone, Debug)]
pub struct LogEntry {
    /// Its sequence number: the time of its commit in milliseconds, or a little more when many commit at once.
    pub number: SequenceNumber,
    /// What it tells.
    pub event: LogEvent,
}

/// What a revocation can cover: an access token, or a session with its refresh tokens.
#[derive(Clone, Debug)]
pub struct Covered {
    /// The `jti` of the access token.
    pub token: Option<Uuid>,
    /// The session.
    pub session: Option<Uuid>,
    /// The user, by `sub`.
    pub user: Option<String>,
    /// The client.
    pub client_id: String,
    /// The sequence number at which it began.
    pub log: SequenceNumber,
    /// The key that made it.
    pub key: Option<String>,
}

impl Covered {
    /// Everything that a key made.
    pub fn by_key(kid: &str) -> Self {
        let (token, session, user, client_id, log) = (None, None, None, String::new(), SequenceNumber::MAX);
        Self { token, session, user, client_id, log, key: Some(kid.to_owned()) }
    }
}

impl From<&AccessClaims> for Covered {
    fn from(claims: &AccessClaims) -> Self {
        Self {
            token: Some(claims.jti),
            session: claims.sid,
            user: claims.subject().user().map(str::to_owned),
            client_id: claims.client_id.clone(),
            log: claims.log,
            key: None,
        }
    }
}

impl From<&Session> for Covered {
    fn from(session: &Session) -> Self {
        Self {
            token: None,
            session: Some(session.id),
            user: Some(session.sub.clone()),
            client_id: session.client_id.clone(),
            log: session.log,
            key: None,
        }
    }
}

/// A part of the change log.
#[derive(Clone, Debug)]
pub struct LogPage {
    /// The number of the newest entry there is.
    pub head: SequenceNumber,
    /// The entries that this program understands.
    pub entries: Vec<LogEntry>,
    /// The number up to which this page and those before it hold everything.
    pub complete_to: SequenceNumber,
    /// Whether the entries do not continue from the number asked for, because some have expired or the database was
    /// restored. The node must then reload everything.
    pub is_broken: bool,
}

/// Reads entries that are revocations.
macro_rules! revocations {
    ($rest:literal) => {
        concat!(
            "SELECT number, kind, target_id, target_name, cause, reason, actor, created_at, covers_until FROM changes \
             WHERE kind IN ('token', 'session', 'user', 'client', 'key', 'all') AND ",
            $rest
        )
    };
}

fn revocation(row: &Row, target: Target) -> Result<Revocation> {
    let cause: Option<String> = row.get("cause")?;
    Ok(Revocation {
        number: row.get("number")?,
        target,
        // A cause that a newer program wrote is still a revocation.
        cause: cause.and_then(|name| name.parse().ok()).unwrap_or(Cause::TokenRevoked),
        reason: row.get("reason")?,
        actor: row.get("actor")?,
        created_at: row.moment("created_at")?,
        covers_until: row.moment("covers_until")?,
    })
}

fn target(row: &Row) -> Result<Option<Target>> {
    let kind: String = row.get("kind")?;
    let id: Option<Uuid> = row.get("target_id")?;
    let name: Option<String> = row.get("target_name")?;
    let id = id.map(|id| id.to_string()).or(name).unwrap_or_default();
    Ok(Target::from_parts(&kind, &id))
}

fn entry(row: &Row) -> Result<Option<LogEntry>> {
    let kind: String = row.get("kind")?;
    let event = match (target(row)?, kind.as_str()) {
        (Some(target), _) => LogEvent::Revoked(revocation(row, target)?),
        (None, "client_changed") => LogEvent::ClientChanged(row.get("target_name")?),
        (None, "user_changed") => LogEvent::UserChanged(row.get("target_name")?),
        (None, "keys_changed") => LogEvent::KeysChanged,
        // A notice that only newer programs understand.
        (None, _) => return Ok(None),
    };
    Ok(Some(LogEntry { number: row.get("number")?, event }))
}

impl Store {
    /// The number of the newest entry.
    pub async fn log_head(&self) -> Result<SequenceNumber> {
        let row = self.for_nodes.query_one("SELECT number FROM change_head WHERE id = 1", vec![]).await?;
        row.map_or_else(|| Err(unreadable("change_head", &"it is empty")), |row| row.get("number"))
    }

    /// At most `limit` entries after `number`, in order. The head is read first, so every entry up to it is either
    /// among these or after the last of them.
    pub async fn log_after(&self, number: SequenceNumber, limit: i64) -> Result<LogPage> {
        let head = self.log_head().await?;
        if head <= number {
            return Ok(LogPage { head, entries: vec![], complete_to: head, is_broken: head < number });
        }
        let sql = "SELECT number, previous, kind, target_id, target_name, cause, reason, \
                   actor, created_at, covers_until FROM changes WHERE number > $1 ORDER BY number LIMIT $2";
        let rows = self.for_nodes.query(sql, values![number, limit]).await?;
        let mut is_broken = false;
        let mut last = number;
        let mut entries = Vec::with_capacity(rows.len());
        for row in &rows {
            is_broken |= row.get::<Option<SequenceNumber>>("previous")? != Some(last);
            last = row.get("number")?;
            entries.extend(entry(row)?);
        }
        let is_full = i64::try_from(rows.len()) == Ok(limit);
        is_broken |= !is_full && last < head;
        Ok(LogPage { head, entries, complete_to: last, is_broken })
    }

    /// Makes the next number greater than `number` and no smaller than the time, and breaks the log there, so that
    /// every node reloads everything: the database was restored to a state before that number was assigned.
    pub async fn log_go_on_above(&self, number: SequenceNumber, now: Timestamp) -> Result<()> {
        let sql = "UPDATE change_head SET number = $1 WHERE id = 1 AND number < $2";
        let above = (number + 1).max(now.millis());
        self.for_nodes.write(sql, values![above, number]).await.map(drop)
    }

    /// At most `limit` revocations that still cover something after the moment `covers_until`, the one that expires
    /// first at the head; to continue, pass the moment and the number of the last.
    pub async fn revocations_in_force(
        &self,
        covers_until: Timestamp,
        number: SequenceNumber,
        limit: i64,
    ) -> Result<Vec<Revocation>> {
        let sql = revocations!("(covers_until, number) > ($1, $2) ORDER BY covers_until, number LIMIT $3");
        self.revocations(sql, values![covers_until, number, limit]).await
    }

    /// Revocations, newest first; the key of a page is the number.
    pub async fn revocation_list(&self, page: &Page) -> Result<Vec<Revocation>> {
        let sql = revocations!("number < $1 ORDER BY number DESC LIMIT $2");
        let before = page.after.as_deref().and_then(|key| key.parse().ok()).unwrap_or(i64::MAX);
        self.revocations(sql, values![before, page.limit]).await
    }

    /// The revocations that cover something, at most one of each kind and cause: the first that ended it, and the last
    /// that says its user or client is disabled or deleted.
    pub async fn revocations_covering(&self, covered: &Covered) -> Result<Vec<Revocation>> {
        let sql = revocations!(
            "number IN ((SELECT min(number) FROM changes WHERE target_id = $1 AND kind = 'token'), \
             (SELECT min(number) FROM changes WHERE target_id = $2 AND kind = 'session'), \
             (SELECT max(number) FROM changes WHERE target_id = $2 AND kind = 'session'), \
             (SELECT min(number) FROM changes WHERE target_name = $3 AND kind = 'user' AND number > $5 \
             AND cause = 'user_revoked'), \
             (SELECT max(number) FROM changes WHERE target_name = $3 AND kind = 'user' AND number > $5 \
             AND cause <> 'user_revoked'), \
             (SELECT min(number) FROM changes WHERE target_name = $4 AND kind = 'client' AND number > $5 \
             AND cause = 'client_revoked'), \
             (SELECT max(number) FROM changes WHERE target_name = $4 AND kind = 'client' AND number > $5 \
             AND cause <> 'client_revoked'), \
             (SELECT min(number) FROM changes WHERE target_name = $6 AND kind = 'key'), \
             (SELECT min(number) FROM changes WHERE kind = 'all' AND number > $5)) ORDER BY number"
        );
        let Covered { token, session, user, client_id, log, key } = covered;
        self.revocations(sql, values![*token, *session, user.clone(), client_id, *log, key.clone()]).await
    }

    /// One revocation.
    pub async fn revocation_find(&self, number: SequenceNumber) -> Result<Option<Revocation>> {
        Ok(self.revocations(revocations!("number = $1"), values![number]).await?.pop())
    }

    /// Writes a revocation and returns it with its number. A revoked session is marked as ended.
    ///
    /// # Errors
    /// When the database does not answer; whether the revocation was written is unknown then.
    pub async fn revoke(&self, new: &NewRevocation, audited: &Audited) -> Result<Logged<Revocation>> {
        let mut transaction = self.begin_logged().await?;
        if let Target::Session(id) = new.target {
            transaction.query("UPDATE sessions SET ended = $1 WHERE id = $2", values![true, id]).await?;
        }
        let id = transaction.revoke(new, audited).await?;
        transaction.audit(audited, "revocation.create", new.target.to_string(), new.reason.clone()).await?;
        let committed = transaction.commit(()).await?;
        let number = self.log_number_of(id).await?;
        Ok(committed.map(|()| Revocation {
            number,
            target: new.target.clone(),
            cause: new.cause,
            reason: new.reason.clone(),
            actor: audited.actor.clone(),
            created_at: audited.at,
            covers_until: new.covers_until,
        }))
    }

    async fn log_number_of(&self, id: Uuid) -> Result<SequenceNumber> {
        let row = self.database.query_one("SELECT number FROM changes WHERE id = $1", values![id]).await?;
        row.map_or_else(|| Err(unreadable("changes.number", &"the entry is gone")), |row| row.get("number"))
    }

    async fn revocations(&self, sql: &'static str, values: Vec<crate::store::row::Value>) -> Result<Vec<Revocation>> {
        let mut revocations = Vec::new();
        for row in &self.database.query(sql, values).await? {
            if let Some(target) = target(row)? {
                revocations.push(revocation(row, target)?);
            }
        }
        Ok(revocations)
    }
}
