//! Every promise of `SECURITY.md` is shown by a test.

use std::fs;
use std::path::Path;

const POLICY: &str = include_str!("../../SECURITY.md");

/// The text of every source file below a folder of the crate.
pub(crate) fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_protection_of_the_policy_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    for folder in ["src", "tests/suite"] {
        sources(&root.join(folder), &mut code);
    }
    let code = code.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_test = |name: &str| {
        let plain = format!("fn {name}()");
        // With a strategy of proptest, or on both stores.
        let with_inputs = format!("fn {name}(");
        let before = |start: usize| code[..start].trim_end();
        let declared = code.match_indices(&with_inputs).any(|(start, _)| {
            let attributes = before(start).trim_end_matches("async").trim_end();
            attributes.ends_with(']') && (code[start..].starts_with(&plain) || attributes.ends_with("#[test]"))
        });
        let given_to_a_macro = code.contains(&format!("on_one_thread!({name})"));
        declared
            || given_to_a_macro
            || code.match_indices(&format!("{name}, async |")).any(|(start, _)| before(start).ends_with(['(', ']']))
    };
    assert!(is_test("every_protection_of_the_policy_names_tests_that_exist"));
    assert!(is_test("a_new_password_ends_what_was_issued") && !is_test("sources") && !is_test("a_test_of_nothing"));
    let table = POLICY.split("## What is protected, from whom").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    assert!(rows.len() > 20, "the table is found");
    for row in rows {
        let tests: Vec<&str> = row.trim_end_matches(" |").rsplit(" | ").next().unwrap().split(", ").collect();
        assert!(!tests.is_empty());
        for test in tests {
            let name = test.strip_prefix('`').and_then(|test| test.strip_suffix('`'));
            let name = name.unwrap_or_else(|| panic!("{test:?} in {row}"));
            assert!(is_test(name), "there is no test {name}, which is to show: {row}");
        }
    }
}
