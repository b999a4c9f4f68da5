//! What speaks against a token, and what is known of it.

use serde::Serialize;
use serde_json::Value;

use crate::protocol::cause::Cause;
use crate::protocol::time::Timestamp;

/// What a finding or a fact rests on, and so who may be told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Basis {
    /// The bytes that were sent show it to anybody.
    Bytes,
    /// It takes a key or the state of this server to know it.
    State,
}

/// Something that speaks against a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its name.
    pub cause: Cause,
    /// What it rests on.
    pub basis: Basis,
    /// What was found, in a sentence.
    pub detail: String,
    /// When it came to be, where that is known.
    pub at: Option<Timestamp>,
    /// The scope that is needed, where one is missing.
    pub needed: Option<String>,
    /// What the client can do, where that is not what the cause usually calls for.
    pub remedy: Option<&'static str>,
}

impl Finding {
    pub(crate) fn shown(cause: Cause, detail: impl Into<String>) -> Self {
        Self { cause, basis: Basis::Bytes, detail: detail.into(), at: None, needed: None, remedy: None }
    }

    pub(crate) fn known(cause: Cause, detail: impl Into<String>) -> Self {
        Self { basis: Basis::State, ..Self::shown(cause, detail) }
    }

    pub(crate) fn since(self, at: Timestamp) -> Self {
        Self { at: Some(at), ..self }
    }
}

/// A fact about a token.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fact {
    /// What it is about.
    pub fact: &'static str,
    /// The value.
    pub value: Value,
    /// Whether this server vouches for it; otherwise the token merely claims it.
    pub verified: bool,
    /// What it rests on.
    #[serde(skip)]
    pub basis: Basis,
}

impl Fact {
    /// What anybody can read in the bytes; it may be a lie.
    pub fn claimed(fact: &'static str, value: impl Into<Value>) -> Self {
        Self { fact, value: value.into(), verified: false, basis: Basis::Bytes }
    }

    /// What this server knows.
    pub fn verified(fact: &'static str, value: impl Into<Value>) -> Self {
        Self { fact, value: value.into(), verified: true, basis: Basis::State }
    }
}
