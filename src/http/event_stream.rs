//! Server-sent events (HTML §9.2), as they are sent to one reader.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::mpsc;

/// How long a reader may take nothing.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Answers with these blocks. They end when the reader leaves, or takes nothing for long.
pub(crate) fn answer(blocks: impl Stream<Item = String> + Send + 'static) -> Response {
    let (sender, receiver) = mpsc::channel(1);
    // A task of its own, so that the place of a reader who takes nothing is free again: over HTTP/2 nobody asks its body for more.
    tokio::spawn(pass_on(blocks, sender, LONGEST_WAIT));
    let body = stream::unfold(receiver, |mut receiver| async move {
        let bytes = receiver.recv().await?;
        Some((Ok::<_, Infallible>(bytes), receiver))
    });
    let mut response = Body::from_stream(body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // nginx would hold it back until its buffer is full.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

async fn pass_on(blocks: impl Stream<Item = String>, sender: mpsc::Sender<Bytes>, longest_wait: Duration) {
    let mut blocks = pin!(blocks);
    loop {
        let block = tokio::select! {
            block = blocks.next() => block,
            () = sender.closed() => None,
        };
        let Some(block) = block else { break };
        let sent = tokio::time::timeout(longest_wait, sender.send(Bytes::from(block))).await;
        if !matches!(sent, Ok(Ok(()))) {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long a test waits for what comes at once.
    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_reader_who_takes_nothing_or_leaves_ends_the_stream() {
        let endless = || stream::repeat("data: x\n\n".to_owned());
        // One block waits in the channel, and the next one for a place there.
        let (sender, mut receiver) = mpsc::channel(1);
        tokio::time::timeout(PATIENCE, pass_on(endless(), sender, Duration::from_millis(50))).await.unwrap();
        assert_eq!(receiver.recv().await.as_deref(), Some(&b"data: x\n\n"[..]));
        assert_eq!(receiver.recv().await, None);
        let (sender, receiver) = mpsc::channel(1);
        drop(receiver);
        tokio::time::timeout(PATIENCE, pass_on(stream::pending(), sender, PATIENCE)).await.unwrap();
    }

    #[tokio::test]
    async fn every_block_arrives_before_the_end() {
        let response = answer(stream::iter(["data: a\n\n".to_owned(), "data: b\n\n".to_owned()]));
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        let body = axum::body::to_bytes(response.into_body(), 100).await.unwrap();
        assert_eq!(body, "data: a\n\ndata: b\n\n");
    }
}
