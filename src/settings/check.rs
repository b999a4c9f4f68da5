//! Checks all settings, alone and against one another.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;

use crate::calling_out::{Authorities, Exceptions};
use crate::certificates::ClientAuthorities;
use crate::issuer::IssuerConfig;
use crate::jose::algorithm::SigningAlgorithm;
use crate::keys::master::MasterKey;
use crate::settings::brand::Brand;
use crate::settings::checker::Checker;
use crate::settings::otlp::Otlp;
use crate::settings::parse::{
    address, audience, base_url, duration, issuer, known_issuer, log_level, network, on_or_off, origin,
};
use crate::settings::resolve::{Resolved, Source};
use crate::settings::{
    DpopNonce, LONGEST_ACCESS_TOKEN_TTL, LONGEST_HISTORY, LONGEST_SESSION_TTL, LogFormat, MasterKeySettings,
    MasterKeySource, Needs, Registration, RequireSecondFactor, Settings, TlsFiles,
};
use crate::store::Location;
use crate::tokens::environment::{Environment, KnownIssuer};

impl Settings {
    /// Checks the resolved values, and that the settings in `needs` are set. Each problem has the name of its setting.
    pub fn check(resolved: &Resolved, needs: Needs) -> Result<Self, Vec<String>> {
        let mut checker = Checker { resolved, problems: resolved.problems.clone() };
        let dev = resolved.dev;
        let database = checker.parse("database_url", Location::from_str, Location::Sqlite(PathBuf::new()));
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let listen = checker.parse("listen", address, loopback);
        let ops_listen = checker.parse("ops_listen", address, loopback);
        if dev {
            for (name, address) in [("listen", listen), ("ops_listen", ops_listen)] {
                if !address.ip().is_loopback() {
                    checker.problem(name, "must be a loopback address with --dev, such as 127.0.0.1:8080");
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
        let current = match resolved.get("master_key") {
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
        let old = resolved.get("master_key_old").map(SecretString::from);
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
            text => {
                text.parse().ok().filter(|count| (1..=256).contains(count)).ok_or("is not between 1 and 256".into())
            }
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
            signing_algorithm: checker.parse(
                "signing_alg",
                SigningAlgorithm::of_access_tokens,
                SigningAlgorithm::Es256,
            ),
            access_token_ttl: checker.seconds("access_token_ttl", LONGEST_ACCESS_TOKEN_TTL),
            refresh_token_ttl: checker.seconds("refresh_token_ttl", LONGEST_SESSION_TTL),
            session_ttl: checker.seconds("session_ttl", LONGEST_SESSION_TTL),
            browser_session_idle: checker.seconds("browser_session_idle", LONGEST_SESSION_TTL),
            browser_session_ttl: checker.seconds("browser_session_ttl", LONGEST_SESSION_TTL),
            brand: Brand::check(&mut checker),
            registration: Registration::check(&mut checker),
            cimd: checker.parse("cimd", on_or_off, false),
            dpop_nonce: checker.parse(
                "dpop_nonce",
                |text| match text {
                    "off" => Ok(DpopNonce::Off),
                    "required" => Ok(DpopNonce::Required),
                    _ => Err("is not off or required".to_owned()),
                },
                DpopNonce::Off,
            ),
            history: checker.seconds("history", LONGEST_HISTORY),
            issuer_follows_listen,
            default_client: resolved.get("default_client").map(str::to_owned),
            verify_audience: checker.parse("verify_audience", audience, None),
            cors_origins: checker.list("cors_origins", origin),
            trusted_proxies: checker.list("trusted_proxies", network),
            tls_client_ca: checker.parse(
                "tls_client_ca",
                |path| match path {
                    "" => Ok(None),
                    path => ClientAuthorities::open(Path::new(path)).map(Some),
                },
                None,
            ),
            client_cert_proxies: checker.list("client_cert_proxies", network),
            mtls_url: checker.parse("mtls_url", base_url, None),
            fetch: Exceptions {
                networks: checker.list("fetch_allow", str::parse),
                authorities: checker.parse(
                    "fetch_ca",
                    |path| match path {
                        "" => Ok(Authorities::default()),
                        path => Authorities::with_file(Path::new(path)),
                    },
                    Authorities::default(),
                ),
            },
            throttling: checker.parse("throttling", on_or_off, true),
            require_second_factor: checker.parse(
                "require_second_factor",
                |text| match text {
                    "roles" => Ok(RequireSecondFactor::Roles),
                    "all" => Ok(RequireSecondFactor::All),
                    "off" => Ok(RequireSecondFactor::Off),
                    _ => Err("is not roles, all or off".into()),
                },
                RequireSecondFactor::Roles,
            ),
            max_staleness,
            poll_interval,
            migrate: checker.parse("migrate", on_or_off, true),
            upkeep_interval: checker.parse("upkeep_interval", between(1000, 86_400_000), Duration::from_secs(600)),
            drain_delay: checker.parse("drain_delay", between(0, 300_000), Duration::ZERO),
            password_threads: checker.parse("password_threads", threads, 1),
            otlp: Otlp::check(&mut checker),
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
            master_keys: MasterKeySettings { current, old },
        };
        if checker.problems.is_empty() { Ok(settings) } else { Err(checker.problems) }
    }
}

/// The files of the certificate and its key: both or neither.
fn tls(checker: &mut Checker<'_>) -> Option<TlsFiles> {
    let mut file = |name: &'static str| {
        let text = checker.resolved.get(name)?;
        if text.contains("-----BEGIN") {
            // Most likely the path was set as JETON_…_FILE. The message does not repeat the text, which may be the key.
            checker.problem(name, "is the certificate or key itself: set the path of its file instead");
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

/// The sibling environments: each once, and not this one.
fn siblings(checker: &mut Checker<'_>, own: &Environment, own_issuer: &str) -> Vec<KnownIssuer> {
    let siblings = checker.list("known_issuers", known_issuer);
    for (index, sibling) in siblings.iter().enumerate() {
        let name = &sibling.environment;
        if name == own || sibling.issuer == own_issuer {
            checker.problem("known_issuers", &format!("{name} is this environment"));
        }
        if siblings[..index].iter().any(|other| other.environment == *name || other.issuer == sibling.issuer) {
            checker.problem("known_issuers", &format!("{name} or its issuer is listed twice"));
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
                ("JETON_FETCH_ALLOW", "10.0.0.0/8,inside.example:443"),
                ("JETON_FETCH_CA", "/nowhere/ca.pem"),
                ("JETON_TLS_CLIENT_CA", "/nowhere/clients.pem"),
                ("JETON_CLIENT_CERT_PROXIES", "10.0.0.0/8,proxy.example"),
                ("JETON_MTLS_URL", "mtls.example"),
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
            "FETCH_ALLOW",
            "FETCH_CA",
            "TLS_CLIENT_CA",
            "CLIENT_CERT_PROXIES",
            "MTLS_URL",
        ] {
            let named = problems.iter().filter(|problem| problem.starts_with(&format!("JETON_{name}:"))).count();
            assert_eq!(named, 1, "{name} in {problems:?}");
        }
        assert_eq!(problems.len(), 14, "{problems:?}");
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let settings = check_with(&[], true).unwrap();
        assert_eq!(settings.issuer.url, "http://127.0.0.1:8080");
        assert_eq!(settings.issuer.environment.to_string(), "dev");
        assert_eq!((settings.access_token_ttl, settings.refresh_token_ttl), (900, 30 * 86400));
        assert_eq!(settings.session_ttl, 180 * 86400);
        assert_eq!(Issuer::new(settings.issuer.clone()).default_audience(), "http://127.0.0.1:8080/api");
        assert_eq!(settings.default_client.as_deref(), Some("demo-login"));
    }

    #[test]
    fn a_development_server_listens_on_loopback_only() {
        assert!(check_with(&[("JETON_LISTEN", "0.0.0.0:8080")], true).is_err());
        assert!(check_with(&[("JETON_LISTEN", "0.0.0.0:8080")], false).is_ok());
    }
}
