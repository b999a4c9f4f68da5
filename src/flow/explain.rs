//! `/auth/explain`: why a token is refused, told to those who may know.
//!
//! 1. Who asks: a client with its secret, or an administrator with a token. 2. Not too often. 3. What the bytes show is told
//!    to any of them; what takes a key or the state of this server, only to those with the permission and to the client
//!    that the token was issued to. 4. The record of audit is written before the answer is given.

use serde::Serialize;

use super::diagnose;
use super::{App, Failure, Request, Result, admin_token, check, client_auth};
use crate::oauth::advice;
use crate::oauth::cause::{BearerAnswer, Cause};
use crate::oauth::challenge::Challenge;
use crate::oauth::claims::AccessClaims;
use crate::oauth::client::{Client, Permission};
use crate::oauth::error::{ErrorCode, Refusal};
use crate::oauth::identity::Identity;
use crate::oauth::scope::Scope;
use crate::oauth::time::Timestamp;
use crate::store::Audited;
use crate::token::diagnosis::judge::Expected;
use crate::token::diagnosis::{Basis, Damage, Diagnosis, Fact, MOST_PROOFS};
use crate::token::presented::{Authentic, Unread};

/// The account of a token.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// Whether a resource server is right to accept it.
    pub active: bool,
    /// The first cause against it.
    pub cause: Option<Cause>,
    /// What that means, in one sentence.
    pub title: &'static str,
    /// What was found.
    pub detail: String,
    /// What can be done.
    pub fix: Fix,
    /// Every cause against it, in order.
    pub all_causes: Vec<Cause>,
    /// The status that a resource server answers with.
    pub status: u16,
    /// The challenge that goes with it (RFC 6750 §3).
    pub www_authenticate: Option<String>,
    /// Facts, each verified or only claimed.
    pub evidence: Vec<Fact>,
    /// What happened to it on the way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub damage: Vec<Damage>,
    /// What a resource server must expect, for a token that is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
    /// Whether more is known than may be told to whoever asks.
    #[serde(skip_serializing_if = "is_false")]
    pub limited: bool,
    /// The page about the cause.
    pub docs: String,
    /// The id under which this answer is logged.
    pub request_id: String,
}

/// What can be done, and by whom.
#[derive(Debug, Serialize)]
pub struct Fix {
    /// By the client that sends the token.
    pub client: String,
    /// By the resource server that gets it.
    pub resource_server: String,
    /// By the administrator of this server.
    pub administrator: String,
}

/// What a resource server must expect of a token that is good here: if it refuses it, one of these differs.
#[derive(Debug, Serialize)]
pub struct Expect {
    /// `iss`, letter for letter.
    pub issuer: String,
    /// `aud` names one of these.
    pub audience: Vec<String>,
    /// `alg`; none for an opaque token.
    pub algorithm: Option<&'static str>,
    /// `kid`; none for an opaque token.
    pub kid: Option<String>,
    /// Since when the key is published.
    pub key_published_at: Option<Timestamp>,
    /// Where the keys are published; an opaque token is introspected instead.
    pub jwks_uri: String,
    /// Where any token can be introspected.
    pub introspection_endpoint: String,
    /// The time of this server.
    pub server_time: Timestamp,
    /// Seconds until it expires.
    pub seconds_left: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// What is to be explained.
#[derive(Debug, Default)]
pub struct Question {
    /// What was presented as a token.
    pub text: String,
    /// What whoever asks expects of it.
    pub expected: Expected,
    /// Whether a refresh token may be what it is meant to be.
    pub of_any_kind: bool,
}

/// Who asks.
enum Caller {
    Client(std::sync::Arc<Client>),
    Administrator(String),
}

/// Answers a request for an explanation.
///
/// # Errors
/// A refusal, because the caller is not who it says, asks wrongly or too often; or it could not be decided.
pub async fn answer(app: &App, request: &Request<'_>) -> Result<Explanation> {
    app.view.ensure_fresh().await?;
    let caller = authenticated(app, request).await?;
    let actor = match &caller {
        Caller::Client(client) => format!("client {}", client.client_id),
        Caller::Administrator(client_id) => format!("client {client_id}"),
    };
    if app.settings.throttling && !app.explanations.allows(&actor) {
        return Err(Failure::Throttled);
    }
    let Some(text) = request.parameters.one_or_empty("token")? else {
        return Err(Refusal::invalid_request("The parameter token is missing.").into());
    };
    let scope = Scope::parse(request.parameters.one("scope")?.unwrap_or_default()).map_err(|_| {
        Refusal::invalid_request("The parameter scope is not a list of scopes with single spaces between.")
    })?;
    let audience = request.parameters.one("audience")?.map(str::to_owned);
    let question = Question {
        text: text.to_owned(),
        expected: Expected { audience, scope },
        of_any_kind: request.parameters.one("token_type_hint")? == Some("refresh_token"),
    };
    let audited = Audited {
        actor,
        request_id: Some(request.request_id.to_string()),
        address: Some(request.address.to_string()),
        at: app.clock.now(),
    };
    let sees = async |diagnosis: &Diagnosis| match &caller {
        Caller::Administrator(_) => Ok(true),
        Caller::Client(client) => may_see(app, client, diagnosis).await,
    };
    explain(app, &question, sees, &audited).await
}

/// Explains to whoever has the database and the keys.
///
/// # Errors
/// When it could not be decided.
pub async fn explain_to_operator(app: &App, question: &Question, audited: &Audited) -> Result<Explanation> {
    explain(app, question, async |_: &Diagnosis| Ok(true), audited).await
}

async fn authenticated(app: &App, request: &Request<'_>) -> Result<Caller> {
    if let [header] = request.authorization
        && let Some((scheme, token)) = header.split_at_checked(7)
        && scheme.eq_ignore_ascii_case(b"bearer ")
    {
        if request.parameters.one("client_id")?.is_some() || request.parameters.one("client_secret")?.is_some() {
            let description = "Authenticate in one way: with an access token or with client_id and client_secret.";
            return Err(Refusal::invalid_request(description).into());
        }
        let refuse = |reason: String| {
            let description =
                "The access token in the Authorization header is not good for this: use one with jeton:admin.";
            Refusal::new(ErrorCode::InvalidToken, description).because(reason)
        };
        let token = String::from_utf8_lossy(token);
        return match admin_token::judge(app, &token).await? {
            Ok(held) if held.has_one_of(&["jeton:read"]) => Ok(Caller::Administrator(held.claims.client_id.clone())),
            Ok(held) => Err(refuse(format!("the token has the scope {}", held.scope)).into()),
            Err(diagnosis) => Err(refuse(diagnosis.cause().map(Cause::name).unwrap_or_default().to_owned()).into()),
        };
    }
    client_auth::authenticate_confidential(app, request).await.map(Caller::Client)
}

/// Whether a client may be told what keys and state show of a token.
async fn may_see(app: &App, client: &Client, diagnosis: &Diagnosis) -> Result<bool> {
    let (owner, audiences) = match &diagnosis.authentic {
        Some(Authentic::Access(claims)) => (Some(claims.client_id.clone()), claims.aud.all().to_vec()),
        Some(Authentic::Refresh(token)) => match app.store.session_find(token.session).await? {
            Some(held) if check::has_nonce(&held, token) => (Some(held.session.client_id), held.session.audiences),
            _ => (None, vec![]),
        },
        None => (None, vec![]),
    };
    if owner.as_ref() == Some(&client.client_id) {
        return Ok(true);
    }
    let limits = &client.settings.introspect_audiences;
    // Of what is not authentic, nobody knows for whom it is.
    let is_for_it = limits.is_empty() || owner.is_none() || audiences.iter().any(|audience| limits.contains(audience));
    Ok(client.has(Permission::Explain) && is_for_it)
}

async fn explain(
    app: &App,
    question: &Question,
    may_see: impl AsyncFnOnce(&Diagnosis) -> Result<bool>,
    audited: &Audited,
) -> Result<Explanation> {
    let text = question.text.as_str();
    app.view.ensure_fresh().await?;
    let found = check::read(app, text).await?;
    let keys = app.view.keys();
    let reading = Diagnosis::of(text, found, app.origin(&keys), MOST_PROOFS);
    let sees_all = may_see(&reading).await?;
    let mut diagnosis = if sees_all {
        diagnose::complete(app, reading, &question.expected).await?
    } else {
        // As if it were not authentic, so that nothing in the answer tells whether it is.
        Diagnosis::of(text, Err(Unread::NotOurs), app.origin(&keys), 0)
    };
    if question.of_any_kind {
        diagnosis = diagnosis.of_any_kind();
    }
    let identity = diagnose::identity(&diagnosis);
    let target = match (&identity.jti, &identity.session) {
        (Some(jti), _) => format!("token {jti}"),
        (None, Some(session)) => format!("session {session}"),
        (None, None) => format!("a text of {} characters", text.chars().count()),
    };
    let request_id = audited.request_id.clone().unwrap_or_default();
    let explanation = if sees_all {
        told(app, diagnosis, request_id)
    } else {
        diagnosis.findings.retain(|finding| finding.basis == Basis::Bytes);
        diagnosis.facts.retain(|fact| fact.basis == Basis::Bytes);
        Explanation { active: false, limited: true, expect: None, ..told(app, diagnosis, request_id) }.limited()
    };
    let cause = explanation.cause.map(Cause::name);
    app.store.audit_write(audited, "token.explain", target, cause.map(str::to_owned)).await?;
    if let Some(cause) = cause {
        app.metrics.refused("explain", cause);
    }
    let Identity { client, subject, session, jti } = identity;
    let session = session.map(|id| id.to_string());
    let jti = jti.map(|id| id.to_string());
    tracing::info!(
        endpoint = "explain",
        actor = audited.actor,
        cause,
        client,
        subject,
        session,
        jti,
        request_id = audited.request_id,
        "token explained"
    );
    Ok(explanation)
}

fn told(app: &App, diagnosis: Diagnosis, request_id: String) -> Explanation {
    let settings = &app.settings;
    let cause = diagnosis.cause();
    let expect = if cause.is_none() { diagnosis.claims().map(|claims| expect(app, &diagnosis, claims)) } else { None };
    let Diagnosis { findings, damage, facts, .. } = diagnosis;
    let Some(first) = findings.first() else { return good(app, facts, expect, request_id) };
    let cause = first.cause;
    let advice = advice::about(cause);
    let repair = damage.iter().find(|damage| damage.cause == cause).map(|damage| damage.repair.clone());
    let answer = cause.bearer_answer();
    let docs = settings.under_issuer(&format!("/docs/errors/{cause}"));
    let needed = first.needed.clone();
    Explanation {
        active: false,
        cause: Some(cause),
        title: cause.title(),
        detail: first.detail.clone(),
        fix: Fix {
            client: repair.unwrap_or_else(|| settings.fill(advice.client)),
            resource_server: settings.fill(advice.resource_server),
            administrator: settings.fill(advice.administrator),
        },
        all_causes: findings.iter().map(|finding| finding.cause).collect(),
        status: answer.status,
        www_authenticate: challenge(cause, cause.title(), &docs, needed.as_deref()),
        evidence: facts,
        damage,
        expect: None,
        limited: false,
        docs,
        request_id,
    }
}

fn good(app: &App, evidence: Vec<Fact>, expect: Option<Expect>, request_id: String) -> Explanation {
    Explanation {
        active: true,
        cause: None,
        title: "The token is good.",
        detail: "Nothing speaks against the token here. If a resource server refuses it, that server expects something else \
                 than what stands under `expect`, or its clock is wrong."
            .into(),
        fix: Fix {
            client: "Send it as `Authorization: Bearer TOKEN` to the resource server that it is for.".into(),
            resource_server: "Compare issuer, audience, algorithm and key with `expect`, letter for letter; read the published \
                              keys anew; compare your clock with `server_time`."
                .into(),
            administrator: "Nothing.".into(),
        },
        all_causes: vec![],
        status: 200,
        www_authenticate: None,
        evidence,
        damage: vec![],
        expect,
        limited: false,
        docs: app.settings.under_issuer("/docs/errors"),
        request_id,
    }
}

/// What a resource server answers with; nothing where it could not check.
fn challenge(cause: Cause, description: &str, uri: &str, scope: Option<&str>) -> Option<String> {
    let BearerAnswer { status, error } = cause.bearer_answer();
    (status != 503).then(|| Challenge { error, description, uri, scope }.to_string())
}

impl Explanation {
    /// The same for a caller who is told only what the bytes show.
    fn limited(mut self) -> Self {
        for damage in &mut self.damage {
            damage.proved = false;
        }
        if self.cause.is_none() {
            self.title = "The bytes show nothing wrong.";
            self.detail =
                "More takes a key or the state of this server, and is told only to the client that the token was \
                           issued to and to clients with the permission `explain`."
                    .into();
            self.fix = Fix {
                client: "Ask for a new token and try once more.".into(),
                resource_server: "Ask with a client that has the permission `explain`.".into(),
                administrator: "Give the client the permission: `jeton client update CLIENT_ID --permissions explain`."
                    .into(),
            };
            let answer = Cause::BadSignature.bearer_answer();
            self.status = answer.status;
            let docs = self.docs.clone() + "/invalid_token";
            self.www_authenticate = challenge(Cause::BadSignature, "The token is not good.", &docs, None);
            self.docs = docs;
        }
        self
    }
}

fn expect(app: &App, diagnosis: &Diagnosis, claims: &AccessClaims) -> Expect {
    let keys = app.view.keys();
    let named = |fact: &str| diagnosis.facts.iter().find(|known| known.fact == fact && known.verified);
    let kid = named("kid").and_then(|fact| fact.value.as_str());
    let key = kid.and_then(|kid| keys.ring.signing_key(kid));
    let now = app.clock.now();
    Expect {
        issuer: claims.iss.clone(),
        audience: claims.aud.all().to_vec(),
        algorithm: key.map(|key| key.algorithm.name()),
        kid: key.map(|key| key.kid.clone()),
        key_published_at: key.map(|key| key.created_at),
        jwks_uri: app.settings.under_issuer("/.well-known/jwks.json"),
        introspection_endpoint: app.settings.under_issuer("/auth/introspect"),
        server_time: now,
        seconds_left: claims.exp - now.seconds(),
    }
}
