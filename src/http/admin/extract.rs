//! The parts of a request to the admin API: actor, path, query and JSON.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Path, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::Body as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::admin::{self, Actor, AdminError, ListRequest, Result};
use crate::app::App;
use crate::http::body::{MediaType, media_type};
use crate::http::context::Context;
use crate::http::problem;

/// The parameters of the query that a request may have; none unless the table of routes names some.
#[derive(Clone, Copy)]
pub(super) struct QueryParameters(pub(super) &'static [&'static str]);

/// A request that passed its guard.
pub(crate) struct Call {
    app: Arc<App>,
    context: Context,
    /// The administrator.
    pub(crate) actor: Actor,
    path: HashMap<String, String>,
    query: Vec<(String, String)>,
}

impl FromRequestParts<Arc<App>> for Call {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> std::result::Result<Self, Response> {
        let context = Context::of(&parts.extensions).map_err(IntoResponse::into_response)?;
        let Some(actor) = parts.extensions.get::<Actor>().cloned() else {
            return Err(StatusCode::INTERNAL_SERVER_ERROR.into_response());
        };
        let path = Path::<HashMap<String, String>>::from_request_parts(parts, app).await;
        let path = path.map_err(|_| {
            problem::answer(app, &context, AdminError::Invalid("the path is not UTF-8 in percent-encoding".into()))
        })?;
        let query: Vec<(String, String)> =
            form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let known = parts.extensions.get::<QueryParameters>().map_or(&[][..], |known| known.0);
        check_query(&query, known).map_err(|problem| problem::answer(app, &context, AdminError::Invalid(problem)))?;
        Ok(Self { app: Arc::clone(app), context, actor, path: path.0, query })
    }
}

/// Checks that each parameter is known and sent once: a misspelt filter must not list everything.
fn check_query(query: &[(String, String)], known: &[&str]) -> std::result::Result<(), String> {
    for (index, (name, value)) in query.iter().enumerate() {
        if !known.contains(&name.as_str()) {
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(format!("{} is no parameter of this request; it has {known}", shown(name)));
        }
        if value.chars().any(char::is_control) {
            return Err(format!("the parameter {name} has control characters"));
        }
        if query[..index].iter().any(|(other, _)| other == name) {
            return Err(format!("the parameter {name} was sent twice"));
        }
    }
    Ok(())
}

/// An unknown name, unless it may be a secret in the wrong place: it goes into the log.
fn shown(name: &str) -> String {
    let is_a_name = name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_a_name { format!("{name:?}") } else { "what was sent".to_owned() }
}

impl Call {
    /// The state.
    pub(crate) fn app(&self) -> &App {
        &self.app
    }

    /// The same, to be kept for longer than the request.
    pub(crate) fn shared_app(&self) -> Arc<App> {
        Arc::clone(&self.app)
    }

    /// The answer if there is no room for what was asked for just now.
    pub(crate) fn unavailable(&self, detail: &str) -> Response {
        problem::unavailable(&self.app, &self.context, detail)
    }

    /// The answer if it failed.
    pub(crate) fn failed(&self, error: AdminError) -> Response {
        problem::answer(&self.app, &self.context, error)
    }

    /// A part of the path.
    pub(crate) fn path(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    /// A parameter of the query; an empty one is absent.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A parameter of the query that is true or false; an absent one is false.
    pub(crate) fn query_bool(&self, name: &str) -> Result<bool> {
        match self.query(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(AdminError::Invalid(format!("{name} is true or false"))),
        }
    }

    /// The page that is requested of a list.
    pub(crate) fn list_request(&self) -> Result<ListRequest> {
        let limit = self
            .query("limit")
            .map(|text| text.parse().map_err(|_| AdminError::Invalid(format!("limit is a number, not {text:?}"))));
        Ok(ListRequest { limit: limit.transpose()?, cursor: self.query("cursor").map(str::to_owned) })
    }

    /// The answer: the result, or why there is none.
    pub(crate) async fn answer<T: Serialize>(
        &self,
        status: StatusCode,
        outcome: impl Future<Output = Result<T>>,
    ) -> Response {
        match outcome.await {
            Ok(_) if status == StatusCode::NO_CONTENT => status.into_response(),
            Ok(value) => (status, Json(value)).into_response(),
            Err(error) => problem::answer(&self.app, &self.context, error),
        }
    }
}

/// A JSON body, read into the type of its request.
pub(crate) struct Body<T>(pub(crate) Result<T>);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> std::result::Result<Self, Response> {
        let context = Context::of(request.extensions()).map_err(IntoResponse::into_response)?;
        let refusal = |code, text| problem::problem(app, &context, StatusCode::BAD_REQUEST, code, text);
        match media_type(request.headers()) {
            Some(MediaType::Json | MediaType::MergePatch) => {
                // The guard has read it, within its limit.
                let body = Bytes::from_request(request, app).await.map_err(IntoResponse::into_response)?;
                Ok(Self(admin::body::read(&body)))
            }
            // RFC 6750 §2: a form could carry a second token.
            Some(MediaType::Form) => Err(refusal("invalid_request", "send JSON, not a form")),
            None => Err(refusal("invalid_input", "send the body as application/json")),
        }
    }
}

/// A body that may be left out.
impl<T: DeserializeOwned> OptionalFromRequest<Arc<App>> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> std::result::Result<Option<Self>, Response> {
        if request.body().size_hint().exact() == Some(0) {
            return Ok(None);
        }
        <Self as FromRequest<Arc<App>>>::from_request(request, app).await.map(Some)
    }
}
