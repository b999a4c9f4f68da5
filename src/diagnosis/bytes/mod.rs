//! What a text shows to anyone who reads it, without keys.

pub(super) mod characters;
pub(super) mod content;
pub(super) mod facts;
mod foreign;
pub(super) mod joined;
pub(super) mod kind;
pub(super) mod not_a_token;
pub(super) mod origin;
pub(super) mod reader;
pub(super) mod shape;
pub(super) mod unverified;
pub(super) mod wrapping;
