//! Passwords and client secrets: hashing in a bounded pool, and what a node remembers of a slow check.

pub mod dev_key;
pub mod hashing;
pub mod pool;
pub mod remembered;
