//! Detects the protocol of a connection and serves it.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::certificates::Certificate;
use crate::serve::accepted::{Accepted, End};
use crate::serve::tls::HTTP2;
use crate::serve::wire::{Protocol, Wire};
use crate::serve::{http1, http2};

/// Serves a connection to its end.
pub(super) async fn run(stream: TcpStream, accepted: Accepted) -> End {
    let wire = Wire::new(stream, accepted.deadlines.stall);
    match &accepted.served.tls {
        None => plain(wire, accepted).await,
        // Boxed, so that a plain connection does not pay for its size.
        Some(_) => Box::pin(encrypted(wire, accepted)).await,
    }
}

async fn plain(mut wire: Wire, mut accepted: Accepted) -> End {
    let protocol = if accepted.served.http2 { accepted.opened(wire.protocol()).await? } else { Some(Protocol::Http1) };
    match protocol {
        None => Ok(()),
        Some(Protocol::Http1) => http1::serve(wire, accepted).await,
        Some(Protocol::Http2) => Box::pin(http2::serve(wire, accepted)).await,
    }
}

async fn encrypted(wire: Wire, mut accepted: Accepted) -> End {
    let Some(config) = accepted.served.tls.take() else { return Ok(()) };
    let stream = accepted.opened(TlsAcceptor::from(config).accept(wire)).await?;
    let session = stream.get_ref().1;
    // Also after a resumption: the session has the certificate whose key the client proved to have when it began.
    let shown = session.peer_certificates().and_then(<[_]>::split_first);
    let read = shown.and_then(|(own, chain)| {
        Certificate::read(own, chain.iter().map(|certificate| certificate.to_vec()).collect()).ok()
    });
    accepted.peer.certificate = read.map(Arc::new);
    if session.alpn_protocol() == Some(HTTP2) {
        http2::serve(stream, accepted).await
    } else {
        http1::serve(stream, accepted).await
    }
}
