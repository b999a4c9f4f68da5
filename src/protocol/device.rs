//! Requests of devices (RFC 8628): a device shows a code, and a person who types it in elsewhere lets the device in.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;

/// Seconds for which a device waits for a person.
pub const LIFE: i64 = 600;
/// Seconds that a device leaves between two polls, and by which that grows with each poll that comes too early (RFC 8628 §3.5).
pub const INTERVAL: i64 = 5;

/// The letters of user codes: consonants, so that none is taken for a digit and no word comes of them (RFC 8628 §6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// The letters of one code: 25,600,000,000 different codes.
const LENGTH: usize = 8;

/// The code that a device shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserCode(String);

impl UserCode {
    /// The code that random bytes stand for; `None` if too few of them do. A byte of the uneven rest stands for no letter, so that
    /// all letters are equally likely.
    pub fn of(random: &[u8]) -> Option<Self> {
        let even =
            random.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < 256 / LETTERS.len() * LETTERS.len());
        let code: String = even.map(|byte| char::from(LETTERS[byte % LETTERS.len()])).take(LENGTH).collect();
        (code.len() == LENGTH).then_some(Self(code))
    }

    /// The letters alone.
    pub fn letters(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserCode {
    type Err = ();

    /// Reads what a person typed: in any case, with any spaces and dashes.
    fn from_str(typed: &str) -> Result<Self, ()> {
        let is_between =
            |c: &char| c.is_whitespace() || matches!(c, '-' | '_' | '.' | '\u{2010}'..='\u{2015}' | '\u{2212}');
        let code: String = typed.chars().filter(|c| !is_between(c)).take(LENGTH + 1).collect();
        let code = code.to_ascii_uppercase();
        let is_code = code.len() == LENGTH && code.bytes().all(|byte| LETTERS.contains(&byte));
        if is_code { Ok(Self(code)) } else { Err(()) }
    }
}

impl fmt::Display for UserCode {
    /// As it is shown: in two halves.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = self.0.split_at(LENGTH / 2);
        write!(formatter, "{first}-{second}")
    }
}

/// What became of the request of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceState {
    /// Nobody has answered it.
    Pending,
    /// A person let the device in: the session with the id of the request waits for the device.
    Allowed,
    /// A person refused.
    Denied,
}

impl DeviceState {
    /// Its name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Allowed => "allowed",
            Self::Denied => "denied",
        }
    }
}

impl FromStr for DeviceState {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        [Self::Pending, Self::Allowed, Self::Denied].into_iter().find(|state| state.name() == name).ok_or(())
    }
}

/// The request of a device.
#[derive(Clone, Debug)]
pub struct DeviceRequest {
    /// Its id, which is that of the session that it begins.
    pub id: Uuid,
    /// SHA-256 of the nonce that its device code carries.
    pub nonce_hash: [u8; 32],
    /// The code that a person types in.
    pub user_code: UserCode,
    /// The client.
    pub client_id: String,
    /// What the client asks for, as far as it may have it.
    pub scope: Scope,
    /// The audiences of the resources asked for; the client's own if it named none.
    pub audiences: Vec<String>,
    /// The network that it came from.
    pub network: String,
    /// What became of it.
    pub state: DeviceState,
    /// Milliseconds that the device has to leave between two polls.
    pub wait: i64,
    /// When it came.
    pub created_at: Timestamp,
    /// When it is over.
    pub expires_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dev_011_a_user_code_is_read_in_any_case_with_any_dashes_and_spaces() {
        for typed in ["WDJB-MJHT", "wdjbmjht", " wdjb mjht ", "W-D-J-B-M-J-H-T", "wdjb–mjht", "Wdjb.Mjht\t"] {
            assert_eq!(typed.parse::<UserCode>().unwrap().to_string(), "WDJB-MJHT", "{typed:?}");
        }
        for wrong in
            ["", "WDJB-MJH", "WDJB-MJHTT", "WDJB-MJHA", "WDJB-MJH0", "ẂDJBMJHT", "WDJB/MJHT", &"W".repeat(9000)]
        {
            assert!(wrong.parse::<UserCode>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn every_letter_of_a_user_code_is_equally_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for byte in 0..=255_u8 {
            if let Some(code) = UserCode::of(&[byte; LENGTH]) {
                assert_eq!(code.to_string().parse(), Ok(code.clone()));
                *counts.entry(code.0).or_insert(0) += 1;
            }
        }
        assert_eq!((counts.len(), counts.values().min(), counts.values().max()), (20, Some(&12), Some(&12)));
        assert_eq!(UserCode::of(&[0; LENGTH - 1]), None);
    }
}
