//! The direction of the house: a floor uses only floors below it, and what it may know of the world outside is bounded.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The floors, the lowest first. Whatever is in `src/` stands here.
const FLOORS: [&str; 12] =
    ["oauth", "clock", "token", "secret", "store", "settings", "view", "flow", "admin", "http", "serve", "cli"];

/// What speaks HTTP.
const WEB: [&str; 9] =
    ["axum", "hyper", "hyper_util", "http_body_util", "tower", "tower_http", "askama", "rustls", "tokio_rustls"];

struct File {
    path: PathBuf,
    /// Its modules from the root, such as `http`, `admin`, `users`.
    module: Vec<String>,
    code: String,
}

fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let within = path.strip_prefix(&root).unwrap().with_extension("");
                let mut module: Vec<String> = within.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
                module.retain(|part| !["mod", "lib", "main"].contains(&part.as_str()));
                let text = fs::read_to_string(&path).unwrap();
                let code = text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n");
                files.push(File { path, module, code });
            }
        }
    }
    assert!(files.len() > 50, "the sources are found");
    files
}

/// Paths as they are written: `crate::store::Audited`, `sqlx::query`, `sqlx`; one for each first name of a group.
fn paths(code: &str) -> Vec<Vec<String>> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut paths = Vec::new();
    let mut rest = code;
    let mut before = ' ';
    while let Some(start) = rest.find(|c: char| c.is_alphabetic() || c == '_') {
        let continued =
            [before].into_iter().chain(rest[..start].chars()).last().is_some_and(|c| is_name(c) || c == '.');
        rest = &rest[start..];
        let mut path = Vec::new();
        loop {
            let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            path.push(rest[..end].to_owned());
            rest = &rest[end..];
            match rest.strip_prefix("::") {
                Some(next) if next.starts_with(is_name) => rest = next,
                Some(next) if next.starts_with('{') => {
                    let group = &next[1..next.find("};").unwrap_or(next.len())];
                    let mut depth = 0;
                    for part in group.split_inclusive([',', '{', '}']) {
                        if depth == 0 {
                            let name = part.trim().split(|c| !is_name(c)).next().unwrap_or_default();
                            paths.push(path.iter().cloned().chain([name.to_owned()]).collect());
                        }
                        depth += i32::from(part.ends_with('{')) - i32::from(part.ends_with('}'));
                    }
                    break;
                }
                _ => break,
            }
        }
        before = path.last().and_then(|name| name.chars().last()).unwrap_or(' ');
        if !continued {
            paths.push(path);
        }
    }
    paths
}

impl File {
    fn floor(&self) -> &str {
        self.module.first().map_or("", String::as_str)
    }

    /// The paths that it names below the crate's root, without the root.
    fn own_paths(&self) -> Vec<Vec<String>> {
        let mut own = Vec::new();
        for path in paths(&self.code) {
            let ups = path.iter().take_while(|part| *part == "super").count();
            if path[0] == "crate" && path.len() > 1 {
                own.push(path[1..].to_vec());
            } else if ups > 0 && ups >= self.module.len() && path.len() > ups && FLOORS.contains(&path[ups].as_str()) {
                // Up to the root and down again. In a module for tests one step less is up; the names tell the rest.
                own.push(path[ups..].to_vec());
            }
        }
        own
    }

    /// The crates that it names, among these.
    fn foreign(&self, crates: &[&str]) -> BTreeSet<String> {
        let named = paths(&self.code).into_iter().map(|path| path[0].clone());
        named.filter(|name| crates.contains(&name.as_str())).collect()
    }
}

fn position(floor: &str) -> usize {
    FLOORS.iter().position(|name| *name == floor).unwrap_or_else(|| panic!("{floor} is a floor without a place"))
}

#[track_caller]
fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "against the direction of the house:\n{}", violations.join("\n"));
}

#[test]
fn a_floor_uses_only_floors_below_it() {
    let mut violations = Vec::new();
    // The root and the binary stand above all floors.
    for file in files().iter().filter(|file| !file.floor().is_empty()) {
        for path in file.own_paths() {
            let used = path[0].as_str();
            if used != file.floor() && position(used) > position(file.floor()) {
                violations.push(format!("{} names crate::{}", file.path.display(), path.join("::")));
            }
        }
    }
    assert_none(&violations);
}

#[test]
fn every_module_of_the_crate_has_its_place() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let mut modules: Vec<&str> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let mut floors = FLOORS;
    modules.sort_unstable();
    floors.sort_unstable();
    assert_eq!(modules, floors);
}

#[test]
fn a_crate_of_the_outside_world_is_named_only_where_it_belongs() {
    let io = ["tokio", "sqlx", "deadpool"];
    let mut violations = Vec::new();
    for file in files() {
        let web_belongs = ["http", "serve", "cli"].contains(&file.floor());
        let mut stray = file.foreign(&["sqlx", "deadpool"]);
        if file.floor() == "store" {
            stray.clear();
        }
        if !web_belongs {
            stray.extend(file.foreign(&WEB));
        }
        if ["oauth", "token", "clock", "settings"].contains(&file.floor()) {
            stray.extend(file.foreign(&io));
        }
        violations.extend(stray.iter().map(|name| format!("{} names {name}", file.path.display())));
    }
    assert_none(&violations);
}

#[test]
fn the_protocol_has_no_input_no_output_and_no_clock() {
    let mut violations = Vec::new();
    for file in files().iter().filter(|file| file.floor() == "oauth") {
        for word in ["async ", ".await", "std::fs", "std::net", "std::io", "std::env", "std::thread", "::now()"] {
            if file.code.contains(word) {
                violations.push(format!("{} has {word}", file.path.display()));
            }
        }
    }
    assert_none(&violations);
}

#[test]
fn http_knows_of_the_store_only_what_is_plain_data() {
    let plain = ["Audited"];
    let mut violations = Vec::new();
    for file in files().iter().filter(|file| file.floor() == "http") {
        for path in file.own_paths().iter().filter(|path| path[0] == "store") {
            if !path.get(1).is_some_and(|name| plain.contains(&name.as_str())) {
                violations.push(format!("{} names crate::{}", file.path.display(), path.join("::")));
            }
        }
        // The store hangs from what every flow works with; an adapter that reaches through to it skips two floors.
        let squeezed: String = file.code.split_whitespace().collect();
        if squeezed.contains(".store.") {
            violations.push(format!("{} calls the store", file.path.display()));
        }
    }
    assert_none(&violations);
}

#[test]
fn only_the_store_holds_sql() {
    let mut violations = Vec::new();
    for file in files().iter().filter(|file| file.floor() != "store") {
        for sql in ["SELECT ", "INSERT INTO", "DELETE FROM", "UPDATE clients", "UPDATE users", "UPDATE sessions"] {
            if file.code.contains(sql) {
                violations.push(format!("{} has {sql}", file.path.display()));
            }
        }
    }
    assert_none(&violations);
}

#[test]
fn paths_are_read_as_they_are_written() {
    let code = "use crate::store::{Audited, log::{A, B}, Store};\nuse sqlx;\nuse crate::{flow::App, http};\n\
                fn f() { super::super::view::x(a.tokio::<T>()) }";
    let read: Vec<String> = paths(code).into_iter().map(|path| path.join("::")).collect();
    for path in ["crate::store::Audited", "crate::store::log", "crate::store::Store", "crate::flow", "crate::http"] {
        assert!(read.iter().any(|written| written == path), "{path} in {read:?}");
    }
    assert!(read.contains(&"sqlx".to_owned()) && read.contains(&"super::super::view::x".to_owned()), "{read:?}");
    assert!(!read.contains(&"tokio".to_owned()), "a method is no crate: {read:?}");
}
