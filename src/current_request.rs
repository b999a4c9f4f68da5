//! The request that a task works for. Every line that is logged meanwhile says which request it belongs to.
//!
//! It is a value of the task and not a span of `tracing`: the registry and the filter of spans take locks whenever a task
//! enters or leaves one, and most requests log nothing.

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use crate::traces::{Kind, OpenSpan, Trace};

tokio::task_local! {
    static CURRENT: RefCell<Option<CurrentRequest>>;
}

/// What a line of the log says of its request.
#[derive(Clone, Debug)]
pub struct CurrentRequest {
    pub(crate) endpoint: &'static str,
    pub(crate) client: Option<String>,
    pub(crate) request_id: Uuid,
    pub(crate) address: IpAddr,
    /// The DPoP proof that counted for it: a later step that meets the same proof again need not refuse it.
    pub(crate) proof: Option<[u8; 16]>,
    /// How many refusals of the same kind were not logged before the line that is about to be written.
    pub(crate) left_out: u64,
    /// Its trace, if that is recorded.
    pub(crate) trace: Option<Arc<Trace>>,
}

impl CurrentRequest {
    /// A request whose client is not known yet.
    pub const fn new(endpoint: &'static str, request_id: Uuid, address: IpAddr) -> Self {
        Self { endpoint, client: None, request_id, address, proof: None, left_out: 0, trace: None }
    }
}

/// Does something for a request, or for none.
pub fn within<F: Future>(request: Option<CurrentRequest>, work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(RefCell::new(request), work)
}

/// The same for what does not wait.
pub fn within_sync<T>(request: Option<CurrentRequest>, work: impl FnOnce() -> T) -> T {
    CURRENT.sync_scope(RefCell::new(request), work)
}

/// The current request, for work that another task or thread does for it.
pub(crate) fn current() -> Option<CurrentRequest> {
    with(|request| request.clone())
}

/// Adds the authenticated client to the current request.
pub(crate) fn authenticated(client_id: &str) {
    with(|request| request.client = Some(client_id.to_owned()));
}

/// A span of the current request, until it is dropped; nothing if its trace is not recorded.
pub(crate) fn span(kind: Kind, name: &'static str) -> OpenSpan {
    with(|request| request.trace.as_ref().map(|trace| trace.span(kind, name))).flatten().unwrap_or_default()
}

/// Looks at the current request, or changes it.
pub(crate) fn with<T>(look: impl FnOnce(&mut CurrentRequest) -> T) -> Option<T> {
    CURRENT.try_with(|request| request.try_borrow_mut().ok()?.as_mut().map(look)).ok().flatten()
}
