//! `jeton health`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;

use crate::cli::context::{resolve, settings};
use crate::cli::{Failed, Global, Outcome, output};
use crate::settings::Needs;

/// How long `jeton health` waits for an answer.
const HEALTH_LIMIT: Duration = Duration::from_secs(3);

pub(super) async fn run(global: &Global) -> Outcome {
    let settings = settings(&resolve(global, Default::default()), Needs::NOTHING)?;
    let address = reachable(settings.ops_listen);
    let asked = tokio::time::timeout(HEALTH_LIMIT, ask(address)).await;
    let (ready, body) = match asked {
        Ok(Ok(answer)) => answer,
        Ok(Err(Failed(error))) => return Err(Failed(format!("no server answers at {address}: {error}"))),
        Err(_) => return Err(Failed(format!("the server at {address} did not answer in time"))),
    };
    if ready {
        output::item(global.output, &json!({"status": "ready"}))
    } else {
        Err(Failed(format!("the server at {address} is not ready: {body}")))
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

async fn ask(address: SocketAddr) -> Result<(bool, String), Failed> {
    let failed = |error: &dyn std::fmt::Display| Failed(error.to_string());
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    tokio::spawn(connection);
    let request = hyper::Request::get("/readyz")
        .header(hyper::header::HOST, address.to_string())
        .body(Empty::<bytes::Bytes>::new())
        .map_err(|error| failed(&error))?;
    let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
    let ready = response.status().is_success();
    let body = response.into_body().collect().await.map_err(|error| failed(&error))?.to_bytes();
    Ok((ready, String::from_utf8_lossy(&body).into_owned()))
}
