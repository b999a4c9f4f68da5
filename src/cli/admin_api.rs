//! Calls to the admin API of a running server, which the operator names and trusts.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::ServerName;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use crate::calling_out::Authorities;
use crate::cli::Failed;

/// The variable with the access token.
const TOKEN_VARIABLE: &str = "JETON_ADMIN_TOKEN";
/// The longest that connecting may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// The longest that a request and its answer may take.
const CALL_LIMIT: Duration = Duration::from_secs(60);
/// The largest answer, in bytes.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// The admin API of a server.
pub(super) struct AdminApi {
    base: Url,
    token: SecretString,
    tls: TlsConnector,
}

/// Why a call failed.
pub(super) struct ApiError {
    pub(super) text: String,
    /// Whether the server may have done what it was asked to do.
    pub(super) is_uncertain: bool,
}

impl ApiError {
    /// The server was not asked.
    pub(super) fn before(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_uncertain: false }
    }

    /// The server was asked.
    pub(super) fn after(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_uncertain: true }
    }
}

impl AdminApi {
    /// The server at this URL, with a token from a file or from the environment.
    pub(super) fn new(url: &str, token_file: Option<&Path>, ca: Option<&Path>) -> Result<Self, Failed> {
        let base = base(url).map_err(|problem| Failed(format!("--server: {problem}")))?;
        let authorities = match ca {
            None => Authorities::default(),
            Some(file) => Authorities::with_file(file)
                .map_err(|problem| Failed(format!("--server-ca: {} {problem}", file.display())))?,
        };
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Failed(error.to_string()))?
            .with_root_certificates(authorities.roots())
            .with_no_client_auth();
        Ok(Self { base, token: token(token_file)?, tls: TlsConnector::from(Arc::new(config)) })
    }

    /// Sends a request and gives the JSON of the answer.
    pub(super) async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, ApiError> {
        let stream = tokio::time::timeout(CONNECT_LIMIT, self.connect())
            .await
            .map_err(|_| ApiError::before(format!("no connection to {} within 10 s", self.base)))??;
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        let authority = &self.base[url::Position::BeforeHost..url::Position::AfterPort];
        let request = hyper::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base.path().trim_end_matches('/')))
            .header(header::HOST, authority)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token.expose_secret()))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONNECTION, "close")
            .body(Full::from(body))
            .map_err(|error| ApiError::before(error.to_string()))?;
        let exchange = if self.base.scheme() == "https" {
            let name = self.base.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
            let name = ServerName::try_from(name).map_err(|error| ApiError::before(error.to_string()))?;
            let stream = tokio::time::timeout(CONNECT_LIMIT, self.tls.connect(name, stream)).await;
            let stream = stream.map_err(|_| ApiError::before(format!("{}: no TLS handshake in time", self.base)))?;
            let stream = stream.map_err(|error| ApiError::before(format!("{}: {error}", self.base)))?;
            tokio::time::timeout(CALL_LIMIT, exchange(stream, request)).await
        } else {
            tokio::time::timeout(CALL_LIMIT, exchange(stream, request)).await
        };
        let (status, text) = exchange.map_err(|_| ApiError::after("the server did not answer within 60 s"))??;
        let answer = serde_json::from_slice(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(answer);
        }
        let detail = answer["detail"].as_str().or(answer["error_description"].as_str()).unwrap_or("it says no more");
        let text = format!("{detail} (the server answered {})", status.as_u16());
        Err(ApiError { text, is_uncertain: status.is_server_error() })
    }

    async fn connect(&self) -> Result<TcpStream, ApiError> {
        let host = self.base.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = self.base.port_or_known_default().unwrap_or(443);
        TcpStream::connect((host, port))
            .await
            .map_err(|error| ApiError::before(format!("{} cannot be reached: {error}", self.base)))
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: hyper::Request<Full<Bytes>>,
) -> Result<(hyper::StatusCode, Bytes), ApiError> {
    let broken = |error: hyper::Error| ApiError::after(format!("the connection broke: {error}"));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(broken)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await;
    Ok((status, body.map_err(|error| ApiError::after(format!("the answer broke off: {error}")))?.to_bytes()))
}

/// The address of a server. The token goes there, so it is https, or this machine.
fn base(url: &str) -> Result<Url, String> {
    let url = Url::parse(url).map_err(|_| format!("{url:?} is not a URL"))?;
    let is_local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let is_bare =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    match url.scheme() {
        _ if !is_bare => Err("the URL has more than a scheme, a host, a port and a path".into()),
        "https" => Ok(url),
        "http" if is_local => Ok(url),
        "http" => Err("http would show the token to others: use https, or http to this machine".into()),
        _ => Err("the URL is not https".into()),
    }
}

fn token(file: Option<&Path>) -> Result<SecretString, Failed> {
    let text = match file {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| Failed(format!("--token-file: {} cannot be read: {error}", file.display())))?,
        None => std::env::var(TOKEN_VARIABLE)
            .map_err(|_| Failed(format!("--server needs an access token: set {TOKEN_VARIABLE}, or --token-file")))?,
    };
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failed("the access token is empty, or has characters that no token has".into()));
    }
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_sent_over_https_or_within_this_machine_only() {
        for url in [
            "https://auth.example.com",
            "https://a.example:8443/x/",
            "http://127.0.0.1:1",
            "http://[::1]:1",
            "http://localhost",
        ] {
            assert!(base(url).is_ok(), "{url}");
        }
        for url in [
            "http://auth.example.com",
            "http://127.0.0.1.example.com",
            "ftp://a",
            "auth.example.com",
            "https://u:p@a",
            "https://a?x",
        ] {
            assert!(base(url).is_err(), "{url}");
        }
    }
}
