//! The settings: flags over environment over `jeton.toml`. All problems are found at once.

mod parse;
mod resolve;
mod table;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;

pub use parse::{duration as parse_duration, log_filter};
pub use resolve::{Resolved, Source, Sources, Value};
pub use table::{Definition, TABLE};

use crate::issuer::{Issuer, IssuerConfig};
use crate::jose::algorithm::SigningAlgorithm;
use crate::protocol::time::Timestamp;
use crate::store::Location;

/// The longest life of an access token, in seconds: a revocation is kept in memory for so long.
pub const LONGEST_ACCESS_TOKEN_TTL: i64 = 24 * 3600;
/// The longest life of a session, in seconds.
pub const LONGEST_SESSION_TTL: i64 = 400 * 24 * 3600;
/// The longest time for which what is over can be kept, in seconds.
pub const LONGEST_HISTORY: i64 = 400 * 24 * 3600;

/// Where the master key comes from.
#[derive(Clone, Debug)]
pub enum MasterKeySource {
    /// It was set.
    Given(SecretString),
    /// Generated beside the database, for development.
    DevFile(PathBuf),
    /// It was not set.
    Missing,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where the certificate of the public listener is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: the certificate and its chain.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
}

/// What a command cannot do without.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs {
    /// `JETON_ISSUER`.
    pub issuer: bool,
    /// `JETON_MASTER_KEY`.
    pub master_key: bool,
}

impl Needs {
    /// Both, as the server and whatever reads tokens.
    pub const ALL: Self = Self { issuer: true, master_key: true };
    /// The master key alone.
    pub const MASTER_KEY: Self = Self { issuer: false, master_key: true };
    /// Neither.
    pub const NOTHING: Self = Self { issuer: false, master_key: false };
}

/// Everything that is configured, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For development: loopback only, demo set.
    pub dev: bool,
    /// Where the database is.
    pub database: Location,
    /// Where the public and admin API listens.
    pub listen: SocketAddr,
    /// Where metrics and health listen.
    pub ops_listen: SocketAddr,
    /// The certificate of the public listener; in clear without.
    pub tls: Option<TlsFiles>,
    /// The issuer of every token.
    pub issuer: IssuerConfig,
    /// Whether the issuer was not set and follows the address that is listened on (with `--dev`).
    pub issuer_follows_listen: bool,
    /// Where the master key comes from.
    pub master_key: MasterKeySource,
    /// The master key before it, while it is being changed.
    pub master_key_old: Option<SecretString>,
    /// The algorithm of new signing keys.
    pub signing_algorithm: SigningAlgorithm,
    /// Seconds that an access token lives.
    pub access_token_ttl: i64,
    /// Seconds that a session may stay unused.
    pub refresh_token_ttl: i64,
    /// Seconds that a session lives at most.
    pub session_ttl: i64,
    /// Seconds for which sessions and revocations that are over are kept, to explain them.
    pub history: i64,
    /// The public client that requests without a client are taken for.
    pub default_client: Option<String>,
    /// The audience that `/auth/verify` expects when the request names none.
    pub verify_audience: Option<String>,
    /// Origins that may call the OAuth endpoints from a browser.
    pub cors_origins: Vec<String>,
    /// Networks whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether guessing is slowed down.
    pub throttling: bool,
    /// The age at which a node no longer answers from memory.
    pub max_staleness: Duration,
    /// The time between two looks at the log.
    pub poll_interval: Duration,
    /// Whether missing migrations are applied at start.
    pub migrate: bool,
    /// The time between two rounds of upkeep.
    pub upkeep_interval: Duration,
    /// The time between the signal to stop and the closing of the listeners.
    pub drain_delay: Duration,
    /// Threads that hash passwords.
    pub password_threads: usize,
    /// The form of log lines.
    pub log_format: LogFormat,
    /// What is logged, in the syntax of `RUST_LOG`.
    pub log_level: String,
}

impl Settings {
    /// Checks what was resolved, and that there is what `needs` names.
    ///
    /// # Errors
    /// Every problem, each with the name of its setting.
    pub fn check(resolved: &Resolved, needs: Needs) -> Result<Self, Vec<String>> {
        parse::check(resolved, needs)
    }

    /// Takes the address that is really listened on, when the issuer follows it.
    pub fn listens_on(&mut self, address: SocketAddr) {
        self.listen = address;
        if self.issuer_follows_listen {
            self.issuer.url = format!("{}://{address}", self.scheme());
        }
    }

    /// `https` or `http`: how the public listener is spoken to.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Fills the addresses of an issuer of this server into a text of advice, and `--dev` into commands that need it.
    pub fn fill(&self, issuer: &Issuer, text: &str) -> String {
        let text = text.replace("{issuer}", &issuer.endpoint("")).replace("{ops}", &self.ops_listen.to_string());
        if !self.dev {
            return text;
        }
        let text = text.strip_prefix("jeton ").map_or(text.clone(), |command| format!("jeton --dev {command}"));
        // Behind another command, and as code within a sentence.
        text.replace("| jeton ", "| jeton --dev ").replace("`jeton ", "`jeton --dev ")
    }

    /// Until when an access token that was issued until `now` may live; a day longer, because the node that issued it may
    /// have had a clock that was ahead.
    pub fn covers_until(&self, now: Timestamp) -> Timestamp {
        now.plus_seconds(LONGEST_ACCESS_TOKEN_TTL + 24 * 3600)
    }

    /// Whether forwarding headers of this peer are believed; IPv4 within IPv6 is IPv4.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted_proxies.iter().any(|network| network.contains(&peer))
    }
}
