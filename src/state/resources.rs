//! Resources: all of them are in memory, and the log keeps them up to date.

use std::sync::Arc;

use crate::protocol::resource::{MOST_RESOURCES, Resource, Resources};
use crate::state::{NodeState, Unavailable};
use crate::store::Page;

impl NodeState {
    /// Every resource.
    pub(crate) async fn resources(&self) -> Result<Arc<Resources>, Unavailable> {
        self.ensure_fresh().await?;
        Ok(self.resources.load_full())
    }

    /// A resource as memory has it, fresh or not: enough to say where its metadata is.
    pub(crate) fn resource_in_memory(&self, uri: &str) -> Option<Arc<Resource>> {
        self.resources.load().get(uri).cloned()
    }

    pub(super) async fn load_resources(&self) -> Result<(), Unavailable> {
        let mut fresh = Resources::default();
        let all = Page { limit: MOST_RESOURCES, after: None };
        self.store.resource_list(None, &all).await?.into_iter().for_each(|resource| fresh.put(resource));
        self.resources.store(Arc::new(fresh));
        Ok(())
    }

    /// Reads those that entries of the log say have changed. Only a poll calls this, and one runs at a time.
    pub(super) async fn reload_resources(&self, changed: &[&str]) -> Result<(), Unavailable> {
        let mut resources = Resources::clone(&self.resources.load());
        changed.iter().for_each(|uri| resources.remove(uri));
        self.store.resource_find_all(changed).await?.into_iter().for_each(|resource| resources.put(resource));
        self.resources.store(Arc::new(resources));
        Ok(())
    }
}
