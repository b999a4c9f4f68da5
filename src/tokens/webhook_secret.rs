//! The secrets that sign webhooks (Standard Webhooks 1.0, symmetric signatures).

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::crypto::fill_with_random;
use crate::keys::keyring::ReadyDataKey;
use crate::protocol::time::Timestamp;

/// What its text begins with.
pub const PREFIX: &str = "whsec_";

/// Its length in bytes.
const LENGTH: usize = 32;

/// A secret of a webhook.
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WebhookSecret")
    }
}

impl WebhookSecret {
    /// A random one.
    pub fn generate() -> Self {
        let mut secret = Zeroizing::new(vec![0; LENGTH]);
        fill_with_random(&mut secret);
        Self(secret)
    }

    /// As receivers are configured with it.
    pub fn text(&self) -> Zeroizing<String> {
        let encoded = Zeroizing::new(STANDARD.encode(&*self.0));
        Zeroizing::new([PREFIX, encoded.as_str()].concat())
    }

    /// Encrypts it for the database, for this webhook and this id only.
    pub fn seal(&self, webhook: Uuid, id: Uuid, key: &ReadyDataKey) -> Vec<u8> {
        key.key.wrap(&name(webhook, id), &self.0)
    }

    /// Decrypts what [`seal`](Self::seal) made for this webhook and id.
    pub fn open(sealed: &[u8], webhook: Uuid, id: Uuid, key: &ReadyDataKey) -> Option<Self> {
        key.key.unwrap(&name(webhook, id), sealed).map(Self)
    }

    /// Signs a message: its id, the time at which it is sent, and its body.
    pub fn sign(&self, message: &str, at: Timestamp, body: &str) -> String {
        let content = format!("{message}.{}.{body}", at.seconds());
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), content.as_bytes());
        format!("v1,{}", STANDARD.encode(signature))
    }
}

/// What is authenticated with the secret, so that nobody who writes the database can give one webhook the secret of another.
fn name(webhook: Uuid, id: Uuid) -> String {
    format!("webhook {webhook} secret {id}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::wrapping::WrappingKey;

    #[test]
    fn signatures_are_those_of_other_libraries() {
        let secret = WebhookSecret(Zeroizing::new(STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()));
        let at = Timestamp::from_millis(1_614_265_330_999);
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, "{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_reads_back_for_its_webhook_id_and_key_only() {
        let key = |byte| ReadyDataKey { kid: "a".into(), key: WrappingKey::parse(&[byte; 32]).unwrap() };
        let (webhook, id, other) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
        let secret = WebhookSecret::generate();
        let sealed = secret.seal(webhook, id, &key(1));
        let opened = |webhook, id, key| WebhookSecret::open(&sealed, webhook, id, &key).map(|opened| opened.0);
        assert_eq!(opened(webhook, id, key(1)).as_ref(), Some(&secret.0));
        assert!(opened(other, id, key(1)).is_none());
        assert!(opened(webhook, other, key(1)).is_none());
        assert!(opened(webhook, id, key(2)).is_none());
        assert_eq!(secret.text().len(), PREFIX.len() + 44);
        assert!(secret.text().starts_with(PREFIX) && *secret.text() != *WebhookSecret::generate().text());
        assert_eq!(format!("{secret:?}"), "WebhookSecret");
    }
}
