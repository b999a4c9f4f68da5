//! Trusted issuers: all of them are in memory, and the log keeps them up to date.

use std::sync::Arc;

use crate::protocol::trusted_issuer::TrustedIssuers;
use crate::state::{NodeState, Unavailable};

impl NodeState {
    /// Every trusted issuer.
    pub(crate) async fn trusted_issuers(&self) -> Result<Arc<TrustedIssuers>, Unavailable> {
        self.ensure_fresh().await?;
        Ok(self.trusted_issuers.load_full())
    }

    /// Reads all of them anew; they are few, and change seldom. Only a load or a poll calls this, and one runs at a time.
    pub(super) async fn load_trusted_issuers(&self) -> Result<(), Unavailable> {
        let mut fresh = TrustedIssuers::default();
        self.store.issuer_all().await?.into_iter().for_each(|issuer| fresh.put(issuer));
        self.trusted_issuers.store(Arc::new(fresh));
        Ok(())
    }
}
