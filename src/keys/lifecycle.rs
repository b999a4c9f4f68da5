//! The life of a key follows from its times alone. It is *announced* (published, not used), *active* from
//! `activates_at` until the next key of its use and algorithm becomes active, and then *retired* (verifies, does not
//! sign) until the last token that it made has expired.

use serde::Serialize;
use utoipa::ToSchema;

use crate::keys::record::{KeyRecord, KeyUse};
use crate::protocol::time::Timestamp;

/// Seconds for which a new key is published before it is used. Longer than [`JWKS_MAX_AGE`], so that every resource
/// server has seen it.
pub const ANNOUNCEMENT: i64 = 600;
/// Seconds for which the published key set may be cached.
pub const JWKS_MAX_AGE: i64 = 300;

/// Where a key is in its life: `announced` is published and not used yet, `retired` only verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Published, not yet used.
    Announced,
    /// Makes new tokens.
    Active,
    /// Verifies the tokens that it made.
    Retired,
}

/// The state of every key, and when the retired ones can be removed: once the key that followed has been active for
/// `longest` seconds, the longest life of anything made with a key of that use.
pub(crate) fn states(
    records: &[KeyRecord],
    now: Timestamp,
    longest: impl Fn(KeyUse) -> i64,
) -> Vec<(KeyState, Option<Timestamp>)> {
    let successor = |record: &KeyRecord| {
        records
            .iter()
            .filter(|other| (other.key_use, other.algorithm) == (record.key_use, record.algorithm))
            .filter(|other| (other.activates_at, &other.kid) > (record.activates_at, &record.kid))
            .map(|other| other.activates_at)
            .min()
    };
    records
        .iter()
        .map(|record| match successor(record) {
            Some(moment) if moment <= now => (KeyState::Retired, Some(moment.plus_seconds(longest(record.key_use)))),
            _ if record.activates_at <= now => (KeyState::Active, None),
            _ => (KeyState::Announced, None),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::algorithm::SigningAlgorithm;

    fn record(kid: &str, algorithm: SigningAlgorithm, activates_at: i64) -> KeyRecord {
        KeyRecord {
            kid: kid.into(),
            key_use: KeyUse::Signing,
            algorithm: Some(algorithm),
            wrapped: vec![],
            created_at: Timestamp::from_seconds(0),
            activates_at: Timestamp::from_seconds(activates_at),
        }
    }

    #[test]
    fn jwk_010_and_jwk_011_a_key_is_announced_then_active_then_retired_until_its_tokens_expire() {
        let records = [
            record("a", SigningAlgorithm::Es256, 0),
            record("b", SigningAlgorithm::Es256, 1000),
            record("c", SigningAlgorithm::Rs256, 1000),
        ];
        let at = |now| states(&records, Timestamp::from_seconds(now), |_| 900);
        let (announced, active) = ((KeyState::Announced, None), (KeyState::Active, None));
        assert_eq!(at(999), [active, announced, announced]);
        let over = Timestamp::from_seconds(1900);
        assert_eq!(at(1000), [(KeyState::Retired, Some(over)), active, active]);
        assert_eq!(
            states(&[records[0].clone(), records[2].clone()], over, |_| 900),
            [active, active],
            "another algorithm"
        );
    }
}
