//! The server, and the callers: an owner of tokens, a stranger, a client with the permission, an administrator.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::program::LIMIT;
use crate::support::scene::{API, Scene, every_grant};
use crate::support::{Answer, Backend, FORM, Setup, TestClient, TestServer};

/// A sibling environment that the server knows.
pub(super) const STAGING: &str = "https://auth.staging.example.com";
/// An unknown issuer.
pub(super) const FOREIGN: &str = "https://login.example.net";

/// The form of a good token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Jwt,
    Opaque,
    Refresh,
}

pub(super) use Form::{Jwt, Opaque, Refresh};

/// Every form.
pub(super) const ALL: &[Form] = &[Jwt, Opaque, Refresh];
/// The forms of access tokens.
pub(super) const ACCESS: &[Form] = &[Jwt, Opaque];

/// A server and its actors.
pub(super) struct Stage {
    pub(super) scene: Scene,
    /// Always has a valid token with `jeton:admin`, whatever was revoked before.
    ops: TestClient,
}

impl std::ops::Deref for Stage {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.scene
    }
}

impl Stage {
    pub(super) async fn start(backend: Backend) -> Self {
        Self::start_with(backend, Setup::default()).await
    }

    pub(super) async fn start_with(backend: Backend, setup: Setup) -> Self {
        let scene = Scene::start_with(backend, with_sister(setup)).await;
        let ops = json!({"grant_types": ["client_credentials"], "scope": "jeton:admin"});
        Self { ops: scene.app.client("ops", ops).await, scene }
    }

    /// The same server after a restart with other settings.
    pub(super) async fn restart(self, setup: Setup) -> Self {
        let Self { scene, ops } = self;
        let Scene { app, main, opaque, other, public, rs, alice } = scene;
        let app = app.restart(with_sister(setup)).await;
        Self { scene: Scene { app, main, opaque, other, public, rs, alice }, ops }
    }

    /// The client whose access tokens have this form. For a refresh token, the one with JWTs.
    pub(super) fn owner(&self, form: Form) -> &TestClient {
        if form == Opaque { &self.opaque } else { &self.main }
    }

    /// A good token of this form.
    pub(super) async fn good(&self, form: Form) -> String {
        match form {
            Jwt | Opaque => self.client_credentials(self.owner(form), &[]).await.text("access_token"),
            Refresh => self.login(&self.main).await.refresh,
        }
    }

    /// A good token that has what is wanted.
    pub(super) async fn good_with(&self, form: Form, wanted: impl Fn(&str) -> bool) -> String {
        for _ in 0..300 {
            let token = self.good(form).await;
            if wanted(&token) {
                return token;
            }
        }
        panic!("no {form:?} token is as wanted");
    }

    /// A new token with `jeton:admin`.
    pub(super) async fn admin_token(&self) -> String {
        self.app.token(&self.ops, &[("grant_type", "client_credentials")]).await.text("access_token")
    }

    /// A request to the admin API that must be good.
    pub(super) async fn admin(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let token = self.admin_token().await;
        let mut request =
            self.app.http.request(method, format!("{}/admin/v1/{path}", self.app.base)).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = Answer::of(request).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        answer
    }

    /// Asks `/auth/explain` as a client.
    pub(super) async fn explain(&self, caller: &TestClient, token: &str) -> Answer {
        self.explain_with(caller, token, &[]).await
    }

    /// The same with an expected scope or audience.
    pub(super) async fn explain_with(&self, caller: &TestClient, token: &str, more: &[(&str, &str)]) -> Answer {
        let parameters = [&[("token", token)], more].concat();
        in_time(self.app.form(caller, "/auth/explain", &parameters)).await
    }

    /// Asks `/auth/explain` with an Authorization header, or without one.
    pub(super) async fn explain_as(&self, authorization: Option<&str>, parameters: &[(&str, &str)]) -> Answer {
        let mut request = self.app.http.post(format!("{}/auth/explain", self.app.base)).form(parameters);
        if let Some(value) = authorization {
            request = request.header("Authorization", value);
        }
        in_time(Answer::of(request)).await
    }

    /// Asks `/auth/explain` with exactly this body, as a client with the permission.
    pub(super) async fn explain_body(&self, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
        let basic = self.rs.basic();
        in_time(self.app.raw("/auth/explain", &[(FORM.0, content_type), ("Authorization", &basic)], body)).await
    }

    /// Asks `/auth/verify` with `Bearer` and the text.
    pub(super) async fn verify(&self, token: &str, scope: Option<&str>, audience: Option<&str>) -> Answer {
        let mut query = vec![("audience", audience.unwrap_or(API))];
        query.extend(scope.map(|scope| ("scope", scope)));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let value = [b"Bearer ", token.as_bytes()].concat();
        let value = reqwest::header::HeaderValue::from_bytes(&value).expect("can_stand_in_a_header was asked");
        let address = format!("{}/auth/verify?{query}", self.app.base);
        in_time(Answer::of(self.app.http.get(address).header("Authorization", value))).await
    }

    /// How many refusals of this cause an endpoint has counted.
    pub(super) async fn counted(&self, endpoint: &str, cause: &str) -> u64 {
        let text = Answer::of(self.app.http.get(format!("{}/metrics", self.app.ops))).await.body;
        let is_it = |line: &&str| {
            line.starts_with("jeton_refusals_total{")
                && line.contains(&format!("endpoint=\"{endpoint}\""))
                && line.contains(&format!("cause=\"{cause}\""))
        };
        text.lines().find(is_it).map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }
}

fn with_sister(setup: Setup) -> Setup {
    setup.set("JETON_KNOWN_ISSUERS", &format!("staging={STAGING}"))
}

/// Another server: the sibling environment, or a stranger; and a client of it with access tokens of either form.
pub(super) async fn elsewhere(backend: Backend, issuer: &str, environment: &str) -> (TestServer, [TestClient; 2]) {
    let setup = Setup::default().set("JETON_ISSUER", issuer).set("JETON_ENVIRONMENT", environment);
    let app = TestServer::start_with(backend, setup).await;
    app.user("alice", "wonderland").await;
    let jwt = app.client("main", every_grant(json!({}))).await;
    let opaque = app.client("opaque", every_grant(json!({"access_token_format": "opaque"}))).await;
    (app, [jwt, opaque])
}

/// Whatever is asked, there is an answer.
pub(super) async fn in_time<T>(answer: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, answer).await.expect("an answer comes")
}

/// Whether HTTP can carry the text after `Bearer ` unchanged: no control characters, and no spaces at the ends.
pub(super) fn can_stand_in_a_header(text: &str) -> bool {
    !text.is_empty()
        && text.len() < 8000
        && text.trim_matches([' ', '\t']) == text
        && !text.chars().any(char::is_control)
}
