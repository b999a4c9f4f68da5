//! Requests at a fixed rate, however long the answers take, and what became of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::{JoinHandle, JoinSet};

use crate::support::program::Place;
use crate::support::{Answer, TestClient};

pub(crate) const USER: (&str, &str) = ("alice", "wonderland");

/// The clients and the user of a load, made by the command line, and the addresses that it goes to.
#[derive(Clone)]
pub(crate) struct Cast {
    pub(crate) http: reqwest::Client,
    /// Requests go to these in turn.
    pub(crate) bases: Arc<Mutex<Vec<String>>>,
    turn: Arc<AtomicUsize>,
    pub(crate) app: TestClient,
    pub(crate) asker: TestClient,
    pub(crate) ops: TestClient,
}

impl Cast {
    pub(crate) fn make(place: &Place) -> Self {
        let client = |id: &str, settings: &[&str]| {
            let made = place.json(&[&["client", "create", "--client-id", id], settings].concat());
            TestClient { id: id.into(), secret: made["client_secret"].as_str().map(str::to_owned), in_body: false }
        };
        let grants = ["--grant-types", "password,client_credentials,refresh_token", "--scope", "read"];
        let app = client("app", &[&grants[..], &["--max-sessions", "100000"]].concat());
        let asker = client("asker", &["--grant-types", "client_credentials", "--permissions", "introspect"]);
        let ops = client("ops", &["--grant-types", "client_credentials", "--scope", "jeton:admin"]);
        place.run_with(&["user", "create", USER.0], &format!("{}\n", USER.1)).ok();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        Self { http, bases: Arc::default(), turn: Arc::default(), app, asker, ops }
    }

    /// The next address.
    pub(crate) fn base(&self) -> String {
        let bases = self.bases.lock().unwrap();
        bases[self.turn.fetch_add(1, Ordering::Relaxed) % bases.len()].clone()
    }

    /// A form POST; an error says what came instead of an answer with status 200.
    pub(crate) async fn form(&self, path: &str, client: &TestClient, form: &[(&str, &str)]) -> Result<Answer, String> {
        self.form_at(&self.base(), path, client, form).await
    }

    pub(crate) async fn form_at(
        &self,
        base: &str,
        path: &str,
        client: &TestClient,
        form: &[(&str, &str)],
    ) -> Result<Answer, String> {
        let request = self.http.post(format!("{base}{path}")).header("Authorization", client.basic()).form(form);
        let answer = Answer::if_any(request).await.map_err(|error| format!("{path} at {base}: {error:?}"))?;
        if answer.status.as_u16() == 200 { Ok(answer) } else { Err(format!("{path} at {base}: {answer:?}")) }
    }

    pub(crate) async fn token(&self) -> Result<Answer, String> {
        self.form("/auth/token", &self.app, &[("grant_type", "client_credentials")]).await
    }

    pub(crate) async fn login(&self) -> Result<Answer, String> {
        let form = [("grant_type", "password"), ("username", USER.0), ("password", USER.1)];
        self.form("/auth/token", &self.app, &form).await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Result<Answer, String> {
        self.form("/auth/token", &self.app, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    /// Whether a token is active, as the next address says.
    pub(crate) async fn is_active(&self, token: &str) -> Result<bool, String> {
        let answer = self.form("/auth/introspect", &self.asker, &[("token", token)]).await?;
        answer.json["active"].as_bool().ok_or_else(|| format!("{answer:?}"))
    }
}

/// The kinds of requests of a load, each with how many there are in a second.
pub(crate) const KINDS: [(&str, u32); 4] =
    [("introspection", 40), ("client_credentials", 20), ("refresh", 10), ("login", 1)];

/// What became of the requests of a load, by the phase in which they were due and their kind.
#[derive(Default)]
pub(crate) struct Outcome {
    latencies: BTreeMap<(usize, &'static str), Vec<Duration>>,
    pub(crate) failures: Vec<String>,
}

impl Outcome {
    pub(crate) fn count(&self, phase: usize, kind: &'static str) -> usize {
        self.latencies.get(&(phase, kind)).map_or(0, Vec::len)
    }

    /// So many thousandths of the requests took at most this time, counted from the moment at which they were due.
    pub(crate) fn percentile(&self, phase: usize, kind: &'static str, thousandths: usize) -> Duration {
        let mut sorted = self.latencies.get(&(phase, kind)).cloned().unwrap_or_default();
        sorted.sort();
        sorted.get((sorted.len() * thousandths).div_ceil(1000).saturating_sub(1)).copied().unwrap_or_default()
    }
}

/// A load that runs.
pub(crate) struct Load {
    phase: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    pub(crate) outcome: Arc<Mutex<Outcome>>,
    sources: Vec<JoinHandle<()>>,
}

impl Load {
    /// Begins in phase 0. Refreshes go along so many sessions in turn.
    pub(crate) async fn begin(cast: &Cast, sessions: usize) -> Self {
        let load = Self { phase: Arc::default(), stop: Arc::default(), outcome: Arc::default(), sources: Vec::new() };
        let token = cast.token().await.unwrap().text("access_token");
        let (free, chains) = tokio::sync::mpsc::unbounded_channel();
        for _ in 0..sessions {
            free.send(cast.login().await.unwrap().text("refresh_token")).unwrap();
        }
        let chains = Arc::new(tokio::sync::Mutex::new(chains));
        let mut load = load;
        for (kind, rate) in KINDS {
            let (cast, token, free, chains) = (cast.clone(), token.clone(), free.clone(), Arc::clone(&chains));
            let request = move || {
                let (cast, token, free, chains) = (cast.clone(), token.clone(), free.clone(), Arc::clone(&chains));
                async move {
                    match kind {
                        "introspection" => match cast.is_active(&token).await? {
                            true => Ok(()),
                            false => Err("a good token is called inactive".to_owned()),
                        },
                        "client_credentials" => cast.token().await.map(drop),
                        "login" => cast.login().await.map(drop),
                        _ => {
                            let spent = chains.lock().await.recv().await.unwrap();
                            let next = cast.refresh(&spent).await?.text("refresh_token");
                            free.send(next).map_err(|error| error.to_string())
                        }
                    }
                }
            };
            load.sources.push(tokio::spawn(source(
                kind,
                rate,
                request,
                Arc::clone(&load.phase),
                Arc::clone(&load.stop),
                Arc::clone(&load.outcome),
            )));
        }
        load
    }

    pub(crate) fn enter(&self, phase: usize) {
        self.phase.store(phase, Ordering::Relaxed);
    }

    /// Panics when a request has failed.
    pub(crate) fn assert_good(&self) {
        let failures = &self.outcome.lock().unwrap().failures;
        assert!(failures.is_empty(), "{} requests failed, the first: {}", failures.len(), failures[0]);
    }

    /// Lets the last requests come to their end.
    pub(crate) async fn end(self) -> Arc<Mutex<Outcome>> {
        self.stop.store(true, Ordering::Relaxed);
        for source in self.sources {
            source.await.unwrap();
        }
        self.outcome
    }
}

async fn source<F: Future<Output = Result<(), String>> + Send + 'static>(
    kind: &'static str,
    rate: u32,
    request: impl Fn() -> F,
    phase: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    outcome: Arc<Mutex<Outcome>>,
) {
    let (pace, mut due, mut running) = (Duration::from_secs(1) / rate, Instant::now(), JoinSet::new());
    while !stop.load(Ordering::Relaxed) {
        due += pace;
        tokio::time::sleep_until(due.into()).await;
        let (request, phase, outcome, due) = (request(), phase.load(Ordering::Relaxed), Arc::clone(&outcome), due);
        running.spawn(async move {
            let answered = request.await;
            let mut outcome = outcome.lock().unwrap();
            match answered {
                Ok(()) => outcome.latencies.entry((phase, kind)).or_default().push(due.elapsed()),
                Err(failure) => outcome.failures.push(format!("{kind}: {failure}")),
            }
        });
        while running.try_join_next().is_some() {}
    }
    while running.join_next().await.is_some() {}
}
