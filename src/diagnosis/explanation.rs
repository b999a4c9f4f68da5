//! The account of a token: what was found, put into words for those who have to act.

use serde::Serialize;

use crate::app::App;
use crate::diagnosis::advice;
use crate::diagnosis::{Basis, Damage, Diagnosis, Fact};
use crate::protocol::cause::{BearerAnswer, Cause};
use crate::protocol::challenge::Challenge;
use crate::protocol::claims::AccessClaims;
use crate::protocol::time::Timestamp;

/// The account of a token.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// Whether a resource server is right to accept it; of a refresh token that is meant to be one, whether it is living.
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

/// Everything that is known.
pub(crate) fn of(app: &App, diagnosis: Diagnosis, request_id: String) -> Explanation {
    let settings = &app.settings;
    let cause = diagnosis.cause();
    let expect = if cause.is_none() { diagnosis.claims().map(|claims| expect(app, &diagnosis, claims)) } else { None };
    let Diagnosis { findings, damage, facts, .. } = diagnosis;
    let Some(first) = findings.first() else {
        let is_refresh_token = expect.is_none();
        let explanation = good(app, facts, expect, request_id);
        return if is_refresh_token { good_refresh_token(explanation) } else { explanation };
    };
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
            client: repair.unwrap_or_else(|| settings.fill(first.remedy.unwrap_or(advice.client))),
            resource_server: settings.fill(advice.resource_server),
            administrator: settings.fill(if first.remedy.is_some() { "Nothing." } else { advice.administrator }),
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

/// The same for a living refresh token that is meant to be one.
fn good_refresh_token(explanation: Explanation) -> Explanation {
    Explanation {
        title: "The refresh token is good.",
        detail: "It is the newest one of a living session. No resource server accepts it.".into(),
        fix: Fix {
            client:
                "Send it to `/auth/token` alone, with `grant_type=refresh_token`, and keep what comes in its place."
                    .into(),
            resource_server: "Do not accept it: it is no access token.".into(),
            administrator: "Nothing.".into(),
        },
        ..explanation
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

/// What the bytes alone show, for a caller who may not know more.
pub(crate) fn of_bytes_alone(app: &App, mut diagnosis: Diagnosis, request_id: String) -> Explanation {
    diagnosis.findings.retain(|finding| finding.basis == Basis::Bytes);
    diagnosis.facts.retain(|fact| fact.basis == Basis::Bytes);
    for damage in &mut diagnosis.damage {
        damage.proved = false;
    }
    if !diagnosis.findings.is_empty() {
        return Explanation { limited: true, ..of(app, diagnosis, request_id) };
    }
    let docs = app.settings.under_issuer("/docs/errors/invalid_token");
    Explanation {
        active: false,
        cause: None,
        title: "The bytes alone show nothing against the token.",
        detail:
            "More takes a key or the state of this server, and is told only to the client that the token was issued to \
                 and to clients with the permission `explain`."
                .into(),
        fix: Fix {
            client: "Ask for a new token and try once more.".into(),
            resource_server: "Ask with a client that has the permission `explain`.".into(),
            administrator:
                "Give the client the permission; the list replaces the one before: `jeton client update CLIENT_ID \
                            --permissions introspect,explain`."
                    .into(),
        },
        all_causes: vec![],
        status: 401,
        www_authenticate: challenge(Cause::BadSignature, "The token is not good.", &docs, None),
        evidence: diagnosis.facts,
        damage: vec![],
        expect: None,
        limited: true,
        docs,
        request_id,
    }
}

fn expect(app: &App, diagnosis: &Diagnosis, claims: &AccessClaims) -> Expect {
    let keys = app.state.keys();
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
        seconds_left: claims.exp.saturating_sub(now.seconds()),
    }
}
