//! What the documents refer to exists.

use std::fs;
use std::path::{Path, PathBuf};

use jeton::protocol::fault::{CodeFault, DeviceCodeFault, LoginFault, RequestFault};
use jeton::protocol::{assertion, dpop};
use jeton::settings::TABLE;

use crate::security::sources;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Variables that are not settings: commands read the first, Kubernetes sets the second, the tests read the others.
const FOREIGN: [&str; 9] = [
    "JETON_ADMIN_TOKEN",
    "JETON_OPENID_CA",
    "JETON_OPENID_SUITE",
    "JETON_PORT",
    "JETON_TEST_INSTALL",
    "JETON_TEST_POSTGRES_URL",
    "JETON_WRITE_OPENAPI",
    "JETON_WRITE_PICTURES",
    "JETON_WRITE_RESULTS",
];

/// Every document, with its path.
fn documents() -> Vec<(PathBuf, String)> {
    let folders = [
        "",
        "docs",
        "docs/openapi",
        "examples",
        "examples/dpop",
        "examples/gitops",
        "examples/mcp",
        "examples/proxies",
        "examples/web",
        "bench",
    ]
    .map(|folder| Path::new(ROOT).join(folder));
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    let documents = files.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    documents.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// The anchors of the headings of a document, as GitHub makes them.
fn anchors(document: &str) -> Vec<String> {
    let headings = document.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_matches(['#', ' ']));
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    headings.map(|text| text.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

#[test]
fn every_link_of_a_document_leads_to_a_file_and_a_heading() {
    let mut count = 0;
    for (path, text) in documents() {
        let targets = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
        for target in targets.filter(|target| !target.contains("://")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { path.clone() } else { path.with_file_name(file) };
            assert!(file.exists(), "{target} in {}", path.display());
            if !anchor.is_empty() {
                let found = anchors(&fs::read_to_string(file).unwrap());
                assert!(found.iter().any(|found| found == anchor), "{target} in {}", path.display());
            }
            count += 1;
        }
    }
    assert!(count > 40);
}

#[test]
fn every_setting_that_a_document_names_exists() {
    let mut count = 0;
    for (path, text) in documents() {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let names = words.filter(|word| word.strip_prefix("JETON_").is_some_and(|name| !name.is_empty()));
        for name in names.filter(|name| !FOREIGN.contains(name)) {
            let name = name.strip_suffix("_FILE").unwrap_or(name);
            let exists = TABLE.iter().any(|setting| setting.variable() == name);
            assert!(exists, "{name} in {} is not a setting", path.display());
            count += 1;
        }
    }
    assert!(count > 60);
}

#[test]
fn every_fault_of_an_assertion_is_in_the_guide_to_keys() {
    let guide = include_str!("../../../docs/client-keys.md");
    let rows: Vec<&str> = guide.lines().filter_map(|line| line.strip_prefix("| `assertion_")).collect();
    assert_eq!(rows.len(), assertion::Fault::ALL.len());
    for (row, fault) in rows.iter().zip(assertion::Fault::ALL) {
        assert!(format!("assertion_{row}").starts_with(&format!("{}` | ", fault.name())), "{row}");
    }
}

#[test]
fn every_fault_of_a_login_is_in_the_guide_to_logins() {
    let guide = include_str!("../../../docs/logins.md");
    let tables = guide.split("## The causes in the log").nth(1).unwrap();
    let rows = tables.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let mut due: Vec<&str> = CodeFault::ALL.iter().map(|fault| fault.name()).collect();
    due.extend(DeviceCodeFault::ALL.iter().map(|fault| fault.name()));
    due.extend(RequestFault::ALL.iter().map(|fault| fault.name()));
    due.extend(LoginFault::ALL.iter().map(|fault| fault.name()));
    assert_eq!(rows.collect::<Vec<_>>(), due);
}

#[test]
fn every_log_message_that_the_guide_to_refusals_lists_is_in_the_program() {
    let guide = include_str!("../../../docs/refusals.md");
    let list = guide.split("The message tells you what happened:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    // Levels and names of fields have no spaces.
    let messages: Vec<&str> = list.split('`').skip(1).step_by(2).filter(|span| span.contains(' ')).collect();
    assert_eq!(messages.len(), 6, "{messages:?}");
    let mut program = String::new();
    sources(&Path::new(ROOT).join("src"), &mut program);
    for message in messages {
        assert!(program.contains(&format!("\"{message}\"")), "{message}");
    }
}

#[test]
fn every_fault_of_a_proof_is_in_the_guide_to_bound_tokens() {
    let guide = include_str!("../../../docs/dpop.md").split("## Why is my proof refused?").nth(1).unwrap();
    let rows: Vec<&str> = guide.lines().filter_map(|line| line.strip_prefix("| `proof_")).collect();
    let names: Vec<String> = rows.iter().map(|row| format!("proof_{}", row.split('`').next().unwrap())).collect();
    assert_eq!(names, dpop::Fault::ALL.iter().map(|fault| fault.name()).collect::<Vec<_>>());
}
