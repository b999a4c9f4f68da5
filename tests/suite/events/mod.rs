//! Events: streams of them, and webhooks.

mod stream;
mod webhooks;

use std::collections::BTreeSet;
use std::path::Path;

use jeton::protocol::event::TYPES;

use crate::security::sources;

const GUIDE: &str = include_str!("../../../docs/events.md");

#[test]
fn the_guide_to_events_has_every_type() {
    let rows = GUIDE.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let named: Vec<&str> = rows.map(|(name, _)| name).collect();
    assert_eq!(named, TYPES);
}

#[test]
fn whatever_is_written_to_the_audit_trail_is_a_type_of_event() {
    let mut program = String::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut program);
    // A literal action follows the actor.
    let calls = ["audit(audited, \"", "audit_write(audited, \"", "throttle.audit(\"", "self.audit(\""];
    let actions: BTreeSet<&str> =
        calls.iter().flat_map(|call| program.split(call).skip(1)).filter_map(|rest| rest.split('"').next()).collect();
    assert!(actions.len() > 30, "they are found: {actions:?}");
    let unknown: Vec<_> = actions.iter().filter(|action| !TYPES.contains(action)).collect();
    assert!(unknown.is_empty(), "add to TYPES in src/protocol/event.rs: {unknown:?}");
}
