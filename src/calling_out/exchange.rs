//! One request on a connection of its own, and its answer.

use std::future::pending;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::calling_out::address::Target;
use crate::calling_out::{Answer, Authorities, Refused};

/// The longest that connecting to one address of a host may take, so that there is time for the next.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// The largest head of an answer, in bytes.
const LARGEST_HEAD: usize = 16 * 1024;
/// The most header lines of an answer.
const MOST_HEADERS: usize = 64;

/// What is sent.
pub(super) enum Sent<'a> {
    /// A GET for JSON, perhaps only if it has changed.
    Get { etag: Option<&'a str> },
    /// A POST of a form.
    Form(String),
    /// A POST of a JSON document, with further headers.
    Json { headers: &'a [(&'a str, &'a str)], document: Bytes },
}

impl Sent<'_> {
    pub(super) const fn method(&self) -> &'static str {
        match self {
            Self::Get { .. } => "GET",
            Self::Form(_) | Self::Json { .. } => "POST",
        }
    }
}

/// Makes connections.
#[derive(Clone)]
pub(super) struct Exchange {
    tls: TlsConnector,
}

impl Exchange {
    pub(super) fn trusting(authorities: &Authorities) -> Self {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has TLS 1.2 and 1.3")
            .with_root_certificates(authorities.roots())
            .with_no_client_auth();
        Self { tls: TlsConnector::from(Arc::new(config)) }
    }

    /// Sends a request to the first of these addresses that can be connected to. Nothing else is looked up or connected to.
    pub(super) async fn run(
        &self,
        target: &Target,
        addresses: &[IpAddr],
        sent: &Sent<'_>,
        largest_body: usize,
    ) -> Result<Answer, Refused> {
        let request = request(target, sent)?;
        let stream = connect(addresses, target.port).await?;
        let asks_for_changes = matches!(sent, Sent::Get { etag: Some(_) });
        let takes_body = matches!(sent, Sent::Get { .. });
        let limits = Limits { largest_body, takes_body, asks_for_changes };
        if !target.is_https {
            return exchange(stream, request, limits).await;
        }
        let name = match target.literal {
            Some(address) => ServerName::from(address),
            None => {
                ServerName::try_from(target.host.clone()).map_err(|_| Refused::Url("has a host that is no name"))?
            }
        };
        exchange(self.tls.connect(name, stream).await.map_err(unreachable)?, request, limits).await
    }
}

fn unreachable(error: impl std::fmt::Display) -> Refused {
    Refused::Unreachable(error.to_string())
}

fn request(target: &Target, sent: &Sent<'_>) -> Result<Request<Full<Bytes>>, Refused> {
    let request = Request::builder()
        .uri(&target.path)
        .header(header::HOST, &target.authority)
        .header(header::USER_AGENT, "Jeton")
        .header(header::ACCEPT, "application/json")
        .header(header::ACCEPT_ENCODING, "identity")
        .header(header::CONNECTION, "close");
    let request = match sent {
        Sent::Get { etag } => {
            // One that cannot stand in a header is forgotten.
            let etag = etag.and_then(|etag| HeaderValue::from_str(etag).ok());
            let request = etag.into_iter().fold(request, |request, etag| request.header(header::IF_NONE_MATCH, etag));
            request.body(Full::default())
        }
        Sent::Form(form) => request
            .method("POST")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(form.clone())),
        Sent::Json { headers, document } => {
            let request = request.method("POST").header(header::CONTENT_TYPE, "application/json");
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            request.body(Full::from(document.clone()))
        }
    };
    request.map_err(|_| Refused::Url("has a path that is none"))
}

async fn connect(addresses: &[IpAddr], port: u16) -> Result<TcpStream, Refused> {
    let mut problem = Refused::Inside;
    for address in addresses {
        match tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect((*address, port))).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => problem = unreachable(error),
            Err(_) => problem = Refused::Unreachable("no connection within 2 s".into()),
        }
    }
    Err(problem)
}

/// What is taken of an answer.
struct Limits {
    largest_body: usize,
    takes_body: bool,
    asks_for_changes: bool,
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
    limits: Limits,
) -> Result<Answer, Refused> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(LARGEST_HEAD).max_headers(MOST_HEADERS);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(of_http)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(of_http)?;
        read(response, limits).await
    };
    let driven = async {
        // Why it ended, the exchange is told.
        let _ = connection.await;
        pending().await
    };
    tokio::select! {
        answer = exchange => answer,
        answer = driven => answer,
    }
}

async fn read(response: Response<Incoming>, limits: Limits) -> Result<Answer, Refused> {
    let (head, mut body) = response.into_parts();
    let is_unchanged = limits.asks_for_changes && head.status == StatusCode::NOT_MODIFIED;
    let is_success = if limits.takes_body { head.status == StatusCode::OK } else { head.status.is_success() };
    if !is_success && !is_unchanged {
        return Err(Refused::Status(head.status.as_u16()));
    }
    let mut answer = Answer::of(&head.headers, is_unchanged);
    if !limits.takes_body || is_unchanged {
        return Ok(answer);
    }
    if head.headers.get_all(header::CONTENT_ENCODING).iter().any(|coding| coding != "identity") {
        return Err(Refused::Compressed);
    }
    if body.size_hint().lower() > limits.largest_body as u64 {
        return Err(Refused::TooLarge);
    }
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(of_http)?.into_data() else { continue };
        if answer.body.len() + data.len() > limits.largest_body {
            return Err(Refused::TooLarge);
        }
        answer.body.extend_from_slice(&data);
    }
    Ok(answer)
}

fn of_http(error: hyper::Error) -> Refused {
    if error.is_parse_too_large() {
        return Refused::TooLarge;
    }
    let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
    Refused::Unreachable(format!("{error}{source}"))
}
