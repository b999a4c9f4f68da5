//! The DPoP proofs that counted a short while ago, on this node at once and on others soon after (RFC 9449 §11.1).
//!
//! A proof is a hash of 16 bytes and the second in which it was used. What this node saw goes to the database in batches, one row each,
//! from which the other nodes, and this one after a restart, learn it.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as AsyncMutex;
use uuid::Uuid;

use crate::protocol::dpop::REMEMBERED_FOR;
use crate::protocol::time::Timestamp;
use crate::state::{NodeState, Unavailable, within_limit};
use crate::store::{Dialect, NodeRecord, ProofBatch};

/// The hash of a proof.
pub type ProofId = [u8; ID_LENGTH];

const ID_LENGTH: usize = 16;
/// Bytes of a proof in a batch: the hash, and the second in which it was used.
const PACKED_LENGTH: usize = ID_LENGTH + 4;
/// Parts that are locked and swept one at a time.
const PARTS: usize = 16;
/// The most proofs that this node lets count within the time for which they are remembered.
const MOST: usize = 2_000_000;
/// The most that it learns of, which are those of all nodes.
const MOST_LEARNED: usize = 2 * MOST;
/// The time between two exchanges with the other nodes: a proof is known everywhere after at most two of them.
pub(super) const BETWEEN_EXCHANGES: Duration = Duration::from_millis(200);
/// How long ago the last good exchange may have been: otherwise a proof could count here and elsewhere for longer than a second.
const LONGEST_SILENCE: Duration = Duration::from_secs(1);
/// The most proofs that wait to be told to the other nodes.
const MOST_UNSHARED: usize = 500_000;
/// The most proofs in a batch.
const MOST_IN_BATCH: usize = 50_000;
/// The most batches that are read at a time.
const PAGE: i64 = 25;
/// Seconds without a heartbeat after which a node has fallen silent: it may have stopped without a word.
const SILENT_AFTER: i64 = 6;

/// Whether a proof counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofUse {
    /// It does, from now on no more.
    Counts,
    /// It counted before.
    Before(Timestamp),
    /// It was made before this moment, at which this node began to answer. What counted before that is not known.
    Unknown(Timestamp),
    /// There are too many to remember.
    Full,
}

/// One of the parts.
#[derive(Debug, Default)]
struct Part {
    /// The second in which each proof was used.
    proofs: HashMap<ProofId, u32>,
    /// The second of the last sweep.
    swept_at: u32,
}

/// The proofs that counted a short while ago.
#[derive(Debug)]
pub(super) struct UsedProofs {
    parts: [Mutex<Part>; PARTS],
    /// Chooses the part of a proof. Its key is this node's secret, so that nobody can fill one part by choosing proofs.
    hasher: RandomState,
    /// What the other nodes do not know yet, packed.
    unshared: Mutex<Vec<u8>>,
    /// Proofs that were made before may have counted here without a trace.
    none_before: AtomicI64,
    exchange: AsyncMutex<Exchange>,
}

/// How far the exchange with the other nodes is.
#[derive(Debug, Default)]
struct Exchange {
    /// The number of the last batch that this node wrote.
    written: i64,
    /// A batch that may not have arrived.
    unwritten: Option<ProofBatch>,
    /// The last batch of each node that was read: its number, and when it expires.
    read: HashMap<Uuid, (i64, Timestamp)>,
    /// The part that is swept next.
    next_part: usize,
}

impl Default for UsedProofs {
    fn default() -> Self {
        Self {
            parts: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
            unshared: Mutex::default(),
            none_before: AtomicI64::new(i64::MIN),
            exchange: AsyncMutex::default(),
        }
    }
}

fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.seconds()).unwrap_or_default()
}

impl UsedProofs {
    fn part(&self, index: usize) -> MutexGuard<'_, Part> {
        self.parts[index % PARTS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn part_of(&self, id: &ProofId) -> MutexGuard<'_, Part> {
        let hash = self.hasher.hash_one(id) % PARTS as u64;
        self.part(usize::try_from(hash).unwrap_or_default())
    }

    fn use_once(&self, id: ProofId, now: Timestamp) -> ProofUse {
        let mut part = self.part_of(&id);
        if let Some(at) = part.proofs.get(&id) {
            return ProofUse::Before(Timestamp::from_seconds(i64::from(*at)));
        }
        if part.proofs.len() >= MOST / PARTS {
            part.sweep(now);
            if part.proofs.len() >= MOST / PARTS {
                return ProofUse::Full;
            }
        }
        let mut unshared = self.unshared.lock().unwrap_or_else(PoisonError::into_inner);
        if unshared.len() >= MOST_UNSHARED * PACKED_LENGTH {
            return ProofUse::Full;
        }
        part.proofs.insert(id, seconds(now));
        unshared.extend_from_slice(&id);
        unshared.extend_from_slice(&seconds(now).to_be_bytes());
        ProofUse::Counts
    }

    /// Learns what counted elsewhere.
    fn learn(&self, packed: &[u8]) {
        for proof in packed.chunks_exact(PACKED_LENGTH) {
            let (id, at) = proof.split_at(ID_LENGTH);
            let (Ok(id), Ok(at)) = (ProofId::try_from(id), at.try_into()) else { continue };
            let mut part = self.part_of(&id);
            if part.proofs.len() < MOST_LEARNED / PARTS {
                part.proofs.entry(id).or_insert(u32::from_be_bytes(at));
            }
        }
    }

    fn held(&self) -> usize {
        (0..PARTS).map(|index| self.part(index).proofs.len()).sum()
    }

    /// The next batch: one that was not written for sure, or what gathered since.
    fn next_batch(&self, exchange: &mut Exchange, node: Uuid, now: Timestamp) -> Option<ProofBatch> {
        if exchange.unwritten.is_some() {
            return exchange.unwritten.clone();
        }
        let mut unshared = self.unshared.lock().unwrap_or_else(PoisonError::into_inner);
        if unshared.is_empty() {
            return None;
        }
        let length = unshared.len().min(MOST_IN_BATCH * PACKED_LENGTH);
        let later = unshared.split_off(length);
        let proofs = std::mem::replace(&mut *unshared, later);
        drop(unshared);
        exchange.written += 1;
        let expires_at = now.plus_seconds(REMEMBERED_FOR);
        let batch = ProofBatch { node, number: exchange.written, proofs, expires_at };
        exchange.unwritten = Some(batch.clone());
        Some(batch)
    }
}

impl Part {
    /// Forgets what cannot be used any more, at most once a second.
    fn sweep(&mut self, now: Timestamp) {
        if self.swept_at == seconds(now) {
            return;
        }
        self.swept_at = seconds(now);
        let over = seconds(now.plus_seconds(-REMEMBERED_FOR));
        self.proofs.retain(|_, at| *at >= over);
        if self.proofs.capacity() > 1024 && self.proofs.len() < self.proofs.capacity() / 4 {
            self.proofs.shrink_to(self.proofs.len() * 2);
        }
    }
}

/// Whether another node may have let proofs count that nobody was told of. One that runs shares what it saw; one that left has. Of a
/// node on the same machine that is not long gone, this one may be the successor.
fn may_have_kept_proofs(other: &NodeRecord, own: &NodeRecord, now: Timestamp) -> bool {
    let machine = |node: &NodeRecord| node.name.split(',').next().map(str::to_owned);
    let silence = now.seconds() - other.heartbeat_at.seconds();
    other.id != own.id && silence < REMEMBERED_FOR && (silence > SILENT_AFTER || machine(other) == machine(own))
}

impl NodeState {
    /// Lets a proof count, once.
    ///
    /// # Errors
    /// The other nodes cannot be told of it, or what they saw is not known.
    pub(crate) async fn use_proof(&self, node: Uuid, id: ProofId, made_at: Timestamp) -> Result<ProofUse, Unavailable> {
        self.ensure_exchanged(node).await?;
        Ok(self.use_proof_here(id, made_at))
    }

    /// Makes sure that proofs were exchanged a short while ago. One exchange serves all who wait for it.
    async fn ensure_exchanged(&self, node: Uuid) -> Result<(), Unavailable> {
        // A file has one server.
        let is_recent = || {
            self.store.dialect() == Dialect::Sqlite
                || self.proofs_exchanged_at.elapsed(self.watch.now()) <= LONGEST_SILENCE
        };
        if is_recent() {
            return Ok(());
        }
        within_limit(async {
            let mut exchange = self.proofs.exchange.lock().await;
            if is_recent() { Ok(()) } else { self.exchange(&mut exchange, node).await }
        })
        .await
    }

    fn use_proof_here(&self, id: ProofId, made_at: Timestamp) -> ProofUse {
        let none_before = Timestamp::from_seconds(self.proofs.none_before.load(Ordering::Relaxed));
        if made_at < none_before {
            return ProofUse::Unknown(none_before);
        }
        self.proofs.use_once(id, self.clock.now())
    }

    /// How many proofs are remembered.
    pub fn proofs_held(&self) -> usize {
        self.proofs.held()
    }

    /// Tells the other nodes which proofs counted here, and learns which did there.
    ///
    /// # Errors
    /// The database did not answer. Nothing is lost: the next exchange makes up for it.
    pub(crate) async fn exchange_proofs(&self, node: Uuid) -> Result<(), Unavailable> {
        let mut exchange = self.proofs.exchange.lock().await;
        self.exchange(&mut exchange, node).await
    }

    async fn exchange(&self, exchange: &mut Exchange, node: Uuid) -> Result<(), Unavailable> {
        let (begun, now) = (self.watch.now(), self.clock.now());
        exchange.next_part += 1;
        self.proofs.part(exchange.next_part).sweep(now);
        let written = self.write_proofs(exchange, node, now).await;
        // A file has one server. Others are listened to, even if they cannot be told anything.
        if self.store.dialect() == Dialect::Postgres {
            self.learn_proofs(exchange, node).await?;
        }
        written?;
        self.proofs_exchanged_at.set(begun);
        Ok(())
    }

    async fn write_proofs(&self, exchange: &mut Exchange, node: Uuid, now: Timestamp) -> Result<(), Unavailable> {
        loop {
            let is_retry = exchange.unwritten.is_some();
            let Some(batch) = self.proofs.next_batch(exchange, node, now) else { return Ok(()) };
            within_limit(async { Ok(self.store.proofs_write(&batch).await?) }).await?;
            exchange.unwritten = None;
            // What gathers meanwhile waits for the next exchange.
            if !is_retry && batch.proofs.len() < MOST_IN_BATCH * PACKED_LENGTH {
                return Ok(());
            }
        }
    }

    async fn learn_proofs(&self, exchange: &mut Exchange, node: Uuid) -> Result<(), Unavailable> {
        loop {
            let (read, now) = (&exchange.read, self.clock.now());
            let batches = within_limit(async { Ok(self.store.proofs_after(node, read, now, PAGE).await?) }).await?;
            let is_last = batches.len() < usize::try_from(PAGE).unwrap_or_default();
            for batch in batches {
                self.proofs.learn(&batch.proofs);
                exchange.read.insert(batch.node, (batch.number, batch.expires_at));
            }
            if is_last {
                // Of a node whose batches have all expired there is nothing to read again.
                exchange.read.retain(|_, (_, expires_at)| *expires_at > now);
                return Ok(());
            }
        }
    }

    /// Learns, before this node answers anything, which proofs counted a short while ago. If a node stopped without a word, what it
    /// saw last is not known, so no proof counts that was made before now.
    pub(super) async fn recall_proofs(&self, own: &NodeRecord) -> Result<(), Unavailable> {
        let mut exchange = self.proofs.exchange.lock().await;
        let begun = self.watch.now();
        self.learn_proofs(&mut exchange, own.id).await?;
        self.proofs_exchanged_at.set(begun);
        let now = self.clock.now();
        let nodes = within_limit(async { Ok(self.store.node_list().await?) }).await?;
        if nodes.iter().any(|other| may_have_kept_proofs(other, own, now)) {
            self.proofs.none_before.store(now.seconds(), Ordering::Relaxed);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    fn id(number: u64) -> ProofId {
        let mut id = [0; ID_LENGTH];
        id[..8].copy_from_slice(&number.to_le_bytes());
        id
    }

    #[test]
    fn dpo_006_a_proof_counts_once_until_it_cannot_be_used_any_more() {
        let proofs = UsedProofs::default();
        assert_eq!(proofs.use_once(id(1), at(0)), ProofUse::Counts);
        assert_eq!(proofs.use_once(id(1), at(5)), ProofUse::Before(at(0)));
        assert_eq!(proofs.use_once(id(2), at(5)), ProofUse::Counts);
        for index in 0..PARTS {
            proofs.part(index).sweep(at(REMEMBERED_FOR));
        }
        assert_eq!(proofs.use_once(id(1), at(REMEMBERED_FOR)), ProofUse::Before(at(0)));
        for index in 0..PARTS {
            proofs.part(index).sweep(at(REMEMBERED_FOR + 1));
        }
        assert_eq!(proofs.held(), 1, "the second one is still remembered");
    }

    #[test]
    fn whoever_chooses_proofs_cannot_fill_one_part() {
        let proofs = UsedProofs::default();
        for number in 0..4096_u64 {
            let mut id = [0; ID_LENGTH];
            id[8..].copy_from_slice(&number.to_be_bytes());
            proofs.use_once(id, at(0));
        }
        for index in 0..PARTS {
            let held = proofs.part(index).proofs.len();
            assert!((128..512).contains(&held), "{held}");
        }
    }

    #[test]
    fn what_waits_for_the_other_nodes_is_bounded_and_so_is_each_batch() {
        let (proofs, mut exchange, node) = (UsedProofs::default(), Exchange::default(), Uuid::from_u128(1));
        for number in 0..MOST_UNSHARED as u64 {
            assert_eq!(proofs.use_once(id(number), at(0)), ProofUse::Counts);
        }
        let refused = id(MOST_UNSHARED as u64);
        assert_eq!(proofs.use_once(refused, at(0)), ProofUse::Full);
        for number in 1..=MOST_UNSHARED / MOST_IN_BATCH {
            let batch = proofs.next_batch(&mut exchange, node, at(0)).unwrap();
            assert_eq!((batch.number, batch.proofs.len()), (number as i64, MOST_IN_BATCH * PACKED_LENGTH));
            exchange.unwritten = None;
        }
        assert_eq!(proofs.next_batch(&mut exchange, node, at(0)), None);
        assert_eq!(proofs.use_once(refused, at(0)), ProofUse::Counts, "it did not count before");
    }

    #[test]
    fn only_a_node_that_fell_silent_may_have_kept_what_it_saw() {
        let node = |id: u128, name: &str, heartbeat: i64| NodeRecord {
            id: Uuid::from_u128(id),
            name: format!("{name}, process 1"),
            version: "1".into(),
            feature_level: 0,
            applied: 0,
            applied_at: at(0),
            heartbeat_at: at(heartbeat),
            max_staleness: 5000,
        };
        let own = node(1, "a", 0);
        for (other, expected) in [
            (node(2, "b", 1000), false),
            (node(2, "b", 994), false),
            (node(2, "b", 993), true),
            (node(2, "b", 1001 - REMEMBERED_FOR), true),
            (node(2, "b", 1000 - REMEMBERED_FOR), false),
            (node(2, "a", 999), true),
            (node(2, "a", 1000 - REMEMBERED_FOR), false),
            (node(1, "a", 999), false),
        ] {
            assert_eq!(may_have_kept_proofs(&other, &own, at(1000)), expected, "{other:?}");
        }
    }

    #[test]
    fn what_counted_on_one_node_is_learned_by_another_from_its_batches() {
        let (one, other, mut exchange) = (UsedProofs::default(), UsedProofs::default(), Exchange::default());
        let node = Uuid::from_u128(1);
        assert_eq!(one.next_batch(&mut exchange, node, at(0)), None);
        for number in 0..100 {
            assert_eq!(one.use_once(id(number), at(0)), ProofUse::Counts);
        }
        let batch = one.next_batch(&mut exchange, node, at(0)).unwrap();
        assert_eq!((batch.number, batch.proofs.len()), (1, 100 * PACKED_LENGTH));
        one.use_once(id(100), at(1));
        assert_eq!(one.next_batch(&mut exchange, node, at(1)), Some(batch.clone()), "until it is written");
        exchange.unwritten = None;
        let second = one.next_batch(&mut exchange, node, at(1)).unwrap();
        assert_eq!((second.number, second.proofs.len()), (2, PACKED_LENGTH));
        other.learn(&batch.proofs);
        assert_eq!(other.use_once(id(99), at(1)), ProofUse::Before(at(0)));
        assert_eq!(other.use_once(id(100), at(1)), ProofUse::Counts);
        // What is cut off is left out.
        other.learn(&second.proofs[..PACKED_LENGTH - 1]);
    }

    #[test]
    fn a_million_proofs_take_at_most_64_bytes_each_and_more_than_the_most_are_not_taken() {
        let proofs = UsedProofs::default();
        let spread = |number: u64| {
            let mut id = id(number);
            id[15] = id[0];
            id
        };
        let share = || proofs.unshared.lock().unwrap().clear();
        for number in 0..1_000_000 {
            if number % 100_000 == 0 {
                share();
            }
            assert_eq!(proofs.use_once(spread(number), at(0)), ProofUse::Counts);
        }
        // A table of hashbrown has a byte for each bucket besides its contents, and is at most seven eighths full.
        let bytes: usize = (0..PARTS)
            .map(|index| (proofs.part(index).proofs.capacity() * 8 / 7).next_power_of_two() * (PACKED_LENGTH + 1))
            .sum();
        assert!(bytes <= 64_000_000, "{bytes}");
        for number in 1_000_000..(MOST as u64 + 200_000) {
            if number % 100_000 == 0 {
                share();
            }
            proofs.use_once(spread(number), at(0));
        }
        assert_eq!(proofs.held(), MOST);
        assert_eq!(proofs.use_once([255; ID_LENGTH], at(0)), ProofUse::Full);
        assert_eq!(proofs.use_once([255; ID_LENGTH], at(REMEMBERED_FOR + 1)), ProofUse::Counts, "the old ones go");
    }
}
