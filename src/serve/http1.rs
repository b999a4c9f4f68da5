//! HTTP/1 connections.

use std::pin::pin;

use axum::body::Body;
use axum::http::{HeaderValue, Request, Version, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::serve::accepted::{Accepted, End, LARGEST_HEAD, answer, wait_for_stop};
use crate::serve::unread_body::{UnreadBody, WatchedBody};

/// Serves an HTTP/1 connection to its end.
pub(super) async fn serve<S>(stream: S, accepted: Accepted) -> End
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Accepted { peer, mut served, deadlines, slots, .. } = accepted;
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(deadlines.head).max_buf_size(LARGEST_HEAD as usize);
    let (router, unread, stopped) = (served.router, UnreadBody::default(), served.stopped.clone());
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (unread, slots, stopped) = (unread.clone(), slots.clone(), stopped.clone());
        let expects = expects_continue(&request);
        let answer =
            answer(router.clone(), peer.clone(), request.map(|body| Body::new(WatchedBody::new(body, &unread))));
        async move {
            let mut answer = answer.await;
            // Ends the connection: its next request could not be found, others need the slot, or the server stops.
            if (!unread.is_discarded_within(deadlines.unread_body, expects).await
                || slots.run_short()
                || *stopped.borrow())
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
        () = wait_for_stop(&mut served.stopped) => {}
    }
    // An idle connection ends at once. On any other, the next answer is the last, and says so.
    connection.as_mut().graceful_shutdown();
    Ok(tokio::time::timeout(deadlines.drain, connection).await??)
}

/// Whether the client waits for `100 Continue` before it sends the body (RFC 9110 §10.1.1).
fn expects_continue(request: &Request<Incoming>) -> bool {
    let expect = request.headers().get(header::EXPECT);
    request.version() == Version::HTTP_11
        && expect.is_some_and(|expect| expect.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}
