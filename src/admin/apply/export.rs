//! Writes objects as files have them: what differs from the defaults, and never a secret.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::admin::apply::{Object, schema};
use crate::protocol::client::{ClientSettings, RegisteredBy};
use crate::protocol::object::Kind;
use crate::protocol::resource::ResourceSettings;
use crate::protocol::trusted_issuer::IssuerSettings;

/// Objects as files have them, put together from what the admin API lists.
#[derive(Debug)]
pub struct Exported {
    kinds: Vec<OfKind>,
}

#[derive(Debug)]
struct OfKind {
    kind: Kind,
    members: Vec<String>,
    defaults: Map<String, Value>,
    objects: Vec<Object>,
}

impl Default for Exported {
    fn default() -> Self {
        let of = |kind: &Kind| {
            let defaults = match kind {
                Kind::Client => members_of(&ClientSettings::default()),
                Kind::Resource => members_of(&ResourceSettings::default()),
                Kind::Issuer => members_of(&IssuerSettings::default()),
                Kind::Role => Map::from_iter([("enabled".to_owned(), Value::Bool(true))]),
                Kind::Block => Map::from_iter([("reason".to_owned(), Value::Null)]),
            };
            let members = schema::members(*kind).into_iter().map(|(name, _)| name).collect();
            OfKind { kind: *kind, members, defaults, objects: vec![] }
        };
        Self { kinds: Kind::ALL.iter().map(of).collect() }
    }
}

impl Exported {
    /// Adds an object as the admin API shows it, unless no file can say what it is: clients that registered themselves.
    pub fn add(&mut self, kind: Kind, shown: &Object) {
        let by_administrator = |by: &Value| by == RegisteredBy::Administrator.name();
        if !shown.get("registered_by").is_none_or(by_administrator) {
            return;
        }
        for of_kind in self.kinds.iter_mut().filter(|of_kind| of_kind.kind == kind) {
            let named = of_kind.members.iter().filter_map(|name| Some((name, shown.get(name)?)));
            let changed = named.filter(|(name, value)| of_kind.defaults.get(*name) != Some(value));
            of_kind.objects.push(changed.map(|(name, value)| (name.clone(), value.clone())).collect());
        }
    }

    /// The content of a file.
    pub fn into_file(self) -> Map<String, Value> {
        let kinds = self.kinds.into_iter().filter(|of_kind| !of_kind.objects.is_empty());
        kinds
            .map(|of_kind| (of_kind.kind.list().to_owned(), of_kind.objects.into_iter().map(Value::Object).collect()))
            .collect()
    }
}

fn members_of(settings: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}
