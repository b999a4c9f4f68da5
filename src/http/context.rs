//! What a handler learns from the envelope about its request.

use std::net::IpAddr;

use axum::http::{Extensions, StatusCode};
use uuid::Uuid;

use crate::app::Peer;
use crate::http::route::Endpoint;
use crate::protocol::confirmation::Sender;

/// What is known of a request besides its content.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// Identifies the request in the log and in `X-Request-Id`.
    pub(crate) request_id: Uuid,
    /// What the table of routes says of its path.
    pub(crate) endpoint: Endpoint,
    /// The other end of the connection.
    pub(crate) peer: Peer,
    /// The client's address, as trusted proxies forwarded it.
    pub(crate) address: IpAddr,
}

impl Context {
    /// What the sender proved about itself by its connection.
    pub(crate) fn sender(&self) -> Sender {
        Sender::default()
    }

    /// The context that the envelope left in a request, or the status for one that did not pass it.
    pub(crate) fn of(extensions: &Extensions) -> Result<Self, StatusCode> {
        extensions.get().cloned().ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

#[cfg(test)]
impl Context {
    pub(crate) fn for_a_test(endpoint: Endpoint) -> Self {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
        Self { request_id: Uuid::now_v7(), endpoint, peer: Peer::from(address), address: address.ip() }
    }
}
