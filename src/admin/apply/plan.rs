//! What is to be written, as it is found out object by object.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::admin::apply::{Applied, ApplyRequest, Change, ChangeAction, MemberChange, Object};
use crate::admin::{AdminError, Result};
use crate::protocol::object::Kind;
use crate::protocol::time::Timestamp;
use crate::store::{SetChanges, SetOwner, SetWrite};

/// What people call objects, by their ids.
pub(super) type Names = BTreeMap<(Kind, String), String>;

/// What is to be written.
pub(super) struct Plan<'a> {
    pub(super) request: &'a ApplyRequest,
    owners: BTreeMap<(Kind, String), SetOwner>,
    named: BTreeSet<(Kind, String)>,
    names: Names,
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
    pub(super) fn new(request: &'a ApplyRequest, owners: BTreeMap<(Kind, String), SetOwner>) -> Self {
        Self {
            request,
            owners,
            named: BTreeSet::new(),
            names: BTreeMap::new(),
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

    /// Reads each object of a kind and does something with it. An error names the place of the object.
    pub(super) fn each<T>(
        &mut self,
        kind: Kind,
        read: impl Fn(&Object) -> Result<T>,
        mut bring: impl FnMut(&mut Self, T) -> Result<()>,
    ) -> Result<()> {
        for (index, object) in self.request.objects(kind).iter().enumerate() {
            let done = read(object).and_then(|wanted| bring(self, wanted));
            done.map_err(|error| at(kind, index, error))?;
        }
        Ok(())
    }

    /// Counts an object to the set, unless it is named twice or belongs to another set. `name` is what people call it.
    pub(super) fn claim(&mut self, kind: Kind, id: &str, name: &str) -> Result<()> {
        let (member, object) = (kind.id_member(), (kind, id.to_owned()));
        if !self.named.insert(object.clone()) {
            return Err(AdminError::Invalid(format!("{member}: the {} {name} is named twice", kind.name())));
        }
        self.names.insert(object.clone(), name.to_owned());
        match self.owners.get(&object) {
            Some(owner) if owner.set == self.request.set => return Ok(()),
            Some(SetOwner { set, since }) if !self.request.take_over => {
                return Err(AdminError::Conflict(format!(
                    "{member}: the {} {name} belongs to the set {set} since {since}; take_over moves it to this one",
                    kind.name()
                )));
            }
            _ => {}
        }
        self.gained.insert(object);
        Ok(())
    }

    /// The objects of the kind that are to be deleted: those that this set applied before and does not name any more.
    pub(super) fn pruned(&self, kind: Kind) -> Vec<String> {
        if !self.request.prune {
            return vec![];
        }
        let own = self.owners.iter().filter(|((its, _), owner)| *its == kind && owner.set == self.request.set);
        own.map(|(object, _)| object).filter(|object| !self.named.contains(object)).map(|(_, id)| id.clone()).collect()
    }

    /// An object is as the set says.
    pub(super) fn is_unchanged(&mut self, kind: Kind, id: &str) {
        self.unchanged += 1;
        self.joined += u64::from(self.gained.contains(&(kind, id.to_owned())));
    }

    /// An object that would be deleted stays.
    pub(super) fn keep(&mut self, kind: Kind, name: &str, why: &str) {
        self.changes.push(Change { notes: vec![why.into()], ..Change::new(ChangeAction::Keep, kind, name) });
    }

    /// An object is not as the set says, and this is written.
    pub(super) fn change(&mut self, change: Change, write: SetWrite) {
        let (kind, id) = write.object();
        self.names.entry((kind, id.to_owned())).or_insert_with(|| change.id.clone());
        self.changes.push(change);
        self.writes.push(write);
    }

    /// What to write, and what to tell of it; and what people call the objects.
    pub(super) fn finish(self, secret_prefix: String, covers_until: Timestamp) -> (SetChanges, Applied, Names) {
        let ApplyRequest { set, dry_run, take_over, .. } = self.request;
        let changes = SetChanges {
            set: set.clone(),
            writes: self.writes,
            gained: self.gained.into_iter().collect(),
            takes_over: *take_over,
            keeps_administrator: self.loses_administrator,
            covers_until,
        };
        let (unchanged, joined) = (self.unchanged, self.joined);
        let (set, dry_run) = (set.clone(), *dry_run);
        (changes, Applied { set, dry_run, changes: self.changes, unchanged, joined, secret_prefix }, self.names)
    }
}

impl Change {
    /// A change of this object that is not described further.
    pub(super) fn new(action: ChangeAction, kind: Kind, id: &str) -> Self {
        Self {
            action,
            kind,
            id: id.to_owned(),
            members: vec![],
            creates_user: false,
            needs_secret: false,
            notes: vec![],
        }
    }

    /// The members in which these two differ.
    pub(super) fn of<T: Serialize>(mut self, before: &T, after: &T) -> Self {
        self.members = differences(before, after);
        self
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
fn differences<T: Serialize>(before: &T, after: &T) -> Vec<MemberChange> {
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
