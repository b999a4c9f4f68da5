//! Passwords and client secrets: hashing in a bounded pool, and what a node remembers of a slow check.

pub mod dev_key;
mod hashing;
mod place;
pub mod pool;
mod queue;
pub mod remembered;
