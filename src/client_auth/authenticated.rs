//! A client that has proved who it is.

use std::ops::Deref;
use std::sync::Arc;

use uuid::Uuid;

use crate::app::{App, Failure, Result};
use crate::crypto::sha256;
use crate::jose::key_set::KeySet;
use crate::protocol::client::{AuthMethod, Client, ClientSettings};
use crate::protocol::error::Refusal;
use crate::protocol::identity::Identity;

/// What proved who a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Its id alone: it is public.
    IdAlone,
    /// The secret with this id.
    Secret(Uuid),
    /// The key with this thumbprint (RFC 7638), by which it signed an assertion or which its certificate has.
    Key([u8; 32]),
    /// A certificate of an authority, with the registered name.
    Certificate,
    /// A token of the trusted issuer whose name has this hash.
    Issuer([u8; 32]),
}

/// An authenticated client, and what proved it. A proof is judged once per request, since some cannot be repeated;
/// later steps ask whether it still holds.
#[derive(Clone, Debug)]
pub(crate) struct Authenticated {
    client: Arc<Client>,
    proof: Proof,
}

impl Deref for Authenticated {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Authenticated {
    pub(super) const fn new(client: Arc<Client>, proof: Proof) -> Self {
        Self { client, proof }
    }

    /// The client as the database has it now, if the proof still holds.
    pub(crate) async fn renewed(&self, app: &App) -> Result<Self> {
        self.renewed_as(app.state.client_from_database(&self.client_id).await?)
    }

    fn renewed_as(&self, now: Option<Arc<Client>>) -> Result<Self> {
        match now {
            // Another client of the same name: whoever asks again authenticates as that one.
            Some(now) if now.created_at != self.created_at => {
                Err(Failure::Unavailable("the client was deleted and created again during the request".into()))
            }
            Some(now) if self.still_holds(&now) => Ok(Self::new(now, self.proof)),
            _ => {
                let refusal = Refusal::invalid_client("the authentication does not hold for the client as it is now");
                Err(refusal.about(Identity::of_client(&self.client_id)).into())
            }
        }
    }

    /// Whether what was proved authenticates this version of the client, too.
    fn still_holds(&self, now: &Client) -> bool {
        let method = now.settings.token_endpoint_auth_method;
        let is_proved = match self.proof {
            Proof::IdAlone => method.is_public(),
            Proof::Secret(id) => method.uses_secret() && now.secrets.iter().any(|secret| secret.id == id),
            Proof::Key(key) => {
                let is_same = method == self.settings.token_endpoint_auth_method;
                is_same && method.uses_registered_keys() && self.is_key_of(&now.settings, &key)
            }
            Proof::Certificate => {
                let names = now.settings.tls_client_auth_subjects();
                method == AuthMethod::TlsClientAuth && names == self.settings.tls_client_auth_subjects()
            }
            Proof::Issuer(hash) => {
                let mut named = now.settings.issuers.iter();
                method == AuthMethod::PrivateKeyJwt && named.any(|issuer| sha256(issuer.as_bytes()) == hash)
            }
        };
        is_proved && now.settings.enabled
    }

    /// Whether the key that proved the client is one of its keys now. At an address, they are those that were fetched.
    fn is_key_of(&self, now: &ClientSettings, key: &[u8; 32]) -> bool {
        match (&now.jwks_uri, &now.jwks) {
            (Some(address), _) => self.settings.jwks_uri.as_ref() == Some(address),
            (None, Some(jwks)) => KeySet::usable(&jwks.0).is_some_and(|keys| keys.has(key)),
            (None, None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jose::algorithm::SigningAlgorithm;
    use crate::jose::signing::SigningKey;
    use crate::protocol::client::{ClientSecret, SecretDigest};
    use crate::protocol::time::Timestamp;

    fn client(method: AuthMethod, secrets: &[Uuid]) -> Client {
        let at = Timestamp::from_millis(1);
        let secret = |id: &Uuid| ClientSecret {
            id: *id,
            digest: SecretDigest::Generated([0; 32]),
            created_at: at,
            last_used_at: None,
        };
        let settings = ClientSettings { token_endpoint_auth_method: method, ..ClientSettings::default() };
        Client {
            client_id: "c".into(),
            settings,
            secrets: secrets.iter().map(secret).collect(),
            created_at: at,
            version: 1,
        }
    }

    #[test]
    fn a_proof_holds_while_client_method_and_secret_are_there() {
        let (used, other) = (Uuid::now_v7(), Uuid::now_v7());
        let by_secret =
            Authenticated::new(Arc::new(client(AuthMethod::ClientSecretBasic, &[used])), Proof::Secret(used));
        assert!(by_secret.still_holds(&client(AuthMethod::ClientSecretPost, &[other, used])));
        assert!(!by_secret.still_holds(&client(AuthMethod::ClientSecretBasic, &[other])), "the secret was retired");
        assert!(!by_secret.still_holds(&client(AuthMethod::None, &[used])), "another method");
        let by_id = Authenticated::new(Arc::new(client(AuthMethod::None, &[])), Proof::IdAlone);
        assert!(by_id.still_holds(&client(AuthMethod::None, &[])));
        assert!(!by_id.still_holds(&client(AuthMethod::ClientSecretBasic, &[])), "it needs a secret now");
        let mut disabled = client(AuthMethod::None, &[]);
        disabled.settings.enabled = false;
        assert!(!by_id.still_holds(&disabled));
        let again = Client { created_at: Timestamp::from_millis(2), ..client(AuthMethod::None, &[]) };
        assert!(
            matches!(by_id.renewed_as(Some(Arc::new(again))), Err(Failure::Unavailable(_))),
            "it was created again"
        );
    }

    #[test]
    fn the_proof_by_a_certificate_holds_while_its_name_is_the_registered_one() {
        let with = |members: serde_json::Value| {
            let settings = serde_json::from_value(members).unwrap();
            Client { settings, ..client(AuthMethod::None, &[]) }
        };
        let named = |name: &str| {
            with(json!({"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": name}))
        };
        let by_name = Authenticated::new(Arc::new(named("a.example")), Proof::Certificate);
        assert!(by_name.still_holds(&named("a.example")));
        assert!(!by_name.still_holds(&named("b.example")));
        let uri = json!({"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_uri": "a.example"});
        assert!(!by_name.still_holds(&with(uri)), "another kind of name");
        let other =
            json!({"token_endpoint_auth_method": "client_secret_basic", "tls_client_auth_san_dns": "a.example"});
        assert!(!by_name.still_holds(&with(other)), "another method");
    }

    #[test]
    fn the_proof_by_a_key_holds_while_the_key_is_one_of_the_client() {
        let new_key = || {
            let pkcs8 = SigningKey::generate(SigningAlgorithm::Es256);
            SigningKey::parse(SigningAlgorithm::Es256, &pkcs8).unwrap().public_jwk("a")
        };
        let (used, other) = (new_key(), new_key());
        let with = |members: serde_json::Value| {
            let settings = serde_json::from_value(members).unwrap();
            Client { settings, ..client(AuthMethod::None, &[]) }
        };
        let method = "private_key_jwt";
        let registered = |keys: &[&crate::jose::jwk::Jwk]| {
            with(json!({"token_endpoint_auth_method": method, "jwks": {"keys": keys}}))
        };
        let at = |address: &str| with(json!({"token_endpoint_auth_method": method, "jwks_uri": address}));
        let proof = Proof::Key(used.thumbprint());
        let by_key = Authenticated::new(Arc::new(registered(&[&used])), proof);
        assert!(by_key.still_holds(&registered(&[&other, &used])), "a further key does no harm");
        assert!(!by_key.still_holds(&registered(&[&other])), "the key was removed");
        assert!(!by_key.still_holds(&at("https://keys.example/")), "the keys are elsewhere now");
        assert!(!by_key.still_holds(&client(AuthMethod::ClientSecretBasic, &[])), "another method");
        let fetched = Authenticated::new(Arc::new(at("https://keys.example/")), proof);
        assert!(fetched.still_holds(&at("https://keys.example/")));
        assert!(!fetched.still_holds(&at("https://other.example/")));
    }
}
