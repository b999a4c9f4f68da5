//! Laws that the code must keep whatever it is given, one function a target. libFuzzer calls them by the programs in
//! `targets/`; the tests of the suite call the same functions on stable (`tests/suite/fuzz.rs`, `tests/endurance/fuzz.rs`).

mod authorization;
mod clients;
mod configuration;
mod diagnosis;
mod documents;
mod edits;
mod house;
mod parameters;
mod pasted;
mod proofs;
mod scope;
mod tokens;
mod users;

pub use authorization::basic;
pub use clients::client_settings;
pub use configuration::configuration;
pub use diagnosis::diagnosis;
pub use documents::client_document;
pub use parameters::{form, json};
pub use pasted::pasted;
pub use proofs::dpop_proof;
pub use scope::scope;
pub use tokens::{jwt, opaque, refresh};
pub use users::usernames;

/// A target: bytes for which its laws are checked.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, which is that of its program.
    pub name: &'static str,
    /// Checks the laws; panics when one is broken.
    pub check: fn(&[u8]),
    /// Inputs to begin with, as text.
    pub seeds: &'static [&'static str],
    /// The longest input that is tried, in bytes.
    pub longest: usize,
}

/// Every target; the two slowest first.
pub const TARGETS: [Target; 14] = [
    Target { name: "diagnosis", check: diagnosis, seeds: diagnosis::SEEDS, longest: 512 },
    Target { name: "configuration", check: configuration, seeds: configuration::SEEDS, longest: 512 },
    Target { name: "form", check: form, seeds: parameters::FORMS, longest: 512 },
    Target { name: "json", check: json, seeds: parameters::OBJECTS, longest: 512 },
    Target { name: "basic", check: basic, seeds: authorization::SEEDS, longest: 512 },
    Target { name: "jwt", check: jwt, seeds: tokens::JWTS, longest: 1024 },
    Target { name: "opaque", check: opaque, seeds: tokens::PREFIXED, longest: 1024 },
    Target { name: "refresh", check: refresh, seeds: tokens::PREFIXED, longest: 512 },
    Target { name: "scope", check: scope, seeds: scope::SEEDS, longest: 1024 },
    Target { name: "usernames", check: usernames, seeds: users::SEEDS, longest: 256 },
    Target { name: "client_settings", check: client_settings, seeds: clients::SEEDS, longest: 1024 },
    Target { name: "client_document", check: client_document, seeds: documents::SEEDS, longest: 1024 },
    Target { name: "dpop_proof", check: dpop_proof, seeds: proofs::SEEDS, longest: 1024 },
    Target { name: "pasted", check: pasted, seeds: pasted::SEEDS, longest: 512 },
];
