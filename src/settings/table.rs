//! The one list of settings. Flags, environment, file, `jeton config` and the documentation follow from it.

/// A setting.
#[derive(Debug)]
pub struct Definition {
    /// Its name in `jeton.toml`; in the environment upper case with the prefix `JETON_`, in a flag with dashes.
    pub name: &'static str,
    /// Its default, empty if there is none.
    pub default: &'static str,
    /// Its default with `--dev`, if different.
    pub dev_default: Option<&'static str>,
    /// Whether it is a secret, which is never taken from an argument and never shown.
    pub secret: bool,
    /// What it means.
    pub help: &'static str,
}

impl Definition {
    /// Its name in the environment.
    pub fn variable(&self) -> String {
        format!("JETON_{}", self.name.to_uppercase())
    }

    /// Its flag, without the leading dashes.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }
}

const fn setting(name: &'static str, default: &'static str, help: &'static str) -> Definition {
    Definition { name, default, dev_default: None, secret: false, help }
}

const fn in_dev(definition: Definition, dev_default: &'static str) -> Definition {
    Definition { dev_default: Some(dev_default), ..definition }
}

const fn secret(definition: Definition) -> Definition {
    Definition { secret: true, ..definition }
}

/// Every setting.
pub static TABLE: [Definition; 36] = [
    secret(in_dev(
        setting("database_url", "sqlite://jeton.db", "the database: sqlite://PATH or postgres://…"),
        "sqlite://jeton-dev.db",
    )),
    setting("listen", "127.0.0.1:8080", "address of the public and admin API"),
    setting("ops_listen", "127.0.0.1:8081", "address of /metrics, /healthz and /readyz"),
    setting("tls_certificate", "", "PEM file of the certificate and its chain, for TLS on the listen address"),
    setting("tls_key", "", "PEM file of the certificate's private key"),
    in_dev(setting("issuer", "", "the iss of every token; https unless loopback"), "http://127.0.0.1:8080"),
    in_dev(setting("environment", "live", "short name put into tokens and secrets"), "dev"),
    setting("known_issuers", "", "sibling environments: NAME=ISSUER, comma-separated"),
    secret(setting("master_key", "", "32 random bytes, base64url; wraps the keys in the database")),
    secret(setting(
        "master_key_old",
        "",
        "the previous master key, accepted too while the master key is being changed",
    )),
    setting("signing_alg", "ES256", "algorithm of new signing keys: ES256, EdDSA or RS256"),
    setting("access_token_ttl", "15m", "lifetime of an access token"),
    setting("refresh_token_ttl", "30d", "longest time that a session may stay unused"),
    setting("session_ttl", "180d", "longest lifetime of a session"),
    setting("browser_session_idle", "12h", "longest time that a login at a browser may stay unused"),
    setting("browser_session_ttl", "7d", "longest time for which a person stays logged in at a browser"),
    setting("history", "30d", "how long expired sessions and revocations are kept, to explain refusals"),
    setting("default_audience", "", "aud for clients without audiences; <issuer>/api unless set"),
    in_dev(setting("default_client", "", "public client for requests that name none"), "demo-login"),
    setting("verify_audience", "", "audience that /auth/verify expects unless the request names one"),
    setting("brand_name", "", "name of the service on the pages that people see; the host of the issuer unless set"),
    setting("brand_logo", "", "SVG or PNG file of at most 64 KiB, shown on these pages"),
    setting("brand_color", "", "colour of buttons and links on these pages, such as #0a5ad4"),
    in_dev(setting("registration", "off", "whether clients may register themselves: off, token or open"), "open"),
    secret(setting("registration_token", "", "what callers present to register clients, with registration = token")),
    setting("cors_origins", "", "origins that may call the OAuth endpoints from a browser, comma-separated"),
    setting("trusted_proxies", "", "networks whose forwarding headers are trusted, comma-separated"),
    setting("throttling", "on", "whether guessing is slowed down: on or off"),
    setting("max_staleness", "5s", "age of a node's memory beyond which it asks the database"),
    setting("poll_interval", "250ms", "time between two polls of the change log"),
    setting("migrate", "on", "whether serve applies missing schema migrations: on or off"),
    setting("upkeep_interval", "10m", "time between two rounds that remove expired rows from the database"),
    setting(
        "drain_delay",
        "0s",
        "how long the listeners stay open after the signal to stop, when /readyz begins to fail",
    ),
    setting("password_threads", "", "threads that hash passwords; one per processor unless set"),
    setting("log_format", "text", "form of log lines: text or json"),
    setting("log_level", "info", "what is logged, in the syntax of RUST_LOG"),
];

/// The setting whose name resembles this one.
pub(super) fn similar(name: &str) -> Option<&'static str> {
    TABLE.iter().map(|setting| setting.name).find(|known| strsim::damerau_levenshtein(known, name) <= 2)
}
