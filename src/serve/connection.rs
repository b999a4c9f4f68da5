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
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::tls::HTTP2;
use super::wire::{Protocol, Wire};
use crate::http::Peer;

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
pub(super) struct Deadlines {
    /// To the first bytes of its first request, the TLS handshake included.
    pub(super) opening: Duration,
    /// For the head of a request; also the longest that a connection stays idle.
    pub(super) head: Duration,
    /// Without taking anything of an answer.
    pub(super) stall: Duration,
    /// For what it is still doing when the server stops.
    pub(super) drain: Duration,
    /// For its first bytes when the server stops: whoever has just connected has most likely sent a request.
    pub(super) last_call: Duration,
}

/// What all connections of a listener have in common.
#[derive(Clone)]
pub(super) struct Served {
    pub(super) router: Router,
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// Whether HTTP/2 is spoken, too.
    pub(super) http2: bool,
    pub(super) stopped: watch::Receiver<bool>,
}

/// How a connection came to its end, where that is worth a line of the log.
pub(super) type End = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Serves a connection to its end.
pub(super) async fn run(stream: TcpStream, peer: SocketAddr, served: Served, deadlines: Deadlines) -> End {
    let wire = Wire::new(stream, deadlines.stall);
    match &served.tls {
        None => in_clear(wire, peer, served, deadlines).await,
        // Boxed, so that a connection in clear does not carry the room for it.
        Some(_) => Box::pin(encrypted(wire, peer, served, deadlines)).await,
    }
}

async fn in_clear(mut wire: Wire, peer: SocketAddr, mut served: Served, deadlines: Deadlines) -> End {
    let protocol = if served.http2 {
        opened(&mut served.stopped, deadlines, wire.protocol()).await?
    } else {
        Some(Protocol::Http1)
    };
    match protocol {
        None => Ok(()),
        Some(Protocol::Http1) => serve_http1(wire, peer, served, deadlines).await,
        Some(Protocol::Http2) => Box::pin(serve_http2(wire, peer, served, deadlines)).await,
    }
}

async fn encrypted(wire: Wire, peer: SocketAddr, mut served: Served, deadlines: Deadlines) -> End {
    let Some(config) = served.tls.take() else { return Ok(()) };
    let stream = opened(&mut served.stopped, deadlines, TlsAcceptor::from(config).accept(wire)).await?;
    if stream.get_ref().1.alpn_protocol() == Some(HTTP2) {
        serve_http2(stream, peer, served, deadlines).await
    } else {
        serve_http1(stream, peer, served, deadlines).await
    }
}

/// Waits for the beginning of a connection: not for long, and hardly any more once the server stops.
async fn opened<T>(
    stopped: &mut watch::Receiver<bool>,
    deadlines: Deadlines,
    opening: impl Future<Output = std::io::Result<T>>,
) -> std::io::Result<T> {
    let last_call = async {
        wait_for(stopped).await;
        tokio::time::sleep(deadlines.last_call).await;
    };
    tokio::select! {
        biased;
        opened = opening => opened,
        () = tokio::time::sleep(deadlines.opening) => Err(std::io::ErrorKind::TimedOut.into()),
        () = last_call => Err(std::io::ErrorKind::Interrupted.into()),
    }
}

/// Waits until the server stops.
async fn wait_for(stopped: &mut watch::Receiver<bool>) {
    // Without a sender the server is gone, too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn serve_http1<S>(stream: S, peer: SocketAddr, mut served: Served, deadlines: Deadlines) -> End
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(deadlines.head).max_buf_size(LARGEST_HEAD as usize);
    let router = served.router;
    let service = hyper::service::service_fn(move |request| answer(router.clone(), peer, request));
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

async fn serve_http2<S>(stream: S, peer: SocketAddr, mut served: Served, deadlines: Deadlines) -> End
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
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
    let requests = Arc::new(Requests::default());
    let counted = Arc::clone(&requests);
    let router = served.router;
    let service = hyper::service::service_fn(move |request| {
        let begun = counted.begin();
        let answer = answer(router.clone(), peer, request);
        async move {
            let answer = answer.await;
            drop(begun);
            answer
        }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        biased;
        end = connection.as_mut() => return Ok(end?),
        () = wait_for(&mut served.stopped) => {}
        // A client answers pings all by itself, so only requests show that a connection is used.
        () = requests.none_for(deadlines.head) => {}
    }
    // The client is told to send no more, and may finish what it has begun.
    connection.as_mut().graceful_shutdown();
    Ok(tokio::time::timeout(deadlines.drain, connection).await??)
}

fn answer(
    router: Router,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response, Infallible>> + Send + 'static {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(Peer(peer));
    router.oneshot(request)
}

/// The requests of one HTTP/2 connection.
#[derive(Debug, Default)]
struct Requests {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// Ends a request when it is dropped, also when the client gave it up.
struct Begun(Arc<Requests>);

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

impl Requests {
    fn begin(self: &Arc<Self>) -> Begun {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Begun(Arc::clone(self))
    }

    /// Waits until there was no request at all for at least this long (and at most twice as long).
    async fn none_for(&self, length: Duration) {
        let mut before = 0;
        loop {
            tokio::time::sleep(length).await;
            let (ended, begun) = (self.ended.load(Ordering::Relaxed), self.begun.load(Ordering::Relaxed));
            if ended == begun && begun == before {
                return;
            }
            before = begun;
        }
    }
}
