//! `/admin/v1/client-blocks`.

use axum::http::StatusCode;
use axum::response::Response;
use utoipa::IntoParams;

use crate::admin::client_blocks::{ClientBlockView, NewClientBlock};
use crate::admin::{List, ListRequest};
use crate::http::admin::extract::{Body, Call};
use crate::http::docs::answers::{Done, NotFound};

type ClientBlocks = List<ClientBlockView>;

/// The block in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes what is read by its name")]
pub(crate) struct ClientBlockPath {
    /// What is blocked, percent-encoded: `https%3A%2F%2Fapp.example.com%2Fclient.json`.
    #[param(min_length = 1)]
    target: String,
}

#[utoipa::path(
    post,
    path = "/admin/v1/client-blocks",
    operation_id = "createClientBlock",
    request_body(content = NewClientBlock, example = json!({"target": "app.example.com", "reason": "It asks for too much."})),
    responses(
        (status = 201, description = "The block; an earlier one of the same target stays as it is.", body = ClientBlockView, links(
            ("delete" = (operation_id = "deleteClientBlock", parameters(("target" = "$response.body#/target"))))
        ))
    )
)]
pub(crate) async fn create(call: Call, Body(new): Body<NewClientBlock>) -> Response {
    call.answer(StatusCode::CREATED, async { call.app().client_block_create(new?, &call.actor).await }).await
}

#[utoipa::path(
    get,
    path = "/admin/v1/client-blocks",
    operation_id = "listClientBlocks",
    params(ListRequest),
    responses((status = 200, description = "A page of the list.", body = ClientBlocks))
)]
pub(crate) async fn list(call: Call) -> Response {
    let outcome = async { call.app().client_block_list(&call.list_request()?).await };
    call.answer(StatusCode::OK, outcome).await
}

#[utoipa::path(
    delete,
    path = "/admin/v1/client-blocks/{target}",
    operation_id = "deleteClientBlock",
    params(ClientBlockPath),
    responses((status = 204, response = Done), (status = 404, response = NotFound))
)]
pub(crate) async fn delete(call: Call) -> Response {
    call.answer(StatusCode::NO_CONTENT, call.app().client_block_delete(call.path("target"), &call.actor)).await
}
