//! What people allowed clients for good.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::protocol::scope::Scope;

/// The scopes that a person allowed, for each resource apart: what may be done at one is not allowed at another. The empty name
/// stands for requests without any resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Remembered(BTreeMap<String, Scope>);

impl Remembered {
    /// Whether it covers each of these scopes at each of these resources.
    pub fn covers(&self, scope: &Scope, resources: &[String]) -> bool {
        names(resources).all(|resource| self.0.get(resource).is_some_and(|allowed| scope.is_within(allowed)))
    }

    /// The same with these scopes at each of these resources besides.
    #[must_use]
    pub fn with(mut self, scope: &Scope, resources: &[String]) -> Self {
        for resource in names(resources) {
            let both = self.0.get(resource).map(|before| before.union(scope));
            // More than a scope can be is not remembered: the person is asked again.
            let allowed = both.filter(|both| Scope::parse(&both.to_string()).is_ok());
            self.0.insert(resource.to_owned(), allowed.unwrap_or_else(|| scope.clone()));
        }
        self
    }

    /// The scopes that it has for any resource.
    pub fn scope(&self) -> Scope {
        self.0.values().fold(Scope::default(), |all, scope| all.union(scope))
    }
}

fn names(resources: &[String]) -> impl Iterator<Item = &str> {
    let none = resources.is_empty().then_some("");
    resources.iter().map(String::as_str).chain(none)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        Scope::parse(text).unwrap()
    }

    fn resources<const N: usize>(names: [&str; N]) -> Vec<String> {
        names.map(str::to_owned).to_vec()
    }

    #[test]
    fn a_scope_is_allowed_only_at_the_resources_for_which_it_was_asked() {
        let (a, b, both) = (resources(["https://a"]), resources(["https://b"]), resources(["https://a", "https://b"]));
        let allowed = Remembered::default().with(&scope("read"), &a).with(&scope("write"), &b);
        assert!(allowed.covers(&scope("read"), &a) && allowed.covers(&scope("write"), &b));
        assert!(!allowed.covers(&scope("write"), &a) && !allowed.covers(&scope("read"), &b));
        assert!(!allowed.covers(&scope("read"), &both), "at b, only write was allowed");
        let allowed = allowed.with(&scope("read"), &both);
        assert!(allowed.covers(&scope("read"), &both) && allowed.covers(&scope("read write"), &b));
        assert!(!allowed.covers(&scope("write"), &a));
        assert_eq!(allowed.scope(), scope("read write"));
    }

    #[test]
    fn a_request_without_scopes_or_resources_needs_to_be_allowed_too() {
        let (none, a) = (resources([]), resources(["https://a"]));
        assert!(
            !Remembered::default().covers(&scope(""), &a) && !Remembered::default().covers(&scope("openid"), &none)
        );
        let allowed = Remembered::default().with(&scope("openid"), &none);
        assert!(allowed.covers(&scope("openid"), &none) && allowed.covers(&scope(""), &none));
        assert!(!allowed.covers(&scope("openid"), &a) && !allowed.covers(&scope(""), &a));
        assert!(Remembered::default().with(&scope(""), &a).covers(&scope(""), &a));
    }

    #[test]
    fn what_was_written_can_always_be_read() {
        let a = resources(["https://a"]);
        let many = |prefix: &str| scope(&(0..150).map(|n| format!("{prefix}{n}")).collect::<Vec<_>>().join(" "));
        let allowed = Remembered::default().with(&many("x"), &a).with(&many("y"), &a);
        let text = serde_json::to_string(&allowed).unwrap();
        let read: Remembered = serde_json::from_str(&text).unwrap();
        assert!(read == allowed && read.covers(&many("y"), &a) && !read.covers(&many("x"), &a));
    }
}
