//! The part of a request's body that no handler read. An answer sent before the body has arrived is only sure to reach
//! the client if the rest is read too: closing a connection with unread bytes resets it, and the reset destroys what
//! the client has not read yet (RFC 9112 §9.6).

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// The most bytes that are read and discarded.
const MOST_DISCARDED: usize = 16 * 1024 * 1024;

/// The body of the connection's current request, if its handler dropped it before the end.
#[derive(Clone, Debug, Default)]
pub(super) struct UnreadBody(Arc<Mutex<Option<Unread>>>);

#[derive(Debug)]
struct Unread {
    body: Incoming,
    was_asked_for: bool,
}

impl UnreadBody {
    /// Reads and discards the rest. Whether the body ended within `time`, so that another request may follow.
    ///
    /// A client that `expects` 100 Continue (RFC 9110 §10.1.1) does not send a body that was never read, so there is
    /// nothing to wait for.
    pub(super) async fn is_discarded_within(&self, time: Duration, expects: bool) -> bool {
        let unread = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Unread { mut body, was_asked_for }) = unread else { return true };
        if expects && !was_asked_for {
            return false;
        }
        let reads = async {
            let mut read = 0;
            while let Some(frame) = body.frame().await {
                let Ok(frame) = frame else { return false };
                read += frame.data_ref().map_or(0, Bytes::len);
                if read > MOST_DISCARDED {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(time, reads).await.unwrap_or(false)
    }
}

/// A body that becomes an [`UnreadBody`] when it is dropped before its end.
pub(super) struct WatchedBody {
    body: Option<Incoming>,
    was_asked_for: bool,
    aside: UnreadBody,
}

impl WatchedBody {
    pub(super) fn new(body: Incoming, aside: &UnreadBody) -> Self {
        Self { body: Some(body), was_asked_for: false, aside: aside.clone() }
    }
}

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.was_asked_for = true;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        if let Poll::Ready(None | Some(Err(_))) = polled {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl Drop for WatchedBody {
    fn drop(&mut self) {
        if let Some(body) = self.body.take()
            && !body.is_end_stream()
        {
            let unread = Unread { body, was_asked_for: self.was_asked_for };
            *self.aside.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(unread);
        }
    }
}
