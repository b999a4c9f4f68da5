//! Administration of revocations.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::admin::clients::needs_admin;
use crate::admin::error::no_such;
pub use crate::admin::receipts::AppliedBy;
use crate::admin::users::check_role;
use crate::admin::{Actor, AdminError, List, ListRequest, Result};
use crate::app::App;
use crate::diagnosis::apart;
use crate::protocol::cause::Cause;
use crate::protocol::revocation::{NewRevocation, Revocation, SequenceNumber, Target};
use crate::protocol::schema::with_keywords;
use crate::protocol::time::Timestamp;
use crate::tokens::verify::Verified;
use crate::validation;

/// The most sessions, the newest ones, that are looked at to count the active before they are ended.
const MOST_LOOKED_AT: i64 = 5_000;

/// A number of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SessionCount {
    /// How many are active; null if the database did not count them in time.
    #[schema(required)]
    pub sessions: Option<u64>,
    /// Whether there may be more than that: of very many sessions, only the newest are looked at.
    pub or_more: bool,
}

/// The longest reason, in bytes.
const LONGEST_REASON: usize = 500;

/// What to revoke: exactly one of the first five members, and why.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationRequest {
    /// An access token, or a refresh token with its session.
    pub token: Option<String>,
    /// A session, by id.
    pub session: Option<String>,
    /// Everything that was issued to a user, by id, `sub` or name.
    pub user: Option<String>,
    /// Everything that was issued to a client.
    pub client: Option<String>,
    /// Everything, if true.
    pub all: Option<bool>,
    /// Why, for the records; at most 500 bytes of UTF-8 without control characters.
    pub reason: Option<String>,
}

impl PartialSchema for RevocationRequest {
    fn schema() -> RefOr<Schema> {
        let reason = json!({
            "description": "Why, for the records; at most 500 bytes of UTF-8 without control characters.",
            "type": ["string", "null"],
            "maxLength": LONGEST_REASON,
            "pattern": r"^[^\u0000-\u001F\u007F-\u009F]*$",
        });
        let text = |description: &str| json!({"type": "string", "description": description});
        let alternatives = [
            ("A token", "token", text("An access token, or a refresh token with its session.")),
            ("A session", "session", text("Its id.")),
            ("Everything that was issued to a user", "user", text("Its id, `sub` or username.")),
            ("Everything that was issued to a client", "client", text("Its id.")),
            ("Everything", "all", json!({"type": "boolean", "const": true})),
        ];
        let alternatives = alternatives.map(|(title, name, value)| {
            json!({
                "title": title,
                "type": "object",
                "required": [name],
                "properties": {name: value, "reason": reason},
            })
        });
        with_keywords(json!({"description": "What to revoke.", "oneOf": alternatives}))
    }
}

impl ToSchema for RevocationRequest {
    fn name() -> Cow<'static, str> {
        "NewRevocation".into()
    }
}

/// What a request for a revocation names.
enum Named<'a> {
    Token(&'a str),
    Session(&'a str),
    User(&'a str),
    Client(&'a str),
    All,
}

impl RevocationRequest {
    fn named(&self) -> Result<Named<'_>> {
        let named = [
            self.token.as_deref().map(Named::Token),
            self.session.as_deref().map(Named::Session),
            self.user.as_deref().map(Named::User),
            self.client.as_deref().map(Named::Client),
            self.all.filter(|all| *all).map(|_| Named::All),
        ];
        let mut named = named.into_iter().flatten();
        match (named.next(), named.next()) {
            (Some(one), None) => Ok(one),
            _ => Err(AdminError::Invalid("name exactly one of token, session, user, client, or all: true".into())),
        }
    }
}

/// Checks the reason that an administrator gave.
pub(crate) fn check_reason(reason: Option<&String>) -> Result<()> {
    let too_long = |text: &String| text.len() > LONGEST_REASON || text.chars().any(char::is_control);
    if reason.is_some_and(too_long) {
        let text = format!("reason is at most {LONGEST_REASON} bytes without control characters");
        return Err(AdminError::Invalid(text));
    }
    Ok(())
}

/// A revocation as it is shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Revocation)]
pub struct RevocationView {
    /// The number; revocations are ordered by it.
    #[schema(value_type = i64)]
    pub number: SequenceNumber,
    /// What is revoked.
    pub target: TargetView,
    /// The cause for which its tokens are refused.
    pub cause: Cause,
    /// The reason that the actor gave.
    #[schema(required)]
    pub reason: Option<String>,
    /// Who revoked.
    pub actor: String,
    /// When.
    pub created_at: Timestamp,
    /// How far each live node has applied it; only where a single revocation is shown or waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<AppliedBy>, required = false)]
    pub applied_by: Option<Vec<AppliedBy>>,
    /// Whether every live node has applied it; present together with `applied_by`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false)]
    pub applied_everywhere: Option<bool>,
}

/// What is revoked.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = RevocationTarget)]
pub struct TargetView {
    /// The kind.
    #[schema(schema_with = target_kind)]
    pub kind: &'static str,
    /// The id; absent for `all`, and for a token its `jti`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub id: Option<String>,
}

fn target_kind() -> RefOr<Schema> {
    let kinds = ["token", "session", "user", "client", "key", "all"];
    with_keywords(json!({"type": "string", "enum": kinds}))
}

impl From<&Target> for TargetView {
    fn from(target: &Target) -> Self {
        let id = target.id();
        Self { kind: target.kind(), id: (!id.is_empty()).then_some(id) }
    }
}

/// What a revocation would do.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RevocationPreview {
    /// What would be revoked.
    pub target: TargetView,
    /// The sessions that would end. A revoked token ends none.
    #[serde(flatten)]
    pub ends: SessionCount,
}

impl From<Revocation> for RevocationView {
    fn from(revocation: Revocation) -> Self {
        Self {
            number: revocation.number,
            target: (&revocation.target).into(),
            cause: revocation.cause,
            reason: revocation.reason,
            actor: revocation.actor,
            created_at: revocation.created_at,
            applied_by: None,
            applied_everywhere: None,
        }
    }
}

impl App {
    /// Revokes.
    pub async fn revoke(&self, request: RevocationRequest, actor: &Actor) -> Result<RevocationView> {
        let revocation = self.new_revocation(&request, actor).await?;
        Ok(self.state.honour(self.store.revoke_with_notices(&revocation, &self.dated(actor))).await?.into())
    }

    /// What a request would revoke, and how many sessions that would end.
    pub async fn revocation_preview(&self, request: &RevocationRequest, actor: &Actor) -> Result<RevocationPreview> {
        let target = self.new_revocation(request, actor).await?.target;
        Ok(RevocationPreview { ends: self.sessions_covered(&target).await, target: (&target).into() })
    }

    /// Checks whether the actor may revoke what a request names, and counts nothing.
    pub async fn revocation_check(&self, request: &RevocationRequest, actor: &Actor) -> Result<()> {
        self.new_revocation(request, actor).await.map(drop)
    }

    /// How many sessions a revocation of this would end now. Whoever revokes never waits for the count: it may be unknown.
    pub async fn sessions_covered(&self, target: &Target) -> SessionCount {
        match self.store.sessions_covered(target, self.clock.now(), MOST_LOOKED_AT).await {
            Ok((found, were_all)) => SessionCount { sessions: Some(found), or_more: !were_all },
            Err(error) => {
                tracing::warn!(%error, %target, "the sessions that a revocation would end were not counted");
                SessionCount { sessions: None, or_more: true }
            }
        }
    }

    /// The revocation that a request asks for.
    async fn new_revocation(&self, request: &RevocationRequest, actor: &Actor) -> Result<NewRevocation> {
        check_reason(request.reason.as_ref())?;
        let revocation = |target, cause| self.revocation(target, cause, request.reason.clone());
        Ok(match request.named()? {
            Named::Token(text) => {
                NewRevocation { reason: request.reason.clone(), ..self.token_revocation(text, actor).await? }
            }
            Named::Session(id) => revocation(self.session_target(id, actor).await?, Cause::SessionRevoked),
            Named::User(name) => {
                let user = self.find_user(name).await?;
                // It ends the logins from which this server is administered.
                check_role(user.role, actor)?;
                revocation(Target::User(user.sub), Cause::UserRevoked)
            }
            Named::Client(id) => {
                let client = self.find_client(id).await?;
                needs_admin(&client.settings, actor)?;
                revocation(Target::Client(client.client_id), Cause::ClientRevoked)
            }
            Named::All if actor.is_admin => revocation(Target::All, Cause::AllRevoked),
            Named::All => return Err(AdminError::NeedsAdmin("revoking everything needs the scope jeton:admin".into())),
        })
    }

    /// An access token is revoked alone, until it expires; a refresh token with its session.
    async fn token_revocation(&self, text: &str, actor: &Actor) -> Result<NewRevocation> {
        match validation::verify(self, &self.issuer, text).await? {
            Ok(Verified::Access(claims)) => {
                self.check_owner(&claims.client_id, actor).await?;
                let covers_until = Timestamp::from_seconds(claims.exp);
                if covers_until <= self.clock.now() {
                    return Err(AdminError::Conflict("the token has expired already".into()));
                }
                let revocation = self.revocation(Target::Token(claims.jti), Cause::TokenRevoked, None);
                Ok(NewRevocation { covers_until, ..revocation })
            }
            Ok(Verified::Refresh(token)) => {
                let target = self.session_target(&token.session.to_string(), actor).await?;
                Ok(self.revocation(target, Cause::SessionRevoked, None))
            }
            Err(error) => {
                let diagnosis = apart::examine(&self.issuer, text, Err(error)).await.accepting_refresh_tokens();
                let cause = diagnosis.cause().unwrap_or(Cause::NotAToken);
                Err(AdminError::Invalid(format!("token: {} ({cause})", cause.title())))
            }
        }
    }

    async fn session_target(&self, id: &str, actor: &Actor) -> Result<Target> {
        let session = self.find_session(id).await?.session;
        self.check_owner(&session.client_id, actor).await?;
        Ok(Target::Session(session.id))
    }

    /// Whoever holds only `jeton:revoke` could otherwise lock out those who outrank it, token by token.
    async fn check_owner(&self, client_id: &str, actor: &Actor) -> Result<()> {
        match self.store.client_find(client_id).await? {
            Some((client, _)) => needs_admin(&client.settings, actor),
            None => Ok(()),
        }
    }

    /// Lists revocations, newest first.
    pub async fn revocation_list(&self, request: &ListRequest) -> Result<List<RevocationView>> {
        let page = request.page("revocations")?;
        let revocations = self.store.revocation_list(&page).await?;
        let key = |revocation: &Revocation| revocation.number.to_string();
        Ok(List::new("revocations", &page, revocations, key, RevocationView::from))
    }

    /// Shows a revocation, and how far each node is with it.
    pub async fn revocation_show(&self, number: &str) -> Result<RevocationView> {
        let missing = || no_such("revocation", number);
        let parsed: SequenceNumber = number.parse().map_err(|_| missing())?;
        let revocation = self.store.revocation_find(parsed).await?.ok_or_else(missing)?;
        self.with_receipt(revocation.into()).await
    }
}
