//! The description of the API, for machines and for people.

use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use super::{Cors, Route};

/// The description of the API (OpenAPI).
pub const OPENAPI: &str = include_str!("../../openapi.yaml");

pub(super) fn routes() -> Vec<Route> {
    vec![Route::new("/openapi.yaml", &["GET"], get(openapi)).open_to(Cors::Everybody)]
}

async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/yaml"), (header::CACHE_CONTROL, "public, max-age=300")], OPENAPI)
}
