//! The secret that an authenticator and this server share.

use std::fmt;

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::crypto::{equal_in_constant_time, fill_with_random};
use crate::keys::keyring::ReadyDataKey;
use crate::protocol::time::Timestamp;
use crate::protocol::totp::{SECRET_LENGTH, accepted_steps, base32, code, otpauth_uri};

/// A TOTP secret (RFC 6238 §3). It is written as JSON only to be sealed in a form.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(super) struct TotpSecret([u8; SECRET_LENGTH]);

impl fmt::Debug for TotpSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TotpSecret")
    }
}

impl TotpSecret {
    pub(super) fn generate() -> Self {
        let mut secret = Self([0; SECRET_LENGTH]);
        fill_with_random(&mut secret.0);
        secret
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// As people type it into an authenticator.
    pub(super) fn to_base32(&self) -> Zeroizing<String> {
        base32(&self.0)
    }

    /// As authenticators read it from a QR code.
    pub(super) fn uri(&self, service: &str, username: &str) -> Zeroizing<String> {
        otpauth_uri(service, username, &self.0)
    }

    /// The time step to which a code belongs, if it is accepted at this moment. Whether it counted already is for the
    /// store to say.
    pub(super) fn step_of(&self, entered: &str, now: Timestamp) -> Option<i64> {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        // All of them are computed, so that the time taken does not tell which one it was.
        let code_of = |step: i64| {
            let mut hmac = [0; 20];
            hmac.copy_from_slice(hmac::sign(&key, &step.to_be_bytes()).as_ref());
            code(&hmac)
        };
        let is_right = |step: &i64| equal_in_constant_time(code_of(*step).as_bytes(), entered.as_bytes());
        accepted_steps(now).filter(is_right).fold(None, |newest, step| newest.or(Some(step)))
    }

    /// Encrypts it for the database, for this user only.
    pub(super) fn seal(&self, user: Uuid, key: &ReadyDataKey) -> Vec<u8> {
        key.key.wrap(&name(user), &self.0)
    }

    /// Decrypts what [`seal`](Self::seal) made for this user.
    pub(super) fn open(sealed: &[u8], user: Uuid, key: &ReadyDataKey) -> Option<Self> {
        Self::read(&key.key.unwrap(&name(user), sealed)?)
    }
}

/// What is authenticated with the secret, so that nobody who writes the database can give one user the secret of another.
fn name(user: Uuid) -> String {
    format!("second factor {user}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::wrapping::WrappingKey;

    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn codes_are_those_of_rfc_6238_appendix_b() {
        let secret = TotpSecret::read(SECRET).unwrap();
        let vectors = [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ];
        for (seconds, code) in vectors {
            let at = |later| Timestamp::from_seconds(seconds + later);
            assert_eq!(secret.step_of(code, at(0)), Some(seconds / 30), "at {seconds}");
            // One step of tolerance on both sides.
            assert_eq!(secret.step_of(code, at(30)), Some(seconds / 30), "a step later");
            assert_eq!(secret.step_of(code, at(-30)), Some(seconds / 30), "a step earlier");
            assert_eq!(secret.step_of(code, at(60)), None, "two steps later");
            assert_eq!(secret.step_of(code, at(-60)), None, "two steps earlier");
        }
        assert_eq!(secret.step_of("", Timestamp::from_seconds(59)), None);
        assert_eq!(secret.step_of("287083", Timestamp::from_seconds(59)), None);
    }

    #[test]
    fn a_secret_reads_back_for_its_user_and_key_only() {
        let key = |byte| ReadyDataKey { kid: "a".into(), key: WrappingKey::parse(&[byte; 32]).unwrap() };
        let (alice, bob) = (Uuid::now_v7(), Uuid::now_v7());
        let secret = TotpSecret::generate();
        let sealed = secret.seal(alice, &key(1));
        let opened = |user, key| TotpSecret::open(&sealed, user, &key).map(|opened| opened.0);
        assert_eq!(opened(alice, key(1)), Some(secret.0));
        assert_eq!(opened(bob, key(1)), None);
        assert_eq!(opened(alice, key(2)), None);
        assert_eq!(format!("{secret:?}"), "TotpSecret");
    }
}
