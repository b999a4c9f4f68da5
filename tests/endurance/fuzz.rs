//! libFuzzer looks for an input that breaks a law of `fuzz/`. In short form the same laws are tried on inputs made from seeds,
//! which needs no nightly toolchain.

#[allow(unreachable_pub, reason = "the same files are the library of the fuzz targets")]
#[path = "../../fuzz/src/lib.rs"]
mod laws;

use std::collections::VecDeque;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::Part;
use crate::run::Run;
use crate::said;
use crate::support::inputs::inputs;
use laws::{TARGETS, Target};

pub(crate) const PART: Part = Part { name: "fuzz", title: "Fuzzing", counts: TARGETS.len() as u32, run };

/// How many inputs each target must stand.
const GOAL: u64 = 10_000_000;
/// The inputs between two notes of the count.
const STEP: u64 = 500_000;
/// The longest that one input may take, in seconds, and the most memory, in MB.
const LIMITS: [&str; 2] = ["-timeout=10", "-rss_limit_mb=1024"];

fn run(run: &mut Run) -> String {
    if run.short {
        for target in &TARGETS {
            try_on_stable(run, target);
        }
        return "A short run reports nothing.".to_owned();
    }
    let programs = build();
    let folder = run.evidence();
    let mut waiting: VecDeque<&'static Target> = TARGETS.iter().collect();
    thread::scope(|scope| {
        let (ended, looks) = channel();
        let begin = |run: &mut Run, waiting: &mut VecDeque<&'static Target>| {
            while let Some(target) = waiting.pop_front() {
                if run.wants(&inputs_of(target), GOAL) {
                    let (seed, ended, programs, folder) = (run.random() as u32, ended.clone(), &programs, &folder);
                    let found = move || look(target, programs, folder, seed);
                    scope.spawn(move || {
                        let found = catch_unwind(found)
                            .unwrap_or_else(|panic| Err(format!("{} did not run: {}", target.name, said(&*panic))));
                        ended.send((target, found))
                    });
                    return 1;
                }
            }
            0
        };
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let mut running: usize = (0..cores).map(|_| begin(run, &mut waiting)).sum();
        while running > 0 {
            let (target, found) = looks.recv().unwrap();
            match found {
                Ok(found) => {
                    run.most(&coverage_of(target), found.coverage);
                    run.most(&features_of(target), found.features);
                    run.done(&inputs_of(target), found.inputs);
                    waiting.push_front(target);
                }
                // The others go on.
                Err(finding) => {
                    run.add(&findings_of(target), 1);
                    run.found(&finding);
                }
            }
            running = running - 1 + begin(run, &mut waiting);
        }
    });
    let mut text = "libFuzzer looks for inputs that break the properties in `fuzz/src`. The build is optimised, with overflow checks and \
        assertions, and without a sanitizer (the crate forbids unsafe code). The search follows coverage and compared \
        strings, but not compared numbers. Coverage: edges of the program that were reached; features: edges together with \
        how often each was taken.\n\n\
        | target | inputs | coverage | features | findings |\n| --- | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    for target in &TARGETS {
        let names = [inputs_of(target), coverage_of(target), features_of(target), findings_of(target)];
        let [inputs, coverage, features, findings] = names.map(|name| run.number(&name));
        text.push_str(&format!("| {} | {inputs} | {coverage} | {features} | {findings} |\n", target.name));
    }
    text
}

fn inputs_of(target: &Target) -> String {
    format!("inputs of {}", target.name)
}

fn coverage_of(target: &Target) -> String {
    format!("coverage of {}", target.name)
}

fn features_of(target: &Target) -> String {
    format!("features of {}", target.name)
}

fn findings_of(target: &Target) -> String {
    format!("findings of {}", target.name)
}

fn try_on_stable(run: &mut Run, target: &Target) {
    let count = inputs_of(target);
    let seed: Vec<u8> = (0..4).flat_map(|_| run.random().to_le_bytes()).collect();
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let strategy = inputs(target.seeds, target.longest);
    while run.wants(&count, GOAL) {
        for _ in 0..200 {
            let input = strategy.new_tree(&mut runner).unwrap().current();
            let checked = std::panic::catch_unwind(|| (target.check)(&input));
            if checked.is_err() {
                return run.found(&format!("{} broke a law by {}", target.name, input.escape_ascii()));
            }
        }
        run.done(&count, 200);
    }
}

/// Builds the programs and gives their folder.
fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Told of every comparison of numbers, the slowest targets would take hours.
    let build = ["+nightly", "fuzz", "build", "--sanitizer", "none", "--no-trace-compares"];
    let built = Command::new("cargo").args(build).current_dir(root).env("CARGO_BUILD_JOBS", "1").status();
    assert!(
        built.is_ok_and(|status| status.success()),
        "cargo +nightly fuzz build: needs the nightly toolchain and `cargo install cargo-fuzz`"
    );
    let target = std::env::consts::ARCH.to_owned() + "-unknown-linux-gnu";
    root.join("fuzz/target").join(target).join("release")
}

struct Found {
    inputs: u64,
    coverage: u64,
    features: u64,
}

/// Tries a number of inputs. What is worth keeping is kept in the corpus, so that the next look goes on from there.
///
/// # Errors
/// One broke a law.
fn look(target: &Target, programs: &Path, evidence: &Path, seed: u32) -> Result<Found, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let (corpus, seeds) = (root.join("corpus").join(target.name), root.join("target/seeds").join(target.name));
    for folder in [&corpus, &seeds] {
        fs::create_dir_all(folder).unwrap();
    }
    for (index, seed) in target.seeds.iter().enumerate() {
        fs::write(seeds.join(index.to_string()), seed).unwrap();
    }
    let found = root.join("found").join(target.name);
    let output = Command::new(programs.join(target.name))
        .args([&corpus, &seeds])
        .args(found.is_dir().then_some(found))
        .args(LIMITS)
        .args([
            format!("-runs={STEP}"),
            format!("-max_len={}", target.longest),
            format!("-seed={}", seed.max(1)),
            format!("-artifact_prefix={}/{}-", evidence.display(), target.name),
            "-print_final_stats=1".to_owned(),
        ])
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    fs::write(evidence.join(format!("{}.log", target.name)), &printed).unwrap();
    // What broke, where, and the input; not the progress before it.
    let is_told = |line: &&str| !line.starts_with('#') && !line.starts_with("    ");
    let end: Vec<&str> = printed.lines().filter(is_told).collect();
    let end = &end[end.len().saturating_sub(20)..];
    if !output.status.success() {
        let folder = evidence.display();
        return Err(format!("{} broke a law; the input is in {folder}\n{}", target.name, end.join("\n")));
    }
    let figure = |name: &str| {
        let after = printed.rsplit(name).next().and_then(|after| after.split_whitespace().next());
        after.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no {name} in {}", end.join("\n")))
    };
    Ok(Found {
        inputs: figure("stat::number_of_executed_units:"),
        coverage: figure(" cov: "),
        features: figure(" ft: "),
    })
}
