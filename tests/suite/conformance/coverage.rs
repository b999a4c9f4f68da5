//! No row of the list is forgotten: each one is named by a test of this suite, or beside an assertion.

use std::fs;
use std::path::Path;

/// The rows that these tests cover: all marked `y` of §1 to 9, 11 to 15 and 26, those on limits, and those on time.
#[rustfmt::skip]
const ROWS: [&str; 302] = [
    "GEN-001", "GEN-002", "GEN-003", "GEN-004", "GEN-005", "GEN-006", "GEN-007", "GEN-008", "GEN-009", "GEN-010",
    "GEN-011", "GEN-012", "GEN-013", "GEN-014", "GEN-015", "GEN-016", "GEN-017", "GEN-018", "GEN-019", "GEN-020",
    "GEN-021", "GEN-022", "GEN-023", "GEN-024", "GEN-025", "GEN-026", "GEN-027", "GEN-028", "GEN-029", "GEN-030",
    "GEN-031", "GEN-032", "GEN-033", "GEN-034", "GEN-035", "GEN-036", "GEN-037", "GEN-039", "GEN-040",
    "TOK-001", "TOK-002", "TOK-003", "TOK-004", "TOK-005", "TOK-006", "TOK-007", "TOK-008", "TOK-009", "TOK-010",
    "TOK-011", "TOK-012", "TOK-013", "TOK-014", "TOK-015", "TOK-016", "TOK-017", "TOK-018", "TOK-019",
    "CAU-001", "CAU-002", "CAU-003", "CAU-004", "CAU-005", "CAU-006", "CAU-007", "CAU-008", "CAU-009", "CAU-010",
    "CAU-011", "CAU-012", "CAU-013", "CAU-014", "CAU-015", "CAU-016", "CAU-017", "CAU-018", "CAU-019", "CAU-020",
    "CAU-021", "CAU-022", "CAU-023", "CAU-024",
    "PWD-001", "PWD-002", "PWD-003", "PWD-004", "PWD-005", "PWD-006", "PWD-007", "PWD-008", "PWD-009", "PWD-010",
    "PWD-011", "PWD-012", "PWD-013", "PWD-014",
    "CCR-001", "CCR-002", "CCR-003", "CCR-004", "CCR-005", "CCR-006", "CCR-007", "CCR-008", "CCR-009",
    "SCP-001", "SCP-002", "SCP-003", "SCP-004", "SCP-005", "SCP-006", "SCP-007", "SCP-008", "SCP-009", "SCP-010",
    "SCP-011", "SCP-012",
    "RFR-001", "RFR-002", "RFR-003", "RFR-004", "RFR-005", "RFR-006", "RFR-007", "RFR-008", "RFR-009", "RFR-010",
    "RFR-011", "RFR-012", "RFR-013", "RFR-014", "RFR-015", "RFR-016", "RFR-017", "RFR-018", "RFR-019", "RFR-020",
    "RFR-021", "RFR-022", "RFR-023", "RFR-024", "RFR-025", "RFR-027", "RFR-028",
    "REV-001", "REV-002", "REV-003", "REV-004", "REV-005", "REV-006", "REV-007", "REV-008", "REV-009", "REV-010",
    "REV-011", "REV-012", "REV-013", "REV-014", "REV-015", "REV-016", "REV-017", "REV-018", "REV-019", "REV-020",
    "REV-021", "REV-022", "REV-023", "REV-024", "REV-025",
    "INT-001", "INT-002", "INT-003", "INT-004", "INT-005", "INT-006", "INT-007", "INT-008", "INT-009", "INT-011",
    "INT-012", "INT-013", "INT-014", "INT-015", "INT-016", "INT-017", "INT-018", "INT-019", "INT-020", "INT-021",
    "INT-022", "INT-023", "INT-024", "INT-025", "INT-026", "INT-027", "INT-028", "INT-029", "INT-031", "INT-032",
    "INT-033", "INT-034", "INT-036", "INT-038",
    "MET-001", "MET-002", "MET-003", "MET-004", "MET-005", "MET-006", "MET-007", "MET-008", "MET-009", "MET-010",
    "MET-011", "MET-012", "MET-013", "MET-014", "MET-015", "MET-016", "MET-017", "MET-018", "MET-019", "MET-020",
    "MET-021",
    "JWK-001", "JWK-002", "JWK-003", "JWK-004", "JWK-005", "JWK-006", "JWK-007", "JWK-008", "JWK-009", "JWK-012",
    "JWK-013",
    "JWT-001", "JWT-002", "JWT-003", "JWT-004", "JWT-005", "JWT-006", "JWT-007", "JWT-008", "JWT-009", "JWT-010",
    "JWT-011", "JWT-012", "JWT-013", "JWT-014", "JWT-015", "JWT-016", "JWT-017", "JWT-018", "JWT-019", "JWT-020",
    "JWT-101", "JWT-102", "JWT-103", "JWT-104", "JWT-105", "JWT-107", "JWT-110", "JWT-112",
    "BEA-001", "BEA-002", "BEA-003", "BEA-004", "BEA-005", "BEA-006", "BEA-007", "BEA-008", "BEA-009", "BEA-010",
    "BEA-011", "BEA-012", "BEA-013", "BEA-014", "BEA-015", "BEA-016", "BEA-018", "BEA-019",
    "RES-001", "RES-002", "RES-003", "RES-004", "RES-005", "RES-008", "RES-009",
    "CAU-025", "CAU-026", "PWD-015", "PWD-016", "SEC-001", "SEC-002", "SEC-003",
    "SEC-004", "SEC-005", "SEC-007", "SEC-008", "SEC-009", "SEC-010", "SEC-011",
];

/// The sources in a folder and below, but for this one.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("coverage.rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
    text
}

#[test]
fn every_row_of_the_list_is_covered() {
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite"));
    let sources = sources.to_lowercase().replace('-', "_");
    let named = |row: &&str| sources.contains(&row.to_lowercase().replace('-', "_"));
    let forgotten: Vec<&str> = ROWS.into_iter().filter(|row| !named(row)).collect();
    assert!(forgotten.is_empty(), "no test names {forgotten:?}");
}
