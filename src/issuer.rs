//! One issuer: its name, the addresses below it, its environment, its audiences and its keys.
//!
//! Whatever needs the issuer gets it as an argument. There is one today, and only the edges (`http`, `cli`) know that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use url::Url;

use crate::keys::keyring::KeyRing;
use crate::protocol::grant::Audiences;
use crate::protocol::resource::Resources;
use crate::tokens::context::TokenContext;
use crate::tokens::environment::{Environment, KnownIssuer};

/// The configuration of an issuer.
#[derive(Clone, Debug)]
pub struct IssuerConfig {
    /// The `iss` of its tokens; empty for commands that need none.
    pub url: String,
    /// The name in the prefixes of its tokens.
    pub environment: Environment,
    /// Sibling environments, whose tokens are recognised and refused.
    pub siblings: Vec<KnownIssuer>,
    /// The audience of clients without audiences; `<issuer>/api` if not set.
    pub default_audience: Option<String>,
}

/// The keys of an issuer at one moment.
#[derive(Debug)]
pub struct CurrentKeys {
    /// The keys.
    pub ring: KeyRing,
    /// Whether the database holds keys that this node cannot unwrap: then an unknown key proves nothing.
    pub incomplete: bool,
    generation: u64,
}

impl CurrentKeys {
    /// Keys as they were just read.
    pub fn new(ring: KeyRing, incomplete: bool) -> Self {
        static GENERATIONS: AtomicU64 = AtomicU64::new(0);
        Self { ring, incomplete, generation: GENERATIONS.fetch_add(1, Ordering::Relaxed) }
    }

    /// A number that no other set of keys in this process has, of whatever issuer.
    pub const fn generation(&self) -> u64 {
        self.generation
    }
}

/// By which names an issuer and its siblings are known.
#[derive(Debug)]
struct Names {
    url: String,
    environment: Environment,
    siblings: Vec<KnownIssuer>,
}

/// What is needed to read tokens, at one moment. It may be given to another thread.
#[derive(Clone, Debug)]
pub struct IssuerView {
    names: Arc<Names>,
    keys: Arc<CurrentKeys>,
}

impl IssuerView {
    /// The context in which tokens are read.
    pub fn context(&self) -> TokenContext<'_> {
        self.names.context(&self.keys)
    }
}

impl Names {
    fn context<'a>(&'a self, keys: &'a CurrentKeys) -> TokenContext<'a> {
        let (issuer, environment) = (self.url.as_str(), &self.environment);
        TokenContext { issuer, environment, siblings: &self.siblings, ring: &keys.ring }
    }
}

/// An issuer (RFC 8414 §2) with its keys.
#[derive(Debug)]
pub struct Issuer {
    names: Arc<Names>,
    default_audience: String,
    admin_audience: String,
    userinfo_audience: String,
    keys: ArcSwap<CurrentKeys>,
}

impl Issuer {
    /// An issuer without keys; [`NodeState`](crate::state::NodeState) gives it those in the database.
    pub fn new(config: IssuerConfig) -> Self {
        let IssuerConfig { url, environment, siblings, default_audience } = config;
        Self {
            default_audience: default_audience.unwrap_or_else(|| below(&url, "/api")),
            admin_audience: below(&url, "/admin/v1"),
            userinfo_audience: below(&url, "/auth/userinfo"),
            keys: ArcSwap::from_pointee(CurrentKeys::new(KeyRing::default(), false)),
            names: Arc::new(Names { url, environment, siblings }),
        }
    }

    /// The `iss` of its tokens.
    pub fn url(&self) -> &str {
        &self.names.url
    }

    /// The URL of an endpoint, such as `/auth/token`.
    pub fn endpoint(&self, path: &str) -> String {
        below(self.url(), path)
    }

    /// The page about an error or a cause.
    pub fn error_page(&self, code: &str) -> String {
        self.endpoint(&format!("/docs/errors/{code}"))
    }

    /// The path of its URL, without a trailing slash; usually empty.
    pub fn path(&self) -> String {
        Url::parse(self.url()).map(|url| url.path().trim_end_matches('/').to_owned()).unwrap_or_default()
    }

    /// The host of its URL.
    pub fn host(&self) -> &str {
        let rest = self.url().split_once("://").map_or("", |(_, rest)| rest);
        rest.split(['/', '?']).next().unwrap_or_default()
    }

    /// The name in the prefixes of its tokens.
    pub fn environment(&self) -> &Environment {
        &self.names.environment
    }

    /// Whether a sibling environment has this name.
    pub fn has_sibling(&self, environment: &Environment) -> bool {
        self.names.siblings.iter().any(|sibling| sibling.environment == *environment)
    }

    /// The audience of clients that have none.
    pub fn default_audience(&self) -> &str {
        &self.default_audience
    }

    /// The audience of tokens for the admin API.
    pub fn admin_audience(&self) -> &str {
        &self.admin_audience
    }

    /// The audience of tokens that are for UserInfo alone.
    pub fn userinfo_audience(&self) -> &str {
        &self.userinfo_audience
    }

    /// The audiences that there are besides those of the clients.
    pub fn audiences<'a>(&'a self, resources: &'a Resources) -> Audiences<'a> {
        Audiences {
            default: &self.default_audience,
            admin: &self.admin_audience,
            userinfo: &self.userinfo_audience,
            resources,
        }
    }

    /// The current keys.
    pub fn keys(&self) -> Arc<CurrentKeys> {
        self.keys.load_full()
    }

    /// Whether the current keys are still those of this generation.
    pub fn has_keys_of(&self, generation: u64) -> bool {
        self.keys.load().generation == generation
    }

    /// The context in which tokens are read.
    pub fn token_context<'a>(&'a self, keys: &'a CurrentKeys) -> TokenContext<'a> {
        self.names.context(keys)
    }

    /// The issuer as it is now.
    pub fn view(&self) -> IssuerView {
        IssuerView { names: Arc::clone(&self.names), keys: self.keys() }
    }

    /// Replaces the keys; for [`NodeState`](crate::state::NodeState), which keeps them current.
    pub(crate) fn set_keys(&self, keys: CurrentKeys) {
        self.keys.store(Arc::new(keys));
    }
}

fn below(url: &str, path: &str) -> String {
    format!("{}{path}", url.trim_end_matches('/'))
}
