//! Objects that files describe.

use crate::protocol::names::names;

names! {
    /// A kind of objects that files describe, by the name that people read.
    Kind {
        /// A client, by `client_id`.
        Client "client",
        /// A resource, by its URI.
        Resource "resource",
        /// A trusted issuer, by its `iss`.
        Issuer "issuer",
        /// The role of a user, by the `sub` of the user.
        Role "role",
        /// A block of clients that nobody registered, by its target.
        Block "block",
    }
}

/// The longest name of a set of files, in bytes.
const LONGEST_SET: usize = 64;

/// Checks the name of a set of files.
///
/// # Errors
/// What a name may be.
pub fn check_set(name: &str) -> Result<(), String> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    if (1..=LONGEST_SET).contains(&name.len()) && name.bytes().all(is_legal) {
        Ok(())
    } else {
        Err(format!("set is a name of 1 to {LONGEST_SET} letters, digits and characters of -_./"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_set_is_short_and_plain() {
        for name in ["main", "team-a/prod.eu", "1"] {
            assert!(check_set(name).is_ok(), "{name}");
        }
        for name in ["", "a b", "a\n", "ä", &"x".repeat(65)] {
            assert!(check_set(name).is_err(), "{name}");
        }
    }
}
