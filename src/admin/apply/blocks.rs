//! The blocks of a set: which clients that nobody registered are not wanted. Whoever applies a set may do all of it.

use serde_json::json;

use crate::admin::apply::plan::Plan;
use crate::admin::apply::{Change, ChangeAction, Object};
use crate::admin::client_blocks::NewClientBlock;
use crate::admin::{Result, body};
use crate::app::App;
use crate::protocol::object::Kind;
use crate::store::{ClientBlock, SetWrite};

/// Reads a block and checks it.
pub(super) fn read(object: &Object) -> Result<NewClientBlock> {
    let new: NewClientBlock = body::read_members(object.clone())?;
    new.check()?;
    Ok(new)
}

/// Decides what happens to the blocks of the set, and to those that left it.
pub(super) async fn plan(app: &App, plan: &mut Plan<'_>) -> Result<()> {
    let mut found = app.store.client_block_all().await?;
    let now = app.clock.now();
    plan.each(Kind::Block, read, |plan, NewClientBlock { target, reason }| {
        plan.claim(Kind::Block, &target, &target)?;
        let current = found.remove(&target);
        let was = current.as_ref().and_then(|block| block.reason.clone());
        if current.is_some() && was == reason {
            plan.is_unchanged(Kind::Block, &target);
            return Ok(());
        }
        let action = if current.is_some() { ChangeAction::Update } else { ChangeAction::Create };
        let change = Change::new(action, Kind::Block, &target).of(&json!({"reason": was}), &json!({"reason": reason}));
        let write = match current {
            Some(block) => SetWrite::UpdateBlock(ClientBlock { reason, ..block }),
            None => SetWrite::CreateBlock(ClientBlock { target, reason, created_at: now }),
        };
        plan.change(change, write);
        Ok(())
    })?;
    for target in plan.pruned(Kind::Block) {
        if found.remove(&target).is_some() {
            plan.change(Change::new(ChangeAction::Delete, Kind::Block, &target), SetWrite::DeleteBlock(target));
        }
    }
    Ok(())
}
