//! What nobody read of a request's body. An answer that overtakes the body is only sure to arrive if the rest is read away,
//! too: a connection that is closed with bytes unread is reset, and the reset destroys what the client has not read yet
//! (RFC 9112 §9.6).

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// The most that is read away, in bytes.
const MOST: usize = 16 * 1024 * 1024;

/// What is left of the body of one connection's present request, once nobody reads it any more.
#[derive(Clone, Debug, Default)]
pub(super) struct Leftover(Arc<Mutex<Option<Incoming>>>);

impl Leftover {
    /// Reads it away, if there is `time` for that. Whether it came to its end, so that another request may follow.
    pub(super) async fn ends_within(&self, time: Option<Duration>) -> bool {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut body) = left else { return true };
        let Some(time) = time else { return false };
        let reads = async {
            let mut read = 0;
            while let Some(frame) = body.frame().await {
                let Ok(frame) = frame else { return false };
                read += frame.data_ref().map_or(0, Bytes::len);
                if read > MOST {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(time, reads).await.unwrap_or(false)
    }
}

/// A body that leaves what is not read of it.
pub(super) struct Leaving {
    body: Option<Incoming>,
    to: Leftover,
}

impl Leaving {
    pub(super) fn new(body: Incoming, to: &Leftover) -> Self {
        Self { body: Some(body), to: to.clone() }
    }
}

impl Body for Leaving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
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

impl Drop for Leaving {
    fn drop(&mut self) {
        if let Some(body) = self.body.take()
            && !body.is_end_stream()
        {
            *self.to.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}
