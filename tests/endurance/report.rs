//! docs/faults.md: each part has its section between two markers, written by the test.

use std::fs;
use std::path::Path;
use std::process::Command;

use jeton::clock::Clock;
use sqlx::{Connection, SqliteConnection};

use crate::run::{Run, SOURCES};
use crate::support::postgres;
use crate::{Part, block_on};

/// Writes the section of a part that has done everything it could.
pub(crate) fn write(part: &Part, run: &Run, body: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, with_section(&text, part.name, &section(part, run, body))).unwrap();
    eprintln!("{}: reported in docs/faults.md", part.name);
}

fn section(part: &Part, run: &Run, body: &str) -> String {
    let kept = run.kept();
    let findings = match kept.failures.as_slice() {
        [] => "Findings: none.".to_owned(),
        some => format!("Findings: {}\n\n```text\n{}\n```", some.len(), some.join("\n\n")),
    };
    let outcome = if run.has_failed() { "**FAILED**: see the findings below. " } else { "" };
    let seeds: Vec<String> = kept.seeds.iter().map(u64::to_string).collect();
    format!(
        "## {}\n\n{outcome}{}, {}, {}; {}; {} minutes; seeds: {}.\n\n{}\n\n{findings}\n",
        part.title,
        date(),
        commit(),
        machine(),
        stores(),
        kept.seconds / 60,
        seeds.join(", "),
        body.trim(),
    )
}

/// The text with the section between its markers; markers that are not there come at the end.
fn with_section(text: &str, name: &str, section: &str) -> String {
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->\n"));
    match (text.find(&open), text.find(&close)) {
        (Some(start), Some(end)) => format!("{}{section}{}", &text[..start + open.len()], &text[end..]),
        _ => format!("{}\n\n{open}{section}{close}", text.trim_end()),
    }
}

fn date() -> String {
    let now = Clock::system().now().to_string();
    now.split('T').next().unwrap().to_owned()
}

/// The commit, and whether what is tested, or the test, differs from it.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short", "HEAD"]) else {
        return "commit unknown (no git)".to_owned();
    };
    match git(&[&["status", "--porcelain", "--"][..], &SOURCES].concat()) {
        Some(changes) if changes.is_empty() => format!("commit {commit} (clean)"),
        Some(_) => format!("commit {commit} with uncommitted changes"),
        None => format!("commit {commit}, possibly with changes: git does not say"),
    }
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next());
    let kilobytes: u64 = kilobytes.and_then(|number| number.parse().ok()).unwrap_or_default();
    format!("{cores} cores, {} GB of memory", kilobytes / 1_000_000)
}

fn stores() -> String {
    let sqlite: String = block_on(async {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut connection).await.unwrap()
    });
    format!("SQLite {sqlite}, PostgreSQL {}", postgres::version_number())
}
