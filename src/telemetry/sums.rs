//! Lines of the log that would be too many are summed up: of each kind some are written at once, and later ones with the number
//! of those that were left out.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The time for which so many lines of a kind are enough.
pub(super) const WINDOW: Duration = Duration::from_secs(10);

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// It is the first of its kind, for now.
    First,
    /// It is written, and since the last one that was, so many were left out.
    Further(u64),
    /// It is left out.
    LeftOut,
    /// It is left out and not even counted, because so many other kinds are.
    TooManyKinds,
}

/// How many lines there were of each kind.
#[derive(Debug)]
pub(super) struct Sums<K> {
    kinds: Mutex<HashMap<K, Kind>>,
    /// The most lines of a kind within the window.
    lines: u32,
    /// The most kinds that are remembered.
    most: usize,
}

#[derive(Debug)]
struct Kind {
    since: Instant,
    written: u32,
    left_out: u64,
}

impl<K: Eq + Hash> Sums<K> {
    pub(super) fn new(lines: u32, most: usize) -> Self {
        Self { kinds: Mutex::default(), lines, most }
    }

    /// Whether a line of this kind is to be written. When too many kinds are known already, a new one is not.
    pub(super) fn note(&self, kind: K, now: Instant) -> Line {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kinds.get_mut(&kind) {
            if now.duration_since(known.since) >= WINDOW {
                (known.since, known.written) = (now, 0);
            }
            if known.written >= self.lines {
                known.left_out += 1;
                return Line::LeftOut;
            }
            known.written += 1;
            return Line::Further(std::mem::take(&mut known.left_out));
        }
        if kinds.len() >= self.most {
            kinds.retain(|_, known| now.duration_since(known.since) < WINDOW);
        }
        if kinds.len() >= self.most {
            return Line::TooManyKinds;
        }
        kinds.insert(kind, Kind { since: now, written: 1, left_out: 0 });
        Line::First
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_lines_of_each_kind_are_written_and_the_rest_is_counted() {
        let (sums, now) = (Sums::new(2, 10), Instant::now());
        assert_eq!(sums.note("a", now), Line::First);
        assert_eq!(sums.note("a", now), Line::Further(0));
        assert_eq!(sums.note("a", now + WINDOW / 2), Line::LeftOut);
        assert_eq!(sums.note("b", now + WINDOW / 2), Line::First);
        assert_eq!(sums.note("a", now + WINDOW / 2), Line::LeftOut);
        assert_eq!(sums.note("a", now + WINDOW), Line::Further(2));
        assert_eq!(sums.note("a", now + WINDOW), Line::Further(0));
        assert_eq!(sums.note("a", now + WINDOW), Line::LeftOut);
    }

    #[test]
    fn a_flood_of_kinds_takes_bounded_memory() {
        let (sums, now) = (Sums::new(1, 64), Instant::now());
        let written = (0..1000).filter(|kind| sums.note(*kind, now) == Line::First).count();
        assert_eq!(written, 64);
        assert_eq!(sums.note(2000, now + WINDOW), Line::First);
    }
}
