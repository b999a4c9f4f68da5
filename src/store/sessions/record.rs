//! A session as it is read, with its user and the revocation that covers it.

use std::collections::HashMap;
use std::str::FromStr;

use uuid::Uuid;

use crate::crypto::equal_in_constant_time;
use crate::protocol::cause::Cause;
use crate::protocol::revocation::SequenceNumber;
use crate::protocol::scope::Scope;
use crate::protocol::session::Session;
use crate::protocol::user::User;
use crate::store::Result;
use crate::store::row::{Row, unreadable};
use crate::store::users::user;
use crate::tokens::refresh::RefreshToken;

/// A session with its present user and the revocation that covers it, if any.
#[derive(Clone, Debug)]
pub struct SessionRecord {
    /// The session.
    pub session: Session,
    /// Its user, unless deleted.
    pub user: Option<User>,
    /// The number of the first revocation that covers it.
    pub revoked_by: Option<SequenceNumber>,
    /// The cause of that revocation.
    pub revoked_because: Option<Cause>,
}

impl SessionRecord {
    /// Whether a refresh token carries the nonce of this session. If not, another database issued it.
    pub(crate) fn has_nonce_of(&self, token: &RefreshToken) -> bool {
        equal_in_constant_time(&self.session.nonce_hash, &token.nonce_hash())
    }

    /// Why the user of the session may no longer log in, if there is a reason.
    pub(crate) fn lost_user(&self) -> Option<Cause> {
        match &self.user {
            None => Some(Cause::UserDeleted),
            Some(user) if !user.enabled => Some(Cause::UserDisabled),
            Some(_) => None,
        }
    }
}

/// Sessions from a table or a query, each with its user and the first revocation that covers it: one of the session, or
/// a later one of its user, its client or everything.
macro_rules! session_records {
    ($from:literal, $rest:expr) => {
        concat!(
            "SELECT s.id, s.user_id AS session_user_id, s.client_id, s.scope, s.audiences, s.nonce_hash, s.generation, \
             s.retries, s.repeats, s.repeats_since, s.network, s.sequence, s.created_at, s.last_refreshed_at, \
             s.idle_expires_at, s.expires_at, s.login, s.browser_session, s.offline, s.confirmation, s.bound_from, s.code_key, \
             s.sub AS session_sub, r.number AS revoked_by, r.cause AS revoked_because, ",
            $crate::store::users::user_columns!(),
            " FROM ",
            $from,
            " s LEFT JOIN users u ON u.id = s.user_id LEFT JOIN changes r ON r.number = COALESCE(\
             (SELECT min(number) FROM changes WHERE target_id = s.id AND kind = 'session'), \
             (SELECT min(number) FROM changes WHERE target_name = s.sub AND kind = 'user' AND number > s.sequence), \
             (SELECT min(number) FROM changes WHERE target_name = s.client_id AND kind = 'client' AND number > s.sequence), \
             (SELECT min(number) FROM changes WHERE kind = 'all' AND number > s.sequence)) ",
            $rest
        )
    };
}
pub(super) use session_records;

fn session(row: &Row) -> Result<Session> {
    let scope: String = row.get("scope")?;
    let login: Option<String> = row.get("login")?;
    Ok(Session {
        id: row.get("id")?,
        user_id: row.get("session_user_id")?,
        sub: row.get("session_sub")?,
        client_id: row.get("client_id")?,
        scope: Scope::parse(&scope).map_err(|error| unreadable("scope", &error))?,
        audiences: row.json("audiences")?,
        nonce_hash: row.hash("nonce_hash")?,
        generation: row.get("generation")?,
        retries: row.get("retries")?,
        repeats: row.get("repeats")?,
        repeats_since: row.moment("repeats_since")?,
        network: row.get("network")?,
        log: row.get("sequence")?,
        created_at: row.moment("created_at")?,
        last_refreshed_at: row.moment("last_refreshed_at")?,
        idle_expires_at: row.moment("idle_expires_at")?,
        expires_at: row.moment("expires_at")?,
        login: login
            .map(|text| serde_json::from_str(&text).map_err(|error| unreadable("login", &error)))
            .transpose()?,
        browser_session: row.get("browser_session")?,
        offline: row.get("offline")?,
        confirmation: parsed(row, "confirmation")?,
        bound_from: row.get("bound_from")?,
        code_key: parsed(row, "code_key")?,
    })
}

/// A binding. One that cannot be read may not be left out.
fn parsed<T: FromStr<Err = &'static str>>(row: &Row, name: &str) -> Result<Option<T>> {
    let text: Option<String> = row.get(name)?;
    text.map(|text| text.parse().map_err(|error| unreadable(name, &error))).transpose()
}

pub(super) fn record(row: &Row) -> Result<SessionRecord> {
    let has_user = row.get::<Option<Uuid>>("user_id")?.is_some();
    let cause: Option<String> = row.get("revoked_because")?;
    Ok(SessionRecord {
        session: session(row)?,
        user: has_user.then(|| user(row)).transpose()?,
        revoked_by: row.get("revoked_by")?,
        revoked_because: cause.map(|name| name.parse().unwrap_or(Cause::SessionRevoked)),
    })
}

/// A row that cannot be read fails its own session only.
pub(super) fn by_id(rows: &[Row]) -> Result<HashMap<Uuid, Result<SessionRecord>>> {
    rows.iter().map(|row| Ok((row.get("id")?, record(row)))).collect()
}
