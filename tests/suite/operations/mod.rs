//! The procedures of `docs/operations.md` do what they promise: their commands are run as printed there.

mod failover;
mod keys;
mod machine;
mod restoration;

use serde_json::Value;

use crate::docs::metrics::shown;

const GUIDE: &str = include_str!("../../../docs/operations.md");
const ALERTS: &str = include_str!("../../../examples/alerts.yaml");

/// The blocks of a section of the guide, down to the next title.
fn blocks(section: &str) -> Vec<&'static str> {
    let title = format!("# {section}\n");
    let text = GUIDE.split(&title).nth(1).unwrap_or_else(|| panic!("no section {section:?}"));
    let end = text.find("\n## ").unwrap_or(text.len()).min(text.find("\n### ").unwrap_or(text.len()));
    text[..end].split_inclusive("\n```\n").filter(|part| part.contains("```console")).collect()
}

#[test]
fn every_block_of_the_guide_to_operations_is_run() {
    let titles = GUIDE.lines().filter_map(|line| line.strip_prefix("## ").or_else(|| line.strip_prefix("### ")));
    let found: Vec<(&str, usize)> =
        titles.map(|title| (title, blocks(title).len())).filter(|(_, count)| *count > 0).collect();
    let run = [
        ("Backup and restore: SQLite", 2),
        ("Backup and restore: Postgres", 2),
        ("To a point in time", 2),
        ("Failover", 6),
        ("Changing the master key", 2),
        ("Losing the master key", 1),
        ("Rotating the keys", 1),
        ("Changing the algorithm", 1),
        ("Compromised keys", 1),
        ("Leaks", 2),
        ("An attack in progress", 1),
        ("Users who cannot log in", 2),
        ("Deleting a user's data", 1),
        ("Upgrade", 1),
        ("Clock", 1),
    ];
    assert_eq!(found, run, "the tests below run these");
    assert_eq!(GUIDE.matches("```console").count(), run.iter().map(|(_, count)| count).sum::<usize>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_and_every_label_that_an_alert_names_is_there() {
    let shown = shown().await;
    let rules: Value = serde_yaml_ng::from_str(ALERTS).unwrap();
    let rules = rules["groups"][0]["rules"].as_array().unwrap().clone();
    assert!(rules.len() >= 10);
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let texts = rules.iter().map(|rule| rule["expr"].as_str().unwrap()).chain([GUIDE]);
    let mut metrics = 0;
    for text in texts {
        let names = text.split(|c| !is_word(c)).filter(|word| word.starts_with("jeton_"));
        for name in names {
            metrics += 1;
            let sample = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
            assert!(shown.lines().any(sample), "{name} in {text}");
        }
        let causes = text.split("cause=").skip(1).filter_map(|rest| rest.split('"').nth(1));
        for cause in causes.flat_map(|causes| causes.split('|')) {
            let is_cause = cause.parse::<jeton::protocol::cause::Cause>().is_ok();
            let is_error = jeton::protocol::error::ErrorCode::ALL.iter().any(|error| error.name() == cause);
            let is_shown = shown.contains(&format!("cause=\"{cause}\""));
            assert!(is_cause || is_error || is_shown, "{cause} in {text}");
        }
    }
    assert!(metrics > 12);
}
