//! HTTP/2 connections.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use hyper::body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::serve::accepted::{Accepted, End, LARGEST_HEAD, answer, wait_for_stop};
use crate::serve::explained::{Begun, Explained};
use crate::serve::slots::Slots;

/// The most requests at a time on one HTTP/2 connection.
const MOST_STREAMS: u32 = 100;
/// The most streams that a client may have reset and that this server still tracks: more end the connection.
const MOST_RESETS: usize = 50;
/// What an HTTP/2 client may send ahead, in bytes, on one stream and on all together. Bodies are small.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Serves an HTTP/2 connection to its end.
pub(super) async fn serve<S>(stream: S, accepted: Accepted) -> End
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let open_until = accepted.open_until();
    let Accepted { peer, mut served, deadlines, slots, .. } = accepted;
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        .max_pending_accept_reset_streams(MOST_RESETS)
        .max_local_error_reset_streams(MOST_RESETS)
        .max_header_list_size(LARGEST_HEAD)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(STREAM_WINDOW as usize);
    let requests = Arc::new(Requests::of(slots));
    let stream = Explained::new(stream, Arc::clone(&requests.begun));
    let counted = Arc::clone(&requests);
    let router = served.router;
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let begun = counted.begin();
        let answer = answer(router.clone(), peer.clone(), request.map(Body::new));
        async move {
            let Ok(answer) = answer.await;
            // A stream without an end known in advance is a request in flight until it is over.
            if answer.body().size_hint().exact().is_some() {
                return Ok::<_, Infallible>(answer);
            }
            Ok(answer.map(|body| {
                Body::new(body.map_frame(move |frame| {
                    let _held = &begun;
                    frame
                }))
            }))
        }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let stops = tokio::select! {
        biased;
        end = connection.as_mut() => return Ok(end?),
        () = wait_for_stop(&mut served.stopped) => true,
        // Covers a preface or settings that never come.
        () = requests.none_until(open_until) => false,
        // Clients answer pings automatically, so only requests show that a connection is in use.
        () = requests.none_for(deadlines.head) => false,
        () = requests.slots_needed.notified() => false,
    };
    // GOAWAY asks the client to begin no more requests. Not every client reacts to it, and some have not even begun to
    // speak HTTP/2, so without requests in flight we wait only for the farewell.
    connection.as_mut().graceful_shutdown();
    let farewell =
        async { if stops { std::future::pending().await } else { requests.none_for(deadlines.farewell).await } };
    tokio::select! {
        biased;
        end = tokio::time::timeout(deadlines.drain, connection) => Ok(end??),
        () = farewell => Ok(()),
    }
}

/// The requests of one HTTP/2 connection.
#[derive(Debug)]
struct Requests {
    begun: Begun,
    ended: AtomicU64,
    slots: Slots,
    /// Notified when a request ends while slots run short.
    slots_needed: Notify,
}

/// Marks a request as ended when it is dropped, whether it was answered or reset.
struct InFlight(Arc<Requests>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
        if self.0.slots.run_short() {
            self.0.slots_needed.notify_one();
        }
    }
}

impl Requests {
    fn of(slots: Slots) -> Self {
        Self { begun: Begun::default(), ended: AtomicU64::new(0), slots, slots_needed: Notify::new() }
    }

    fn begin(self: &Arc<Self>) -> InFlight {
        self.begun.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// The number of requests so far, if all have ended.
    fn all_ended(&self) -> Option<u64> {
        let (ended, begun) = (self.ended.load(Ordering::Relaxed), self.begun.load(Ordering::Relaxed));
        (ended == begun).then_some(begun)
    }

    /// Waits until no request has been in flight for at least this long (and at most twice as long).
    async fn none_for(&self, length: Duration) {
        let mut before = self.all_ended();
        loop {
            tokio::time::sleep(length).await;
            let now = self.all_ended();
            if now.is_some() && now == before {
                return;
            }
            before = now;
        }
    }

    /// Waits until this moment, or forever if a request comes first.
    async fn none_until(&self, moment: Instant) {
        tokio::time::sleep_until(moment).await;
        if self.begun.load(Ordering::Relaxed) > 0 {
            std::future::pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_has_just_ended_counts_as_activity() {
        let requests = Arc::new(Requests::of(Slots::new(100)));
        assert_eq!(requests.all_ended(), Some(0));
        let (first, second) = (requests.begin(), requests.begin());
        assert_eq!(requests.all_ended(), None);
        drop(first);
        let before = requests.all_ended();
        drop(second);
        // None has begun since then, but one has ended.
        assert_eq!((before, requests.all_ended()), (None, Some(2)));
    }
}
