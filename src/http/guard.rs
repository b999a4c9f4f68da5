//! The guard of the admin API: who may call a handler (RFC 6750).

use std::pin::Pin;
use std::sync::Arc;

use axum::extract::Request;
use axum::handler::Handler;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use hyper::body::Body as _;

use crate::admin::Actor;
use crate::app::App;
use crate::diagnosis::investigate;
use crate::http::challenge::{self, BearerChallenge};
use crate::http::context::Context;
use crate::http::route::Scopes;
use crate::http::{body, error, problem};
use crate::protocol::bearer::Scheme;
use crate::protocol::cause::Cause;
use crate::protocol::dpop::Target;
use crate::protocol::scope::ADMIN;
use crate::validation::administrator::{self, AdminToken};

/// A handler of the admin API, called only with a token that has one of the scopes.
#[derive(Clone)]
pub(crate) struct Guarded<H> {
    scopes: Scopes,
    handler: H,
}

/// Guards a handler.
pub(crate) const fn guarded<H>(scopes: Scopes, handler: H) -> Guarded<H> {
    Guarded { scopes, handler }
}

impl<T: 'static, H: Handler<T, Arc<App>>> Handler<T, Arc<App>> for Guarded<H> {
    type Future = Pin<Box<dyn Future<Output = Response> + Send>>;

    fn call(self, mut request: Request, app: Arc<App>) -> Self::Future {
        Box::pin(async move {
            let context = match Context::of(request.extensions()) {
                Ok(context) => context,
                Err(status) => return status.into_response(),
            };
            match admit(&app, &context, &mut request, self.scopes).await {
                Ok(()) => self.handler.call(request, app).await,
                Err(response) => response,
            }
        })
    }
}

/// Puts the administrator into a request, which is whole afterwards, or gives the answer that refuses it.
///
/// The token is judged twice: before the body is read, so that nobody else makes us wait for one, and when the body is
/// there, because the token may have been revoked meanwhile.
async fn admit(app: &App, context: &Context, request: &mut Request, scopes: &[&str]) -> Result<(), Response> {
    let mut actor = judge(app, context, head_of(request), scopes).await?;
    let has_body = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    if has_body && !request.body().is_end_stream() {
        let body = std::mem::take(request.body_mut());
        let body = body::read(context.endpoint.largest_body, request.headers(), body).await;
        *request.body_mut() = body.map_err(|unreadable| error::unreadable(app, context, unreadable))?.into();
        actor = judge(app, context, head_of(request), scopes).await?;
    }
    request.extensions_mut().insert(actor);
    Ok(())
}

/// What a token is judged by: a reference to the whole request could not be kept while that waits.
fn head_of(request: &Request) -> (&Method, &Uri, &HeaderMap) {
    (request.method(), request.uri(), request.headers())
}

/// The administrator whose token is good for this, or the answer that refuses it.
async fn judge(
    app: &App,
    context: &Context,
    (method, uri, headers): (&Method, &Uri, &HeaderMap),
    scopes: &[&str],
) -> Result<Actor, Response> {
    let query = uri.query().unwrap_or_default().as_bytes();
    let token = challenge::token(headers, &[query]).map_err(|fault| {
        challenge::note(app, context, fault.cause.name(), fault.detail, None);
        let challenge = BearerChallenge::misplaced(app, fault);
        let (status, code) = match challenge.error {
            Some(error) => (StatusCode::BAD_REQUEST, error),
            None => (StatusCode::UNAUTHORIZED, Cause::Missing.name()),
        };
        refuse(app, context, status, code, &challenge)
    })?;
    // A proof that counted before the body was read still does when it is there.
    let address = app.issuer.endpoint(uri.path());
    let target = Target { method: method.as_str().to_owned(), address, alias: None };
    let presented = challenge::presented(&token, headers, context, Some(target));
    let held = match administrator::validate(app, &app.issuer, &presented).await {
        Ok(Ok(held)) => held,
        Ok(Err(diagnosis)) => {
            investigate::note_refusal(app, context.endpoint.name, &diagnosis);
            let challenge = BearerChallenge::of(app, &diagnosis, presented.scheme);
            let code = if challenge.error.is_some() { "invalid_token" } else { Cause::Missing.name() };
            return Err(refuse(app, context, StatusCode::UNAUTHORIZED, code, &challenge));
        }
        Err(failure) => return Err(problem::answer(app, context, failure.into())),
    };
    if held.has_one_of(scopes) {
        Ok(actor(context, &held))
    } else {
        Err(insufficient_scope(app, context, presented.scheme, &held, scopes))
    }
}

fn actor(context: &Context, held: &AdminToken) -> Actor {
    Actor {
        name: format!("client {}", held.claims.client_id),
        request_id: Some(context.request_id.to_string()),
        address: Some(context.address.to_string()),
        is_admin: held.has_one_of(&[]),
        token: Some(Arc::clone(&held.claims)),
    }
}

fn insufficient_scope(app: &App, context: &Context, scheme: Scheme, held: &AdminToken, scopes: &[&str]) -> Response {
    let needed = scopes.first().copied().unwrap_or(ADMIN);
    let detail = format!("this needs the scope {needed}: the token lacks it, or its client has lost it");
    challenge::note(app, context, Cause::InsufficientScope.name(), &detail, Some(&held.claims));
    let challenge = BearerChallenge::insufficient_scope(app, scheme, detail.into(), needed.to_owned());
    refuse(app, context, StatusCode::FORBIDDEN, Cause::InsufficientScope.name(), &challenge)
}

fn refuse(
    app: &App,
    context: &Context,
    status: StatusCode,
    code: &'static str,
    challenge: &BearerChallenge,
) -> Response {
    let mut response = problem::document(app, context, status, code, &challenge.description);
    challenge.put_into(&mut response);
    response
}
