//! Valid and invalid tokens, changed at random: never a server error, and one verdict everywhere.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::ask::{Case, assert_quiet};
use super::bad_input::agree;
use super::stage::{ALL, Jwt, Opaque, Stage};
use crate::support::Backend;

/// A change; where it strikes is a fraction of the length.
#[derive(Clone, Debug)]
enum Change {
    Insert(f64, String),
    Delete(f64, usize),
    Replace(f64, String),
    Duplicate(f64, f64),
    Percent,
    Quote(char),
    Base64,
    Lower,
    Upper,
    Reverse,
    Join(usize),
}

fn pieces() -> impl Strategy<Value = String> {
    let known = [
        " ",
        "\t",
        "\n",
        "\r\n",
        "\u{200B}",
        "\u{FEFF}",
        "\u{00A0}",
        "\u{00AD}",
        "Bearer ",
        "\"",
        "'",
        "\\",
        "%",
        "%20",
        "%2E",
        "%25",
        ".",
        "..",
        "...",
        "\u{2026}",
        "=",
        "+",
        "/",
        "-",
        "_",
        "A",
        "e",
        "jat_",
        "jrt_live_",
        "jcs_",
        "eyJ",
        "null",
        "{",
        "}",
        "\0",
        "é",
    ];
    prop_oneof![
        prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
        "[A-Za-z0-9_-]{1,8}"
    ]
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let place = || 0.0..1.0_f64;
    let change = prop_oneof![
        4 => (place(), pieces()).prop_map(|(at, what)| Change::Insert(at, what)),
        4 => (place(), 1..40_usize).prop_map(|(at, length)| Change::Delete(at, length)),
        4 => (place(), pieces()).prop_map(|(at, what)| Change::Replace(at, what)),
        1 => (place(), place()).prop_map(|(from, to)| Change::Duplicate(from, to)),
        1 => Just(Change::Percent),
        1 => prop::sample::select(vec!['"', '\'', '`', '<', '\u{201C}']).prop_map(Change::Quote),
        1 => Just(Change::Base64),
        1 => Just(Change::Lower),
        1 => Just(Change::Upper),
        1 => Just(Change::Reverse),
        1 => (0..20_usize).prop_map(Change::Join),
    ];
    prop::collection::vec(change, 0..5)
}

impl Change {
    fn done_to(&self, text: &str, seeds: &[String]) -> String {
        let letters: Vec<char> = text.chars().collect();
        let place = |at: f64| (at * letters.len() as f64) as usize;
        let collect = |letters: &[char]| letters.iter().collect::<String>();
        match self {
            Self::Insert(at, what) => collect(&letters[..place(*at)]) + what + &collect(&letters[place(*at)..]),
            Self::Delete(at, length) => {
                let end = letters.len().min(place(*at) + length);
                collect(&letters[..place(*at)]) + &collect(&letters[end..])
            }
            Self::Replace(at, what) => {
                let end = letters.len().min(place(*at) + what.chars().count());
                collect(&letters[..place(*at)]) + what + &collect(&letters[end..])
            }
            Self::Duplicate(from, to) => {
                let (from, to) = (place(from.min(*to)), place(from.max(*to)));
                collect(&letters[..to]) + &collect(&letters[from..])
            }
            Self::Percent => super::damage::percent(text, 1),
            Self::Quote(quote) => format!("{quote}{text}{quote}"),
            Self::Base64 => text.replace('-', "+").replace('_', "/"),
            Self::Lower => text.to_lowercase(),
            Self::Upper => text.to_uppercase(),
            Self::Reverse => letters.iter().rev().collect(),
            Self::Join(index) => format!("{text}{}", seeds[index % seeds.len()]),
        }
    }
}

async fn seeds(stage: &Stage) -> Vec<String> {
    let mut seeds = Vec::new();
    for form in ALL {
        seeds.push(stage.good(*form).await);
    }
    for form in [Jwt, Opaque] {
        let revoked = stage.good(form).await;
        stage.app.revoke(stage.owner(form), &revoked).await.assert_ok();
        seeds.push(revoked);
    }
    seeds.push(stage.main.secret.clone().unwrap());
    seeds.extend(["undefined", "$TOKEN", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"].map(str::to_owned));
    seeds
}

#[test]
fn every_change_to_a_token_gets_one_verdict_and_never_an_error() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let stage = runtime.block_on(Stage::start(Backend::Sqlite));
    let seeds = runtime.block_on(seeds(&stage));
    let mut runner = TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
    let verdict = runner.run(&(0..seeds.len(), changes()), |(seed, changes)| {
        let text = changes.iter().fold(seeds[seed].clone(), |text, change| change.done_to(&text, &seeds));
        let case = Case::new(format!("{changes:?}"), text.clone(), "").made_from(&seeds[seed]);
        runtime.block_on(async {
            if !text.is_empty() {
                let answer = agree(&stage, &case.name, &text).await;
                assert_quiet(&case, &answer);
                assert_quiet(&case, &stage.explain(&stage.other, &text).await);
            }
        });
        Ok(())
    });
    verdict.unwrap_or_else(|error| panic!("{error}"));
    // Dropped inside the runtime, as everywhere else.
    runtime.block_on(async { drop(stage) });
}
