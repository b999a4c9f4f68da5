//! What an actor does under load: one step after the other, each acknowledged, refused or in doubt.

use std::time::Instant;

use futures_util::future::join_all;
use jeton::protocol::token_id::TokenId;
use reqwest::Method;
use serde_json::{Value, json};

use super::super::{Counts, LIMIT, Scene};
use super::{Actor, Effect, RETURNED, Session, Write, kids, request_id};
use crate::support::jwt_part;

/// The most presentations of one refresh token that are no reuse: the refresh and three repeats.
const MOST_ASKED: usize = 4;
/// The most repeats of a session within an hour that are no reuse.
const MOST_REPEATS: usize = 12;

impl Actor {
    /// Works step by step until it is stopped or does not know whether its last step was done.
    pub(crate) async fn work(&mut self, scene: &Scene) -> Counts {
        while scene.goes_on() && self.step(scene).await {}
        std::mem::take(&mut self.counts)
    }

    /// Returns whether everything was answered.
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
        self.sessions.push(Session {
            id: id.clone(),
            refresh,
            asked: 0,
            repeats: 0,
            previous: None,
            spent: None,
            good: true,
        });
        self.hold(access, Some(id));
        self.count("logins acknowledged", 1);
        true
    }

    /// The current password is accepted; a server that is too busy to hash it is asked again.
    pub(super) async fn surely_log_in(&mut self, scene: &Scene) {
        let begun = Instant::now();
        while !self.login(scene).await {
            assert!(begun.elapsed() < LIMIT, "{}: the password in force is accepted", self.name);
        }
    }

    /// Refreshes a session with `times` simultaneous requests; sessions whose last answer was lost come first.
    async fn refresh(&mut self, scene: &Scene, times: usize) -> bool {
        let good: Vec<usize> = (0..self.sessions.len()).filter(|index| self.sessions[*index].good).collect();
        let lost = good.iter().copied().find(|index| self.sessions[*index].asked > 0);
        if good.is_empty() {
            return self.login(scene).await;
        }
        let any = good[self.random.below(good.len())];
        self.refresh_this(scene, lost.unwrap_or(any), times).await
    }

    pub(super) async fn refresh_this(&mut self, scene: &Scene, index: usize, times: usize) -> bool {
        let session = &mut self.sessions[index];
        session.repeats += if session.asked > 0 { times } else { times - 1 };
        if session.asked + times > MOST_ASKED || session.repeats > MOST_REPEATS {
            // One more could count as reuse, and rightly so.
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
            self.count("rotations repeated because the answer was lost", u64::from(is_retry));
            self.count("rotations by two requests at a time", u64::from(times > 1));
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
        self.wrote(RETURNED, format!("token {}", hex(&jti)), effect, answer.as_ref())
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
}

/// A claim of an access token of a good session or client; an opaque one shows it by introspection. None: no answer.
async fn claim(scene: &Scene, access: &str, name: &str) -> Option<String> {
    if access.starts_with("ey") {
        return Some(jwt_part(access, 1)[name].as_str().unwrap().to_owned());
    }
    let answer = scene.form(&scene.asker, "/auth/introspect", &[("token", access)]).await?;
    Some(answer.assert_active().text(name))
}

/// The id of a token as the statements that read the log show it.
fn hex(jti: &str) -> String {
    let id: TokenId = jti.parse().unwrap();
    id.bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}
