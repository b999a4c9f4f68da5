//! Checks that everything is as it was acknowledged.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::super::{Counts, Scene};
use super::{Actor, Effect, Secret, Session, Write, kids, request_id};
use crate::support::eventually;

/// The most access tokens that are kept. A random one is dropped, so that some become old.
const TOKENS: usize = 24;
/// How many ended sessions are checked.
const OVER: usize = 3;
/// How soon a node that kept running refuses what was revoked.
const STALENESS: Duration = Duration::from_secs(10);

impl Actor {
    /// Everything is as it was acknowledged. Nothing is killed meanwhile, and nothing is in doubt.
    pub(crate) async fn check(&mut self, scene: &Scene) -> Counts {
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
                // Repeated wrong secrets look like guessing.
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
                // Whether or not the rotation happened, asking again returns its one successor.
                self.refresh_this(scene, index, 1).await;
            } else {
                self.judge(scene, refresh, *good).await;
                self.count("refresh tokens checked", 1);
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
            self.count("old passwords refused", 1);
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
            None => drop(self.wrote("session.reuse", format!("session {id}"), effect, None)),
            Some(answer) => {
                answer.assert_error(400, "invalid_grant");
                let (request_id, target) = (request_id(&answer), format!("session {id}"));
                self.acknowledged.push(Write { request_id, action: "session.reuse", target });
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

fn texts(list: &Value, name: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|item| item[name].as_str().unwrap().to_owned()).collect()
}
