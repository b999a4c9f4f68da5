//! The admin API, `/admin/v1`.

mod clients;
mod extract;
mod keys;
mod sessions;
mod users;

use axum::routing::{delete, get, post, put};

use crate::http::guard::guarded;
use crate::http::route::Route;

const CLIENTS: &[&str] = &["jeton:clients"];
const READ_CLIENTS: &[&str] = &["jeton:clients", "jeton:read"];
const USERS: &[&str] = &["jeton:users"];
const READ_USERS: &[&str] = &["jeton:users", "jeton:read"];
const REVOKE: &[&str] = &["jeton:revoke"];
const READ_REVOCATIONS: &[&str] = &["jeton:revoke", "jeton:read"];
const READ: &[&str] = &["jeton:read"];
const ADMIN: &[&str] = &["jeton:admin"];

/// The routes of the admin API: path, methods, and for each method the scopes of which one is needed.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::admin(
            "/admin/v1/clients",
            &["GET", "POST"],
            get(guarded(READ_CLIENTS, clients::list)).post(guarded(CLIENTS, clients::create)),
        ),
        Route::admin(
            "/admin/v1/clients/{client_id}",
            &["GET", "PATCH", "DELETE"],
            get(guarded(READ_CLIENTS, clients::show))
                .patch(guarded(CLIENTS, clients::update))
                .delete(guarded(CLIENTS, clients::delete)),
        ),
        Route::admin("/admin/v1/clients/{client_id}/secrets", &["POST"], post(guarded(CLIENTS, clients::add_secret))),
        Route::admin(
            "/admin/v1/clients/{client_id}/secrets/{secret_id}",
            &["DELETE"],
            delete(guarded(CLIENTS, clients::retire_secret)),
        ),
        Route::admin(
            "/admin/v1/users",
            &["GET", "POST"],
            get(guarded(READ_USERS, users::list)).post(guarded(USERS, users::create)),
        ),
        Route::admin(
            "/admin/v1/users/{user}",
            &["GET", "PATCH", "DELETE"],
            get(guarded(READ_USERS, users::show))
                .patch(guarded(USERS, users::update))
                .delete(guarded(USERS, users::delete)),
        ),
        Route::admin("/admin/v1/users/{user}/password", &["PUT"], put(guarded(USERS, users::set_password))),
        Route::admin("/admin/v1/sessions", &["GET"], get(guarded(READ_REVOCATIONS, sessions::list))),
        Route::admin(
            "/admin/v1/sessions/{session}",
            &["GET", "DELETE"],
            get(guarded(READ_REVOCATIONS, sessions::show)).delete(guarded(REVOKE, sessions::delete)),
        ),
        Route::admin(
            "/admin/v1/revocations",
            &["GET", "POST"],
            get(guarded(READ_REVOCATIONS, sessions::list_revocations)).post(guarded(REVOKE, sessions::revoke)),
        ),
        Route::admin(
            "/admin/v1/revocations/{number}",
            &["GET"],
            get(guarded(READ_REVOCATIONS, sessions::show_revocation)),
        ),
        Route::admin("/admin/v1/keys", &["GET"], get(guarded(READ, keys::list))),
        Route::admin("/admin/v1/keys/rotate", &["POST"], post(guarded(ADMIN, keys::rotate))),
        Route::admin("/admin/v1/keys/{kid}", &["DELETE"], delete(guarded(ADMIN, keys::delete))),
        Route::admin("/admin/v1/audit", &["GET"], get(guarded(READ, keys::audit))),
    ]
}
