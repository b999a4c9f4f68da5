//! Failed second factors.
//!
//! Who guesses here knows the password, so a login from a known network is no sign of the owner, and nobody without the
//! password can make the owner wait. An attempt is counted in the database before it is judged, so that guessing in
//! parallel or through several nodes gains nothing; a right code takes all failures back.
//! It holds with `JETON_THROTTLING=off` too: no gateway knows whose second factor is guessed.

use uuid::Uuid;

use crate::protocol::backoff::Failures;
use crate::store::Result;
use crate::throttle::counters::CounterKey;
use crate::throttle::{Source, Throttle, Throttled};

const KEY: CounterKey = CounterKey::SecondFactor;
const REASON: &str = "too many failed second factors";

impl Throttle {
    /// Counts an attempt of a user with these failures as another one, and says whether it may be judged.
    pub(crate) async fn second_factor_attempt(
        &self,
        user: Uuid,
        failures: Option<Failures>,
        source: Source,
    ) -> Result<std::result::Result<(), Throttled>> {
        let (backoff, now) = (KEY.backoff(), self.clock.now());
        let wait = failures.map_or(0, |failures| backoff.wait(failures, now));
        if wait > 0 {
            return Ok(Err(self.refuse(KEY, wait, REASON)));
        }
        let count = self.store.second_factor_attempt(user, backoff, now).await?;
        if backoff.is_used_up_by(1, count) {
            let detail = format!("failed second factors, the last one from {}", source.network());
            self.audit("login.throttled", format!("user {user}"), detail, source);
        }
        let alone = failures.map_or(0, |failures| backoff.left(failures, now)) + 1;
        // Others were counted since the failures were read, and all but one have to wait.
        let is_overtaken = count > alone && count > backoff.free;
        Ok(if is_overtaken { Err(self.refuse(KEY, 1, REASON)) } else { Ok(()) })
    }
}
