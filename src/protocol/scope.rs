//! Scopes (RFC 6749 §3.3) and the reserved scopes of the admin API.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::protocol::schema::describe;

/// The prefix of every reserved scope.
const RESERVED_PREFIX: &str = "jeton:";
/// The scopes of the admin API; no other scope may begin with `jeton:`.
pub const RESERVED: [&str; 5] = [ADMIN, CLIENTS, USERS, REVOKE, READ];
/// The scope that allows everything in the admin API.
pub const ADMIN: &str = "jeton:admin";
/// The scope that allows administering clients.
pub const CLIENTS: &str = "jeton:clients";
/// The scope that allows administering users.
pub const USERS: &str = "jeton:users";
/// The scope that allows revoking.
pub const REVOKE: &str = "jeton:revoke";
/// The scope that allows reading everything in the admin API, and explanations.
pub const READ: &str = "jeton:read";
/// The longest scope text that is accepted, in bytes.
pub(crate) const LONGEST: usize = 4096;
/// The most scope tokens that are accepted.
const MOST: usize = 200;

/// A set of scope tokens, in the order in which they were named.
#[derive(Clone, Debug, Default)]
pub struct Scope(Vec<Box<str>>);

/// A list of scopes as a regular expression.
pub(crate) const PATTERN: &str = r"^([!#-\[\]-~]+( [!#-\[\]-~]+)*)?$";

describe!(Scope {
    "description": "Names separated by single spaces, at most 200 names and 4096 bytes in all; empty if there are none. Names \
        that begin with `jeton:` are those of the admin API.",
    "type": "string",
    "maxLength": LONGEST,
    "pattern": PATTERN,
    "examples": ["read:conversations write:conversations"],
});

/// Why a text is not a scope: an illegal character, or it is too long, or has too many tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAScope;

impl fmt::Display for NotAScope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "a scope is a list of at most {MOST} names separated by single spaces; a name consists of printable ASCII \
             characters other than the double quote and the backslash"
        )
    }
}

impl Scope {
    /// Reads a space-delimited list (RFC 6749 §3.3); duplicates count once. An empty text is the empty scope.
    pub fn parse(text: &str) -> Result<Self, NotAScope> {
        if text.len() > LONGEST {
            return Err(NotAScope);
        }
        let mut scope = Self::default();
        for token in text.split(' ') {
            if text.is_empty() {
                break;
            }
            let legal = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
            if token.is_empty() || !token.bytes().all(legal) {
                return Err(NotAScope);
            }
            if !scope.contains(token) {
                scope.0.push(token.into());
            }
            if scope.0.len() > MOST {
                return Err(NotAScope);
            }
        }
        Ok(scope)
    }

    /// As many of these names as a scope may have, the first ones.
    pub fn of_first<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut scope = Self::default();
        for name in names {
            let longer = if scope.is_empty() { name.to_owned() } else { format!("{scope} {name}") };
            let Ok(longer) = Self::parse(&longer) else { break };
            scope = longer;
        }
        scope
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it contains the token. Scope tokens are case-sensitive.
    pub fn contains(&self, token: &str) -> bool {
        self.0.iter().any(|own| &**own == token)
    }

    /// Whether it is a subset of `other`.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.iter().all(|token| other.contains(token))
    }

    /// The tokens in both, in the order of this one.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.iter().filter(|token| other.contains(token)).cloned().collect())
    }

    /// The tokens that are not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self(self.0.iter().filter(|token| !other.contains(token)).cloned().collect())
    }

    /// The tokens.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|token| &**token)
    }

    /// Separates the reserved scopes: (the others, the reserved ones).
    #[must_use]
    pub fn split_reserved(&self) -> (Self, Self) {
        let (reserved, others) = self.split_by(is_reserved);
        (others, reserved)
    }

    /// Separates the tokens of a kind: (those of the kind, the others).
    #[must_use]
    pub fn split_by(&self, is_of_kind: impl Fn(&str) -> bool) -> (Self, Self) {
        let (kind, others) = self.0.iter().cloned().partition(|token| is_of_kind(token));
        (Self(kind), Self(others))
    }

    /// The tokens of both, those of this one first.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.iter().chain(other.0.iter().filter(|token| !self.contains(token))).cloned().collect())
    }

    /// Whether it contains a reserved scope.
    pub fn has_reserved(&self) -> bool {
        self.0.iter().any(|token| is_reserved(token))
    }
}

/// Whether a scope token belongs to the admin API and so is for confidential clients only.
pub fn is_reserved(token: &str) -> bool {
    token.starts_with(RESERVED_PREFIX)
}

impl PartialEq for Scope {
    /// Order does not matter (RFC 6749 §3.3).
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.is_within(other)
    }
}

impl Eq for Scope {}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, token) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str(" ")?;
            }
            formatter.write_str(token)?;
        }
        Ok(())
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scp_003_characters_outside_the_grammar_are_refused() {
        for text in ["re\"ad", "re\\ad", "réad", "read\twrite", "read\n", "\0", " read", "read  write", " "] {
            assert_eq!(Scope::parse(text), Err(NotAScope), "{text:?}");
        }
    }

    #[test]
    fn scp_005_order_does_not_matter_and_duplicates_count_once() {
        let scope = Scope::parse("write read read").unwrap();
        assert_eq!(scope, Scope::parse("read write").unwrap());
        assert_eq!(scope.to_string(), "write read");
    }

    #[test]
    fn reserved_scopes_are_told_apart_by_their_prefix() {
        let (others, reserved) = Scope::parse("read jeton:admin jeton-like").unwrap().split_reserved();
        assert_eq!((others.to_string(), reserved.to_string()), ("read jeton-like".into(), "jeton:admin".into()));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back_the_same(text in "[!#-\\[\\]-~]{1,12}( [!#-\\[\\]-~]{1,12}){0,8}") {
            let scope = Scope::parse(&text).unwrap();
            prop_assert_eq!(Scope::parse(&scope.to_string()).unwrap(), scope);
        }

        #[test]
        fn any_text_is_judged_without_a_panic(text in ".*") {
            let _ = Scope::parse(&text);
        }
    }
}
