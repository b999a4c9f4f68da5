//! A request to an endpoint, and the answer to it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{self, FromRequest};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;

use crate::app::{self, App, Failure};
use crate::endpoints::explain;
use crate::http::body::{self, MediaType, media_type};
use crate::http::context::Context;
use crate::http::route::{BodyForm, USUAL_BODY};
use crate::http::{error, oauth_error};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::parameters::Parameters;

/// The room for an answer, in bytes, so that it seldom has to grow.
const ROOM: usize = 1024;
/// The room for the headers of an answer.
const HEADERS: usize = 12;

/// A request to an endpoint, with its body read as the table of routes says.
pub(crate) struct EndpointRequest {
    pub(crate) app: Arc<App>,
    pub(crate) context: Context,
    pub(crate) head: Parts,
    parameters: Parameters,
    /// The body, where the use case reads it itself.
    pub(crate) document: Bytes,
}

impl FromRequest<Arc<App>> for EndpointRequest {
    type Rejection = Response;

    async fn from_request(request: extract::Request, app: &Arc<App>) -> Result<Self, Response> {
        let (head, body) = request.into_parts();
        let context = Context::of(&head.extensions).map_err(IntoResponse::into_response)?;
        let (mut parameters, mut document) = Default::default();
        match context.endpoint.body {
            BodyForm::Document => document = read_document(app, &context, &head, body).await?,
            _ => parameters = read_parameters(app, &context, &head, body).await?,
        }
        Ok(Self { app: Arc::clone(app), context, head, parameters, document })
    }
}

/// A JSON document. What is not one is refused as what it is not: the metadata of a client (RFC 7591 §3.2.2).
async fn read_document(app: &App, context: &Context, head: &Parts, body: Body) -> Result<Bytes, Response> {
    if !matches!(head.method, Method::POST | Method::PUT) {
        return Ok(Bytes::new());
    }
    if media_type(&head.headers) != Some(MediaType::Json) {
        let text = "Send the metadata of the client as application/json.";
        return Err(error::refused(app, context, Refusal::new(ErrorCode::InvalidClientMetadata, text).into()));
    }
    let body = body::read(context.endpoint.largest_body, &head.headers, body).await;
    body.map_err(|unreadable| error::unreadable(app, context, unreadable))
}

/// Parameters are taken from the body, and from the address only where browsers are sent with them.
async fn read_parameters(app: &App, context: &Context, head: &Parts, body: Body) -> Result<Parameters, Response> {
    let refuse = |refusal: Refusal| error::refused(app, context, refusal.into());
    let media_type = media_type(&head.headers);
    let parse = match (context.endpoint.body, media_type) {
        (BodyForm::Unread | BodyForm::Document, _) => return Ok(Parameters::default()),
        (BodyForm::AtBrowser, _) if head.method != Method::POST => {
            return Parameters::from_query(head.uri.query().unwrap_or_default().as_bytes()).map_err(refuse);
        }
        (BodyForm::AtBrowser, Some(MediaType::Form)) => Parameters::from_form,
        (BodyForm::AtBrowser, _) => {
            let text = "Send the parameters as application/x-www-form-urlencoded.";
            return Err(refuse(Refusal::invalid_request(text)));
        }
        (BodyForm::FormIfSent, Some(MediaType::Form)) if head.method == Method::POST => Parameters::from_form,
        (BodyForm::FormIfSent, _) => return Ok(Parameters::default()),
        (BodyForm::AnyText, Some(MediaType::Form)) => Parameters::from_any_form,
        (BodyForm::Parameters, Some(MediaType::Form)) => Parameters::from_form,
        (_, Some(MediaType::Json)) => Parameters::from_json,
        _ => {
            let text = "Send the parameters as application/x-www-form-urlencoded or application/json.";
            return Err(refuse(Refusal::invalid_request(text)));
        }
    };
    let largest = largest_body(app, context, head).await?;
    let body = body::read(largest, &head.headers, body).await;
    let body = body.map_err(|unreadable| error::unreadable(app, context, unreadable))?;
    // As a form it would be one parameter with a strange name, and every parameter would seem to be missing.
    if media_type == Some(MediaType::Form) && body.trim_ascii_start().starts_with(b"{") {
        let text =
            "The body is JSON, but its Content-Type says that it is a form: send Content-Type: application/json.";
        return Err(refuse(Refusal::invalid_request(text)));
    }
    parse(&body).map_err(refuse)
}

/// How much of a body is kept. For more than usual, the caller has to be known before it is read.
async fn largest_body(app: &App, context: &Context, head: &Parts) -> Result<usize, Response> {
    let largest = context.endpoint.largest_body;
    if context.endpoint.body != BodyForm::AnyText {
        return Ok(largest);
    }
    let (headers, nothing) = (headers(head), Parameters::default());
    let asked = asked(app, context, head, &headers, &nothing);
    // On the heap, because it is rare.
    match Box::pin(explain::is_known(app, &asked)).await {
        Ok(true) => Ok(largest),
        Ok(false) => Ok(USUAL_BODY),
        Err(failure) => Err(oauth_error::answer(app, context, failure)),
    }
}

fn headers(head: &Parts) -> Vec<(&str, &[u8])> {
    head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

/// A request as use cases see it.
fn asked<'a>(
    app: &'a App,
    context: &'a Context,
    head: &'a Parts,
    headers: &'a [(&'a str, &'a [u8])],
    parameters: &'a Parameters,
) -> app::Request<'a> {
    app::Request {
        issuer: &app.issuer,
        endpoint: context.endpoint.name,
        method: head.method.as_str(),
        target: head.uri.path_and_query().map_or("/", |target| target.as_str()),
        headers,
        parameters,
        peer: &context.peer,
        sender: context.sender(),
        address: context.address,
        request_id: context.request_id,
    }
}

impl EndpointRequest {
    /// The parameters of the body.
    pub(crate) const fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Asks a use case.
    pub(crate) async fn ask<T>(
        &self,
        use_case: impl AsyncFnOnce(&App, &app::Request<'_>) -> app::Result<T>,
    ) -> app::Result<T> {
        let headers = headers(&self.head);
        use_case(&self.app, &asked(&self.app, &self.context, &self.head, &headers, &self.parameters)).await
    }

    /// The answer: what the use case gave, or why it gave nothing.
    pub(crate) fn answer(&self, outcome: app::Result<impl IntoResponse>) -> Response {
        match outcome {
            Ok(answer) => answer.into_response(),
            Err(failure) => oauth_error::answer(&self.app, &self.context, failure),
        }
    }

    /// The same for an answer that is JSON, which nobody may keep (RFC 6749 §5.1; `no-store` is on every answer).
    pub(crate) fn answer_json(&self, outcome: app::Result<impl Serialize>) -> Response {
        self.answer(outcome.and_then(|answer| {
            let mut text = Vec::with_capacity(ROOM);
            serde_json::to_writer(&mut text, &answer).map_err(|error| Failure::Unavailable(error.to_string()))?;
            let mut response = Response::new(Body::from(text));
            let headers = response.headers_mut();
            headers.reserve(HEADERS);
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
            Ok(response)
        }))
    }
}
