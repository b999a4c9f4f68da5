//! What nobody read of a request's body. An answer that overtakes the body is only sure to arrive if the rest is read, too:
//! a connection that is closed with bytes unread is reset, and the reset destroys what the client has not read yet
//! (RFC 9112 §9.6).

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// The most that is read and thrown away, in bytes.
const MOST_DISCARDED: usize = 16 * 1024 * 1024;

/// The body of one connection's present request, once nobody reads it any more and it is not at its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnreadBody(Arc<Mutex<Option<Unread>>>);

#[derive(Debug)]
struct Unread {
    body: Incoming,
    was_asked_for: bool,
}

impl UnreadBody {
    /// Reads the rest and throws it away. Whether it came to its end within `time`, so that another request may follow.
    ///
    /// Who `expects` to be told to go on (RFC 9110 §10.1.1) has not sent a body that nobody asked for, and is not told to.
    pub(crate) async fn is_discarded_within(&self, time: Duration, expects: bool) -> bool {
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

/// A body that is put aside as an [`UnreadBody`] when it is dropped before its end.
pub(crate) struct WatchedBody {
    body: Option<Incoming>,
    was_asked_for: bool,
    aside: UnreadBody,
}

impl WatchedBody {
    pub(crate) fn new(body: Incoming, aside: &UnreadBody) -> Self {
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
