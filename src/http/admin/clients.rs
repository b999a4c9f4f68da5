//! `/admin/v1/clients`.

use axum::http::StatusCode;
use axum::response::Response;
use utoipa::IntoParams;

use crate::admin::clients::{ClientPatch, ClientView, NewClient, NewSecretView};
use crate::admin::schema::QueryText;
use crate::admin::{List, ListRequest};
use crate::http::admin::extract::{Body, Call};
use crate::http::docs::answers::{Conflict, Done, NotFound};

type Clients = List<ClientView>;

/// The client in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes what is read by its name")]
pub(crate) struct ClientPath {
    /// The id of the client, compared exactly.
    #[param(min_length = 1)]
    client_id: String,
}

/// How to retire a secret.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what is read by its name")]
pub(crate) struct RetireQuery {
    /// Whether to revoke the client's tokens and sessions too, because the secret leaked.
    #[param(default = false)]
    revoke: Option<bool>,
}

#[utoipa::path(
    post,
    path = "/admin/v1/clients",
    operation_id = "createClient",
    request_body(content = NewClient, examples(
        ("application" = (
            summary = "An application whose users log in",
            value = json!({
                "client_name": "Chat",
                "grant_types": ["password", "refresh_token"],
                "scope": "read:conversations write:conversations",
                "audiences": ["https://api.example.com"],
            })
        )),
        ("resource_server" = (
            summary = "A resource server that introspects",
            value = json!({"client_name": "API", "permissions": ["introspect", "explain"]})
        ))
    )),
    responses(
        (status = 201, description = "The client, with its secret.", body = ClientView, links(
        ("show" = (operation_id = "showClient", parameters(("client_id" = "$response.body#/client_id")))),
        ("update" = (operation_id = "updateClient", parameters(("client_id" = "$response.body#/client_id")))),
        ("delete" = (operation_id = "deleteClient", parameters(("client_id" = "$response.body#/client_id")))),
        ("addSecret" = (operation_id = "addSecret", parameters(("client_id" = "$response.body#/client_id")))),
        ("retireSecret" = (
            operation_id = "retireSecret",
            parameters(("client_id" = "$response.body#/client_id"), ("secret_id" = "$response.body#/secrets/0/id"))
        ))
    )),
        (status = 409, response = Conflict)
    )
)]
pub(crate) async fn create(call: Call, Body(new): Body<NewClient>) -> Response {
    call.answer(StatusCode::CREATED, async { call.app().client_create(new?, &call.actor).await }).await
}

#[utoipa::path(
    get,
    path = "/admin/v1/clients",
    operation_id = "listClients",
    params(
        ("client_id" = Option<QueryText>, Query, description = "Only this one.", example = "demo-app"),
        ListRequest
    ),
    responses((status = 200, description = "A page of the list.", body = Clients))
)]
pub(crate) async fn list(call: Call) -> Response {
    let outcome = async {
        let request = call.list_request()?;
        call.app().client_list(call.query("client_id"), &request).await
    };
    call.answer(StatusCode::OK, outcome).await
}

#[utoipa::path(
    get,
    path = "/admin/v1/clients/{client_id}",
    operation_id = "showClient",
    params(ClientPath),
    responses((status = 200, description = "The client.", body = ClientView), (status = 404, response = NotFound))
)]
pub(crate) async fn show(call: Call) -> Response {
    call.answer(StatusCode::OK, call.app().client_show(call.path("client_id"))).await
}

#[utoipa::path(
    patch,
    path = "/admin/v1/clients/{client_id}",
    operation_id = "updateClient",
    params(ClientPath),
    request_body(content(
        (ClientPatch = "application/merge-patch+json", example = json!({"enabled": false})),
        (ClientPatch = "application/json", example = json!({"access_token_format": "opaque", "access_token_ttl": 300}))
    )),
    responses(
        (status = 200, description = "The client as it is now.", body = ClientView),
        (status = 404, response = NotFound),
        (status = 409, response = Conflict)
    )
)]
pub(crate) async fn update(call: Call, Body(patch): Body<ClientPatch>) -> Response {
    call.answer(StatusCode::OK, async { call.app().client_update(call.path("client_id"), patch?, &call.actor).await })
        .await
}

#[utoipa::path(
    delete,
    path = "/admin/v1/clients/{client_id}",
    operation_id = "deleteClient",
    params(ClientPath),
    responses(
        (status = 204, response = Done),
        (status = 404, response = NotFound),
        (status = 409, response = Conflict)
    )
)]
pub(crate) async fn delete(call: Call) -> Response {
    call.answer(StatusCode::NO_CONTENT, call.app().client_delete(call.path("client_id"), &call.actor)).await
}

#[utoipa::path(
    post,
    path = "/admin/v1/clients/{client_id}/secrets",
    operation_id = "addSecret",
    params(ClientPath),
    responses(
        (status = 201, description = "The secret.", body = NewSecretView, links(("retire" = (
            operation_id = "retireSecret",
            parameters(("client_id" = "$request.path.client_id"), ("secret_id" = "$response.body#/id"))
        )))),
        (status = 404, response = NotFound),
        (status = 409, response = Conflict)
    )
)]
pub(crate) async fn add_secret(call: Call) -> Response {
    call.answer(StatusCode::CREATED, call.app().client_secret_add(call.path("client_id"), &call.actor)).await
}

#[utoipa::path(
    delete,
    path = "/admin/v1/clients/{client_id}/secrets/{secret_id}",
    operation_id = "retireSecret",
    params(
        ClientPath,
        ("secret_id" = String, Path, min_length = 1,
            description = "The id of the secret, as `secrets` of the client shows it."),
        RetireQuery
    ),
    responses((status = 204, response = Done), (status = 404, response = NotFound))
)]
pub(crate) async fn retire_secret(call: Call) -> Response {
    let outcome = async {
        let revoke = call.query_bool("revoke")?;
        let (client_id, id) = (call.path("client_id"), call.path("secret_id"));
        call.app().client_secret_retire(client_id, id, revoke, &call.actor).await
    };
    call.answer(StatusCode::NO_CONTENT, outcome).await
}
