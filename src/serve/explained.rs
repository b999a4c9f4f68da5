//! An HTTP/2 connection that ends when more arrives than its requests explain.
//!
//! Settings, pings and priorities ask for nothing, but each costs an answer or a look. hyper has no limit for them, and
//! keeps none of them. So the bytes that arrive are counted: what no request can have needed is a flood.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that need no request: settings, pings while the connection idles, and a head that is not complete.
const WITHOUT_REQUEST: u64 = 256 * 1024;
/// Bytes that one request explains: its head, the largest body, and the frames around them.
const PER_REQUEST: u64 = 1024 * 1024;

/// The number of requests that a connection has brought.
pub(super) type Begun = Arc<AtomicU64>;

/// A stream whose bytes are counted.
#[derive(Debug)]
pub(super) struct Explained<S> {
    stream: S,
    begun: Begun,
    received: u64,
}

impl<S> Explained<S> {
    pub(super) const fn new(stream: S, begun: Begun) -> Self {
        Self { stream, begun, received: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Explained<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let outcome = ready!(Pin::new(&mut this.stream).poll_read(context, buffer));
        this.received += (buffer.filled().len() - before) as u64;
        let begun = this.begun.load(Ordering::Relaxed);
        if this.received > WITHOUT_REQUEST.saturating_add(begun.saturating_mul(PER_REQUEST)) {
            let text = "more frames arrived than the requests explain";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, text)));
        }
        Poll::Ready(outcome)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Explained<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
