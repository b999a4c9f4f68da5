//! Figures: how often something happened, by a name such as `issued/password`. They add up over hours and nodes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Issued access tokens, by grant.
pub const ISSUED: &str = "issued";
/// Refused requests, by endpoint and cause; where they are kept for long, by cause alone.
pub const REFUSED: &str = "refused";
/// Introspections, by whether the token was `active`.
pub const INTROSPECTED: &str = "introspected";
/// Answers, by endpoint and by the seconds within which they came.
pub const ANSWERED: &str = "answered";
/// Revocations, by the seconds within which a node applied them.
pub const APPLIED: &str = "applied";
/// Logins that were refused because too many waited.
pub const OVERLOADED: &str = "overloaded";

/// The endpoints whose times are kept for long, and which the console shows.
pub const TIMED: [&str; 3] = ["token", "introspect", "verify"];

/// Seconds for which figures are kept.
pub const FIGURES_LIFE: i64 = 31 * 24 * 3600;
/// Seconds for which each figure is summed up before it is kept.
pub const HOUR: i64 = 3600;

/// How often something happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Figures(BTreeMap<String, u64>);

/// How many of something took how long: for each bound in seconds, in their order, how many took no longer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spread {
    bounds: Vec<(f64, u64)>,
    /// How many there were.
    pub count: u64,
}

impl Figures {
    /// Adds to a figure.
    pub fn add(&mut self, name: impl Into<String>, count: u64) {
        if count > 0 {
            let sum = self.0.entry(name.into()).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    /// Adds all figures of others.
    pub fn add_all(&mut self, others: &Self) {
        for (name, count) in &others.0 {
            self.add(name.as_str(), *count);
        }
    }

    /// What was added since these figures were taken.
    pub fn since(&self, before: &Self) -> Self {
        let mut since = Self::default();
        for (name, count) in &self.0 {
            since.add(name.as_str(), count.saturating_sub(before.get(name)));
        }
        since
    }

    /// One figure.
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, count)| (name.as_str(), *count))
    }

    /// The figures of a kind, each by the rest of its name.
    pub fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a str, u64)> {
        self.iter().filter_map(move |(name, count)| Some((name.strip_prefix(kind)?.strip_prefix('/')?, count)))
    }

    /// The sum of a kind.
    pub fn sum(&self, kind: &str) -> u64 {
        self.of(kind).map(|(_, count)| count).fold(0, u64::saturating_add)
    }

    /// The refusals by cause alone, the most frequent first.
    pub fn causes(&self) -> Vec<(&str, u64)> {
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        for (name, count) in self.of(REFUSED) {
            *sums.entry(name.rsplit('/').next().unwrap_or(name)).or_default() += count;
        }
        let mut causes: Vec<_> = sums.into_iter().collect();
        causes.sort_by_key(|(cause, count)| (std::cmp::Reverse(*count), *cause));
        causes
    }

    /// How long something took, by its kind.
    pub fn spread(&self, kind: &str) -> Spread {
        let mut spread = Spread::default();
        for (bound, count) in self.of(kind) {
            match bound.parse::<f64>() {
                Ok(seconds) if seconds.is_finite() => spread.bounds.push((seconds, count)),
                Ok(_) => spread.count = count,
                Err(_) => {}
            }
        }
        spread.bounds.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        spread
    }

    /// What is kept for long: few names, whatever is asked of the server.
    pub fn to_keep(&self) -> Self {
        let mut kept = Self::default();
        for (cause, count) in self.causes() {
            kept.add(format!("{REFUSED}/{cause}"), count);
        }
        for (name, count) in self.iter() {
            let is_kept = match name.split_once('/') {
                Some((ISSUED | INTROSPECTED | APPLIED, _)) => true,
                Some((ANSWERED, rest)) => rest.split('/').next().is_some_and(|endpoint| TIMED.contains(&endpoint)),
                Some(_) => false,
                None => name == OVERLOADED,
            };
            if is_kept {
                kept.add(name, count);
            }
        }
        kept
    }
}

impl<N: Into<String>> FromIterator<(N, u64)> for Figures {
    fn from_iter<T: IntoIterator<Item = (N, u64)>>(figures: T) -> Self {
        let mut all = Self::default();
        figures.into_iter().for_each(|(name, count)| all.add(name, count));
        all
    }
}

impl Spread {
    /// The smallest bound, in seconds, within which so many of a hundred came; none if nothing was counted, or if more took longer than the
    /// largest bound.
    pub fn within(&self, percent: u64) -> Option<f64> {
        let enough = |count: &u64| u128::from(*count) * 100 >= u128::from(self.count) * u128::from(percent);
        self.bounds.iter().find(|(_, count)| self.count > 0 && enough(count)).map(|(bound, _)| *bound)
    }

    /// The same in words, such as `25 ms`.
    pub fn within_in_words(&self, percent: u64) -> String {
        match (self.within(percent), self.bounds.last()) {
            _ if self.count == 0 => "none".to_owned(),
            (Some(bound), _) => duration_in_words(bound),
            (None, Some((bound, _))) => format!("more than {}", duration_in_words(*bound)),
            (None, None) => "longer than is measured".to_owned(),
        }
    }
}

/// A short time in words.
fn duration_in_words(seconds: f64) -> String {
    if seconds < 1.0 { format!("{} ms", seconds * 1000.0) } else { format!("{seconds} s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(pairs: &[(&str, u64)]) -> Figures {
        pairs.iter().copied().collect()
    }

    #[test]
    fn figures_add_up_and_differ() {
        let mut one = figures(&[("issued/password", 3), ("refused/token/expired", 1)]);
        let before = one.clone();
        one.add_all(&figures(&[("issued/password", 2), ("issued/refresh_token", 1), ("overloaded", 0)]));
        assert_eq!((one.get("issued/password"), one.sum(ISSUED), one.iter().count()), (5, 6, 3));
        assert_eq!(one.since(&before), figures(&[("issued/password", 2), ("issued/refresh_token", 1)]));
        assert!(before.since(&one).is_empty(), "a counter that began anew is no negative number");
        assert_eq!(one.of(ISSUED).collect::<Vec<_>>(), [("password", 5), ("refresh_token", 1)]);
        assert_eq!(figures(&[("issuedness/x", 1)]).of(ISSUED).count(), 0);
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<Figures>(&text).unwrap(), one);
    }

    #[test]
    fn a_spread_tells_within_which_time_most_came() {
        let all = figures(&[
            ("answered/token/0.005", 90),
            ("answered/token/0.01", 98),
            ("answered/token/0.0025", 50),
            ("answered/token/1.0", 99),
            ("answered/token/+Inf", 100),
            ("answered/introspect/+Inf", 2),
        ]);
        let token = all.spread("answered/token");
        assert_eq!(
            (token.count, token.within(50), token.within(90), token.within(99)),
            (100, Some(0.0025), Some(0.005), Some(1.0))
        );
        assert_eq!([50, 99].map(|percent| token.within_in_words(percent)), ["2.5 ms", "1 s"]);
        assert_eq!(token.within_in_words(100), "more than 1 s");
        assert_eq!(all.spread("answered/introspect").within_in_words(50), "longer than is measured");
        assert_eq!(all.spread("answered/verify").within_in_words(50), "none");
    }

    #[test]
    fn what_is_kept_has_few_names() {
        let all = figures(&[
            ("issued/password", 3),
            ("introspected/active", 4),
            ("refused/token/expired", 1),
            ("refused/verify/expired", 2),
            ("answered/token/0.005", 7),
            ("answered/console/0.005", 7),
            ("applied/+Inf", 1),
            ("overloaded", 5),
            ("other", 6),
        ]);
        assert_eq!(all.causes(), [("expired", 3)]);
        let kept = all.to_keep();
        let names: Vec<&str> = kept.iter().map(|(name, _)| name).collect();
        let expected = [
            "answered/token/0.005",
            "applied/+Inf",
            "introspected/active",
            "issued/password",
            "overloaded",
            "refused/expired",
        ];
        assert_eq!((names, kept.get("refused/expired")), (expected.to_vec(), 3));
        assert_eq!(kept.causes(), [("expired", 3)], "and is read the same way");
    }
}
