//! Features of clients that an older program does not know: settings that restrict a client, and new forms of tokens.
//!
//! An older node would ignore such a setting or refuse such a token, so a client may use a feature only once every live
//! node knows it. Each new feature gets a line here, with the version that introduced it.

use crate::protocol::client::{AccessTokenFormat, ClientSettings};
use crate::protocol::version::Version;

/// A feature of a client.
pub struct Feature {
    /// The member of the settings that uses it.
    pub member: &'static str,
    /// The version that introduced it.
    pub since: Version,
    /// Whether these settings use it.
    pub is_used: fn(&ClientSettings) -> bool,
}

/// Every feature.
pub const FEATURES: [Feature; 2] = [
    Feature {
        member: "access_token_format",
        since: Version([0, 1, 0]),
        is_used: |settings| settings.access_token_format == AccessTokenFormat::Opaque,
    },
    Feature {
        member: "introspect_audiences",
        since: Version([0, 1, 0]),
        is_used: |settings| settings.introspect_audiences.is_some(),
    },
];

impl Feature {
    /// Whether a program of this version knows it. If the version cannot be parsed, it does not.
    pub fn is_known_to(&self, version: &str) -> bool {
        version.parse().is_ok_and(|version: Version| version >= self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_knows_the_features_of_its_own_and_older_versions() {
        let feature = Feature { member: "m", since: Version([1, 2, 0]), is_used: |_| true };
        for (version, is_known) in
            [("1.2.0", true), ("1.10.0", true), ("2.0.0", true), ("1.1.9", false), ("1.2.0-rc.1", false), ("", false)]
        {
            assert_eq!(feature.is_known_to(version), is_known, "{version}");
        }
    }

    #[test]
    fn this_program_knows_every_feature() {
        assert!(FEATURES.iter().all(|feature| feature.is_known_to(env!("CARGO_PKG_VERSION"))));
    }
}
