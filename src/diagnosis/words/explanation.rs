//! The full explanation of a token, for those who have to act on it.

use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::app::App;
use crate::diagnosis::finding::{Damage, Fact, Source};
use crate::diagnosis::report::Diagnosis;
use crate::diagnosis::words::advice;
use crate::diagnosis::words::timeline::{self, Moment};
use crate::issuer::Issuer;
use crate::protocol::bearer::Scheme;
use crate::protocol::cause::{BearerAnswer, Cause};
use crate::protocol::challenge::Challenge;
use crate::protocol::claims::AccessClaims;
use crate::protocol::confirmation::Confirmation;
use crate::protocol::schema::with_keywords;
use crate::protocol::time::Timestamp;

/// The explanation of a token.
#[derive(Debug, Serialize, ToSchema)]
pub struct Explanation {
    /// Whether a resource server should accept it; for a refresh token explained as such, whether it still works.
    pub active: bool,
    /// The first cause; null if the token is active, or if the caller may not know it.
    #[schema(required)]
    pub cause: Option<Cause>,
    /// What the cause means, in one sentence.
    pub title: &'static str,
    /// What was found: where, when, by how much, and for those who may know, by whom.
    pub detail: String,
    /// What to do about it.
    pub fix: Fix,
    /// Every cause, in order.
    pub all_causes: Vec<Cause>,
    /// The status that a resource server should answer with.
    #[schema(value_type = i64)]
    pub status: u16,
    /// The challenge that goes with it (RFC 6750 §3).
    #[schema(required)]
    pub www_authenticate: Option<String>,
    /// Facts, each verified or only claimed.
    pub evidence: Vec<Fact>,
    /// Its life, for pages: the same facts in the order of time.
    #[serde(skip)]
    pub timeline: Vec<Moment>,
    /// What happened to it in transit; absent if nothing did.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub damage: Vec<Damage>,
    /// What a resource server must expect, if the token is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Expect, required = false)]
    pub expect: Option<Expect>,
    /// Whether the explanation is limited to what the bytes show.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(schema_with = limited, required = false)]
    pub limited: bool,
    /// The page about the cause.
    #[schema(format = "uri")]
    pub docs: String,
    /// The id of this answer in the log and in the audit trail.
    pub request_id: String,
}

/// What each party can do.
#[derive(Debug, Serialize, ToSchema)]
pub struct Fix {
    /// The client that sends the token.
    pub client: String,
    /// The resource server that receives it.
    pub resource_server: String,
    /// The administrator of this server.
    pub administrator: String,
}

/// What a resource server must expect of a good token: if it refuses the token, one of these differs.
#[derive(Debug, Serialize, ToSchema)]
pub struct Expect {
    /// `iss`, character by character.
    pub issuer: String,
    /// `aud`: the resource server expects one of these.
    pub audience: Vec<String>,
    /// `alg`; null for an opaque token.
    #[schema(required)]
    pub algorithm: Option<&'static str>,
    /// `typ`; null for an opaque token.
    #[schema(required)]
    pub typ: Option<String>,
    /// `kid`; null for an opaque token.
    #[schema(required)]
    pub kid: Option<String>,
    /// What the token is bound to (`cnf`): whoever sends it must prove to hold that. Absent if it is a bearer token.
    #[serde(rename = "cnf", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    pub confirmation: Option<Confirmation>,
    /// When the key was published.
    #[schema(required)]
    pub key_published_at: Option<Timestamp>,
    /// Where the keys are published. An opaque token can only be introspected.
    pub jwks_uri: String,
    /// Where any token can be introspected.
    pub introspection_endpoint: String,
    /// The time of this server.
    pub server_time: Timestamp,
    /// Seconds until it expires.
    pub seconds_left: i64,
}

fn limited() -> RefOr<Schema> {
    let description = "The caller is told only what the bytes show.";
    with_keywords(json!({"type": "boolean", "const": true, "description": description}))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// Explains everything that is known.
pub(crate) fn of(app: &App, issuer: &Issuer, diagnosis: Diagnosis, request_id: String) -> Explanation {
    let settings = &app.settings;
    let cause = diagnosis.cause();
    let expect =
        if cause.is_none() { diagnosis.claims().map(|claims| expect(app, issuer, &diagnosis, claims)) } else { None };
    let Diagnosis { findings, damage, facts, .. } = diagnosis;
    let timeline = timeline::of(&facts, &findings, app.clock.now());
    let Some(first) = findings.first() else {
        let is_refresh_token = expect.is_none();
        let explanation = Explanation { timeline, ..good(issuer, facts, expect, request_id) };
        return if is_refresh_token { good_refresh_token(explanation) } else { explanation };
    };
    let cause = first.cause;
    let advice = advice::about(cause);
    let repair = damage.iter().find(|damage| damage.cause == cause).map(|damage| damage.repair.clone());
    let answer = cause.bearer_answer();
    let docs = issuer.error_page(cause.name());
    let needed = first.needed.clone();
    Explanation {
        active: false,
        cause: Some(cause),
        title: cause.title(),
        detail: first.detail.clone(),
        fix: Fix {
            client: repair.unwrap_or_else(|| settings.fill(issuer, first.remedy.unwrap_or(advice.client))),
            resource_server: settings.fill(issuer, advice.resource_server),
            administrator: settings
                .fill(issuer, if first.remedy.is_some() { advice::NOTHING } else { advice.administrator }),
        },
        all_causes: findings.iter().map(|finding| finding.cause).collect(),
        status: answer.status,
        www_authenticate: challenge(cause, cause.title(), &docs, needed.as_deref()),
        evidence: facts,
        timeline,
        damage,
        expect: None,
        limited: false,
        docs,
        request_id,
    }
}

/// The explanation of a working refresh token.
fn good_refresh_token(explanation: Explanation) -> Explanation {
    Explanation {
        title: "The refresh token is good.",
        detail: "It is the newest refresh token of an active session. No resource server accepts it.".into(),
        fix: Fix {
            client:
                "Send it only to `/auth/token`, with `grant_type=refresh_token`, and keep the one you get in return."
                    .into(),
            resource_server: "Do not accept it: it is not an access token.".into(),
            administrator: advice::NOTHING.into(),
        },
        ..explanation
    }
}

fn good(issuer: &Issuer, evidence: Vec<Fact>, expect: Option<Expect>, request_id: String) -> Explanation {
    Explanation {
        active: true,
        cause: None,
        title: "The token is good.",
        detail: "This server has no reason to refuse the token. If a resource server refuses it, that server expects \
                 something other than what `expect` lists, or its clock is wrong."
            .into(),
        fix: Fix {
            client: how_to_send(expect.as_ref()).into(),
            resource_server:
                "Compare issuer, audience, algorithm and key with `expect`, character by character; fetch the \
                              published keys again; compare your clock with `server_time`."
                    .into(),
            administrator: advice::NOTHING.into(),
        },
        all_causes: vec![],
        status: 200,
        www_authenticate: None,
        evidence,
        timeline: vec![],
        damage: vec![],
        expect,
        limited: false,
        docs: issuer.endpoint("/docs/errors"),
        request_id,
    }
}

/// How a client sends a good token.
fn how_to_send(expect: Option<&Expect>) -> &'static str {
    match expect.and_then(|expect| expect.confirmation) {
        None => "Send it as `Authorization: Bearer TOKEN` to the resource server it is for.",
        Some(Confirmation::Key(_)) => {
            "Send it as `Authorization: DPoP TOKEN` to the resource server it is for, with a new proof of its key in the header \
             `DPoP`."
        }
        Some(Confirmation::Certificate(_)) => {
            "Send it as `Authorization: Bearer TOKEN` to the resource server it is for, with its certificate."
        }
    }
}

/// The challenge in a resource server's answer; `None` if the token could not be checked.
fn challenge(cause: Cause, description: &str, uri: &str, scope: Option<&str>) -> Option<String> {
    let BearerAnswer { status, error } = cause.bearer_answer();
    let scheme = match cause {
        Cause::ProofMissing | Cause::ProofInvalid | Cause::ProofKeyMismatch => Scheme::Dpop,
        _ => Scheme::Bearer,
    };
    (status != 503).then(|| Challenge { scheme, error, description, uri, scope, resource_metadata: None }.to_string())
}

/// Explains what the bytes alone show, for a caller who may not see more.
pub(crate) fn of_bytes_alone(app: &App, issuer: &Issuer, mut diagnosis: Diagnosis, request_id: String) -> Explanation {
    diagnosis.findings.retain(|finding| finding.source == Source::Bytes);
    diagnosis.facts.retain(|fact| fact.source == Source::Bytes);
    for damage in &mut diagnosis.damage {
        damage.proved = false;
    }
    if !diagnosis.findings.is_empty() {
        return Explanation { limited: true, ..of(app, issuer, diagnosis, request_id) };
    }
    let docs = issuer.error_page("invalid_token");
    Explanation {
        active: false,
        cause: None,
        title: "The token's bytes alone show nothing wrong with it.",
        detail:
            "Only the client that the token was issued to, and clients with the permission `explain`, may see what this \
                 server's keys and records say about it."
                .into(),
        fix: Fix {
            client: "Request a new token and try again.".into(),
            resource_server: "Ask with a client that has the permission `explain`.".into(),
            administrator:
                "Give the client the permission: `jeton client update CLIENT_ID --permissions introspect,explain`. The list \
                            replaces the previous one."
                    .into(),
        },
        all_causes: vec![],
        status: 401,
        www_authenticate: challenge(Cause::BadSignature, "The token is not valid.", &docs, None),
        timeline: timeline::of(&diagnosis.facts, &[], app.clock.now()),
        evidence: diagnosis.facts,
        damage: vec![],
        expect: None,
        limited: true,
        docs,
        request_id,
    }
}

fn expect(app: &App, issuer: &Issuer, diagnosis: &Diagnosis, claims: &AccessClaims) -> Expect {
    let keys = issuer.keys();
    let named = |fact: &str| diagnosis.facts.iter().find(|known| known.fact == fact && known.verified);
    let text = |fact: &str| named(fact).and_then(|fact| fact.value.as_str());
    let key = text("kid").and_then(|kid| keys.ring.signing_key(kid));
    let now = app.clock.now();
    Expect {
        issuer: claims.iss.clone(),
        audience: claims.aud.all().to_vec(),
        algorithm: key.map(|key| key.algorithm.name()),
        typ: text("type").map(str::to_owned),
        kid: key.map(|key| key.kid.clone()),
        confirmation: claims.cnf,
        key_published_at: key.map(|key| key.created_at),
        jwks_uri: issuer.endpoint("/.well-known/jwks.json"),
        introspection_endpoint: issuer.endpoint("/auth/introspect"),
        server_time: now,
        seconds_left: claims.exp.saturating_sub(now.seconds()),
    }
}
