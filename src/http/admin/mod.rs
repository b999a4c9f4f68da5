//! The admin API, `/admin/v1`.

pub(crate) mod apply;
pub(crate) mod client_blocks;
pub(crate) mod clients;
pub(crate) mod events;
mod extract;
pub(crate) mod issuers;
pub(crate) mod keys;
pub(crate) mod preview;
pub(crate) mod resources;
pub(crate) mod sessions;
pub(crate) mod users;
pub(crate) mod webhooks;

use std::sync::Arc;

use axum::Extension;
use axum::handler::Handler;
use axum::routing;

use crate::admin::powers::{ADMIN, CLIENTS, READ, READ_CLIENTS, READ_REVOCATIONS, READ_USERS, REVOKE, USERS};
use crate::app::App;
use crate::http::admin::extract::QueryParameters;
use crate::http::guard::guarded;
use crate::http::route::{AdminMethod, Route, Scopes};
/// The routes of the admin API: path, methods, and for each method the scopes of which one is needed, and the parameters
/// of its query.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::admin(
            "/admin/v1/clients",
            [
                get(READ_CLIENTS, clients::list).taking(&["client_id", "limit", "cursor"]),
                post(CLIENTS, clients::create),
            ],
        ),
        Route::admin(
            "/admin/v1/clients/{client_id}",
            [get(READ_CLIENTS, clients::show), patch(CLIENTS, clients::update), delete(CLIENTS, clients::delete)],
        ),
        Route::admin("/admin/v1/clients/{client_id}/secrets", [post(CLIENTS, clients::add_secret)]),
        Route::admin(
            "/admin/v1/clients/{client_id}/secrets/{secret_id}",
            [delete(CLIENTS, clients::retire_secret).taking(&["revoke"])],
        ),
        Route::admin(
            "/admin/v1/client-blocks",
            [get(READ_CLIENTS, client_blocks::list).taking(&["limit", "cursor"]), post(CLIENTS, client_blocks::create)],
        ),
        Route::admin("/admin/v1/client-blocks/{target}", [delete(CLIENTS, client_blocks::delete)]),
        Route::admin(
            "/admin/v1/resources",
            [
                get(READ_CLIENTS, resources::list).taking(&["resource", "limit", "cursor"]),
                post(CLIENTS, resources::create),
            ],
        ),
        Route::admin(
            "/admin/v1/resources/{resource}",
            [get(READ_CLIENTS, resources::show), patch(CLIENTS, resources::update), delete(CLIENTS, resources::delete)],
        ),
        Route::admin(
            "/admin/v1/issuers",
            [get(READ_CLIENTS, issuers::list).taking(&["issuer", "limit", "cursor"]), post(ADMIN, issuers::create)],
        ),
        Route::admin("/admin/v1/issuers/test", [post(READ_CLIENTS, issuers::test)]),
        Route::admin(
            "/admin/v1/issuers/{issuer}",
            [
                get(READ_CLIENTS, issuers::show),
                put(ADMIN, issuers::replace),
                patch(ADMIN, issuers::update),
                delete(ADMIN, issuers::delete),
            ],
        ),
        Route::admin(
            "/admin/v1/users",
            [
                get(READ_USERS, users::list).taking(&["username", "sub", "with_role", "limit", "cursor"]),
                post(USERS, users::create),
            ],
        ),
        Route::admin(
            "/admin/v1/users/{user}",
            [get(READ_USERS, users::show), patch(USERS, users::update), delete(USERS, users::delete)],
        ),
        Route::admin("/admin/v1/users/{user}/password", [put(USERS, users::set_password)]),
        Route::admin("/admin/v1/users/{user}/password-link", [post(USERS, users::create_password_link)]),
        Route::admin("/admin/v1/users/{user}/second-factor", [delete(USERS, users::remove_second_factor)]),
        Route::admin(
            "/admin/v1/sessions",
            [get(READ_REVOCATIONS, sessions::list).taking(&["user", "client", "limit", "cursor"])],
        ),
        Route::admin(
            "/admin/v1/sessions/{session}",
            [get(READ_REVOCATIONS, sessions::show), delete(REVOKE, sessions::delete)],
        ),
        Route::admin(
            "/admin/v1/revocations",
            [
                get(READ_REVOCATIONS, sessions::list_revocations).taking(&["limit", "cursor"]),
                post(REVOKE, sessions::revoke).taking(&["wait"]),
            ],
        ),
        Route::admin("/admin/v1/revocations/preview", [post(REVOKE, sessions::preview_revocation)]),
        Route::admin("/admin/v1/revocations/{number}", [get(READ_REVOCATIONS, sessions::show_revocation)]),
        Route::admin("/admin/v1/apply", [post(ADMIN, apply::apply)]).with_body_of(apply::LARGEST_BODY),
        Route::admin("/admin/v1/preview", [post(READ, preview::preview)]),
        Route::admin("/admin/v1/keys", [get(READ, keys::list).taking(&["limit", "cursor"])]),
        Route::admin("/admin/v1/keys/rotate", [post(ADMIN, keys::rotate)]),
        Route::admin("/admin/v1/keys/{kid}", [delete(ADMIN, keys::delete)]),
        Route::admin(
            "/admin/v1/audit",
            [get(READ, keys::audit).taking(&["actor", "action", "target", "from", "to", "limit", "cursor"])],
        ),
        Route::admin("/admin/v1/events", [get(READ, events::stream).taking(&["after", "types"])]),
        Route::admin(
            "/admin/v1/webhooks",
            [get(ADMIN, webhooks::list).taking(&["limit", "cursor"]), post(ADMIN, webhooks::create)],
        ),
        Route::admin(
            "/admin/v1/webhooks/{webhook}",
            [get(ADMIN, webhooks::show), patch(ADMIN, webhooks::update), delete(ADMIN, webhooks::delete)],
        ),
        Route::admin("/admin/v1/webhooks/{webhook}/secrets", [post(ADMIN, webhooks::add_secret)]),
        Route::admin("/admin/v1/webhooks/{webhook}/secrets/{secret_id}", [delete(ADMIN, webhooks::retire_secret)]),
    ]
}

impl AdminMethod {
    /// The method with these parameters of its query.
    fn taking(self, parameters: &'static [&'static str]) -> Self {
        Self { handler: self.handler.layer(Extension(QueryParameters(parameters))), ..self }
    }
}

fn get<T: 'static>(scopes: Scopes, handler: impl Handler<T, Arc<App>>) -> AdminMethod {
    AdminMethod { name: "GET", scopes, handler: routing::get(guarded(scopes, handler)) }
}

fn post<T: 'static>(scopes: Scopes, handler: impl Handler<T, Arc<App>>) -> AdminMethod {
    AdminMethod { name: "POST", scopes, handler: routing::post(guarded(scopes, handler)) }
}

fn put<T: 'static>(scopes: Scopes, handler: impl Handler<T, Arc<App>>) -> AdminMethod {
    AdminMethod { name: "PUT", scopes, handler: routing::put(guarded(scopes, handler)) }
}

fn patch<T: 'static>(scopes: Scopes, handler: impl Handler<T, Arc<App>>) -> AdminMethod {
    AdminMethod { name: "PATCH", scopes, handler: routing::patch(guarded(scopes, handler)) }
}

fn delete<T: 'static>(scopes: Scopes, handler: impl Handler<T, Arc<App>>) -> AdminMethod {
    AdminMethod { name: "DELETE", scopes, handler: routing::delete(guarded(scopes, handler)) }
}
