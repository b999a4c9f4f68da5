//! The laws of the fuzz targets on inputs that are made from seeds, in the time of a test, and on every input that once broke
//! one. `tests/endurance/run fuzz` looks for longer.

#[allow(unreachable_pub, reason = "the same files are the library of the fuzz targets")]
#[path = "../../fuzz/src/lib.rs"]
mod laws;

use std::path::Path;

use proptest::test_runner::{Config, TestRunner};

use crate::support::inputs::inputs;
use laws::TARGETS;

/// How many inputs of each target are tried.
const CASES: u32 = 1500;

fn holds(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("there is such a target");
    for seed in target.seeds {
        (target.check)(seed.as_bytes());
    }
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/found").join(name);
    for file in std::fs::read_dir(found).into_iter().flatten() {
        (target.check)(&std::fs::read(file.unwrap().path()).unwrap());
    }
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let checked = runner.run(&inputs(target.seeds, target.longest), |bytes| {
        (target.check)(&bytes);
        Ok(())
    });
    checked.unwrap();
}

macro_rules! targets {
    ($($test:ident $name:literal,)*) => {
        $(#[test] fn $test() { holds($name); })*

        #[test]
        fn every_target_has_its_test_and_its_program() {
            let tested = [$($name),*];
            assert_eq!(TARGETS.map(|target| target.name), tested);
            let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/Cargo.toml")).unwrap();
            for name in tested {
                assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"targets/{name}.rs\"")), "{name}");
            }
        }
    };
}

targets! {
    any_text_gets_one_diagnosis_that_repeats_nothing "diagnosis",
    any_settings_are_within_bounds_or_all_problems_are_told "configuration",
    any_form_is_read_as_browsers_read_it_or_refused "form",
    any_json_is_a_flat_object_or_refused "json",
    any_basic_header_is_read_as_it_was_written_or_refused "basic",
    no_jwt_is_accepted_that_was_not_issued "jwt",
    no_opaque_token_is_accepted_that_was_not_issued "opaque",
    no_refresh_token_is_accepted_that_was_not_issued "refresh",
    scopes_keep_the_laws_of_sets "scope",
    any_username_has_one_key_with_its_equals "usernames",
    any_settings_of_a_client_are_legal_or_refused "client_settings",
    any_metadata_document_is_of_a_client_with_few_powers_or_refused "client_document",
    proofs_keep_the_laws_of_what_they_are_about "dpop_proof",
    any_pasted_text_is_read_the_same_each_time "pasted",
}
