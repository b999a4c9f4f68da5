//! The formats of tokens, and the proof that a text is one of ours.

pub mod context;
pub mod environment;
pub mod error;
pub mod jwt;
pub mod opaque;
pub mod refresh;
pub mod verify;
