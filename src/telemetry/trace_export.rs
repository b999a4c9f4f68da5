//! Exports what is recorded of traces to a collector, a batch at a time. What it does not take is dropped and counted.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

use crate::calling_out::{Caller, Refused};
use crate::settings::Otlp;
use crate::telemetry::metrics::{Metrics, SpanOutcome};
use crate::telemetry::otlp;
use crate::traces::Span;

/// The most spans in a batch, and how long the first of one waits for others.
const MOST: usize = 512;
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The pauses after which a batch is sent again, if the collector was in trouble.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];
/// The time between two lines of the log about a collector that takes nothing.
const BETWEEN_LINES: Duration = Duration::from_secs(60);
/// The longest time that the last batches may take at a stop.
const AT_STOP: Duration = Duration::from_secs(2);

/// An export under way.
#[derive(Debug)]
pub struct TraceExport {
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// What is exported, and where to.
#[derive(Debug)]
pub struct Exporter {
    /// The collector.
    pub otlp: Otlp,
    /// Calls it.
    pub caller: Caller,
    /// The id of this node.
    pub node: Uuid,
    /// The environment of this server.
    pub environment: String,
    /// Counts what becomes of spans.
    pub metrics: Metrics,
}

impl TraceExport {
    /// Exports what comes out of the channel.
    pub fn start(exporter: Exporter, spans: mpsc::Receiver<Span>) -> Self {
        let (end, ended) = oneshot::channel();
        Self { end, task: tokio::spawn(run(exporter, spans, ended)) }
    }

    /// Exports what is left, for two seconds at most.
    pub async fn stop(mut self) {
        drop(self.end);
        if tokio::time::timeout(AT_STOP, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

async fn run(exporter: Exporter, mut spans: mpsc::Receiver<Span>, mut ended: oneshot::Receiver<()>) {
    let (mut batch, mut failures) = (Vec::with_capacity(MOST), Failures::default());
    let mut is_ending = false;
    while !is_ending {
        tokio::select! {
            is_open = gather(&mut spans, &mut batch) => is_ending = !is_open,
            _ = &mut ended => is_ending = true,
        }
        let mut pauses = PAUSES.iter();
        while let Err(refused) = exporter.send(&mut batch).await {
            failures.note(&refused);
            let pause = pauses.next().filter(|_| refused.is_about_the_host() && !is_ending);
            let Some(pause) = pause else {
                exporter.give_up(&mut batch);
                break;
            };
            tokio::select! {
                () = tokio::time::sleep(*pause) => {}
                _ = &mut ended => is_ending = true,
            }
        }
    }
    while let Ok(span) = spans.try_recv() {
        batch.push(span);
        if batch.len() == MOST && exporter.send(&mut batch).await.is_err() {
            return;
        }
    }
    // There is nobody left to tell.
    let _ = exporter.send(&mut batch).await;
}

/// Fills a batch, until it is full or its first span has waited long enough; whether there may be more. Given up, it loses nothing.
async fn gather(spans: &mut mpsc::Receiver<Span>, batch: &mut Vec<Span>) -> bool {
    let mut enough = None;
    while batch.len() < MOST {
        let room = MOST - batch.len();
        let taken = match enough {
            None => Ok(spans.recv_many(batch, room).await),
            Some(enough) => tokio::time::timeout_at(enough, spans.recv_many(batch, room)).await,
        };
        match taken {
            Ok(0) => return false,
            Ok(_) => enough = enough.or(Some(Instant::now() + LONGEST_WAIT)),
            Err(_) => break,
        }
    }
    true
}

impl Exporter {
    /// Sends a batch, which is empty when the collector has taken it.
    async fn send(&self, batch: &mut Vec<Span>) -> Result<(), Refused> {
        if batch.is_empty() {
            return Ok(());
        }
        let document = otlp::document(self.node, &self.environment, batch).to_string();
        self.caller.post_json_to_operator(&self.otlp.url, &self.otlp.headers.expose(), document.into()).await?;
        self.metrics.spans(SpanOutcome::Exported, batch.len());
        batch.clear();
        Ok(())
    }

    fn give_up(&self, batch: &mut Vec<Span>) {
        self.metrics.spans(SpanOutcome::Dropped, batch.len());
        batch.clear();
    }
}

/// Failures, of which the log has one a minute.
#[derive(Debug, Default)]
struct Failures {
    logged: Option<Instant>,
}

impl Failures {
    fn note(&mut self, refused: &Refused) {
        if self.logged.is_none_or(|logged| logged.elapsed() >= BETWEEN_LINES) {
            self.logged = Some(Instant::now());
            tracing::warn!(reason = %refused, "the collector of JETON_OTLP_ENDPOINT takes no traces; repetitions are not logged for a minute");
        }
    }
}
