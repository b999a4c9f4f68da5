//! Thin adapters: one file per endpoint, one table of routes, one table from errors to answers.

mod admin;
mod bearer;
mod body;
mod challenge;
mod context;
mod docs;
mod envelope;
mod error;
mod host;
mod oauth;
mod ops;
mod problem;
mod verify;
mod well_known;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, Method, header};
use axum::routing::MethodRouter;
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

pub use envelope::Peer;
pub use ops::{Health, router as ops_router};

use crate::app::App;

/// A path and what it answers to.
pub struct Route {
    /// The path, as axum writes it; `{*name}` at its end is everything below.
    pub path: &'static str,
    /// The methods that are described, in upper case.
    pub methods: &'static [&'static str],
    handler: MethodRouter<Arc<App>>,
    cors: Cors,
}

/// Which other sites may read the answers in a browser.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cors {
    Nobody,
    ConfiguredOrigins,
    Everybody,
}

impl Route {
    fn new(path: &'static str, methods: &'static [&'static str], handler: MethodRouter<Arc<App>>) -> Self {
        Self { path, methods, handler, cors: Cors::Nobody }
    }

    fn open_to(self, cors: Cors) -> Self {
        Self { cors, ..self }
    }
}

/// Every route of the public and admin API: the one table.
pub fn routes(app: &Arc<App>) -> Vec<Route> {
    let mut routes = oauth::routes();
    routes.extend(verify::routes());
    routes.extend(well_known::routes());
    routes.extend(docs::routes());
    routes.extend(admin::routes(app));
    routes
}

/// The public and admin API.
pub fn router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    for route in routes(&app) {
        let cors = route.cors;
        let mut paths = Router::new().route(route.path, route.handler.clone());
        if let Some((folder, _)) = route.path.split_once("{*") {
            // To the router a path that takes everything below a folder does not take the folder itself.
            paths = paths.route(folder, route.handler);
        }
        let route = paths.method_not_allowed_fallback(error::method_not_allowed);
        // Around the answer to a wrong method, too: a preflight request is one.
        let route = match cors {
            Cors::Everybody => {
                route.layer(CorsLayer::new().allow_origin(Any).allow_methods([Method::GET, Method::HEAD]))
            }
            Cors::ConfiguredOrigins if !app.settings.cors_origins.is_empty() => {
                route.layer(for_origins(&app.settings.cors_origins))
            }
            Cors::ConfiguredOrigins | Cors::Nobody => route,
        };
        router = router.merge(route);
    }
    let mut router = router.fallback(error::not_found).with_state(Arc::clone(&app));
    let path = app.settings.issuer_path();
    if !path.is_empty() {
        // RFC 8414 §3.1 puts the well-known part in front of the issuer's path; all else stands below that path.
        router = Router::new()
            .merge(well_known::before_path(&path).with_state(Arc::clone(&app)))
            .nest(&path, router.clone())
            .merge(router);
    }
    router.layer(axum::middleware::from_fn_with_state(app, envelope::wrap))
}

fn for_origins(origins: &[String]) -> CorsLayer {
    let origins: Vec<HeaderValue> = origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
}
