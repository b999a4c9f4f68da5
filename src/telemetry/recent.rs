//! What the counters counted lately: the difference between now and a mark that was set before.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::protocol::figures::{ANSWERED, APPLIED, Figures, INTROSPECTED, ISSUED, OVERLOADED, REFUSED};
use crate::protocol::time::Timestamp;

/// Seconds for which counts are shown.
pub const WINDOW: i64 = 15 * 60;

/// What was counted lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recent {
    /// Since when.
    pub since: Timestamp,
    /// What was counted.
    pub figures: Figures,
    /// The most logins that waited at a time.
    pub most_waiting: i64,
}

/// Reads figures in the exposition format.
pub(super) fn read(text: &str) -> Figures {
    text.lines()
        .filter_map(|line| {
            let (series, number) = line.rsplit_once(' ')?;
            let number: u64 = number.parse().ok()?;
            let (metric, labels) = series.split_once('{').unwrap_or((series, ""));
            // Labels come from fixed lists, in which there are no commas.
            let label = |name: &str| {
                let mut pairs = labels.trim_end_matches('}').split(',').filter_map(|pair| pair.split_once('='));
                pairs.find(|(own, _)| *own == name).map(|(_, value)| value.trim_matches('"'))
            };
            let name = match metric {
                "tokens_issued_total" => format!("{ISSUED}/{}", label("grant")?),
                "refusals_total" => format!("{REFUSED}/{}/{}", label("endpoint")?, label("cause")?),
                "introspections_total" => format!("{INTROSPECTED}/{}", label("outcome")?),
                "answer_seconds_bucket" => format!("{ANSWERED}/{}/{}", label("endpoint")?, label("le")?),
                "revocation_lag_seconds_bucket" => format!("{APPLIED}/{}", label("le")?),
                "password_refusals_total" => OVERLOADED.to_owned(),
                _ => return None,
            };
            Some((name, number))
        })
        .collect()
}

/// What had been counted at a moment, and the most logins that waited at a time before it.
#[derive(Debug)]
struct Mark {
    at: Timestamp,
    figures: Figures,
    most_waiting: i64,
}

/// Marks of the last minutes.
#[derive(Debug, Default)]
pub(super) struct Marks(Mutex<VecDeque<Mark>>);

impl Marks {
    /// Sets a mark, and forgets those that are too old.
    pub(super) fn set(&self, at: Timestamp, figures: Figures, most_waiting: i64) {
        let mut marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        marks.retain(|mark| (0..WINDOW).contains(&(at.seconds() - mark.at.seconds())));
        marks.push_back(Mark { at, figures, most_waiting });
    }

    /// What was counted since the oldest mark.
    pub(super) fn since(&self, now: Timestamp, figures: &Figures, most_waiting: i64) -> Recent {
        let marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What waited before the oldest mark does not count.
        let most_waiting = marks.iter().skip(1).map(|mark| mark.most_waiting).fold(most_waiting, i64::max);
        match marks.front() {
            Some(oldest) => Recent { since: oldest.at, figures: figures.since(&oldest.figures), most_waiting },
            None => Recent { since: now, figures: Figures::default(), most_waiting },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passwords::pool::PasswordPool;
    use crate::state::Measures;
    use crate::telemetry::metrics::Metrics;

    #[test]
    fn what_was_counted_in_the_last_quarter_of_an_hour_is_told() {
        let (metrics, measures, passwords) = (Metrics::default(), Measures::default(), PasswordPool::new(1));
        let counted = || metrics.figures(&measures, &passwords);
        let mark = |minute: i64, waiting| metrics.mark(at(minute), counted(), waiting);
        let recent = |minute: i64, waiting| metrics.recent(at(minute), &counted(), waiting);
        fn at(minute: i64) -> Timestamp {
            Timestamp::from_seconds(1_800_000_000 + minute * 60)
        }
        metrics.issued("password");
        let nothing = Recent { since: at(0), figures: Figures::default(), most_waiting: 0 };
        assert_eq!(recent(0, 0), nothing, "nobody knows since when");
        mark(0, 9);
        metrics.issued("password");
        metrics.issued("password");
        metrics.refused("verify", "expired");
        metrics.introspected(false);
        metrics.answered("token").observe(0.004);
        metrics.answered("token").observe(30.0);
        let told = recent(1, 2);
        assert_eq!((told.since, told.most_waiting), (at(0), 2));
        let expected = [
            ("issued/password", 2),
            ("refused/verify/expired", 1),
            ("introspected/inactive", 1),
            ("answered/token/0.005", 1),
            ("answered/token/2.5", 1),
            ("answered/token/+Inf", 2),
            ("answered/token/0.0025", 0),
            ("introspected/active", 0),
        ];
        for (name, count) in expected {
            assert_eq!(told.figures.get(name), count, "{name} in {told:?}");
        }
        for minute in 1..=20 {
            mark(minute, if minute == 6 { 5 } else { 1 });
        }
        metrics.refused("verify", "expired");
        let told = recent(20, 0);
        assert_eq!((told.since, told.most_waiting), (at(6), 1), "what is older is forgotten");
        assert_eq!(told.figures, [("refused/verify/expired", 1)].into_iter().collect::<Figures>());
    }
}
