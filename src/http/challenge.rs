//! Access tokens in requests (RFC 6750, RFC 9449 §7): reading one, and the challenge of an answer that refuses it.

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::app::App;
use crate::diagnosis::public::{self, PublicDescription};
use crate::diagnosis::{Diagnosis, HolderFault};
use crate::http::context::Context;
use crate::protocol::bearer::{self, Misplaced, Scheme, Sent};
use crate::protocol::cause::Cause;
use crate::protocol::challenge::Challenge;
use crate::protocol::claims::AccessClaims;
use crate::protocol::dpop::Target;
use crate::protocol::error::ErrorCode;
use crate::validation::{Presented, proof};

/// The header with the nonce that the next proof may have (RFC 9449 §8).
pub(crate) const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// Reads the token of a request; `queries` are raw query strings, which must not contain one.
pub(crate) fn token(headers: &HeaderMap, queries: &[&[u8]]) -> Result<(Scheme, String), Misplaced> {
    let authorization: Vec<&[u8]> = headers.get_all(header::AUTHORIZATION).iter().map(HeaderValue::as_bytes).collect();
    bearer::read_any(Sent { authorization: &authorization, queries, form_names: &[] })
}

/// The same for an endpoint that takes a token from the body of a form as well; `in_body` are the tokens there.
pub(crate) fn token_with_body(
    headers: &HeaderMap,
    queries: &[&[u8]],
    in_body: &[&str],
) -> Result<(Scheme, String), Misplaced> {
    let authorization: Vec<&[u8]> = headers.get_all(header::AUTHORIZATION).iter().map(HeaderValue::as_bytes).collect();
    bearer::read_with_body(Sent { authorization: &authorization, queries, form_names: &[] }, in_body)
}

/// A token with what shows who holds it; `target` is the request that a proof must be about.
pub(crate) fn presented<'a>(
    (scheme, text): &'a (Scheme, String),
    headers: &'a HeaderMap,
    context: &Context,
    target: Option<Target>,
) -> Presented<'a> {
    let proofs = headers.get_all(proof::HEADER).iter().map(HeaderValue::as_bytes).collect();
    Presented { text, scheme: *scheme, sender: context.sender(), proofs, target }
}

/// What the answer to a refused access token says in its body and in `WWW-Authenticate` (RFC 6750 §3).
#[derive(Debug)]
pub(crate) struct BearerChallenge {
    /// The scheme that the request should have used.
    pub(crate) scheme: Scheme,
    /// The nonce that the next proof must have, if that is what is wrong (RFC 9449 §9).
    pub(crate) nonce: Option<String>,
    /// The code; none if there was no token at all (§3.1).
    pub(crate) error: Option<&'static str>,
    /// What is wrong, in words that anybody may read.
    pub(crate) description: Cow<'static, str>,
    /// The address of the page that says more.
    pub(crate) uri: String,
    /// The scope that is needed, if that is what is wrong.
    pub(crate) scope: Option<String>,
    /// Where the metadata of the resource is, if it is known (RFC 9728 §5.1).
    pub(crate) resource_metadata: Option<String>,
}

impl BearerChallenge {
    /// The request itself is malformed, or the token was sent in a forbidden way.
    pub(crate) fn invalid_request(app: &App, page: &str, description: &'static str) -> Self {
        let (error, uri) = (Some("invalid_request"), page_of(app, page));
        let (scheme, nonce) = (Scheme::Bearer, None);
        Self { scheme, nonce, error, description: description.into(), uri, scope: None, resource_metadata: None }
    }

    /// There is no token, or none in the place for it.
    pub(crate) fn misplaced(app: &App, fault: Misplaced) -> Self {
        let Misplaced { cause, detail } = fault;
        let challenge = Self::invalid_request(app, cause.name(), detail);
        match cause {
            Cause::Missing | Cause::WrongScheme => Self { error: None, ..challenge },
            _ => challenge,
        }
    }

    /// The token is refused; this says only what anybody may know about it.
    pub(crate) fn of(app: &App, diagnosis: &Diagnosis, presented: Scheme) -> Self {
        let PublicDescription { page, text: description } = public::describe(diagnosis);
        let first = diagnosis.findings.first();
        let scope = first.and_then(|finding| finding.needed.clone());
        let error = diagnosis.cause().unwrap_or(Cause::NotAToken).bearer_answer().error;
        let scheme = diagnosis.challenged_scheme(presented);
        let (error, nonce) = match first.and_then(|finding| finding.holder) {
            Some(HolderFault::Nonce) => (Some(ErrorCode::UseDpopNonce.name()), proof::nonce(app, &app.issuer).ok()),
            _ => (error, None),
        };
        Self { scheme, nonce, error, description, uri: page_of(app, page), scope, resource_metadata: None }
    }

    /// The token, which was sent by this scheme, is good, but lacks a scope.
    pub(crate) fn insufficient_scope(
        app: &App,
        scheme: Scheme,
        description: Cow<'static, str>,
        needed: String,
    ) -> Self {
        let error = Cause::InsufficientScope.name();
        let (uri, nonce) = (page_of(app, error), None);
        Self { scheme, nonce, error: Some(error), description, uri, scope: Some(needed), resource_metadata: None }
    }

    /// The same for a request to this audience: if it is a resource, the challenge says where its metadata is.
    pub(crate) fn for_audience(self, app: &App, audience: Option<&str>) -> Self {
        let resource = audience.and_then(|audience| app.state.resource_in_memory(audience));
        Self { resource_metadata: resource.and_then(|resource| resource.metadata_url()), ..self }
    }

    /// The answer that refuses a token for this audience, with the status for its cause.
    pub(crate) fn answer_of(app: &App, diagnosis: &Diagnosis, presented: Scheme, audience: Option<&str>) -> Response {
        let status = diagnosis.cause().unwrap_or(Cause::NotAToken).bearer_answer().status;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::UNAUTHORIZED);
        Self::of(app, diagnosis, presented).for_audience(app, audience).answer(status)
    }

    /// The answer to a request that has no token in the place for it.
    pub(crate) fn answer_misplaced(&self) -> Response {
        self.answer(if self.error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::UNAUTHORIZED })
    }

    /// The answer with this challenge, which its body repeats.
    pub(crate) fn answer(&self, status: StatusCode) -> Response {
        let mut body = json!({"error_description": self.description, "error_uri": self.uri});
        if let Some(error) = self.error {
            body = json!({"error": error, "error_description": self.description, "error_uri": self.uri});
        }
        let mut response = (status, Json(body)).into_response();
        response.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
        self.put_into(&mut response);
        response
    }

    /// Puts the challenge into an answer.
    pub(crate) fn put_into(&self, response: &mut Response) {
        let Self { scheme, nonce, error, description, uri, scope, resource_metadata } = self;
        let (scope, resource_metadata) = (scope.as_deref(), resource_metadata.as_deref());
        let text = Challenge { scheme: *scheme, error: *error, description, uri, scope, resource_metadata }.to_string();
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
        if let Some(nonce) = nonce.as_deref().and_then(|nonce| HeaderValue::from_str(nonce).ok()) {
            response.headers_mut().insert(DPOP_NONCE, nonce);
        }
    }
}

fn page_of(app: &App, code: &str) -> String {
    app.issuer.error_page(code)
}

/// Counts a refusal, and logs exactly what is wrong, including what the answer withholds.
pub(crate) fn note(app: &App, context: &Context, cause: &'static str, reason: &str, claims: Option<&AccessClaims>) {
    app.metrics.refused(context.endpoint.name, cause);
    let client = claims.map(|claims| claims.client_id.as_str());
    app.metrics.client_refused(client, context.endpoint.name, cause, app.clock.now());
    tracing::info!(
        cause,
        reason,
        client,
        subject = claims.map(|claims| claims.sub.as_str()),
        session = claims.and_then(|claims| claims.sid).map(tracing::field::display),
        jti = claims.map(|claims| tracing::field::display(claims.jti)),
        "refused"
    );
}
