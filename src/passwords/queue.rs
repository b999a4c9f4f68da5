//! The order in which waiting passwords are hashed: fair between networks, and within a network between accounts.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr};

use crate::protocol::backoff::Network;

/// Turns that known requesters take before an unknown one gets a turn.
const TURNS_OF_KNOWN: u32 = 3;

/// Whether there is reason to trust a requester. Known ones go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precedence {
    /// An administrator, or a user who has logged in from this network before.
    Known,
    /// Anyone else.
    Unknown,
}

/// The requester of a hash.
#[derive(Clone, Copy, Debug)]
pub struct Requester {
    /// Whether it goes first.
    pub precedence: Precedence,
    /// Networks take turns.
    pub network: Network,
    /// A digest of the user's or the client's name; the accounts of one network take turns.
    pub account: [u8; 32],
}

impl Requester {
    /// The administrators share one line.
    pub fn administrator() -> Self {
        let network = IpAddr::from(Ipv4Addr::UNSPECIFIED).into();
        Self { precedence: Precedence::Known, network, account: [0; 32] }
    }
}

/// An item that waits for its turn.
pub(super) trait Waiting {
    /// Whether the requester is gone. Such an item is skipped.
    fn is_abandoned(&self) -> bool;
}

/// Lines that take turns. Each is removed once it is empty, so this holds no more lines than items.
#[derive(Debug)]
struct RoundRobin<Key, Lines> {
    order: VecDeque<Key>,
    lines: HashMap<Key, Lines>,
}

impl<Key, Lines> Default for RoundRobin<Key, Lines> {
    fn default() -> Self {
        Self { order: VecDeque::new(), lines: HashMap::new() }
    }
}

impl<Key: Copy + Eq + Hash, Lines: Default> RoundRobin<Key, Lines> {
    /// The line of this key; a new one takes the last turn.
    fn line(&mut self, key: Key) -> &mut Lines {
        self.lines.entry(key).or_insert_with(|| {
            self.order.push_back(key);
            Lines::default()
        })
    }

    /// Takes an item from the line whose turn it is; lines from which `take` gets nothing are removed.
    fn take<Item>(&mut self, mut take: impl FnMut(&mut Lines) -> Option<Item>) -> Option<Item> {
        while let Some(key) = self.order.pop_front() {
            if let Some(item) = self.lines.get_mut(&key).and_then(&mut take) {
                self.order.push_back(key);
                return Some(item);
            }
            self.lines.remove(&key);
        }
        None
    }

    /// Removes the lines that `keep` does not want.
    fn retain(&mut self, mut keep: impl FnMut(&mut Lines) -> bool) {
        self.lines.retain(|_, line| keep(line));
        self.order.retain(|key| self.lines.contains_key(key));
    }
}

/// Networks take turns, and so do the accounts of a network.
type Fair<Item> = RoundRobin<Network, RoundRobin<[u8; 32], VecDeque<Item>>>;

/// The queue. It has no lock and no clock.
#[derive(Debug)]
pub(super) struct Queue<Item> {
    known: Fair<Item>,
    unknown: Fair<Item>,
    length: usize,
    /// Turns of known requesters since the last one of an unknown requester.
    known_turns: u32,
}

impl<Item> Default for Queue<Item> {
    fn default() -> Self {
        Self { known: Fair::default(), unknown: Fair::default(), length: 0, known_turns: 0 }
    }
}

impl<Item: Waiting> Queue<Item> {
    /// How many items wait. Abandoned ones count until they are skipped.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Whether fewer than `count` requesters wait: abandoned items do not count.
    pub(super) fn has_fewer_than(&self, count: usize) -> bool {
        let lines = [&self.known, &self.unknown].into_iter().flat_map(|fair| fair.lines.values());
        let items = lines.flat_map(|accounts| accounts.lines.values()).flatten();
        self.length < count || items.filter(|item| !item.is_abandoned()).take(count).count() < count
    }

    /// Makes room after an item was appended to a full queue: abandoned items go, or else the newest of the network
    /// that has the most, from the account that has the most. Requesters that are known keep theirs longest.
    pub(super) fn shed(&mut self, most: usize) {
        if self.length > most {
            self.remove_abandoned();
        }
        if self.length > most {
            let mut counts: HashMap<Network, usize> = HashMap::new();
            for (network, accounts) in self.unknown.lines.iter().chain(&self.known.lines) {
                *counts.entry(*network).or_default() += accounts.lines.values().map(VecDeque::len).sum::<usize>();
            }
            let networks = self.known.order.iter().chain(&self.unknown.order);
            let Some(longest) = networks.max_by_key(|network| counts[network]).copied() else { return };
            let fair = if self.unknown.lines.contains_key(&longest) { &mut self.unknown } else { &mut self.known };
            let accounts = fair.line(longest);
            if let Some(account) = accounts.order.iter().max_by_key(|account| accounts.lines[*account].len()).copied() {
                accounts.line(account).pop_back();
            }
            self.remove_abandoned();
        }
    }

    fn remove_abandoned(&mut self) {
        self.length = 0;
        for fair in [&mut self.known, &mut self.unknown] {
            fair.retain(|accounts| {
                accounts.retain(|line| {
                    line.retain(|item| !item.is_abandoned());
                    self.length += line.len();
                    !line.is_empty()
                });
                !accounts.lines.is_empty()
            });
        }
    }

    /// Appends an item.
    pub(super) fn push(&mut self, requester: Requester, item: Item) {
        self.of(requester.precedence).line(requester.network).line(requester.account).push_back(item);
        self.length += 1;
    }

    /// Takes the item whose turn it is.
    pub(super) fn pop(&mut self) -> Option<Item> {
        if self.known_turns < TURNS_OF_KNOWN {
            self.pop_from(Precedence::Known).or_else(|| self.pop_from(Precedence::Unknown))
        } else {
            self.pop_from(Precedence::Unknown).or_else(|| self.pop_from(Precedence::Known))
        }
    }

    fn of(&mut self, precedence: Precedence) -> &mut Fair<Item> {
        match precedence {
            Precedence::Known => &mut self.known,
            Precedence::Unknown => &mut self.unknown,
        }
    }

    fn pop_from(&mut self, precedence: Precedence) -> Option<Item> {
        let mut passed = 0;
        let item = self.of(precedence).take(|accounts| {
            accounts.take(|line| {
                let next = line.iter().take_while(|item| item.is_abandoned()).count();
                passed += line.drain(..next).count();
                line.pop_front()
            })
        });
        self.length -= passed + usize::from(item.is_some());
        if item.is_some() {
            self.known_turns = if precedence == Precedence::Known { self.known_turns.saturating_add(1) } else { 0 };
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name, and whether it was abandoned.
    type Item = (&'static str, bool);

    impl Waiting for Item {
        fn is_abandoned(&self) -> bool {
            self.1
        }
    }

    fn requester(precedence: Precedence, network: u8, account: u8) -> Requester {
        let network = IpAddr::from([192, 0, 2, network]).into();
        Requester { precedence, network, account: [account; 32] }
    }

    fn push(queue: &mut Queue<Item>, network: u8, account: u8, names: &[&'static str]) {
        for name in names {
            queue.push(requester(Precedence::Unknown, network, account), (name, false));
        }
    }

    fn order(queue: &mut Queue<Item>) -> String {
        std::iter::from_fn(|| queue.pop()).map(|(name, _)| name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn one_account_is_served_in_order() {
        let mut queue = Queue::default();
        push(&mut queue, 1, 1, &["1", "2", "3"]);
        assert_eq!((queue.length(), order(&mut queue).as_str()), (3, "1 2 3"));
    }

    #[test]
    fn networks_take_turns_and_within_a_network_accounts_do() {
        let mut queue = Queue::default();
        push(&mut queue, 1, 1, &["a1", "a2", "a3", "a4"]);
        push(&mut queue, 1, 2, &["b1", "b2"]);
        push(&mut queue, 2, 1, &["c1", "c2"]);
        assert_eq!(order(&mut queue), "a1 c1 b1 c2 a2 b2 a3 a4");
    }

    #[test]
    fn queueing_again_after_each_turn_gains_nothing() {
        let mut queue = Queue::default();
        for network in 1..=3 {
            push(&mut queue, network, 1, &["x"]);
        }
        push(&mut queue, 4, 1, &["eager"]);
        let mut eager = 0;
        for _ in 0..40 {
            let (name, _) = queue.pop().unwrap();
            if name == "eager" {
                eager += 1;
                push(&mut queue, 4, 1, &["eager"]);
            } else {
                push(&mut queue, 1, 1, &["x"]);
                push(&mut queue, 2, 1, &["x"]);
                push(&mut queue, 3, 1, &["x"]);
            }
        }
        assert!((9..=11).contains(&eager), "{eager} of 40");
    }

    #[test]
    fn known_requesters_go_first_and_leave_one_turn_in_four() {
        let mut queue = Queue::default();
        push(&mut queue, 1, 1, &["u1", "u2", "u3", "u4"]);
        for name in ["k1", "k2", "k3", "k4", "k5"] {
            queue.push(requester(Precedence::Known, 1, 1), (name, false));
        }
        assert_eq!(order(&mut queue), "k1 k2 k3 u1 k4 k5 u2 u3 u4");
    }

    #[test]
    fn abandoned_items_take_no_turn_and_leave_nothing_behind() {
        let mut queue = Queue::default();
        for is_abandoned in [true, true, false] {
            queue.push(requester(Precedence::Unknown, 1, 1), ("a", is_abandoned));
        }
        queue.push(requester(Precedence::Unknown, 2, 1), ("gone", true));
        push(&mut queue, 3, 1, &["c"]);
        assert_eq!((queue.length(), order(&mut queue).as_str()), (5, "a c"));
        assert_eq!(queue.length(), 0);
        assert!(queue.unknown.lines.is_empty() && queue.unknown.order.is_empty());
    }

    #[test]
    fn a_full_queue_sheds_the_newest_of_the_network_and_account_with_the_most() {
        let mut queue = Queue::default();
        push(&mut queue, 1, 1, &["a1", "a2", "a3"]);
        push(&mut queue, 1, 2, &["b1"]);
        push(&mut queue, 2, 1, &["c1", "c2"]);
        queue.push(requester(Precedence::Known, 1, 3), ("k1", false));
        queue.shed(7);
        assert_eq!(queue.length(), 7, "there is room");
        for most in [6, 5, 4] {
            queue.shed(most);
            assert_eq!(queue.length(), most);
        }
        assert_eq!(order(&mut queue), "k1 a1 c1 c2", "of ties, the one whose turn comes last");
        assert!(queue.unknown.lines.is_empty() && queue.known.lines.is_empty());
    }

    #[test]
    fn abandoned_items_are_shed_first_and_do_not_count_as_waiting() {
        let mut queue = Queue::default();
        push(&mut queue, 1, 1, &["a1", "a2"]);
        assert!(queue.has_fewer_than(3) && !queue.has_fewer_than(2));
        queue.push(requester(Precedence::Unknown, 2, 1), ("gone", true));
        assert!(queue.has_fewer_than(3) && !queue.has_fewer_than(2));
        queue.shed(2);
        assert_eq!((queue.length(), order(&mut queue).as_str()), (2, "a1 a2"));
        assert!(queue.has_fewer_than(1));
    }
}
