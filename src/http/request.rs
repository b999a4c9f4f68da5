//! A request to an endpoint, and the answer to it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{self, FromRequest};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::app::{self, App, Failure};
use crate::http::body::{self, MediaType, media_type};
use crate::http::context::Context;
use crate::http::route::BodyForm;
use crate::http::{error, oauth_error};
use crate::protocol::error::Refusal;
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
}

impl FromRequest<Arc<App>> for EndpointRequest {
    type Rejection = Response;

    async fn from_request(request: extract::Request, app: &Arc<App>) -> Result<Self, Response> {
        let (head, body) = request.into_parts();
        let context = Context::of(&head.extensions).map_err(IntoResponse::into_response)?;
        let parameters = read_parameters(app, &context, &head, body).await?;
        Ok(Self { app: Arc::clone(app), context, head, parameters })
    }
}

/// Parameters are taken from the body, never from the address.
async fn read_parameters(app: &App, context: &Context, head: &Parts, body: Body) -> Result<Parameters, Response> {
    let media_type = media_type(&head.headers);
    let parse = match (context.endpoint.body, media_type) {
        (BodyForm::Unread, _) => return Ok(Parameters::default()),
        (BodyForm::AnyText, Some(MediaType::Form)) => Parameters::from_any_form,
        (BodyForm::Parameters, Some(MediaType::Form)) => Parameters::from_form,
        (_, Some(MediaType::Json)) => Parameters::from_json,
        _ => {
            let text = "Send the parameters as application/x-www-form-urlencoded or application/json.";
            return Err(oauth_error::answer(app, context, Refusal::invalid_request(text).into()));
        }
    };
    let body = body::read(context.endpoint.largest_body, &head.headers, body).await;
    let body = body.map_err(|unreadable| error::unreadable(app, context, unreadable))?;
    // As a form it would be one parameter with a strange name, and every parameter would seem to be missing.
    if media_type == Some(MediaType::Form) && body.trim_ascii_start().starts_with(b"{") {
        let text =
            "The body is JSON, but its Content-Type says that it is a form: send Content-Type: application/json.";
        return Err(oauth_error::answer(app, context, Refusal::invalid_request(text).into()));
    }
    parse(&body).map_err(|refusal| oauth_error::answer(app, context, refusal.into()))
}

impl EndpointRequest {
    /// Asks a use case.
    pub(crate) async fn ask<T>(
        &self,
        use_case: impl AsyncFnOnce(&App, &app::Request<'_>) -> app::Result<T>,
    ) -> app::Result<T> {
        let headers = self.head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let headers: Vec<(&str, &[u8])> = headers.collect();
        let request = app::Request {
            issuer: &self.app.issuer,
            endpoint: self.context.endpoint.name,
            method: self.head.method.as_str(),
            target: self.head.uri.path_and_query().map_or("/", |target| target.as_str()),
            headers: &headers,
            parameters: &self.parameters,
            peer: &self.context.peer,
            address: self.context.address,
            request_id: self.context.request_id,
        };
        use_case(&self.app, &request).await
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
