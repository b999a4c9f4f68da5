//! Spans as JSON for OTLP over HTTP (`ExportTraceServiceRequest`): ids as hexadecimal digits, 64-bit numbers as texts.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::traces::{self, Kind, Span};

/// The flag that says that the trace is recorded.
const SAMPLED: u32 = 1;
/// The flags that say that the parent is known to be on another machine, or on this one.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;
/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;

/// The document that exports these spans of a node.
pub(crate) fn document(node: Uuid, environment: &str, spans: &[Span]) -> Value {
    let version = env!("CARGO_PKG_VERSION");
    let resource = [
        ("service.name", "jeton".into()),
        ("service.version", version.into()),
        ("service.instance.id", node.to_string().into()),
        ("deployment.environment.name", environment.to_owned().into()),
    ];
    json!({"resourceSpans": [{
        "resource": {"attributes": attributes(&resource)},
        "scopeSpans": [{
            "scope": {"name": "jeton", "version": version},
            "spans": spans.iter().map(exported).collect::<Vec<_>>(),
        }],
    }]})
}

fn exported(span: &Span) -> Value {
    let kind = match span.kind {
        Kind::Internal => 1,
        Kind::Server => 2,
        Kind::Client => 3,
    };
    let remote = if span.trace.is_of_caller(span.parent) { IS_REMOTE } else { 0 };
    let mut exported = json!({
        "traceId": span.trace.id.to_string(),
        "spanId": span.id.to_string(),
        "flags": SAMPLED | HAS_IS_REMOTE | remote,
        "name": span.name,
        "kind": kind,
        "startTimeUnixNano": nanos(span.began_at),
        "endTimeUnixNano": nanos(span.ended_at),
        "attributes": attributes(&span.attributes),
    });
    if let Some(parent) = span.parent {
        exported["parentSpanId"] = parent.to_string().into();
    }
    if let Some(state) = &span.trace.state {
        exported["traceState"] = state.as_str().into();
    }
    if span.is_failed {
        exported["status"] = json!({"code": ERROR});
    }
    exported
}

fn nanos(since_epoch: Duration) -> String {
    since_epoch.as_nanos().to_string()
}

fn attributes(attributes: &[(&'static str, traces::Value)]) -> Vec<Value> {
    let value = |value: &traces::Value| match value {
        traces::Value::Text(text) => json!({"stringValue": text}),
        traces::Value::Number(number) => json!({"intValue": number.to_string()}),
    };
    attributes.iter().map(|(key, of)| json!({"key": key, "value": value(of)})).collect()
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;

    use super::*;
    use crate::clock::Clock;
    use crate::protocol::time::Timestamp;
    use crate::protocol::trace_context::TraceContext;
    use crate::traces::Traces;

    #[test]
    fn a_span_is_exported_in_the_form_of_otlp() {
        let clock = Clock::manual(Timestamp::from_seconds(1_800_000_000));
        let (traces, mut recorded) = Traces::new(clock, 1.0, Counter::default());
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let trace = traces.begin(TraceContext::read(parent, Some("a=b"))).unwrap();
        let mut server = trace.server_span("POST /auth/token".into());
        server.set("http.response.status_code", 503_u16);
        server.failed("503");
        drop(trace.span(Kind::Client, "SELECT"));
        drop(server);
        let spans = [recorded.try_recv().unwrap(), recorded.try_recv().unwrap()];
        let mut document = document(Uuid::from_u128(7), "live", &spans);
        let mut taken = document["resourceSpans"][0]["scopeSpans"][0]["spans"].take();
        let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
        assert_eq!(
            document["resourceSpans"][0]["resource"]["attributes"],
            json!([
                text("service.name", "jeton"),
                text("service.version", env!("CARGO_PKG_VERSION")),
                text("service.instance.id", "00000000-0000-0000-0000-000000000007"),
                text("deployment.environment.name", "live"),
            ])
        );
        let (begun, ended) = (taken[1]["startTimeUnixNano"].clone(), taken[1]["endTimeUnixNano"].take());
        assert_eq!(begun, "1800000000000000000");
        assert!(ended.as_str().unwrap() >= begun.as_str().unwrap());
        assert_eq!(
            (&taken[0]["parentSpanId"], &taken[0]["kind"], &taken[0]["flags"]),
            (&taken[1]["spanId"], &json!(3), &json!(0x101))
        );
        assert_eq!(
            taken[1],
            json!({
                "traceId": "0af7651916cd43dd8448eb211c80319c",
                "spanId": spans[1].id.to_string(),
                "flags": 0x301,
                "name": "POST /auth/token",
                "kind": 2,
                "startTimeUnixNano": begun,
                "endTimeUnixNano": null,
                "attributes": [
                    {"key": "http.response.status_code", "value": {"intValue": "503"}},
                    text("error.type", "503"),
                ],
                "parentSpanId": "b7ad6b7169203331",
                "traceState": "a=b",
                "status": {"code": 2},
            })
        );
    }
}
