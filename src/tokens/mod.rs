//! The formats of tokens, and their verification.

pub mod code;
pub mod context;
pub mod dpop_nonce;
pub mod environment;
pub mod error;
pub mod id_jag;
pub mod id_token;
pub mod introspection_jwt;
pub mod jwt;
pub mod logout_token;
pub mod opaque;
mod packed;
pub mod refresh;
pub mod sealed;
pub mod verify;
pub mod webhook_secret;
