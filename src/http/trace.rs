//! The trace of a request, from the head of the request to that of its answer, as the semantic conventions for HTTP servers name it.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Version};
use uuid::Uuid;

use crate::app::App;
use crate::protocol::trace_context::TraceContext;
use crate::traces::{OpenSpan, Trace};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// A request that is recorded. Without [`answered`](Self::answered) its client did not wait for the answer.
#[derive(Debug)]
pub(crate) struct TracedRequest {
    pub(crate) trace: Arc<Trace>,
    span: OpenSpan,
}

/// Begins to record a request, if this server records traces and this one is to be. What the request says besides its method is
/// left out: paths, queries, hosts and addresses may be about people.
pub(crate) fn begin(app: &App, route: Option<&'static str>, request: &Request, id: Uuid) -> Option<TracedRequest> {
    let trace = app.traces.get()?.begin(context(request.headers()))?;
    let method = method(request.method());
    // One that is not known is no part of a name (§"Name").
    let verb = method.unwrap_or("HTTP");
    let mut span = trace.server_span(route.map_or_else(|| verb.to_owned(), |route| format!("{verb} {route}")));
    span.set("http.request.method", method.unwrap_or("_OTHER"));
    if let Some(route) = route {
        span.set("http.route", route);
    }
    // As clients know this server, and not as the request says.
    let (scheme, usual) = if app.issuer.url().starts_with("https:") { ("https", 443) } else { ("http", 80) };
    let (host, port) = host_and_port(app.issuer.host(), usual);
    span.set("url.scheme", scheme);
    span.set("server.address", host.to_owned());
    span.set("server.port", port);
    span.set("network.protocol.version", if request.version() == Version::HTTP_2 { "2" } else { "1.1" });
    span.set("jeton.request_id", id.to_string());
    Some(TracedRequest { trace, span })
}

impl TracedRequest {
    /// Ends it with this answer.
    pub(crate) fn answered(mut self, status: StatusCode) {
        self.span.set("http.response.status_code", status.as_u16());
        if let Some(cause) = self.trace.cause() {
            self.span.set("jeton.cause", cause);
        }
        if status.is_server_error() {
            self.span.failed(status.as_str().to_owned());
        }
    }
}

fn host_and_port(authority: &str, usual: u16) -> (&str, u16) {
    let split = authority.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    split.unwrap_or((authority, usual))
}

/// What the caller says of its trace. Two of the header are as good as none.
fn context(headers: &HeaderMap) -> Option<TraceContext> {
    let mut parents = headers.get_all(TRACEPARENT).iter();
    let parent = parents.next().filter(|_| parents.next().is_none())?.to_str().ok()?;
    let states: Option<Vec<&str>> = headers.get_all(TRACESTATE).iter().map(|state| state.to_str().ok()).collect();
    TraceContext::read(parent, states.map(|states| states.join(",")).as_deref())
}

/// The name of a method, if it is one of those that are registered: clients can send any word.
fn method(method: &Method) -> Option<&'static str> {
    const KNOWN: [&str; 9] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE"];
    KNOWN.into_iter().find(|known| *known == method.as_str())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn one_traceparent_is_read_with_every_tracestate_and_two_are_none() {
        let parent = HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let mut headers = HeaderMap::new();
        assert_eq!(context(&headers), None);
        headers.append(TRACEPARENT, parent.clone());
        headers.append(TRACESTATE, HeaderValue::from_static("a=1"));
        headers.append(TRACESTATE, HeaderValue::from_static("b=2"));
        assert_eq!(context(&headers).unwrap().state.as_deref(), Some("a=1,b=2"));
        headers.append(TRACEPARENT, parent);
        assert_eq!(context(&headers), None);
    }

    #[test]
    fn a_server_has_an_address_and_a_port() {
        for (authority, expected) in [
            ("auth.example.com", ("auth.example.com", 443)),
            ("127.0.0.1:8080", ("127.0.0.1", 8080)),
            ("[::1]:8080", ("[::1]", 8080)),
            ("[::1]", ("[::1]", 443)),
        ] {
            assert_eq!(host_and_port(authority, 443), expected);
        }
    }

    #[test]
    fn a_method_that_nobody_knows_has_no_name() {
        assert_eq!(method(&Method::PATCH), Some("PATCH"));
        assert_eq!(method(&Method::from_bytes(b"ALICE").unwrap()), None);
    }
}
