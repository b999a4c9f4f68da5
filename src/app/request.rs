//! The request as use cases see it.

use std::net::{IpAddr, SocketAddr};

use uuid::Uuid;

use crate::issuer::Issuer;
use crate::protocol::parameters::Parameters;
use crate::throttle::Source;

/// A request, as far as the protocol is concerned.
#[derive(Debug)]
pub struct Request<'a> {
    /// The issuer that it was sent to.
    pub issuer: &'a Issuer,
    /// The method, in upper case.
    pub method: &'a str,
    /// Path and query; the path is relative to the issuer.
    pub target: &'a str,
    /// The values of the Authorization headers.
    pub authorization: &'a [&'a [u8]],
    /// The parameters of the body.
    pub parameters: &'a Parameters,
    /// The other end of the connection.
    pub peer: Peer,
    /// The client's address, as trusted proxies forwarded it.
    pub address: IpAddr,
    /// The id under which it is logged.
    pub request_id: Uuid,
}

/// The other end of a connection: the nearest proxy, if there is one.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
}

impl Request<'_> {
    /// Where it comes from.
    pub(crate) const fn source(&self) -> Source {
        Source { request_id: self.request_id, address: self.address }
    }
}
