//! Logins at a browser: the pages that people see, and the codes, ID tokens and UserInfo that clients get.

mod account;
mod backchannel;
mod bad_input;
mod codes;
mod consent;
mod device;
mod flow;
mod forms;
mod id_tokens;
mod logout;
mod nodes;
mod password_link;
mod pushed;
mod races;
mod requests;
mod second_factor;
mod userinfo;

use std::net::{Ipv4Addr, SocketAddr};

use jeton::app::{Peer, Request};
use jeton::authorization::code::{self, Issued};
use jeton::protocol::authorization::{AuthorizationRequest, ClaimsRequest, Prompt, ResponseMode};
use jeton::protocol::browser::BrowserSession;
use jeton::protocol::grant::Granted;
use jeton::protocol::parameters::Parameters;
use jeton::protocol::scope::Scope;
use jeton::store::{Audited, BrowserSessionRecord};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::scene::{ALICE, API, FILES, Scene};
use crate::support::{Answer, Backend, Setup, TestClient, TestServer};

/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const REDIRECT_URI: &str = "https://app.example/cb";

/// The scopes that clients of the code flow have here.
const SCOPE: &str = "openid profile email address phone offline_access read write";

/// The members of a client of the code flow, and those given.
fn web_client(more: Value) -> Value {
    let mut members = json!({
        "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": [REDIRECT_URI],
        "scope": SCOPE,
        "audiences": [API, FILES],
    });
    members.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    members
}

/// A server with a client of the code flow, and alice, who is logged in at a browser.
struct Logins {
    scene: Scene,
    web: TestClient,
}

impl Logins {
    async fn start(backend: Backend) -> Self {
        Self::start_with(backend, Setup::default()).await
    }

    async fn start_with(backend: Backend, setup: Setup) -> Self {
        let scene = Scene::start_with(backend, setup).await;
        let web = scene.app.client("web", web_client(json!({}))).await;
        Self { scene, web }
    }

    fn app(&self) -> &TestServer {
        &self.scene.app
    }

    /// A code for a request with these scopes.
    async fn code(&self, scope: &str) -> String {
        self.code_of(&request(&self.web, scope)).await
    }

    /// A code for this request, which is granted as it is.
    async fn code_of(&self, asked: &AuthorizationRequest) -> String {
        match issue(self.app(), asked).await {
            Issued::Code(code) => code,
            other => panic!("{other:?}"),
        }
    }

    /// Redeems a code properly.
    async fn redeem(&self, code: &str) -> Answer {
        redeem_at(self.app(), &self.web, code, &[]).await
    }

    /// Redeems a code with other or further parameters; an empty value leaves one out.
    async fn redeem_with(&self, code: &str, changes: &[(&str, &str)]) -> Answer {
        redeem_at(self.app(), &self.web, code, changes).await
    }

    /// The tokens of a login with these scopes.
    async fn tokens(&self, scope: &str) -> Answer {
        let answer = self.redeem(&self.code(scope).await).await;
        answer.assert_ok();
        answer
    }
}

/// Redeems a code with other or further parameters; an empty value leaves one out.
async fn redeem_at(app: &TestServer, client: &TestClient, code: &str, changes: &[(&str, &str)]) -> Answer {
    let usual = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    let is_changed = |name: &str| changes.iter().any(|(changed, _)| *changed == name);
    let mut parameters: Vec<_> = usual.into_iter().filter(|(name, _)| !is_changed(name)).collect();
    parameters.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    app.token(client, &parameters).await
}

/// An authorization request as it is once it was found good.
fn request(client: &TestClient, scope: &str) -> AuthorizationRequest {
    AuthorizationRequest {
        session: Uuid::now_v7(),
        received_at: 0,
        begun_at: 0,
        client_id: client.id.clone(),
        redirect_uri: REDIRECT_URI.into(),
        sent_redirect_uri: true,
        response_mode: ResponseMode::Query,
        state: None,
        scope: Scope::parse(scope).unwrap(),
        sent_scope: true,
        audiences: vec![API.into()],
        nonce: Some("n-0S6_WzA2Mj é".into()),
        prompt: Prompt::default(),
        max_age: None,
        login_hint: None,
        hinted_sub: None,
        claims: ClaimsRequest::default(),
        code_challenge: Some(CHALLENGE.into()),
        dpop_jkt: None,
    }
}

/// Logs alice in at a browser.
async fn log_in(app: &TestServer) -> BrowserSessionRecord {
    let store = &app.server.app.store;
    let user = store.user_named(ALICE.0).await.unwrap().unwrap();
    let now = app.clock.now();
    let session = BrowserSession {
        id: Uuid::now_v7(),
        user_id: user.id,
        methods: vec!["pwd".into()],
        log: 0,
        network: "127.0.0.1".into(),
        agent: "test".into(),
        created_at: now,
        authenticated_at: now,
        last_seen_at: now,
        idle_expires_at: now.plus_seconds(3600),
        expires_at: now.plus_seconds(7200),
    };
    let hash: [u8; 32] = jeton::crypto::random();
    let audited = Audited { actor: "test".into(), request_id: None, address: None, at: now };
    assert!(store.browser_session_create(&session, hash, user.version, None, &audited).await.unwrap());
    store.browser_session_find(hash, now).await.unwrap().unwrap()
}

/// Asks for a code at a new login of alice.
async fn issue(app: &TestServer, asked: &AuthorizationRequest) -> Issued {
    issue_to(app, asked, &log_in(app).await).await
}

/// Asks for a code for who is logged in at a browser.
async fn issue_to(app: &TestServer, asked: &AuthorizationRequest, person: &BrowserSessionRecord) -> Issued {
    let jeton = &app.server.app;
    let client = jeton.state.client(&asked.client_id).await.unwrap().unwrap();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    let request = Request {
        issuer: &jeton.issuer,
        endpoint: "authorize",
        method: "GET",
        target: "/auth/authorize",
        headers: &[],
        parameters: &Parameters::default(),
        peer: &Peer::from(address),
        certificate: None,
        sender: Default::default(),
        address: address.ip(),
        request_id: Uuid::now_v7(),
    };
    let granted = Granted { scope: asked.scope.clone(), audiences: asked.audiences.clone() };
    code::issue(jeton, &request, &client, asked, person, granted).await.unwrap()
}
