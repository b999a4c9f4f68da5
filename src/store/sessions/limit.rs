//! How many sessions a user may have with a client, and how many codes that wait to be redeemed.

use std::collections::{HashMap, HashSet};

use serde_json::json;
use uuid::Uuid;

use crate::protocol::cause::Cause;
use crate::protocol::revocation::{NewRevocation, Target};
use crate::protocol::session::Session;
use crate::protocol::time::Timestamp;
use crate::store::changes::{LogTransaction, Logged};
use crate::store::database::{Database, Dialect};
use crate::store::row::{Value, array, to_json, values};
use crate::store::{Audited, Result, Store};

/// The most codes of a user and a client that wait to be redeemed, but for those that begin at the same moment. A page can make a
/// browser ask for any number.
pub(super) const MOST_UNREDEEMED: i64 = 100;

/// That a session counts at a time: it is active, and its code, if it began with one, was redeemed.
macro_rules! counts {
    ($now:literal) => {
        concat!(
            "NOT ended AND idle_expires_at > ",
            $now,
            " AND expires_at > ",
            $now,
            " AND (login IS NULL OR generation > 0)"
        )
    };
}

/// The sessions of a user (`$2`) with a client (`$3`) beyond the `$5` used last, without one (`$4`), at the time `$6`; none if that
/// one has ended itself.
macro_rules! surplus {
    () => {
        concat!(
            "SELECT id FROM sessions WHERE user_id = $2 AND client_id = $3 AND ",
            counts!("$6"),
            " AND id <> $4 AND EXISTS (SELECT 1 FROM sessions own WHERE own.id = $4 AND own.ended <> $1) \
             ORDER BY last_refreshed_at DESC, id DESC LIMIT 1000 OFFSET $5"
        )
    };
}

fn surplus_values(session: &Session, max_sessions: i64, now: Timestamp) -> Vec<Value> {
    values![true, session.user_id, &session.client_id, session.id, max_sessions - 1, now]
}

/// How many sessions the user of a session may have with its client.
#[derive(Clone, Debug)]
pub(in crate::store) struct Limit {
    id: Uuid,
    user_id: Uuid,
    client_id: String,
    max_sessions: i64,
    now: Timestamp,
}

/// The sessions, of those `asked` for, whose user has more than the limit. `$user`: its user.
macro_rules! exceeding {
    ($asked:literal, $user:literal) => {
        concat!(
            "SELECT value ->> 'id' AS id FROM ",
            $asked,
            " WHERE (SELECT count(*) FROM sessions WHERE user_id = ",
            $user,
            " AND client_id = value ->> 'client_id' AND ",
            counts!("CAST(value ->> 'now' AS BIGINT)"),
            ") > CAST(value ->> 'max_sessions' AS BIGINT)"
        )
    };
}

/// Whether there are more sessions than each limit allows, with one statement.
pub(in crate::store) async fn exceeded_all(database: &Database, limits: Vec<Limit>) -> Result<Vec<Result<bool>>> {
    let member = |limit: &Limit| {
        json!({
            "id": limit.id.simple().to_string(),
            "user_id": limit.user_id.simple().to_string(),
            "client_id": limit.client_id,
            "max_sessions": limit.max_sessions,
            "now": limit.now.millis(),
        })
    };
    // Each user and client once, however many of their codes are redeemed.
    let owner = |limit: &Limit| (limit.user_id, limit.client_id.clone(), limit.max_sessions);
    let distinct: HashMap<_, &Limit> = limits.iter().map(|limit| (owner(limit), limit)).collect();
    let members = distinct.values().map(|limit| member(limit));
    let (sql, members) = match database.dialect() {
        Dialect::Postgres => {
            (exceeding!("unnest($1::text::jsonb[]) AS value", "CAST(value ->> 'user_id' AS UUID)"), array(members))
        }
        Dialect::Sqlite => {
            (exceeding!("json_each($1)", "unhex(value ->> 'user_id')"), to_json(&members.collect::<Vec<_>>())?)
        }
    };
    let rows = database.query(sql, values![members]).await?;
    let exceeding = rows.iter().map(|row| row.get("id")).collect::<Result<HashSet<String>>>()?;
    let asked = |limit: &Limit| distinct.get(&owner(limit)).map_or(limit.id, |asked| asked.id);
    Ok(limits.iter().map(|limit| Ok(exceeding.contains(&asked(limit).simple().to_string()))).collect())
}

impl Store {
    /// Ends the sessions beyond the allowed number once the code of this one was redeemed, those unused longest first. Of codes
    /// that are redeemed at the same moment, the last one sees them all.
    pub async fn session_limit(
        &self,
        session: &Session,
        max_sessions: i64,
        covers_until: Timestamp,
        audited: &Audited,
    ) -> Result<Logged<()>> {
        // Most users have few sessions: to see that takes no transaction.
        let limit = Limit {
            id: session.id,
            user_id: session.user_id,
            client_id: session.client_id.clone(),
            max_sessions,
            now: audited.at,
        };
        if !self.limit_checks.ask(limit).await? {
            return Ok(Logged::without_entries(()));
        }
        let mut transaction = self.begin_logged().await?;
        transaction.lock_user(session).await?;
        transaction.end_surplus(session, max_sessions, audited.at, covers_until, audited).await?;
        transaction.commit(()).await
    }
}

impl LogTransaction {
    /// Ends codes beyond the allowed number, the oldest first. Nobody has tokens of them, so no node has to hear of it.
    pub(super) async fn end_oldest_unredeemed(&mut self, session: &Session) -> Result<()> {
        let sql = "UPDATE sessions SET ended = $1, \
                   idle_expires_at = CASE WHEN idle_expires_at < $2 THEN idle_expires_at ELSE $2 END \
                   WHERE id IN (SELECT id FROM sessions WHERE user_id = $3 AND client_id = $4 AND NOT ended AND generation = 0 \
                   AND login IS NOT NULL AND id <> $5 ORDER BY created_at DESC, id DESC LIMIT 1000 OFFSET $6) AND generation = 0";
        let values =
            values![true, session.created_at, session.user_id, &session.client_id, session.id, MOST_UNREDEEMED - 1];
        self.query(sql, values).await.map(drop)
    }

    /// Ends the sessions beyond the allowed number, those unused longest first.
    pub(super) async fn end_surplus(
        &mut self,
        session: &Session,
        max_sessions: i64,
        now: Timestamp,
        covers_until: Timestamp,
        audited: &Audited,
    ) -> Result<()> {
        let sql = concat!("UPDATE sessions SET ended = $1 WHERE id IN (", surplus!(), ") AND NOT ended RETURNING id");
        for ended in &self.query(sql, surplus_values(session, max_sessions, now)).await? {
            let revocation = NewRevocation {
                target: Target::Session(ended.get("id")?),
                cause: Cause::Superseded,
                reason: Some("the user has too many sessions with this client".into()),
                covers_until,
            };
            self.revoke(&revocation, audited).await?;
        }
        Ok(())
    }
}
