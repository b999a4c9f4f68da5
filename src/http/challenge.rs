//! Bearer tokens in requests (RFC 6750): reading one, and the challenge of an answer that refuses it.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use crate::app::App;
use crate::diagnosis::Diagnosis;
use crate::diagnosis::public::{self, PublicDescription};
use crate::http::context::Context;
use crate::protocol::bearer::{self, Misplaced, Sent};
use crate::protocol::cause::Cause;
use crate::protocol::challenge::Challenge;
use crate::protocol::claims::AccessClaims;

/// Reads the token of a request; `queries` are raw query strings, which must not contain one.
pub(crate) fn token(headers: &HeaderMap, queries: &[&[u8]]) -> Result<String, Misplaced> {
    let authorization: Vec<&[u8]> = headers.get_all(header::AUTHORIZATION).iter().map(HeaderValue::as_bytes).collect();
    bearer::read(Sent { authorization: &authorization, queries, form_names: &[] })
}

/// What the answer to a refused Bearer token says in its body and in `WWW-Authenticate` (RFC 6750 §3).
#[derive(Debug)]
pub(crate) struct BearerChallenge {
    /// The code; none if there was no Bearer token at all (§3.1).
    pub(crate) error: Option<&'static str>,
    /// What is wrong, in words that anybody may read.
    pub(crate) description: Cow<'static, str>,
    /// The address of the page that says more.
    pub(crate) uri: String,
    /// The scope that is needed, if that is what is wrong.
    pub(crate) scope: Option<String>,
}

impl BearerChallenge {
    /// The request itself is malformed, or the token was sent in a forbidden way.
    pub(crate) fn invalid_request(app: &App, page: &str, description: &'static str) -> Self {
        Self { error: Some("invalid_request"), description: description.into(), uri: page_of(app, page), scope: None }
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
    pub(crate) fn of(app: &App, diagnosis: &Diagnosis) -> Self {
        let PublicDescription { page, text: description } = public::describe(diagnosis);
        let error = diagnosis.cause().unwrap_or(Cause::NotAToken).bearer_answer().error;
        let scope = diagnosis.findings.first().and_then(|finding| finding.needed.clone());
        Self { error, description, uri: page_of(app, page), scope }
    }

    /// The token is good, but lacks a scope.
    pub(crate) fn insufficient_scope(app: &App, description: Cow<'static, str>, needed: String) -> Self {
        let error = Cause::InsufficientScope.name();
        Self { error: Some(error), description, uri: page_of(app, error), scope: Some(needed) }
    }

    /// Puts the challenge into an answer. Without a code it says nothing else either (§3.1).
    pub(crate) fn put_into(&self, response: &mut Response) {
        let Self { error, description, uri, scope } = self;
        let text = Challenge { error: *error, description, uri, scope: scope.as_deref() }.to_string();
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
    }
}

fn page_of(app: &App, code: &str) -> String {
    app.issuer.error_page(code)
}

/// Counts a refusal, and logs exactly what is wrong, including what the answer withholds.
pub(crate) fn note(app: &App, context: &Context, cause: &'static str, reason: &str, claims: Option<&AccessClaims>) {
    app.metrics.refused(context.endpoint.name, cause);
    tracing::info!(
        cause,
        reason,
        client = claims.map(|claims| claims.client_id.as_str()),
        subject = claims.map(|claims| claims.sub.as_str()),
        session = claims.and_then(|claims| claims.sid).map(tracing::field::display),
        jti = claims.map(|claims| tracing::field::display(claims.jti)),
        "refused"
    );
}
