//! What every place that takes Bearer tokens shares: reading what was presented, and the challenge (RFC 6750 §3).

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

/// Reads the token of a request; `queries` are the raw query strings in which none may stand.
pub(crate) fn token(headers: &HeaderMap, queries: &[&[u8]]) -> Result<String, Misplaced> {
    let authorization: Vec<&[u8]> = headers.get_all(header::AUTHORIZATION).iter().map(HeaderValue::as_bytes).collect();
    bearer::read(Sent { authorization: &authorization, queries, form_names: &[] })
}

/// A refusal of a Bearer token, as RFC 6750 §3 says it.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The code; none if there was no Bearer token at all (§3.1).
    pub(crate) error: Option<&'static str>,
    /// What is wrong, for everybody.
    pub(crate) description: Cow<'static, str>,
    /// The address of the page that says more.
    pub(crate) uri: String,
    /// The scope that is needed, if that is what is wrong.
    pub(crate) scope: Option<String>,
}

impl Refusal {
    /// A question that cannot be answered, or a token that was sent in a way that is not allowed.
    pub(crate) fn invalid_request(app: &App, page: &str, description: &'static str) -> Self {
        Self { error: Some("invalid_request"), description: description.into(), uri: page_of(app, page), scope: None }
    }

    /// There is no token to judge.
    pub(crate) fn misplaced(app: &App, fault: Misplaced) -> Self {
        let Misplaced { cause, detail } = fault;
        let refusal = Self::invalid_request(app, cause.name(), detail);
        match cause {
            Cause::Missing | Cause::WrongScheme => Self { error: None, ..refusal },
            _ => refusal,
        }
    }

    /// The token is not good here; only what anybody may know of it is told.
    pub(crate) fn of(app: &App, diagnosis: &Diagnosis) -> Self {
        let PublicDescription { page, text: description } = public::describe(diagnosis);
        let error = diagnosis.cause().unwrap_or(Cause::NotAToken).bearer_answer().error;
        let scope = diagnosis.findings.first().and_then(|finding| finding.needed.clone());
        Self { error, description, uri: page_of(app, page), scope }
    }

    /// The token is good, but does not allow this.
    pub(crate) fn insufficient_scope(app: &App, description: Cow<'static, str>, needed: String) -> Self {
        let error = Cause::InsufficientScope.name();
        Self { error: Some(error), description, uri: page_of(app, error), scope: Some(needed) }
    }

    /// Puts the challenge into an answer. Without a code it says nothing else either (§3.1).
    pub(crate) fn challenge(&self, response: &mut Response) {
        let Self { error, description, uri, scope } = self;
        let text = Challenge { error: *error, description, uri, scope: scope.as_deref() }.to_string();
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
    }
}

fn page_of(app: &App, code: &str) -> String {
    app.settings.under_issuer(&format!("/docs/errors/{code}"))
}

/// Counts a refusal, and logs what exactly is wrong: also what its answer does not tell.
pub(crate) fn note(
    app: &App,
    context: &Context,
    endpoint: &'static str,
    cause: &'static str,
    reason: &str,
    claims: Option<&AccessClaims>,
) {
    app.metrics.refused(endpoint, cause);
    let Context { request_id, address, .. } = context;
    tracing::info!(
        endpoint,
        cause,
        reason,
        client = claims.map(|claims| claims.client_id.as_str()),
        subject = claims.map(|claims| claims.sub.as_str()),
        session = claims.and_then(|claims| claims.sid).map(tracing::field::display),
        jti = claims.map(|claims| tracing::field::display(claims.jti)),
        %request_id,
        %address,
        "refused"
    );
}
