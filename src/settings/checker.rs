//! Reads settings one by one and collects what is wrong with them.

use std::time::Duration;

use crate::settings::parse::duration;
use crate::settings::resolve::Resolved;

pub(super) struct Checker<'a> {
    pub(super) resolved: &'a Resolved,
    pub(super) problems: Vec<String>,
}

impl Checker<'_> {
    pub(super) fn problem(&mut self, name: &str, text: &str) {
        self.problems.push(format!("JETON_{}: {text}", name.to_uppercase()));
    }

    /// The value of a setting that has a default. If it does not parse, reports a problem and returns the stand-in.
    pub(super) fn parse<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Result<T, String>, stand_in: T) -> T {
        match parse(self.resolved.get(name).unwrap_or_default()) {
            Ok(value) => value,
            Err(text) => {
                self.problem(name, &text);
                stand_in
            }
        }
    }

    pub(super) fn list<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let text = self.resolved.get(name).unwrap_or_default();
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        let mut list = Vec::new();
        for item in items {
            match parse(item) {
                Ok(value) => list.push(value),
                Err(text) => self.problem(name, &format!("{item:?} {text}")),
            }
        }
        list
    }

    pub(super) fn seconds(&mut self, name: &'static str, longest: i64) -> i64 {
        let parse = |text: &str| {
            let length = duration(text)?;
            let seconds = i64::try_from(length.as_secs()).unwrap_or(i64::MAX);
            if length.subsec_nanos() > 0 {
                return Err("is not a whole number of seconds".into());
            }
            if (1..=longest).contains(&seconds) {
                Ok(seconds)
            } else {
                Err(format!(
                    "is not between 1 s and {}",
                    humantime::format_duration(Duration::from_secs(longest.unsigned_abs()))
                ))
            }
        };
        self.parse(name, parse, 1)
    }
}
