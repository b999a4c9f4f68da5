//! `/console/live`: parts of a page that are kept current, as server-sent events.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use askama::Template;
use axum::response::Response;
use futures_util::stream;
use serde_json::{Map, Value, json};

use crate::console::{Frame, LOGGED_OUT, Live, Parts, Told};
use crate::http::pages::ConsolePart;
use crate::http::request::EndpointRequest;
use crate::http::{event_stream, reply};
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

/// Answers with the stream.
pub(super) fn answer(request: EndpointRequest, live: Live) -> Response {
    let stream = Stream { request, live, sent: BTreeMap::new(), sent_at: Instant::now() };
    event_stream::answer(stream::unfold(stream, |mut stream| async move {
        let text = stream.next().await?;
        Some((text, stream))
    }))
}

/// Answers a browser at which nobody is logged in any more: it need not ask again.
pub(super) fn answer_logged_out() -> Response {
    event_stream::answer(stream::iter([end(LOGGED_OUT, false)]))
}

impl Stream {
    /// What it sends next.
    async fn next(&mut self) -> Option<String> {
        loop {
            let text = match self.live.next(&self.request.app).await? {
                Told::Parts(parts, now) => self.changes(&parts, now),
                Told::End(reason, again) => Some(end(reason, again)),
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

/// The last event: why it ends, and whether it may begin again.
fn end(reason: &str, again: bool) -> String {
    event("end", &json!({"reason": reason, "again": again}))
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
        assert_eq!(text.trim_end().lines().count(), 2, "{text:?}");
    }
}
