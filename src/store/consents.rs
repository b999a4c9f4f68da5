//! What users allowed clients: for good, and what of it clients have now.

use std::collections::{BTreeSet, HashMap};

use serde_json::json;
use uuid::Uuid;

use crate::protocol::consent::Remembered;
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;
use crate::store::changes::Logged;
use crate::store::database::{Database, Dialect};
use crate::store::logout_notices::LoggedOut;
use crate::store::row::{Row, array, to_json, unreadable, values};
use crate::store::sessions::{ENDED_AT_ONCE, end_sessions};
use crate::store::{Audited, Ended, Result, Store};

/// What a user allowed a client at one redirect URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// The user.
    pub user_id: Uuid,
    /// The client.
    pub client_id: String,
    /// Where its answers go.
    pub redirect_uri: String,
    /// The scopes, and for which resources.
    pub allowed: Remembered,
    /// When it was given, or last changed.
    pub created_at: Timestamp,
}

/// What a client has of a user now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The client.
    pub client_id: String,
    /// The scopes of its sessions.
    pub scope: Scope,
    /// When the first of these sessions began.
    pub since: Timestamp,
    /// When it last got tokens.
    pub last_used_at: Timestamp,
}

/// Consents; what follows the table is given.
macro_rules! consents {
    ($rest:literal) => {
        concat!("SELECT c.user_id, c.client_id, c.redirect_uri, c.allowed, c.created_at FROM consents c ", $rest)
    };
}

fn consent(row: &Row) -> Result<Consent> {
    Ok(Consent {
        user_id: row.get("user_id")?,
        client_id: row.get("client_id")?,
        redirect_uri: row.get("redirect_uri")?,
        allowed: row.json("allowed")?,
        created_at: row.moment("created_at")?,
    })
}

fn access(row: &Row) -> Result<Access> {
    let scopes: String = row.get("scopes")?;
    let mut scope = Scope::default();
    for one in scopes.lines() {
        scope = scope.union(&Scope::parse(one).map_err(|error| unreadable("scope", &error))?);
    }
    Ok(Access {
        client_id: row.get("client_id")?,
        scope,
        since: row.moment("since")?,
        last_used_at: row.moment("last_used_at")?,
    })
}

/// What is asked for: a user, a client, and one of its redirect URIs.
pub(in crate::store) type ConsentKey = (Uuid, String, String);

/// Finds several consents with one statement.
pub(in crate::store) async fn find_all_consents(
    database: &Database,
    asked: Vec<ConsentKey>,
) -> Result<Vec<Result<Option<Consent>>>> {
    let distinct: BTreeSet<_> = asked.iter().collect();
    let members = distinct.iter().map(|(user, client_id, redirect_uri)| {
        json!({"user": user.simple().to_string(), "client_id": client_id, "redirect_uri": redirect_uri})
    });
    let (sql, members) = match database.dialect() {
        Dialect::Postgres => (
            consents!(
                "JOIN unnest($1::text::jsonb[]) AS asked(value) ON c.user_id = CAST(asked.value ->> 'user' AS UUID) \
                 AND c.client_id = asked.value ->> 'client_id' AND c.redirect_uri = asked.value ->> 'redirect_uri'"
            ),
            array(members),
        ),
        Dialect::Sqlite => (
            consents!(
                "JOIN json_each($1) AS asked ON c.user_id = unhex(asked.value ->> 'user') \
                 AND c.client_id = asked.value ->> 'client_id' AND c.redirect_uri = asked.value ->> 'redirect_uri'"
            ),
            to_json(&members.collect::<Vec<_>>())?,
        ),
    };
    let rows = database.query(sql, values![members]).await?;
    let found = rows.iter().map(|row| {
        let consent = consent(row)?;
        Ok(((consent.user_id, consent.client_id.clone(), consent.redirect_uri.clone()), consent))
    });
    let found = found.collect::<Result<HashMap<ConsentKey, Consent>>>()?;
    Ok(asked.iter().map(|key| Ok(found.get(key).cloned())).collect())
}

impl Store {
    /// What the user allowed the client at this redirect URI. Concurrent calls share a statement.
    pub async fn consent_find(&self, user: Uuid, client_id: &str, redirect_uri: &str) -> Result<Option<Consent>> {
        self.consent_finds.ask((user, client_id.to_owned(), redirect_uri.to_owned())).await
    }

    /// What the user allowed, at most 1000.
    pub async fn consent_list(&self, user: Uuid) -> Result<Vec<Consent>> {
        let sql = consents!("WHERE c.user_id = $1 ORDER BY c.client_id, c.redirect_uri LIMIT 1000");
        self.database.query(sql, values![user]).await?.iter().map(consent).collect()
    }

    /// Remembers a consent, in place of an earlier one. Does nothing if the user or the client is gone.
    pub async fn consent_put(&self, consent: &Consent, audited: &Audited) -> Result<()> {
        let mut transaction = self.database.begin().await?;
        let sql = "INSERT INTO consents (user_id, client_id, redirect_uri, allowed, created_at) \
                   SELECT u.id, c.client_id, $1, $2, $3 FROM users u, clients c WHERE u.id = $4 AND c.client_id = $5 \
                   ON CONFLICT (user_id, client_id, redirect_uri) DO UPDATE SET allowed = excluded.allowed, \
                   created_at = excluded.created_at";
        let values = values![
            &consent.redirect_uri,
            to_json(&consent.allowed)?,
            consent.created_at,
            consent.user_id,
            &consent.client_id
        ];
        transaction.query(sql, values).await?;
        let detail = format!("{} for {}", consent.client_id, consent.allowed.scope());
        transaction.audit(audited, "consent.give", format!("user {}", consent.user_id), Some(detail)).await?;
        transaction.commit().await
    }

    /// The clients that have active sessions of the user, those used last first, at most 1000. A code that was not redeemed gives no
    /// access yet.
    pub async fn access_list(&self, user: Uuid, now: Timestamp) -> Result<Vec<Access>> {
        let sql = "SELECT client_id, string_agg(scope, $3) AS scopes, min(began) AS since, max(used) AS last_used_at \
                   FROM (SELECT s.client_id, s.scope, min(s.created_at) AS began, max(s.last_refreshed_at) AS used \
                   FROM sessions s WHERE s.user_id = $1 AND NOT s.ended AND s.idle_expires_at > $2 AND s.expires_at > $2 \
                   AND (s.login IS NULL OR s.generation > 0) AND NOT EXISTS (SELECT 1 FROM changes WHERE kind = 'user' \
                   AND target_name = s.sub AND number > s.sequence) AND NOT EXISTS (SELECT 1 FROM changes WHERE kind = 'client' \
                   AND target_name = s.client_id AND number > s.sequence) AND NOT EXISTS (SELECT 1 FROM changes \
                   WHERE kind = 'all' AND number > s.sequence) GROUP BY s.client_id, s.scope) AS of_scope \
                   GROUP BY client_id ORDER BY last_used_at DESC, client_id LIMIT 1000";
        self.database.query(sql, values![user, now, "\n"]).await?.iter().map(access).collect()
    }

    /// Takes away from a client what it has of the user: the remembered consents, and every session. It gets notices of those.
    pub async fn access_withdraw(
        &self,
        user: Uuid,
        client_id: &str,
        covers_until: Timestamp,
        audited: &Audited,
    ) -> Result<Logged<Ended>> {
        let mut transaction = self.begin_logged().await?;
        let sql = "DELETE FROM consents WHERE user_id = $1 AND client_id = $2";
        transaction.query(sql, values![user, client_id]).await?;
        let sql = end_sessions!(transaction.dialect(), "user_id = $4 AND client_id = $5");
        let sessions = transaction.query(sql, values![true, audited.at, ENDED_AT_ONCE, user, client_id]).await?;
        transaction.revoke_sessions(&sessions, "the person withdrew the access", covers_until, audited).await?;
        for row in &sessions {
            transaction.logout_notices_add(LoggedOut::Session(row.get("id")?), audited.at).await?;
        }
        if i64::try_from(sessions.len()).is_ok_and(|count| count >= ENDED_AT_ONCE) {
            return transaction.commit(Ended::Part).await;
        }
        transaction.audit(audited, "consent.withdraw", format!("user {user}"), Some(client_id.to_owned())).await?;
        transaction.commit(Ended::Whole).await
    }
}
