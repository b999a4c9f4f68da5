//! The settings: flags over environment over `jeton.toml`. All problems are reported at once.

mod brand;
mod check;
mod checker;
mod file;
mod otlp;
mod parse;
mod registration;
mod resolve;
mod table;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;

pub use brand::Brand;
pub use otlp::{CollectorHeaders, Otlp};
pub use parse::{duration as parse_duration, is_loopback, log_filter};
pub use registration::Registration;
pub use resolve::{Resolved, Source, Sources, Value};
pub use table::{Definition, TABLE};

use crate::calling_out::Exceptions;
use crate::certificates::ClientAuthorities;
use crate::certificates::own::TlsFiles;
use crate::issuer::{Issuer, IssuerConfig};
use crate::jose::algorithm::SigningAlgorithm;
use crate::protocol::client::AuthMethod;
use crate::protocol::time::Timestamp;
use crate::protocol::user::User;
use crate::store::Location;

/// The longest lifetime of an access token, in seconds: a revocation is kept in memory for that long.
pub const LONGEST_ACCESS_TOKEN_TTL: i64 = 24 * 3600;
/// The longest lifetime of a session, in seconds.
pub const LONGEST_SESSION_TTL: i64 = 400 * 24 * 3600;
/// The longest time for which expired sessions and revocations can be kept, in seconds.
pub const LONGEST_HISTORY: i64 = 400 * 24 * 3600;

/// Where the master key comes from.
#[derive(Clone, Debug, Default)]
pub enum MasterKeySource {
    /// The settings.
    Given(SecretString),
    /// A file beside the database, generated for development.
    DevFile(PathBuf),
    /// It is not set, or was read and is no longer needed.
    #[default]
    Missing,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Whether DPoP proofs must have a nonce of this server (RFC 9449 §8). One that is sent is always checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DpopNonce {
    /// They need none.
    #[default]
    Off,
    /// They are refused without.
    Required,
}

/// Who must log in with a second factor. Whoever has one is always asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequireSecondFactor {
    /// Users with a role.
    Roles,
    /// Every user.
    All,
    /// Nobody.
    Off,
}

impl RequireSecondFactor {
    /// Whether a login of this user without a second factor is none.
    pub fn demands_of(self, user: &User) -> bool {
        match self {
            Self::All => true,
            Self::Roles => user.role.is_some(),
            Self::Off => false,
        }
    }
}

/// The settings that a command requires.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs {
    /// `JETON_ISSUER`.
    pub issuer: bool,
    /// `JETON_MASTER_KEY`.
    pub master_key: bool,
}

impl Needs {
    /// Both: for the server and for commands that read tokens.
    pub const ALL: Self = Self { issuer: true, master_key: true };
    /// The issuer alone.
    pub const ISSUER: Self = Self { issuer: true, master_key: false };
    /// The master key alone.
    pub const MASTER_KEY: Self = Self { issuer: false, master_key: true };
    /// Neither.
    pub const NOTHING: Self = Self { issuer: false, master_key: false };
}

/// The master keys in the settings.
#[derive(Clone, Debug, Default)]
pub struct MasterKeySettings {
    /// Where the master key comes from.
    pub current: MasterKeySource,
    /// The previous master key, while it is being changed.
    pub old: Option<SecretString>,
}

/// The checked settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Development mode: loopback only, with the demo set.
    pub dev: bool,
    /// Where the database is.
    pub database: Location,
    /// Where the public and admin API listens.
    pub listen: SocketAddr,
    /// Where metrics and health listen.
    pub ops_listen: SocketAddr,
    /// The certificate of the public listener, which uses plain HTTP without one.
    pub tls: Option<TlsFiles>,
    /// The authorities that issue certificates of clients.
    pub tls_client_ca: Option<ClientAuthorities>,
    /// Networks of proxies that say which certificate a client showed.
    pub client_cert_proxies: Vec<IpNet>,
    /// Where clients with certificates reach this server, if not at the issuer.
    pub mtls_url: Option<String>,
    /// The issuer of every token.
    pub issuer: IssuerConfig,
    /// Whether the issuer follows the listen address, because it is not set (with `--dev`).
    pub issuer_follows_listen: bool,
    /// The master keys.
    pub master_keys: MasterKeySettings,
    /// The algorithm of new signing keys.
    pub signing_algorithm: SigningAlgorithm,
    /// The lifetime of an access token, in seconds.
    pub access_token_ttl: i64,
    /// How long a session may stay unused, in seconds.
    pub refresh_token_ttl: i64,
    /// The longest lifetime of a session, in seconds.
    pub session_ttl: i64,
    /// How long a login at a browser may stay unused, in seconds.
    pub browser_session_idle: i64,
    /// How long a person stays logged in at a browser at the longest, in seconds.
    pub browser_session_ttl: i64,
    /// The look of the pages that people see.
    pub brand: Brand,
    /// Whether clients may register themselves.
    pub registration: Registration,
    /// Whether a `client_id` may be the URL of a metadata document.
    pub cimd: bool,
    /// Whether DPoP proofs must have a nonce.
    pub dpop_nonce: DpopNonce,
    /// How long expired sessions and revocations are kept to explain refusals, in seconds.
    pub history: i64,
    /// The public client that stands in for requests that name no client.
    pub default_client: Option<String>,
    /// The audience that `/auth/verify` expects when the request names none.
    pub verify_audience: Option<String>,
    /// Origins that may call the OAuth endpoints from a browser.
    pub cors_origins: Vec<String>,
    /// Networks whose forwarding headers are trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// What may be called besides public addresses.
    pub fetch: Exceptions,
    /// Whether guessing is slowed down.
    pub throttling: bool,
    /// Who must log in with a second factor.
    pub require_second_factor: RequireSecondFactor,
    /// The age beyond which a node no longer answers from memory.
    pub max_staleness: Duration,
    /// The time between two polls of the log.
    pub poll_interval: Duration,
    /// Whether missing migrations are applied at start.
    pub migrate: bool,
    /// The time between two rounds of cleanup.
    pub upkeep_interval: Duration,
    /// How long the listeners stay open after the signal to stop.
    pub drain_delay: Duration,
    /// The number of threads that hash passwords.
    pub password_threads: usize,
    /// Where traces are exported to, if they are.
    pub otlp: Option<Otlp>,
    /// The form of log lines.
    pub log_format: LogFormat,
    /// What is logged, in the syntax of `RUST_LOG`.
    pub log_level: String,
}

impl Settings {
    /// Sets the actual listen address; the issuer follows it if it was not set.
    pub fn listens_on(&mut self, address: SocketAddr) {
        self.listen = address;
        if self.issuer_follows_listen {
            self.issuer.url = format!("{}://{address}", self.scheme());
        }
    }

    /// The scheme of the public listener, `https` or `http`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Fills an issuer's addresses into a text of advice, and `--dev` into the commands that need it.
    pub fn fill(&self, issuer: &Issuer, text: &str) -> String {
        let text = text.replace("{issuer}", &issuer.endpoint("")).replace("{ops}", &self.ops_listen.to_string());
        if !self.dev {
            return text;
        }
        let text = text.strip_prefix("jeton ").map_or(text.clone(), |command| format!("jeton --dev {command}"));
        // In a pipe, and as code within a sentence.
        text.replace("| jeton ", "| jeton --dev ").replace("`jeton ", "`jeton --dev ")
    }

    /// The latest time at which an access token issued up to `now` can expire, plus a day in case the clock of the node
    /// that issued it was ahead.
    pub fn covers_until(&self, now: Timestamp) -> Timestamp {
        now.plus_seconds(LONGEST_ACCESS_TOKEN_TTL + 24 * 3600)
    }

    /// Whether this peer's forwarding headers are trusted. An IPv4-mapped IPv6 address counts as IPv4.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        is_in(&self.trusted_proxies, peer)
    }

    /// Whether this peer says which certificates its clients showed. A trusted proxy is not believed that without being named for it:
    /// it may well pass on such a header from outside.
    pub fn passes_certificates(&self, peer: IpAddr) -> bool {
        is_in(&self.client_cert_proxies, peer)
    }

    /// Whether clients can show certificates at all: to this server itself, or to a proxy.
    pub const fn has_client_certificates(&self) -> bool {
        self.tls.is_some() || !self.client_cert_proxies.is_empty()
    }

    /// Whether clients can authenticate by this method.
    pub const fn offers(&self, method: AuthMethod) -> bool {
        match method {
            AuthMethod::TlsClientAuth => self.has_client_certificates() && self.tls_client_ca.is_some(),
            AuthMethod::SelfSignedTlsClientAuth => self.has_client_certificates(),
            AuthMethod::ClientSecretBasic
            | AuthMethod::ClientSecretPost
            | AuthMethod::PrivateKeyJwt
            | AuthMethod::None => true,
        }
    }
}

/// Whether an address is in one of these networks. An IPv4-mapped IPv6 address counts as IPv4.
fn is_in(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}
