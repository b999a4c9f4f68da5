//! Delivers messages that wait in the database: when to look for them, whom they are for, and what became of them.
//!
//! A logout or an event waits for no delivery, and a node that stops loses none. Each node polls for messages that are due and takes a
//! few; no other node takes those. A receiver that fails gets one message at a time after growing pauses, so however many wait for it, it
//! takes no turns from others.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior};
use url::{Position, Url};

use crate::calling_out::Purpose;
use crate::serve::receivers::{Outcome, Receivers};

/// The time between two polls for messages that are due.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// The seconds for which a node takes a message: much longer than a call may take.
pub(super) const TAKEN_FOR: i64 = 60;
/// The most messages that are removed at a time because their time is over.
pub(super) const MOST_EXPIRED: i64 = 1000;

/// A delivery that has ended.
pub(super) struct Delivered {
    /// The host to which it went.
    pub(super) host: String,
    /// The client or the webhook that it was for.
    pub(super) receiver: String,
    outcome: Outcome,
    /// What went wrong, if anything did.
    pub(super) why: String,
}

/// The deliveries of one purpose from this node.
pub(super) struct Deliveries {
    receivers: Receivers,
    under_way: JoinSet<Delivered>,
    polls: Interval,
    /// Where the next poll begins, so that no receiver always comes first.
    first: usize,
}

impl Deliveries {
    pub(super) fn of(purpose: Purpose) -> Self {
        let mut polls = tokio::time::interval(POLL_INTERVAL);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { receivers: Receivers::of(purpose), under_way: JoinSet::new(), polls, first: 0 }
    }

    /// Waits until it is time to look for messages. Meanwhile deliveries end; one with which the trouble of a host begins is told.
    pub(super) async fn next_poll(&mut self, tell_trouble: impl Fn(Delivered)) {
        loop {
            tokio::select! {
                _ = self.polls.tick() => return,
                Some(ended) = self.under_way.join_next() => {
                    // A delivery does not panic.
                    let Ok(delivered) = ended else { continue };
                    let outcome = delivered.outcome;
                    if self.receivers.ended(&delivered.host, outcome, Instant::now()) {
                        tell_trouble(delivered);
                    }
                    // The next ones need not wait for the next poll, or four of them would take half a second.
                    if outcome == Outcome::Taken && self.under_way.is_empty() {
                        self.polls.reset_immediately();
                    }
                }
            }
        }
    }

    /// The receivers that have messages, from another one on each time.
    pub(super) fn in_turn<T>(&mut self, mut waiting: Vec<T>) -> Vec<T> {
        if !waiting.is_empty() {
            self.first = (self.first + 1) % waiting.len();
            waiting.rotate_left(self.first);
        }
        waiting
    }

    /// How many messages may be sent to a host now.
    pub(super) fn free(&self, host: &str) -> i64 {
        self.receivers.free(host, Instant::now())
    }

    /// Begins to deliver a message that was taken.
    pub(super) fn begin(
        &mut self,
        host: &str,
        receiver: String,
        delivery: impl Future<Output = (Outcome, String)> + Send + 'static,
    ) {
        self.receivers.begun(host);
        let host = host.to_owned();
        self.under_way.spawn(async move {
            let (outcome, why) = delivery.await;
            Delivered { host, receiver, outcome, why }
        });
    }
}

/// The host of an address, with its port, by which receivers are told apart.
pub(super) fn host(url: &Url) -> String {
    url[Position::BeforeHost..Position::AfterPort].to_owned()
}
