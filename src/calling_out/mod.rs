//! Calling out: the only way by which this server sends requests to others.
//!
//! Most addresses to call come from others, so a [`Caller`] trusts none. It speaks https on port 443 to public addresses; an
//! address is checked after its name was resolved, and the checked address is the one that is connected to. It follows no
//! redirects, reads no proxy variables, sends no cookies or credentials, decompresses nothing, and keeps no connections. A call
//! takes at most [`TIME_LIMIT`], names and turns included. Calls of one purpose never wait for those of another.
//!
//! Only what the operator's own settings name is called wherever it is: the collector of traces.
//!
//! Back-channel logout, metadata documents of clients, key sets of clients and issuers, and webhooks are called for.

mod address;
mod answer;
mod authorities;
mod exchange;
mod turns;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use url::Url;

pub use address::{Exception, Exceptions};
pub use answer::Answer;
pub use authorities::Authorities;

use exchange::{Exchange, Sent};
use turns::Turns;

use crate::current_request;
use crate::traces::Kind;

/// The longest that a call may take, from the wish to the whole answer.
pub const TIME_LIMIT: Duration = Duration::from_secs(5);

/// What a call is for. Each purpose has turns and limits of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A client's metadata, at the URL that is its `client_id`.
    ClientDocument,
    /// The keys of a client or an issuer (`jwks_uri`).
    KeySet,
    /// A client is told of a logout.
    LogoutNotice,
    /// A webhook is told of an event.
    Webhook,
}

impl Purpose {
    const ALL: [Self; 4] = [Self::ClientDocument, Self::KeySet, Self::LogoutNotice, Self::Webhook];

    /// Its name in traces.
    const fn name(self) -> &'static str {
        match self {
            Self::ClientDocument => "client_document",
            Self::KeySet => "key_set",
            Self::LogoutNotice => "logout_notice",
            Self::Webhook => "webhook",
        }
    }

    /// The largest body of an answer, in bytes. That of an answer to a notice or a webhook is not read.
    const fn largest_body(self) -> usize {
        match self {
            Self::ClientDocument => 5 * 1024,
            Self::KeySet => 64 * 1024,
            Self::LogoutNotice | Self::Webhook => 0,
        }
    }

    /// Calls at the same time.
    pub const fn at_once(self) -> usize {
        match self {
            // Everybody can name hosts that hang.
            Self::ClientDocument => 64,
            Self::KeySet => 16,
            Self::LogoutNotice | Self::Webhook => 32,
        }
    }

    /// Calls at the same time to one host.
    pub const fn at_once_to_a_host(self) -> usize {
        4
    }
}

/// Why a call was not made, or its answer not taken. The text is for operators.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The URL is none that is called.
    #[error("the URL {0}")]
    Url(&'static str),
    /// Its host has no address that may be reached.
    #[error("its host has no address that may be reached")]
    Inside,
    /// The name of its host leads nowhere.
    #[error("the name of its host cannot be resolved: {0}")]
    Unresolved(String),
    /// The connection could not be made, or broke.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// It was not called: there was no turn for it in time, which says nothing of it.
    #[error("too many calls are being made")]
    Busy,
    /// It took longer than [`TIME_LIMIT`].
    #[error("it took longer than {} s", TIME_LIMIT.as_secs())]
    TooSlow,
    /// The status is no success; a redirect is none.
    #[error("it answered {0}")]
    Status(u16),
    /// The head or the body of the answer is larger than it may be.
    #[error("its answer is too large")]
    TooLarge,
    /// The answer is compressed, which was not asked for.
    #[error("its answer is compressed")]
    Compressed,
    /// The answer is no JSON document by its `Content-Type`.
    #[error("its answer is no JSON document")]
    NotJson,
}

impl Refused {
    /// Its name in traces.
    const fn name(&self) -> &'static str {
        match self {
            Self::Url(_) => "url",
            Self::Inside => "inside",
            Self::Unresolved(_) => "unresolved",
            Self::Unreachable(_) => "unreachable",
            Self::Busy => "busy",
            Self::TooSlow => "timeout",
            Self::Status(_) => "status",
            Self::TooLarge => "too_large",
            Self::Compressed => "compressed",
            Self::NotJson => "not_json",
        }
    }

    /// Whether the host itself is in trouble, so that other calls to it will most likely fail as well.
    pub const fn is_about_the_host(&self) -> bool {
        match self {
            Self::Unresolved(_) | Self::Inside | Self::Unreachable(_) | Self::TooSlow => true,
            Self::Status(status) => matches!(status, 429 | 502..=504),
            Self::Url(_) | Self::Busy | Self::TooLarge | Self::Compressed | Self::NotJson => false,
        }
    }
}

/// Finds the addresses of a host.
pub type Resolver = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// Calls out. Clones share the turns.
#[derive(Clone)]
pub struct Caller {
    exceptions: Exceptions,
    exchange: Exchange,
    resolver: Resolver,
    turns: Arc<[Turns; Purpose::ALL.len()]>,
    time_limit: Duration,
}

impl fmt::Debug for Caller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Caller").field("exceptions", &self.exceptions).finish_non_exhaustive()
    }
}

impl Caller {
    /// Resolves names as the operating system does.
    pub fn new(exceptions: Exceptions) -> Self {
        Self::with_resolver(exceptions, Arc::new(|host| Box::pin(system_resolver(host))))
    }

    /// The same with another way to resolve names.
    pub fn with_resolver(exceptions: Exceptions, resolver: Resolver) -> Self {
        let turns = Arc::new(Purpose::ALL.map(Turns::of));
        let exchange = Exchange::trusting(&exceptions.authorities);
        Self { exceptions, exchange, resolver, turns, time_limit: TIME_LIMIT }
    }

    /// Fetches a JSON document. With the `etag` of an earlier answer, the answer may be that nothing has changed.
    ///
    /// # Errors
    /// [`Refused`], for every other answer too.
    pub async fn get(&self, purpose: Purpose, url: &Url, etag: Option<&str>) -> Result<Answer, Refused> {
        self.call(purpose, url, &Sent::Get { etag }).await
    }

    /// Sends a form. The answer is only whether that was a success.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn post_form(&self, purpose: Purpose, url: &Url, fields: &[(&str, &str)]) -> Result<(), Refused> {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.call(purpose, url, &Sent::Form(form)).await.map(drop)
    }

    /// Sends a JSON document with these headers. The answer is only whether that was a success.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn post_json(
        &self,
        purpose: Purpose,
        url: &Url,
        headers: &[(&str, &str)],
        document: String,
    ) -> Result<(), Refused> {
        self.call(purpose, url, &Sent::Json { headers, document: document.into() }).await.map(drop)
    }

    /// Sends a JSON document with these headers to an address that the settings of this server name: in whatever network, on
    /// whatever port, by http too. Nobody else has a say in where that is, so it takes no turn.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn post_json_to_operator(
        &self,
        url: &Url,
        headers: &[(&str, &str)],
        document: Bytes,
    ) -> Result<(), Refused> {
        let call = async {
            let target = address::any_target(url)?;
            let addresses = match target.literal {
                Some(address) => vec![address],
                None => {
                    let resolved = (self.resolver)(target.host.clone()).await;
                    resolved.map_err(|error| Refused::Unresolved(error.to_string()))?
                }
            };
            self.exchange.run(&target, &addresses, &Sent::Json { headers, document }, 0).await.map(drop)
        };
        tokio::time::timeout(self.time_limit, call).await.unwrap_or(Err(Refused::TooSlow))
    }

    async fn call(&self, purpose: Purpose, url: &Url, sent: &Sent<'_>) -> Result<Answer, Refused> {
        let mut span = current_request::span(Kind::Client, sent.method());
        span.set("http.request.method", sent.method());
        span.set("jeton.purpose", purpose.name());
        let answer = self.call_in_time(purpose, url, sent).await;
        if let Err(refused) = &answer {
            if let Refused::Status(status) = refused {
                span.set("http.response.status_code", *status);
            }
            span.failed(refused.name());
        }
        answer
    }

    async fn call_in_time(&self, purpose: Purpose, url: &Url, sent: &Sent<'_>) -> Result<Answer, Refused> {
        let call = async {
            let target = address::target(url, &self.exceptions)?;
            let turns = &self.turns[purpose as usize];
            // Half of the time is left for the host, so that it is not blamed for the wait.
            let turn = turns.take(&target.authority, target.literal.is_none());
            let (_turn, lookup) = tokio::time::timeout(self.time_limit / 2, turn).await.map_err(|_| Refused::Busy)?;
            let addresses = match target.literal {
                Some(address) => vec![address],
                None => turns::resolve(&self.resolver, target.host.clone(), lookup).await?,
            };
            let reachable = self.exceptions.reachable(&target, addresses)?;
            let answer = self.exchange.run(&target, &reachable, sent, purpose.largest_body()).await?;
            match purpose {
                // A document of another kind was not meant to be one, whatever it says.
                Purpose::ClientDocument if !answer.is_unchanged && !answer.is_json => Err(Refused::NotJson),
                _ => Ok(answer),
            }
        };
        tokio::time::timeout(self.time_limit, call).await.unwrap_or(Err(Refused::TooSlow))
    }
}

async fn system_resolver(host: String) -> io::Result<Vec<IpAddr>> {
    Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
}

#[cfg(test)]
mod tests;
