//! Sessions: one row each, however often they are refreshed.

mod active;
mod create;
mod end;
mod find;
mod record;
mod refresh;

pub use create::NewSession;
pub use end::Ended;
pub(in crate::store) use end::{ENDED_AT_ONCE, end_sessions};
pub use find::SessionFilter;
pub(in crate::store) use find::find_all;
pub use record::SessionRecord;
pub use refresh::Rotation;
pub(in crate::store) use refresh::rotate_all;
