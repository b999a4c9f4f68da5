//! Whatever a stranger sends: signatures that almost fit, headers, paths, origins, bodies; and what the log makes of it.

mod bodies;
mod headers;
mod logs;
mod numbers;
mod origins;
mod paths;
mod signatures;
mod twins;

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::TestServer;

/// The answer to exactly these bytes, read to the end of the connection; invalid UTF-8 is replaced.
async fn exchange(base: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(base.trim_start_matches("http://")).await.unwrap();
    // A server that refuses a request may close before all of it was sent.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    let _ = read.expect("the connection ends");
    String::from_utf8_lossy(&answer).into_owned()
}

/// A request with exactly this target and these further lines.
async fn at(app: &TestServer, method: &str, target: impl AsRef<[u8]>, lines: &str) -> String {
    let head = format!(" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n");
    exchange(&app.base, &[method.as_bytes(), b" ", target.as_ref(), head.as_bytes()].concat()).await
}

/// The status line's number.
#[track_caller]
fn status_of(answer: &str) -> u16 {
    let code = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
    code.unwrap_or_else(|| panic!("no answer: {answer:?}"))
}
