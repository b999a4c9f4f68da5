//! Tells administrators that somebody is guessing, in the log and in the audit trail.

use std::net::IpAddr;

use tracing::Instrument;
use uuid::Uuid;

use crate::store::{Audited, StoreError};
use crate::throttle::Throttle;

/// Where an attempt comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    pub(crate) request_id: Uuid,
    pub(crate) address: IpAddr,
}

impl Throttle {
    /// Tells of a throttled attempt; during an attack, a sample is enough.
    pub(super) fn audit(&self, action: &'static str, target: String, detail: String, source: Source) {
        // Each kind has its own limit, so that made-up names leave room for real ones: "unknown user", "user …".
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
        beside(async move { store.audit_write(&audited, action, target, Some(detail)).await });
    }
}

/// Writes beside the answer, which must take as long for an account that exists as for one that does not. A failed write
/// costs this node a little knowledge of an attack; the log says so within the span of the request.
pub(super) fn beside(work: impl Future<Output = Result<(), StoreError>> + Send + 'static) {
    // An attempt that is dropped while the server stops has no runtime.
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    let work = async move {
        if let Err(error) = work.await {
            tracing::debug!(%error, "a failed or successful login was not recorded");
        }
    };
    runtime.spawn(work.in_current_span());
}
