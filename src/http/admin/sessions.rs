//! `/admin/v1/sessions` and `/admin/v1/revocations`.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;

use crate::admin::revocations::RevocationRequest;
use crate::admin::{AdminError, Result};
use crate::http::admin::extract::{Body, Call};
use crate::settings::parse_duration;

/// The longest that an answer waits for the other nodes.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

pub(crate) async fn list(call: Call) -> Response {
    let outcome = async {
        let request = call.list_request(&["user", "client"])?;
        call.app().session_list(call.query("user"), call.query("client"), &request).await
    };
    let outcome = outcome.await;
    call.answer(StatusCode::OK, outcome)
}

pub(crate) async fn show(call: Call) -> Response {
    let outcome = call.app().session_show(call.path("session")).await;
    call.answer(StatusCode::OK, outcome)
}

pub(crate) async fn delete(call: Call) -> Response {
    let session = Some(call.path("session").to_owned());
    let request = RevocationRequest { session, ..RevocationRequest::default() };
    let outcome = call.app().revoke(request, &call.actor).await;
    call.answer(StatusCode::NO_CONTENT, outcome)
}

pub(crate) async fn list_revocations(call: Call) -> Response {
    let outcome = async {
        let request = call.list_request(&[])?;
        call.app().revocation_list(&request).await
    };
    let outcome = outcome.await;
    call.answer(StatusCode::OK, outcome)
}

pub(crate) async fn show_revocation(call: Call) -> Response {
    let outcome = call.app().revocation_show(call.path("number")).await;
    call.answer(StatusCode::OK, outcome)
}

pub(crate) async fn revoke(call: Call, Body(request): Body<RevocationRequest>) -> Response {
    let outcome = async {
        call.only(&["wait"])?;
        let request = request?;
        let wait = call.query("wait").map(wait).transpose()?;
        if request.token.is_some() {
            // The token may be of a key that this node has not seen yet.
            call.app().state.ensure_current().await.map_err(|error| AdminError::Unavailable(error.0))?;
        }
        let revocation = call.app().revoke(request, &call.actor).await?;
        match wait {
            Some(limit) => call.app().revocation_wait(revocation, limit).await,
            None => Ok(revocation),
        }
    };
    let outcome = outcome.await;
    call.answer(StatusCode::CREATED, outcome)
}

/// How long the answer may wait for the other nodes.
fn wait(text: &str) -> Result<Duration> {
    let limit = parse_duration(text).map_err(|problem| AdminError::Invalid(format!("wait: {problem}")))?;
    if limit > LONGEST_WAIT {
        return Err(AdminError::Invalid(format!("wait is at most {} s", LONGEST_WAIT.as_secs())));
    }
    Ok(limit)
}
