//! Metadata (RFC 8414) and the published keys (RFC 7517).

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};

use crate::app::App;
use crate::endpoints::metadata;
use crate::http::context::Context;
use crate::http::{Cors, Route, error};
use crate::keys::lifecycle::JWKS_MAX_AGE;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::new("/.well-known/oauth-authorization-server", &["GET"], get(document)).open_to(Cors::Everybody),
        Route::new("/.well-known/openid-configuration", &["GET"], get(document)).open_to(Cors::Everybody),
        Route::new("/.well-known/jwks.json", &["GET"], get(keys)).open_to(Cors::Everybody),
    ]
}

/// The place of the metadata of an issuer with a path (RFC 8414 §3.1).
pub(crate) fn before_path(path: &str) -> Router<Arc<App>> {
    Router::new()
        .route(&format!("/.well-known/oauth-authorization-server{path}"), get(document))
        .route(&format!("/.well-known/openid-configuration{path}"), get(document))
}

async fn document(State(app): State<Arc<App>>, Extension(context): Extension<Context>) -> Response {
    match metadata::document(&app).await {
        Ok(document) => cacheable(Json(document)),
        Err(failure) => error::answer(&app, &context, "metadata", failure),
    }
}

async fn keys(State(app): State<Arc<App>>) -> Response {
    cacheable(Json(app.state.keys().ring.jwks()))
}

fn cacheable(body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("public, max-age={JWKS_MAX_AGE}")) {
        response.headers_mut().insert(header::CACHE_CONTROL, value);
    }
    response
}
