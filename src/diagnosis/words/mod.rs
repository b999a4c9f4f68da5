//! What people are told about a refusal.

pub mod advice;
pub mod commands;
pub mod explanation;
pub mod public;
