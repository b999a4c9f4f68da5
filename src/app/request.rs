//! The request as use cases see it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use uuid::Uuid;

use crate::issuer::Issuer;
use crate::protocol::confirmation::Sender;
use crate::protocol::parameters::Parameters;
use crate::throttle::Source;

/// A request, as far as the protocol is concerned.
#[derive(Debug)]
pub struct Request<'a> {
    /// The issuer that it was sent to.
    pub issuer: &'a Issuer,
    /// The name of the endpoint in the log and in metrics.
    pub endpoint: &'static str,
    /// The method, in upper case.
    pub method: &'a str,
    /// Path and query; the path is relative to the issuer.
    pub target: &'a str,
    /// Names, in lower case, and values of the headers.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The parameters of the body.
    pub parameters: &'a Parameters,
    /// The other end of the connection.
    pub peer: &'a Peer,
    /// What the sender proved about itself.
    pub sender: Sender,
    /// The client's address, as trusted proxies forwarded it.
    pub address: IpAddr,
    /// The id under which it is logged.
    pub request_id: Uuid,
}

/// The other end of a connection: the nearest proxy, if there is one.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// The certificate (DER) that it proved over TLS to have the key of.
    pub certificate: Option<Arc<[u8]>>,
}

impl From<SocketAddr> for Peer {
    /// A peer without a certificate.
    fn from(address: SocketAddr) -> Self {
        Self { address, certificate: None }
    }
}

impl<'a> Request<'a> {
    /// Every value of a header, whose name is in lower case. A header that proves something must not be repeated, so
    /// callers see all of them.
    pub fn header(&self, name: &str) -> Vec<&'a [u8]> {
        self.headers.iter().filter(|(own, _)| *own == name).map(|(_, value)| *value).collect()
    }

    /// Where it comes from.
    pub(crate) const fn source(&self) -> Source {
        Source { request_id: self.request_id, address: self.address }
    }
}
