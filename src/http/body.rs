//! Reading bodies: bounded in size and in time.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Body as _;

use crate::http::deadline::in_time;

/// The longest that a body may take to arrive.
const DEADLINE: Duration = Duration::from_secs(10);

/// Why a body could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// The status of the answer.
    pub(crate) status: StatusCode,
    /// What is wrong.
    pub(crate) text: Cow<'static, str>,
}

impl Unreadable {
    fn new(status: StatusCode, text: &'static str) -> Self {
        Self { status, text: text.into() }
    }
}

/// Reads a whole body of at most so many bytes.
pub(crate) async fn read(largest: usize, headers: &HeaderMap, body: Body) -> Result<Bytes, Unreadable> {
    read_within(DEADLINE, largest, headers, body).await
}

async fn read_within(deadline: Duration, largest: usize, headers: &HeaderMap, body: Body) -> Result<Bytes, Unreadable> {
    let encoding = headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes());
    if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
        let text = "The body is compressed: send it without Content-Encoding.";
        return Err(Unreadable::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    let too_large = || Unreadable {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        text: format!("The body is too large: {} KiB is the limit.", largest / 1024).into(),
    };
    // Refused before it is sent, where the client waits for "100 Continue" (RFC 9110 §10.1.1).
    if body.size_hint().lower() > largest as u64 {
        return Err(too_large());
    }
    match in_time(deadline, Limited::new(body, largest).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Unreadable::new(StatusCode::BAD_REQUEST, "The body did not arrive whole.")),
        Err(_) => Err(Unreadable::new(StatusCode::REQUEST_TIMEOUT, "The body did not arrive within 10 seconds.")),
    }
}

/// A media type that bodies are read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaType {
    /// `application/x-www-form-urlencoded`
    Form,
    /// `application/json`
    Json,
    /// `application/merge-patch+json`
    MergePatch,
}

/// The media type of a body, whatever its parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<MediaType> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let essence = value.split(';').next().unwrap_or_default().trim();
    let known = [
        ("application/x-www-form-urlencoded", MediaType::Form),
        ("application/json", MediaType::Json),
        ("application/merge-patch+json", MediaType::MergePatch),
    ];
    known.into_iter().find(|(name, _)| essence.eq_ignore_ascii_case(name)).map(|(_, media_type)| media_type)
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;
    use crate::app::App;
    use crate::http::context::Context;
    use crate::http::error;
    use crate::http::route::Endpoint;

    #[tokio::test]
    async fn a_body_that_takes_too_long_is_answered_with_408_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let app = App::for_a_test(folder.path()).await;
        let endpoint = Endpoint::named("token");
        let part = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"grant_type="))]);
        // It never comes to its end.
        let body = Body::from_stream(part.chain(futures_util::stream::pending()));
        let headers = HeaderMap::new();
        let read = read_within(Duration::from_millis(1), 64 * 1024, &headers, body);
        let Ok(read) = tokio::time::timeout(Duration::from_secs(60), read).await else {
            panic!("there is no deadline")
        };
        let response = error::unreadable(&app, &Context::for_a_test(endpoint), read.unwrap_err());
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 10_000).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (parts.status, &parts.headers["content-type"]),
            (StatusCode::REQUEST_TIMEOUT, &"application/json".parse().unwrap())
        );
        assert_eq!(body["error"], "invalid_request");
        assert_eq!(body["error_description"], "The body did not arrive within 10 seconds.");
        assert_eq!(app.metrics.refusals("token", "invalid_request"), 1);
    }
}
