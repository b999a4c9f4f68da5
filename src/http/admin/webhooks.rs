//! `/admin/v1/webhooks`.

use axum::http::StatusCode;
use axum::response::Response;
use utoipa::IntoParams;

use crate::admin::webhooks::{NewWebhook, NewWebhookSecretView, NewWebhookView, WebhookPatch, WebhookView};
use crate::admin::{List, ListRequest};
use crate::http::admin::extract::{Body, Call};
use crate::http::docs::answers::{Conflict, Done, NotFound};

type Webhooks = List<WebhookView>;

/// The webhook in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes what is read by its name")]
pub(crate) struct WebhookPath {
    /// The id of the webhook.
    #[param(min_length = 1)]
    webhook: String,
}

#[utoipa::path(
    post,
    path = "/admin/v1/webhooks",
    operation_id = "createWebhook",
    request_body(content = NewWebhook, example = json!({
        "url": "https://siem.example.com/jeton",
        "types": ["client.*", "key.*", "session.reuse"],
        "description": "Security team",
    })),
    responses(
        (status = 201, description = "The webhook with its first secret, which is shown this once.", body = NewWebhookView, links(
            ("show" = (operation_id = "showWebhook", parameters(("webhook" = "$response.body#/id")))),
            ("update" = (operation_id = "updateWebhook", parameters(("webhook" = "$response.body#/id")))),
            ("delete" = (operation_id = "deleteWebhook", parameters(("webhook" = "$response.body#/id")))),
            ("addSecret" = (operation_id = "addWebhookSecret", parameters(("webhook" = "$response.body#/id"))))
        )),
        (status = 409, response = Conflict)
    )
)]
pub(crate) async fn create(call: Call, Body(new): Body<NewWebhook>) -> Response {
    call.answer(StatusCode::CREATED, async { call.app().webhook_create(new?, &call.actor).await }).await
}

#[utoipa::path(
    get,
    path = "/admin/v1/webhooks",
    operation_id = "listWebhooks",
    params(ListRequest),
    responses((status = 200, description = "A page of the list.", body = Webhooks))
)]
pub(crate) async fn list(call: Call) -> Response {
    call.answer(StatusCode::OK, async { call.app().webhook_list(&call.list_request()?).await }).await
}

#[utoipa::path(
    get,
    path = "/admin/v1/webhooks/{webhook}",
    operation_id = "showWebhook",
    params(WebhookPath),
    responses((status = 200, description = "The webhook.", body = WebhookView), (status = 404, response = NotFound))
)]
pub(crate) async fn show(call: Call) -> Response {
    call.answer(StatusCode::OK, call.app().webhook_show(call.path("webhook"))).await
}

#[utoipa::path(
    patch,
    path = "/admin/v1/webhooks/{webhook}",
    operation_id = "updateWebhook",
    params(WebhookPath),
    request_body(content(
        (WebhookPatch = "application/merge-patch+json", example = json!({"types": null})),
        (WebhookPatch = "application/json", example = json!({"enabled": false}))
    )),
    responses(
        (status = 200, description = "The webhook as it is now.", body = WebhookView),
        (status = 404, response = NotFound),
        (status = 409, response = Conflict)
    )
)]
pub(crate) async fn update(call: Call, Body(patch): Body<WebhookPatch>) -> Response {
    call.answer(StatusCode::OK, async { call.app().webhook_update(call.path("webhook"), patch?, &call.actor).await })
        .await
}

#[utoipa::path(
    delete,
    path = "/admin/v1/webhooks/{webhook}",
    operation_id = "deleteWebhook",
    params(WebhookPath),
    responses((status = 204, response = Done), (status = 404, response = NotFound))
)]
pub(crate) async fn delete(call: Call) -> Response {
    call.answer(StatusCode::NO_CONTENT, call.app().webhook_delete(call.path("webhook"), &call.actor)).await
}

#[utoipa::path(
    post,
    path = "/admin/v1/webhooks/{webhook}/secrets",
    operation_id = "addWebhookSecret",
    params(WebhookPath),
    responses(
        (status = 201, description = "The new secret.", body = NewWebhookSecretView, links(("retire" = (
            operation_id = "retireWebhookSecret",
            parameters(("webhook" = "$request.path.webhook"), ("secret_id" = "$response.body#/id"))
        )))),
        (status = 404, response = NotFound),
        (status = 409, response = Conflict)
    )
)]
pub(crate) async fn add_secret(call: Call) -> Response {
    call.answer(StatusCode::CREATED, call.app().webhook_secret_add(call.path("webhook"), &call.actor)).await
}

#[utoipa::path(
    delete,
    path = "/admin/v1/webhooks/{webhook}/secrets/{secret_id}",
    operation_id = "retireWebhookSecret",
    params(
        WebhookPath,
        ("secret_id" = String, Path, min_length = 1, description = "The id of the secret, as the webhook shows it.")
    ),
    responses((status = 204, response = Done), (status = 404, response = NotFound), (status = 409, response = Conflict))
)]
pub(crate) async fn retire_secret(call: Call) -> Response {
    let (webhook, secret) = (call.path("webhook"), call.path("secret_id"));
    call.answer(StatusCode::NO_CONTENT, call.app().webhook_secret_retire(webhook, secret, &call.actor)).await
}
