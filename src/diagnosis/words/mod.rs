//! The texts about a refusal.

pub mod advice;
pub mod commands;
pub mod explanation;
pub mod public;
pub mod timeline;
