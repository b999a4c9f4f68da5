//! The revocations in the log.

use uuid::Uuid;

use crate::protocol::cause::Cause;
use crate::protocol::claims::AccessClaims;
use crate::protocol::origin::Named;
use crate::protocol::revocation::{NewRevocation, Revocation, SequenceNumber, Target};
use crate::protocol::session::Session;
use crate::protocol::time::Timestamp;
use crate::protocol::token_id::TokenId;
use crate::store::changes::transaction::{LogTransaction, Logged};
use crate::store::logout_notices::LoggedOut;
use crate::store::row::{Row, Value, unreadable, values};
use crate::store::{Audited, Page, Result, Store};

/// What a revocation can cover: an access token, or a session with its refresh tokens.
#[derive(Clone, Debug, Default)]
pub struct Revocable {
    /// The `jti` of the access token.
    pub token: Option<TokenId>,
    /// The session.
    pub session: Option<Uuid>,
    /// The user, by `sub`.
    pub user: Option<String>,
    /// The client.
    pub client_id: String,
    /// Its sequence number.
    pub log: SequenceNumber,
    /// The key that signed or sealed it.
    pub key: Option<String>,
}

impl Revocable {
    /// Everything that was made with a key.
    pub(crate) fn by_key(kid: &str) -> Self {
        Self { log: SequenceNumber::MAX, key: Some(kid.to_owned()), ..Self::default() }
    }
}

impl From<Named<'_>> for Revocable {
    fn from(named: Named<'_>) -> Self {
        Self {
            token: Some(named.jti),
            session: named.sid,
            user: named.user.map(str::to_owned),
            client_id: named.client_id.to_owned(),
            log: named.log,
            ..Self::default()
        }
    }
}

impl From<&AccessClaims> for Revocable {
    /// The token itself, without those that were exchanged for it.
    fn from(claims: &AccessClaims) -> Self {
        claims.named().next().map(Self::from).unwrap_or_default()
    }
}

impl From<&Session> for Revocable {
    fn from(session: &Session) -> Self {
        Self {
            session: Some(session.id),
            user: Some(session.sub.clone()),
            client_id: session.client_id.clone(),
            log: session.log,
            ..Self::default()
        }
    }
}

/// That nothing was revoked since the browser session `b` of the user `u` began.
macro_rules! is_unrevoked {
    () => {
        "NOT EXISTS (SELECT 1 FROM changes WHERE target_name = u.sub AND kind = 'user' AND number > b.sequence) \
         AND NOT EXISTS (SELECT 1 FROM changes WHERE kind = 'all' AND number > b.sequence)"
    };
}
pub(in crate::store) use is_unrevoked;

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

pub(super) fn revocation(row: &Row, target: Target) -> Result<Revocation> {
    let cause: Option<String> = row.get("cause")?;
    Ok(Revocation {
        number: row.get("number")?,
        target,
        // Only a newer program writes an unknown cause.
        cause: cause.and_then(|name| name.parse().ok()).unwrap_or(Cause::TokenRevoked),
        reason: row.get("reason")?,
        actor: row.get("actor")?,
        created_at: row.moment("created_at")?,
        covers_until: row.moment("covers_until")?,
    })
}

pub(super) fn target(row: &Row) -> Result<Option<Target>> {
    let kind: String = row.get("kind")?;
    let id: Option<Uuid> = row.get("target_id")?;
    let name: Option<String> = row.get("target_name")?;
    Ok(match (kind.as_str(), id) {
        ("token", Some(id)) => Some(Target::Token(TokenId::new(id.into_bytes()))),
        ("session", Some(id)) => Some(Target::Session(id)),
        _ => Target::from_parts(&kind, &name.unwrap_or_default()),
    })
}

/// The action, in the audit trail, of the end of a session whose code or refresh token somebody else may have: who watches the trail
/// must tell that from the rest.
const REUSED: &str = "session.reuse";

impl Store {
    /// At most `limit` revocations that still cover something after the moment `covers_until`, the first to expire
    /// first. To continue, pass the moment and the number of the last one.
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
    /// that says that its user or client is disabled or deleted.
    pub async fn revocations_covering(&self, covered: &Revocable) -> Result<Vec<Revocation>> {
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
        let Revocable { token, session, user, client_id, log, key } = covered;
        self.revocations(
            sql,
            values![
                token.map(|id| Uuid::from_bytes(*id.bytes())),
                *session,
                user.clone(),
                client_id,
                *log,
                key.clone()
            ],
        )
        .await
    }

    /// One revocation.
    pub async fn revocation_find(&self, number: SequenceNumber) -> Result<Option<Revocation>> {
        Ok(self.revocations(revocations!("number = $1"), values![number]).await?.pop())
    }

    /// Writes a revocation and returns it with its number. A revoked session is marked as ended.
    pub async fn revoke(&self, new: &NewRevocation, audited: &Audited) -> Result<Logged<Revocation>> {
        let action = if new.cause == Cause::RefreshReuseDetected { REUSED } else { "revocation.create" };
        self.revoke_as(action, new, audited).await
    }

    /// The same for a session whose code was used twice, or by somebody who did not prove to be the client that asked for it.
    pub async fn revoke_stolen(&self, new: &NewRevocation, audited: &Audited) -> Result<Logged<Revocation>> {
        self.revoke_as(REUSED, new, audited).await
    }

    async fn revoke_as(
        &self,
        action: &'static str,
        new: &NewRevocation,
        audited: &Audited,
    ) -> Result<Logged<Revocation>> {
        let mut transaction = self.begin_logged().await?;
        transaction.audit(audited, action, new.target.to_string(), new.reason.clone()).await?;
        self.finish_revocation(transaction, new, audited).await
    }

    /// The same, and the clients of the logins that it ends get notices: for somebody else than these clients. What the revocation of
    /// everything ends is left to [`Store::browser_sessions_end_revoked`].
    pub async fn revoke_with_notices(&self, new: &NewRevocation, audited: &Audited) -> Result<Logged<Revocation>> {
        let mut transaction = self.begin_logged().await?;
        transaction.audit(audited, "revocation.create", new.target.to_string(), new.reason.clone()).await?;
        match &new.target {
            Target::Session(id) => {
                // The session before its notice, as whoever ends a login, so that no two transactions wait for each other.
                transaction.end_session(*id).await?;
                transaction.logout_notices_add(LoggedOut::Session(*id), audited.at).await?;
            }
            Target::User(sub) => {
                let row = transaction.query_one("SELECT id FROM users WHERE sub = $1", values![sub]).await?;
                if let Some(row) = row {
                    transaction.browser_sessions_end_with_notices(row.get("id")?, audited.at).await?;
                }
            }
            Target::Token(_) | Target::Client(_) | Target::Key(_) | Target::All => {}
        }
        self.finish_revocation(transaction, new, audited).await
    }

    /// Writes a revocation without a record in the audit trail: for a client that returns a token of its own, which it may do often.
    pub async fn revoke_unaudited(&self, new: &NewRevocation, by: &Audited) -> Result<Logged<Revocation>> {
        let transaction = self.begin_logged().await?;
        self.finish_revocation(transaction, new, by).await
    }

    async fn finish_revocation(
        &self,
        mut transaction: LogTransaction,
        new: &NewRevocation,
        audited: &Audited,
    ) -> Result<Logged<Revocation>> {
        if let Target::Session(id) = new.target {
            transaction.end_session(id).await?;
        }
        let id = transaction.revoke(new, audited).await?;
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

    async fn revocations(&self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Revocation>> {
        let mut revocations = Vec::new();
        for row in &self.database.query(sql, values).await? {
            if let Some(target) = target(row)? {
                revocations.push(revocation(row, target)?);
            }
        }
        Ok(revocations)
    }
}
