//! Administration of sessions.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::admin::error::no_such;
use crate::admin::{List, ListRequest, Result};
use crate::app::App;
use crate::protocol::cause::Cause;
use crate::protocol::revocation::SequenceNumber;
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;
use crate::store::{SessionFilter, SessionRecord};

/// The most sessions that are looked at for one page of the active ones.
const MOST_LOOKED_AT: i64 = 2_000;

/// A session as it is shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    /// The id.
    pub id: Uuid,
    /// The id of the user.
    pub user: Uuid,
    /// The client.
    pub client_id: String,
    /// The scopes that were granted.
    pub scope: Scope,
    /// The audiences that were granted.
    pub audiences: Vec<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last refreshed, or began.
    pub last_refreshed_at: Timestamp,
    /// When it ends unless it is refreshed again.
    pub expires_at: Timestamp,
    /// The revocation that ended it; null while it lives.
    #[schema(required)]
    pub revoked: Option<RevokedView>,
}

/// Why a session ended.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = RevokedBy)]
pub struct RevokedView {
    /// The number of the revocation.
    #[schema(value_type = i64)]
    pub number: SequenceNumber,
    /// The cause.
    pub cause: Cause,
}

impl From<SessionRecord> for SessionView {
    fn from(record: SessionRecord) -> Self {
        let expires_at = record.session.ends_at();
        let revoked = record.revoked_by.zip(record.revoked_because);
        Self {
            id: record.session.id,
            user: record.session.user_id,
            client_id: record.session.client_id,
            scope: record.session.scope,
            audiences: record.session.audiences,
            created_at: record.session.created_at,
            last_refreshed_at: record.session.last_refreshed_at,
            expires_at,
            revoked: revoked.map(|(number, cause)| RevokedView { number, cause }),
        }
    }
}

impl App {
    /// Lists sessions, oldest first.
    pub async fn session_list(
        &self,
        user: Option<&str>,
        client: Option<&str>,
        request: &ListRequest,
    ) -> Result<List<SessionView>> {
        let page = request.page("sessions")?;
        let user = match user {
            Some(name) => Some(self.find_user(name).await?.id),
            None => None,
        };
        let filter = SessionFilter { user, client: client.map(str::to_owned) };
        let sessions = self.store.session_list(&filter, &page).await?;
        Ok(List::new("sessions", &page, sessions, |record| record.session.id.to_string(), SessionView::from))
    }

    /// Lists sessions that have not ended, the newest first.
    pub async fn session_list_active(
        &self,
        user: Option<&str>,
        client: Option<&str>,
        request: &ListRequest,
    ) -> Result<List<SessionView>> {
        let page = request.page("active sessions")?;
        let user = match user {
            Some(name) => Some(self.find_user(name).await?.id),
            None => None,
        };
        let filter = SessionFilter { user, client: client.map(str::to_owned) };
        let sessions = self.store.session_list_active(&filter, self.clock.now(), &page, MOST_LOOKED_AT).await?;
        Ok(List::of_looked(
            "active sessions",
            &page,
            sessions,
            |record| record.session.id.to_string(),
            SessionView::from,
        ))
    }

    /// Shows a session.
    pub async fn session_show(&self, id: &str) -> Result<SessionView> {
        self.find_session(id).await.map(SessionView::from)
    }

    pub(super) async fn find_session(&self, id: &str) -> Result<SessionRecord> {
        let missing = || no_such("session", id);
        let parsed: Uuid = id.parse().map_err(|_| missing())?;
        self.store.session_find(parsed).await?.ok_or_else(missing)
    }
}
