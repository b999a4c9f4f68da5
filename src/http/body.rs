//! Reading bodies: bounded in size and in time.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};

/// The largest body, in bytes.
pub(super) const LARGEST: usize = 64 * 1024;
/// The largest body with a text that is to be explained: 64 KiB of anything, percent-encoded.
pub(super) const LARGEST_TO_EXPLAIN: usize = 256 * 1024;
/// The longest that a body may take to arrive.
const DEADLINE: Duration = Duration::from_secs(10);

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// The status that says it.
    pub(super) status: StatusCode,
    /// What to do about it.
    pub(super) text: &'static str,
}

/// Reads a whole body of the usual size.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Unreadable> {
    read_up_to(LARGEST, headers, body).await
}

/// Reads a whole body.
pub(super) async fn read_up_to(largest: usize, headers: &HeaderMap, body: Body) -> Result<Bytes, Unreadable> {
    let encoding = headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes());
    if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
        let text = "The body is compressed: send it without Content-Encoding.";
        return Err(Unreadable { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, text });
    }
    match tokio::time::timeout(DEADLINE, Limited::new(body, largest).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let text = "The body is too large: 64 KiB is the limit, and 256 KiB at /auth/explain.";
            Err(Unreadable { status: StatusCode::PAYLOAD_TOO_LARGE, text })
        }
        Ok(Err(_)) => Err(Unreadable { status: StatusCode::BAD_REQUEST, text: "The body did not arrive whole." }),
        Err(_) => {
            let text = "The body did not arrive within 10 seconds.";
            Err(Unreadable { status: StatusCode::REQUEST_TIMEOUT, text })
        }
    }
}

/// A media type that bodies are read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MediaType {
    /// `application/x-www-form-urlencoded`
    Form,
    /// `application/json`
    Json,
    /// `application/merge-patch+json`
    MergePatch,
}

/// The media type of a body, whatever its parameters.
pub(super) fn media_type(headers: &HeaderMap) -> Option<MediaType> {
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
