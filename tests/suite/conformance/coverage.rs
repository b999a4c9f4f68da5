//! `docs/conformance.md` and the tests agree: every row names the tests that mention its id, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The tests that mention each id: in their name, next to an assertion, or in the header of their file.
type Mentions = BTreeMap<String, BTreeSet<String>>;

/// Collects the mentions in a folder and below; `module` is its path, such as `conformance::`.
fn collect(folder: &Path, module: &str, mentions: &mut Mentions) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        if path.is_dir() {
            collect(&path, &format!("{module}{stem}::"), mentions);
        } else if path.extension().is_some_and(|extension| extension == "rs") && stem != "coverage" {
            let module = if matches!(stem, "mod" | "main") { module.to_owned() } else { format!("{module}{stem}::") };
            for (test, id) in mentioned(&fs::read_to_string(&path).unwrap()) {
                let place = format!("{module}{test}").trim_end_matches("::").to_owned();
                mentions.entry(id).or_default().insert(place);
            }
        }
    }
}

/// Pairs of a test and an id that it mentions; the test is empty if the mention is outside all tests.
fn mentioned(text: &str) -> Vec<(String, String)> {
    let (mut test, mut is_test, mut pairs) = (String::new(), false, Vec::new());
    for line in text.lines() {
        let words = line.trim_start().trim_start_matches("async ");
        if let Some(name) = words.strip_prefix("fn ") {
            test = if is_test { name_of(name) } else { String::new() };
        } else if let Some(name) = words.strip_prefix("on_both_stores!(") {
            test = name_of(name);
        } else if test.is_empty() && line.starts_with("    ") && line.ends_with(',') && is_test {
            test = name_of(words);
        }
        is_test = words.starts_with("#[") && words.contains("test") || words == "on_both_stores!(";
        pairs.extend(ids(line).map(|id| (test.clone(), id)));
    }
    pairs
}

fn name_of(text: &str) -> String {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_owned()
}

/// The ids in a line, such as `RFR-014`, or `rfr_014` in a name.
fn ids(line: &str) -> impl Iterator<Item = String> {
    let is_id = |text: &&[u8]| {
        text[..3].iter().all(u8::is_ascii_alphabetic)
            && b"-_".contains(&text[3])
            && text[4..].iter().all(u8::is_ascii_digit)
    };
    line.as_bytes().windows(7).filter(is_id).map(|id| String::from_utf8_lossy(id).to_uppercase().replace('_', "-"))
}

#[test]
fn the_list_of_conformance_names_the_tests_that_hold_each_rule() {
    let list = fs::read_to_string(root().join("docs/conformance.md")).unwrap();
    let rows: BTreeMap<&str, &str> = list
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .filter_map(|row| Some((row.split_once(" | ")?.0, row.rsplit_once(" | ")?.1)))
        .filter(|(id, _)| ids(id).next().is_some_and(|known| known == **id))
        .collect();
    assert!(rows.len() > 250, "the rows are found");
    let areas: BTreeSet<&str> = rows.keys().map(|id| &id[..3]).collect();
    let mut mentions = Mentions::new();
    collect(&root().join("tests/suite"), "", &mut mentions);
    collect(&root().join("src"), "src::", &mut mentions);
    mentions.retain(|id, _| areas.contains(&id[..3]));

    let mut wrong = Vec::new();
    for (id, tests) in &mentions {
        let due = tests.iter().map(|test| format!("`{test}`")).collect::<Vec<_>>().join(", ");
        if rows.get(id.as_str()) != Some(&due.as_str()) {
            wrong.push(format!("{id}: its last column is {due}"));
        }
    }
    wrong.extend(rows.keys().filter(|id| !mentions.contains_key(**id)).map(|id| format!("{id}: no test mentions it")));
    assert!(wrong.is_empty(), "docs/conformance.md is out of step:\n{}", wrong.join("\n"));
}

#[test]
fn a_mention_belongs_to_the_test_around_it() {
    let text = "//! Limits (SEC-011).\n\n#[test]\nfn gen_001_and_gen_006_hold() {\n    // TOK-002\n}\n\nfn helper() {} // CAU-003\n\
                on_both_stores!(rfr_014_holds, async |backend| {\n});\non_both_stores!(\n    a_long_name,\n    async { /* REV-001 */ }\n);";
    let pairs: Vec<String> = mentioned(text).into_iter().map(|(test, id)| format!("{test} {id}")).collect();
    assert_eq!(
        pairs,
        [
            " SEC-011",
            "gen_001_and_gen_006_hold GEN-001",
            "gen_001_and_gen_006_hold GEN-006",
            "gen_001_and_gen_006_hold TOK-002",
            " CAU-003",
            "rfr_014_holds RFR-014",
            "a_long_name REV-001",
        ]
    );
}
