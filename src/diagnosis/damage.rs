//! Damage on the way: what was found, and what to do about it. The repaired text itself is never shown.

use serde::Serialize;

use crate::protocol::cause::Cause;

/// A damage that the bytes show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// Its name.
    pub cause: Cause,
    /// What was found, and where.
    pub detail: String,
    /// What to remove or replace.
    pub repair: String,
    /// Whether the text without it was proved to be a token of this server.
    pub proved: bool,
}

impl Damage {
    pub(crate) fn new(cause: Cause, detail: impl Into<String>, repair: impl Into<String>) -> Self {
        Self { cause, detail: detail.into(), repair: repair.into(), proved: false }
    }
}
