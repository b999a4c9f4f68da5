//! What the counters counted lately: the difference between now and a mark that was set before.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::protocol::time::Timestamp;

/// Seconds for which counts are shown.
pub const WINDOW: i64 = 15 * 60;

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Issued access tokens, by grant.
    pub issued: BTreeMap<String, u64>,
    /// Refusals, by endpoint and cause.
    pub refused: BTreeMap<(String, String), u64>,
}

impl Counts {
    /// Reads them in the exposition format.
    pub(super) fn read(text: &str) -> Self {
        let mut counts = Self::default();
        for line in text.lines() {
            let Some((name, number)) = line.rsplit_once(' ') else { continue };
            let Ok(number) = number.parse() else { continue };
            let labels: Vec<&str> = name.split('"').skip(1).step_by(2).collect();
            match labels[..] {
                [grant] if name.starts_with("issued_total{") => {
                    counts.issued.insert(grant.to_owned(), number);
                }
                [endpoint, cause] if name.starts_with("refused_total{") => {
                    counts.refused.insert((endpoint.to_owned(), cause.to_owned()), number);
                }
                _ => {}
            }
        }
        counts
    }

    /// What was counted since.
    fn since(&self, before: &Self) -> Self {
        Self { issued: difference(&self.issued, &before.issued), refused: difference(&self.refused, &before.refused) }
    }
}

fn difference<K: Ord + Clone>(now: &BTreeMap<K, u64>, before: &BTreeMap<K, u64>) -> BTreeMap<K, u64> {
    let since = now.iter().map(|(key, count)| (key.clone(), count - count.min(before.get(key).unwrap_or(&0))));
    since.filter(|(_, count)| *count > 0).collect()
}

/// Marks of the last minutes.
#[derive(Debug, Default)]
pub(super) struct Marks(Mutex<VecDeque<(Timestamp, Counts)>>);

impl Marks {
    /// Sets a mark, and forgets those that are too old.
    pub(super) fn set(&self, now: Timestamp, counts: Counts) {
        let mut marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        marks.retain(|(at, _)| (0..WINDOW).contains(&(now.seconds() - at.seconds())));
        marks.push_back((now, counts));
    }

    /// What was counted since the oldest mark, and when that was set.
    pub(super) fn since(&self, now: Timestamp, counts: &Counts) -> (Timestamp, Counts) {
        let marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match marks.front() {
            Some((at, before)) => (*at, counts.since(before)),
            None => (now, Counts::default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::Metrics;

    #[test]
    fn what_was_counted_in_the_last_quarter_of_an_hour_is_told() {
        let metrics = Metrics::default();
        let at = |minute: i64| Timestamp::from_seconds(1_800_000_000 + minute * 60);
        metrics.issued("password");
        assert_eq!(metrics.recent(at(0)), (at(0), Counts::default()), "nobody knows since when");
        metrics.mark(at(0));
        metrics.issued("password");
        metrics.issued("password");
        metrics.refused("verify", "expired");
        let (since, counts) = metrics.recent(at(1));
        assert_eq!((since, counts.issued.get("password")), (at(0), Some(&2)));
        assert_eq!(counts.refused.get(&("verify".to_owned(), "expired".to_owned())), Some(&1));
        for minute in 1..=20 {
            metrics.mark(at(minute));
        }
        metrics.refused("verify", "expired");
        let (since, counts) = metrics.recent(at(20));
        assert_eq!((since, counts.issued.len()), (at(6), 0), "what is older is forgotten");
        assert_eq!(counts.refused.len(), 1);
    }
}
