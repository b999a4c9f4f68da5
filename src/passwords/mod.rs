//! Password hashing on threads of its own, the fair queue in front of them, and a memory of slow checks that succeeded.

mod hashing;
mod measures;
pub mod pool;
pub mod queue;
pub mod remembered;
mod workers;
