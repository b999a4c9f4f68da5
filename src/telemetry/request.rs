//! The span of a request. Every line that is logged within it says which request it belongs to.
//!
//! Most requests log nothing. So the fields enter the span as numbers, and only a line that is written turns them into text.

use std::fmt::Debug;
use std::net::{IpAddr, Ipv6Addr};

use tracing::Span;
use tracing::field::{Empty, Field, Visit};
use uuid::Uuid;

/// Opens the span of a request. It has the level `ERROR`, so that every filter that shows a line shows its request, too.
pub fn span(endpoint: &'static str, request_id: Uuid, address: IpAddr) -> Span {
    let address = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    tracing::error_span!(
        parent: None,
        "request",
        endpoint,
        client = Empty,
        request_id = request_id.as_u128(),
        address = address.to_bits(),
        left_out = Empty
    )
}

/// Adds the authenticated client to the span of the current request.
pub(crate) fn authenticated(client_id: &str) {
    Span::current().record("client", client_id);
}

/// The fields of the span of a request.
#[derive(Clone, Debug)]
pub(super) struct RequestFields {
    pub(super) endpoint: String,
    pub(super) client: Option<String>,
    pub(super) request_id: Uuid,
    pub(super) address: IpAddr,
    /// How many refusals of the same kind were not logged before the line that is about to be written.
    pub(super) left_out: u64,
}

impl Default for RequestFields {
    fn default() -> Self {
        let address = Ipv6Addr::UNSPECIFIED.into();
        Self { endpoint: String::new(), client: None, request_id: Uuid::nil(), address, left_out: 0 }
    }
}

impl Visit for RequestFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "endpoint" => value.clone_into(&mut self.endpoint),
            "client" => self.client = Some(value.to_owned()),
            _ => {}
        }
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        match field.name() {
            "request_id" => self.request_id = Uuid::from_u128(value),
            "address" => self.address = Ipv6Addr::from_bits(value).to_canonical(),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}
