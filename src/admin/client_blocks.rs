//! Administration of blocks: URLs and hosts whose clients are not wanted, although nobody registered them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::admin::error::no_such;
use crate::admin::revocations::check_reason;
use crate::admin::{Actor, AdminError, List, ListRequest, Result};
use crate::app::App;
use crate::protocol::client_document::check_target;
use crate::protocol::time::Timestamp;
use crate::store::{ClientBlock, Ended};

/// What to block.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewClientBlock {
    /// The URL of a client's metadata document, or a host in lower case without a port, with which every name below it is blocked.
    #[schema(min_length = 1, max_length = 255)]
    pub target: String,
    /// Why, for the records; at most 500 bytes of UTF-8 without control characters.
    #[schema(max_length = 500, pattern = r"^[^\u0000-\u001F\u007F-\u009F]*$")]
    pub reason: Option<String>,
}

/// A block as it is shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ClientBlock)]
pub struct ClientBlockView {
    /// The URL of a client's metadata document, or a host with every name below it.
    pub target: String,
    /// Why, for the records.
    #[schema(required)]
    pub reason: Option<String>,
    /// Since when.
    pub created_at: Timestamp,
}

impl NewClientBlock {
    /// Checks the target and the reason.
    pub(super) fn check(&self) -> Result<()> {
        check_target(&self.target).map_err(AdminError::Invalid)?;
        check_reason(self.reason.as_ref())
    }
}

impl From<ClientBlock> for ClientBlockView {
    fn from(block: ClientBlock) -> Self {
        let ClientBlock { target, reason, created_at } = block;
        Self { target, reason, created_at }
    }
}

impl App {
    /// Blocks the URL of a client's metadata document, or a host. What was issued to the clients there ends.
    pub async fn client_block_create(&self, new: NewClientBlock, actor: &Actor) -> Result<ClientBlockView> {
        new.check()?;
        let block = ClientBlock { target: new.target, reason: new.reason, created_at: self.clock.now() };
        let covers_until = self.settings.covers_until(block.created_at);
        let audited = self.dated(actor);
        let write = self.store.client_block_create(&block, covers_until, &audited);
        let (block, ended) = self.state.honour(write).await?;
        if ended == Ended::Part {
            self.client_blocks_carry_out(actor).await?;
        }
        Ok(block.into())
    }

    /// Lists blocks by target.
    pub async fn client_block_list(&self, request: &ListRequest) -> Result<List<ClientBlockView>> {
        let page = request.page("client blocks")?;
        let blocks = self.store.client_block_list(&page).await?;
        Ok(List::new("client blocks", &page, blocks, |block| block.target.clone(), ClientBlockView::from))
    }

    /// Ends a block. What had been issued to the clients there stays ended.
    pub async fn client_block_delete(&self, target: &str, actor: &Actor) -> Result<()> {
        check_target(target).map_err(|_| no_such("block of", target))?;
        let covers_until = self.settings.covers_until(self.clock.now());
        let audited = self.dated(actor);
        let write = self.store.client_block_delete(target, covers_until, &audited);
        let (was_there, ended) = self.state.honour(write).await?;
        if ended == Ended::Part {
            self.client_blocks_carry_out(actor).await?;
        }
        if was_there { Ok(()) } else { Err(no_such("block of", target)) }
    }

    /// Carries out, part by part, what blocks that were written have still to do. If it does not come to its end, the servers go on.
    pub(super) async fn client_blocks_carry_out(&self, actor: &Actor) -> Result<()> {
        loop {
            let covers_until = self.settings.covers_until(self.clock.now());
            let audited = self.dated(actor);
            let write = self.store.client_blocks_carry_out(covers_until, &audited);
            if self.state.honour(write).await? != Ended::Part {
                break;
            }
        }
        // Other nodes may have done a part: what they ended is over here, too, before this is answered.
        Ok(self.state.apply_log().await?)
    }
}
