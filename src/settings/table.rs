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
    /// A variable of other programs, which is read when its own is not set; not with `--dev`.
    pub also: Option<&'static str>,
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
    Definition { name, default, dev_default: None, secret: false, also: None, help }
}

const fn in_dev(definition: Definition, dev_default: &'static str) -> Definition {
    Definition { dev_default: Some(dev_default), ..definition }
}

const fn secret(definition: Definition) -> Definition {
    Definition { secret: true, ..definition }
}

const fn also(variable: &'static str, definition: Definition) -> Definition {
    Definition { also: Some(variable), ..definition }
}

/// Every setting.
pub static TABLE: [Definition; 47] = [
    also(
        "DATABASE_URL",
        secret(in_dev(
            setting("database_url", "sqlite://jeton.db", "The database: sqlite://PATH or postgres://…"),
            "sqlite://jeton-dev.db",
        )),
    ),
    setting("listen", "127.0.0.1:8080", "Address of the public and admin API"),
    setting("ops_listen", "127.0.0.1:8081", "Address of /metrics, /healthz and /readyz"),
    setting("tls_certificate", "", "PEM file of the certificate and its chain, for TLS on the listen address"),
    setting("tls_key", "", "PEM file of the certificate's private key"),
    setting(
        "tls_client_ca",
        "",
        "PEM file of the certificate authorities that issue certificates of clients, for tls_client_auth",
    ),
    setting(
        "client_cert_proxies",
        "",
        "Networks of proxies whose Client-Cert header (RFC 9440) is believed, comma-separated",
    ),
    setting(
        "mtls_url",
        "",
        "Address of the endpoints for clients with certificates (mtls_endpoint_aliases); the issuer unless set",
    ),
    in_dev(setting("issuer", "", "The iss of every token; https unless loopback"), "http://127.0.0.1:8080"),
    in_dev(setting("environment", "live", "Short name put into tokens and secrets"), "dev"),
    setting("known_issuers", "", "Sibling environments: NAME=ISSUER, comma-separated"),
    secret(setting("master_key", "", "32 random bytes, base64url; wraps the keys in the database")),
    secret(setting(
        "master_key_old",
        "",
        "The previous master key, accepted too while the master key is being changed",
    )),
    setting("signing_alg", "ES256", "Algorithm of new signing keys: ES256, EdDSA or RS256"),
    setting("access_token_ttl", "15m", "Lifetime of an access token"),
    setting("refresh_token_ttl", "30d", "Longest time that a session may stay unused"),
    setting("session_ttl", "180d", "Longest lifetime of a session"),
    setting("browser_session_idle", "12h", "Longest time that a login at a browser may stay unused"),
    setting("browser_session_ttl", "7d", "Longest time for which a person stays logged in at a browser"),
    setting("history", "30d", "How long expired sessions and revocations are kept, to explain refusals"),
    setting("default_audience", "", "The aud of tokens of clients without audiences; <issuer>/api unless set"),
    in_dev(setting("default_client", "", "Public client for requests that name none"), "demo-login"),
    setting("verify_audience", "", "Audience that /auth/verify expects unless the request names one"),
    setting("brand_name", "", "Name of the service on the pages that people see; the host of the issuer unless set"),
    setting("brand_logo", "", "SVG or PNG file of at most 64 KiB, shown on these pages"),
    setting("brand_color", "", "Colour of buttons and links on these pages, such as #0a5ad4"),
    in_dev(setting("registration", "off", "Whether clients may register themselves: off, token or open"), "open"),
    secret(setting("registration_token", "", "What callers present to register clients, with registration = token")),
    in_dev(
        setting("cimd", "off", "Whether a client_id may be the URL of the client's metadata document: on or off"),
        "on",
    ),
    setting("cors_origins", "", "Origins that may call the OAuth endpoints from a browser, comma-separated"),
    setting("trusted_proxies", "", "Networks whose forwarding headers are trusted, comma-separated"),
    in_dev(
        setting(
            "fetch_allow",
            "",
            "Networks and ports that may be called besides port 443 of public addresses, comma-separated",
        ),
        "127.0.0.0/8,::1/128",
    ),
    setting(
        "fetch_ca",
        "",
        "PEM file of certificate authorities that are trusted, besides the public ones, when calling out",
    ),
    setting("dpop_nonce", "off", "Whether DPoP proofs must have a nonce of this server: off or required"),
    setting("throttling", "on", "Whether guessing is slowed down: on or off"),
    in_dev(
        setting(
            "require_second_factor",
            "roles",
            "Who must log in with a second factor: roles (users with a role), all or off",
        ),
        "off",
    ),
    setting("max_staleness", "5s", "Age of a node's memory beyond which it asks the database"),
    setting("poll_interval", "250ms", "Time between two polls of the change log"),
    setting("migrate", "on", "Whether serve applies missing schema migrations: on or off"),
    setting("upkeep_interval", "10m", "Time between two rounds that remove expired rows from the database"),
    setting(
        "drain_delay",
        "0s",
        "How long the listeners stay open after the signal to stop, when /readyz begins to fail",
    ),
    setting("password_threads", "", "Threads that hash passwords; one per processor unless set"),
    setting(
        "otlp_endpoint",
        "",
        "Collector to which traces are exported by OTLP over HTTP, such as http://collector:4318",
    ),
    secret(setting("otlp_headers", "", "Headers for the collector: NAME=VALUE, comma-separated")),
    setting("otlp_sample", "1", "Share of new traces that are recorded, from 0 to 1"),
    setting("log_format", "text", "Form of log lines: text or json"),
    setting("log_level", "info", "What is logged, in the syntax of RUST_LOG"),
];

/// The setting whose name resembles this one.
pub(super) fn similar(name: &str) -> Option<&'static str> {
    TABLE.iter().map(|setting| setting.name).find(|known| strsim::damerau_levenshtein(known, name) <= 2)
}
