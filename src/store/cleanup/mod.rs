//! Cleanup: expired rows are removed in small batches.
//!
//! A batch is short and skips rows that another transaction has locked; the next round finds those. So two nodes that
//! clean up at once share the work and block neither each other nor a request.
//!
//! The size of a batch adapts to the time it takes, because a batch holds SQLite's only writer, and how many rows fit
//! into 50 ms depends on the disk and the load.
//!
//! A round walks along an index and never turns back, because Postgres keeps removed rows in its indexes until the next
//! vacuum, and starting over for each batch would pass all of them again.

mod kinds;
mod round;
mod turn;

pub(crate) use kinds::swept_kinds;
pub use round::Round;
