//! What was refused of each client within the last hour, on this node. It is in memory, and bounded: of the clients that exist, it
//! forgets those that were not refused for long.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::protocol::error::ErrorCode;
use crate::protocol::time::Timestamp;

/// Seconds of a slot.
const SLOT: i64 = 300;
/// How many slots make an hour.
const SLOTS: usize = 12;
/// How many of them are the last quarter of an hour.
const LATELY: i64 = 3;
/// The most clients.
const MOST_CLIENTS: usize = 1000;
/// Of how many clients the one whose last refusal is the oldest makes room for another one: to look at all of them would take too long.
const SAMPLE: usize = 8;
/// The most causes of a client that are told apart.
const MOST_CAUSES: usize = 32;
/// The fewest refusals in a quarter of an hour that are more than usual.
const FEWEST: u64 = 20;
/// The most clients that are said to fail.
const MOST_FAILING: usize = 5;
/// What a client that does all as it should meets, too.
const EXPECTED: [ErrorCode; 2] = [ErrorCode::AuthorizationPending, ErrorCode::UseDpopNonce];

/// Requests of a client, or with its tokens, that an endpoint refused for the same cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRequests {
    /// The endpoint.
    pub endpoint: &'static str,
    /// The cause.
    pub cause: &'static str,
    /// How many.
    pub count: u64,
    /// When the last one was refused.
    pub last: Timestamp,
}

/// What was refused of a client within the last hour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefusedOfClient {
    /// The most frequent cause first.
    pub requests: Vec<RefusedRequests>,
    /// How many were refused for further causes.
    pub others: u64,
    /// Whether there may have been more, because so many clients were refused that some had to be forgotten.
    pub is_incomplete: bool,
}

/// A client that is refused more than usual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailingClient {
    /// Its id.
    pub client_id: String,
    /// How often it was refused in the last quarter of an hour.
    pub lately: u64,
    /// How often in the three quarters before.
    pub before: u64,
}

/// How often something happened, by slots of the last hour.
#[derive(Clone, Debug)]
struct Counts {
    slots: [(i64, u32); SLOTS],
    last: Timestamp,
}

impl Counts {
    const fn new(now: Timestamp) -> Self {
        Self { slots: [(0, 0); SLOTS], last: now }
    }

    fn add(&mut self, now: Timestamp) {
        let slot = slot_of(now);
        let index = usize::try_from(slot.rem_euclid(SLOTS as i64)).unwrap_or_default();
        let (own, count) = &mut self.slots[index];
        if *own != slot {
            (*own, *count) = (slot, 0);
        }
        *count = count.saturating_add(1);
        self.last = now;
    }

    /// How often it happened in the last slots.
    fn within(&self, now: Timestamp, slots: i64) -> u64 {
        let ages = self.slots.iter().map(|(slot, count)| (slot_of(now) - slot, *count));
        ages.filter(|(age, _)| (0..slots).contains(age)).map(|(_, count)| u64::from(count)).sum()
    }

    fn within_the_hour(&self, now: Timestamp) -> u64 {
        self.within(now, SLOTS as i64)
    }
}

const fn slot_of(at: Timestamp) -> i64 {
    at.seconds().div_euclid(SLOT)
}

#[derive(Debug)]
struct OfClient {
    id: Arc<str>,
    causes: HashMap<(&'static str, &'static str), Counts>,
    others: Counts,
    all: Counts,
}

#[derive(Debug, Default)]
struct Kept {
    clients: Vec<OfClient>,
    /// Where each of them is.
    places: HashMap<Arc<str>, usize>,
    /// Where the next sample begins.
    next: usize,
    /// When the last of those that had to be forgotten was refused.
    forgotten: Option<Timestamp>,
}

impl Kept {
    fn get(&self, client_id: &str) -> Option<&OfClient> {
        self.places.get(client_id).map(|place| &self.clients[*place])
    }

    /// The place of a client, which is a new one if there is none yet.
    fn place(&mut self, client_id: &str, now: Timestamp) -> usize {
        if let Some(place) = self.places.get(client_id) {
            return *place;
        }
        let id: Arc<str> = client_id.into();
        let causes = HashMap::new();
        let client = OfClient { id: Arc::clone(&id), causes, others: Counts::new(now), all: Counts::new(now) };
        let place = if self.clients.len() < MOST_CLIENTS {
            self.clients.push(client);
            self.clients.len() - 1
        } else {
            let place = self.oldest();
            let forgotten = std::mem::replace(&mut self.clients[place], client);
            self.places.remove(&forgotten.id);
            self.forgotten = self.forgotten.max(Some(forgotten.all.last));
            place
        };
        self.places.insert(id, place);
        place
    }

    /// The place of the client whose last refusal is the oldest of a sample. Each sample has other clients than the one before.
    fn oldest(&mut self) -> usize {
        let sample = (self.next..self.next + SAMPLE).map(|place| place % self.clients.len());
        let oldest = sample.min_by_key(|place| self.clients[*place].all.last).unwrap_or_default();
        self.next = (self.next + SAMPLE) % self.clients.len();
        oldest
    }
}

/// What was refused of clients.
#[derive(Debug, Default)]
pub(super) struct RefusedClients(Mutex<Kept>);

impl RefusedClients {
    /// Counts a refusal of a client that exists.
    pub(super) fn add(&self, client_id: &str, endpoint: &'static str, cause: &'static str, now: Timestamp) {
        if EXPECTED.iter().any(|expected| expected.name() == cause) {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.place(client_id, now);
        let client = &mut kept.clients[place];
        client.all.add(now);
        let kind = (endpoint, cause);
        if client.causes.len() >= MOST_CAUSES && !client.causes.contains_key(&kind) {
            client.causes.retain(|_, counts| counts.within_the_hour(now) > 0);
        }
        if client.causes.len() < MOST_CAUSES || client.causes.contains_key(&kind) {
            client.causes.entry(kind).or_insert_with(|| Counts::new(now)).add(now);
        } else {
            client.others.add(now);
        }
    }

    /// What was refused of a client.
    pub(super) fn of(&self, client_id: &str, now: Timestamp) -> RefusedOfClient {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hour = SLOT * SLOTS as i64;
        let is_incomplete = kept.forgotten.is_some_and(|at| now.seconds() - at.seconds() < hour);
        let Some(client) = kept.get(client_id) else {
            return RefusedOfClient { is_incomplete, ..RefusedOfClient::default() };
        };
        let requests = client.causes.iter().map(|((endpoint, cause), counts)| {
            let (count, last) = (counts.within_the_hour(now), counts.last);
            RefusedRequests { endpoint, cause, count, last }
        });
        let mut requests: Vec<RefusedRequests> = requests.filter(|refused| refused.count > 0).collect();
        requests.sort_by_key(|refused| (Reverse(refused.count), refused.cause, refused.endpoint));
        RefusedOfClient { requests, others: client.others.within_the_hour(now), is_incomplete }
    }

    /// The clients that were refused often in the last quarter of an hour, and more than three times as often as before; those with the
    /// most refusals first.
    pub(super) fn failing(&self, now: Timestamp) -> Vec<FailingClient> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let clients = kept.clients.iter().map(|client| {
            let lately = client.all.within(now, LATELY);
            (&*client.id, lately, client.all.within_the_hour(now) - lately)
        });
        let mut failing: Vec<_> = clients.filter(|(_, lately, before)| *lately >= FEWEST && lately > before).collect();
        failing.sort_by_key(|(client_id, lately, _)| (Reverse(*lately), *client_id));
        failing.truncate(MOST_FAILING);
        let failing = failing.into_iter();
        failing.map(|(id, lately, before)| FailingClient { client_id: id.to_owned(), lately, before }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + minute * 60)
    }

    #[test]
    fn refusals_of_a_client_are_told_for_an_hour_the_most_frequent_first() {
        let refused = RefusedClients::default();
        refused.add("a", "token", "invalid_scope", at(0));
        for minute in [10, 20] {
            refused.add("a", "token", "invalid_client", at(minute));
        }
        refused.add("b", "verify", "expired", at(20));
        refused.add("a", "token", "authorization_pending", at(20));
        let told = refused.of("a", at(25));
        let of = |cause, count, last| RefusedRequests { endpoint: "token", cause, count, last };
        assert_eq!(told.requests, [of("invalid_client", 2, at(20)), of("invalid_scope", 1, at(0))]);
        assert_eq!((told.others, told.is_incomplete), (0, false));
        assert_eq!(refused.of("a", at(61)).requests, [of("invalid_client", 2, at(20))]);
        assert_eq!(refused.of("a", at(75)).requests, [of("invalid_client", 1, at(20))]);
        for (client, minute) in [("a", 90), ("c", 25)] {
            assert_eq!(refused.of(client, at(minute)), RefusedOfClient::default());
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_says_what_is_missing() {
        const CAUSES: [&str; 40] = [
            "00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13", "14", "15", "16", "17",
            "18", "19", "20", "21", "22", "23", "24", "25", "26", "27", "28", "29", "30", "31", "32", "33", "34", "35",
            "36", "37", "38", "39",
        ];
        let refused = RefusedClients::default();
        for cause in CAUSES {
            refused.add("first", "token", cause, at(0));
        }
        let told = refused.of("first", at(0));
        assert_eq!((told.requests.len(), told.others), (MOST_CAUSES, 8));
        // The causes of an hour ago make room.
        refused.add("first", "token", "new", at(61));
        assert_eq!(refused.of("first", at(61)).requests.len(), 1);
        for number in 0..MOST_CLIENTS {
            refused.add(&number.to_string(), "token", "invalid_client", at(62));
        }
        assert_eq!(refused.0.lock().unwrap().clients.len(), MOST_CLIENTS);
        let told = refused.of("first", at(62));
        assert!(told.requests.is_empty() && told.is_incomplete, "{told:?}");
        assert!(!refused.of("first", at(62 + 60)).is_incomplete);
    }

    #[test]
    fn a_flood_of_clients_does_not_push_out_one_that_goes_on_being_refused() {
        let refused = RefusedClients::default();
        for number in 0..3 * MOST_CLIENTS {
            refused.add("always", "token", "invalid_client", at(1));
            refused.add(&number.to_string(), "token", "invalid_client", at(0));
        }
        assert_eq!(refused.of("always", at(1)).requests[0].count, 3 * MOST_CLIENTS as u64);
        let kept = refused.0.lock().unwrap();
        assert_eq!((kept.clients.len(), kept.places.len()), (MOST_CLIENTS, MOST_CLIENTS));
        assert!(kept.places.iter().all(|(id, place)| kept.clients[*place].id == *id));
    }

    #[test]
    fn a_client_fails_more_than_usual_if_it_is_refused_three_times_as_often_as_before() {
        let refused = RefusedClients::default();
        for minute in 0..45 {
            refused.add("always", "token", "invalid_client", at(minute));
        }
        for (client, count) in [("always", 30), ("suddenly", 20), ("seldom", 19)] {
            for _ in 0..count {
                refused.add(client, "token", "invalid_client", at(50));
            }
        }
        let suddenly = FailingClient { client_id: "suddenly".to_owned(), lately: 20, before: 0 };
        assert_eq!(refused.failing(at(50)), [suddenly]);
        assert!(refused.failing(at(70)).is_empty());
    }
}
