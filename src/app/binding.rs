//! Bound tokens are a feature that every live node must know.

use std::sync::atomic::Ordering;

use crate::app::{App, Result};

impl App {
    /// Makes sure that every node knows bound tokens, from the first one on: an older node would refresh a bound session for anybody.
    ///
    /// # Errors
    /// A node that is still running does not know them, or the database does not answer.
    pub(crate) async fn begin_to_bind(&self) -> Result<()> {
        if !self.binds.load(Ordering::Acquire) {
            self.store.use_bound_tokens(self.clock.now()).await?;
            self.binds.store(true, Ordering::Release);
        }
        Ok(())
    }
}
