//! Signing keys that are made when they are first needed, so that no start waits for an algorithm that nobody uses.

use std::sync::Arc;

use crate::app::{App, Failure, Result};
use crate::issuer::Issuer;
use crate::jose::algorithm::SigningAlgorithm;
use crate::keys::keyring::ReadySigningKey;
use crate::keys::record::{KeyRecord, KeyUse};
use crate::store::{Added, Audited};

/// How often a key is made if the master key changes meanwhile.
const ATTEMPTS: usize = 3;
/// Milliseconds after a failure in which nobody waits for a key who can do without it.
const PAUSE: i64 = 5000;

impl App {
    /// The key that signs with an algorithm now. If there is none, one is made, which is active at once. Of nodes that need one at
    /// the same time, one makes it.
    ///
    /// # Errors
    /// If the database does not answer, or the master key was changed since this node started.
    pub(crate) async fn signing_key(
        &self,
        issuer: &Issuer,
        algorithm: SigningAlgorithm,
    ) -> Result<Arc<ReadySigningKey>> {
        let known = || self.known_signing_key(issuer, algorithm);
        match known() {
            Some(key) => Ok(key),
            // On the heap, because it is rare.
            None => {
                Box::pin(async {
                    let _turn = self.making_keys.lock().await;
                    if known().is_none() {
                        self.make_signing_key(algorithm).await?;
                    }
                    known().ok_or_else(unusable)
                })
                .await
            }
        }
    }

    /// Makes the keys of these algorithms that are missing, for those who can do without, and returns whether all are there. After a
    /// failure, nothing is tried for five seconds; concurrent callers wait for one attempt.
    pub(crate) async fn ensure_signing_keys(&self, issuer: &Issuer, algorithms: &[SigningAlgorithm]) -> bool {
        let is_missing = |algorithm: &&SigningAlgorithm| self.known_signing_key(issuer, **algorithm).is_none();
        if !algorithms.iter().any(|algorithm| is_missing(&algorithm)) {
            return true;
        }
        let mut no_key_at = self.no_key_at.lock().await;
        for algorithm in algorithms.iter().filter(is_missing) {
            let since = no_key_at.map(|at| self.clock.now().millis() - at.millis());
            if since.is_some_and(|since| (0..PAUSE).contains(&since)) {
                return false;
            }
            if let Err(error) = self.signing_key(issuer, *algorithm).await {
                tracing::warn!(alg = algorithm.name(), %error, "no key for ID tokens was made; it is tried again later");
                *no_key_at = Some(self.clock.now());
                return false;
            }
        }
        true
    }

    fn known_signing_key(&self, issuer: &Issuer, algorithm: SigningAlgorithm) -> Option<Arc<ReadySigningKey>> {
        issuer.keys().ring.signing_key_for(algorithm, self.clock.now()).cloned()
    }

    async fn make_signing_key(&self, algorithm: SigningAlgorithm) -> Result<()> {
        let masters = self.state.master_keys().ok_or_else(unusable)?;
        for _ in 0..ATTEMPTS {
            let check_value = self.store.master_key_check(masters.current.check_value()).await?;
            let now = self.clock.now();
            let (masters, check) = (Arc::clone(&masters), check_value.clone());
            // An RSA key takes a while: apart from the threads that serve requests.
            let made = tokio::task::spawn_blocking(move || {
                let master = masters.of(&check)?;
                Some(KeyRecord::generate(KeyUse::Signing, algorithm, master, now, now))
            });
            let record = made.await.map_err(|error| Failure::Unavailable(error.to_string()))?.ok_or_else(unusable)?;
            let audited = Audited { actor: "server".into(), request_id: None, address: None, at: now };
            match self.state.honour(self.store.key_create(&record, &check_value, &audited)).await? {
                Added::Yes => {
                    tracing::info!(
                        kid = record.kid,
                        alg = algorithm.name(),
                        "made the first signing key of an algorithm"
                    );
                    return Ok(());
                }
                // Another node made it.
                Added::ThereAreSome => return Ok(self.state.ensure_current().await?),
                Added::OtherMasterKey => {}
            }
        }
        Err(unusable())
    }
}

fn unusable() -> Failure {
    let text = "there is no signing key of the algorithm that is needed, and none can be made with this master key";
    Failure::Unavailable(text.into())
}
