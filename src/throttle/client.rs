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
        self.throttle.check_attempt(self.keys(), "too many failed authentications")
    }

    fn failed(&self) {
        let target = |key| match key {
            CounterKey::ClientAndNetwork(..) if self.is_registered => format!("client {}", self.client_id),
            // The id may be a secret in the wrong field.
            CounterKey::ClientAndNetwork(..) => "unknown client".to_owned(),
            _ => "many clients".to_owned(),
        };
        self.throttle.count_failure(self.keys(), ("client.throttled", "failed authentications"), target, self.source);
    }
}
