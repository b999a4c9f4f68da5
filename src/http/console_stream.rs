//! `/console/live`: parts of a page that are kept current, as server-sent events.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use askama::Template;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Map, Value, json};

use crate::console::{Frame, Live, Parts, Told};
use crate::http::pages::ConsolePart;
use crate::http::reply;
use crate::http::request::EndpointRequest;
use crate::protocol::time::Timestamp;

/// The longest time for which a stream says nothing: proxies end what is silent.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A stream to one browser.
struct Stream {
    request: EndpointRequest,
    live: Live,
    /// The parts as they were sent.
    sent: BTreeMap<&'static str, String>,
    sent_at: Instant,
}

/// Answers with the stream. It ends when the browser leaves.
pub(super) fn answer(request: EndpointRequest, live: Live) -> Response {
    let stream = Stream { request, live, sent: BTreeMap::new(), sent_at: Instant::now() };
    let body = stream::unfold(stream, |mut stream| async move {
        let text = stream.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(text)), stream))
    });
    let mut response = Body::from_stream(body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // nginx would hold it back until its buffer is full.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

impl Stream {
    /// What it sends next.
    async fn next(&mut self) -> Option<String> {
        loop {
            let text = match self.live.next(&self.request.app).await? {
                Told::Parts(parts, now) => self.changes(&parts, now),
                Told::End(reason, again) => Some(event("end", &json!({"reason": reason, "again": again}))),
            };
            let text = text.or_else(|| (self.sent_at.elapsed() >= HEARTBEAT).then(|| ": heartbeat\n\n".to_owned()));
            if text.is_some() {
                self.sent_at = Instant::now();
                return text;
            }
        }
    }

    /// The parts that differ from what was sent.
    fn changes(&mut self, parts: &Parts, now: Timestamp) -> Option<String> {
        let look = reply::look(&self.request).of_console();
        let frame = Frame::of_parts(now);
        let mut changed = Map::new();
        for (name, blocks) in parts {
            let name = *name;
            // It is not rendered only if its template is wrong.
            let Ok(html) = (ConsolePart { look: &look, frame: &frame, blocks }).render() else { continue };
            if self.sent.get(name) != Some(&html) {
                changed.insert(name.to_owned(), Value::from(html.as_str()));
                self.sent.insert(name, html);
            }
        }
        (!changed.is_empty()).then(|| event("parts", &Value::Object(changed)))
    }
}

/// An event as it is sent (HTML §9.2.6): JSON has no line breaks.
fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_block_whatever_it_holds() {
        let text = event("parts", &json!({"a": "<p>\r\n\r\nevent: end\u{2028}</p>"}));
        assert!(text.ends_with("\n\n") && text.matches("\n\n").count() == 1 && !text.contains('\r'), "{text:?}");
        assert_eq!(text.lines().count(), 2, "{text:?}");
    }
}
