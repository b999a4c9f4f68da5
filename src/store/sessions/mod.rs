//! Sessions: one row each, however often they are refreshed.

mod active;
mod begin_codes;
mod create;
mod end;
mod find;
mod limit;
mod new;
mod record;
mod refresh;

pub(in crate::store) use begin_codes::begin_all_codes;
pub use end::Ended;
pub(in crate::store) use end::{ENDED_AT_ONCE, end_sessions};
pub use find::SessionFilter;
pub(in crate::store) use find::find_all;
pub(in crate::store) use limit::{Limit, exceeded_all};
pub use new::NewSession;
pub use record::SessionRecord;
pub use refresh::Rotation;
pub(in crate::store) use refresh::rotate_all;
