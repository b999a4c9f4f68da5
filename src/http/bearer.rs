//! Bearer tokens at the admin API (RFC 6750).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::admin::{Actor, AdminError};
use crate::app::{App, Failure};
use crate::diagnosis::investigate;
use crate::http::challenge::{self, Refusal};
use crate::http::context::Context;
use crate::http::problem;
use crate::protocol::cause::Cause;
use crate::store::Audited;
use crate::validation::administrator::{self, ADMIN, AdminToken};

/// The name under which refusals are counted and logged.
const ENDPOINT: &str = "admin";

/// What guards a method of the admin API.
#[derive(Clone)]
pub(crate) struct Guard {
    /// The state.
    pub(crate) app: Arc<App>,
    /// The scopes of which one is needed; `jeton:admin` always suffices.
    pub(crate) scopes: &'static [&'static str],
}

/// Lets a request pass whose token is good for this method, and looks at the log after what it changed, so that an
/// acknowledged change is seen by this node at once.
pub(crate) async fn guard(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let app = guard.app;
    let Some(context) = request.extensions().get::<Context>().copied() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let query = request.uri().query().unwrap_or_default().as_bytes();
    let token = match challenge::token(request.headers(), &[query]) {
        Ok(token) => token,
        Err(fault) => {
            challenge::note(&app, &context, ENDPOINT, fault.cause.name(), fault.detail, None);
            let refusal = Refusal::misplaced(&app, fault);
            let (status, code) = match refusal.error {
                Some(error) => (StatusCode::BAD_REQUEST, error),
                None => (StatusCode::UNAUTHORIZED, Cause::Missing.name()),
            };
            return refuse(&app, &context, status, code, &refusal);
        }
    };
    let held = match administrator::validate(&app, &token).await {
        Ok(Ok(held)) => held,
        Ok(Err(diagnosis)) => {
            investigate::note_refusal(&app, ENDPOINT, &diagnosis, context.request_id, context.address);
            let refusal = Refusal::of(&app, &diagnosis);
            return refuse(&app, &context, StatusCode::UNAUTHORIZED, "invalid_token", &refusal);
        }
        Err(Failure::Unavailable(reason)) => return problem::answer(&app, &context, AdminError::Unavailable(reason)),
        Err(Failure::Overloaded | Failure::Throttled(_) | Failure::Refused(_)) => {
            return problem::answer(&app, &context, AdminError::Overloaded);
        }
    };
    if !held.has_one_of(guard.scopes) {
        return insufficient_scope(&app, &context, &held, guard.scopes);
    }
    let changes = !request.method().is_safe();
    request.extensions_mut().insert(actor(&app, &context, &held));
    let response = next.run(request).await;
    if changes
        && response.status().is_success()
        && let Err(error) = app.state.catch_up().await
    {
        return problem::answer(&app, &context, AdminError::Unavailable(error.0));
    }
    response
}

fn actor(app: &App, context: &Context, held: &AdminToken) -> Actor {
    Actor {
        audited: Audited {
            actor: format!("client {}", held.claims.client_id),
            request_id: Some(context.request_id.to_string()),
            address: Some(context.address.to_string()),
            at: app.clock.now(),
        },
        is_admin: held.has_one_of(&[]),
    }
}

fn insufficient_scope(app: &App, context: &Context, held: &AdminToken, scopes: &[&str]) -> Response {
    let needed = scopes.first().copied().unwrap_or(ADMIN);
    let detail = format!("this needs the scope {needed}; the token does not have it, or its client not any more");
    challenge::note(app, context, ENDPOINT, Cause::InsufficientScope.name(), &detail, Some(&held.claims));
    let refusal = Refusal::insufficient_scope(app, detail.into(), needed.to_owned());
    refuse(app, context, StatusCode::FORBIDDEN, Cause::InsufficientScope.name(), &refusal)
}

fn refuse(app: &App, context: &Context, status: StatusCode, code: &'static str, refusal: &Refusal) -> Response {
    let mut response = problem::document(app, context, status, code, &refusal.description);
    refusal.challenge(&mut response);
    response
}
