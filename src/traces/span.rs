//! A span: one thing that was done for a request.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::protocol::trace_context::SpanId;
use crate::traces::Trace;

/// A wait that is shorter than this says nothing.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// What a span is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Work of this server.
    Internal,
    /// A request to this server.
    Server,
    /// A request to another one.
    Client,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A number.
    Number(i64),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

/// One thing that was done for a request.
#[derive(Debug)]
pub struct Span {
    /// What it belongs to.
    pub trace: Arc<Trace>,
    /// Its id.
    pub id: SpanId,
    /// The span within which it was done.
    pub parent: Option<SpanId>,
    /// What it is about.
    pub kind: Kind,
    /// Its name: one of few.
    pub name: Cow<'static, str>,
    /// When it began, since the epoch.
    pub began_at: Duration,
    /// When it ended, since the epoch.
    pub ended_at: Duration,
    /// What else is known of it. Nothing that a request said: neither secrets nor people have a place here.
    pub attributes: Vec<(&'static str, Value)>,
    /// Whether it failed.
    pub is_failed: bool,
}

impl Span {
    pub(super) fn begin(
        trace: Arc<Trace>,
        id: SpanId,
        parent: Option<SpanId>,
        kind: Kind,
        name: Cow<'static, str>,
        began_at: Duration,
    ) -> Box<Self> {
        let (ended_at, attributes, is_failed) = (began_at, Vec::new(), false);
        Box::new(Self { trace, id, parent, kind, name, began_at, ended_at, attributes, is_failed })
    }
}

/// A span that goes on until this is dropped, even if whoever works on it gives up. Without a trace it is nothing.
#[derive(Debug, Default)]
#[must_use = "the span ends when this is dropped"]
pub struct OpenSpan(Option<Box<Span>>);

impl OpenSpan {
    pub(super) const fn new(span: Box<Span>) -> Self {
        Self(Some(span))
    }

    /// Adds an attribute.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        if let Some(span) = &mut self.0 {
            span.attributes.push((name, value.into()));
        }
    }

    /// Notes that it failed, and how.
    pub(crate) fn failed(&mut self, how: impl Into<Value>) {
        self.set("error.type", how);
        if let Some(span) = &mut self.0 {
            span.is_failed = true;
        }
    }

    /// Ends a wait, which is recorded only if it was one.
    pub(crate) fn waited(mut self) {
        let is_short = |span: &mut Box<Span>| span.trace.now().saturating_sub(span.began_at) < SHORTEST_WAIT;
        if let Some(span) = self.0.take_if(is_short) {
            span.trace.spare();
        }
    }
}

impl Drop for OpenSpan {
    fn drop(&mut self) {
        if let Some(mut span) = self.0.take() {
            let trace = Arc::clone(&span.trace);
            span.ended_at = trace.now();
            trace.queue.add(*span);
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;

    use super::*;
    use crate::clock::Clock;
    use crate::traces::Traces;

    #[test]
    fn a_wait_is_recorded_only_if_it_was_one() {
        let (traces, mut recorded) = Traces::new(Clock::system(), 1.0, Counter::default());
        let trace = traces.begin(None).unwrap();
        let begun_at = |began_at| {
            let mut span = trace.span(Kind::Internal, "a wait");
            span.0.as_mut().unwrap().began_at = began_at;
            span
        };
        begun_at(trace.now() + Duration::from_secs(3600)).waited();
        assert!(recorded.try_recv().is_err());
        begun_at(trace.now() - SHORTEST_WAIT).waited();
        assert!(recorded.try_recv().is_ok());
    }
}
