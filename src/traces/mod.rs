//! Traces (OpenTelemetry): what a request did, and how long each part of it took.
//!
//! A trace is a value of the current request and not a span of `tracing`, for the same reasons. What is recorded waits in a bounded
//! queue for the export (`telemetry/trace_export.rs`); when it is full, spans are dropped and counted, so that no request ever waits.

mod span;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::crypto::random;
use crate::protocol::trace_context::{SpanId, TraceContext, TraceId};

pub use span::{Kind, OpenSpan, Span, Value};

/// The most spans that wait for the export: about 2 MB.
const MOST_WAITING: usize = 4096;
/// The most spans of one request, besides its own.
const MOST_OF_A_REQUEST: u32 = 128;

/// Begins traces.
#[derive(Debug)]
pub struct Traces {
    queue: Queue,
    clock: Clock,
    /// The share of new traces that are recorded.
    sample: f64,
}

/// Where spans wait to be exported.
#[derive(Clone, Debug)]
struct Queue {
    spans: mpsc::Sender<Span>,
    dropped: Counter,
}

impl Traces {
    /// Records this share of new traces, from 0 to 1. What is recorded comes out of the channel; what has no room in it is counted.
    pub fn new(clock: Clock, sample: f64, dropped: Counter) -> (Self, mpsc::Receiver<Span>) {
        let (spans, recorded) = mpsc::channel(MOST_WAITING);
        (Self { queue: Queue { spans, dropped }, clock, sample }, recorded)
    }

    /// The trace of a request, if it is recorded. What its caller decided is followed, so that traces are whole.
    pub(crate) fn begin(&self, incoming: Option<TraceContext>) -> Option<Arc<Trace>> {
        let (id, parent, state) = match incoming {
            Some(TraceContext { is_sampled: false, .. }) => return None,
            Some(TraceContext { trace, parent, state, .. }) => (trace, Some(parent), state),
            None => {
                let id = TraceId::of(random());
                if id.share() >= self.sample {
                    return None;
                }
                (id, None, None)
            }
        };
        Some(Arc::new(Trace {
            id,
            root: SpanId::of(random()),
            parent,
            state,
            cause: OnceLock::new(),
            begun: Instant::now(),
            began_at: self.clock.machine_time(),
            spans: AtomicU32::new(0),
            queue: self.queue.clone(),
        }))
    }
}

/// The part of a trace that this server adds: that of one request.
#[derive(Debug)]
pub struct Trace {
    /// Its id, which the caller's and other servers' parts have too.
    pub id: TraceId,
    /// What tracing systems say to one another.
    pub state: Option<String>,
    /// The id of the request's own span.
    root: SpanId,
    /// The caller's span.
    parent: Option<SpanId>,
    /// Why the request was refused.
    cause: OnceLock<&'static str>,
    begun: Instant,
    /// The same moment, since the epoch. All times are counted from it, so that no clock that is set disorders them.
    began_at: Duration,
    /// How many spans it has, besides the request's own.
    spans: AtomicU32,
    queue: Queue,
}

impl Trace {
    /// The request's own span.
    pub(crate) fn server_span(self: &Arc<Self>, name: String) -> OpenSpan {
        let parent = self.parent;
        OpenSpan::new(Span::begin(Arc::clone(self), self.root, parent, Kind::Server, name.into(), self.began_at))
    }

    /// A span within the request's; none if there are too many already.
    pub(crate) fn span(self: &Arc<Self>, kind: Kind, name: &'static str) -> OpenSpan {
        if self.spans.fetch_add(1, Ordering::Relaxed) >= MOST_OF_A_REQUEST {
            return OpenSpan::default();
        }
        let (id, parent) = (SpanId::of(random()), Some(self.root));
        OpenSpan::new(Span::begin(Arc::clone(self), id, parent, kind, name.into(), self.now()))
    }

    /// Gives back the place of a span that is not recorded.
    fn spare(&self) {
        self.spans.fetch_sub(1, Ordering::Relaxed);
    }

    /// Notes why the request was refused: the first cause that is found.
    pub(crate) fn refused(&self, cause: &'static str) {
        self.cause.get_or_init(|| cause);
    }

    /// Why the request was refused.
    pub(crate) fn cause(&self) -> Option<&'static str> {
        self.cause.get().copied()
    }

    /// Whether this span is the caller's.
    pub fn is_of_caller(&self, span: Option<SpanId>) -> bool {
        span.is_some() && span == self.parent
    }

    fn now(&self) -> Duration {
        self.began_at + self.begun.elapsed()
    }
}

impl Queue {
    fn add(&self, span: Span) {
        if self.spans.try_send(span).is_err() {
            self.dropped.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INCOMING: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-";

    fn traces(sample: f64) -> (Traces, mpsc::Receiver<Span>, Counter) {
        let dropped = Counter::default();
        let (traces, recorded) = Traces::new(Clock::system(), sample, dropped.clone());
        (traces, recorded, dropped)
    }

    #[test]
    fn the_caller_decides_whether_its_trace_is_recorded_and_the_share_about_new_ones() {
        for sample in [0.0, 1.0] {
            let (traces, ..) = traces(sample);
            let of_caller = |flags: &str| traces.begin(TraceContext::read(&format!("{INCOMING}{flags}"), None));
            assert!(of_caller("00").is_none());
            assert_eq!(of_caller("01").unwrap().id.to_string(), "0af7651916cd43dd8448eb211c80319c");
            assert_eq!(traces.begin(None).is_some(), sample > 0.0);
        }
    }

    #[test]
    fn spans_are_recorded_when_they_are_dropped_and_lie_within_that_of_the_request() {
        let (traces, mut recorded, _) = traces(1.0);
        let trace = traces.begin(TraceContext::read(&format!("{INCOMING}01"), None)).unwrap();
        let server = trace.server_span("POST /auth/token".into());
        let mut inner = trace.span(Kind::Internal, "inner");
        inner.set("number", 7_u16);
        inner.failed("refused");
        drop(inner);
        drop(server);
        let (inner, server) = (recorded.try_recv().unwrap(), recorded.try_recv().unwrap());
        assert!(recorded.try_recv().is_err(), "there are no others");
        assert_eq!((inner.name.as_ref(), inner.parent), ("inner", Some(server.id)));
        assert_eq!(inner.attributes, [("number", Value::Number(7)), ("error.type", "refused".into())]);
        assert!(inner.is_failed && !server.is_failed);
        assert_eq!(server.parent.unwrap().to_string(), "b7ad6b7169203331");
        assert!(server.began_at <= inner.began_at && inner.ended_at <= server.ended_at);
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_counted_and_nobody_waits() {
        let (traces, mut recorded, dropped) = traces(1.0);
        let trace = traces.begin(None).unwrap();
        for _ in 0..=MOST_OF_A_REQUEST {
            drop(trace.span(Kind::Internal, "one"));
        }
        assert_eq!(dropped.get(), 0, "what one request has too much is left out");
        for _ in MOST_OF_A_REQUEST as usize..MOST_WAITING + 5 {
            drop(traces.begin(None).unwrap().server_span(String::new()));
        }
        assert_eq!(dropped.get(), 5);
        let mut count = 0;
        while recorded.try_recv().is_ok() {
            count += 1;
        }
        assert_eq!(count, MOST_WAITING);
    }
}
