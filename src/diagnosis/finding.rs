//! What is held against a token, and what is known about it.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::protocol::cause::Cause;
use crate::protocol::time::Timestamp;

/// Where a finding or a fact comes from, and therefore who may learn it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Anyone who has the text can see it.
    Bytes,
    /// Only this server knows it, from its keys or its records.
    Server,
}

/// A reason to refuse a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The cause.
    pub cause: Cause,
    /// Where it comes from.
    pub source: Source,
    /// What was found, in full sentences.
    pub detail: String,
    /// When it happened, if known.
    pub at: Option<Timestamp>,
    /// The scope that the request needed, if the token lacks one.
    pub needed: Option<String>,
    /// What the client can do, if that differs from the usual advice for the cause.
    pub remedy: Option<&'static str>,
    /// What the challenge has to ask for, if the holder of the token proved nothing.
    pub holder: Option<HolderFault>,
}

/// What a holder is asked for that did not prove to hold what the token is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HolderFault {
    /// A proof of the key (RFC 9449 §7.1).
    Key,
    /// A proof with a nonce (RFC 9449 §9).
    Nonce,
    /// Something that no challenge can ask for.
    Other,
}

impl Finding {
    pub(super) fn from_bytes(cause: Cause, detail: impl Into<String>) -> Self {
        Self { cause, source: Source::Bytes, detail: detail.into(), at: None, needed: None, remedy: None, holder: None }
    }

    pub(super) fn from_server(cause: Cause, detail: impl Into<String>) -> Self {
        Self { source: Source::Server, ..Self::from_bytes(cause, detail) }
    }

    pub(super) fn at(self, at: Timestamp) -> Self {
        Self { at: Some(at), ..self }
    }
}

/// Damage to the text that its bytes show. The repaired text is never shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Damage {
    /// The cause.
    pub cause: Cause,
    /// What was found, and where.
    pub detail: String,
    /// What to remove or replace.
    pub repair: String,
    /// Whether the repaired text verified as a token of this server.
    pub proved: bool,
}

impl Damage {
    pub(super) fn new(cause: Cause, detail: impl Into<String>, repair: impl Into<String>) -> Self {
        Self { cause, detail: detail.into(), repair: repair.into(), proved: false }
    }
}

/// A fact about a token.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Fact {
    /// What it is about.
    pub fact: &'static str,
    /// The value.
    pub value: Value,
    /// Whether this server vouches for it; otherwise the token merely claims it.
    pub verified: bool,
    /// Where it comes from.
    #[serde(skip)]
    pub source: Source,
}

impl Fact {
    /// Something anyone can read in the text. It may be a lie.
    pub fn claimed(fact: &'static str, value: impl Into<Value>) -> Self {
        Self { fact, value: value.into(), verified: false, source: Source::Bytes }
    }

    /// Something this server knows.
    pub fn verified(fact: &'static str, value: impl Into<Value>) -> Self {
        Self { fact, value: value.into(), verified: true, source: Source::Server }
    }
}
