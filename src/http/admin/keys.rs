//! `/admin/v1/keys` and `/admin/v1/audit`.

use axum::http::StatusCode;
use axum::response::Response;

use crate::admin::audit::AuditRequest;
use crate::admin::keys::RotateRequest;
use crate::admin::{AdminError, List};
use crate::http::admin::extract::{Body, Call};

pub(crate) async fn list(call: Call) -> Response {
    let outcome = call.app().key_list().await;
    call.answer(StatusCode::OK, outcome.map(|items| List { items, next: None }))
}

pub(crate) async fn rotate(call: Call, request: Option<Body<RotateRequest>>) -> Response {
    let outcome = async {
        let request = request.map_or(Ok(RotateRequest::default()), |Body(request)| request)?;
        let masters = call.app().master_keys().await.map_err(|error| AdminError::Unavailable(error.0))?;
        call.app().key_rotate(&request, &masters, &call.actor).await
    };
    let outcome = outcome.await;
    call.answer(StatusCode::CREATED, outcome.map(|items| List { items, next: None }))
}

pub(crate) async fn delete(call: Call) -> Response {
    let outcome = call.app().key_delete(call.path("kid"), &call.actor).await;
    call.answer(StatusCode::NO_CONTENT, outcome)
}

pub(crate) async fn audit(call: Call) -> Response {
    let text = |name: &str| call.query(name).map(str::to_owned);
    let filter = AuditRequest { actor: text("actor"), action: text("action"), from: text("from"), to: text("to") };
    let outcome = async {
        let request = call.list_request(&["actor", "action", "from", "to"])?;
        call.app().audit_list(filter, &request).await
    };
    let outcome = outcome.await;
    call.answer(StatusCode::OK, outcome)
}
