//! `/admin/v1/keys` and `/admin/v1/audit`.

use axum::http::StatusCode;
use axum::response::Response;

use crate::admin::audit::AuditRequest;
use crate::admin::keys::{KeyView, RotateRequest};
use crate::admin::{AdminError, List, ListRequest};
use crate::http::admin::extract::{Body, Call};
use crate::http::docs::answers::{Conflict, Done, NotFound};
use crate::store::AuditRecord;

type Keys = List<KeyView>;
type AuditRecords = List<AuditRecord>;

#[utoipa::path(
    get,
    path = "/admin/v1/keys",
    operation_id = "listKeys",
    params(ListRequest),
    responses((status = 200, description = "The keys.", body = Keys))
)]
pub(crate) async fn list(call: Call) -> Response {
    call.answer(StatusCode::OK, async { call.app().key_page(&call.list_request()?).await }).await
}

#[utoipa::path(
    post,
    path = "/admin/v1/keys/rotate",
    operation_id = "rotateKeys",
    request_body = Option<RotateRequest>,
    responses(
        (status = 201, description = "The new keys.", body = Keys, links(
            ("delete" = (operation_id = "deleteKey", parameters(("kid" = "$response.body#/items/0/kid"))))
        )),
        (status = 409, response = Conflict)
    )
)]
pub(crate) async fn rotate(call: Call, request: Option<Body<RotateRequest>>) -> Response {
    let outcome = async {
        let request = request.map_or(Ok(RotateRequest::default()), |Body(request)| request)?;
        let masters = call.app().master_keys().await.map_err(|error| AdminError::Unavailable(error.0))?;
        let items = call.app().key_rotate(&request, &masters, &call.actor).await?;
        Ok(List { items, next: None })
    };
    call.answer(StatusCode::CREATED, outcome).await
}

#[utoipa::path(
    delete,
    path = "/admin/v1/keys/{kid}",
    operation_id = "deleteKey",
    params(("kid" = String, Path, min_length = 1, description = "The id of the key.")),
    responses((status = 204, response = Done), (status = 404, response = NotFound), (status = 409, response = Conflict))
)]
pub(crate) async fn delete(call: Call) -> Response {
    call.answer(StatusCode::NO_CONTENT, call.app().key_delete(call.path("kid"), &call.actor)).await
}

#[utoipa::path(
    get,
    path = "/admin/v1/audit",
    operation_id = "listAudit",
    params(AuditRequest, ListRequest),
    responses((status = 200, description = "A page of the list.", body = AuditRecords))
)]
pub(crate) async fn audit(call: Call) -> Response {
    let text = |name: &str| call.query(name).map(str::to_owned);
    let filter = AuditRequest {
        actor: text("actor"),
        action: text("action"),
        target: text("target"),
        from: text("from"),
        to: text("to"),
    };
    let outcome = async {
        let request = call.list_request()?;
        call.app().audit_list(filter, &request).await
    };
    call.answer(StatusCode::OK, outcome).await
}
