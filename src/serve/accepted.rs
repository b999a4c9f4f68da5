//! An accepted connection, and its deadlines.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::time::Instant;
use tower::ServiceExt;

use crate::app::Peer;
use crate::serve::slots::Slots;

/// The largest request head, in bytes: it has room for the longest token, and for what may be wrapped around it.
pub(super) const LARGEST_HEAD: u32 = 32 * 1024;

/// How long a connection may take for each of its steps. Each way to hold a slot without a request has its deadline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    /// Until the first bytes of the first request, including the TLS handshake; over HTTP/2, until the first complete
    /// head.
    pub(super) opening: Duration,
    /// For the head of a request; also the longest idle time.
    pub(super) head: Duration,
    /// While the client accepts nothing of an answer.
    pub(super) stall: Duration,
    /// For the rest of a body that no handler read; after it, the answer is the last one of the connection.
    pub(super) unread_body: Duration,
    /// For requests in flight when the server stops or ends the connection.
    pub(super) drain: Duration,
    /// For the end of an HTTP/2 connection without requests in flight, unless the server stops.
    pub(super) farewell: Duration,
    /// For the first bytes when the server stops: a client that has just connected has most likely sent a request.
    pub(super) last_call: Duration,
}

/// What all connections of a listener share.
#[derive(Clone)]
pub(super) struct Served {
    pub(super) router: Router,
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// Whether HTTP/2 is supported.
    pub(super) http2: bool,
    pub(super) stopped: watch::Receiver<bool>,
}

/// One connection, before anything was read from it.
pub(super) struct Accepted {
    pub(super) peer: Peer,
    pub(super) served: Served,
    pub(super) deadlines: Deadlines,
    /// The slots of the listener; this connection holds one.
    pub(super) slots: Slots,
    /// When it was accepted.
    pub(super) at: Instant,
}

/// How a connection ended; the error is for the log.
pub(super) type End = Result<(), Box<dyn std::error::Error + Send + Sync>>;

impl Accepted {
    /// Waits for the opening of the connection until its deadline, or until the last call once the server stops.
    pub(super) async fn opened<T>(&mut self, opening: impl Future<Output = std::io::Result<T>>) -> std::io::Result<T> {
        let open_until = self.open_until();
        let last_call = async {
            wait_for_stop(&mut self.served.stopped).await;
            tokio::time::sleep(self.deadlines.last_call).await;
        };
        tokio::select! {
            biased;
            opened = opening => opened,
            () = tokio::time::sleep_until(open_until) => Err(std::io::ErrorKind::TimedOut.into()),
            () = last_call => Err(std::io::ErrorKind::Interrupted.into()),
        }
    }

    pub(super) fn open_until(&self) -> Instant {
        self.at + self.deadlines.opening
    }
}

/// Waits until the server stops.
pub(super) async fn wait_for_stop(stopped: &mut watch::Receiver<bool>) {
    // An error means that the sender has gone, and with it the server.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Answers a request, after adding the peer to it.
pub(super) fn answer(
    router: Router,
    peer: Peer,
    mut request: Request,
) -> impl Future<Output = Result<Response, Infallible>> + Send + 'static {
    request.extensions_mut().insert(peer);
    router.oneshot(request)
}
