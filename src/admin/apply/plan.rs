//! What is to be written, as it is found out object by object.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::admin::apply::{Applied, ApplyRequest, Change, ChangeAction, MemberChange};
use crate::admin::{AdminError, Result};
use crate::protocol::object::Kind;
use crate::store::{SetChanges, SetWrite};

/// What is to be written.
pub(super) struct Plan<'a> {
    pub(super) request: &'a ApplyRequest,
    owners: BTreeMap<(Kind, String), String>,
    named: BTreeSet<(Kind, &'a str)>,
    /// The clients that administer everything, as it will be.
    pub(super) administrators: BTreeSet<String>,
    /// Whether one of them is no longer one.
    pub(super) loses_administrator: bool,
    /// The clients that are deleted.
    pub(super) deleted_clients: BTreeSet<String>,
    changes: Vec<Change>,
    writes: Vec<SetWrite>,
    gained: BTreeSet<(Kind, String)>,
    unchanged: u64,
    joined: u64,
}

impl<'a> Plan<'a> {
    pub(super) fn new(request: &'a ApplyRequest, owners: BTreeMap<(Kind, String), String>) -> Self {
        Self {
            request,
            owners,
            named: BTreeSet::new(),
            administrators: BTreeSet::new(),
            loses_administrator: false,
            deleted_clients: BTreeSet::new(),
            changes: vec![],
            writes: vec![],
            gained: BTreeSet::new(),
            unchanged: 0,
            joined: 0,
        }
    }

    /// Counts an object to the set, unless it is named twice or belongs to another set.
    pub(super) fn claim(&mut self, kind: Kind, id: &'a str) -> Result<()> {
        if !self.named.insert((kind, id)) {
            return Err(AdminError::Invalid(format!("{}: the {} {id} is named twice", kind.id_member(), kind.name())));
        }
        match self.owners.get(&(kind, id.to_owned())) {
            Some(owner) if *owner == self.request.set => return Ok(()),
            Some(owner) if !self.request.take_over => {
                return Err(AdminError::Conflict(format!(
                    "{}: the {} {id} belongs to the set {owner}; take_over moves it to this one",
                    kind.id_member(),
                    kind.name()
                )));
            }
            _ => {}
        }
        self.gained.insert((kind, id.to_owned()));
        Ok(())
    }

    /// The objects of the kind that are to be deleted: those that this set applied before and does not name any more.
    pub(super) fn pruned(&self, kind: Kind) -> Vec<String> {
        if !self.request.prune {
            return vec![];
        }
        let own = self.owners.iter().filter(|((its, _), set)| *its == kind && **set == self.request.set);
        let ids = own.map(|((_, id), _)| id).filter(|id| !self.named.contains(&(kind, id.as_str())));
        ids.cloned().collect()
    }

    /// An object is as the set says.
    pub(super) fn is_unchanged(&mut self, kind: Kind, id: &str) {
        self.unchanged += 1;
        self.joined += u64::from(self.gained.contains(&(kind, id.to_owned())));
    }

    pub(super) fn change(&mut self, change: Change) {
        self.changes.push(change);
    }

    pub(super) fn write(&mut self, write: SetWrite) {
        self.writes.push(write);
    }

    /// What to write, and what to tell of it.
    pub(super) fn finish(self, secret_prefix: String) -> (SetChanges, Applied) {
        let ApplyRequest { set, dry_run, take_over, .. } = self.request;
        let changes = SetChanges {
            set: set.clone(),
            writes: self.writes,
            gained: self.gained.into_iter().collect(),
            takes_over: *take_over,
            keeps_administrator: self.loses_administrator,
        };
        let (unchanged, joined) = (self.unchanged, self.joined);
        let (set, dry_run) = (set.clone(), *dry_run);
        (changes, Applied { set, dry_run, changes: self.changes, unchanged, joined, secret_prefix })
    }
}

impl Change {
    /// A change of this object that is not described further.
    pub(super) fn new(action: ChangeAction, kind: Kind, id: &str) -> Self {
        Self { action, kind, id: id.to_owned(), members: vec![], needs_secret: false, notes: vec![] }
    }
}

/// An error about the object at this place of its list.
pub(super) fn at(kind: Kind, index: usize, error: AdminError) -> AdminError {
    let about = |text: String| format!("{}[{index}]: {text}", kind.list());
    match error {
        AdminError::Invalid(text) => AdminError::Invalid(about(text)),
        AdminError::NotFound(text) => AdminError::NotFound(about(text)),
        AdminError::Conflict(text) => AdminError::Conflict(about(text)),
        AdminError::NeedsAdmin(text) => AdminError::NeedsAdmin(about(text)),
        error @ (AdminError::Unavailable(_) | AdminError::Overloaded) => error,
    }
}

/// The members in which two settings differ.
pub(super) fn differences<T: Serialize>(before: &T, after: &T) -> Vec<MemberChange> {
    let members = |settings: &T| match serde_json::to_value(settings) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    };
    let (mut before, after) = (members(before), members(after));
    let changed = after.into_iter().filter_map(|(name, after)| {
        let before = before.remove(&name).unwrap_or_default();
        (before != after).then_some(MemberChange { name, before, after })
    });
    changed.collect()
}
