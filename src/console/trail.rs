//! Where the audit trail tells of somebody.

use crate::console::page::{Block, Cell};
use crate::console::visit::address;

/// The page of the audit trail.
pub(super) const PATH: &str = "console/audit";

/// Links to what somebody did, and to what was done to them.
pub(super) fn links(name: &str, did: &str, changed: &str) -> Block {
    let (by, of) = (address(PATH, &[("actor", name)]), address(PATH, &[("target", name)]));
    Block::Text(vec![Cell::link(did, by), Cell::link(changed, of)])
}
