//! Sessions that begin with an authorization code. Concurrent ones share a statement and its commit, if nothing is in their way.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::json;
use uuid::Uuid;

use crate::protocol::client_document;
use crate::protocol::revocation::SequenceNumber;
use crate::protocol::session::Session;
use crate::store::Result;
use crate::store::changes::is_unrevoked;
use crate::store::database::{Database, Dialect};
use crate::store::row::{array, hex, to_json, values};
use crate::store::sessions::limit::MOST_UNREDEEMED;
use crate::store::sessions::new::{NewSession, insert_into_sessions};

/// Begins each session that is `asked` for, unless something prevents it: neither user nor client changed, the browser session was not
/// revoked and is among those `held`, the client stays in any case, and the user has fewer than `$2` good codes of it.
///
/// What changes between the reading and the commit gets a number in the log that is greater than that of the session, so it counts for
/// the session. Two things have no such number: the end of a browser session, which Postgres therefore holds; and the withdrawal of a
/// client's access, after which a code that began at the same moment counts as a later one.
macro_rules! begin_codes {
    ($asked:literal, $held:literal) => {
        concat!(
            "WITH asked AS (",
            $asked,
            "), held AS (",
            $held,
            ") ",
            insert_into_sessions!(),
            "SELECT asked.id, u.id, u.sub, c.client_id, asked.value ->> 'scope', asked.value ->> 'audiences', asked.nonce_hash, \
             0, 0, 0, asked.now, asked.value ->> 'network', h.number, asked.now, asked.now, asked.idle, asked.now, asked.idle, \
             CAST(asked.value ->> 'expires_at' AS BIGINT), FALSE, asked.value ->> 'login', b.id, \
             CAST(asked.value ->> 'offline' AS BOOLEAN), asked.value ->> 'confirmation', asked.value ->> 'code_key' \
             FROM asked JOIN held b ON b.id = asked.browser_session JOIN users u ON u.id = b.user_id AND u.id = asked.user_id \
             JOIN clients c ON c.client_id = asked.client_id JOIN change_head h ON h.id = 1 \
             WHERE u.version = CAST(asked.value ->> 'user_version' AS BIGINT) \
             AND c.version = CAST(asked.value ->> 'client_version' AS BIGINT) AND ",
            is_unrevoked!(),
            " AND NOT EXISTS (SELECT 1 FROM registrations r WHERE r.client_id = c.client_id AND r.expires_at IS NOT NULL) \
             AND (SELECT count(*) FROM sessions s WHERE s.user_id = u.id AND s.client_id = c.client_id AND NOT s.ended \
             AND s.generation = 0 AND s.login IS NOT NULL AND s.idle_expires_at > asked.now) < $2 \
             ORDER BY asked.id ON CONFLICT (id) DO NOTHING RETURNING id, sequence"
        )
    };
}

const ON_POSTGRES: &str = begin_codes!(
    "SELECT CAST(value ->> 'id' AS UUID) AS id, decode(value ->> 'nonce_hash', 'hex') AS nonce_hash, \
     CAST(value ->> 'user_id' AS UUID) AS user_id, CAST(value ->> 'browser_session' AS UUID) AS browser_session, \
     value ->> 'client_id' AS client_id, CAST(value ->> 'now' AS BIGINT) AS now, CAST(value ->> 'idle' AS BIGINT) AS idle, value \
     FROM unnest($1::text::jsonb[]) AS value",
    // Waiting for several at once could deadlock. A row that is locked may be about to go: that code gets a transaction of its own.
    "SELECT id, user_id, sequence FROM browser_sessions WHERE id IN (SELECT browser_session FROM asked) FOR KEY SHARE SKIP LOCKED"
);

const ON_SQLITE: &str = begin_codes!(
    "SELECT unhex(value ->> 'id') AS id, unhex(value ->> 'nonce_hash') AS nonce_hash, unhex(value ->> 'user_id') AS user_id, \
     unhex(value ->> 'browser_session') AS browser_session, value ->> 'client_id' AS client_id, value ->> 'now' AS now, \
     value ->> 'idle' AS idle, value FROM json_each($1)",
    "SELECT id, user_id, sequence FROM browser_sessions WHERE id IN (SELECT browser_session FROM asked)"
);

/// Whether a session can begin here: its code waits to be redeemed, so that it was never refreshed, and no document of the client has to
/// be kept.
pub(super) fn is_possible(session: &Session) -> bool {
    session.is_unredeemed() && session.browser_session.is_some() && !client_document::is_url(&session.client_id)
}

/// Begins several sessions with one statement. Nothing is said of one that did not begin: something was in its way, which
/// [`begin_session`](crate::store::changes::LogTransaction::begin_session) finds out. Of several for one user and client, only the first
/// begins here: what somebody has in great number must not cost those who share the statement more than once.
pub(in crate::store) async fn begin_all_codes(
    database: &Database,
    asked: Vec<NewSession>,
) -> Result<Vec<Result<Option<SequenceNumber>>>> {
    let mut owners = HashSet::new();
    // In the same order on every node, so that two nodes cannot deadlock.
    let mut distinct: BTreeMap<Uuid, usize> = BTreeMap::new();
    for (index, NewSession { session, .. }) in asked.iter().enumerate() {
        if owners.insert((session.user_id, &session.client_id)) {
            distinct.entry(session.id).or_insert(index);
        }
    }
    let members = distinct.values().map(|index| member(&asked[*index])).collect::<Result<Vec<_>>>()?;
    let (sql, members) = match database.dialect() {
        Dialect::Postgres => (ON_POSTGRES, array(members.iter())),
        Dialect::Sqlite => (ON_SQLITE, to_json(&members)?),
    };
    let rows = database.write(sql, values![members, MOST_UNREDEEMED]).await?;
    let begun = rows.iter().map(|row| Ok((row.get("id")?, row.get("sequence")?)));
    let begun = begun.collect::<Result<HashMap<Uuid, SequenceNumber>>>()?;
    // Two people may have answered one request: the session is that of whoever took part in the statement.
    let answer = |(index, new): (usize, &NewSession)| {
        let took_part = distinct.get(&new.session.id) == Some(&index);
        Ok(begun.get(&new.session.id).filter(|_| took_part).copied())
    };
    Ok(asked.iter().enumerate().map(answer).collect())
}

fn member(new: &NewSession) -> Result<serde_json::Value> {
    let session = &new.session;
    Ok(json!({
        "id": session.id.simple().to_string(),
        "user_id": session.user_id.simple().to_string(),
        "user_version": new.user_version,
        "client_id": session.client_id,
        "client_version": new.client_version,
        "browser_session": session.browser_session.map(|id| id.simple().to_string()),
        "scope": session.scope.to_string(),
        "audiences": to_json(&session.audiences)?,
        "nonce_hash": hex(&session.nonce_hash),
        "network": session.network,
        "now": session.created_at.millis(),
        "idle": session.idle_expires_at.millis(),
        "expires_at": session.expires_at.millis(),
        "login": session.login.as_deref().map(to_json).transpose()?,
        "offline": session.offline,
        "confirmation": session.confirmation.map(|confirmation| confirmation.to_string()),
        "code_key": session.code_key.map(|key| key.to_string()),
    }))
}
