//! Failed client authentications.

use crate::crypto::sha256;
use crate::passwords::queue::{Precedence, Requester};
use crate::throttle::counters::CounterKey;
use crate::throttle::{Attempt, Source, Throttle, Throttled};

/// A client that is being authenticated.
#[derive(Clone, Copy)]
pub(crate) struct ClientAttempt<'a> {
    throttle: &'a Throttle,
    client_id: &'a str,
    is_registered: bool,
    source: Source,
}

impl Throttle {
    /// An attempt to authenticate as this client, whether it is registered or not.
    pub(crate) const fn client_attempt<'a>(
        &'a self,
        client_id: &'a str,
        is_registered: bool,
        source: Source,
    ) -> ClientAttempt<'a> {
        ClientAttempt { throttle: self, client_id, is_registered, source }
    }
}

impl ClientAttempt<'_> {
    /// Who waits for a chosen secret to be hashed.
    pub(crate) fn requester(&self) -> Requester {
        let network = self.source.network();
        Requester { precedence: Precedence::Unknown, network, account: sha256(self.client_id.as_bytes()) }
    }

    fn keys(&self) -> [CounterKey; 2] {
        let network = self.source.network();
        [
            CounterKey::ClientAndNetwork(sha256(self.client_id.as_bytes()), network),
            CounterKey::ClientsOfNetwork(network),
        ]
    }
}

impl Attempt for ClientAttempt<'_> {
    fn check(&self) -> Result<(), Throttled> {
        let now = self.throttle.clock.now();
        let waits = self.keys().map(|key| (key, self.throttle.clients.wait(key, now)));
        self.throttle.check(&waits, "too many failed authentications")
    }

    fn failed(&self) {
        if !self.throttle.enabled {
            return;
        }
        let now = self.throttle.clock.now();
        for key in self.keys() {
            if self.throttle.clients.add(key, 1, now) {
                let target = match key {
                    CounterKey::ClientAndNetwork(..) if self.is_registered => format!("client {}", self.client_id),
                    // The id may be a secret in the wrong field.
                    CounterKey::ClientAndNetwork(..) => "unknown client".to_owned(),
                    _ => "many clients".to_owned(),
                };
                let detail = format!("failed authentications from {}", self.source.network());
                self.throttle.audit("client.throttled", target, detail, self.source);
            }
        }
    }
}
