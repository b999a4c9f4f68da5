//! One client with one user and what they hold: everything that was acknowledged, and at most one thing in doubt.

mod check;
mod work;

use reqwest::Method;
use serde_json::{Value, json};

use super::{Counts, Random, Scene};
use crate::support::{Answer, TestClient};

struct Token {
    text: String,
    /// Its session, if it has one.
    session: Option<String>,
    good: bool,
}

struct Session {
    id: String,
    /// The newest known refresh token.
    refresh: String,
    /// How often it was presented without an answer.
    asked: usize,
    /// How often a refresh token of it may have been repeated.
    repeats: usize,
    /// Its predecessor.
    previous: Option<String>,
    /// A refresh token whose successor was used, so that it is spent for good.
    spent: Option<String>,
    good: bool,
}

struct Secret {
    id: String,
    /// `None` when the answer with it was lost.
    client: Option<TestClient>,
}

/// The effect of a write.
#[derive(Clone, Debug)]
enum Effect {
    Token(String),
    Session(String),
    User,
    Client,
    Password(String),
    Name(String),
    /// The new secret, if it is known.
    Secret(Option<(String, TestClient)>),
    SecretGone(String),
    /// The new keys, if they are known.
    Keys(Option<Vec<String>>),
    KeyGone(String),
}

/// The name here for an access token that its client revoked. The log shows it, and the audit trail does not.
pub(super) const RETURNED: &str = "token.returned";

/// A write as the audit trail shows it.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) request_id: String,
    pub(super) action: &'static str,
    pub(super) target: String,
}

/// A write that was requested and not answered.
pub(super) struct Pending {
    pub(super) action: &'static str,
    /// The beginning of its target.
    pub(super) target: String,
    effect: Effect,
}

/// Who uses the servers.
pub(super) struct Actor {
    pub(super) name: String,
    /// The client as it authenticates.
    client: TestClient,
    secrets: Vec<Secret>,
    /// A secret that is no longer valid.
    retired: Option<TestClient>,
    user: String,
    password: String,
    former: Option<String>,
    password_is_new: bool,
    client_name: Option<String>,
    tokens: Vec<Token>,
    sessions: Vec<Session>,
    /// The announced keys. Only one actor makes and deletes them.
    keys: Option<Vec<String>>,
    /// Whether secrets and keys are taken as the server shows them, since an answer was lost.
    adopts: bool,
    number: usize,
    pub(super) pending: Option<Pending>,
    /// The writes acknowledged since the last comparison of the records.
    pub(super) acknowledged: Vec<Write>,
    /// The numbers of the revocations acknowledged since then, in order.
    pub(super) numbers: Vec<i64>,
    random: Random,
    counts: Counts,
}

impl Actor {
    pub(super) async fn begin(scene: &Scene, number: usize, seed: u64) -> Self {
        let name = format!("worker{number}");
        let members = json!({
            "client_id": name, "grant_types": ["password", "client_credentials", "refresh_token"], "scope": "read",
            "retry_window": 300, "max_sessions": 1_000_000,
            "access_token_format": if number.is_multiple_of(2) { "jwt" } else { "opaque" },
        });
        let make = async |path: &str, members: Value| {
            scene.sure(async || scene.admin(&name, Method::POST, path, Some(members.clone())).await).await
        };
        let made = make("/admin/v1/clients", members).await;
        let client = TestClient { id: name.clone(), secret: Some(made.text("client_secret")), in_body: false };
        let id = made.json["secrets"][0]["id"].as_str().unwrap().to_owned();
        let password = "password 0".to_owned();
        let members = json!({"username": name, "password": password});
        let user = make("/admin/v1/users", members).await.text("id");
        let mut actor = Self {
            name,
            secrets: vec![Secret { id, client: Some(client.clone()) }],
            client,
            retired: None,
            user,
            password,
            former: None,
            password_is_new: false,
            client_name: None,
            tokens: vec![],
            sessions: vec![],
            keys: (number == 0).then(Vec::new),
            adopts: false,
            number: 0,
            pending: None,
            acknowledged: vec![],
            numbers: vec![],
            random: Random(seed),
            counts: Counts::new(),
        };
        actor.surely_log_in(scene).await;
        actor
    }

    fn count(&mut self, name: &'static str, number: u64) {
        *self.counts.entry(name).or_default() += number;
    }

    /// Notes a write that was acknowledged or is in doubt.
    fn wrote(&mut self, action: &'static str, target: String, effect: Effect, answer: Option<&Answer>) -> bool {
        let Some(answer) = answer else {
            self.pending = Some(Pending { action, target, effect });
            self.count("writes whose answer was lost", 1);
            return false;
        };
        assert!(answer.status.is_success(), "{}: {action} {target} is allowed: {answer:?}", self.name);
        let request_id = if action == RETURNED { String::new() } else { request_id(answer) };
        self.acknowledged.push(Write { request_id, action, target });
        if let Some(number) = answer.json["number"].as_i64() {
            assert!(self.numbers.last().is_none_or(|last| *last < number), "{}: {number} is not new", self.name);
            self.numbers.push(number);
        }
        self.count("writes acknowledged", 1);
        self.apply(effect);
        true
    }

    /// Settles whether the write in doubt has happened.
    pub(super) fn resolve(&mut self, happened: bool) {
        let pending = self.pending.take().unwrap();
        if happened {
            self.count("writes whose answer was lost and that had happened", 1);
            self.apply(pending.effect);
        }
    }

    fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Token(text) => self.over(|token| token.text == text, |_| false),
            Effect::Session(id) => {
                self.over(|token| token.session.as_ref() == Some(&id), |session| session.id == id);
            }
            Effect::User => self.over(|token| token.session.is_some(), |_| true),
            Effect::Client => self.over(|_| true, |_| true),
            Effect::Password(new) => {
                self.former = Some(std::mem::replace(&mut self.password, new));
                self.password_is_new = true;
                self.apply(Effect::User);
            }
            Effect::Name(name) => self.client_name = Some(name),
            Effect::Secret(Some((id, client))) => self.secrets.push(Secret { id, client: Some(client) }),
            Effect::Keys(Some(made)) => self.keys = Some(made),
            Effect::Secret(None) | Effect::Keys(None) => self.adopts = true,
            Effect::SecretGone(id) => {
                let gone = self.secrets.iter().position(|secret| secret.id == id).unwrap();
                self.retired = self.secrets.remove(gone).client.or(self.retired.take());
                self.client = self.secrets[0].client.clone().unwrap();
            }
            Effect::KeyGone(kid) => self.keys.as_mut().unwrap().retain(|key| *key != kid),
        }
    }

    fn over(&mut self, token_is: impl Fn(&Token) -> bool, session_is: impl Fn(&Session) -> bool) {
        self.tokens.iter_mut().filter(|token| token_is(token)).for_each(|token| token.good = false);
        self.sessions.iter_mut().filter(|session| session_is(session)).for_each(|session| session.good = false);
    }

    fn hold(&mut self, text: String, session: Option<String>) {
        self.tokens.push(Token { text, session, good: true });
        self.count("tokens acknowledged", 1);
    }
}

fn request_id(answer: &Answer) -> String {
    answer.header("x-request-id").unwrap().to_owned()
}

fn kids(answer: &Answer, is_meant: impl Fn(&Value) -> bool) -> Vec<String> {
    let items = answer.json["items"].as_array().unwrap().iter();
    items.filter(|key| is_meant(key)).map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}
