//! `/admin/v1/resources`.

use axum::http::StatusCode;
use axum::response::Response;
use utoipa::IntoParams;

use crate::admin::resources::{NewResource, ResourcePatch, ResourceView};
use crate::admin::schema::QueryText;
use crate::admin::{List, ListRequest};
use crate::http::admin::extract::{Body, Call};
use crate::http::docs::answers::{Conflict, Done, NotFound};

type Resources = List<ResourceView>;

/// The resource in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes what is read by its name")]
pub(crate) struct ResourcePath {
    /// The URI of the resource, percent-encoded: `https%3A%2F%2Fapi.example.com`.
    #[param(min_length = 1)]
    resource: String,
}

#[utoipa::path(
    post,
    path = "/admin/v1/resources",
    operation_id = "createResource",
    request_body(content = NewResource, example = json!({
        "resource": "https://chat.example.com",
        "name": "Chat",
        "scopes": {"read:conversations": "Read your conversations", "write:conversations": "Write in your name"},
        "open_to": "registered",
    })),
    responses(
        (status = 201, description = "The resource.", body = ResourceView, links(
            ("show" = (operation_id = "showResource", parameters(("resource" = "$response.body#/resource")))),
            ("update" = (operation_id = "updateResource", parameters(("resource" = "$response.body#/resource")))),
            ("delete" = (operation_id = "deleteResource", parameters(("resource" = "$response.body#/resource"))))
        )),
        (status = 409, response = Conflict)
    )
)]
pub(crate) async fn create(call: Call, Body(new): Body<NewResource>) -> Response {
    call.answer(StatusCode::CREATED, async { call.app().resource_create(new?, &call.actor).await }).await
}

#[utoipa::path(
    get,
    path = "/admin/v1/resources",
    operation_id = "listResources",
    params(
        ("resource" = Option<QueryText>, Query, description = "Only this one.", example = "https://api.example.com"),
        ListRequest
    ),
    responses((status = 200, description = "A page of the list.", body = Resources))
)]
pub(crate) async fn list(call: Call) -> Response {
    let outcome = async {
        let request = call.list_request()?;
        call.app().resource_list(call.query("resource"), &request).await
    };
    call.answer(StatusCode::OK, outcome).await
}

#[utoipa::path(
    get,
    path = "/admin/v1/resources/{resource}",
    operation_id = "showResource",
    params(ResourcePath),
    responses((status = 200, description = "The resource.", body = ResourceView), (status = 404, response = NotFound))
)]
pub(crate) async fn show(call: Call) -> Response {
    call.answer(StatusCode::OK, call.app().resource_show(call.path("resource"))).await
}

#[utoipa::path(
    patch,
    path = "/admin/v1/resources/{resource}",
    operation_id = "updateResource",
    params(ResourcePath),
    request_body(content(
        (ResourcePatch = "application/merge-patch+json", example = json!({"scopes": {"write:conversations": null}})),
        (ResourcePatch = "application/json", example = json!({"access_token_format": "opaque", "access_token_ttl": 300}))
    )),
    responses(
        (status = 200, description = "The resource as it is now.", body = ResourceView),
        (status = 404, response = NotFound),
        (status = 409, response = Conflict)
    )
)]
pub(crate) async fn update(call: Call, Body(patch): Body<ResourcePatch>) -> Response {
    call.answer(StatusCode::OK, async { call.app().resource_update(call.path("resource"), patch?, &call.actor).await })
        .await
}

#[utoipa::path(
    delete,
    path = "/admin/v1/resources/{resource}",
    operation_id = "deleteResource",
    params(ResourcePath),
    responses((status = 204, response = Done), (status = 404, response = NotFound))
)]
pub(crate) async fn delete(call: Call) -> Response {
    call.answer(StatusCode::NO_CONTENT, call.app().resource_delete(call.path("resource"), &call.actor)).await
}
