//! Where in a YAML text something stands: its line.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A step into a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The member of this name.
    Member(String),
    /// The item at this place.
    Item(usize),
}

/// The line of what a path leads to, or of the last thing on the way there. The parser knows it only when it fails, so it is made to
/// fail there.
pub(super) fn line(text: &str, path: &[Step]) -> Option<usize> {
    let reader = serde_yaml_ng::Deserializer::from_str(text);
    let failed = Walk(path).deserialize(reader).err()?;
    failed.location().map(|location| location.line())
}

/// Follows a path and fails at its end.
struct Walk<'a>(&'a [Step]);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("something else")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((Step::Member(name), rest)) = self.0.split_first() else { return Err(A::Error::custom("here")) };
        // The line of a member is that of its name.
        while let Some(is_it) = map.next_key_seed(Name { name, is_last: rest.is_empty() })? {
            if is_it {
                return map.next_value_seed(Walk(rest));
            }
            map.next_value::<IgnoredAny>()?;
        }
        Err(A::Error::custom("not there"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some((Step::Item(index), rest)) = self.0.split_first() else { return Err(A::Error::custom("here")) };
        for _ in 0..*index {
            items.next_element::<IgnoredAny>()?;
        }
        items.next_element_seed(Walk(rest))?;
        Err(A::Error::custom("not there"))
    }
}

/// Whether a name is this one; fails if it is and the path ends there.
struct Name<'a> {
    name: &'a str,
    is_last: bool,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Name<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<bool, E> {
        if text == self.name && self.is_last { Err(E::custom("here")) } else { Ok(text == self.name) }
    }
}

/// The path that the text of an error begins with, such as `scope: …` or `grant_types[1]: …`, or the member in backticks.
pub(super) fn path_in(problem: &str) -> Vec<Step> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let quoted = || problem.split('`').nth(1).map(|name| vec![Step::Member(name.to_owned())]).unwrap_or_default();
    let end = problem.find(|c| !is_name(c)).unwrap_or(problem.len());
    let (name, mut rest) = problem.split_at(end);
    if name.is_empty() || !name.contains('_') && !rest.starts_with([':', '[', '.']) {
        return quoted();
    }
    let mut path = vec![Step::Member(name.to_owned())];
    loop {
        if let Some((index, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'))
            && let Ok(index) = index.parse()
        {
            path.push(Step::Item(index));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('.').filter(|after| after.starts_with(is_name)) {
            let end = after.find(|c| !is_name(c)).unwrap_or(after.len());
            path.push(Step::Member(after[..end].to_owned()));
            rest = &after[end..];
        } else {
            return path;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# a comment\nclients:\n  - client_id: a\n    scope: read\n  - client_id: b\n    grant_types:\n      - password\n      - implicit\n    claims: {x: 1}\n";

    #[test]
    fn the_line_of_a_member_is_found() {
        for (object, problem, expected) in [
            (0, "scope: wrong", 4),
            (0, "unknown member `scope`", 4),
            (0, "missing field `resource`", 3),
            (1, "client_id: taken", 5),
            (1, "grant_types: wrong", 6),
            (1, "grant_types[1]: expected a string", 8),
            (1, "claims.x: expected a string", 9),
            (1, "The moon is wrong", 5),
        ] {
            let mut path = vec![Step::Member("clients".into()), Step::Item(object)];
            path.extend(path_in(problem));
            assert_eq!(line(TEXT, &path), Some(expected), "{problem}");
        }
        assert_eq!(line(TEXT, &[Step::Member("clients".into())]), Some(2));
    }

    #[test]
    fn the_path_of_an_error_is_read() {
        let member = |name: &str| Step::Member(name.into());
        assert_eq!(path_in("grant_types[1]: x"), [member("grant_types"), Step::Item(1)]);
        assert_eq!(path_in("access_token_ttl is a number from 1"), [member("access_token_ttl")]);
        assert_eq!(path_in("a client with x has none"), []);
        assert_eq!(path_in("unknown member `colour`"), [member("colour")]);
    }
}
