//! The revocations in force.

use std::collections::HashMap;

use uuid::Uuid;

use crate::protocol::cause::Cause;
use crate::protocol::claims::AccessClaims;
use crate::protocol::origin::Named;
use crate::protocol::revocation::{Revocation, SequenceNumber, Target};
use crate::protocol::time::Timestamp;
use crate::protocol::token_id::TokenId;

#[derive(Clone, Copy, Debug)]
struct InForce {
    number: SequenceNumber,
    covers_until: Timestamp,
    cause: Cause,
}

/// The newest revocation of each target that may still cover an active access token.
#[derive(Debug, Default)]
pub(super) struct Revocations {
    tokens: HashMap<TokenId, InForce>,
    sessions: HashMap<Uuid, InForce>,
    users: HashMap<String, InForce>,
    clients: HashMap<String, InForce>,
    /// Users that were disabled or deleted.
    lost_users: HashMap<String, InForce>,
    /// Clients that were disabled or deleted.
    lost_clients: HashMap<String, InForce>,
    all: Option<InForce>,
    /// When the first of them no longer covers anything.
    first_over: Option<Timestamp>,
}

impl Revocations {
    pub(super) fn add(&mut self, revocation: &Revocation) {
        if !matches!(revocation.target, Target::Key(_)) {
            self.first_over =
                Some(self.first_over.map_or(revocation.covers_until, |first| first.min(revocation.covers_until)));
        }
        let new = InForce { number: revocation.number, covers_until: revocation.covers_until, cause: revocation.cause };
        let is_lost = revocation.cause.is_about_the_subject();
        let users = if is_lost { &mut self.lost_users } else { &mut self.users };
        let clients = if is_lost { &mut self.lost_clients } else { &mut self.clients };
        match &revocation.target {
            Target::Token(id) => newest(self.tokens.entry(*id).or_insert(new), new),
            Target::Session(id) => newest(self.sessions.entry(*id).or_insert(new), new),
            Target::User(sub) => newest(users.entry(sub.clone()).or_insert(new), new),
            Target::Client(id) => newest(clients.entry(id.clone()).or_insert(new), new),
            Target::All => newest(self.all.get_or_insert(new), new),
            Target::Key(_) => {}
        }
    }

    /// The cause of a revocation that covers the token, in the order of the list of causes.
    pub(super) fn covering(&self, claims: &AccessClaims) -> Option<Cause> {
        self.all_covering(claims).map(|(cause, _)| cause).min()
    }

    /// Every revocation that covers the token: its cause and number.
    pub(super) fn all_covering(&self, claims: &AccessClaims) -> impl Iterator<Item = (Cause, SequenceNumber)> {
        claims.named().flat_map(|named| self.all_naming(named))
    }

    /// Every revocation that covers a token of these names.
    pub(super) fn all_naming(&self, named: Named<'_>) -> impl Iterator<Item = (Cause, SequenceNumber)> + use<> {
        let Named { jti, sid, user, client_id, log } = named;
        let later = |found: &&InForce| found.number > log;
        [
            self.tokens.get(&jti),
            sid.and_then(|id| self.sessions.get(&id)),
            user.and_then(|sub| self.users.get(sub)).filter(later),
            user.and_then(|sub| self.lost_users.get(sub)).filter(later),
            self.clients.get(client_id).filter(later),
            self.lost_clients.get(client_id).filter(later),
            self.all.as_ref().filter(later),
        ]
        .map(|found| found.copied())
        .into_iter()
        .flatten()
        .map(|found| (found.cause, found.number))
    }

    /// Drops what no longer covers anything. Walks through all entries, but only if there is something to drop.
    pub(super) fn forget_before(&mut self, now: Timestamp) {
        if self.first_over.is_none_or(|first| first > now) {
            return;
        }
        let mut first_over: Option<Timestamp> = None;
        let mut in_force = |entry: &InForce| {
            let is_in_force = entry.covers_until > now;
            if is_in_force {
                first_over = Some(first_over.map_or(entry.covers_until, |first| first.min(entry.covers_until)));
            }
            is_in_force
        };
        retain(&mut self.tokens, &mut in_force);
        retain(&mut self.sessions, &mut in_force);
        retain(&mut self.users, &mut in_force);
        retain(&mut self.clients, &mut in_force);
        retain(&mut self.lost_users, &mut in_force);
        retain(&mut self.lost_clients, &mut in_force);
        self.all = self.all.filter(in_force);
        self.first_over = first_over;
    }

    pub(super) fn len(&self) -> usize {
        let all = usize::from(self.all.is_some());
        let lost = self.lost_users.len() + self.lost_clients.len();
        self.tokens.len() + self.sessions.len() + self.users.len() + self.clients.len() + lost + all
    }
}

/// Keeps those in force, and frees the memory that a flood took.
fn retain<K: Eq + std::hash::Hash>(map: &mut HashMap<K, InForce>, in_force: &mut impl FnMut(&InForce) -> bool) {
    map.retain(|_, entry| in_force(entry));
    if map.len() < map.capacity() / 4 {
        map.shrink_to(map.len() * 2);
    }
}

/// Keeps the one with the greater number, and the later end of what either covers.
fn newest(known: &mut InForce, new: InForce) {
    let covers_until = known.covers_until.max(new.covers_until);
    if new.number > known.number {
        *known = new;
    }
    known.covers_until = covers_until;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::protocol::subject::Subject;

    fn claims(user: u8, client: u8, jti: u128, sid: u128, log: i64) -> AccessClaims {
        serde_json::from_value(json!({
            "iss": "i", "sub": format!("u{user}"), "aud": "a", "client_id": format!("c{client}"), "iat": 0, "exp": 1,
            "jti": token_id(jti), "sid": Uuid::from_u128(sid), "log": log,
        }))
        .unwrap()
    }

    fn token_id(number: u128) -> TokenId {
        TokenId::new(number.to_be_bytes())
    }

    fn target() -> impl Strategy<Value = Target> {
        prop_oneof![
            (0u128..3).prop_map(|id| Target::Token(token_id(id))),
            (0u128..3).prop_map(|id| Target::Session(Uuid::from_u128(id))),
            (0u8..3).prop_map(|id| Target::User(format!("u{id}"))),
            (0u8..3).prop_map(|id| Target::Client(format!("c{id}"))),
            Just(Target::All),
        ]
    }

    /// Whether a revocation with this number covers a token.
    fn covers(target: &Target, number: SequenceNumber, claims: &AccessClaims) -> bool {
        match target {
            Target::Token(id) => claims.jti == *id,
            Target::Session(id) => claims.sid == Some(*id),
            Target::User(sub) => claims.subject() == Subject::User(sub) && number > claims.log,
            Target::Client(id) => claims.client_id == *id && number > claims.log,
            Target::All => number > claims.log,
            Target::Key(_) => false,
        }
    }

    proptest! {
        #[test]
        fn what_covers_a_token_covers_those_that_came_of_it_by_exchange(
            target in target(), number in 1i64..20,
            ((user, client, jti, sid, log), (other, own_jti, own_log)) in
                ((0u8..3, 0u8..3, 0u128..3, 0u128..3, 0i64..20), (0u8..3, 5u128..8, 0i64..20)),
        ) {
            let subject = claims(user, client, jti, sid, log);
            let mut result = claims(user, other, own_jti, sid, own_log);
            result.exchanged_from = vec![crate::protocol::origin::Origin {
                jti: subject.jti, client_id: subject.client_id.clone(), log, kid: None, actor: None, sid: None, trust: None,
            }];
            let mut revocations = Revocations::default();
            let covers_until = Timestamp::from_millis(1);
            revocations.add(&Revocation {
                number, target: target.clone(), cause: Cause::TokenRevoked, reason: None, actor: String::new(),
                created_at: Timestamp::from_millis(0), covers_until,
            });
            let expected = covers(&target, number, &subject) || covers(&target, number, &result);
            prop_assert_eq!(revocations.covering(&result).is_some(), expected);
            prop_assert_eq!(revocations.covering(&subject).is_some(), covers(&target, number, &subject));
        }

        #[test]
        fn the_revocation_state_agrees_with_a_naive_scan_of_the_log(
            log in proptest::collection::vec((target(), 0i64..20), 0..12).prop_map(|entries| {
                entries.into_iter().zip(1..).map(|((target, until), number)| (number, target, until)).collect::<Vec<_>>()
            }),
            order in any::<prop::sample::Index>(),
            times in proptest::collection::vec(0i64..20, 1..4),
            (user, client, jti, sid, at) in (0u8..3, 0u8..3, 0u128..3, 0u128..3, 0i64..13),
        ) {
            let claims = claims(user, client, jti, sid, at);
            let mut revocations = Revocations::default();
            // While everything is loaded, they do not come in the order of the log.
            let middle = if log.is_empty() { 0 } else { order.index(log.len()) };
            for (number, target, until) in log[middle..].iter().chain(&log[..middle]) {
                revocations.add(&Revocation {
                    number: *number, target: target.clone(), cause: Cause::TokenRevoked, reason: None, actor: String::new(),
                    created_at: Timestamp::from_millis(0), covers_until: Timestamp::from_millis(*until),
                });
            }
            let covered = |now: i64| {
                log.iter().any(|(number, target, until)| *until > now && covers(target, *number, &claims))
            };
            prop_assert_eq!(revocations.covering(&claims).is_some(), covered(-1));
            let mut times = times;
            times.sort_unstable();
            for now in times {
                revocations.forget_before(Timestamp::from_millis(now));
                // What is in force is never forgotten; of one target, the newest may be kept for as long as the
                // longest.
                if covered(now) {
                    prop_assert!(revocations.covering(&claims).is_some());
                }
                if log.iter().all(|(_, _, until)| *until <= now) {
                    prop_assert_eq!(revocations.len(), 0);
                }
            }
        }
    }
}
