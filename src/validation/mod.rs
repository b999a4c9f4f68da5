//! Is a token valid? One answer for introspection, `/auth/verify`, the admin API, revocation and refresh.
//!
//! A token counts as invalid until it has passed every step:
//!
//! 1. **Signature** and issuer: a key of this server made it, for this issuer.
//! 2. **Holder's proof**, where it is used: the sender holds what it is bound to, if it is.
//! 3. **Time**: it has not expired and does not lie in the future.
//! 4. **Revocation**: nothing in force covers it, and the log has reached its number.
//! 5. **Requirements** of the caller, if any: audience and scope.
//!
//! Nothing a token says is believed before step 1. Only a token that fails a step is diagnosed. If memory lacks
//! something, the database is asked before a token is refused.

pub mod administrator;
mod holder;
pub mod proof;
mod session;
mod token;

pub use holder::Presented;
pub(crate) use session::{check_session, session_of};
pub(crate) use token::verify;
pub use token::{ActiveToken, Validated, access_token, access_token_for, any_token};
