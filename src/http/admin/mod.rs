//! The admin API, `/admin/v1`.

mod clients;
mod extract;
mod keys;
mod sessions;
mod users;

use std::sync::Arc;

use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, on};

use crate::app::App;
use crate::http::Route;
use crate::http::bearer::{Guard, guard};

const CLIENTS: &[&str] = &["jeton:clients"];
const READ_CLIENTS: &[&str] = &["jeton:clients", "jeton:read"];
const USERS: &[&str] = &["jeton:users"];
const READ_USERS: &[&str] = &["jeton:users", "jeton:read"];
const REVOKE: &[&str] = &["jeton:revoke"];
const READ_REVOCATIONS: &[&str] = &["jeton:revoke", "jeton:read"];
const READ: &[&str] = &["jeton:read"];
const ADMIN: &[&str] = &["jeton:admin"];

/// Builds the methods of a path, each behind its guard.
struct Guarded<'a>(&'a Arc<App>);

impl Guarded<'_> {
    fn on<H, T>(&self, method: MethodFilter, scopes: &'static [&'static str], handler: H) -> MethodRouter<Arc<App>>
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        let state = Guard { app: Arc::clone(self.0), scopes };
        on(method, handler).route_layer(from_fn_with_state(state, guard))
    }
}

/// The routes of the admin API: path, methods, and for each method the scopes of which one is needed.
pub(crate) fn routes(app: &Arc<App>) -> Vec<Route> {
    use MethodFilter as Method;
    let guarded = Guarded(app);
    vec![
        Route::new(
            "/admin/v1/clients",
            &["GET", "POST"],
            guarded.on(Method::GET, READ_CLIENTS, clients::list).merge(guarded.on(
                Method::POST,
                CLIENTS,
                clients::create,
            )),
        ),
        Route::new(
            "/admin/v1/clients/{client_id}",
            &["GET", "PATCH", "DELETE"],
            guarded
                .on(Method::GET, READ_CLIENTS, clients::show)
                .merge(guarded.on(Method::PATCH, CLIENTS, clients::update))
                .merge(guarded.on(Method::DELETE, CLIENTS, clients::delete)),
        ),
        Route::new(
            "/admin/v1/clients/{client_id}/secrets",
            &["POST"],
            guarded.on(Method::POST, CLIENTS, clients::add_secret),
        ),
        Route::new(
            "/admin/v1/clients/{client_id}/secrets/{secret_id}",
            &["DELETE"],
            guarded.on(Method::DELETE, CLIENTS, clients::retire_secret),
        ),
        Route::new(
            "/admin/v1/users",
            &["GET", "POST"],
            guarded.on(Method::GET, READ_USERS, users::list).merge(guarded.on(Method::POST, USERS, users::create)),
        ),
        Route::new(
            "/admin/v1/users/{user}",
            &["GET", "PATCH", "DELETE"],
            guarded
                .on(Method::GET, READ_USERS, users::show)
                .merge(guarded.on(Method::PATCH, USERS, users::update))
                .merge(guarded.on(Method::DELETE, USERS, users::delete)),
        ),
        Route::new("/admin/v1/users/{user}/password", &["PUT"], guarded.on(Method::PUT, USERS, users::set_password)),
        Route::new("/admin/v1/sessions", &["GET"], guarded.on(Method::GET, READ_REVOCATIONS, sessions::list)),
        Route::new(
            "/admin/v1/sessions/{session}",
            &["GET", "DELETE"],
            guarded.on(Method::GET, READ_REVOCATIONS, sessions::show).merge(guarded.on(
                Method::DELETE,
                REVOKE,
                sessions::delete,
            )),
        ),
        Route::new(
            "/admin/v1/revocations",
            &["GET", "POST"],
            guarded.on(Method::GET, READ_REVOCATIONS, sessions::list_revocations).merge(guarded.on(
                Method::POST,
                REVOKE,
                sessions::revoke,
            )),
        ),
        Route::new(
            "/admin/v1/revocations/{number}",
            &["GET"],
            guarded.on(Method::GET, READ_REVOCATIONS, sessions::show_revocation),
        ),
        Route::new("/admin/v1/keys", &["GET"], guarded.on(Method::GET, READ, keys::list)),
        Route::new("/admin/v1/keys/rotate", &["POST"], guarded.on(Method::POST, ADMIN, keys::rotate)),
        Route::new("/admin/v1/keys/{kid}", &["DELETE"], guarded.on(Method::DELETE, ADMIN, keys::delete)),
        Route::new("/admin/v1/audit", &["GET"], guarded.on(Method::GET, READ, keys::audit)),
    ]
}
