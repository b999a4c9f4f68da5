//! One client with one user, and whatever they hold: what was acknowledged, and the one thing that may be in doubt.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::super::{Answer, TestClient, eventually, jwt_part};
use super::{Counts, LIMIT, Random, Scene};

/// The most presentations of one refresh token that are no reuse: the refresh and three repeats.
const MOST_ASKED: usize = 4;
/// How many access tokens are held at most; which of them goes is left to chance, so that some become old.
const TOKENS: usize = 24;
/// How many sessions that are over are asked about.
const OVER: usize = 3;
/// How soon what was revoked is refused by a node that went on all the time.
const STALENESS: Duration = Duration::from_secs(10);

struct Token {
    text: String,
    /// Its session, if it has one.
    session: Option<String>,
    good: bool,
}

struct Session {
    id: String,
    /// The newest refresh token that is known.
    refresh: String,
    /// How often that was presented without an answer.
    asked: usize,
    /// The one before it.
    previous: Option<String>,
    /// One whose successor was used, so that it is spent for good.
    spent: Option<String>,
    good: bool,
}

struct Secret {
    id: String,
    /// None when the answer that told it was lost.
    client: Option<TestClient>,
}

/// What a write does, once it has happened.
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

/// A write as the trail of audit tells it.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) request_id: String,
    pub(super) action: &'static str,
    pub(super) target: String,
}

/// A write that was asked for and not answered.
pub(super) struct Pending {
    pub(super) action: &'static str,
    /// What its target begins with.
    pub(super) target: String,
    effect: Effect,
}

/// Who uses the servers.
pub(super) struct Actor {
    pub(super) name: String,
    /// As it authenticates.
    client: TestClient,
    secrets: Vec<Secret>,
    /// One that is not valid any more.
    retired: Option<TestClient>,
    user: String,
    password: String,
    former: Option<String>,
    password_is_new: bool,
    client_name: Option<String>,
    tokens: Vec<Token>,
    sessions: Vec<Session>,
    /// The keys that are announced; known to one actor only, which makes and deletes them.
    keys: Option<Vec<String>>,
    /// Whether secrets and keys are taken as the server shows them, since an answer was lost.
    adopts: bool,
    number: usize,
    pub(super) pending: Option<Pending>,
    /// What was acknowledged since the records were compared.
    pub(super) acknowledged: Vec<Write>,
    /// The numbers of revocations that were acknowledged since then, in this order.
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

    /// Does one thing after the other, until it is stopped or does not know whether the last one was done.
    pub(super) async fn work(&mut self, scene: &Scene) -> Counts {
        while scene.goes_on() && self.step(scene).await {}
        std::mem::take(&mut self.counts)
    }

    /// Gives whether everything was answered.
    async fn step(&mut self, scene: &Scene) -> bool {
        match self.random.below(100) {
            0..=14 => self.token(scene).await,
            15..=39 => self.refresh(scene, 1).await,
            40..=54 => self.refresh(scene, 2).await,
            55..=61 if self.sessions.iter().filter(|session| session.good).count() < 4 => self.login(scene).await,
            62..=71 => self.revoke_a_token(scene).await,
            72..=77 => self.revoke_a_session(scene).await,
            78..=79 => {
                self.revoke(scene, json!({"user": self.user}), format!("user {}", self.user), Effect::User).await
            }
            80..=81 => {
                self.revoke(scene, json!({"client": self.name}), format!("client {}", self.name), Effect::Client).await
            }
            82..=84 => self.change_the_password(scene).await,
            85..=93 => self.rename(scene).await,
            94..=96 => self.change_a_secret(scene).await,
            97..=99 if self.keys.is_some() => self.change_keys(scene).await,
            _ => self.token(scene).await,
        }
    }

    /// A write was asked for: acknowledged, or in doubt.
    fn wrote(&mut self, action: &'static str, target: String, effect: Effect, answer: Option<&Answer>) -> bool {
        let Some(answer) = answer else {
            self.pending = Some(Pending { action, target, effect });
            self.count("writes in doubt", 1);
            return false;
        };
        assert!(answer.status.is_success(), "{}: {action} {target} is allowed: {answer:?}", self.name);
        self.acknowledged.push(Write { request_id: request_id(answer), action, target });
        if let Some(number) = answer.json["number"].as_i64() {
            assert!(self.numbers.last().is_none_or(|last| *last < number), "{}: {number} is not new", self.name);
            self.numbers.push(number);
        }
        self.count("writes acknowledged", 1);
        self.apply(effect);
        true
    }

    /// What was in doubt has happened, or not.
    pub(super) fn resolve(&mut self, happened: bool) {
        let pending = self.pending.take().unwrap();
        if happened {
            self.count("writes in doubt that had happened", 1);
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

    async fn token(&mut self, scene: &Scene) -> bool {
        let answer = scene.form(&self.client, "/auth/token", &[("grant_type", "client_credentials")]).await;
        let Some(answer) = answer else { return false };
        self.hold(answer.assert_ok().text("access_token"), None);
        true
    }

    async fn login(&mut self, scene: &Scene) -> bool {
        let form = [("grant_type", "password"), ("username", &*self.name), ("password", &*self.password)];
        let Some(answer) = scene.form(&self.client, "/auth/token", &form).await else { return false };
        let access = answer.assert_ok().text("access_token");
        let Some(id) = claim(scene, &access, "sid").await else { return false };
        let refresh = answer.text("refresh_token");
        self.sessions.push(Session { id: id.clone(), refresh, asked: 0, previous: None, spent: None, good: true });
        self.hold(access, Some(id));
        self.count("logins acknowledged", 1);
        true
    }

    /// The password in force is accepted; a machine that is too busy to hash it is asked again.
    async fn surely_log_in(&mut self, scene: &Scene) {
        let begun = Instant::now();
        while !self.login(scene).await {
            assert!(begun.elapsed() < LIMIT, "{}: the password in force is accepted", self.name);
        }
    }

    /// Refreshes a session by so many simultaneous requests with one token; first one whose answer was lost.
    async fn refresh(&mut self, scene: &Scene, times: usize) -> bool {
        let good: Vec<usize> = (0..self.sessions.len()).filter(|index| self.sessions[*index].good).collect();
        let lost = good.iter().copied().find(|index| self.sessions[*index].asked > 0);
        if good.is_empty() {
            return self.login(scene).await;
        }
        let any = good[self.random.below(good.len())];
        self.refresh_this(scene, lost.unwrap_or(any), times).await
    }

    async fn refresh_this(&mut self, scene: &Scene, index: usize, times: usize) -> bool {
        let session = &mut self.sessions[index];
        if session.asked + times > MOST_ASKED {
            // One more could be reuse, which is no fault of the server.
            let id = self.sessions.remove(index).id;
            self.tokens.retain(|token| token.session.as_ref() != Some(&id));
            return true;
        }
        let is_retry = session.asked > 0;
        session.asked += times;
        let (presented, id) = (session.refresh.clone(), session.id.clone());
        let form = [("grant_type", "refresh_token"), ("refresh_token", &*presented)];
        let asked = (0..times).map(|_| scene.form(&self.client, "/auth/token", &form));
        let answers = join_all(asked).await;
        let mut successor: Option<String> = None;
        for answer in answers.iter().flatten() {
            assert_eq!(answer.status, 200, "{}: a good refresh of {id} is refused: {}", self.name, answer.body);
            let next = answer.text("refresh_token");
            assert!(successor.as_ref().is_none_or(|known| *known == next), "{}: {id} has two successors", self.name);
            successor = Some(next);
            self.hold(answer.text("access_token"), Some(id.clone()));
        }
        if let Some(next) = successor {
            assert_ne!(next, presented, "{}: {id} was rotated", self.name);
            let session = &mut self.sessions[index];
            session.spent = session.previous.replace(presented).or(session.spent.take());
            (session.refresh, session.asked) = (next, 0);
            self.count("rotations acknowledged", 1);
            self.count("rotations that repeated a request whose answer was lost", u64::from(is_retry));
            self.count("rotations with two simultaneous requests", u64::from(times > 1));
        }
        answers.iter().all(Option::is_some)
    }

    async fn revoke(&mut self, scene: &Scene, body: Value, target: String, effect: Effect) -> bool {
        let answer = scene.admin(&self.name, Method::POST, "/admin/v1/revocations", Some(body)).await;
        self.wrote("revocation.create", target, effect, answer.as_ref())
    }

    async fn revoke_a_token(&mut self, scene: &Scene) -> bool {
        let good: Vec<String> = self.tokens.iter().filter(|token| token.good).map(|token| token.text.clone()).collect();
        if good.is_empty() {
            return self.token(scene).await;
        }
        let text = good[self.random.below(good.len())].clone();
        let Some(jti) = claim(scene, &text, "jti").await else { return false };
        let (target, effect) = (format!("token {jti}"), Effect::Token(text.clone()));
        if self.random.below(2) == 0 {
            return self.revoke(scene, json!({"token": text}), target, effect).await;
        }
        let answer = scene.form(&self.client, "/auth/revoke", &[("token", &text)]).await;
        self.wrote("revocation.create", target, effect, answer.as_ref())
    }

    async fn revoke_a_session(&mut self, scene: &Scene) -> bool {
        let good: Vec<&Session> = self.sessions.iter().filter(|session| session.good).collect();
        if good.is_empty() {
            return self.login(scene).await;
        }
        let session = good[self.random.below(good.len())];
        let (id, refresh) = (session.id.clone(), session.refresh.clone());
        let (target, effect) = (format!("session {id}"), Effect::Session(id.clone()));
        let answer = match self.random.below(3) {
            0 => return self.revoke(scene, json!({"session": id}), target, effect).await,
            1 => scene.admin(&self.name, Method::DELETE, &format!("/admin/v1/sessions/{id}"), None).await,
            _ => scene.form(&self.client, "/auth/revoke", &[("token", &refresh)]).await,
        };
        self.wrote("revocation.create", target, effect, answer.as_ref())
    }

    async fn change_the_password(&mut self, scene: &Scene) -> bool {
        self.number += 1;
        let (path, new) = (format!("/admin/v1/users/{}/password", self.user), format!("password {}", self.number));
        let answer = scene.admin(&self.name, Method::PUT, &path, Some(json!({"password": new}))).await;
        self.wrote("user.password", format!("user {}", self.user), Effect::Password(new), answer.as_ref())
    }

    async fn rename(&mut self, scene: &Scene) -> bool {
        self.number += 1;
        let new = format!("name {}", self.number);
        let path = format!("/admin/v1/clients/{}", self.name);
        let answer = scene.admin(&self.name, Method::PATCH, &path, Some(json!({"client_name": new}))).await;
        self.wrote("client.update", format!("client {}", self.name), Effect::Name(new), answer.as_ref())
    }

    /// Adds a secret, or retires one of two: one that was lost, else the one in use.
    async fn change_a_secret(&mut self, scene: &Scene) -> bool {
        let (path, target) = (format!("/admin/v1/clients/{}/secrets", self.name), format!("client {}", self.name));
        if self.secrets.len() == 1 {
            let answer = scene.admin(&self.name, Method::POST, &path, None).await;
            let made = answer
                .as_ref()
                .filter(|answer| answer.status.is_success())
                .map(|answer| (answer.text("id"), self.client.with_secret(&answer.text("client_secret"))));
            return self.wrote("client.secret.add", target, Effect::Secret(made), answer.as_ref());
        }
        let lost = self.secrets.iter().position(|secret| secret.client.is_none());
        let id = self.secrets[lost.unwrap_or_default()].id.clone();
        let answer = scene.admin(&self.name, Method::DELETE, &format!("{path}/{id}"), None).await;
        self.wrote("client.secret.retire", target, Effect::SecretGone(id), answer.as_ref())
    }

    /// Announces keys, or deletes one that is announced.
    async fn change_keys(&mut self, scene: &Scene) -> bool {
        if let Some(kid) = self.keys.as_ref().and_then(|keys| keys.first()).cloned() {
            let answer = scene.admin(&self.name, Method::DELETE, &format!("/admin/v1/keys/{kid}"), None).await;
            return self.wrote("key.delete", format!("key {kid}"), Effect::KeyGone(kid), answer.as_ref());
        }
        let Some(answer) = scene.admin(&self.name, Method::POST, "/admin/v1/keys/rotate", None).await else {
            return self.wrote("key.rotate", "key ".into(), Effect::Keys(None), None);
        };
        let made: Vec<String> = kids(&answer, |_| true);
        assert!(!made.is_empty(), "{answer:?}");
        for kid in &made[1..] {
            self.acknowledged.push(Write {
                request_id: request_id(&answer),
                action: "key.rotate",
                target: format!("key {kid}"),
            });
        }
        self.wrote("key.rotate", format!("key {}", made[0]), Effect::Keys(Some(made.clone())), Some(&answer))
    }

    /// Everything is as it was acknowledged. Nothing is killed meanwhile, and nothing is in doubt.
    pub(super) async fn check(&mut self, scene: &Scene) -> Counts {
        if self.pending.is_none() {
            self.check_the_client(scene).await;
            self.check_tokens(scene).await;
            self.check_sessions(scene).await;
            self.check_the_password(scene).await;
            self.present_a_spent_token(scene).await;
            self.forget_some();
        }
        std::mem::take(&mut self.counts)
    }

    async fn check_the_client(&mut self, scene: &Scene) {
        let path = format!("/admin/v1/clients/{}", self.name);
        let shown = scene.sure(async || scene.admin(&self.name, Method::GET, &path, None).await).await;
        assert_eq!(shown.assert_ok().json["client_name"].as_str(), self.client_name.as_deref(), "{}", self.name);
        let ids: Vec<String> = texts(&shown.json["secrets"], "id");
        let keys = match &self.keys {
            None => vec![],
            Some(_) => {
                let shown = scene.sure(async || scene.admin(&self.name, Method::GET, "/admin/v1/keys", None).await);
                kids(shown.await.assert_ok(), |key| key["state"] == "announced")
            }
        };
        if self.adopts {
            let unknown: Vec<&String> =
                ids.iter().filter(|id| !self.secrets.iter().any(|secret| secret.id == **id)).collect();
            self.secrets.extend(unknown.into_iter().map(|id| Secret { id: id.clone(), client: None }));
            self.keys = self.keys.as_ref().map(|_| keys.clone());
            self.adopts = false;
        }
        let mut known: Vec<&String> = self.secrets.iter().map(|secret| &secret.id).collect();
        let mut ids: Vec<&String> = ids.iter().collect();
        known.sort();
        ids.sort();
        assert_eq!(known, ids, "{}: its secrets", self.name);
        if let Some(known) = &self.keys {
            let sorted = |keys: &Vec<String>| {
                let mut keys = keys.clone();
                keys.sort();
                keys
            };
            assert_eq!(sorted(known), sorted(&keys), "the keys that are announced");
        }
        let grant = [("grant_type", "client_credentials")];
        for client in self.secrets.iter().filter_map(|secret| secret.client.clone()) {
            // The token is active, too: this node knows of everything that was revoked before.
            eventually(STALENESS, "a new token of a good client is good", async || {
                let answer = scene.sure(async || scene.form(&client, "/auth/token", &grant).await).await;
                scene.introspect(&answer.assert_ok().text("access_token")).await["active"] == json!(true)
            })
            .await;
        }
        if let Some(retired) = &self.retired {
            eventually(STALENESS, "a retired secret is refused", async || {
                let answer = scene.sure(async || scene.form(retired, "/auth/token", &grant).await).await;
                // It is presented again and again, which looks like guessing.
                answer.status == 401 || answer.is_slowed_down()
            })
            .await;
            self.count("retired secrets refused", 1);
        }
    }

    async fn check_tokens(&mut self, scene: &Scene) {
        for token in &self.tokens {
            self.judge(scene, &token.text, token.good).await;
        }
        let (good, all) = (self.tokens.iter().filter(|token| token.good).count(), self.tokens.len());
        self.count("good tokens found good", good as u64);
        self.count("revoked tokens found revoked", (all - good) as u64);
    }

    async fn judge(&self, scene: &Scene, text: &str, good: bool) {
        if good {
            assert_eq!(scene.introspect(text).await["active"], json!(true), "{}: a good token", self.name);
            return;
        }
        eventually(STALENESS, &format!("{}: what is over is inactive", self.name), async || {
            scene.introspect(text).await["active"] == json!(false)
        })
        .await;
    }

    async fn check_sessions(&mut self, scene: &Scene) {
        let mut index = 0;
        while index < self.sessions.len() {
            let Session { good, asked, refresh, previous, id, .. } = &self.sessions[index];
            let (id, was_lost) = (id.clone(), *good && *asked > 0);
            if let Some(previous) = previous.clone() {
                assert_eq!(scene.introspect(&previous).await["active"], json!(false), "{}: it was spent", self.name);
            }
            if was_lost {
                // Its rotation has happened or not: either way the one that asks again gets the one successor.
                self.refresh_this(scene, index, 1).await;
            } else {
                self.judge(scene, refresh, *good).await;
                self.count("refresh tokens judged", 1);
            }
            index += usize::from(self.sessions.get(index).is_some_and(|session| session.id == id));
        }
    }

    async fn check_the_password(&mut self, scene: &Scene) {
        if !self.password_is_new && self.random.below(8) > 0 {
            return;
        }
        self.surely_log_in(scene).await;
        if let Some(former) = &self.former {
            let form = [("grant_type", "password"), ("username", &*self.name), ("password", former)];
            let answer = scene.sure(async || scene.form(&self.client, "/auth/token", &form).await).await;
            answer.assert_error(400, "invalid_grant");
            self.count("former passwords refused", 1);
        }
        self.password_is_new = false;
    }

    /// A refresh token whose successor was used is refused, and ends its session.
    async fn present_a_spent_token(&mut self, scene: &Scene) {
        let index = self.sessions.iter().position(|session| session.good && session.spent.is_some());
        let Some(index) = index.filter(|_| self.random.below(4) == 0) else { return };
        let (id, spent) = (self.sessions[index].id.clone(), self.sessions[index].spent.clone().unwrap());
        let form = [("grant_type", "refresh_token"), ("refresh_token", &*spent)];
        let answer = scene.form(&self.client, "/auth/token", &form).await;
        let effect = Effect::Session(id.clone());
        match answer {
            None => drop(self.wrote("revocation.create", format!("session {id}"), effect, None)),
            Some(answer) => {
                answer.assert_error(400, "invalid_grant");
                let (request_id, target) = (request_id(&answer), format!("session {id}"));
                self.acknowledged.push(Write { request_id, action: "revocation.create", target });
                self.apply(effect);
                self.count("spent refresh tokens refused", 1);
            }
        }
    }

    fn forget_some(&mut self) {
        while self.tokens.len() > TOKENS {
            let one = self.random.below(self.tokens.len());
            self.tokens.remove(one);
        }
        while self.sessions.iter().filter(|session| !session.good).count() > OVER {
            let oldest = self.sessions.iter().position(|session| !session.good).unwrap();
            self.sessions.remove(oldest);
        }
    }
}

/// A claim of an access token of a good session or client; an opaque one shows it by introspection. None: no answer.
async fn claim(scene: &Scene, access: &str, name: &str) -> Option<String> {
    if access.starts_with("ey") {
        return Some(jwt_part(access, 1)[name].as_str().unwrap().to_owned());
    }
    let answer = scene.form(&scene.asker, "/auth/introspect", &[("token", access)]).await?;
    Some(answer.assert_active().text(name))
}

fn request_id(answer: &Answer) -> String {
    answer.header("x-request-id").unwrap().to_owned()
}

fn texts(list: &Value, name: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|item| item[name].as_str().unwrap().to_owned()).collect()
}

fn kids(answer: &Answer, is_meant: impl Fn(&Value) -> bool) -> Vec<String> {
    let items = answer.json["items"].as_array().unwrap().iter();
    items.filter(|key| is_meant(key)).map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}
