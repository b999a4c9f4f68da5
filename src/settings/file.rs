//! The configuration file, `jeton.toml`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::settings::table::{TABLE, similar};

/// The configuration file.
pub(super) struct ConfigFile {
    pub(super) path: PathBuf,
    /// They are cleared on drop, since they may be secrets.
    pub(super) values: BTreeMap<String, Zeroizing<String>>,
}

impl ConfigFile {
    /// Reads the file that was named, or `jeton.toml` if it exists, and reports what is wrong with it.
    pub(super) fn read(named: Option<&PathBuf>, problems: &mut Vec<String>) -> Self {
        let path = named.cloned().unwrap_or_else(|| PathBuf::from("jeton.toml"));
        let mut file = Self { path, values: BTreeMap::new() };
        let text = match std::fs::read_to_string(&file.path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) => {
                if named.is_some() || error.kind() != std::io::ErrorKind::NotFound {
                    problems.push(format!("the file {} cannot be read: {error}", file.path.display()));
                }
                return file;
            }
        };
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(error) => {
                let error: toml::de::Error = error;
                problems.push(format!("{} is not TOML: {}", file.path.display(), error.message()));
                return file;
            }
        };
        for (key, value) in table {
            let known =
                TABLE.iter().any(|setting| key == setting.name || key.strip_suffix("_file") == Some(setting.name));
            match (known, as_text(&value)) {
                (false, _) => {
                    let hint = similar(&key).map(|name| format!("; did you mean {name}?")).unwrap_or_default();
                    problems.push(format!("{}: unknown setting {key}{hint}", file.path.display()));
                }
                (true, None) => problems.push(format!("{key}: must be a string, number, boolean or list of strings")),
                (true, Some(text)) => {
                    file.values.insert(key, text.into());
                }
            }
        }
        file
    }
}

/// The text of a TOML value; lists and tables become comma-separated.
fn as_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(yes) => Some(if *yes { "on" } else { "off" }.to_owned()),
        toml::Value::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
            Some(texts?.join(","))
        }
        toml::Value::Table(members) => {
            let texts: Option<Vec<String>> =
                members.iter().map(|(name, value)| Some(format!("{name}={}", value.as_str()?))).collect();
            Some(texts?.join(","))
        }
        _ => None,
    }
}
