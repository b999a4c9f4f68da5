//! Hostile input: almost valid signatures, headers, paths, origins, bodies, and what the log shows of it.

mod bodies;
mod headers;
mod logs;
mod numbers;
mod origins;
mod paths;
mod signatures;
mod twins;
mod work;

use crate::support::{TestServer, exchange, status_of};

/// A request with exactly this target and these further lines.
async fn at(app: &TestServer, method: &str, target: impl AsRef<[u8]>, lines: &str) -> String {
    let head = format!(" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n");
    exchange(&app.base, &[method.as_bytes(), b" ", target.as_ref(), head.as_bytes()].concat()).await
}
