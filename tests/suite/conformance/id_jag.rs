//! Identity assertions (ID-JAG) that one server issues and another one accepts
//! (draft-ietf-oauth-identity-assertion-authz-grant).

use jeton::jose::algorithm::SigningAlgorithm;
use jeton::jose::signing::SigningKey;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::exchange::proof_of;
use super::jose::{changed, verified};
use crate::issuers::{JWT_BEARER, new_key, refusals};
use crate::support::browser::{Browser, asking};
use crate::support::scene::{ALICE, API, CLIENT_CREDENTIALS, FILES};
use crate::support::{Answer, Backend, Setup, TestClient, TestServer, jwt_part, on_both_stores};

const GRANT: (&str, &str) = ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// The issuer of the server that accepts.
const SHOP: &str = "https://shop.example.com";
/// What a client is told of what is no ID token of its own.
const NOT_OWN: &str = "is not a valid ID token of this server that was issued to this client";

/// A server where alice logs in, and a client that tells the shop who she is.
struct Enterprise {
    app: TestServer,
    office: TestClient,
    alice: String,
    browser: Browser,
}

/// The members of such a client.
fn office(more: Value) -> Value {
    let members = json!({
        "token_endpoint_auth_method": "client_secret_basic", "consent": "skip",
        "identity_assertion_audiences": [{"audience": SHOP, "client_id": "office-at-shop", "scope": "read write"}],
    });
    changed(&members, more)
}

impl Enterprise {
    async fn start(backend: Backend) -> Self {
        Self::start_with(backend, Setup::default().with_manual_clock()).await
    }

    async fn start_with(backend: Backend, setup: Setup) -> Self {
        let app = TestServer::start_with(backend, setup).await;
        let office = app.web_client("office", office(json!({}))).await;
        let alice = app.user(ALICE.0, ALICE.1).await;
        let browser = Browser::logged_in(&app, ALICE).await;
        Self { app, office, alice, browser }
    }

    /// The tokens of a login of alice with a client.
    async fn login(&mut self, client: &TestClient, scope: &str) -> Answer {
        let arrival = self.browser.agree(&self.app, ALICE, &asking(&client.id, &[("scope", scope)])).await;
        let answer = self.app.redeem(client, &arrival.code()).await;
        answer.assert_ok();
        answer
    }

    /// An ID token of alice for the office.
    async fn id_token(&mut self) -> String {
        let office = self.office.clone();
        self.login(&office, "openid email read").await.text("id_token")
    }

    /// Asks for an assertion, with other or further parameters; an empty value leaves one out.
    async fn ask(&self, client: &TestClient, id_token: &str, changes: &[(&str, &str)]) -> Answer {
        self.app.token(client, &parameters(id_token, changes)).await
    }

    /// An assertion for the shop.
    async fn assertion(&self, id_token: &str, changes: &[(&str, &str)]) -> String {
        self.ask(&self.office, id_token, changes).await.assert_ok().text("access_token")
    }
}

fn parameters<'a>(id_token: &'a str, changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let usual = [
        GRANT,
        ("requested_token_type", ID_JAG),
        ("subject_token", id_token),
        ("subject_token_type", ID_TOKEN),
        ("audience", SHOP),
    ];
    let is_changed = |name: &str| changes.iter().any(|(changed, _)| *changed == name);
    let mut parameters: Vec<_> = usual.into_iter().filter(|(name, _)| !is_changed(name)).collect();
    parameters.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    parameters
}

/// The shop, which trusts the enterprise, with its client and a resource server.
async fn shop(backend: Backend, enterprise: &Enterprise) -> (TestServer, TestClient, TestClient) {
    let clock = enterprise.app.clock.clone();
    let setup = Setup { clock: Some(clock), ..Setup::default().set("JETON_ISSUER", SHOP) };
    let shop = TestServer::start_with(backend, setup).await;
    let issuer = json!({
        "issuer": enterprise.app.issuer(), "jwks": {"keys": enterprise.app.published_keys().await}, "audience": [SHOP],
        "uses": ["identity_assertion"], "rules": [{"claims": {"sub": {"equals": enterprise.alice}}}],
    });
    let answer = shop.admin(Method::POST, "/admin/v1/issuers", Some(issuer)).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let client = json!({
        "grant_types": [JWT_BEARER], "scope": "read write", "audiences": [API, FILES],
        "issuers": [enterprise.app.issuer()],
    });
    let client = shop.client("office-at-shop", client).await;
    let rs = shop.resource_server("rs").await;
    (shop, client, rs)
}

/// Presents an assertion.
async fn present(shop: &TestServer, client: &TestClient, assertion: &str) -> Answer {
    shop.token(client, &[("grant_type", JWT_BEARER), ("assertion", assertion)]).await
}

#[track_caller]
fn assert_refused(answer: &Answer, part: &str) {
    answer.assert_error(400, "invalid_request");
    let found = answer.text("error_description");
    assert!(found.contains(part), "{found} has no {part}");
}

async fn requested_types(app: &TestServer) -> Value {
    let metadata = app.get("/.well-known/oauth-authorization-server").await.json;
    metadata["identity_chaining_requested_token_types_supported"].clone()
}

on_both_stores!(exc_010_an_id_token_becomes_an_assertion_that_another_server_takes_once, async |backend| {
    let mut enterprise = Enterprise::start(backend).await;
    let id_token = enterprise.id_token().await;
    let more = [("scope", "read"), ("resource", API)];
    let answer = enterprise.ask(&enterprise.office, &id_token, &more).await;
    // EXC-010
    let expected = json!({"issued_token_type": ID_JAG, "token_type": "N_A", "expires_in": 300, "scope": "read"});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(answer.assert_ok().json[name], *value, "{name}");
    }
    assert!(answer.json.get("refresh_token").is_none() && answer.json.get("id_token").is_none(), "{answer:?}");
    let assertion = answer.text("access_token");
    let (claims, now) = (verified(&enterprise.app, &assertion).await, enterprise.app.clock.now().seconds());
    assert_eq!(jwt_part(&assertion, 0)["typ"], "oauth-id-jag+jwt");
    let expected = json!({
        "iss": enterprise.app.issuer(), "sub": enterprise.alice, "aud": SHOP, "client_id": "office-at-shop", "iat": now,
        "exp": now + 300, "scope": "read", "resource": API, "auth_time": now, "amr": ["pwd"], "jti": claims["jti"],
    });
    assert_eq!(claims, expected);
    let (shop, client, rs) = shop(backend, &enterprise).await;
    let access = present(&shop, &client, &assertion).await.assert_ok().text("access_token");
    let shown = shop.introspect(&rs, &access).await.assert_active().json.clone();
    let expected = json!({
        "sub": enterprise.alice, "sub_iss": enterprise.app.issuer(), "client_id": "office-at-shop", "scope": "read", "aud": API,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(shown[name], *value, "{name}");
    }
    // Once; the next one has another id.
    let before = refusals(&shop, "assertion_used_before").await;
    present(&shop, &client, &assertion).await.assert_error(400, "invalid_grant");
    assert_eq!(refusals(&shop, "assertion_used_before").await, before + 1);
    let next = enterprise.assertion(&id_token, &[]).await;
    assert_eq!(jwt_part(&next, 1)["scope"], "read write", "all that it may ask for");
    present(&shop, &client, &next).await.assert_ok();
    // Five minutes, by the clock of the shop.
    let late = enterprise.assertion(&id_token, &[]).await;
    enterprise.app.advance(300);
    present(&shop, &client, &late).await.assert_error(400, "invalid_grant");
    // The metadata say what a client may get.
    assert_eq!(requested_types(&enterprise.app).await, json!([ID_JAG]));
    assert_eq!(requested_types(&shop).await, Value::Null);
    let metrics = enterprise.app.http.get(format!("{}/metrics", enterprise.app.ops)).send().await.unwrap();
    let line = "jeton_token_exchanges_total{kind=\"identity_assertion\"} 3";
    assert!(metrics.text().await.unwrap().contains(line));
});

on_both_stores!(an_assertion_is_given_only_for_an_active_login_with_this_client, async |backend| {
    let mut enterprise = Enterprise::start(backend).await;
    let other = enterprise.app.web_client("other", office(json!({}))).await;
    let office = enterprise.office.clone();
    let login = enterprise.login(&office, "openid read").await;
    let (id_token, access) = (login.text("id_token"), login.text("access_token"));
    enterprise.assertion(&id_token, &[]).await;
    // An ID token of another client, something else, and a changed one.
    assert_refused(&enterprise.ask(&other, &id_token, &[]).await, NOT_OWN);
    let (front, signature) = id_token.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{front}.{flipped}{}", &signature[1..]);
    let assertion = enterprise.assertion(&id_token, &[]).await;
    for wrong in ["x", &access, &forged, &assertion, &login.text("refresh_token")] {
        assert_refused(&enterprise.ask(&office, wrong, &[]).await, NOT_OWN);
    }
    // An expired one; a refresh brings a new one.
    enterprise.app.advance(901);
    enterprise.app.forget_admin_token().await;
    assert_refused(&enterprise.ask(&office, &id_token, &[]).await, "has expired");
    let refreshed = enterprise.app.refresh(&office, &login.text("refresh_token")).await;
    enterprise.assertion(&refreshed.text("id_token"), &[]).await;
    // A session that was ended by its client.
    enterprise.app.revoke(&office, &refreshed.text("refresh_token")).await.assert_ok();
    assert_refused(&enterprise.ask(&office, &refreshed.text("id_token"), &[]).await, "login that has ended");
    // A person who logged out.
    let id_token = enterprise.id_token().await;
    enterprise.assertion(&id_token, &[]).await;
    enterprise.browser.get(&enterprise.app, &format!("/auth/logout?id_token_hint={id_token}")).await;
    assert!(!enterprise.browser.cookies.contains_key("__Host-jeton"), "alice is logged out");
    assert_refused(&enterprise.ask(&office, &id_token, &[]).await, "login that has ended");
    // A user who is disabled, and what was revoked.
    let id_token = enterprise.id_token().await;
    let user = format!("/admin/v1/users/{}", enterprise.alice);
    enterprise.app.admin(Method::PATCH, &user, Some(json!({"enabled": false}))).await.assert_ok();
    assert_refused(&enterprise.ask(&office, &id_token, &[]).await, "login that has ended");
    enterprise.app.admin(Method::PATCH, &user, Some(json!({"enabled": true}))).await.assert_ok();
    assert_refused(&enterprise.ask(&office, &id_token, &[]).await, "login that has ended");
    let id_token = enterprise.id_token().await;
    enterprise.app.admin(Method::POST, "/admin/v1/revocations", Some(json!({"client": "office"}))).await;
    assert_refused(&enterprise.ask(&office, &id_token, &[]).await, "login that has ended");
});

on_both_stores!(what_outlives_a_logout_gives_assertions_only_until_then, async |backend| {
    let mut enterprise = Enterprise::start(backend).await;
    let careful = enterprise.app.web_client("careful", office(json!({"consent": "required"}))).await;
    let login = enterprise.login(&careful, "openid offline_access read").await;
    let id_token = login.text("id_token");
    enterprise.ask(&careful, &id_token, &[]).await.assert_ok();
    let hint = enterprise.id_token().await;
    enterprise.browser.get(&enterprise.app, &format!("/auth/logout?id_token_hint={hint}")).await;
    assert!(!enterprise.browser.cookies.contains_key("__Host-jeton"), "alice is logged out");
    assert_refused(&enterprise.ask(&careful, &id_token, &[]).await, "login that has ended");
    let refreshed = enterprise.app.refresh(&careful, &login.text("refresh_token")).await;
    let id_token = refreshed.assert_ok().text("id_token");
    assert_refused(&enterprise.ask(&careful, &id_token, &[]).await, "login that has ended");
});

on_both_stores!(an_assertion_is_for_a_server_and_a_scope_that_an_administrator_allowed, async |backend| {
    let mut enterprise = Enterprise::start(backend).await;
    let id_token = enterprise.id_token().await;
    let office = enterprise.office.clone();
    let with = async |changes: &[(&str, &str)]| enterprise.ask(&office, &id_token, changes).await;
    for audience in ["https://else.example.com", "https://shop.example.com/", "office-at-shop", API] {
        with(&[("audience", audience)]).await.assert_error(400, "invalid_target");
    }
    with(&[("audience", "")]).await.assert_error(400, "invalid_request");
    with(&[("audience", SHOP), ("audience", SHOP)]).await.assert_error(400, "invalid_request");
    with(&[("scope", "read admin")]).await.assert_error(400, "invalid_scope");
    with(&[("resource", "here")]).await.assert_error(400, "invalid_target");
    with(&[("actor_token", &id_token), ("actor_token_type", ID_TOKEN)]).await.assert_error(400, "invalid_request");
    for kind in ["", ACCESS_TOKEN, "urn:ietf:params:oauth:token-type:refresh_token"] {
        with(&[("subject_token_type", kind)]).await.assert_error(400, "invalid_request");
    }
    // It gives no other tokens: neither of this client, which has no permission to exchange any, nor of one that has.
    with(&[("requested_token_type", "")]).await.assert_error(400, "unauthorized_client");
    let gateway = json!({"permissions": ["exchange"], "scope": "read", "audiences": [API]});
    let gateway = enterprise.app.client("gateway", gateway).await;
    enterprise.ask(&gateway, &id_token, &[]).await.assert_error(400, "invalid_target");
    enterprise.ask(&gateway, &id_token, &[("requested_token_type", "")]).await.assert_error(400, "invalid_request");
    let main = enterprise.app.main_client("main").await;
    enterprise.ask(&main, &id_token, &[]).await.assert_error(400, "unauthorized_client");
    // Never for this server itself.
    let own = enterprise.app.issuer().to_owned();
    let audiences = json!({"identity_assertion_audiences": [
        {"audience": own, "client_id": "office"}, {"audience": SHOP, "client_id": "office-at-shop"},
    ]});
    enterprise.app.admin(Method::PATCH, "/admin/v1/clients/office", Some(audiences)).await.assert_ok();
    with(&[("audience", &own)]).await.assert_error(400, "invalid_target");
    // Without limits here, that server decides.
    let free = with(&[("scope", "anything")]).await.assert_ok().text("access_token");
    assert_eq!(jwt_part(&free, 1)["scope"], "anything");
    let open = with(&[]).await;
    let claims = jwt_part(&open.assert_ok().text("access_token"), 1);
    assert!(claims.get("scope").is_none() && claims.get("resource").is_none(), "{claims}");
    // Nobody but an administrator of everything allows that, and no public client is allowed it.
    let deputy = json!({"grant_types": ["client_credentials"], "scope": "jeton:clients"});
    let deputy = enterprise.app.client("deputy", deputy).await;
    let token = enterprise.app.token(&deputy, &[CLIENT_CREDENTIALS]).await.text("access_token");
    let (http, base) = (&enterprise.app.http, &enterprise.app.base);
    let as_deputy = async |method: Method, path: &str, body: Value| {
        Answer::of(http.request(method, format!("{base}{path}")).bearer_auth(&token).json(&body)).await.status
    };
    let entry = json!([{"audience": SHOP, "client_id": "a"}]);
    let new = json!({"client_id": "a", "identity_assertion_audiences": entry});
    assert_eq!(as_deputy(Method::POST, "/admin/v1/clients", new).await, 403);
    assert_eq!(as_deputy(Method::PATCH, "/admin/v1/clients/office", json!({"client_name": "mine"})).await, 403);
    let public = json!({"client_id": "p", "token_endpoint_auth_method": "none", "identity_assertion_audiences": entry});
    let refused = enterprise.app.admin(Method::POST, "/admin/v1/clients", Some(public)).await;
    assert_eq!(refused.status.as_u16(), 400, "{refused:?}");
});

on_both_stores!(an_assertion_is_good_for_nothing_but_the_server_and_the_client_that_it_names, async |backend| {
    let mut enterprise = Enterprise::start(backend).await;
    let id_token = enterprise.id_token().await;
    let (shop, client, _) = shop(backend, &enterprise).await;
    // Not where it was issued.
    let assertion = enterprise.assertion(&id_token, &[]).await;
    let app = &enterprise.app;
    let rs = app.resource_server("rs").await;
    app.introspect(&rs, &assertion).await.assert_inactive();
    let told = app.get_with("/auth/userinfo", &[("authorization", &format!("Bearer {assertion}"))]).await;
    assert_eq!(told.status.as_u16(), 401, "{told:?}");
    present(app, &client_of_grant(app).await, &assertion).await.assert_error(400, "invalid_grant");
    // At the shop, neither for another client nor as anything else; nor is one for another server good there.
    let members = json!({
        "grant_types": [JWT_BEARER], "permissions": ["exchange"], "scope": "read", "audiences": [API],
        "issuers": [app.issuer()],
    });
    let other = shop.client("other", members).await;
    let before = refusals(&shop, "assertion_wrong_client").await;
    present(&shop, &other, &assertion).await.assert_error(400, "invalid_grant");
    assert_eq!(refusals(&shop, "assertion_wrong_client").await, before + 1);
    let subject = [GRANT, ("subject_token", &assertion), ("subject_token_type", ACCESS_TOKEN)];
    shop.token(&other, &subject).await.assert_error(400, "invalid_request");
    present(&shop, &client, &id_token).await.assert_error(400, "invalid_grant");
    let elsewhere = json!({"identity_assertion_audiences": [
        {"audience": SHOP, "client_id": "office-at-shop"},
        {"audience": "https://bank.example.com", "client_id": "office-at-shop"},
    ]});
    app.admin(Method::PATCH, "/admin/v1/clients/office", Some(elsewhere)).await.assert_ok();
    let elsewhere = enterprise.assertion(&id_token, &[("audience", "https://bank.example.com")]).await;
    let before = refusals(&shop, "assertion_wrong_audience").await;
    present(&shop, &client, &elsewhere).await.assert_error(400, "invalid_grant");
    assert_eq!(refusals(&shop, "assertion_wrong_audience").await, before + 1);
    // What was refused was not used up.
    present(&shop, &client, &assertion).await.assert_ok();
});

/// A client with the JWT bearer grant at the server itself, whose issuer nobody can trust there.
async fn client_of_grant(app: &TestServer) -> TestClient {
    let members = json!({"grant_types": [JWT_BEARER], "scope": "read", "audiences": [API], "issuers": [app.issuer()]});
    app.client("own", members).await
}

on_both_stores!(an_assertion_that_was_asked_for_with_a_proof_is_used_by_its_holder_alone, async |backend| {
    let mut enterprise = Enterprise::start_with(backend, Setup::default()).await;
    let id_token = enterprise.id_token().await;
    let (shop, client, _) = shop(backend, &enterprise).await;
    let (key, other) = (new_key(SigningAlgorithm::Es256), new_key(SigningAlgorithm::Es256));
    let with_proof = async |app: &TestServer, client: &TestClient, key: &SigningKey, form: &[(&str, &str)]| {
        let request = app.http.post(format!("{}/auth/token", app.base)).header("DPoP", proof_of(app, key).0);
        Answer::of(request.header("Authorization", client.basic()).form(form)).await
    };
    let answer = with_proof(&enterprise.app, &enterprise.office, &key, &parameters(&id_token, &[])).await;
    assert_eq!(answer.assert_ok().json["token_type"], "N_A");
    let assertion = answer.text("access_token");
    let thumbprint = proof_of(&enterprise.app, &key).1;
    assert_eq!(jwt_part(&assertion, 1)["cnf"], json!({"jkt": thumbprint}));
    let form = [("grant_type", JWT_BEARER), ("assertion", assertion.as_str())];
    present(&shop, &client, &assertion).await.assert_error(400, "invalid_grant");
    with_proof(&shop, &client, &other, &form).await.assert_error(400, "invalid_grant");
    let answer = with_proof(&shop, &client, &key, &form).await;
    assert_eq!(answer.assert_ok().json["token_type"], "DPoP");
});

on_both_stores!(an_assertion_has_the_email_address_that_the_client_may_know, async |backend| {
    let mut enterprise = Enterprise::start(backend).await;
    let profile = json!({"name": "Alice", "email": "alice@corp.example", "email_verified": true});
    let user = format!("/admin/v1/users/{}", enterprise.alice);
    enterprise.app.admin(Method::PATCH, &user, Some(json!({"profile": profile}))).await.assert_ok();
    let office = enterprise.office.clone();
    for (scope, email) in [("openid profile", Value::Null), ("openid email", json!("alice@corp.example"))] {
        let id_token = enterprise.login(&office, scope).await.text("id_token");
        let claims = jwt_part(&enterprise.assertion(&id_token, &[]).await, 1);
        assert_eq!((&claims["email"], claims.get("name")), (&email, None), "{scope}");
        assert_eq!(claims["email_verified"].as_bool().is_some(), !email.is_null(), "{scope}");
    }
    // Nor does it tell what the client may not know any more.
    let id_token = enterprise.login(&office, "openid email").await.text("id_token");
    let client = "/admin/v1/clients/office";
    enterprise.app.admin(Method::PATCH, client, Some(json!({"scope": "openid read"}))).await.assert_ok();
    let claims = jwt_part(&enterprise.assertion(&id_token, &[]).await, 1);
    assert_eq!((claims.get("email"), claims.get("email_verified")), (None, None));
    enterprise.app.admin(Method::PATCH, client, Some(json!({"scope": "email read"}))).await.assert_ok();
    assert_refused(&enterprise.ask(&office, &id_token, &[]).await, "scope openid");
});
