//! Wrong codes of devices (RFC 8628 §5.1).

use uuid::Uuid;

use crate::throttle::counters::CounterKey;
use crate::throttle::{Attempt, Source, Throttle, Throttled};

/// A code that a person types in.
#[derive(Clone, Copy)]
pub(crate) struct UserCodeAttempt<'a> {
    throttle: &'a Throttle,
    /// Who is logged in.
    person: Option<Uuid>,
    source: Source,
}

impl Throttle {
    /// An attempt to find the request of a device by its code.
    pub(crate) const fn user_code_attempt(&self, person: Option<Uuid>, source: Source) -> UserCodeAttempt<'_> {
        UserCodeAttempt { throttle: self, person, source }
    }
}

impl UserCodeAttempt<'_> {
    fn keys(&self) -> impl Iterator<Item = CounterKey> {
        let network = CounterKey::UserCodesOfNetwork(self.source.network());
        self.person.map(CounterKey::UserCodesOfPerson).into_iter().chain([network])
    }
}

impl Attempt for UserCodeAttempt<'_> {
    fn check(&self) -> Result<(), Throttled> {
        self.throttle.check_attempt(self.keys(), "too many wrong codes of devices")
    }

    fn failed(&self) {
        let target = |key| match key {
            CounterKey::UserCodesOfPerson(person) => format!("user {person}"),
            _ => "many users".to_owned(),
        };
        let what = ("user_code.throttled", "wrong codes of devices");
        self.throttle.count_failure(self.keys(), what, target, self.source);
    }
}
