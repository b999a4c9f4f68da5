//! `jeton health`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;

use crate::cli::context::{resolve, settings};
use crate::cli::{Failed, Global, Outcome, output};
use crate::settings::{Needs, Settings};

/// How long a command waits for an answer of the running server.
const HEALTH_LIMIT: Duration = Duration::from_secs(3);

pub(super) async fn run(global: &Global) -> Outcome {
    let settings = settings(&resolve(global, Default::default()), Needs::NOTHING)?;
    let (ready, body) = ask(&settings, "/readyz").await?;
    if ready {
        output::item(global.output, &json!({"status": "ready"}))
    } else {
        let address = reachable(settings.ops_listen);
        Err(Failed(format!("the server at {address} is not ready: {body}")))
    }
}

/// Asks the running server on its listener for operators: whether it answers with success, and the body.
pub(super) async fn ask(settings: &Settings, path: &str) -> Result<(bool, String), Failed> {
    let address = reachable(settings.ops_listen);
    match tokio::time::timeout(HEALTH_LIMIT, get(address, path)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(Failed(error))) => Err(Failed(format!("no server answers at {address}: {error}"))),
        Err(_) => Err(Failed(format!("the server at {address} did not answer in time"))),
    }
}

/// The address to connect to for a listen address.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(address) if address.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(address) if address.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        address => address,
    };
    SocketAddr::new(ip, listen.port())
}

async fn get(address: SocketAddr, path: &str) -> Result<(bool, String), Failed> {
    let failed = |error: &dyn std::fmt::Display| Failed(error.to_string());
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    tokio::spawn(connection);
    let request = hyper::Request::get(path)
        .header(hyper::header::HOST, address.to_string())
        .body(Empty::<bytes::Bytes>::new())
        .map_err(|error| failed(&error))?;
    let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
    let ready = response.status().is_success();
    let body = response.into_body().collect().await.map_err(|error| failed(&error))?.to_bytes();
    Ok((ready, String::from_utf8_lossy(&body).into_owned()))
}
