//! What every node may say about every token, and a checker that queries all nodes all the time.
//!
//! The promise: a token that was revoked longer ago than the bound is active nowhere, and on the node that took the
//! revocation it is inactive at once; a token that was never revoked is refused nowhere. A node that does not know
//! answers 503.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::json;

use super::RECOVERY;
use super::fleet::Node;
use crate::support::{Answer, TestClient, eventually};

/// The time between two questions of the checker to a node.
const PACE: Duration = Duration::from_millis(10);
/// The longest that an answer may take: each query to the database has a second.
const PATIENCE: Duration = Duration::from_secs(6);

/// What is known about a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// No revocation was attempted.
    Good,
    /// A revocation was attempted but not acknowledged.
    Doubtful,
    /// The revocation was acknowledged at this moment, by this node if a node took it.
    Revoked { at: Instant, by: Option<usize> },
}

#[derive(Clone, Debug)]
struct Tracked {
    name: String,
    token: String,
    standing: Standing,
}

/// A token that the oracle knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token(usize);

/// What a node said about a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Said {
    Active,
    Inactive,
    /// 503 with `Retry-After`.
    Unknown,
    /// Something that it must never say, or nothing.
    Wrong,
}

/// A node that the checker asks.
#[derive(Debug)]
struct Asked {
    number: usize,
    base: String,
    stop: Arc<AtomicBool>,
    said: BTreeMap<Said, usize>,
}

/// Knows what was revoked when, and judges every answer by it.
#[derive(Clone, Debug)]
pub(super) struct Oracle {
    pub(super) bound: Duration,
    /// May introspect everything.
    asker: TestClient,
    http: reqwest::Client,
    tokens: Arc<Mutex<Vec<Tracked>>>,
    nodes: Arc<Mutex<Vec<Asked>>>,
    broken: Arc<Mutex<Vec<String>>>,
}

impl Oracle {
    /// `bound` is the time within which a revocation must be honoured everywhere.
    pub(super) fn new(bound: Duration, asker: TestClient) -> Self {
        let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        Self { bound, asker, http, tokens: Arc::default(), nodes: Arc::default(), broken: Arc::default() }
    }

    /// From now on this token is expected to be good.
    pub(super) fn good(&self, name: &str, token: String) -> Token {
        let mut tokens = self.tokens.lock().unwrap();
        tokens.push(Tracked { name: name.to_owned(), token, standing: Standing::Good });
        Token(tokens.len() - 1)
    }

    /// Every token that is good and whose name has these words.
    pub(super) fn all_good(&self, words: &str) -> Vec<Token> {
        let tokens = self.tokens.lock().unwrap();
        let is_meant = |token: &Tracked| token.standing == Standing::Good && token.name.contains(words);
        (0..tokens.len()).filter(|index| is_meant(&tokens[*index])).map(Token).collect()
    }

    /// A revocation of these tokens is about to be requested.
    pub(super) fn revoking(&self, covered: &[Token]) {
        self.set(covered, Standing::Doubtful);
    }

    /// It was acknowledged just now, by a node or by the database.
    pub(super) fn revoked(&self, covered: &[Token], by: Option<usize>) {
        self.set(covered, Standing::Revoked { at: Instant::now(), by });
    }

    fn set(&self, covered: &[Token], standing: Standing) {
        let mut tokens = self.tokens.lock().unwrap();
        for Token(index) in covered {
            // What was acknowledged once stays so.
            if !matches!(tokens[*index].standing, Standing::Revoked { .. }) {
                tokens[*index].standing = standing;
            }
        }
    }

    /// Asks a node about a token now, and judges the answer.
    pub(super) async fn ask(&self, node: &Node, token: Token) -> Said {
        self.ask_at(node.number, &node.base, token).await
    }

    async fn ask_at(&self, node: usize, base: &str, Token(index): Token) -> Said {
        let token = self.tokens.lock().unwrap()[index].token.clone();
        let request = self.http.post(format!("{base}/auth/introspect")).header("Authorization", self.asker.basic());
        let begun = Instant::now();
        let answer = Answer::if_any(request.form(&[("token", token)])).await;
        // What is known after the answer: a token that is valid now was valid all the time.
        let Tracked { name, standing, .. } = self.tokens.lock().unwrap()[index].clone();
        let said = match &answer {
            Ok(answer) if answer.status == StatusCode::OK && answer.json["active"] == json!(true) => Said::Active,
            Ok(answer) if answer.status == StatusCode::OK && answer.body == r#"{"active":false}"# => Said::Inactive,
            Ok(answer) if answer.is_unavailable() => Said::Unknown,
            _ => Said::Wrong,
        };
        let is_kept = match (said, standing) {
            (Said::Active, Standing::Revoked { at, by }) => {
                begun <= at + if by == Some(node) { Duration::ZERO } else { self.bound }
            }
            (Said::Inactive, standing) => standing != Standing::Good,
            // A node that was left alone may be gone.
            (Said::Wrong, _) => answer.is_err() && !self.is_watched(base),
            _ => true,
        };
        if !is_kept {
            let since = match standing {
                Standing::Revoked { at, .. } => {
                    format!("revoked {:?} before the question", begun.saturating_duration_since(at))
                }
                other => format!("{other:?}"),
            };
            let took = begun.elapsed();
            self.breach(format!("node {node} said of {name} ({since}) after {took:?}: {said:?}, {answer:?}"));
        }
        said
    }

    fn is_watched(&self, base: &str) -> bool {
        self.nodes.lock().unwrap().iter().any(|asked| asked.base == base)
    }

    fn breach(&self, text: String) {
        self.broken.lock().unwrap().push(text);
    }

    /// Keeps asking this node, until it is [left alone](Self::leave).
    pub(super) fn watch(&self, node: &Node) {
        let (number, base, stop) = (node.number, node.base.clone(), Arc::new(AtomicBool::new(false)));
        let said = BTreeMap::new();
        self.nodes.lock().unwrap().push(Asked { number, base: base.clone(), stop: Arc::clone(&stop), said });
        let oracle = self.clone();
        tokio::spawn(async move {
            for round in 0.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let known = oracle.tokens.lock().unwrap().len();
                if known > 0 {
                    // In turn the newest ones and all of them.
                    let index = if round % 2 == 0 { known - 1 - round / 2 % known.min(8) } else { round / 2 % known };
                    let said = oracle.ask_at(number, &base, Token(index)).await;
                    let mut nodes = oracle.nodes.lock().unwrap();
                    if let Some(node) = nodes.iter_mut().find(|node| node.base == base) {
                        *node.said.entry(said).or_default() += 1;
                    }
                }
                if round % 8 == 0 {
                    oracle.ask_for_a_token(number, &base).await;
                }
                tokio::time::sleep(PACE).await;
            }
        });
    }

    /// A good client gets a token, or 503.
    async fn ask_for_a_token(&self, node: usize, base: &str) {
        let request = self.http.post(format!("{base}/auth/token")).header("Authorization", self.asker.basic());
        let answer = Answer::if_any(request.form(&[("grant_type", "client_credentials")])).await;
        let is_kept = match &answer {
            Ok(answer) => answer.status == StatusCode::OK || answer.is_unavailable(),
            Err(_) => !self.is_watched(base),
        };
        if !is_kept {
            self.breach(format!("node {node} refused a good client: {answer:?}"));
        }
    }

    /// The node may be gone from now on.
    pub(super) fn leave(&self, node: &Node) {
        self.nodes.lock().unwrap().retain(|asked| {
            let others = asked.number != node.number;
            asked.stop.fetch_or(!others, Ordering::Relaxed);
            others
        });
    }

    /// How often the checker got this answer from a node.
    pub(super) fn count(&self, node: &Node, said: Said) -> usize {
        let nodes = self.nodes.lock().unwrap();
        nodes
            .iter()
            .find(|asked| asked.number == node.number)
            .and_then(|asked| asked.said.get(&said).copied())
            .unwrap_or(0)
    }

    /// The promise was kept so far.
    #[track_caller]
    pub(super) fn assert_kept(&self) {
        let broken = self.broken.lock().unwrap().clone();
        assert!(broken.is_empty(), "{} breaches, the first: {:#?}", broken.len(), &broken[..broken.len().min(3)]);
    }

    /// Every watched node knows the state of every token, and all agree. Call it when no fault is left.
    pub(super) async fn settle(&self) {
        let nodes: Vec<(usize, String)> =
            self.nodes.lock().unwrap().iter().map(|asked| (asked.number, asked.base.clone())).collect();
        let tokens = self.tokens.lock().unwrap().clone();
        assert!(!nodes.is_empty() && !tokens.is_empty(), "there is something to ask");
        for (index, tracked) in tokens.iter().enumerate() {
            eventually(RECOVERY, &format!("all nodes are sure about {}", tracked.name), async || {
                let mut all = Vec::new();
                for (node, base) in &nodes {
                    all.push(self.ask_at(*node, base, Token(index)).await);
                }
                let say = |what: Said| all.iter().all(|said| *said == what);
                match tracked.standing {
                    Standing::Good => say(Said::Active),
                    Standing::Doubtful => say(Said::Active) || say(Said::Inactive),
                    Standing::Revoked { .. } => say(Said::Inactive),
                }
            })
            .await;
        }
        self.assert_kept();
    }
}
