//! Scopes: the grammar, and the algebra of sets.

use jeton::protocol::scope::{RESERVED, Scope, is_reserved};

/// What to begin with: two scopes, a line break between them.
pub const SEEDS: &[&str] = &[
    "read write\nread",
    "jeton:admin read\njeton:admin",
    "a b c d e f\nf e d c b a",
    " read\nread  write",
    "\"\\\n",
    "read:conversations write:conversations\nre\u{e9}",
];

/// The grammar of RFC 6749 §3.3, written a second time.
fn is_legal(text: &str) -> bool {
    let is_token =
        |token: &str| !token.is_empty() && token.chars().all(|c| ('!'..='~').contains(&c) && c != '"' && c != '\\');
    text.is_empty() || text.split(' ').all(is_token)
}

fn checked(text: &str) -> Option<Scope> {
    let scope = Scope::parse(text);
    let mut distinct: Vec<&str> = text.split(' ').filter(|token| !token.is_empty()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let is_bounded = text.len() <= 4096 && distinct.len() <= 200;
    assert_eq!(scope.is_ok(), is_legal(text) && is_bounded, "{text:?}");
    let scope = scope.ok()?;
    let mut held: Vec<&str> = scope.tokens().collect();
    assert_eq!(Scope::parse(&scope.to_string()).as_ref(), Ok(&scope), "what is printed reads back");
    held.sort_unstable();
    assert_eq!(held, distinct, "each token once");
    assert_eq!(scope.is_empty(), held.is_empty());
    let json = serde_json::to_string(&scope).expect("a scope is JSON");
    assert_eq!(serde_json::from_str::<Scope>(&json).ok().as_ref(), Some(&scope));
    let (others, reserved) = scope.split_reserved();
    assert!(reserved.tokens().all(is_reserved) && !others.has_reserved());
    assert_eq!(reserved.is_empty(), !scope.has_reserved());
    assert_eq!(others.tokens().count() + reserved.tokens().count(), held.len());
    assert!(RESERVED.iter().all(|name| scope.contains(name) == reserved.contains(name)));
    Some(scope)
}

/// What holds of any text, and of any two scopes.
pub fn scope(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (one, other) = text.split_once('\n').unwrap_or((&text, ""));
    let (Some(one), Some(other)) = (checked(one), checked(other)) else { return };
    let (common, rest) = (one.intersection(&other), one.without(&other));
    assert!(common.is_within(&one) && common.is_within(&other) && rest.is_within(&one));
    assert!(rest.intersection(&other).is_empty());
    assert_eq!(common.tokens().count() + rest.tokens().count(), one.tokens().count());
    assert_eq!(common, other.intersection(&one), "what both hold does not depend on who asks");
    assert_eq!(one.is_within(&other), rest.is_empty());
    assert_eq!(one == other, one.is_within(&other) && other.is_within(&one));
    assert!(Scope::default().is_within(&one));
    for token in rest.tokens() {
        assert!(one.contains(token) && !other.contains(token));
    }
}
