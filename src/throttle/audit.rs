//! Reports guessing to administrators, in the log and in the audit trail.

use std::net::IpAddr;

use uuid::Uuid;

use crate::current_request;
use crate::protocol::backoff::Network;
use crate::store::{Audited, StoreError};
use crate::throttle::Throttle;

/// Where an attempt comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    pub(crate) request_id: Uuid,
    pub(crate) address: IpAddr,
}

impl Source {
    pub(crate) fn network(self) -> Network {
        Network::from(self.address)
    }
}

impl Throttle {
    /// Records a throttled attempt; during an attack, a sample is enough.
    pub(super) fn audit(&self, action: &'static str, target: String, detail: String, source: Source) {
        // Each kind has its own limit, so that attempts on made-up names ("unknown user") leave room for real ones
        // ("user …").
        let kind = format!("{action} {}", target.split(' ').next().unwrap_or_default());
        let Source { request_id, address } = source;
        if !self.audits.allows(&kind) {
            tracing::debug!(action, target, detail, "guessing is slowed down");
            return;
        }
        tracing::warn!(action, target, detail, "guessing is slowed down");
        let audited = Audited {
            actor: "nobody".into(),
            request_id: Some(request_id.to_string()),
            address: Some(address.to_string()),
            at: self.clock.now(),
        };
        let store = self.store.clone();
        in_background(async move { store.audit_write(&audited, action, target, Some(detail)).await });
    }
}

/// Writes in the background, since an answer must not take longer for an account that exists. After a failed write,
/// this node knows a little less about an attack; the log says so of the request.
pub(super) fn in_background(work: impl Future<Output = Result<(), StoreError>> + Send + 'static) {
    // There is no runtime if an attempt is dropped while the server stops.
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    let work = async move {
        if let Err(error) = work.await {
            tracing::debug!(%error, "a failed or successful login was not recorded");
        }
    };
    runtime.spawn(current_request::within(current_request::current(), work));
}
