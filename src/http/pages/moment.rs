//! Moments in words. A page without script does not know the time zone, so what is recent is told by its age.
//! (Templates pass references.)

use crate::http::pages::look::{Language, Look};
use crate::protocol::time::Timestamp;

const ENGLISH: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const FRENCH: [&str; 12] = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
];
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

impl Look<'_> {
    /// How long ago something was; after a week, its date.
    pub(super) fn ago(&self, moment: &Timestamp, now: &Timestamp) -> String {
        let age = u64::try_from(now.seconds().saturating_sub(moment.seconds())).unwrap_or(0);
        if age < MINUTE {
            self.say("just now", "à l’instant").into_owned()
        } else if age < HOUR {
            self.count(age / MINUTE, ["{} minute ago", "{} minutes ago"], ["il y a {} minute", "il y a {} minutes"])
        } else if age < DAY {
            self.count(age / HOUR, ["{} hour ago", "{} hours ago"], ["il y a {} heure", "il y a {} heures"])
        } else if age < 7 * DAY {
            self.count(age / DAY, ["{} day ago", "{} days ago"], ["il y a {} jour", "il y a {} jours"])
        } else {
            self.date(moment)
        }
    }

    /// A time to wait, rounded up.
    pub(super) fn wait(&self, seconds: u64) -> String {
        if seconds < 2 * MINUTE {
            self.count(seconds.max(1), ["{} second", "{} seconds"], ["{} seconde", "{} secondes"])
        } else {
            self.count(seconds.div_ceil(MINUTE), ["{} minute", "{} minutes"], ["{} minute", "{} minutes"])
        }
    }

    /// A date.
    pub(super) fn date(&self, moment: &Timestamp) -> String {
        let text = moment.to_string();
        let mut parts = text.split(['-', 'T']);
        let mut part = || parts.next().unwrap_or_default();
        let (year, month, day) = (part(), part().parse().unwrap_or(1_usize), part().trim_start_matches('0'));
        let month = month.saturating_sub(1) % 12;
        match self.language {
            Language::English => format!("{day} {} {year}", ENGLISH[month]),
            Language::French if day == "1" => format!("1er {} {year}", FRENCH[month]),
            Language::French => format!("{day} {} {year}", FRENCH[month]),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::http::pages::tests::look;
    use crate::protocol::time::Timestamp;

    #[test]
    fn what_is_recent_is_told_by_its_age() {
        let now = Timestamp::parse("2026-11-29T12:00:00Z").unwrap();
        for (age, english, french) in [
            (-5, "just now", "à l’instant"),
            (59, "just now", "à l’instant"),
            (60, "1 minute ago", "il y a 1 minute"),
            (7200, "2 hours ago", "il y a 2 heures"),
            (86_400 * 6, "6 days ago", "il y a 6 jours"),
            (86_400 * 28, "1 November 2026", "1er novembre 2026"),
            (86_400 * 30, "30 October 2026", "30 octobre 2026"),
        ] {
            let moment = now.plus_seconds(-age);
            assert_eq!((look("en").ago(&moment, &now), look("fr").ago(&moment, &now)), (english.into(), french.into()));
        }
        assert_eq!((look("en").wait(0), look("fr").wait(121)), ("1 second".into(), "3 minutes".into()));
        for millis in [i64::MIN, i64::MAX] {
            assert!(!look("en").date(&Timestamp::from_millis(millis)).is_empty());
        }
    }
}
