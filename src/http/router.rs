//! Builds the router from the table of routes.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use crate::app::App;
use crate::http::challenge::DPOP_NONCE;
use crate::http::endpoints::metadata;
use crate::http::envelope::Envelope;
use crate::http::error;
use crate::http::route::{Cors, Endpoint, Route};
use crate::http::routes::{UNROUTED, routes};
use crate::settings::Settings;

/// A header that clients of the Model Context Protocol send with every request, also for metadata.
const MCP_PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

const DPOP: HeaderName = HeaderName::from_static("dpop");

/// The public and admin API.
pub fn router(app: Arc<App>) -> Router {
    let envelope = |endpoint, route| Envelope::new(&app, endpoint, route);
    let nothing_here = |endpoint| error::not_found.layer(envelope(endpoint, None)).with_state(Arc::clone(&app));
    let mut router = Router::new().fallback_service(nothing_here(Endpoint::named("none")));
    for (path, endpoint) in UNROUTED {
        router = router.route_service(path, nothing_here(endpoint));
    }
    let issuer_path = app.issuer.path();
    let mut before_issuer_path = Router::new();
    for Route { path, methods, endpoint, cors, handler, .. } in routes() {
        let named = Some(path);
        let at = |path: &str| {
            let route = Router::new().route(path, handler.clone());
            let route = route.method_not_allowed_fallback(error::method_not_allowed);
            // Around the answer to a wrong method as well: a preflight request is one.
            let route = match cors_layer(cors, &methods, &app.settings) {
                Some(layer) => route.layer(layer),
                None => route,
            };
            // One layer does the rest: each layer copies the whole route for every request.
            route.layer(envelope(endpoint, named)).with_state(Arc::clone(&app))
        };
        router = router.merge(at(path));
        if let Some((folder, _)) = path.split_once("{*") {
            // To axum, a path that takes everything below a folder does not take the folder itself.
            router = router.merge(at(folder));
        }
        if !issuer_path.is_empty() && [metadata::PATH, metadata::OPENID_PATH].contains(&path) {
            before_issuer_path = before_issuer_path.merge(at(&format!("{path}{issuer_path}")));
        }
    }
    if issuer_path.is_empty() {
        return router;
    }
    // RFC 8414 §3.1 puts the well-known part in front of the issuer's path; all else stands below that path, OpenID discovery in
    // both places (§5).
    before_issuer_path.nest(&issuer_path, router.clone()).merge(router)
}

fn cors_layer(cors: Cors, methods: &[&'static str], settings: &Settings) -> Option<CorsLayer> {
    let layer = CorsLayer::new();
    match cors {
        Cors::Nobody => None,
        Cors::ConfiguredOrigins if settings.cors_origins.is_empty() => None,
        Cors::ConfiguredOrigins => {
            let methods: Vec<Method> = methods.iter().filter_map(|name| name.parse().ok()).collect();
            let origins = settings.cors_origins.iter().filter_map(|origin| origin.parse::<HeaderValue>().ok());
            let origins = match settings.cors_origins.iter().any(|origin| origin == "*") {
                true => AllowOrigin::any(),
                false => AllowOrigin::list(origins),
            };
            let layer = layer.allow_origin(origins).allow_methods(methods);
            // RFC 9449 §8: a page has to send proofs, and to read the nonce for the next one.
            let layer = layer.allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, DPOP]);
            Some(layer.expose_headers([DPOP_NONCE, header::WWW_AUTHENTICATE]))
        }
        Cors::Everybody => {
            let layer = layer.allow_origin(Any).allow_methods([Method::GET, Method::HEAD]);
            Some(layer.allow_headers([MCP_PROTOCOL_VERSION]))
        }
    }
}
