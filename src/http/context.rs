//! What a request carries from the envelope to its handler.

use std::net::IpAddr;

use uuid::Uuid;

/// What is known of a request besides its content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    /// The id under which it is logged.
    pub(crate) request_id: Uuid,
    /// The other end of the connection: the nearest proxy, if there is one.
    pub(crate) peer: IpAddr,
    /// The address that it came from, believing trusted proxies.
    pub(crate) address: IpAddr,
}
