//! The configuration file, `jeton.toml`.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

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
        let text = match read(&file.path, named.is_some()) {
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

/// Reads a file. One that nobody named is read only if it belongs to root or to the user of this process: in a folder that
/// others may write to, they would decide which database and which key the program uses.
fn read(path: &Path, is_named: bool) -> std::io::Result<String> {
    let user = rustix::process::geteuid().as_raw();
    let mut file = std::fs::File::open(path)?;
    // A link of somebody else may lead to a file of the user.
    let owners = [file.metadata()?.uid(), std::fs::symlink_metadata(path)?.uid()];
    if !is_named && !owners.iter().all(|owner| may_decide(*owner, user)) {
        let text = "it belongs to another user; if you want it, name it with --config or copy it";
        return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, text));
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}

const fn may_decide(owner: u32, user: u32) -> bool {
    owner == 0 || owner == user
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_and_the_user_decide_what_is_read_unnamed() {
        assert!(may_decide(0, 0) && may_decide(0, 1000) && may_decide(1000, 1000));
        assert!(!may_decide(1000, 0) && !may_decide(1001, 1000));
    }
}
