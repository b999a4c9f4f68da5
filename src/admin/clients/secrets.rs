//! The secrets of a client: at most two at a time, so that a client can change to a new one without a pause.

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::admin::{Actor, AdminError, Result};
use crate::app::App;
use crate::crypto::sha256;
use crate::protocol::cause::Cause;
use crate::protocol::client::{ClientSecret, MOST_SECRETS, SecretDigest};
use crate::protocol::revocation::Target;
use crate::protocol::time::Timestamp;

/// The longest secret that somebody may choose, in bytes.
const LONGEST_CHOSEN_SECRET: usize = 1024;

/// A secret as it is shown: never the secret itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Secret)]
pub struct SecretView {
    /// The id.
    pub id: Uuid,
    /// When it was made.
    pub created_at: Timestamp,
    /// About when it was last accepted; null if never.
    #[schema(required)]
    pub last_used_at: Option<Timestamp>,
}

/// A new secret, shown once.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = NewSecret)]
pub struct NewSecretView {
    /// The id.
    pub id: Uuid,
    /// The secret itself, which is never shown again. Begins with `jcs_`.
    pub client_secret: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl From<&ClientSecret> for SecretView {
    fn from(secret: &ClientSecret) -> Self {
        Self { id: secret.id, created_at: secret.created_at, last_used_at: secret.last_used_at }
    }
}

impl App {
    /// Gives a client a second secret; only the answer ever shows it.
    pub async fn client_secret_add(&self, client_id: &str, actor: &Actor) -> Result<NewSecretView> {
        let client = self.find_client(client_id).await?;
        self.check_power(&client.settings, actor)?;
        if !client.settings.token_endpoint_auth_method.uses_secret() {
            let kind = if client.is_public() { "is public" } else { "authenticates by other means" };
            return Err(AdminError::Conflict(format!("the client {client_id} {kind} and has no secrets")));
        }
        let (digest, client_secret) = self.generate_secret();
        let secret = self.new_secret(digest);
        if !self.state.honour(self.store.client_secret_add(client_id, &secret, &self.dated(actor))).await? {
            // Either it was deleted meanwhile, or it has two secrets.
            self.find_client(client_id).await?;
            return Err(AdminError::Conflict(format!(
                "the client {client_id} has {MOST_SECRETS} secrets already; retire one first"
            )));
        }
        Ok(NewSecretView { id: secret.id, client_secret, created_at: secret.created_at })
    }

    /// Retires a secret, and on request revokes what was issued to the client.
    pub async fn client_secret_retire(&self, client_id: &str, id: &str, revoke: bool, actor: &Actor) -> Result<()> {
        let client = self.find_client(client_id).await?;
        self.check_power(&client.settings, actor)?;
        let reason = Some("a secret was retired".to_owned());
        let revocation =
            revoke.then(|| self.revocation(Target::Client(client_id.to_owned()), Cause::ClientRevoked, reason));
        let missing = || AdminError::NotFound(format!("the client {client_id} has no such secret"));
        let id: Uuid = id.parse().map_err(|_| missing())?;
        if self
            .state
            .honour(self.store.client_secret_retire(client_id, id, revocation.as_ref(), &self.dated(actor)))
            .await?
        {
            Ok(())
        } else {
            Err(missing())
        }
    }

    /// A secret to store.
    pub(in crate::admin) fn new_secret(&self, digest: SecretDigest) -> ClientSecret {
        ClientSecret { id: Uuid::now_v7(), digest, created_at: self.clock.now(), last_used_at: None }
    }

    /// A random secret: what to store, and what to show.
    pub(super) fn generate_secret(&self) -> (SecretDigest, String) {
        let secret = self.issuer.environment().generate_client_secret();
        (SecretDigest::Generated(sha256(secret.as_bytes())), secret)
    }

    /// What to store of a secret that somebody chose.
    pub(in crate::admin) async fn digest_chosen(&self, secret: SecretString) -> Result<SecretDigest> {
        let text = secret.expose_secret();
        let legal = text.bytes().all(|byte| (0x20..=0x7E).contains(&byte));
        if !legal || !(1..=LONGEST_CHOSEN_SECRET).contains(&text.len()) {
            return Err(AdminError::Invalid(format!(
                "client_secret is 1 to {LONGEST_CHOSEN_SECRET} printable ASCII characters; leave it out to have one \
                 generated"
            )));
        }
        Ok(SecretDigest::Chosen(self.passwords.hash(secret).await?))
    }
}
