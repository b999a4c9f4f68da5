//! The structure of `src`: modules in layers, dependencies that point down only, no cycles between files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The modules, the lowest layer first. A module uses only modules before it.
const LAYERS: [&str; 33] = [
    "protocol",
    "clock",
    "crypto",
    "jose",
    "certificates",
    "keys",
    "tokens",
    "issuer",
    "traces",
    "current_request",
    "passwords",
    "calling_out",
    "key_sets",
    "store",
    "settings",
    "state",
    "telemetry",
    "throttle",
    "app",
    "federation",
    "client_auth",
    "diagnosis",
    "validation",
    "browser",
    "authorization",
    "grants",
    "endpoints",
    "admin",
    "console",
    "http",
    "serve",
    "cli",
    "main",
];

/// The first and the last of some modules in a row.
type Part = (&'static str, &'static str);

/// Crates that reach the outside world, and the modules that may name them: from the first to the last of each part.
const OUTSIDE: [(&[&str], &[Part]); 6] = [
    (&["sqlx", "deadpool"], &[("store", "store")]),
    (&["axum", "tower", "tower_http", "askama"], &[("http", "cli")]),
    (&["hyper", "hyper_util", "http_body_util", "tokio_rustls"], &[("calling_out", "calling_out"), ("http", "cli")]),
    (&["rustls"], &[("certificates", "certificates"), ("calling_out", "calling_out"), ("http", "cli")]),
    (&["webpki_roots"], &[("calling_out", "calling_out")]),
    (&["tokio"], &[("traces", "main")]),
];

/// The layer of a file.
fn layer(module: &str) -> usize {
    let module = module.split("::").next().unwrap();
    LAYERS.iter().position(|name| *name == module).unwrap_or_else(|| panic!("{module} is in no layer"))
}

/// Source files: the path of the module, such as `store::users`, and its code without comments and tests.
struct Sources(BTreeMap<String, String>);

impl Sources {
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let (mut folders, mut files) = (vec![root.clone()], BTreeMap::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let within = path.strip_prefix(&root).unwrap().with_extension("");
                    let parts: Vec<&str> = within.iter().map(|part| part.to_str().unwrap()).collect();
                    let module = parts.strip_suffix(&["mod"]).unwrap_or(&parts).join("::");
                    files.insert(module, code_of(&fs::read_to_string(&path).unwrap()));
                }
            }
        }
        files.retain(|module, _| module != "lib" && !module.split("::").any(|part| part == "tests"));
        assert!(files.len() > 100, "the sources are found");
        Self(files)
    }

    /// The module that a path such as `store::Store` leads to: through re-exports, to the file that has the item.
    fn file_of(&self, path: &str) -> Option<String> {
        let (module, item) = std::iter::successors(Some(path), |path| path.rsplit_once("::").map(|(front, _)| front))
            .find(|module| self.0.contains_key(*module))
            .map(|module| {
                (module, path[module.len()..].trim_start_matches(':').split("::").next().unwrap_or_default())
            })?;
        let exports = self.0[module].split(';').filter_map(|line| line.split_once("pub use ")).map(|(_, tree)| tree);
        let target = exports.flat_map(paths).find(|path| path.ends_with(&format!("::{item}")));
        match target.filter(|_| !item.is_empty()) {
            Some(target) => self.file_of(&self.absolute(module, &target)?),
            None => Some(module.to_owned()),
        }
    }

    /// A path of this crate, from its root; `None` for a path of another crate.
    fn absolute(&self, module: &str, path: &str) -> Option<String> {
        let (first, rest) = path.split_once("::")?;
        match first {
            "crate" => Some(rest.to_owned()),
            "self" => self.absolute(module, &format!("crate::{module}::{rest}")),
            "super" => match (module.rsplit_once("::"), rest.starts_with("super")) {
                (Some((parent, _)), true) => self.absolute(parent, rest),
                (Some((parent, _)), false) => Some(format!("{parent}::{rest}")),
                (None, _) => Some(rest.to_owned()),
            },
            child => Some(format!("{module}::{path}")).filter(|_| self.0.contains_key(&format!("{module}::{child}"))),
        }
    }

    /// Which file uses which, re-exports left out.
    fn dependencies(&self) -> BTreeMap<&str, BTreeSet<String>> {
        let of_file = |module: &str, code: &str| {
            let lines = code.split(';').filter(|line| !line.contains("pub use "));
            let used = lines.flat_map(paths).filter_map(|path| self.file_of(&self.absolute(module, &path)?));
            used.filter(|used| used != module).collect()
        };
        self.0.iter().map(|(module, code)| (module.as_str(), of_file(module, code))).collect()
    }

    fn upward_dependencies(&self) -> Vec<String> {
        let mut upward = Vec::new();
        for (module, used) in self.dependencies() {
            upward.extend(
                used.iter().filter(|used| layer(used) > layer(module)).map(|used| format!("{module} -> {used}")),
            );
        }
        upward
    }

    /// The files that depend on themselves through others. What a file takes from the `mod.rs` above it does not
    /// count: the two are one module.
    fn cycles(&self) -> Vec<String> {
        let mut dependencies = self.dependencies();
        for (module, used) in &mut dependencies {
            used.retain(|used| !module.starts_with(&format!("{used}::")));
        }
        let leads_back = |module: &&&str| {
            let (mut reached, mut next) = (BTreeSet::new(), vec![**module]);
            while let Some(file) = next.pop() {
                next.extend(dependencies[file].iter().filter(|used| reached.insert(used.as_str())).map(String::as_str));
            }
            reached.contains(**module)
        };
        let cycle: BTreeSet<&str> = dependencies.keys().filter(leads_back).copied().collect();
        let within =
            |module: &str| dependencies[module].iter().filter(|used| cycle.contains(used.as_str())).collect::<Vec<_>>();
        cycle.iter().map(|module| format!("{module} -> {:?}", within(module))).collect()
    }
}

fn code_of(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// Every path in a piece of code, groups taken apart: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(code: &str) -> Vec<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let (mut found, mut groups, mut path) = (Vec::new(), vec![String::new()], String::new());
    let mut rest = code;
    while let Some(next) = rest.chars().next() {
        let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        if length > 0 {
            path.push_str(&rest[..length]);
            rest = &rest[length..];
            match rest.strip_prefix("::") {
                Some(after) if after.starts_with('{') => {
                    groups.push(format!("{}{path}::", groups.last().unwrap()));
                    (path, rest) = (String::new(), &after[1..]);
                }
                Some(after) if after.starts_with(is_name) => {
                    path.push_str("::");
                    rest = after;
                }
                _ => found.push(format!("{}{}", groups.last().unwrap(), std::mem::take(&mut path))),
            }
        } else {
            if next == '}' && groups.len() > 1 {
                groups.pop();
            }
            rest = &rest[next.len_utf8()..];
        }
    }
    found.retain(|path| path.contains("::"));
    found
}

#[track_caller]
fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "against the structure of src:\n{}", violations.join("\n"));
}

#[test]
fn a_module_uses_only_modules_below_it() {
    assert_none(&Sources::read().upward_dependencies());
}

#[test]
fn no_files_form_a_cycle() {
    assert_none(&Sources::read().cycles());
}

#[test]
fn the_outside_world_is_named_only_where_it_belongs() {
    let mut violations = Vec::new();
    for (module, code) in &Sources::read().0 {
        let named: BTreeSet<String> =
            paths(code).iter().map(|path| path.split("::").next().unwrap().to_owned()).collect();
        for (crates, parts) in OUTSIDE {
            let may_name = parts.iter().any(|(first, last)| (layer(first)..=layer(last)).contains(&layer(module)));
            let stray = crates.iter().filter(|name| named.contains(**name) && !may_name);
            violations.extend(stray.map(|name| format!("{module} names {name}")));
        }
    }
    assert_none(&violations);
}

#[test]
fn the_protocol_does_no_io_and_reads_no_clock() {
    let mut violations = Vec::new();
    for (module, code) in Sources::read().0.iter().filter(|(module, _)| module.starts_with("protocol")) {
        let words = ["async ", ".await", "std::fs", "std::net", "std::io", "std::env", "std::thread", "::now()"];
        violations.extend(words.iter().filter(|word| code.contains(**word)).map(|word| format!("{module} has {word}")));
    }
    assert_none(&violations);
}

#[test]
fn only_the_store_holds_sql() {
    let mut violations = Vec::new();
    for (module, code) in Sources::read().0.iter().filter(|(module, _)| !module.starts_with("store")) {
        let words = ["SELECT ", "INSERT INTO", "DELETE FROM", "UPDATE clients", "UPDATE users", "UPDATE sessions"];
        violations.extend(words.iter().filter(|word| code.contains(**word)).map(|word| format!("{module} has {word}")));
    }
    assert_none(&violations);
}

#[test]
fn only_a_transaction_whose_outcome_the_node_honours_appends_to_the_log() {
    let sources = Sources::read().0;
    let files_with = |text: &str| {
        sources.iter().filter(|(_, code)| code.contains(text)).map(|(module, _)| module.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(files_with("INTO changes"), ["store::changes::transaction"]);
    assert_eq!(files_with("without_a_node"), ["store::changes::transaction"]);
}

#[test]
fn an_upward_dependency_and_a_cycle_are_found() {
    let files = [
        ("protocol", "pub use one::A;\npub use two::B;\npub struct C;"),
        ("protocol::one", "use super::{B, C};\npub struct A;"),
        ("protocol::two", "use crate::{crypto, protocol::{one::{A}}};\npub struct B;"),
        ("crypto", "fn f() { crate::protocol::three::g() }"),
        ("protocol::three", ""),
    ];
    let sources = Sources(files.map(|(module, code)| (module.to_owned(), code.to_owned())).into());
    assert_eq!(sources.upward_dependencies(), ["protocol::two -> crypto"]);
    assert_eq!(sources.cycles(), ["protocol::one -> [\"protocol::two\"]", "protocol::two -> [\"protocol::one\"]"]);
    let straight = Sources(
        [("clock".to_owned(), "use crate::protocol::Time;".to_owned()), ("protocol".to_owned(), String::new())].into(),
    );
    assert_eq!((straight.upward_dependencies().len(), straight.cycles().len()), (0, 0));
}
