//! The table of routes.

use axum::routing::{any, get, post};

use crate::http::endpoints::{
    account, authorize, demo, device, explain, introspect, keys, logout, metadata, pushed_authorization, register,
    resource_metadata, revoke, token, userinfo, verify,
};
use crate::http::route::{Cors, Endpoint, Route};
use crate::http::{admin, console, docs};

/// The described methods of `/auth/verify`, which answers every method.
const PROXIED: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Paths without a route whose 404 has the form of the routes beside them; any other answers it as an OAuth endpoint.
pub(crate) const UNROUTED: [(&str, Endpoint); 3] =
    [("/admin/v1", Endpoint::ADMIN), ("/admin/v1/{*path}", Endpoint::ADMIN), ("/docs/{*path}", Endpoint::page("none"))];

/// Every route of the public and admin API.
pub fn routes() -> Vec<Route> {
    use Cors::{ConfiguredOrigins, Everybody};
    let mut routes = vec![
        Route::at_browser(
            "authorize",
            "/auth/authorize",
            &["GET", "POST"],
            get(authorize::answer).post(authorize::answer),
        ),
        Route::at_browser("login", "/login", &["GET", "POST"], get(authorize::show_login).post(authorize::log_in)),
        Route::at_browser("demo", "/demo", &["GET"], get(demo::answer)),
        Route::at_browser("consent", "/consent", &["POST"], post(authorize::answer_consent)),
        Route::at_browser("account", "/account", &["GET", "POST"], get(account::show).post(account::answer)),
        Route::at_browser("account", "/account/second-factor", &["POST"], post(account::second_factor)),
        Route::at_browser(
            "account",
            "/account/password",
            &["GET", "POST"],
            get(account::show_password_link).post(account::answer_password_link),
        ),
        Route::at_browser("logout", "/auth/logout", &["GET", "POST"], get(logout::answer).post(logout::answer)),
        Route::at_browser("device", "/device", &["GET", "POST"], get(device::show).post(device::answer)),
        Route::at_browser("console", "/console", &["GET"], get(console::show)),
        Route::at_browser("console", "/console/{*path}", &["GET", "POST"], get(console::show_below).post(console::act)),
        Route::post("device_authorization", "/auth/device", device::authorize),
        Route::post("pushed_authorization", "/auth/par", pushed_authorization::answer),
        Route::post("token", "/auth/token", token::answer).open_to(ConfiguredOrigins),
        Route::post("introspect", "/auth/introspect", introspect::answer),
        Route::post("explain", "/auth/explain", explain::answer).with_any_text(),
        Route::post("revoke", "/auth/revoke", revoke::answer).open_to(ConfiguredOrigins),
        Route::document("register", "/auth/register", &["POST"], post(register::create)).open_to(ConfiguredOrigins),
        Route::document(
            "register",
            "/auth/register/{client_id}",
            &["GET", "PUT", "DELETE"],
            get(register::show).put(register::replace).delete(register::delete),
        )
        .open_to(ConfiguredOrigins),
        Route::new("verify", "/auth/verify", PROXIED, any(verify::answer)),
        Route::new("verify", "/auth/verify/{*path}", PROXIED, any(verify::answer_below)),
        Route::get_or_post("userinfo", "/auth/userinfo", get(userinfo::answer).post(userinfo::answer_post))
            .open_to(ConfiguredOrigins),
        Route::get("metadata", metadata::PATH, metadata::answer).open_to(Everybody),
        Route::get("metadata", metadata::OPENID_PATH, metadata::answer_openid).open_to(Everybody),
        Route::get("resource_metadata", "/auth/resource-metadata", resource_metadata::answer)
            .with_problems()
            .open_to(Everybody),
        Route::get("keys", "/.well-known/jwks.json", keys::answer).open_to(Everybody),
    ];
    routes.extend(docs::routes());
    routes.extend(admin::routes());
    routes
}
