//! `/admin/v1/issuers`.

use axum::http::StatusCode;
use axum::response::Response;
use utoipa::IntoParams;

use crate::admin::issuers::{IssuerPatch, IssuerView, NewIssuer, TokenTest};
use crate::admin::schema::QueryText;
use crate::admin::{List, ListRequest};
use crate::federation::TokenReport;
use crate::http::admin::extract::{Body, Call};
use crate::http::docs::answers::{Conflict, Done, NotFound};

type Issuers = List<IssuerView>;

/// The issuer in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes what is read by its name")]
pub(crate) struct IssuerPath {
    /// The name of the issuer, percent-encoded: `https%3A%2F%2Ftoken.actions.githubusercontent.com`.
    #[param(min_length = 1)]
    issuer: String,
}

#[utoipa::path(
    post,
    path = "/admin/v1/issuers",
    operation_id = "createIssuer",
    request_body(content = NewIssuer, example = json!({
        "issuer": "https://token.actions.githubusercontent.com",
        "name": "GitHub Actions",
        "audience": ["https://auth.example.com"],
        "uses": ["client_assertion"],
        "max_age": 600,
    })),
    responses(
        (status = 201, description = "The issuer.", body = IssuerView, links(
            ("show" = (operation_id = "showIssuer", parameters(("issuer" = "$response.body#/issuer")))),
            ("update" = (operation_id = "updateIssuer", parameters(("issuer" = "$response.body#/issuer")))),
            ("delete" = (operation_id = "deleteIssuer", parameters(("issuer" = "$response.body#/issuer"))))
        )),
        (status = 409, response = Conflict)
    )
)]
pub(crate) async fn create(call: Call, Body(new): Body<NewIssuer>) -> Response {
    call.answer(StatusCode::CREATED, async { call.app().issuer_create(new?, &call.actor).await }).await
}

#[utoipa::path(
    get,
    path = "/admin/v1/issuers",
    operation_id = "listIssuers",
    params(
        ("issuer" = Option<QueryText>, Query, description = "Only this one.", example = "https://token.actions.githubusercontent.com"),
        ListRequest
    ),
    responses((status = 200, description = "A page of the list.", body = Issuers))
)]
pub(crate) async fn list(call: Call) -> Response {
    let outcome = async {
        let request = call.list_request()?;
        call.app().issuer_list(call.query("issuer"), &request).await
    };
    call.answer(StatusCode::OK, outcome).await
}

#[utoipa::path(
    post,
    path = "/admin/v1/issuers/test",
    operation_id = "testIssuer",
    request_body(content = TokenTest, example = json!({"token": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJyZXBvIn0.c2lnbmF0dXJl"})),
    responses((status = 200, description = "What would become of the token.", body = TokenReport))
)]
pub(crate) async fn test(call: Call, Body(test): Body<TokenTest>) -> Response {
    call.answer(StatusCode::OK, async { call.app().issuer_test(test?).await }).await
}

#[utoipa::path(
    get,
    path = "/admin/v1/issuers/{issuer}",
    operation_id = "showIssuer",
    params(IssuerPath),
    responses((status = 200, description = "The issuer.", body = IssuerView), (status = 404, response = NotFound))
)]
pub(crate) async fn show(call: Call) -> Response {
    call.answer(StatusCode::OK, call.app().issuer_show(call.path("issuer"))).await
}

#[utoipa::path(
    put,
    path = "/admin/v1/issuers/{issuer}",
    operation_id = "replaceIssuer",
    params(IssuerPath),
    request_body(content = IssuerPatch, example = json!({
        "audience": ["https://auth.example.com"],
        "uses": ["client_assertion"],
    })),
    responses(
        (status = 200, description = "The issuer as it is now.", body = IssuerView),
        (status = 404, response = NotFound),
        (status = 409, response = Conflict)
    )
)]
pub(crate) async fn replace(call: Call, Body(members): Body<IssuerPatch>) -> Response {
    call.answer(StatusCode::OK, async { call.app().issuer_replace(call.path("issuer"), members?, &call.actor).await })
        .await
}

#[utoipa::path(
    patch,
    path = "/admin/v1/issuers/{issuer}",
    operation_id = "updateIssuer",
    params(IssuerPath),
    request_body(content(
        (IssuerPatch = "application/merge-patch+json", example = json!({"max_age": 300})),
        (IssuerPatch = "application/json", example = json!({"enabled": false}))
    )),
    responses(
        (status = 200, description = "The issuer as it is now.", body = IssuerView),
        (status = 404, response = NotFound),
        (status = 409, response = Conflict)
    )
)]
pub(crate) async fn update(call: Call, Body(patch): Body<IssuerPatch>) -> Response {
    call.answer(StatusCode::OK, async { call.app().issuer_update(call.path("issuer"), patch?, &call.actor).await })
        .await
}

#[utoipa::path(
    delete,
    path = "/admin/v1/issuers/{issuer}",
    operation_id = "deleteIssuer",
    params(IssuerPath),
    responses((status = 204, response = Done), (status = 404, response = NotFound))
)]
pub(crate) async fn delete(call: Call) -> Response {
    call.answer(StatusCode::NO_CONTENT, call.app().issuer_delete(call.path("issuer"), &call.actor)).await
}
