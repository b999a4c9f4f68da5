//! One connection: what it speaks, and when it ends.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Version, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::app::Peer;
use crate::serve::connections::Places;
use crate::serve::tls::HTTP2;
use crate::serve::unread_body::{UnreadBody, WatchedBody};
use crate::serve::wire::{Protocol, Wire};

/// The largest head of a request, in bytes: a token of 64 KiB that is to be explained, percent-encoded, has room.
const LARGEST_HEAD: u32 = 128 * 1024;
/// The most requests at a time on one HTTP/2 connection.
const MOST_STREAMS: u32 = 100;
/// The most streams that a client may have reset and this server not yet forgotten: more end the connection.
const MOST_RESETS: usize = 50;
/// What an HTTP/2 client may send ahead, in bytes, on one stream and on all together. Bodies are small.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// How long a connection may take for what it does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    /// To the first bytes of its first request, the TLS handshake included; over HTTP/2 to the first whole head.
    pub(crate) opening: Duration,
    /// For the head of a request; also the longest that a connection stays idle.
    pub(crate) head: Duration,
    /// Without taking anything of an answer.
    pub(crate) stall: Duration,
    /// For what nobody read of a body, before the answer is given as the last one of its connection.
    pub(crate) unread_body: Duration,
    /// For what it is still doing when the server stops, or when it is to end for another reason.
    pub(crate) drain: Duration,
    /// For the end of an HTTP/2 connection that has no request in flight, unless the server stops.
    pub(crate) farewell: Duration,
    /// For its first bytes when the server stops: whoever has just connected has most likely sent a request.
    pub(crate) last_call: Duration,
}

/// What all connections of a listener have in common.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) router: Router,
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// Whether HTTP/2 is spoken, too.
    pub(crate) http2: bool,
    pub(crate) stopped: watch::Receiver<bool>,
}

/// One connection, before anything was read of it.
pub(crate) struct Accepted {
    pub(crate) peer: SocketAddr,
    pub(crate) served: Served,
    pub(crate) deadlines: Deadlines,
    /// The places of the listener, of which it has one.
    pub(crate) places: Places,
    /// When it was accepted.
    pub(crate) at: Instant,
}

/// How a connection came to its end, where that is worth a line of the log.
pub(crate) type End = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Serves a connection to its end.
pub(crate) async fn run(stream: TcpStream, accepted: Accepted) -> End {
    let wire = Wire::new(stream, accepted.deadlines.stall);
    match &accepted.served.tls {
        None => in_clear(wire, accepted).await,
        // Boxed, so that a connection in clear does not carry the room for it.
        Some(_) => Box::pin(encrypted(wire, accepted)).await,
    }
}

async fn in_clear(mut wire: Wire, mut accepted: Accepted) -> End {
    let protocol = if accepted.served.http2 { accepted.opened(wire.protocol()).await? } else { Some(Protocol::Http1) };
    match protocol {
        None => Ok(()),
        Some(Protocol::Http1) => serve_http1(wire, accepted).await,
        Some(Protocol::Http2) => Box::pin(serve_http2(wire, accepted)).await,
    }
}

async fn encrypted(wire: Wire, mut accepted: Accepted) -> End {
    let Some(config) = accepted.served.tls.take() else { return Ok(()) };
    let stream = accepted.opened(TlsAcceptor::from(config).accept(wire)).await?;
    if stream.get_ref().1.alpn_protocol() == Some(HTTP2) {
        serve_http2(stream, accepted).await
    } else {
        serve_http1(stream, accepted).await
    }
}

impl Accepted {
    /// Waits for the beginning of a connection: not for long, and hardly any more once the server stops.
    async fn opened<T>(&mut self, opening: impl Future<Output = std::io::Result<T>>) -> std::io::Result<T> {
        let open_until = self.open_until();
        let last_call = async {
            wait_for(&mut self.served.stopped).await;
            tokio::time::sleep(self.deadlines.last_call).await;
        };
        tokio::select! {
            biased;
            opened = opening => opened,
            () = tokio::time::sleep_until(open_until) => Err(std::io::ErrorKind::TimedOut.into()),
            () = last_call => Err(std::io::ErrorKind::Interrupted.into()),
        }
    }

    fn open_until(&self) -> Instant {
        self.at + self.deadlines.opening
    }
}

/// Waits until the server stops.
async fn wait_for(stopped: &mut watch::Receiver<bool>) {
    // Without a sender the server is gone, too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn serve_http1<S>(stream: S, accepted: Accepted) -> End
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Accepted { peer, mut served, deadlines, places, .. } = accepted;
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(deadlines.head).max_buf_size(LARGEST_HEAD as usize);
    let (router, unread) = (served.router, UnreadBody::default());
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (unread, places) = (unread.clone(), places.clone());
        let expects = expects_to_be_told(&request);
        let answer = answer(router.clone(), peer, request.map(|body| Body::new(WatchedBody::new(body, &unread))));
        async move {
            let mut answer = answer.await;
            // The last one on this connection: what follows cannot be found, or the place is for whoever waits.
            if (!unread.is_discarded_within(deadlines.unread_body, expects).await || places.are_scarce())
                && let Ok(answer) = &mut answer
            {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            answer
        }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        biased;
        end = connection.as_mut() => return Ok(end?),
        () = wait_for(&mut served.stopped) => {}
    }
    // One that is idle ends at once; of any other the next answer is the last, and says so.
    connection.as_mut().graceful_shutdown();
    Ok(tokio::time::timeout(deadlines.drain, connection).await??)
}

async fn serve_http2<S>(stream: S, accepted: Accepted) -> End
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let open_until = accepted.open_until();
    let Accepted { peer, mut served, deadlines, places, .. } = accepted;
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
    let requests = Arc::new(Requests::of(places));
    let counted = Arc::clone(&requests);
    let router = served.router;
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let begun = counted.begin();
        let answer = answer(router.clone(), peer, request.map(Body::new));
        async move {
            let answer = answer.await;
            drop(begun);
            answer
        }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let stops = tokio::select! {
        biased;
        end = connection.as_mut() => return Ok(end?),
        () = wait_for(&mut served.stopped) => true,
        // Also when the preface or the settings never come.
        () = requests.none_until(open_until) => false,
        // A client answers pings all by itself, so only requests show that a connection is used.
        () = requests.none_for(deadlines.head) => false,
        () = requests.ended_when_places_are_scarce.notified() => false,
    };
    // The client is told to send no more, and may finish what it has begun. It has to answer that: who does not, or has
    // not even begun to speak HTTP/2, is not waited for.
    connection.as_mut().graceful_shutdown();
    let farewell =
        async { if stops { std::future::pending().await } else { requests.none_for(deadlines.farewell).await } };
    tokio::select! {
        biased;
        end = tokio::time::timeout(deadlines.drain, connection) => Ok(end??),
        () = farewell => Ok(()),
    }
}

/// Whether the client sends the body only when it is told to go on (RFC 9110 §10.1.1).
fn expects_to_be_told(request: &Request<Incoming>) -> bool {
    let expect = request.headers().get(header::EXPECT);
    request.version() == Version::HTTP_11
        && expect.is_some_and(|expect| expect.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

fn answer(
    router: Router,
    peer: SocketAddr,
    mut request: Request,
) -> impl Future<Output = Result<Response, Infallible>> + Send + 'static {
    request.extensions_mut().insert(Peer { address: peer });
    router.oneshot(request)
}

/// The requests of one HTTP/2 connection.
#[derive(Debug)]
struct Requests {
    begun: AtomicU64,
    ended: AtomicU64,
    places: Places,
    ended_when_places_are_scarce: Notify,
}

/// Ends a request when it is dropped, also when the client gave it up.
struct Begun(Arc<Requests>);

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
        if self.0.places.are_scarce() {
            self.0.ended_when_places_are_scarce.notify_one();
        }
    }
}

impl Requests {
    fn of(places: Places) -> Self {
        Self { begun: AtomicU64::new(0), ended: AtomicU64::new(0), places, ended_when_places_are_scarce: Notify::new() }
    }

    fn begin(self: &Arc<Self>) -> Begun {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Begun(Arc::clone(self))
    }

    /// How many there were, if all of them have ended.
    fn all_ended(&self) -> Option<u64> {
        let (ended, begun) = (self.ended.load(Ordering::Relaxed), self.begun.load(Ordering::Relaxed));
        (ended == begun).then_some(begun)
    }

    /// Waits until there was no request at all for at least this long (and at most twice as long).
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

    /// Waits until this moment; for ever if there was a request by then.
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
    fn a_request_that_has_only_just_ended_is_no_time_without_requests() {
        let requests = Arc::new(Requests::of(Places::new(100)));
        assert_eq!(requests.all_ended(), Some(0));
        let (first, second) = (requests.begin(), requests.begin());
        assert_eq!(requests.all_ended(), None);
        drop(first);
        let before = requests.all_ended();
        drop(second);
        // None began since then, and still it is another moment.
        assert_eq!((before, requests.all_ended()), (None, Some(2)));
    }
}
