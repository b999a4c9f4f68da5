//! Three versions of the program: that of the base commit, this one, and a next one with one more migration.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::program::program;

/// What the next version adds to the schema: it only expands.
const POSTGRES: &str = "ALTER TABLE sessions ADD COLUMN device TEXT; ALTER TABLE users ADD COLUMN locale TEXT; \
    CREATE TABLE devices (id UUID PRIMARY KEY, name TEXT NOT NULL); CREATE INDEX devices_name ON devices (name);";
const SQLITE: &str = "ALTER TABLE sessions ADD COLUMN device TEXT;";

/// The programs.
pub(crate) struct Versions {
    /// That of the base commit.
    pub(crate) base: PathBuf,
    pub(crate) this: PathBuf,
    pub(crate) next: PathBuf,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where the other versions are kept and built.
fn home() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("endurance").join("versions")
}

impl Versions {
    /// Builds what is not named: the base commit unless `JETON_PREVIOUS_BIN` names a program, and the next version.
    pub(crate) fn find() -> Self {
        fs::create_dir_all(home()).unwrap();
        let this = fs::canonicalize(program()).unwrap();
        let base = match std::env::var_os("JETON_PREVIOUS_BIN") {
            Some(program) => PathBuf::from(program),
            None => base().unwrap_or_else(|problem| {
                panic!(
                    "there is nothing to upgrade from: {problem}. Write another commit into tests/endurance/base-commit, or \
                     name a program with JETON_PREVIOUS_BIN."
                )
            }),
        };
        Self { base, this, next: next() }
    }
}

/// The program of the commit named in `base-commit`, the oldest that this one must be able to replace; it is kept under the
/// name of the commit.
fn base() -> Result<PathBuf, String> {
    const FIRST_MIGRATION: &str = "migrations/postgres/0001_initial.sql";
    let commit = include_str!("base-commit").trim();
    let schema = git(&["show", &format!("{commit}:{FIRST_MIGRATION}")])
        .map_err(|error| format!("the base commit {commit} cannot be read: {error}"))?;
    if schema != fs::read_to_string(root().join(FIRST_MIGRATION)).unwrap().trim() {
        return Err(format!("the base commit {commit} is older than the format of the database"));
    }
    let kept = home().join(format!("jeton-{commit}"));
    if !kept.exists() {
        let (tree, archive) = (home().join("base"), home().join("tree.tar"));
        git(&["archive", "--format=tar", "--output", archive.to_str().unwrap(), commit])?;
        let _ = fs::remove_dir_all(&tree);
        fs::create_dir_all(&tree).unwrap();
        assert!(run(Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(&tree)));
        build(&tree, &kept);
    }
    Ok(kept)
}

/// A copy of this tree with one more migration.
fn next() -> PathBuf {
    let (tree, next) = (home().join("next"), home().join("jeton-next"));
    let made = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    if made(&next) > made(&program()) {
        return next; // of the same sources
    }
    let _ = fs::remove_dir_all(&tree);
    for folder in ["src", "migrations", "templates", ".cargo"] {
        copy(&root().join(folder), &tree.join(folder));
    }
    // Targets of tests are named there, and the sources embed some of these.
    for file in
        git(&["ls-files", "--", "Cargo.toml", "Cargo.lock", "*.md", "*.yaml", "docs", "tests", "examples", "deploy"])
            .map_or_else(|_| files_without_git(), |list| list.lines().map(PathBuf::from).collect())
    {
        let to = tree.join(&file);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(root().join(&file), to).unwrap();
    }
    let list = tree.join("src/store/migrate.rs");
    let text = fs::read_to_string(&list).unwrap();
    let newest =
        text.lines().filter_map(|line| line.trim().strip_prefix("number: ")?.trim_end_matches(',').parse().ok());
    let number: i64 = newest.max().unwrap();
    let list_starts = text.find("const MIGRATIONS").unwrap();
    let (start, end) = text.split_at(list_starts + text[list_starts..].find("];\n").unwrap());
    let start = start.trim_end().trim_end_matches(',');
    let entry = |database: &str| format!("include_str!(\"../../migrations/{database}/{:04}_next.sql\")", number + 1);
    let added = format!(
        ",\n    Migration {{ number: {}, name: \"next\", oldest_program: \"0.1.0\", postgres: {}, sqlite: {} }}",
        number + 1,
        entry("postgres"),
        entry("sqlite")
    );
    fs::write(&list, format!("{start}{added}{end}")).unwrap();
    for (database, sql) in [("postgres", POSTGRES), ("sqlite", SQLITE)] {
        fs::write(tree.join(format!("migrations/{database}/{:04}_next.sql", number + 1)), sql).unwrap();
    }
    build(&tree, &next);
    next
}

/// Where the sources come without git: everything but what was built.
fn files_without_git() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.extend((!path.starts_with(root().join("target"))).then_some(path));
            } else {
                files.push(path.strip_prefix(root()).unwrap().to_path_buf());
            }
        }
    }
    files
}

/// Builds the program of a tree as this one was built. The target directory is of its own, so that this program stays
/// where it is; what it depends on is linked from there and not built again.
fn build(tree: &Path, to: &Path) {
    let this = fs::canonicalize(program()).unwrap();
    let from = this.parent().unwrap();
    let is_shipped = from.file_name().is_some_and(|name| name == "dist");
    let target = home().join("target");
    let profile = target.join(if is_shipped { "dist" } else { "debug" });
    if !profile.exists() {
        fs::create_dir_all(&profile).unwrap();
        for part in ["deps", "build", ".fingerprint"].iter().filter(|part| from.join(part).exists()) {
            assert!(run(Command::new("cp").arg("-al").arg(from.join(part)).arg(&profile)));
        }
        // Of this program itself nothing is shared: it would be written over.
        for part in ["deps", ".fingerprint"].map(|part| profile.join(part)) {
            for path in fs::read_dir(part).into_iter().flatten().map(|entry| entry.unwrap().path()) {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if ["jeton", "suite", "endurance"].iter().any(|own| name.trim_start_matches("lib").starts_with(own)) {
                    if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
                }
            }
        }
    }
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--locked", "--bin", "jeton", "--target-dir"]).arg(&target).current_dir(tree);
    if is_shipped {
        // An older tree may lack the profile: it shipped what its profile `release` made.
        cargo.args(["--profile", "dist", "--config", "profile.dist.inherits='release'"]);
    }
    assert!(run(&mut cargo), "{} is not built", tree.display());
    // Unlinked first: a program that runs cannot be written over.
    let _ = fs::remove_file(to);
    fs::copy(profile.join("jeton"), to).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for path in fs::read_dir(from).into_iter().flatten().map(|entry| entry.unwrap().path()) {
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(path, to).unwrap();
        }
    }
}

fn git(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git").args(arguments).current_dir(root()).output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// Runs a command whose output goes to standard error.
fn run(command: &mut Command) -> bool {
    eprintln!("upgrade: {command:?}");
    command.stdin(Stdio::null()).stdout(std::io::stderr()).status().is_ok_and(|status| status.success())
}
