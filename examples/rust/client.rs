//! A client of a protected API that always has a good Jeton access token (client_credentials).
//!
//! It renews the token before it expires, once for all calls that need it. If the API refuses a token all the same, it
//! gets a new one and repeats the call once. If a server is busy or down, it waits; when it gives up, it says why.
//!
//! Environment: ISSUER, CLIENT_ID, CLIENT_SECRET, SCOPE, AUDIENCE, API_URL (default http://127.0.0.1:3000/data),
//! CALLS (at the same time; default 1), EVERY (seconds between rounds of calls; default: one round).

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Response, StatusCode, header};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::sleep;

/// The fraction of its life after which a token is renewed. The rest is for retries.
const RENEW_AFTER: f64 = 0.75;
/// How often a call or a renewal is tried before the client gives up.
const ATTEMPTS: u32 = 6;
/// No wait is longer than this, whatever a server asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

struct Token {
    text: String,
    renew_at: Instant,
    expires_at: Instant,
}

/// Why something failed, and how long to wait before the next attempt; `None` if another attempt is pointless.
struct Failure(String, Option<Duration>);

struct Client {
    issuer: String,
    credentials: [String; 2],
    scope: String,
    audience: String,
    http: reqwest::Client,
    /// The call that renews the token holds the lock. The others wait for it, then use the new token.
    token: Mutex<Option<Token>>,
}

impl Client {
    /// Gets a page of the API. Safe to repeat; a call that changes something may be repeated after a 401, 429 or 503
    /// with `Retry-After`, but after a broken connection only if the API recognises the repetition.
    async fn get(&self, url: &str) -> Result<Response, String> {
        let mut was_refused = false;
        let mut attempt = 0;
        loop {
            let token = self.token().await?;
            let sent = self.http.get(url).bearer_auth(&token).send().await;
            let Failure(why, wait) = match sent {
                Ok(answer) if refuses_token(&answer) && was_refused => {
                    return Err(format!("the API refuses a new token, too: {}", challenge(&answer)));
                }
                Ok(answer) if refuses_token(&answer) => {
                    was_refused = true;
                    self.forget(&token).await;
                    continue;
                }
                Ok(answer) if is_busy(answer.status()) => busy(&answer, attempt),
                Ok(answer) => return Ok(answer),
                Err(error) => Failure(format!("{error:?}"), Some(backoff(attempt))),
            };
            attempt += 1;
            match wait {
                Some(wait) if attempt < ATTEMPTS => sleep(wait).await,
                _ => return Err(format!("no answer from {url} after {attempt} attempts: {why}")),
            }
        }
    }

    /// A token that is good for a while longer.
    async fn token(&self) -> Result<String, String> {
        let mut held = self.token.lock().await;
        let mut attempt = 0;
        loop {
            if let Some(token) = held.as_ref().filter(|token| Instant::now() < token.renew_at) {
                return Ok(token.text.clone());
            }
            let Failure(why, wait) = match self.new_token(attempt).await {
                Ok(token) => return Ok(held.insert(token).text.clone()),
                Err(failure) => failure,
            };
            attempt += 1;
            match (wait, held.as_mut().filter(|token| Instant::now() < token.expires_at)) {
                // The old token is still good; the next call after the wait tries again.
                (Some(wait), Some(token)) => token.renew_at = token.expires_at.min(Instant::now() + wait),
                (Some(wait), None) if attempt < ATTEMPTS => sleep(wait).await,
                _ => return Err(format!("no token from {} after {attempt} attempts: {why}", self.issuer)),
            }
        }
    }

    async fn new_token(&self, attempt: u32) -> Result<Token, Failure> {
        let asked = Instant::now();
        let [id, secret] = &self.credentials;
        let form = [("grant_type", "client_credentials"), ("scope", &self.scope), ("resource", &self.audience)];
        let request = self.http.post(format!("{}/auth/token", self.issuer)).basic_auth(id, Some(secret)).form(&form);
        let passing = |error: reqwest::Error| Failure(format!("{error:?}"), Some(backoff(attempt)));
        let answer = request.send().await.map_err(passing)?;
        if is_busy(answer.status()) {
            return Err(busy(&answer, attempt));
        }
        let status = answer.status();
        let body: Value = answer.json().await.map_err(passing)?;
        match (body["access_token"].as_str(), body["expires_in"].as_f64()) {
            (Some(text), Some(life)) if status == StatusCode::OK => Ok(Token {
                text: text.to_owned(),
                renew_at: asked + Duration::from_secs_f64(life * RENEW_AFTER),
                expires_at: asked + Duration::from_secs_f64(life),
            }),
            // Wrong credentials or a forbidden scope: retrying does not help.
            _ => Err(Failure(
                format!("{status} {} {} {}", body["error"], body["error_description"], body["error_uri"]),
                None,
            )),
        }
    }

    /// Forgets a refused token, unless another call has replaced it already.
    async fn forget(&self, refused: &str) {
        self.token.lock().await.take_if(|token| token.text == refused);
    }
}

fn challenge(answer: &Response) -> &str {
    answer.headers().get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn refuses_token(answer: &Response) -> bool {
    answer.status() == StatusCode::UNAUTHORIZED && challenge(answer).contains("error=\"invalid_token\"")
}

fn is_busy(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// Waits as long as the server asks for, and a little more, so that not all come back at the same time.
fn busy(answer: &Response, attempt: u32) -> Failure {
    let asked = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let wait = asked
        .map_or_else(|| backoff(attempt), |seconds: u32| Duration::from_secs_f64(f64::from(seconds) + fastrand::f64()));
    Failure(answer.status().to_string(), Some(wait.min(LONGEST_WAIT)))
}

fn backoff(attempt: u32) -> Duration {
    Duration::from_secs_f64(0.2 * f64::from(1 << attempt) * (1.0 + fastrand::f64()))
}

#[tokio::main]
async fn main() -> Result<(), String> {
    let variable = |name: &str, otherwise: &str| std::env::var(name).unwrap_or_else(|_| otherwise.to_owned());
    let required = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
    // RFC 6749 §2.3.1: in Basic, id and secret are encoded like the fields of a form.
    let encoded = |name| required(name).map(|text| form_urlencoded::byte_serialize(text.as_bytes()).collect());
    let number =
        |name: &str, otherwise| variable(name, otherwise).parse::<u32>().map_err(|error| format!("{name}: {error}"));
    let http = reqwest::Client::builder().timeout(Duration::from_secs(5)).redirect(reqwest::redirect::Policy::none());
    let client = Arc::new(Client {
        issuer: required("ISSUER")?,
        credentials: [encoded("CLIENT_ID")?, encoded("CLIENT_SECRET")?],
        scope: required("SCOPE")?,
        audience: required("AUDIENCE")?,
        http: http.build().map_err(|error| error.to_string())?,
        token: Mutex::default(),
    });
    let url: Arc<str> = variable("API_URL", "http://127.0.0.1:3000/data").into();
    let (calls, every) = (number("CALLS", "1")?, number("EVERY", "0")?);
    loop {
        let mut failed = None;
        let mut round = tokio::task::JoinSet::new();
        for _ in 0..calls {
            let (client, url) = (Arc::clone(&client), Arc::clone(&url));
            round.spawn(async move {
                let answer = client.get(&url).await?;
                let status = answer.status();
                Ok(format!("{status} {}", answer.text().await.map_err(|error| error.to_string())?))
            });
        }
        for result in round.join_all().await {
            match result {
                Ok(line) => println!("{line}"),
                Err(why) => failed = Some(why),
            }
        }
        match (every, failed) {
            (0, Some(why)) => return Err(why),
            (0, None) => return Ok(()),
            (_, failed) => failed.into_iter().for_each(|why: String| eprintln!("gave up: {why}")),
        }
        sleep(Duration::from_secs(every.into())).await;
    }
}
