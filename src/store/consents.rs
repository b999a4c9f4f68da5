//! What users allowed clients for good.

use uuid::Uuid;

use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;
use crate::store::changes::Logged;
use crate::store::logout_notices::Ended;
use crate::store::row::{Row, to_json, unreadable, values};
use crate::store::{Audited, Result, Store};

/// What a user allowed a client at one redirect URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// The user.
    pub user_id: Uuid,
    /// The client.
    pub client_id: String,
    /// Where its answers go.
    pub redirect_uri: String,
    /// The scopes.
    pub scope: Scope,
    /// The resources.
    pub resources: Vec<String>,
    /// When it was given, or last changed.
    pub created_at: Timestamp,
}

fn consent(row: &Row) -> Result<Consent> {
    let scope: String = row.get("scope")?;
    Ok(Consent {
        user_id: row.get("user_id")?,
        client_id: row.get("client_id")?,
        redirect_uri: row.get("redirect_uri")?,
        scope: Scope::parse(&scope).map_err(|error| unreadable("scope", &error))?,
        resources: row.json("resources")?,
        created_at: row.moment("created_at")?,
    })
}

impl Store {
    /// What the user allowed the client at this redirect URI.
    pub async fn consent_find(&self, user: Uuid, client_id: &str, redirect_uri: &str) -> Result<Option<Consent>> {
        let sql = "SELECT user_id, client_id, redirect_uri, scope, resources, created_at FROM consents \
                   WHERE user_id = $1 AND client_id = $2 AND redirect_uri = $3";
        let row = self.database.query_one(sql, values![user, client_id, redirect_uri]).await?;
        row.as_ref().map(consent).transpose()
    }

    /// What the user allowed, at most 1000.
    pub async fn consent_list(&self, user: Uuid) -> Result<Vec<Consent>> {
        let sql = "SELECT user_id, client_id, redirect_uri, scope, resources, created_at FROM consents \
                   WHERE user_id = $1 ORDER BY client_id, redirect_uri LIMIT 1000";
        self.database.query(sql, values![user]).await?.iter().map(consent).collect()
    }

    /// Remembers a consent, in place of an earlier one. Does nothing if the user or the client is gone.
    pub async fn consent_put(&self, consent: &Consent, audited: &Audited) -> Result<()> {
        let mut transaction = self.database.begin().await?;
        let sql = "INSERT INTO consents (user_id, client_id, redirect_uri, scope, resources, created_at) \
                   SELECT u.id, c.client_id, $1, $2, $3, $4 FROM users u, clients c WHERE u.id = $5 AND c.client_id = $6 \
                   ON CONFLICT (user_id, client_id, redirect_uri) DO UPDATE SET scope = excluded.scope, \
                   resources = excluded.resources, created_at = excluded.created_at";
        let values = values![
            &consent.redirect_uri,
            consent.scope.to_string(),
            to_json(&consent.resources)?,
            consent.created_at,
            consent.user_id,
            &consent.client_id
        ];
        transaction.query(sql, values).await?;
        let detail = format!("{} for {}", consent.client_id, consent.scope);
        transaction.audit(audited, "consent.give", format!("user {}", consent.user_id), Some(detail)).await?;
        transaction.commit().await
    }

    /// Takes away from a client what it has of the user: the remembered consents, and every session. It gets notices of those.
    pub async fn access_withdraw(
        &self,
        user: Uuid,
        client_id: &str,
        covers_until: Timestamp,
        audited: &Audited,
    ) -> Result<Logged<()>> {
        let mut transaction = self.begin_logged().await?;
        let sql = "DELETE FROM consents WHERE user_id = $1 AND client_id = $2";
        transaction.query(sql, values![user, client_id]).await?;
        let sql = "UPDATE sessions SET ended = $1 WHERE user_id = $2 AND client_id = $3 AND NOT ended RETURNING id";
        let sessions = transaction.query(sql, values![true, user, client_id]).await?;
        transaction.revoke_sessions(&sessions, "the person withdrew the access", covers_until, audited).await?;
        for row in &sessions {
            transaction.logout_notices_add(Ended::Session(row.get("id")?), audited.at).await?;
        }
        transaction.audit(audited, "consent.withdraw", format!("user {user}"), Some(client_id.to_owned())).await?;
        transaction.commit(()).await
    }
}
