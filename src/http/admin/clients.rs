//! `/admin/v1/clients`.

use axum::http::StatusCode;
use axum::response::Response;

use crate::admin::clients::{ClientPatch, NewClient};
use crate::http::admin::extract::{Body, Call};

pub(crate) async fn create(call: Call, Body(new): Body<NewClient>) -> Response {
    let outcome = async { call.app().client_create(new?, &call.actor).await }.await;
    call.answer(StatusCode::CREATED, outcome)
}

pub(crate) async fn list(call: Call) -> Response {
    let outcome = async {
        let request = call.list_request(&["client_id"])?;
        call.app().client_list(call.query("client_id"), &request).await
    };
    let outcome = outcome.await;
    call.answer(StatusCode::OK, outcome)
}

pub(crate) async fn show(call: Call) -> Response {
    let outcome = call.app().client_show(call.path("client_id")).await;
    call.answer(StatusCode::OK, outcome)
}

pub(crate) async fn update(call: Call, Body(patch): Body<ClientPatch>) -> Response {
    let outcome = async { call.app().client_update(call.path("client_id"), patch?, &call.actor).await }.await;
    call.answer(StatusCode::OK, outcome)
}

pub(crate) async fn delete(call: Call) -> Response {
    let outcome = call.app().client_delete(call.path("client_id"), &call.actor).await;
    call.answer(StatusCode::NO_CONTENT, outcome)
}

pub(crate) async fn add_secret(call: Call) -> Response {
    let outcome = call.app().client_secret_add(call.path("client_id"), &call.actor).await;
    call.answer(StatusCode::CREATED, outcome)
}

/// `?revoke=true` ends what was issued to the client, too.
pub(crate) async fn retire_secret(call: Call) -> Response {
    let outcome = async {
        call.only(&["revoke"])?;
        let revoke = call.query_bool("revoke")?;
        let (client_id, id) = (call.path("client_id"), call.path("secret_id"));
        call.app().client_secret_retire(client_id, id, revoke, &call.actor).await
    };
    let outcome = outcome.await;
    call.answer(StatusCode::NO_CONTENT, outcome)
}
