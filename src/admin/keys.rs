//! Administration of keys.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::admin::error::no_such;
use crate::admin::{Actor, AdminError, List, ListRequest, Result};
use crate::app::App;
use crate::jose::algorithm::SigningAlgorithm;
use crate::keys::lifecycle::{ANNOUNCEMENT, KeyState, states};
use crate::keys::master::{MasterKey, MasterKeys};
use crate::keys::record::{KeyRecord, KeyUse};
use crate::protocol::cause::Cause;
use crate::protocol::revocation::Target;
use crate::protocol::time::Timestamp;
use crate::settings::{LONGEST_ACCESS_TOKEN_TTL, LONGEST_SESSION_TTL};
use crate::store::{Added, Audited};

/// A key as it is shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Key)]
pub struct KeyView {
    /// Its id.
    pub kid: String,
    /// What it is for.
    #[serde(rename = "use")]
    pub key_use: KeyUse,
    /// The algorithm, for a signing key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = SigningAlgorithm, required = false)]
    pub alg: Option<&'static str>,
    /// Its state.
    pub state: KeyState,
    /// When it was made and first published.
    pub created_at: Timestamp,
    /// When it becomes active.
    pub activates_at: Timestamp,
    /// When the last token made with it has expired; the key is then removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Timestamp, required = false)]
    pub over_at: Option<Timestamp>,
}

/// Which keys to rotate.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RotateKeys)]
pub struct RotateRequest {
    /// Only the signing key of this algorithm, which may be a new one. Otherwise the signing keys of the configured algorithm and of
    /// those that sign ID tokens, and the token key, except one whose next key is announced already.
    pub alg: Option<SigningAlgorithm>,
}

impl App {
    /// Every key, the first to become active first.
    pub async fn key_list(&self) -> Result<Vec<KeyView>> {
        Ok(views(&self.store.key_list().await?, self.clock.now()))
    }

    /// Lists the keys, the oldest first. Where the key of a cursor was deleted meanwhile, the list begins anew.
    pub async fn key_page(&self, request: &ListRequest) -> Result<List<KeyView>> {
        let page = request.page("keys")?;
        let mut keys = self.key_list().await?;
        let seen = keys.iter().position(|key| Some(&key.kid) == page.after.as_ref()).map_or(0, |last| last + 1);
        keys.drain(..seen);
        Ok(List::new("keys", &page, keys, |key| key.kid.clone(), |key| key))
    }

    /// Announces new keys, which become active when every resource server has had the time to see them.
    pub async fn key_rotate(
        &self,
        request: &RotateRequest,
        masters: &MasterKeys,
        actor: &Actor,
    ) -> Result<Vec<KeyView>> {
        let now = self.clock.now();
        let records = loop {
            let check_value = self.store.master_key_check(masters.current.check_value()).await?;
            let master = masters.of(&check_value).ok_or_else(|| {
                let text = "the master key was changed since this server started: restart it with the new one first";
                AdminError::Conflict(text.into())
            })?;
            let algorithms = match request.alg {
                Some(algorithm) => vec![algorithm],
                None => self.algorithms_in_use().await?,
            };
            let at = now.plus_seconds(ANNOUNCEMENT);
            let new = |key_use, algorithm| KeyRecord::generate(key_use, algorithm, master, now, at);
            let mut records: Vec<_> = algorithms.into_iter().map(|alg| new(KeyUse::Signing, alg)).collect();
            if request.alg.is_none() {
                records.push(new(KeyUse::Token, self.settings.signing_algorithm));
            }
            match self.state.honour(self.store.key_rotate(&records, &check_value, &self.dated(actor))).await? {
                Added::Yes => break records,
                // It was changed in the same moment, perhaps to the other one that is at hand.
                Added::OtherMasterKey => {}
                Added::ThereAreSome => {
                    let text = "keys are announced already; the list of keys says when they become active";
                    return Err(AdminError::Conflict(text.into()));
                }
            }
        };
        let made = |view: &KeyView| records.iter().any(|record| record.kid == view.kid);
        Ok(self.key_list().await?.into_iter().filter(made).collect())
    }

    /// Deletes a key: what it made stops working at once.
    pub async fn key_delete(&self, kid: &str, actor: &Actor) -> Result<()> {
        let records = self.store.key_list().await?;
        let record = records.iter().find(|record| record.kid == kid).ok_or_else(|| no_such("key", kid))?;
        if record.key_use == KeyUse::Data {
            let text =
                format!("the key {kid} encrypts the secrets of second factors; only `jeton key reset` replaces it");
            return Err(AdminError::Conflict(text));
        }
        let covers_until = self.settings.covers_until(self.clock.now());
        let in_use = self.algorithms_in_use().await?;
        if self.state.honour(self.store.key_delete(kid, &in_use, covers_until, &self.dated(actor))).await? {
            Ok(())
        } else {
            Err(AdminError::Conflict(format!("the key {kid} is the last of its use or algorithm; rotate first")))
        }
    }

    /// Wraps every key with another master key. Nothing that was issued is affected.
    pub async fn key_rewrap(&self, from: &MasterKeys, to: &MasterKey, actor: &Actor) -> Result<usize> {
        let rewrap = |record: &KeyRecord| record.rewrap(from, to);
        self.state.honour(self.store.key_rewrap(rewrap, to.check_value(), &self.dated(actor))).await?.ok_or_else(|| {
            let text = "the master key that is set is not the one that wraps the keys of this database";
            AdminError::Invalid(text.into())
        })
    }

    /// Makes new keys, ends everything that was issued and removes the second factors; clients and users stay. After the
    /// loss of the master key. Gives the new keys and the number of second factors that there were.
    pub async fn key_reset(&self, master: &MasterKey, actor: &Actor) -> Result<(Vec<KeyView>, usize)> {
        let now = self.clock.now();
        let records = [KeyUse::Signing, KeyUse::Token]
            .map(|key_use| KeyRecord::generate(key_use, self.settings.signing_algorithm, master, now, now));
        let reason = Some("the keys were reset".to_owned());
        let revocation = self.revocation(Target::All, Cause::AllRevoked, reason);
        let second_factors = self
            .state
            .honour(self.store.key_reset(&records, master.check_value(), &revocation, &self.dated(actor)))
            .await?;
        Ok((views(&records, now), second_factors))
    }

    /// Deletes the retired keys whose last token is over. Gives their ids.
    pub async fn keys_sweep(&self) -> Result<Vec<String>> {
        let now = self.clock.now();
        let over = |view: &KeyView| view.over_at.is_some_and(|moment| moment <= now);
        let audited = Audited { actor: "server".into(), request_id: None, address: None, at: now };
        let mut deleted = Vec::new();
        for view in self.key_list().await?.into_iter().filter(over) {
            let in_use = self.algorithms_in_use().await?;
            if self.state.honour(self.store.key_delete(&view.kid, &in_use, now, &audited)).await? {
                deleted.push(view.kid);
            }
        }
        Ok(deleted)
    }

    /// The algorithms with which tokens are signed: their keys are rotated, and the last one of each stays. A key for ID tokens
    /// counts once it was made.
    async fn algorithms_in_use(&self) -> Result<Vec<SigningAlgorithm>> {
        let mut in_use = vec![self.settings.signing_algorithm];
        let made: Vec<_> = self.store.key_list().await?.into_iter().filter_map(|record| record.algorithm).collect();
        for algorithm in self.store.clients_in_use().await?.id_token_algorithms {
            let algorithm = SigningAlgorithm::from(algorithm);
            if made.contains(&algorithm) && !in_use.contains(&algorithm) {
                in_use.push(algorithm);
            }
        }
        Ok(in_use)
    }
}

fn views(records: &[KeyRecord], now: Timestamp) -> Vec<KeyView> {
    // A signing key makes nothing that lives longer than an access token, a token key nothing that outlives a session.
    let longest = |key_use| match key_use {
        KeyUse::Signing => LONGEST_ACCESS_TOKEN_TTL,
        KeyUse::Token => LONGEST_SESSION_TTL,
        // It has no successor.
        KeyUse::Data => i64::MAX,
    };
    let view = |(record, (state, over_at)): (&KeyRecord, _)| KeyView {
        kid: record.kid.clone(),
        key_use: record.key_use,
        alg: record.algorithm.map(|algorithm| algorithm.name()),
        state,
        created_at: record.created_at,
        activates_at: record.activates_at,
        over_at,
    };
    records.iter().zip(states(records, now, longest)).map(view).collect()
}
