//! A running case: each operation is performed on a server, and the model predicts the result.

use std::collections::BTreeSet;

use jeton::protocol::cause::Cause;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::nodes::Nodes;
use super::operation::{Asker, NEWEST, Operation, chosen};
use super::plain::{
    ACCESS_TTL, CLIENTS, Holder, Model, PUBLIC, REFRESH_TTL, RETRY_WINDOWS, Refreshed, SESSION_TTL, USERS,
};
use crate::support::{Answer, TestClient, TestServer};

/// Asks again while the server is too busy to hash a password.
async fn served(mut ask: impl AsyncFnMut() -> Answer) -> Answer {
    loop {
        let answer = ask().await;
        if answer.status != StatusCode::SERVICE_UNAVAILABLE {
            return answer;
        }
    }
}

pub(super) struct Case<'a> {
    nodes: &'a Nodes,
    number: usize,
    model: Model,
    clients: Vec<TestClient>,
    user_ids: Vec<String>,
}

impl<'a> Case<'a> {
    /// A model, with its own clients and users on the servers.
    pub(super) async fn begin(nodes: &'a Nodes, number: usize) -> Self {
        let mut case = Self { nodes, number, model: Model::new(), clients: vec![], user_ids: vec![] };
        for client in 0..CLIENTS {
            let client = case.make_client(client).await;
            case.clients.push(client);
        }
        for user in 0..USERS {
            let id = case.make_user(user).await;
            case.user_ids.push(id);
        }
        case
    }

    fn client_id(&self, client: usize) -> String {
        format!("case{}-client{client}", self.number)
    }

    fn username(&self, user: usize) -> String {
        format!("case{}-user{user}", self.number)
    }

    fn password(&self, changes: u32) -> String {
        format!("password {changes}")
    }

    async fn make_client(&self, client: usize) -> TestClient {
        let mut members = json!({
            "grant_types": ["password", "client_credentials", "refresh_token"], "scope": "read",
            "access_token_ttl": ACCESS_TTL, "refresh_token_ttl": REFRESH_TTL, "session_ttl": SESSION_TTL,
            "retry_window": RETRY_WINDOWS[client],
            "access_token_format": if client == 1 { "opaque" } else { "jwt" },
        });
        if client == PUBLIC {
            members["token_endpoint_auth_method"] = json!("none");
            members["grant_types"] = json!(["password", "refresh_token"]);
        }
        let node = &self.nodes.all[0];
        members["client_id"] = json!(self.client_id(client));
        let answer = self.admin(node, Method::POST, "/admin/v1/clients", Some(members)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let secret = answer.json["client_secret"].as_str().map(str::to_owned);
        TestClient { id: self.client_id(client), secret, in_body: false }
    }

    async fn make_user(&self, user: usize) -> String {
        let password = self.password(self.model.users[user].password);
        let members = json!({"username": self.username(user), "password": password});
        let answer = self.admin(&self.nodes.all[0], Method::POST, "/admin/v1/users", Some(members)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer.text("id")
    }

    /// An admin request, with a new token when the old one has expired.
    async fn admin(&self, node: &TestServer, method: Method, path: &str, body: Option<Value>) -> Answer {
        let ask = async || served(async || node.admin(method.clone(), path, body.clone()).await).await;
        let answer = ask().await;
        if answer.status != StatusCode::UNAUTHORIZED {
            return answer;
        }
        node.forget_admin_token().await;
        ask().await
    }

    async fn change(&self, node: &TestServer, method: Method, path: &str, body: Option<Value>) -> Answer {
        let answer = self.admin(node, method.clone(), path, body).await;
        assert!(answer.status.is_success(), "{method} {path}: {answer:?}");
        answer
    }

    async fn revoke(&self, node: &TestServer, target: Value) {
        self.change(node, Method::POST, "/admin/v1/revocations", Some(target)).await;
    }

    fn session(&self, choice: usize) -> Option<usize> {
        chosen(choice, self.model.sessions.len())
    }

    fn token(&self, choice: usize) -> Option<usize> {
        chosen(choice, self.model.tokens.len())
    }

    /// The generation that many steps back, if there is one.
    fn generation(&self, session: usize, back: usize) -> Option<String> {
        self.model.sessions[session].tokens.iter().rev().nth(back).cloned()
    }

    pub(super) async fn perform(&mut self, operation: &Operation, node: &TestServer) {
        use Operation::*;
        match *operation {
            Login { user, client, old_password } => self.login(node, user, client, old_password).await,
            ClientCredentials { client } => self.client_credentials(node, client).await,
            Refresh { session, back } => self.refresh(node, session, back).await,
            RevokeToken { token } => {
                let Some(token) = self.token(token) else { return };
                let (text, client) = (self.model.tokens[token].text.clone(), self.model.tokens[token].client);
                let answer = node.revoke(&self.clients[client], &text).await;
                if self.authenticates(&answer, client) {
                    self.model.revoke_token(token);
                }
            }
            RevokeRefreshToken { session, back } => {
                let Some(session) = self.session(session) else { return };
                let Some(text) = self.generation(session, back) else { return };
                let client = self.model.sessions[session].client;
                let answer = node.revoke(&self.clients[client], &text).await;
                if self.authenticates(&answer, client) {
                    self.model.revoke_refresh_token(session);
                }
            }
            RevokeSession { session } => {
                let Some(session) = self.session(session) else { return };
                let newest = self.generation(session, 0).unwrap();
                if self.model.is_over(session) {
                    return;
                }
                self.revoke(node, json!({"token": newest})).await;
                self.model.revoke_session(session, Cause::SessionRevoked);
            }
            RevokeUser { user } if self.model.users[user].exists => {
                self.revoke(node, json!({"user": self.user_ids[user]})).await;
                self.model.revoke_user(user, Cause::UserRevoked);
            }
            RevokeClient { client } if self.model.clients[client].exists => {
                self.revoke(node, json!({"client": self.client_id(client)})).await;
                self.model.revoke_client(client, Cause::ClientRevoked);
            }
            RevokeAll => {
                self.revoke(node, json!({"all": true})).await;
                self.model.revoke_all();
            }
            ChangePassword { user } if self.model.users[user].exists => {
                let password = self.password(self.model.users[user].password + 1);
                let path = format!("/admin/v1/users/{}/password", self.user_ids[user]);
                self.change(node, Method::PUT, &path, Some(json!({"password": password}))).await;
                self.model.users[user].password += 1;
                self.model.revoke_user(user, Cause::UserRevoked);
            }
            EnableUser { user, enabled } if self.model.users[user].exists => {
                let path = format!("/admin/v1/users/{}", self.user_ids[user]);
                self.change(node, Method::PATCH, &path, Some(json!({"enabled": enabled}))).await;
                if self.model.users[user].enabled && !enabled {
                    self.model.revoke_user(user, Cause::UserDisabled);
                }
                self.model.users[user].enabled = enabled;
            }
            EnableClient { client, enabled } if self.model.clients[client].exists => {
                let path = format!("/admin/v1/clients/{}", self.client_id(client));
                self.change(node, Method::PATCH, &path, Some(json!({"enabled": enabled}))).await;
                if self.model.clients[client].enabled && !enabled {
                    self.model.revoke_client(client, Cause::ClientDisabled);
                }
                self.model.clients[client].enabled = enabled;
            }
            DeleteUser { user } => {
                if self.model.users[user].exists {
                    let path = format!("/admin/v1/users/{}", self.user_ids[user]);
                    self.change(node, Method::DELETE, &path, None).await;
                    self.model.revoke_user(user, Cause::UserDeleted);
                    self.model.users[user].exists = false;
                } else {
                    self.model.make_user_again(user);
                    self.user_ids[user] = self.make_user(user).await;
                }
            }
            DeleteClient { client } => {
                if self.model.clients[client].exists {
                    let path = format!("/admin/v1/clients/{}", self.client_id(client));
                    self.change(node, Method::DELETE, &path, None).await;
                    self.model.revoke_client(client, Cause::ClientDeleted);
                    self.model.clients[client].exists = false;
                } else {
                    self.model.clients[client] = Holder::new();
                    self.clients[client] = self.make_client(client).await;
                }
            }
            Advance { seconds } => {
                node.advance(seconds);
                self.model.now += seconds;
            }
            Reach { limit, before } => {
                let Some(limit) = self.model.limit(limit) else { return };
                let seconds = limit.saturating_sub(u64::from(before)).saturating_sub(self.model.now);
                node.advance(seconds);
                self.model.now += seconds;
                self.refresh(node, NEWEST, 1).await;
            }
            RefreshOften { session } => {
                self.refresh(node, session, 0).await;
                for _ in 0..5 {
                    self.refresh(node, session, 1).await;
                }
            }
            Introspect { token, asker } => {
                let Some(token) = self.token(token) else { return };
                self.introspect(node, token, asker).await;
            }
            IntrospectRefreshToken { session, back } => {
                let Some(session) = self.session(session) else { return };
                self.introspect_refresh_token(node, session, back).await;
            }
            Explain { token } => {
                let Some(token) = self.token(token) else { return };
                self.explain(node, token).await;
            }
            RevokeUser { .. }
            | RevokeClient { .. }
            | ChangePassword { .. }
            | EnableUser { .. }
            | EnableClient { .. } => {}
        }
    }

    /// Whether a client was accepted, which must be so as long as it is good.
    #[track_caller]
    fn authenticates(&self, answer: &Answer, client: usize) -> bool {
        if self.model.clients[client].is_good() {
            assert_ne!(answer.json["error"], json!("invalid_client"), "client {client} is good: {answer:?}");
            return true;
        }
        answer.assert_error(401, "invalid_client");
        false
    }

    async fn login(&mut self, node: &TestServer, user: usize, client: usize, old_password: bool) {
        let changes = self.model.users[user].password;
        let tried = if old_password { changes.wrapping_sub(1) } else { changes };
        let (username, password) = (self.username(user), self.password(tried));
        let form = [("grant_type", "password"), ("username", &*username), ("password", &*password)];
        let answer = served(async || node.token(&self.clients[client], &form).await).await;
        if !self.authenticates(&answer, client) {
            return;
        }
        if !self.model.may_log_in(user, tried) {
            return answer.assert_error(400, "invalid_grant");
        }
        self.model.logged_in(user, client, answer.assert_ok().text("refresh_token"));
        self.model.issued(answer.text("access_token"), client, Some(self.model.sessions.len() - 1));
    }

    async fn client_credentials(&mut self, node: &TestServer, client: usize) {
        let answer = node.token(&self.clients[client], &[("grant_type", "client_credentials")]).await;
        if client == PUBLIC {
            assert!(answer.status.is_client_error(), "{answer:?}");
        } else if self.authenticates(&answer, client) {
            self.model.issued(answer.assert_ok().text("access_token"), client, None);
        }
    }

    async fn refresh(&mut self, node: &TestServer, session: usize, back: usize) {
        let Some(session) = self.session(session) else { return };
        let Some(text) = self.generation(session, back) else { return };
        let client = self.model.sessions[session].client;
        let answer = node.refresh(&self.clients[client], &text).await;
        if !self.authenticates(&answer, client) {
            return;
        }
        let expected = self.model.refresh(session, back);
        if expected == Refreshed::Refused {
            return answer.assert_error(400, "invalid_grant");
        }
        assert_eq!(answer.status, StatusCode::OK, "{expected:?}: {answer:?}");
        let next = answer.text("refresh_token");
        let known = &mut self.model.sessions[session].tokens;
        match expected {
            Refreshed::Repeated => assert_eq!(Some(&next), known.last(), "a repeat gives the same successor"),
            _ => {
                assert!(!known.contains(&next), "a rotation gives a new token");
                known.push(next);
            }
        }
        self.model.issued(answer.text("access_token"), client, Some(session));
    }

    async fn introspect(&self, node: &TestServer, token: usize, asker: Asker) {
        let (client, causes) = (self.model.tokens[token].client, self.model.causes(token));
        let text = &self.model.tokens[token].text;
        let (who, sees) = match asker {
            Asker::Api => (&self.nodes.api, true),
            Asker::Stranger => (&self.nodes.stranger, false),
            Asker::Owner if client == PUBLIC => return,
            Asker::Owner => (&self.clients[client], true),
        };
        let answer = node.introspect(who, text).await;
        if matches!(asker, Asker::Owner) && !self.authenticates(&answer, client) {
            return;
        }
        if sees && causes.is_empty() {
            answer.assert_active();
        } else {
            assert_eq!(answer.body, r#"{"active":false}"#, "token {token}, {causes:?}: {answer:?}");
        }
    }

    async fn introspect_refresh_token(&self, node: &TestServer, session: usize, back: usize) {
        let Some(text) = self.generation(session, back) else { return };
        let answer = node.introspect(&self.nodes.api, &text).await;
        let expected = self.model.refresh_token_is_active(session, back);
        assert_eq!(answer.json["active"], json!(expected), "session {session}, {back} back: {answer:?}");
    }

    /// The causes are those of the model, and the first cause comes first.
    async fn explain(&self, node: &TestServer, token: usize) {
        let expected = self.model.causes(token);
        let answer = node.form(&self.nodes.api, "/auth/explain", &[("token", &self.model.tokens[token].text)]).await;
        let told = &answer.assert_ok().json;
        assert_eq!(told["active"], json!(expected.is_empty()), "token {token}, {expected:?}: {told}");
        let all = told["all_causes"].as_array().unwrap().iter();
        let all: BTreeSet<Cause> =
            all.map(|cause| cause["cause"].as_str().or(cause.as_str()).unwrap().parse().unwrap()).collect();
        assert_eq!(all, expected, "token {token}: {told}");
        let first = expected.first().map(|cause| json!(cause.name())).unwrap_or_default();
        assert_eq!(told["cause"], first, "token {token}, {expected:?}: {told}");
    }

    /// The newest tokens and sessions are as the model predicts.
    pub(super) async fn is_right(&self, node: &TestServer, newest: usize) {
        for token in (0..self.model.tokens.len()).rev().take(newest) {
            self.introspect(node, token, Asker::Api).await;
        }
        for session in (0..self.model.sessions.len()).rev().take(newest) {
            for back in 0..2 {
                self.introspect_refresh_token(node, session, back).await;
            }
        }
    }
}
