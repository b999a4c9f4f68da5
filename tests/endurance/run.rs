//! How far a part has come, and the numbers it found.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::support::Backend;
use crate::support::crash::Random;
use crate::support::program::program;
use crate::{Options, Part};

/// How long a part takes in short form.
const SHORT: Duration = Duration::from_secs(60);
/// The time between two lines of progress.
const PACE: Duration = Duration::from_secs(5);
/// What the program and its tests are made of: a judge who was mended judges anew.
pub(crate) const SOURCES: [&str; 11] = [
    "src",
    "migrations",
    "templates",
    "Cargo.toml",
    "Cargo.lock",
    "tests/endurance",
    "tests/support",
    "fuzz/src",
    "fuzz/targets",
    "fuzz/Cargo.toml",
    "fuzz/Cargo.lock",
];

/// A part that runs.
pub(crate) struct Run {
    part: &'static str,
    pub(crate) short: bool,
    pub(crate) stores: Vec<Backend>,
    count: Option<u64>,
    share: Duration,
    random: Random,
    since: BTreeMap<String, Instant>,
    begun: Instant,
    said: Option<Instant>,
    kept: Kept,
    file: Option<PathBuf>,
    /// Whether something was found in this run.
    has_failed: bool,
}

/// What is kept from one run to the next.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// What was tested, and by what: a digest of the program, its sources and those of the tests.
    key: String,
    done: BTreeMap<String, u64>,
    numbers: BTreeMap<String, u64>,
    pub(crate) seeds: Vec<u64>,
    pub(crate) failures: Vec<String>,
    pub(crate) seconds: u64,
}

impl Run {
    pub(crate) fn begin(part: &'static Part, options: &Options) -> Self {
        // The report tells of whole runs only, so only these are kept.
        let file = options.is_whole().then(|| folder().join(format!("{}.json", part.name)));
        let read = file.as_ref().filter(|_| !options.again).and_then(|file| fs::read_to_string(file).ok());
        let kept: Kept = read.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let key = key();
        let mut kept = if kept.key == key { kept } else { Kept { key, ..Kept::default() } };
        let seed = options.seed.unwrap_or_else(|| Uuid::new_v4().as_u64_pair().0 >> 16);
        kept.seeds.push(seed);
        eprintln!("{}: begins with --seed {seed}; done before: {:?}", part.name, kept.done);
        Self {
            part: part.name,
            short: options.short,
            stores: options.stores(),
            count: options.count,
            share: SHORT / part.counts,
            random: Random(seed),
            since: BTreeMap::new(),
            begun: Instant::now(),
            said: None,
            kept,
            file,
            has_failed: false,
        }
    }

    /// Whether another step of this count is to be made: up to `goal` of them, or in short form while its time lasts.
    pub(crate) fn wants(&mut self, count: &str, goal: u64) -> bool {
        let (goal, done) = (self.count.unwrap_or(goal), self.kept.done.get(count).copied().unwrap_or_default());
        let since = *self.since.entry(count.to_owned()).or_insert_with(Instant::now);
        let wants = if self.short { done == 0 || since.elapsed() < self.share } else { done < goal };
        if !wants || self.said.is_none_or(|said| said.elapsed() > PACE) {
            self.said = Some(Instant::now());
            let of = if self.short { String::new() } else { format!(" of {goal}") };
            eprintln!("{}: {done}{of} {count}, {} s", self.part, self.begun.elapsed().as_secs());
        }
        wants
    }

    /// The number that `--count` names, or in short form the smaller one, else the larger.
    pub(crate) fn size(&self, full: u64, short: u64) -> u64 {
        self.count.unwrap_or(if self.short { short } else { full })
    }

    /// So many steps were made, and are kept.
    pub(crate) fn done(&mut self, count: &str, steps: u64) {
        *self.kept.done.entry(count.to_owned()).or_default() += steps;
        self.keep();
    }

    /// Adds to a number of the report.
    pub(crate) fn add(&mut self, name: &str, number: u64) {
        *self.kept.numbers.entry(name.to_owned()).or_default() += number;
    }

    /// A number of the report is at least this.
    pub(crate) fn most(&mut self, name: &str, number: u64) {
        let most = self.kept.numbers.entry(name.to_owned()).or_default();
        *most = number.max(*most);
    }

    /// What was counted under this name: steps done, or a number of the report.
    pub(crate) fn number(&self, name: &str) -> u64 {
        self.kept.done.get(name).or(self.kept.numbers.get(name)).copied().unwrap_or_default()
    }

    /// The names of all counts and numbers.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.kept.done.keys().chain(self.kept.numbers.keys()).map(String::as_str)
    }

    /// The next random number.
    pub(crate) fn random(&mut self) -> u64 {
        self.random.next()
    }

    /// A folder for what a failure leaves behind, empty at first.
    pub(crate) fn evidence(&self) -> PathBuf {
        let evidence = folder().join(self.part);
        let _ = fs::remove_dir_all(&evidence);
        fs::create_dir_all(&evidence).unwrap();
        evidence
    }

    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    pub(crate) fn end(&mut self) {
        self.kept.seconds += self.begun.elapsed().as_secs();
        self.begun = Instant::now();
        self.keep();
    }

    /// Something is wrong: it is kept for the report, and the part has failed, but may go on.
    pub(crate) fn found(&mut self, what: &str) {
        self.has_failed = true;
        self.kept.failures.push(what.to_owned());
        self.keep();
        let seed = self.kept.seeds.last().unwrap();
        let evidence = folder().join(self.part);
        eprintln!("{}: FAILED with --seed {seed}: {what}\nevidence, if any: {}", self.part, evidence.display());
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed
    }

    fn keep(&self) {
        if let Some(file) = &self.file {
            let (text, new) = (serde_json::to_string_pretty(&self.kept).unwrap(), file.with_extension("new"));
            fs::write(&new, text).unwrap();
            fs::rename(&new, file).unwrap();
        }
    }
}

/// `target/endurance`.
fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("endurance");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A digest of the program that is tested, of its sources and of those of the tests.
fn key() -> String {
    let mut digest = Context::new(&SHA256);
    digest.update(&fs::read(program()).unwrap());
    for source in SOURCES {
        add(&mut digest, &Path::new(env!("CARGO_MANIFEST_DIR")).join(source));
    }
    digest.finish().as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn add(digest: &mut Context, path: &Path) {
    if path.is_dir() {
        let mut within: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        within.sort();
        within.iter().for_each(|path| add(digest, path));
    } else {
        digest.update(path.to_string_lossy().as_bytes());
        digest.update(&fs::read(path).unwrap());
    }
}
