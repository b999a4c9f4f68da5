//! Settings from the environment and from a file.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jeton::settings::{
    LONGEST_ACCESS_TOKEN_TTL, LONGEST_SESSION_TTL, Needs, Resolved, Settings, Sources, TABLE, parse_duration,
};

/// What to begin with: each line is a setting and its value; behind `#`, alone in a line, is the file. The first character of
/// all is 1 for development.
pub const SEEDS: &[&str] = &[
    "0issuer=https://auth.example.com\nmaster_key=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n",
    "1access_token_ttl=15m\nrefresh_token_ttl=30d\nsession_ttl=180d\nhistory=1h 30s",
    "1cors_origins=https://app.example.com,http://localhost:3000\ntrusted_proxies=10.0.0.0/8,::1,2001:db8::/32",
    "0database_url=@/x?sslmode=verify-full\nmax_staleness=300s\npoll_interval=10ms\nthrottling=off",
    "1known_issuers=staging=https://staging.example.com,live=https://a.example\nenvironment=dev2\nsigning_alg=EdDSA",
    "1listen=[::1]:0\nops_listen=localhost:9\ndefault_audience=urn:x\nverify_audience=https://a\ndefault_client=a\n",
    "1log_level=info,jeton=debug\nlog_format=json\npassword_threads=4\nmigrate=off\nthrottling=true",
    "0\n#\nissuer = 'https://auth.example.com'\naccess_token_ttl = 900\n[known_issuers]\nstaging = 'https://s.example'\n",
    "0\n#\nlisen = 1\nlog_level = 'info,jeton=debug'\ncors_origins = ['https://a.example']\nmigrate = false\n",
];

/// A password in the address of the database.
const PASSWORD: &str = "hunter2-hunter2-hunter2";
/// The beginning of such an address.
const BEFORE_THE_PASSWORD: &str = "postgres://jeton:";

thread_local! {
    static FOLDER: OnceCell<tempfile::TempDir> = const { OnceCell::new() };
}

/// The file with this text.
fn file(text: &str) -> PathBuf {
    FOLDER.with(|folder| {
        let folder = folder.get_or_init(|| tempfile::tempdir().expect("a folder can be made"));
        let path = folder.path().join("jeton.toml");
        std::fs::write(&path, text).expect("a file can be written");
        path
    })
}

struct Given {
    dev: bool,
    environment: BTreeMap<String, String>,
    file: Option<String>,
}

fn given(text: &str) -> Given {
    let (lines, file) = match text.split_once("\n#\n") {
        Some((lines, file)) => (lines, Some(file.to_owned())),
        None => (text, None),
    };
    let dev = lines.starts_with('1');
    let mut environment = BTreeMap::new();
    for line in lines.get(1..).unwrap_or_default().split('\n') {
        let Some((name, value)) = line.split_once('=') else { continue };
        let Some(definition) = TABLE.iter().find(|definition| definition.name == name) else { continue };
        let value = match definition.name {
            // An environment cannot hold NUL.
            _ if value.contains('\0') => continue,
            "database_url" if value.starts_with(['@', '/', ':']) => format!("{BEFORE_THE_PASSWORD}{PASSWORD}{value}"),
            _ => value.to_owned(),
        };
        environment.insert(definition.variable(), value);
    }
    // A file may name other files; what is on this machine is no input.
    let file = file.filter(|text| !text.contains("_file") && !text.contains('\\'));
    Given { dev, environment, file }
}

/// Settings are accepted within their bounds, or every problem is told at once, by name, and without a secret.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let given = given(text);
    let sources = Sources {
        dev: given.dev,
        environment: given.environment.clone(),
        config: Some(file(given.file.as_deref().unwrap_or_default())),
        ..Sources::default()
    };
    let resolved = Resolved::read(&sources);
    let checked = Settings::check(&resolved, Needs::ALL);
    let keys = ["JETON_MASTER_KEY", "JETON_MASTER_KEY_OLD"].map(|name| given.environment.get(name));
    let keys = keys.into_iter().flatten().map(String::as_str).filter(|key| key.len() > 20);
    let secrets: Vec<&str> = keys.chain([PASSWORD]).collect();
    let is_hidden =
        |shown: &str| secrets.iter().all(|secret| !shown.contains(secret) || is_named_elsewhere(&given, secret));
    for warning in &resolved.warnings {
        assert!(is_hidden(warning), "{warning}");
    }
    match checked {
        Ok(settings) => {
            within_bounds(&settings);
            assert!(is_hidden(&settings.database.to_string()), "{}", settings.database);
            assert!(is_hidden(&format!("{settings:?}")), "{settings:?}");
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in &problems {
                assert!(is_hidden(problem), "{problem}");
            }
            all_at_once(&given, &problems);
        }
    }
    if let Ok(length) = parse_duration(text) {
        let text = printed(length);
        assert_eq!(parse_duration(&text), Ok(length), "{text}");
    }
}

fn printed(length: Duration) -> String {
    format!("{}s {}ns", length.as_secs(), length.subsec_nanos())
}

/// Whether the same text stands in a setting that is no secret, or in the file.
fn is_named_elsewhere(given: &Given, secret: &str) -> bool {
    let is_secret = |name: &str| ["JETON_MASTER_KEY", "JETON_MASTER_KEY_OLD", "JETON_DATABASE_URL"].contains(&name);
    let is_open = |(name, value): (&String, &String)| !is_secret(name) && times(secret, value) > 0;
    // As the password it is hidden; it may be the name of the host, too, or of something else.
    let is_elsewhere = |url: &String| {
        let is_password = url.starts_with(BEFORE_THE_PASSWORD) && secret == PASSWORD;
        times(secret, url) > usize::from(is_password)
    };
    given.environment.iter().any(is_open)
        || given.environment.get("JETON_DATABASE_URL").is_some_and(is_elsewhere)
        || given.file.as_ref().is_some_and(|file| times(secret, file) > 0)
}

/// How often a secret stands in a text, also where only reading it as an address brings it out: that drops tabs and ends of
/// lines, and decodes `%`.
fn times(secret: &str, text: &str) -> usize {
    let kept = text.replace(['\t', '\r', '\n'], "");
    let read: String =
        form_urlencoded::parse(kept.as_bytes()).map(|(name, value)| format!("{name}={value}&")).collect();
    [text, &kept, &read].map(|text| text.matches(secret).count()).into_iter().max().unwrap_or_default()
}

/// What is wrong with one setting alone, and with those by which it is judged, is told beside all others, too.
fn all_at_once(given: &Given, problems: &[String]) {
    let empty = file("");
    for name in given.environment.keys() {
        let measures = measures_of(name);
        if !measures.is_empty() && given.file.is_some() {
            continue; // the file may hold what it is judged by
        }
        let is_tried = |(other, _): &(&String, &String)| *other == name || measures.contains(&other.as_str());
        let tried = given.environment.iter().filter(is_tried);
        let alone = Sources {
            dev: given.dev,
            environment: tried.map(|(name, value)| (name.clone(), value.clone())).collect(),
            config: Some(empty.clone()),
            ..Sources::default()
        };
        let Err(found) = Settings::check(&Resolved::read(&alone), Needs::NOTHING) else { continue };
        let marker = format!("{name}: ");
        if found.iter().any(|problem| problem.starts_with(&marker)) {
            assert!(problems.iter().any(|problem| problem.starts_with(&marker)), "{marker} in {problems:?}");
        }
    }
}

/// The settings by which another one is judged. In development the issuer is where the server listens.
fn measures_of(name: &str) -> &'static [&'static str] {
    match name {
        "JETON_MAX_STALENESS" => &["JETON_POLL_INTERVAL"],
        "JETON_KNOWN_ISSUERS" => {
            &["JETON_ENVIRONMENT", "JETON_ISSUER", "JETON_LISTEN", "JETON_TLS_CERTIFICATE", "JETON_TLS_KEY"]
        }
        _ => &[],
    }
}

fn within_bounds(settings: &Settings) {
    assert!((1..=LONGEST_ACCESS_TOKEN_TTL).contains(&settings.access_token_ttl));
    assert!((1..=LONGEST_SESSION_TTL).contains(&settings.refresh_token_ttl));
    assert!((1..=LONGEST_SESSION_TTL).contains(&settings.session_ttl));
    assert!(settings.max_staleness >= settings.poll_interval * 2);
    assert!((1..=256).contains(&settings.password_threads));
    let issuer = &settings.issuer.url;
    assert!(issuer.starts_with("https://") || issuer.starts_with("http://"), "{issuer:?}");
    assert!(
        issuer.bytes().all(|byte| (0x21..=0x7E).contains(&byte)),
        "an issuer is compared letter by letter: {issuer:?}"
    );
    assert!(!settings.dev || (settings.listen.ip().is_loopback() && settings.ops_listen.ip().is_loopback()));
    for origin in &settings.cors_origins {
        assert!(!origin.ends_with('/') && origin != "null" && origin.contains("://"), "{origin:?}");
    }
}
