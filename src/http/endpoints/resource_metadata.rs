//! The metadata of a resource (RFC 9728).

use axum::response::Response;

use crate::admin::AdminError;
use crate::app::document::Document;
use crate::endpoints::resource_metadata;
use crate::http::docs::answers::{AdminUnavailable, MalformedQuery, NotFound, NotModified, ResourceDocument};
use crate::http::endpoints::metadata::cacheable;
use crate::http::problem;
use crate::http::request::EndpointRequest;
use crate::protocol::parameters::Parameters;

#[utoipa::path(
    get,
    path = "/auth/resource-metadata",
    operation_id = "resourceMetadata",
    params(("resource" = String, Query, description = "The URI of the resource.", example = "https://api.example.com")),
    responses(
        (status = 200, response = ResourceDocument),
        (status = 304, response = NotModified),
        (status = 400, response = MalformedQuery),
        (status = 404, response = NotFound),
        (status = 503, response = AdminUnavailable)
    )
)]
pub(crate) async fn answer(request: EndpointRequest) -> Response {
    match document(&request).await {
        Ok(document) => cacheable(&request.head.headers, document),
        Err(error) => problem::answer(&request.app, &request.context, error),
    }
}

async fn document(request: &EndpointRequest) -> Result<Document, AdminError> {
    let EndpointRequest { app, head, .. } = request;
    let query = head.uri.query().unwrap_or_default();
    let malformed = |_| AdminError::Invalid("the query is malformed, or has resource twice".into());
    let parameters = Parameters::from_form(query.as_bytes()).map_err(malformed)?;
    let Some(uri) = parameters.one("resource").map_err(malformed)? else {
        return Err(AdminError::Invalid("name the resource: add ?resource= with its URI, percent-encoded".into()));
    };
    let found = resource_metadata::document(app, &app.issuer, uri).await?;
    found.ok_or_else(|| AdminError::NotFound("there is no such resource".into()))
}
