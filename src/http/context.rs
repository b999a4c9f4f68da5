//! What a request carries from the envelope to its handler.

/// What is known of a request besides its content.
#[derive(Clone, Debug)]
pub(super) struct Context {
    /// The id under which it is logged.
    pub(super) request_id: String,
    /// The address that it came from, believing trusted proxies.
    pub(super) address: String,
}
