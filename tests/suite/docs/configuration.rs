//! `docs/configuration.md` has every setting with its default.

use jeton::keys::master::MasterKey;
use jeton::settings::{Definition, Needs, Resolved, Settings, Sources, TABLE};

use crate::readme::blocks;

const GUIDE: &str = include_str!("../../../docs/configuration.md");

/// How the guide writes the default of a setting.
fn default_of(setting: &Definition) -> String {
    let plain = match setting.default {
        "" => "unset".to_owned(),
        value => format!("`{value}`"),
    };
    match setting.dev_default {
        Some(value) => format!("{plain}; `{value}` with `--dev`"),
        None => plain,
    }
}

#[test]
fn the_guide_to_configuration_has_every_setting_with_its_default_and_a_reason() {
    let mut documented: Vec<(String, String)> = GUIDE
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|row| {
            let cells: Vec<&str> = row.trim_matches(['|', ' ']).split(" | ").collect();
            let [name, default, reason] = cells[..] else { panic!("three cells: {row}") };
            assert!(reason.ends_with('.') && reason.split(' ').count() >= 5, "a reason: {row}");
            (name.trim_matches('`').to_owned(), default.to_owned())
        })
        .collect();
    let mut defined: Vec<(String, String)> =
        TABLE.iter().map(|setting| (setting.variable(), default_of(setting))).collect();
    documented.sort();
    defined.sort();
    assert_eq!(documented, defined);
}

#[test]
fn the_configuration_file_of_the_guide_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let [key, config] = ["master_key", "jeton.toml"].map(|name| folder.path().join(name));
    std::fs::write(&key, &*MasterKey::generate()).unwrap();
    let text = blocks(GUIDE, "toml")[0].replace("/run/secrets/master_key", key.to_str().unwrap());
    std::fs::write(&config, text).unwrap();
    let resolved = Resolved::read(&Sources { config: Some(config), ..Sources::default() });
    let settings = Settings::check(&resolved, Needs::ALL).unwrap();
    assert_eq!(settings.issuer.url, "https://auth.example.com");
    assert_eq!(settings.access_token_ttl, 600);
    assert_eq!((settings.trusted_proxies.len(), settings.issuer.siblings.len()), (2, 1));
}
