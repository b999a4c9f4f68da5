//! The DPoP proofs that counted a short while ago, on this node at once and on others soon after (RFC 9449 §11.1).
//!
//! A proof is a hash of 16 bytes and the second in which it was used. What this node saw goes to the database in batches, one row each,
//! from which the other nodes, and this one after a restart, learn it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as AsyncMutex;
use uuid::Uuid;

use crate::protocol::dpop::REMEMBERED_FOR;
use crate::protocol::time::Timestamp;
use crate::state::{NodeState, Unavailable, within_limit};
use crate::store::{Dialect, ProofBatch};

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
/// The most batches that are read at a time.
const PAGE: i64 = 100;

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

    fn use_once(&self, id: ProofId, now: Timestamp) -> ProofUse {
        let index = usize::from(id[0]);
        let mut part = self.part(index);
        if let Some(at) = part.proofs.get(&id) {
            return ProofUse::Before(Timestamp::from_seconds(i64::from(*at)));
        }
        if part.proofs.len() >= MOST / PARTS {
            part.sweep(now);
            if part.proofs.len() >= MOST / PARTS {
                return ProofUse::Full;
            }
        }
        part.proofs.insert(id, seconds(now));
        drop(part);
        let mut unshared = self.unshared.lock().unwrap_or_else(PoisonError::into_inner);
        unshared.extend_from_slice(&id);
        unshared.extend_from_slice(&seconds(now).to_be_bytes());
        ProofUse::Counts
    }

    /// Learns what counted elsewhere.
    fn learn(&self, packed: &[u8]) {
        for proof in packed.chunks_exact(PACKED_LENGTH) {
            let (id, at) = proof.split_at(ID_LENGTH);
            let (Ok(id), Ok(at)) = (ProofId::try_from(id), at.try_into()) else { continue };
            let mut part = self.part(usize::from(id[0]));
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
        let proofs = std::mem::take(&mut *self.unshared.lock().unwrap_or_else(PoisonError::into_inner));
        if proofs.is_empty() {
            return None;
        }
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

impl NodeState {
    /// Lets a proof count, once.
    pub(crate) fn use_proof(&self, id: ProofId, made_at: Timestamp) -> ProofUse {
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
        let now = self.clock.now();
        exchange.next_part += 1;
        self.proofs.part(exchange.next_part).sweep(now);
        while let Some(batch) = self.proofs.next_batch(&mut exchange, node, now) {
            within_limit(async { Ok(self.store.proofs_write(&batch).await?) }).await?;
            exchange.unwritten = None;
        }
        // A file has one server.
        if self.store.dialect() == Dialect::Sqlite { Ok(()) } else { self.learn_proofs(&mut exchange, node).await }
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
    pub(super) async fn recall_proofs(&self, node: Uuid) -> Result<(), Unavailable> {
        let mut exchange = self.proofs.exchange.lock().await;
        self.learn_proofs(&mut exchange, node).await?;
        let now = self.clock.now();
        let nodes = within_limit(async { Ok(self.store.node_list().await?) }).await?;
        let recently = now.plus_seconds(-REMEMBERED_FOR);
        if nodes.iter().any(|other| other.id != node && other.heartbeat_at > recently) {
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
        for number in 0..1_000_000 {
            assert_eq!(proofs.use_once(spread(number), at(0)), ProofUse::Counts);
        }
        // A table of hashbrown has a byte for each bucket besides its contents, and is at most seven eighths full.
        let bytes: usize = (0..PARTS)
            .map(|index| (proofs.part(index).proofs.capacity() * 8 / 7).next_power_of_two() * (PACKED_LENGTH + 1))
            .sum();
        assert!(bytes <= 64_000_000, "{bytes}");
        proofs.unshared.lock().unwrap().clear();
        for number in 1_000_000..(MOST as u64 + 10_000) {
            proofs.use_once(spread(number), at(0));
        }
        assert_eq!(proofs.held(), MOST);
        assert_eq!(proofs.use_once([255; ID_LENGTH], at(0)), ProofUse::Full);
        assert_eq!(proofs.use_once([255; ID_LENGTH], at(REMEMBERED_FOR + 1)), ProofUse::Counts, "the old ones go");
    }
}
