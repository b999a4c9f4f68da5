//! What a node remembers of fetching the metadata documents of clients: who is at it, and what came of it lately.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use quick_cache::sync::Cache;
use tokio::sync::Mutex as AsyncMutex;

use crate::protocol::error::Refusal;
use crate::protocol::time::Timestamp;

/// The most documents of which it is remembered until when they are fresh, or why they were refused.
const MOST: usize = 10_000;
/// Documents being fetched, before those that nobody waits for are forgotten.
const TURNS: usize = 256;
/// Seconds for which a document that could not be used is not fetched again: long enough that nobody can have it fetched for each
/// request, short enough that its developer does not wait.
const REFUSED_LIFE: i64 = 10;

/// What came of fetching.
#[derive(Clone)]
enum Outcome {
    /// The document is used until then.
    FreshUntil(Timestamp),
    /// It cannot be used, which holds until then.
    Refused(Timestamp, Arc<Refusal>),
}

/// What a node remembers of fetching documents.
pub(crate) struct DocumentFetches {
    outcomes: Cache<String, Outcome>,
    turns: Mutex<HashMap<String, Weak<AsyncMutex<()>>>>,
}

impl Default for DocumentFetches {
    fn default() -> Self {
        Self { outcomes: Cache::new(MOST), turns: Mutex::default() }
    }
}

impl std::fmt::Debug for DocumentFetches {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("DocumentFetches")
    }
}

impl DocumentFetches {
    /// Whoever holds this lock fetches the document of this client, for all who wait.
    pub(crate) fn turn(&self, client_id: &str) -> Arc<AsyncMutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = turns.get(client_id).and_then(Weak::upgrade) {
            return known;
        }
        if turns.len() >= TURNS {
            turns.retain(|_, turn| turn.strong_count() > 0);
        }
        let turn = Arc::default();
        turns.insert(client_id.to_owned(), Arc::downgrade(&turn));
        turn
    }

    /// Whether the document is used without asking again.
    pub(crate) fn is_fresh(&self, client_id: &str, now: Timestamp) -> bool {
        matches!(self.outcomes.get(client_id), Some(Outcome::FreshUntil(until)) if now < until)
    }

    /// Why the document could not be used a moment ago, if that still counts.
    pub(crate) fn refusal(&self, client_id: &str, now: Timestamp) -> Option<Refusal> {
        match self.outcomes.get(client_id)? {
            Outcome::Refused(until, refusal) if now < until => Some(Refusal::clone(&refusal)),
            _ => None,
        }
    }

    /// The document is used until then.
    pub(crate) fn fresh_until(&self, client_id: &str, until: Timestamp) {
        self.outcomes.insert(client_id.to_owned(), Outcome::FreshUntil(until));
    }

    /// The document cannot be used.
    pub(crate) fn refused(&self, client_id: &str, now: Timestamp, refusal: &Refusal) {
        let outcome = Outcome::Refused(now.plus_seconds(REFUSED_LIFE), Arc::new(refusal.clone()));
        self.outcomes.insert(client_id.to_owned(), outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_who_ask_for_a_document_have_the_same_turn_and_others_another() {
        let fetches = DocumentFetches::default();
        let (one, same, other) = (fetches.turn("a"), fetches.turn("a"), fetches.turn("b"));
        assert!(Arc::ptr_eq(&one, &same) && !Arc::ptr_eq(&one, &other));
        for number in 0..3 * TURNS {
            drop(fetches.turn(&number.to_string()));
        }
        assert!(Arc::ptr_eq(&one, &fetches.turn("a")));
        assert!(fetches.turns.lock().unwrap().len() <= TURNS);
    }

    #[test]
    fn what_came_of_fetching_counts_for_a_while() {
        let fetches = DocumentFetches::default();
        let at = Timestamp::from_seconds;
        assert!(!fetches.is_fresh("a", at(0)) && fetches.refusal("a", at(0)).is_none());
        fetches.fresh_until("a", at(60));
        assert!(fetches.is_fresh("a", at(59)) && !fetches.is_fresh("a", at(60)) && !fetches.is_fresh("b", at(0)));
        let refusal = Refusal::invalid_request("x");
        fetches.refused("a", at(60), &refusal);
        assert!(!fetches.is_fresh("a", at(0)), "the refusal is the latest");
        assert_eq!(fetches.refusal("a", at(60 + REFUSED_LIFE - 1)), Some(refusal));
        assert_eq!(fetches.refusal("a", at(60 + REFUSED_LIFE)), None);
    }
}
