//! Bearer tokens at the admin API (RFC 6750).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::context::Context;
use super::problem;
use crate::admin::{Actor, AdminError};
use crate::flow::{App, Failure, check};
use crate::oauth::cause::Cause;
use crate::oauth::claims::AccessClaims;
use crate::oauth::scope::Scope;
use crate::store::Audited;
use crate::view::Unavailable;

/// Holds every power of the admin API.
const ADMIN: &str = "jeton:admin";

/// What guards a method of the admin API.
#[derive(Clone)]
pub(super) struct Guard {
    /// The state.
    pub(super) app: Arc<App>,
    /// The scopes of which one is needed; `jeton:admin` always suffices.
    pub(super) scopes: &'static [&'static str],
}

/// Lets a request pass whose token is good for this method, and looks at the log after what it changed, so that an
/// acknowledged change is seen by this node at once.
pub(super) async fn guard(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let app = guard.app;
    let Some(context) = request.extensions().get::<Context>().copied() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let claims = match bearer_of(&request) {
        Ok(token) => match check::access_token(&app, &token, crate::flow::diagnose::Effort::Cause).await {
            Ok(Ok(claims)) if claims.aud.contains(app.admin_audience()) => claims,
            Ok(Ok(_)) => return invalid_token(&app, &context, Cause::WrongAudience),
            Ok(Err(diagnosis)) => return invalid_token(&app, &context, diagnosis.cause().unwrap_or(Cause::NotAToken)),
            Err(Failure::Unavailable(reason)) => {
                return problem::answer(&app, &context, AdminError::Unavailable(reason));
            }
            Err(Failure::Overloaded | Failure::Throttled | Failure::Refused(_)) => {
                return problem::answer(&app, &context, AdminError::Overloaded);
            }
        },
        Err(presentation) => return presentation.answer(&app, &context),
    };
    let held = match power(&app, &claims).await {
        Ok(held) => held,
        Err(error) => return problem::answer(&app, &context, AdminError::Unavailable(error.0)),
    };
    if !held.contains(ADMIN) && !guard.scopes.iter().any(|scope| held.contains(scope)) {
        return insufficient_scope(&app, &context, guard.scopes);
    }
    let changes = !request.method().is_safe();
    request.extensions_mut().insert(actor(&app, &context, &claims, &held));
    let response = next.run(request).await;
    if changes
        && response.status().is_success()
        && let Err(error) = app.view.catch_up().await
    {
        return problem::answer(&app, &context, AdminError::Unavailable(error.0));
    }
    response
}

/// What the token allows, as far as its client may still have it: a power that was taken away ends at once.
async fn power(app: &App, claims: &AccessClaims) -> Result<Scope, Unavailable> {
    let granted = claims.scope.clone().unwrap_or_default();
    let client = app.view.client(&claims.client_id).await?;
    Ok(client.map(|client| granted.intersection(&client.settings.scope)).unwrap_or_default())
}

fn actor(app: &App, context: &Context, claims: &AccessClaims, held: &Scope) -> Actor {
    Actor {
        audited: Audited {
            actor: format!("client {}", claims.client_id),
            request_id: Some(context.request_id.to_string()),
            address: Some(context.address.to_string()),
            at: app.clock.now(),
        },
        is_admin: held.contains(ADMIN),
    }
}

/// What is wrong with the way in which a token was sent.
enum Presentation {
    /// Nothing that could be a Bearer token: a challenge without an error (RFC 6750 §3.1).
    None(Cause),
    /// Sent in a way that is not allowed.
    Bad(Cause),
}

impl Presentation {
    fn answer(self, app: &App, context: &Context) -> Response {
        match self {
            Self::None(cause) => {
                let response = problem::problem(app, context, StatusCode::UNAUTHORIZED, "missing", cause.title());
                challenge(response, "Bearer realm=\"jeton\"")
            }
            Self::Bad(cause) => {
                let response =
                    problem::problem(app, context, StatusCode::BAD_REQUEST, "invalid_request", cause.title());
                let title = cause.title();
                challenge(
                    response,
                    &format!("Bearer realm=\"jeton\", error=\"invalid_request\", error_description=\"{title}\""),
                )
            }
        }
    }
}

/// The token in the Authorization header, which is the only place where it is looked for (RFC 6750 §2.1).
fn bearer_of(request: &Request) -> Result<String, Presentation> {
    let query = request.uri().query().unwrap_or_default();
    let in_query = form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token");
    let mut headers = request.headers().get_all(header::AUTHORIZATION).iter();
    let header = match (headers.next(), headers.next()) {
        (Some(_), Some(_)) => return Err(Presentation::Bad(Cause::SentTwice)),
        (Some(_), None) if in_query => return Err(Presentation::Bad(Cause::SentTwice)),
        (None, _) if in_query => return Err(Presentation::Bad(Cause::InQueryString)),
        (None, _) => return Err(Presentation::None(Cause::Missing)),
        (Some(header), None) => header,
    };
    let text = header.to_str().map_err(|_| Presentation::None(Cause::WrongScheme))?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Presentation::None(Cause::WrongScheme));
    }
    if token.trim().is_empty() {
        return Err(Presentation::None(Cause::Missing));
    }
    Ok(token.to_owned())
}

fn invalid_token(app: &App, context: &Context, cause: Cause) -> Response {
    let response = problem::problem(app, context, StatusCode::UNAUTHORIZED, "invalid_token", cause.title());
    let title = cause.title();
    challenge(response, &format!("Bearer realm=\"jeton\", error=\"invalid_token\", error_description=\"{title}\""))
}

fn insufficient_scope(app: &App, context: &Context, scopes: &[&str]) -> Response {
    let needed = scopes.first().copied().unwrap_or(ADMIN);
    let detail = format!("this needs the scope {needed}; the token does not have it");
    let response = problem::problem(app, context, StatusCode::FORBIDDEN, "insufficient_scope", &detail);
    challenge(response, &format!("Bearer realm=\"jeton\", error=\"insufficient_scope\", scope=\"{needed}\""))
}

fn challenge(mut response: Response, text: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(text) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    response
}
