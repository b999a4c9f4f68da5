//! The request that a use case sees.

use std::net::IpAddr;

use uuid::Uuid;

use crate::protocol::parameters::Parameters;
use crate::throttle::Source;

/// A request to an OAuth endpoint, as far as the protocol is concerned.
#[derive(Debug)]
pub struct Request<'a> {
    /// The values of the Authorization headers.
    pub authorization: &'a [&'a [u8]],
    /// The parameters of the body.
    pub parameters: &'a Parameters,
    /// The id under which it is logged.
    pub request_id: Uuid,
    /// The address that it came from.
    pub address: IpAddr,
}

impl Request<'_> {
    /// Where it comes from.
    pub(crate) const fn source(&self) -> Source {
        Source { request_id: self.request_id, address: self.address }
    }
}
