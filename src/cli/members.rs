//! The members of a body that options name.

use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::admin::body;
use crate::cli::Failed;
use crate::cli::names::{self, entries};

/// Members by the names of the API, each with its value.
#[derive(Default)]
pub(super) struct Named(pub(super) Map<String, Value>);

impl Named {
    /// A member, if it was named.
    pub(super) fn set(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.into());
        }
    }

    /// A list, if any entry was named.
    pub(super) fn list(&mut self, name: &str, values: &[String]) {
        self.set(name, (!values.is_empty()).then(|| entries(values)));
    }

    /// A time in seconds, if it was named.
    pub(super) fn seconds(&mut self, name: &str, text: Option<&str>) -> Result<(), Failed> {
        self.set(name, names::seconds(name, text)?);
        Ok(())
    }

    /// `claims`, if they were named.
    pub(super) fn claims(&mut self, text: Option<&str>) -> Result<(), Failed> {
        self.set("claims", names::claims("claims", text)?);
        Ok(())
    }

    /// Public keys in a file, or where they are: one takes the place of the other.
    pub(super) fn keys(&mut self, jwks: Option<&Path>, jwks_uri: Option<&str>) -> Result<(), Failed> {
        if let Some(file) = jwks {
            self.set("jwks", Some(key_set(file)?));
            self.set("jwks_uri", Some(Value::Null));
        }
        if let Some(uri) = jwks_uri {
            self.set("jwks_uri", Some(uri));
            self.set("jwks", Some(Value::Null));
        }
        Ok(())
    }

    /// Reads the body that they make up.
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, Failed> {
        Ok(body::read_members(self.0)?)
    }

    /// Reads the change that they make up, for which at least one is needed, such as `example`.
    pub(super) fn read_change<T: DeserializeOwned>(self, example: &str) -> Result<T, Failed> {
        if self.0.is_empty() {
            return Err(Failed(format!("nothing to change: name at least one member, such as {example}")));
        }
        self.read()
    }
}

/// Reads a JSON array.
pub(super) fn array(name: &str, text: &str) -> Result<Value, Failed> {
    match serde_json::from_str(text) {
        Ok(array @ Value::Array(_)) => Ok(array),
        Ok(_) => Err(Failed(format!("{name}: it is no JSON array"))),
        Err(error) => Err(Failed(format!("{name}: it is not JSON: line {}, column {}", error.line(), error.column()))),
    }
}

/// The largest file of keys, in bytes.
const LARGEST_FILE: u64 = 64 * 1024;

/// Reads a set of public keys, or makes one of a single key. What is wrong with a key, its check says.
fn key_set(file: &Path) -> Result<Value, Failed> {
    let name = file.display();
    let unreadable = |error: std::io::Error| Failed(format!("jwks: {name} cannot be read: {error}"));
    let mut text = Zeroizing::new(Vec::<u8>::new());
    if file == Path::new("-") {
        std::io::stdin().lock().take(LARGEST_FILE + 1).read_to_end(&mut text).map_err(unreadable)?;
    } else {
        let opened = std::fs::File::open(file).map_err(unreadable)?;
        opened.take(LARGEST_FILE + 1).read_to_end(&mut text).map_err(unreadable)?;
    }
    if text.len() as u64 > LARGEST_FILE {
        return Err(Failed(format!("jwks: {name} is larger than 64 KiB")));
    }
    // The error of the parser could repeat a part of a private key.
    match serde_json::from_slice(&text) {
        Ok(Value::Object(key)) if key.contains_key("kty") => Ok(json!({ "keys": [key] })),
        Ok(set @ Value::Object(_)) => Ok(set),
        _ => Err(Failed(format!("jwks: {name} is not a JSON Web Key Set"))),
    }
}
