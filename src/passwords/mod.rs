//! Passwords and client secrets: hashing in a bounded pool, and what a node remembers of a slow check.

mod hashing;
pub mod pool;
mod queue;
pub mod remembered;
mod worker;
