//! Finds secrets in anything: as they are, and in every encoding that programs use.

use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// The longest part of a secret that is looked for: what was shortened to that must not appear anywhere either.
const PART: usize = 16;
/// The shortest form of a part that is looked for. Shorter ones would be found by chance.
const SHORTEST: usize = 10;

/// What must not be found.
#[derive(Default)]
pub(super) struct Secrets(Vec<Secret>);

struct Secret {
    name: String,
    bytes: Vec<u8>,
}

/// A secret that was found where it must not be.
#[derive(Debug)]
#[expect(dead_code, reason = "it is printed")]
pub(super) struct Found {
    pub(super) name: String,
    place: String,
    form: String,
    around: String,
}

/// Where secrets are looked for.
pub(super) struct Place {
    /// What it is, for people.
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    /// The secrets that may appear there, by name.
    pub(super) told: Vec<String>,
}

impl Place {
    pub(super) fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), bytes: bytes.into(), told: Vec::new() }
    }
}

impl Secrets {
    /// Adds a secret; several may have one name.
    pub(super) fn add(&mut self, name: impl Into<String>, secret: impl Into<Vec<u8>>) {
        let (name, bytes) = (name.into(), secret.into());
        assert!(bytes.len() >= SHORTEST, "{name} is too short to be looked for");
        self.0.push(Secret { name, bytes });
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Every secret that appears where it must not.
    pub(super) fn look_for_all_in(&self, places: &[Place]) -> Vec<Found> {
        let mut patterns: Vec<(usize, String, Vec<u8>)> = Vec::new();
        for (index, secret) in self.0.iter().enumerate() {
            for part in parts(&secret.bytes) {
                patterns.extend(forms(part).into_iter().map(|(form, bytes)| (index, form, bytes)));
            }
        }
        let searcher = AhoCorasick::new(patterns.iter().map(|(_, _, bytes)| bytes)).unwrap();
        let mut found = Vec::new();
        for place in places {
            let mut seen = BTreeSet::new();
            for hit in searcher.find_overlapping_iter(&place.bytes) {
                let (index, form, _) = &patterns[hit.pattern().as_usize()];
                let name = &self.0[*index].name;
                if place.told.contains(name) || !seen.insert((index, form)) {
                    continue;
                }
                let around = &place.bytes[hit.start().saturating_sub(60)..(hit.end() + 20).min(place.bytes.len())];
                found.push(Found {
                    name: name.clone(),
                    place: place.name.clone(),
                    form: form.clone(),
                    around: String::from_utf8_lossy(around).into_owned(),
                });
            }
        }
        found
    }
}

/// The beginning, the middle and the end: a secret that was shortened is as bad.
fn parts(secret: &[u8]) -> BTreeSet<&[u8]> {
    let (length, last) = (secret.len().min(PART), secret.len().saturating_sub(PART));
    [0, last / 2, last].into_iter().map(|start| &secret[start..start + length]).collect()
}

/// A part in every form, with the form's name.
fn forms(part: &[u8]) -> Vec<(String, Vec<u8>)> {
    let each = |write: &dyn Fn(u8) -> String| part.iter().map(|byte| write(*byte)).collect::<String>();
    let escaped = |is_plain: fn(u8) -> bool, write: &dyn Fn(u8) -> String| {
        each(&|byte| if is_plain(byte) { char::from(byte).to_string() } else { write(byte) })
    };
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let mut forms = vec![
        ("as it is".to_owned(), part.to_vec()),
        ("percent-encoded".into(), escaped(unreserved, &|byte| format!("%{byte:02X}")).into()),
        ("percent-encoded in small letters".into(), escaped(unreserved, &|byte| format!("%{byte:02x}")).into()),
        ("percent-encoded throughout".into(), each(&|byte| format!("%{byte:02X}")).into()),
        ("as a form".into(), form_urlencoded::byte_serialize(part).collect::<String>().into()),
        ("escaped bytes".into(), part.escape_ascii().to_string().into()),
        ("hex".into(), each(&|byte| format!("{byte:02x}")).into()),
        ("hex in capitals".into(), each(&|byte| format!("{byte:02X}")).into()),
        ("numbers".into(), part.iter().map(u8::to_string).collect::<Vec<_>>().join(", ").into()),
        ("numbers in JSON".into(), part.iter().map(u8::to_string).collect::<Vec<_>>().join(",").into()),
    ];
    if let Ok(text) = std::str::from_utf8(part) {
        let json = serde_json::to_string(text).unwrap();
        let debug = format!("{text:?}");
        forms.push(("JSON".into(), json[1..json.len() - 1].into()));
        forms.push((
            "JSON within JSON".into(),
            json[1..json.len() - 1].replace('\\', "\\\\").replace('"', "\\\"").into(),
        ));
        forms.push(("Rust".into(), debug[1..debug.len() - 1].into()));
        forms.push(("Rust in ASCII".into(), text.escape_default().to_string().into()));
        let html = text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;").replace('\'', "&#x27;");
        forms.push(("HTML".into(), html.into()));
    }
    for before in 0..3 {
        // The preceding bytes shift the letters; letters that mix with their neighbours are left out.
        let shifted = [vec![0; before], part.to_vec()].concat();
        let first = (before * 8).div_ceil(6);
        let last = shifted.len() * 8 / 6;
        for (name, engine) in [("base64", &STANDARD), ("base64url", &URL_SAFE)] {
            forms.push((
                format!("{name}, {before} before it"),
                engine.encode(&shifted).as_bytes()[first..last].to_vec(),
            ));
        }
    }
    forms.retain(|(_, bytes)| bytes.len() >= SHORTEST);
    forms.sort();
    forms.dedup_by(|one, other| one.1 == other.1);
    forms
}

#[test]
fn a_planted_secret_is_found_in_every_form() {
    use std::fmt::Write;
    let secret = "Zq3\"x \\p&5/wäL%9+<Tn27v?";
    let mut secrets = Secrets::default();
    secrets.add("planted", secret);
    secrets.add("other", "another text of some length");
    let mut hex = String::new();
    secret.bytes().for_each(|byte| write!(hex, "{byte:02x}").unwrap());
    let planted = [
        secret.to_owned(),
        secret[..17].to_owned(),
        secret[8..].to_owned(),
        form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        json_of(secret),
        json_of(&json_of(secret)),
        format!("{secret:?}"),
        format!("{:?}", secret.as_bytes()),
        hex.to_uppercase(),
        hex,
        STANDARD.encode(secret),
        URL_SAFE.encode(format!("x{secret}y")),
        STANDARD.encode(format!("id:{secret}")),
        secret.bytes().map(|byte| format!("%{byte:02X}")).collect(),
        secret.as_bytes().escape_ascii().to_string(),
    ];
    for text in &planted {
        let mut place = Place::new("log", format!("before {text} after"));
        let found = secrets.look_for_all_in(std::slice::from_ref(&place));
        assert!(!found.is_empty() && found.iter().all(|found| found.name == "planted"), "{text}: {found:?}");
        place.told = vec!["planted".into()];
        assert!(secrets.look_for_all_in(&[place]).is_empty(), "it may be told: {text}");
    }
    let innocent = Place::new("log", format!("before {} after", &secret[..12]));
    assert!(secrets.look_for_all_in(&[innocent]).is_empty());
}

fn json_of(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}
