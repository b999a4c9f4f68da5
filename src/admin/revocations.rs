//! Administration of revocations and sessions.

use std::time::{Duration, Instant};

use serde::Serialize;
use uuid::Uuid;

use crate::admin::{Actor, AdminError, Administration, List, ListRequest, Result, list, no_such};
use crate::diagnosis::examine;
use crate::keys::keyring::KeyRing;
use crate::protocol::cause::Cause;
use crate::protocol::revocation::{NewRevocation, Revocation, SequenceNumber, Target};
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;
use crate::state::SILENCE;
use crate::store::{NodeRecord, SessionFilter, SessionRecord};
use crate::tokens::verify::{self, Verified};

/// The longest reason, in bytes.
const LONGEST_REASON: usize = 500;

/// The time between two looks at the nodes while a receipt is waited for.
const RECEIPT_POLL: Duration = Duration::from_millis(20);

/// What is to be revoked, as whoever asks names it.
#[derive(Clone, Debug)]
pub enum Named {
    /// An access token or a refresh token.
    Token(String),
    /// A session, by id.
    Session(String),
    /// A user, by id or name.
    User(String),
    /// A client, by id.
    Client(String),
    /// Everything.
    All,
}

/// How far a node is with a revocation.
#[derive(Clone, Debug, Serialize)]
pub struct AppliedBy {
    /// The id of the node.
    pub node: Uuid,
    /// Its name for people.
    pub name: String,
    /// Whether it has applied the revocation.
    pub applied: bool,
    /// When it had applied it at the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied_at: Option<Timestamp>,
    /// When it was last heard of.
    pub heartbeat_at: Timestamp,
}

/// A revocation as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct RevocationView {
    /// Its place in the log.
    pub number: SequenceNumber,
    /// What is revoked.
    pub target: TargetView,
    /// The cause by which its tokens are refused.
    pub cause: Cause,
    /// Why, in the words of whoever revoked.
    pub reason: Option<String>,
    /// Who revoked.
    pub actor: String,
    /// When.
    pub created_at: Timestamp,
    /// How far each live node is with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied_by: Option<Vec<AppliedBy>>,
    /// Whether every live node has applied it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied_everywhere: Option<bool>,
}

/// What is revoked.
#[derive(Clone, Debug, Serialize)]
pub struct TargetView {
    /// The kind: token, session, user, client, key or all.
    pub kind: &'static str,
    /// The id; absent for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// A session as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct SessionView {
    /// Its id.
    pub id: Uuid,
    /// The user's id.
    pub user: Uuid,
    /// The client.
    pub client_id: String,
    /// What was granted.
    pub scope: Scope,
    /// The audiences that were granted.
    pub audiences: Vec<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last refreshed, or began.
    pub last_refreshed_at: Timestamp,
    /// When it ends, as things stand.
    pub expires_at: Timestamp,
    /// The revocation that ended it, if one did.
    pub revoked: Option<RevokedView>,
}

/// What ended a session.
#[derive(Clone, Debug, Serialize)]
pub struct RevokedView {
    /// The number of the revocation.
    pub number: SequenceNumber,
    /// The cause.
    pub cause: Cause,
}

fn view(revocation: Revocation) -> RevocationView {
    let id = revocation.target.id();
    RevocationView {
        number: revocation.number,
        target: TargetView { kind: revocation.target.kind(), id: (!id.is_empty()).then_some(id) },
        cause: revocation.cause,
        reason: revocation.reason,
        actor: revocation.actor,
        created_at: revocation.created_at,
        applied_by: None,
        applied_everywhere: None,
    }
}

fn view_session(held: SessionRecord) -> SessionView {
    let expires_at = held.session.ends_at();
    let revoked = held.revoked_by.zip(held.revoked_because);
    SessionView {
        id: held.session.id,
        user: held.session.user_id,
        client_id: held.session.client_id,
        scope: held.session.scope,
        audiences: held.session.audiences,
        created_at: held.session.created_at,
        last_refreshed_at: held.session.last_refreshed_at,
        expires_at,
        revoked: revoked.map(|(number, cause)| RevokedView { number, cause }),
    }
}

fn applied_by(node: NodeRecord, number: SequenceNumber) -> AppliedBy {
    let applied = node.applied >= number;
    AppliedBy {
        node: node.id,
        name: node.name,
        applied,
        applied_at: applied.then_some(node.applied_at),
        heartbeat_at: node.heartbeat_at,
    }
}

impl Administration {
    /// Revokes. `ring` is needed for a token only.
    ///
    /// # Errors
    /// When there is no such thing, a token is not authentic or over, or `all` is asked for without `jeton:admin`.
    pub async fn revoke(
        &self,
        named: Named,
        reason: Option<String>,
        ring: &KeyRing,
        actor: &Actor,
    ) -> Result<RevocationView> {
        if reason.as_ref().is_some_and(|text| text.len() > LONGEST_REASON || text.chars().any(char::is_control)) {
            return Err(AdminError::Invalid(format!(
                "reason is at most {LONGEST_REASON} bytes without control characters"
            )));
        }
        let revocation = match named {
            Named::Token(text) => self.token_revocation(&text, reason, ring).await?,
            Named::Session(id) => {
                let held = self.find_session(&id).await?;
                self.revocation(Target::Session(held.session.id), Cause::SessionRevoked, reason)
            }
            Named::User(name) => {
                let user = self.find_user(&name).await?;
                self.revocation(Target::User(user.id), Cause::UserRevoked, reason)
            }
            Named::Client(client_id) => {
                let client = self.find_client(&client_id).await?;
                self.revocation(Target::Client(client.client_id), Cause::ClientRevoked, reason)
            }
            Named::All if actor.is_admin => self.revocation(Target::All, Cause::AllRevoked, reason),
            Named::All => return Err(AdminError::NeedsAdmin("revoking everything needs the scope jeton:admin".into())),
        };
        Ok(view(self.store.revoke(&revocation, &actor.audited).await?))
    }

    async fn token_revocation(&self, text: &str, reason: Option<String>, ring: &KeyRing) -> Result<NewRevocation> {
        let origin = self.settings.origin(ring);
        match verify::verify(text, origin) {
            Ok(Verified::Access(claims)) => {
                let covers_until = Timestamp::from_seconds(claims.exp);
                if covers_until <= self.clock.now() {
                    return Err(AdminError::Conflict("the token has expired already".into()));
                }
                let target = Target::Token(claims.jti);
                Ok(NewRevocation { target, cause: Cause::TokenRevoked, reason, covers_until })
            }
            Ok(Verified::Refresh(token)) => {
                let held = self.find_session(&token.session.to_string()).await?;
                Ok(self.revocation(Target::Session(held.session.id), Cause::SessionRevoked, reason))
            }
            Err(unread) => {
                let diagnosis = examine(text, Err(unread), origin, 0).accepting_refresh_tokens();
                let cause = diagnosis.cause().unwrap_or(Cause::NotAToken);
                Err(AdminError::Invalid(format!("token: {} ({cause})", cause.title())))
            }
        }
    }

    /// Revocations, newest first.
    ///
    /// # Errors
    /// When the cursor or the limit is not acceptable.
    pub async fn revocation_list(&self, request: &ListRequest) -> Result<List<RevocationView>> {
        let page = request.page("revocations")?;
        let revocations = self.store.revocation_list(&page).await?;
        Ok(list("revocations", &page, revocations, |revocation| revocation.number.to_string(), view))
    }

    /// A revocation, and how far each node is with it.
    ///
    /// # Errors
    /// When there is none.
    pub async fn revocation_show(&self, number: &str) -> Result<RevocationView> {
        let missing = || no_such("revocation", number);
        let parsed: SequenceNumber = number.parse().map_err(|_| missing())?;
        let revocation = self.store.revocation_find(parsed).await?.ok_or_else(missing)?;
        self.with_receipt(view(revocation)).await
    }

    /// Waits until every live node has applied a revocation, or the time is up; the answer says which have.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn revocation_wait(&self, revocation: RevocationView, limit: Duration) -> Result<RevocationView> {
        let begun = Instant::now();
        loop {
            let receipt = self.with_receipt(revocation.clone()).await?;
            if receipt.applied_everywhere == Some(true) || begun.elapsed() >= limit {
                return Ok(receipt);
            }
            tokio::time::sleep(RECEIPT_POLL).await;
        }
    }

    /// A node that fell silent counts as live until it must have stopped answering from memory, and a while more, so that
    /// a receipt never says "everywhere" while somebody still answers from an old view.
    async fn with_receipt(&self, revocation: RevocationView) -> Result<RevocationView> {
        // Heartbeats are in the time of the database, so whether one is too old is judged by that, too.
        let now = self.store.database_clock().await?.unwrap_or_else(|| self.clock.now().millis());
        let silence = i64::try_from(SILENCE.as_millis()).unwrap_or(i64::MAX);
        let is_live = |node: &NodeRecord| node.heartbeat_at.millis() + node.max_staleness + silence >= now;
        let nodes = self.store.node_list().await?.into_iter().filter(is_live);
        let applied_by: Vec<AppliedBy> = nodes.map(|node| applied_by(node, revocation.number)).collect();
        let everywhere = applied_by.iter().all(|node| node.applied);
        Ok(RevocationView { applied_by: Some(applied_by), applied_everywhere: Some(everywhere), ..revocation })
    }

    /// Sessions, oldest first.
    ///
    /// # Errors
    /// When a filter, the cursor or the limit is not acceptable.
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
        Ok(list("sessions", &page, sessions, |held| held.session.id.to_string(), view_session))
    }

    /// A session.
    ///
    /// # Errors
    /// When there is none.
    pub async fn session_show(&self, id: &str) -> Result<SessionView> {
        Ok(view_session(self.find_session(id).await?))
    }

    async fn find_session(&self, id: &str) -> Result<SessionRecord> {
        let missing = || no_such("session", id);
        let parsed: Uuid = id.parse().map_err(|_| missing())?;
        self.store.session_find(parsed).await?.ok_or_else(missing)
    }
}
