//! Checks each setting and says all that is wrong.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Builder;
use url::{Host, Url};

use crate::issuer::IssuerConfig;
use crate::jose::algorithm::SigningAlgorithm;
use crate::keys::master::MasterKey;
use crate::settings::resolve::{Resolved, Source};
use crate::settings::{
    LONGEST_ACCESS_TOKEN_TTL, LONGEST_HISTORY, LONGEST_SESSION_TTL, LogFormat, MasterKeySource, Needs, Settings,
    TlsFiles,
};
use crate::store::Location;
use crate::tokens::environment::{Environment, KnownIssuer};

/// Reads a length of time: `15m`, `30d`, `250ms`, or a number of seconds.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    humantime::parse_duration(text).map_err(|_| format!("{text:?} is no length of time, such as 15m, 30d or 900"))
}

struct Checker<'a> {
    resolved: &'a Resolved,
    problems: Vec<String>,
}

impl Checker<'_> {
    fn problem(&mut self, name: &str, text: &str) {
        self.problems.push(format!("JETON_{}: {text}", name.to_uppercase()));
    }

    /// The value of a setting that has a default; a stand-in and a problem when it does not parse.
    fn parse<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Result<T, String>, stand_in: T) -> T {
        match parse(self.resolved.get(name).unwrap_or_default()) {
            Ok(value) => value,
            Err(text) => {
                self.problem(name, &text);
                stand_in
            }
        }
    }

    fn list<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let text = self.resolved.get(name).unwrap_or_default();
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        let mut list = Vec::new();
        for item in items {
            match parse(item) {
                Ok(value) => list.push(value),
                Err(text) => self.problem(name, &format!("{item:?} {text}")),
            }
        }
        list
    }

    fn seconds(&mut self, name: &'static str, longest: i64) -> i64 {
        let parse = |text: &str| {
            let length = duration(text)?;
            let seconds = i64::try_from(length.as_secs()).unwrap_or(i64::MAX);
            if length.subsec_nanos() > 0 {
                return Err("is not a whole number of seconds".into());
            }
            if (1..=longest).contains(&seconds) {
                Ok(seconds)
            } else {
                Err(format!(
                    "is not between 1 s and {}",
                    humantime::format_duration(Duration::from_secs(longest.unsigned_abs()))
                ))
            }
        };
        self.parse(name, parse, 1)
    }
}

fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err("is neither on nor off".into()),
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let text = text.replacen("localhost:", "127.0.0.1:", 1);
    text.parse().map_err(|_| format!("{text:?} is no address of the form IP:PORT, such as 127.0.0.1:8080"))
}

/// Whether an address names this machine only.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// An issuer: https without query or fragment (RFC 8414 §2); http on loopback only.
fn issuer(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|_| "is no URL; it is the https address by which clients reach this server")?;
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err("must have no query, fragment or user name".into());
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("must have visible ASCII characters only: it is compared letter by letter".into());
    }
    // The parser of URLs mends what clients would not: upper case, one slash, back slashes.
    match url.scheme() {
        "https" if text.starts_with("https://") => Ok(text.to_owned()),
        "http" if text.starts_with("http://") && is_loopback(&url) => Ok(text.to_owned()),
        _ => Err("must begin with https:// (http:// is for loopback addresses only)".into()),
    }
}

fn origin(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|_| "is no origin, such as https://app.example.com")?;
    if url.origin().is_tuple() && url.origin().ascii_serialization() == text {
        Ok(text.to_owned())
    } else {
        Err("is no origin, such as https://app.example.com (scheme, host, port, nothing else)".into())
    }
}

fn known_issuer(text: &str) -> Result<KnownIssuer, String> {
    let (name, address) = text.split_once('=').ok_or("is not of the form NAME=ISSUER")?;
    let issuer = issuer(address.trim()).map_err(|problem| format!("names an issuer that {problem}"))?;
    Ok(KnownIssuer { environment: name.trim().parse()?, issuer })
}

/// How `log_level` is read. The value of a field is a text as it stands: as a regular expression, 70 dots took 800 MB.
pub fn log_filter() -> Builder {
    EnvFilter::builder().with_regex(false)
}

/// A filter of the log; a misspelt level would be taken for the name of a part, and silence everything.
fn log_level(text: &str) -> Result<String, String> {
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let bare = text.split(',').map(str::trim).filter(|part| !part.contains('='));
    let misspelt = bare.into_iter().any(|part| !levels.contains(&part.to_ascii_lowercase().as_str()));
    if misspelt || log_filter().parse(text).is_err() {
        return Err(format!("{text:?} is no log level, such as info or debug"));
    }
    Ok(text.to_owned())
}

fn audience(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    Url::parse(text).map(|_| Some(text.to_owned())).map_err(|_| "is no absolute URI".into())
}

pub(crate) fn check(resolved: &Resolved, needs: Needs) -> Result<Settings, Vec<String>> {
    let mut checker = Checker { resolved, problems: resolved.problems.clone() };
    let dev = resolved.dev;
    let database = checker.parse("database_url", Location::from_str, Location::Sqlite(PathBuf::new()));
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let listen = checker.parse("listen", address, loopback);
    let ops_listen = checker.parse("ops_listen", address, loopback);
    if dev {
        for (name, address) in [("listen", listen), ("ops_listen", ops_listen)] {
            if !address.ip().is_loopback() {
                checker.problem(name, "with --dev the server listens on loopback only, such as 127.0.0.1:8080");
            }
        }
    }
    let tls = tls(&mut checker);
    let issuer_follows_listen =
        dev && resolved.values.get("issuer").is_some_and(|value| value.source == Source::Default);
    let url = match resolved.get("issuer") {
        Some(_) if issuer_follows_listen => format!("{}://{listen}", if tls.is_some() { "https" } else { "http" }),
        Some(_) => checker.parse("issuer", issuer, String::new()),
        None => {
            if needs.issuer {
                checker.problem("issuer", "is not set: it is the https address by which clients reach this server");
            }
            String::new()
        }
    };
    let environment_name = |text: &str| Environment::from_str(text);
    let stand_in = || Environment::from_str("live").unwrap_or_else(|_| unreachable!("a legal name"));
    let environment = checker.parse("environment", environment_name, stand_in());
    let master_key = match resolved.get("master_key") {
        Some(text) => {
            if let Err(problem) = MasterKey::parse(text) {
                checker.problem("master_key", &problem);
            }
            MasterKeySource::Given(SecretString::from(text))
        }
        None if dev => MasterKeySource::DevFile(dev_key_file(&database)),
        None => {
            if needs.master_key && !checker.problems.iter().any(|problem| problem.contains("MASTER_KEY")) {
                let text =
                    "is not set: `jeton key generate-master` prints one; keep it safe, it is needed at every start";
                checker.problem("master_key", text);
            }
            MasterKeySource::Missing
        }
    };
    let master_key_old = resolved.get("master_key_old").map(SecretString::from);
    if let Some(Err(problem)) = resolved.get("master_key_old").map(MasterKey::parse) {
        checker.problem("master_key_old", &problem);
    }
    let between = |least: u64, most: u64| {
        move |text: &str| {
            let (least, most) = (Duration::from_millis(least), Duration::from_millis(most));
            let format = humantime::format_duration;
            let length = duration(text)?;
            let fits = (least..=most).contains(&length);
            if fits { Ok(length) } else { Err(format!("is not between {} and {}", format(least), format(most))) }
        }
    };
    let poll_interval = checker.parse("poll_interval", between(10, 10_000), Duration::from_millis(250));
    let max_staleness = checker.parse("max_staleness", between(20, 300_000), Duration::from_secs(300));
    if max_staleness < poll_interval * 2 {
        checker.problem("max_staleness", "is less than twice JETON_POLL_INTERVAL");
    }
    let threads = |text: &str| match text {
        "" => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
        text => text.parse().ok().filter(|count| (1..=256).contains(count)).ok_or("is not between 1 and 256".into()),
    };
    let issuer = IssuerConfig {
        siblings: siblings(&mut checker, &environment, &url),
        default_audience: checker.parse("default_audience", audience, None),
        url,
        environment,
    };
    let settings = Settings {
        dev,
        issuer,
        listen,
        ops_listen,
        tls,
        signing_algorithm: checker.parse("signing_alg", SigningAlgorithm::from_str, SigningAlgorithm::Es256),
        access_token_ttl: checker.seconds("access_token_ttl", LONGEST_ACCESS_TOKEN_TTL),
        refresh_token_ttl: checker.seconds("refresh_token_ttl", LONGEST_SESSION_TTL),
        session_ttl: checker.seconds("session_ttl", LONGEST_SESSION_TTL),
        history: checker.seconds("history", LONGEST_HISTORY),
        issuer_follows_listen,
        default_client: resolved.get("default_client").map(str::to_owned),
        verify_audience: checker.parse("verify_audience", audience, None),
        cors_origins: checker.list("cors_origins", origin),
        trusted_proxies: checker.list("trusted_proxies", |text| {
            text.parse()
                .or_else(|_| text.parse::<std::net::IpAddr>().map(Into::into))
                .map_err(|_| "is no network, such as 10.0.0.0/8".to_owned())
        }),
        throttling: checker.parse("throttling", on_or_off, true),
        max_staleness,
        poll_interval,
        migrate: checker.parse("migrate", on_or_off, true),
        upkeep_interval: checker.parse("upkeep_interval", between(1000, 86_400_000), Duration::from_secs(600)),
        drain_delay: checker.parse("drain_delay", between(0, 300_000), Duration::ZERO),
        password_threads: checker.parse("password_threads", threads, 1),
        log_format: checker.parse(
            "log_format",
            |text| match text {
                "text" => Ok(LogFormat::Text),
                "json" => Ok(LogFormat::Json),
                _ => Err("is neither text nor json".into()),
            },
            LogFormat::Text,
        ),
        log_level: checker.parse("log_level", log_level, "info".to_owned()),
        database,
        master_key,
        master_key_old,
    };
    if checker.problems.is_empty() { Ok(settings) } else { Err(checker.problems) }
}

/// The files of the certificate: both or neither.
fn tls(checker: &mut Checker<'_>) -> Option<TlsFiles> {
    let mut file = |name: &'static str| {
        let text = checker.resolved.get(name)?;
        if text.contains("-----BEGIN") {
            // Most likely the path was given as JETON_…_FILE. The text is not repeated: it may be the key.
            checker.problem(name, "is a certificate or a key itself: set the path of its file instead");
        }
        Some(PathBuf::from(text))
    };
    match (file("tls_certificate"), file("tls_key")) {
        (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
        (None, None) => None,
        (certificate, _) => {
            let (set, missing) =
                if certificate.is_some() { ("CERTIFICATE", "tls_key") } else { ("KEY", "tls_certificate") };
            checker.problem(missing, &format!("is not set, and JETON_TLS_{set} is: set both or neither"));
            None
        }
    }
}

/// The sibling environments: others than this one, each named once.
fn siblings(checker: &mut Checker<'_>, own: &Environment, own_issuer: &str) -> Vec<KnownIssuer> {
    let siblings = checker.list("known_issuers", known_issuer);
    for (index, sibling) in siblings.iter().enumerate() {
        let name = &sibling.environment;
        if name == own || sibling.issuer == own_issuer {
            checker.problem("known_issuers", &format!("{name} is this environment itself"));
        }
        if siblings[..index].iter().any(|other| other.environment == *name || other.issuer == sibling.issuer) {
            checker.problem("known_issuers", &format!("{name} or its issuer stands twice"));
        }
    }
    siblings
}

fn dev_key_file(database: &Location) -> PathBuf {
    match database.file() {
        Some(path) => {
            let mut name = path.as_os_str().to_owned();
            name.push(".key");
            PathBuf::from(name)
        }
        None => PathBuf::from("jeton-dev.key"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::Issuer;
    use crate::settings::Sources;

    fn check_with(environment: &[(&str, &str)], dev: bool) -> Result<Settings, Vec<String>> {
        let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Settings::check(&Resolved::read(&Sources { dev, environment, ..Sources::default() }), Needs::NOTHING)
    }

    #[test]
    fn all_problems_are_reported_at_once_with_their_names() {
        let problems = check_with(
            &[
                ("JETON_ISSUER", "http://auth.example.com"),
                ("JETON_MASTER_KEY", "short"),
                ("JETON_LISTEN", "everywhere"),
                ("JETON_ACCESS_TOKEN_TTL", "2d"),
                ("JETON_MAX_STALENESS", "100ms"),
                ("JETON_CORS_ORIGINS", "https://ok.example,nonsense/"),
                ("JETON_POLL_INTERVAL", "500000000000y"),
                ("JETON_LOG_LEVEL", "verbose"),
                ("JETON_KNOWN_ISSUERS", "staging=foo"),
            ],
            false,
        )
        .unwrap_err();
        for name in [
            "ISSUER",
            "MASTER_KEY",
            "LISTEN",
            "ACCESS_TOKEN_TTL",
            "MAX_STALENESS",
            "CORS_ORIGINS",
            "POLL_INTERVAL",
            "LOG_LEVEL",
            "KNOWN_ISSUERS",
        ] {
            let named = problems.iter().filter(|problem| problem.starts_with(&format!("JETON_{name}:"))).count();
            assert_eq!(named, 1, "{name} in {problems:?}");
        }
        assert_eq!(problems.len(), 9, "{problems:?}");
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let settings = check_with(&[], true).unwrap();
        assert_eq!(settings.issuer.url, "http://127.0.0.1:8080");
        assert_eq!(settings.issuer.environment.to_string(), "dev");
        assert_eq!((settings.access_token_ttl, settings.refresh_token_ttl), (900, 30 * 86400));
        assert_eq!(settings.session_ttl, 180 * 86400);
        assert_eq!(Issuer::new(settings.issuer.clone()).audiences().default, "http://127.0.0.1:8080/api");
        assert_eq!(settings.default_client.as_deref(), Some("demo-login"));
    }

    #[test]
    fn a_field_of_the_log_is_compared_as_text_and_is_no_pattern() {
        // As a pattern it would not be legal: the bracket is not closed.
        assert!(log_filter().parse("info,jeton[request{path=(}]=debug").is_ok());
        assert!(check_with(&[("JETON_LOG_LEVEL", "info,jeton[request{path=(}]=debug")], true).is_ok());
    }

    #[test]
    fn development_is_for_loopback_only() {
        assert!(check_with(&[("JETON_LISTEN", "0.0.0.0:8080")], true).is_err());
        assert!(check_with(&[("JETON_LISTEN", "0.0.0.0:8080")], false).is_ok());
    }
}
