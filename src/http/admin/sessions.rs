//! `/admin/v1/sessions` and `/admin/v1/revocations`.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use utoipa::IntoParams;

use crate::admin::revocations::{RevocationPreview, RevocationRequest, RevocationView};
use crate::admin::schema::QueryText;
use crate::admin::sessions::SessionView;
use crate::admin::{AdminError, List, ListRequest, Result};
use crate::http::admin::extract::{Body, Call};
use crate::http::docs::answers::{Conflict, Done, NotFound};
use crate::settings::parse_duration;

/// The longest that an answer waits for the other nodes.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

type Sessions = List<SessionView>;
type Revocations = List<RevocationView>;

/// The session in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes what is read by its name")]
pub(crate) struct SessionPath {
    /// The id of the session, the `sid` of its tokens.
    #[param(min_length = 1)]
    session: String,
}

#[utoipa::path(
    get,
    path = "/admin/v1/sessions",
    operation_id = "listSessions",
    params(
        ("user" = Option<QueryText>, Query, example = "demo",
            description = "Only those of this user, by id, `sub` or username. An unknown user is answered by 404."),
        ("client" = Option<QueryText>, Query, description = "Only those with this client.", example = "demo-login"),
        ListRequest
    ),
    responses((status = 200, description = "A page of the list.", body = Sessions), (status = 404, response = NotFound))
)]
pub(crate) async fn list(call: Call) -> Response {
    let outcome = async {
        let request = call.list_request()?;
        call.app().session_list(call.query("user"), call.query("client"), &request).await
    };
    call.answer(StatusCode::OK, outcome).await
}

#[utoipa::path(
    get,
    path = "/admin/v1/sessions/{session}",
    operation_id = "showSession",
    params(SessionPath),
    responses((status = 200, description = "The session.", body = SessionView), (status = 404, response = NotFound))
)]
pub(crate) async fn show(call: Call) -> Response {
    call.answer(StatusCode::OK, call.app().session_show(call.path("session"))).await
}

#[utoipa::path(
    delete,
    path = "/admin/v1/sessions/{session}",
    operation_id = "endSession",
    params(SessionPath),
    responses((status = 204, response = Done), (status = 404, response = NotFound))
)]
pub(crate) async fn delete(call: Call) -> Response {
    let session = Some(call.path("session").to_owned());
    let request = RevocationRequest { session, ..RevocationRequest::default() };
    call.answer(StatusCode::NO_CONTENT, call.app().revoke(request, &call.actor)).await
}

#[utoipa::path(
    get,
    path = "/admin/v1/revocations",
    operation_id = "listRevocations",
    params(ListRequest),
    responses((status = 200, description = "A page of the list.", body = Revocations))
)]
pub(crate) async fn list_revocations(call: Call) -> Response {
    let outcome = async {
        let request = call.list_request()?;
        call.app().revocation_list(&request).await
    };
    call.answer(StatusCode::OK, outcome).await
}

#[utoipa::path(
    get,
    path = "/admin/v1/revocations/{number}",
    operation_id = "showRevocation",
    params((
        "number" = i64, Path, minimum = 1, description = "The number of the revocation.", example = 17
    )),
    responses((status = 200, description = "The revocation.", body = RevocationView), (status = 404, response = NotFound))
)]
pub(crate) async fn show_revocation(call: Call) -> Response {
    call.answer(StatusCode::OK, call.app().revocation_show(call.path("number"))).await
}

#[utoipa::path(
    post,
    path = "/admin/v1/revocations",
    operation_id = "createRevocation",
    params((
        "wait" = Option<String>, Query, pattern = "^(([0-9]|1[0-9]|20)s?|[0-9]{1,4}ms)$", example = "5s",
        description = "How long the answer may wait until every live node has applied the revocation, such as `5s` or \
            `500ms`, at most 20 s. Then the answer has `applied_by` and `applied_everywhere`.",
    )),
    request_body(content = RevocationRequest, examples(
        ("user" = (
            summary = "Everything that was issued to a user",
            value = json!({"user": "demo", "reason": "lost laptop"})
        )),
        ("client" = (
            summary = "Everything that was issued to a client",
            value = json!({"client": "demo-app", "reason": "secret found in a log"})
        ))
    )),
    responses(
        (status = 201, description = "The revocation.", body = RevocationView, links(
            ("show" = (operation_id = "showRevocation", parameters(("number" = "$response.body#/number"))))
        )),
        (status = 404, response = NotFound),
        (status = 409, response = Conflict)
    )
)]
pub(crate) async fn revoke(call: Call, Body(request): Body<RevocationRequest>) -> Response {
    let outcome = async {
        let request = request?;
        let wait = call.query("wait").map(wait).transpose()?;
        let revocation = call.app().revoke(request, &call.actor).await?;
        match wait {
            Some(limit) => call.app().revocation_wait(revocation, limit).await,
            None => Ok(revocation),
        }
    };
    call.answer(StatusCode::CREATED, outcome).await
}

#[utoipa::path(
    post,
    path = "/admin/v1/revocations/preview",
    operation_id = "previewRevocation",
    request_body(content = RevocationRequest, examples(
        ("user" = (summary = "Everything that was issued to a user", value = json!({"user": "demo"}))),
        ("all" = (summary = "Everything", value = json!({"all": true})))
    )),
    responses(
        (status = 200, description = "What the same request would revoke, and how many sessions that would end.", body = RevocationPreview),
        (status = 404, response = NotFound)
    )
)]
pub(crate) async fn preview_revocation(call: Call, Body(request): Body<RevocationRequest>) -> Response {
    let outcome = async { call.app().revocation_preview(&request?, &call.actor).await };
    call.answer(StatusCode::OK, outcome).await
}

/// How long the answer may wait for the other nodes.
fn wait(text: &str) -> Result<Duration> {
    let limit = parse_duration(text).map_err(|problem| AdminError::Invalid(format!("wait: {problem}")))?;
    if limit > LONGEST_WAIT {
        return Err(AdminError::Invalid(format!("wait is at most {} s", LONGEST_WAIT.as_secs())));
    }
    Ok(limit)
}
