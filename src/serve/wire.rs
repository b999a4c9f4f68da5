//! A socket whose first bytes reveal the protocol, and whose writes fail if the other side stops reading.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// The first bytes of HTTP/2 with prior knowledge (RFC 9113 §3.4). No HTTP/1 method begins with them.
const HTTP2: [u8; 3] = *b"PRI";

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// HTTP/1.1 or 1.0.
    Http1,
    /// HTTP/2.
    Http2,
}

/// A TCP connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    /// The `begun` bytes that were read to detect the protocol, of which `handed_on` have been passed on.
    first: [u8; HTTP2.len()],
    begun: u8,
    handed_on: u8,
    longest_stall: Duration,
    /// Runs while the other side accepts nothing. Created only then, since most connections never need it.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    /// A connection whose writes fail once the other side has accepted nothing for `longest_stall`.
    pub(super) fn new(stream: TcpStream, longest_stall: Duration) -> Self {
        // Answers are small and written at once: waiting to fill a packet would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        Self { stream, first: [0; HTTP2.len()], begun: 0, handed_on: 0, longest_stall, stalled: None }
    }

    /// Detects the protocol by the first bytes, which are read again later. `None` if the other side closes without
    /// sending.
    pub(super) async fn protocol(&mut self) -> io::Result<Option<Protocol>> {
        loop {
            let begun = usize::from(self.begun);
            if self.first[..begun] != HTTP2[..begun] {
                return Ok(Some(Protocol::Http1));
            }
            if begun == HTTP2.len() {
                return Ok(Some(Protocol::Http2));
            }
            match self.stream.read(&mut self.first[begun..]).await? {
                0 if begun == 0 => return Ok(None),
                // The other side closed in the middle of a word: HTTP/1 knows what to answer.
                0 => return Ok(Some(Protocol::Http1)),
                count => self.begun += u8::try_from(count).unwrap_or_default(),
            }
        }
    }

    fn bounded<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let longest = self.longest_stall;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(longest)));
        stalled.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.handed_on == this.begun {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        let rest = &this.first[this.handed_on.into()..this.begun.into()];
        let count = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..count]);
        this.handed_on += u8::try_from(count).unwrap_or_default();
        // More has most likely arrived already, which saves a read.
        match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.bounded(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, parts);
        this.bounded(context, written)
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
