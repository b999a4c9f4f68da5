//! What every live node must know before it is done for the first time.

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

    /// Makes sure that every node knows the exchange of tokens of other issuers, from the first one on: on an older node, what comes of
    /// one would not end with the trust in its issuer.
    ///
    /// # Errors
    /// A node that is still running does not know it, or the database does not answer.
    pub(crate) async fn begin_to_exchange_foreign(&self) -> Result<()> {
        if !self.exchanges_foreign.load(Ordering::Acquire) {
            self.store.use_foreign_exchange(self.clock.now()).await?;
            self.exchanges_foreign.store(true, Ordering::Release);
        }
        Ok(())
    }
}
