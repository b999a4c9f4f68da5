//! What a token is judged by: the revocations in force, and the tokens that were verified before.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crate::issuer::{CurrentKeys, Issuer};
use crate::protocol::cause::Cause;
use crate::protocol::claims::{AccessClaims, LEEWAY};
use crate::protocol::origin::{Named, Origin};
use crate::protocol::revocation::Revocation;
use crate::protocol::time::Timestamp;
use crate::state::{NodeState, Unavailable, within_limit};
use crate::store::Revocable;

/// Seconds for which a revocation stays in memory after everything it covers has expired.
pub(crate) const KEPT_WHEN_OVER: i64 = 3600;

impl NodeState {
    /// The claims of a token that was verified before, provided that the issuer still has the keys of that time.
    pub(crate) async fn verified(
        &self,
        issuer: &Issuer,
        hash: &[u8; 32],
    ) -> Result<Option<Arc<AccessClaims>>, Unavailable> {
        // A key may have been withdrawn.
        self.ensure_fresh().await?;
        let Some((generation, claims)) = self.verified.get(hash) else { return Ok(None) };
        Ok(issuer.has_keys_of(generation).then_some(claims))
    }

    /// Remembers that a token was verified with these keys.
    pub(crate) fn remember_verified(&self, hash: [u8; 32], keys: &CurrentKeys, claims: Arc<AccessClaims>) {
        self.verified.insert(hash, (keys.generation(), claims));
    }

    /// The cause for which an access token is revoked, if it is.
    pub(crate) async fn revocation_of(&self, claims: &AccessClaims) -> Result<Option<Cause>, Unavailable> {
        self.ensure_fresh().await?;
        Ok(self.revocations.read().unwrap_or_else(PoisonError::into_inner).covering(claims))
    }

    /// Every revocation in memory of a token with these names: its cause and approximate time.
    pub(crate) async fn revocations_naming(&self, named: Named<'_>) -> Result<Vec<(Cause, Timestamp)>, Unavailable> {
        self.ensure_fresh().await?;
        let revocations = self.revocations.read().unwrap_or_else(PoisonError::into_inner);
        // A number is the time of its commit, unless many were committed at once.
        Ok(revocations.all_naming(named).map(|(cause, number)| (cause, Timestamp::from_millis(number))).collect())
    }

    /// When the key was deleted that made a token that was exchanged for another one, if it was.
    pub(crate) fn deleted_key_of(&self, origin: &Origin) -> Option<Timestamp> {
        origin.kid.as_deref().and_then(|kid| self.issuer.keys().ring.retired(kid))
    }

    /// How many revocations are in force.
    pub fn revocations_held(&self) -> usize {
        self.revocations.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The revocations in the log that cover something. Few callers read them at the same time; while all turns are
    /// taken, a caller that does not wait for its turn gets an error.
    pub(crate) async fn history(&self, of: &Revocable, waits: bool) -> Result<Vec<Revocation>, Unavailable> {
        let busy = || Unavailable("the change log is read too often".into());
        within_limit(async {
            let turns = &self.history_turns;
            let turn = if waits { turns.acquire().await.ok() } else { turns.try_acquire().ok() };
            let _turn = turn.ok_or_else(busy)?;
            Ok(self.store.revocations_covering(of).await?)
        })
        .await
    }

    /// Whether a token carries a sequence number beyond the log and beyond the present. No revocation could ever cover
    /// it: it comes from another database, or from one that was restored since.
    pub(crate) async fn is_beyond_log(&self, claims: &AccessClaims) -> Result<bool, Unavailable> {
        self.ensure_fresh().await?;
        let now = self.clock.now().seconds();
        // Those of the tokens that were exchanged for it count as well.
        let newest = claims.named().map(|named| named.log).max().unwrap_or(claims.log);
        if newest <= self.applied().max((now + LEEWAY) * 1000) {
            return Ok(false);
        }
        self.ensure_current().await?;
        Ok(newest > self.applied())
    }

    /// Drops the revocations that no longer cover anything.
    pub fn forget_what_is_over(&self) {
        let over = self.forgotten_by();
        self.forgot_by.fetch_max(over.millis(), Ordering::AcqRel);
        self.revocations.write().unwrap_or_else(PoisonError::into_inner).forget_before(over);
    }

    /// What was over by this moment is forgotten. It lies well in the past for two reasons: a token that was revoked
    /// and then expired can be told from one that only expired, and this clock may be a little ahead.
    pub(super) fn forgotten_by(&self) -> Timestamp {
        self.clock.now().plus_seconds(-KEPT_WHEN_OVER)
    }
}
