//! §20 EXC: token exchange (RFC 8693).

use std::time::Duration;

use jeton::jose::algorithm::SigningAlgorithm;
use jeton::jose::signing::SigningKey;
use reqwest::Method;
use serde_json::{Value, json};

use super::forgery::signed_by_the_server;
use super::jose::{sign, verified};
use crate::support::scene::{ALICE, API, BOB, CLIENT_CREDENTIALS, FILES, Scene, every_grant};
use crate::support::{Answer, Backend, Setup, TestClient, TestServer, eventually, jwt_part, on_both_stores};

const GRANT: (&str, &str) = ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const SUBJECT_TYPE: (&str, &str) = ("subject_token_type", ACCESS_TOKEN);
const ACTOR_TYPE: (&str, &str) = ("actor_token_type", ACCESS_TOKEN);
/// Behind the gateway.
const ORDERS: &str = "https://orders.example.test/";
const STOCK: &str = "https://stock.example.test/";
/// What a client is told of a token that it may know nothing about.
const FOREIGN: &str = "is not a valid access token that was issued to this client or is for a resource that it serves.";

/// An exchange of this token.
async fn exchange(app: &TestServer, client: &TestClient, token: &str, more: &[(&str, &str)]) -> Answer {
    app.token(client, &[&[GRANT, ("subject_token", token), SUBJECT_TYPE], more].concat()).await
}

/// An exchange that must succeed, and its token.
async fn exchanged(app: &TestServer, client: &TestClient, token: &str, more: &[(&str, &str)]) -> String {
    exchange(app, client, token, more).await.assert_ok().text("access_token")
}

/// A server where `main` has tokens for an API that `gateway` serves, behind which are the resources of `orders` and `stock`.
struct Chain {
    scene: Scene,
    gateway: TestClient,
    orders: TestClient,
}

impl Chain {
    async fn start(backend: Backend) -> Self {
        Self::start_with(backend, Setup::default()).await
    }

    async fn start_with(backend: Backend, setup: Setup) -> Self {
        let scene = Scene::start_with(backend, setup).await;
        let app = &scene.app;
        let gateway = json!({"permissions": ["exchange"], "scope": "read write", "audiences": [ORDERS]});
        let gateway = app.client("gateway", gateway).await;
        let orders = json!({"permissions": ["exchange"], "scope": "read", "audiences": [STOCK]});
        let orders = app.client("orders", orders).await;
        app.resource(json!({"resource": API, "serves": ["gateway"]})).await;
        app.resource(json!({"resource": ORDERS, "serves": ["orders"]})).await;
        Self { scene, gateway, orders }
    }

    fn app(&self) -> &TestServer {
        &self.scene.app
    }

    /// A token of alice, issued to `main`.
    async fn login(&self) -> String {
        self.scene.login(&self.scene.main).await.access
    }

    async fn explain(&self, token: &str) -> Value {
        let answer = self.app().form(&self.scene.rs, "/auth/explain", &[("token", token)]).await;
        answer.assert_ok().json.clone()
    }
}

/// A refusal of the request whose description has this.
#[track_caller]
fn assert_refused(answer: &Answer, part: &str) {
    answer.assert_error(400, "invalid_request");
    let found = answer.text("error_description");
    assert!(found.contains(part), "{found} has no {part}");
}

on_both_stores!(exc_001_exc_008_a_resource_server_gets_a_token_that_names_it_as_the_actor, async |backend| {
    let chain = Chain::start(backend).await;
    let (app, scene) = (chain.app(), &chain.scene);
    let subject = chain.login().await;
    let answer = exchange(app, &chain.gateway, &subject, &[("requested_token_type", ACCESS_TOKEN)]).await;
    let members = &answer.assert_ok().json;
    assert_eq!(
        (&members["issued_token_type"], &members["token_type"], &members["scope"]),
        (&json!(ACCESS_TOKEN), &json!("Bearer"), &json!("read write"))
    );
    assert!(members["expires_in"].as_i64().unwrap() <= 900 && members.get("refresh_token").is_none(), "{members}");
    let token = answer.text("access_token");
    let (before, after) = (jwt_part(&subject, 1), verified(app, &token).await);
    let expected = json!({
        "sub": scene.alice, "client_id": "gateway", "aud": ORDERS, "act": {"sub": "gateway"}, "sid": before["sid"],
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&after[name], value, "{name}");
    }
    assert_ne!(after["jti"], before["jti"]);
    let seen = scene.assert_active(&token).await;
    assert_eq!((&seen["act"], &seen["username"]), (&json!({"sub": "gateway"}), &json!("alice")));
    assert!(seen.get("exchanged_from").is_none(), "{seen}");
    // The next one in the chain.
    let next = exchanged(app, &chain.orders, &token, &[]).await;
    let after = jwt_part(&next, 1);
    assert_eq!(after["act"], json!({"sub": "orders", "act": {"sub": "gateway"}}));
    assert_eq!((&after["aud"], &after["scope"]), (&json!(STOCK), &json!("read")));
    scene.assert_active(&next).await;
    // What it is for still works.
    let (path, bearer) = (format!("/auth/verify?audience={STOCK}"), format!("Bearer {next}"));
    let verify = app.get_with(&path, &[("Authorization", &bearer)]).await;
    let headers = ["x-auth-subject", "x-auth-client"].map(|name| verify.header(name));
    assert_eq!((verify.status.as_u16(), headers), (200, [Some(scene.alice.as_str()), Some("orders")]));
});

on_both_stores!(exc_002_exc_003_exc_007_exc_012_each_token_comes_with_its_type, async |backend| {
    let chain = Chain::start(backend).await;
    let app = chain.app();
    let login = chain.scene.login(&chain.scene.main).await;
    let subject = ("subject_token", login.access.as_str());
    for (what, parameters) in [
        ("nothing", vec![]),
        ("no subject", vec![SUBJECT_TYPE]),
        ("an empty subject", vec![("subject_token", ""), SUBJECT_TYPE]),
        ("no type", vec![subject]),
        ("another type", vec![subject, ("subject_token_type", "urn:x:y")]),
        ("an ID token", vec![subject, ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token")]),
        ("an actor without type", vec![subject, SUBJECT_TYPE, ("actor_token", &login.access)]),
        ("a type without actor", vec![subject, SUBJECT_TYPE, ACTOR_TYPE]),
        ("two subjects", vec![subject, subject, SUBJECT_TYPE]),
        ("SAML", vec![subject, SUBJECT_TYPE, ("requested_token_type", "urn:ietf:params:oauth:token-type:saml2")]),
        (
            "a refresh token",
            vec![subject, SUBJECT_TYPE, ("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")],
        ),
    ] {
        let answer = app.token(&chain.gateway, &[vec![GRANT], parameters].concat()).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json["error"]),
            (400, &json!("invalid_request")),
            "{what}: {answer:?}"
        );
    }
    let refresh = exchange(app, &chain.gateway, &login.refresh, &[]).await;
    assert_refused(&refresh, "The subject_token is refused: A refresh token was sent instead of an access token.");
    assert_refused(&exchange(app, &chain.gateway, "nonsense", &[]).await, "The subject_token is refused");
    // An access token that is a JWT may be presented as one (RFC 8693 §3); nothing else becomes one by that.
    let as_jwt = async |token: &str| {
        let typed = ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt");
        app.token(&chain.gateway, &[GRANT, ("subject_token", token), typed]).await
    };
    let answer = as_jwt(&login.access).await;
    assert_eq!(answer.assert_ok().json["issued_token_type"], ACCESS_TOKEN);
    assert_refused(&as_jwt(&login.refresh).await, "The subject_token is not a JWT");
    assert_refused(&as_jwt("a.b.c").await, "The subject_token is refused");
});

on_both_stores!(exc_004_a_subject_token_that_is_not_good_is_refused_and_who_may_know_is_told_why, async |backend| {
    let chain = Chain::start_with(backend, Setup::default().with_manual_clock()).await;
    let (app, scene) = (chain.app(), &chain.scene);
    let stranger =
        app.client("stranger", json!({"permissions": ["exchange"], "scope": "read", "audiences": [FILES]})).await;
    let good = chain.login().await;
    assert_refused(&exchange(app, &stranger, &good, &[]).await, FOREIGN);
    exchanged(app, &chain.gateway, &good, &[]).await;
    // Revoked.
    app.revoke(&scene.main, &good).await.assert_ok();
    assert_refused(
        &exchange(app, &chain.gateway, &good, &[]).await,
        "The subject_token is refused: The token was revoked",
    );
    assert_refused(&exchange(app, &stranger, &good, &[]).await, FOREIGN);
    // Of another issuer, changed, and one that the gateway may not see.
    let fresh = chain.login().await;
    let other = signed_by_the_server(app, &fresh, json!({}), json!({"iss": "https://other.example.com"}));
    let answer = exchange(app, &chain.gateway, &other, &[]).await;
    answer.assert_error(400, "invalid_request");
    let (front, signature) = fresh.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let changed = format!("{front}.{flipped}{}", &signature[1..]);
    assert_refused(&exchange(app, &chain.gateway, &changed, &[]).await, FOREIGN);
    let elsewhere = scene.login_with(&scene.main, &[("resource", FILES)]).await.access;
    assert_refused(&exchange(app, &chain.gateway, &elsewhere, &[]).await, FOREIGN);
    // Expired.
    app.advance(901);
    assert_refused(
        &exchange(app, &chain.gateway, &fresh, &[]).await,
        "The subject_token is refused: The token has expired",
    );
    assert_refused(&exchange(app, &stranger, &fresh, &[]).await, FOREIGN);
    let refusals = app.http.get(format!("{}/metrics", app.ops)).send().await.unwrap().text().await.unwrap();
    for cause in ["token_revoked", "expired"] {
        assert!(
            refusals.contains(&format!("jeton_refusals_total{{endpoint=\"token\",cause=\"{cause}\"}} 2")),
            "{refusals}"
        );
    }
});

on_both_stores!(exc_005_exc_011_the_target_is_one_that_the_client_reaches, async |backend| {
    let chain = Chain::start(backend).await;
    let (app, scene) = (chain.app(), &chain.scene);
    let subject = chain.login().await;
    for target in
        [("resource", "https://unknown.example/"), ("audience", "no-such"), ("resource", FILES), ("resource", STOCK)]
    {
        exchange(app, &chain.gateway, &subject, &[target]).await.assert_error(400, "invalid_target");
    }
    let admin = format!("{}/admin/v1", app.issuer());
    exchange(app, &chain.gateway, &subject, &[("resource", &admin)]).await.assert_error(400, "invalid_target");
    let both = [("audience", ORDERS), ("resource", ORDERS)];
    assert_eq!(jwt_part(&exchanged(app, &chain.gateway, &subject, &both).await, 1)["aud"], ORDERS);
    exchange(app, &chain.gateway, &subject, &[("audience", ORDERS), ("audience", "b")])
        .await
        .assert_error(400, "invalid_target");
    // Its own token gives a client nothing at other resources, also if it may request tokens for them itself.
    let broad = every_grant(json!({"permissions": ["exchange"]}));
    let broad = app.client("broad", broad).await;
    let narrow = scene.login_with(&broad, &[("resource", FILES)]).await.access;
    exchange(app, &broad, &narrow, &[("resource", API)]).await.assert_error(400, "invalid_target");
    let less = exchanged(app, &broad, &narrow, &[("scope", "read")]).await;
    assert_eq!((&jwt_part(&less, 1)["aud"], &jwt_part(&less, 1)["scope"]), (&json!(FILES), &json!("read")));
    // The form is that of the resource.
    let opaque =
        json!({"resource": "https://opaque.example.test/", "open_to": "registered", "access_token_format": "opaque"});
    app.resource(opaque).await;
    let sealed = exchanged(app, &chain.gateway, &subject, &[("resource", "https://opaque.example.test/")]).await;
    assert!(sealed.starts_with("jat_"), "{sealed}");
    assert_eq!(scene.assert_active(&sealed).await["act"], json!({"sub": "gateway"}));
});

on_both_stores!(exc_006_scope_and_life_stay_within_those_of_the_subject, async |backend| {
    let chain = Chain::start_with(backend, Setup::default().with_manual_clock()).await;
    let (app, scene) = (chain.app(), &chain.scene);
    let subject = scene.login_with(&scene.main, &[("scope", "read")]).await.access;
    app.advance(600);
    let answer = exchange(app, &chain.gateway, &subject, &[]).await;
    assert_eq!(answer.assert_ok().json["scope"], "read", "without a scope, what both have");
    assert_eq!(answer.json["expires_in"], 300, "as long as the subject's token");
    let token = answer.text("access_token");
    assert_eq!(jwt_part(&token, 1)["exp"], jwt_part(&subject, 1)["exp"]);
    for scope in ["read write", "write", "jeton:read", "unknown"] {
        exchange(app, &chain.gateway, &subject, &[("scope", scope)]).await.assert_error(400, "invalid_scope");
    }
    let full = scene.login(&scene.main).await.access;
    let first = exchanged(app, &chain.gateway, &full, &[]).await;
    exchange(app, &chain.orders, &first, &[("scope", "write")]).await.assert_error(400, "invalid_scope");
    let writes = scene.login_with(&scene.main, &[("scope", "write")]).await.access;
    let writes = exchanged(app, &chain.gateway, &writes, &[]).await;
    exchange(app, &chain.orders, &writes, &[]).await.assert_error(400, "invalid_scope");
    app.advance(301);
    scene.assert_inactive(&token).await;
});

on_both_stores!(exc_008_another_actor_is_named_and_limits_the_life_and_may_act_is_obeyed, async |backend| {
    let chain = Chain::start(backend).await;
    let (app, scene) = (chain.app(), &chain.scene);
    let bob = app.user(BOB.0, BOB.1).await;
    let subject = chain.login().await;
    let actor = scene.password(&scene.main, BOB, &[]).await.text("access_token");
    let with_actor = [("actor_token", actor.as_str()), ACTOR_TYPE];
    let token = exchanged(app, &chain.gateway, &subject, &with_actor).await;
    let claims = jwt_part(&token, 1);
    assert_eq!((&claims["sub"], &claims["act"]), (&json!(scene.alice), &json!({"sub": bob})));
    // A delegated token is no actor's own, and one of somebody else's is none that this client may present.
    let delegated = [("actor_token", token.as_str()), ACTOR_TYPE];
    let answer = exchange(app, &chain.orders, &token, &delegated).await;
    assert_refused(&answer, "came of an exchange itself");
    let elsewhere = scene.password(&scene.main, BOB, &[("resource", FILES)]).await.text("access_token");
    let elsewhere = exchange(app, &chain.gateway, &subject, &[("actor_token", &elsewhere), ACTOR_TYPE]).await;
    assert_refused(&elsewhere, &format!("The actor_token {FOREIGN}"));
    // It ends with the token of its actor.
    app.revoke(&scene.main, &actor).await.assert_ok();
    scene.assert_inactive(&token).await;
    // What the subject lets others do (no grant writes this yet).
    for (may_act, allowed) in [(json!({"sub": "gateway"}), true), (json!({"sub": "orders"}), false)] {
        let limited = signed_by_the_server(app, &subject, json!({}), json!({"may_act": may_act}));
        let answer = exchange(app, &chain.gateway, &limited, &[]).await;
        if allowed {
            assert_eq!(jwt_part(&answer.text("access_token"), 1)["may_act"], may_act);
        } else {
            assert_refused(&answer, "may_act");
        }
    }
});

on_both_stores!(exc_008_a_chain_has_at_most_four_actors, async |backend| {
    let chain = Chain::start(backend).await;
    let app = chain.app();
    let mut token = exchanged(app, &chain.gateway, &chain.login().await, &[]).await;
    for _ in 1..4 {
        token = exchanged(app, &chain.gateway, &token, &[]).await;
    }
    let deepest =
        json!({"sub": "gateway", "act": {"sub": "gateway", "act": {"sub": "gateway", "act": {"sub": "gateway"}}}});
    assert_eq!(jwt_part(&token, 1)["act"], deepest);
    assert_refused(&exchange(app, &chain.gateway, &token, &[]).await, "four times");
});

/// A proof for the token endpoint, and the thumbprint of its key.
pub(super) fn proof_of(app: &TestServer, key: &SigningKey) -> (String, String) {
    let jwk = key.public_jwk("k");
    let mut public = serde_json::to_value(&jwk).unwrap();
    public.as_object_mut().unwrap().retain(|name, _| ["kty", "crv", "x", "y"].contains(&name.as_str()));
    let jti = jeton::crypto::base64url(jeton::crypto::random::<16>());
    let htu = format!("{}/auth/token", app.issuer());
    let claims = json!({"jti": jti, "htm": "POST", "htu": htu, "iat": app.clock.now().seconds()});
    let proof = sign(key, &json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": public}), &claims);
    (proof, jeton::crypto::base64url(jwk.thumbprint()))
}

on_both_stores!(exc_009_a_bound_token_is_exchanged_only_with_its_proof_and_stays_bound, async |backend| {
    let chain = Chain::start(backend).await;
    let (app, scene) = (chain.app(), &chain.scene);
    let new_key =
        || SigningKey::parse(SigningAlgorithm::Es256, &SigningKey::generate(SigningAlgorithm::Es256)).unwrap();
    let (key, other) = (new_key(), new_key());
    let thumbprint = proof_of(app, &key).1;
    let bound = json!({"cnf": {"jkt": thumbprint}});
    let bound = signed_by_the_server(app, &chain.login().await, json!({}), bound);
    let with_proof = async |key: &SigningKey, more: &[(&str, &str)]| {
        let exchange = [&[GRANT, ("subject_token", bound.as_str()), SUBJECT_TYPE], more].concat();
        let request = app.http.post(format!("{}/auth/token", app.base)).header("DPoP", proof_of(app, key).0);
        Answer::of(request.header("Authorization", chain.gateway.basic()).form(&exchange)).await
    };
    let without = exchange(app, &chain.gateway, &bound, &[]).await;
    assert_refused(
        &without,
        "The subject_token is refused: The token is bound to a key or a certificate, and nothing proved",
    );
    assert_refused(&with_proof(&other, &[]).await, "The token is not bound to what the sender proved to hold");
    let answer = with_proof(&key, &[]).await;
    assert_eq!(answer.assert_ok().json["token_type"], "DPoP");
    let token = answer.text("access_token");
    assert_eq!(scene.assert_active(&token).await["cnf"], json!({"jkt": thumbprint}));
    let subject = chain.login().await;
    let actor = exchange(app, &chain.gateway, &subject, &[("actor_token", &bound), ACTOR_TYPE]).await;
    assert_refused(&actor, "The actor_token is refused: The token is bound");
    let refusals = app.http.get(format!("{}/metrics", app.ops)).send().await.unwrap().text().await.unwrap();
    for (cause, count) in [("proof_missing", 2), ("proof_key_mismatch", 1)] {
        let line = format!("jeton_refusals_total{{endpoint=\"token\",cause=\"{cause}\"}} {count}");
        assert!(refusals.contains(&line), "{line} in {refusals}");
    }
});

on_both_stores!(an_exchanged_token_is_revoked_with_each_of_those_that_it_comes_of, async |backend| {
    let chain = Chain::start(backend).await;
    let (app, scene) = (chain.app(), &chain.scene);
    for what in ["token", "first", "session", "user", "main", "gateway", "all"] {
        let login = scene.login(&scene.main).await;
        let first = exchanged(app, &chain.gateway, &login.access, &[]).await;
        let second = exchanged(app, &chain.orders, &first, &[]).await;
        scene.assert_active(&second).await;
        let revocation = match what {
            "token" => json!({"token": login.access}),
            "first" => json!({"token": first}),
            "session" => json!({"token": login.refresh}),
            "user" => json!({"user": "alice"}),
            "all" => json!({"all": true}),
            client => json!({"client": client}),
        };
        let answer = app.admin(Method::POST, "/admin/v1/revocations", Some(revocation)).await;
        assert_eq!(answer.status.as_u16(), 201, "{what}: {answer:?}");
        app.forget_admin_token().await;
        scene.assert_inactive(&second).await;
        let of_subject = scene.app.introspect(&scene.rs, &login.access).await.json["active"] == true;
        assert_eq!(of_subject, matches!(what, "first" | "gateway"), "{what} reaches no further back");
        assert_refused(&exchange(app, &chain.orders, &first, &[]).await, "The subject_token is refused");
        // What was revoked before does not count for what is issued later.
        let login = scene.login(&scene.main).await;
        let first = exchanged(app, &chain.gateway, &login.access, &[]).await;
        scene.assert_active(&exchanged(app, &chain.orders, &first, &[]).await).await;
    }
    // A client that gives its own token back takes nothing from others.
    let login = scene.login(&scene.main).await;
    let first = exchanged(app, &chain.gateway, &login.access, &[]).await;
    app.revoke(&chain.gateway, &first).await.assert_ok();
    scene.assert_inactive(&first).await;
    scene.assert_active(&login.access).await;
    scene.refresh(&scene.main, &login.refresh).await;
});

on_both_stores!(the_end_of_a_user_or_of_a_client_in_the_chain_ends_what_came_of_it, async |backend| {
    let chain = Chain::start(backend).await;
    let (app, scene) = (chain.app(), &chain.scene);
    let machine = scene.client_credentials(&scene.main, &[]).await.text("access_token");
    let of_machine = exchanged(app, &chain.gateway, &machine, &[]).await;
    let seen = scene.assert_active(&of_machine).await;
    assert_eq!((&seen["sub"], &seen["client_id"]), (&json!("main"), &json!("gateway")));
    assert!(seen.get("username").is_none(), "{seen}");
    let of_alice = exchanged(app, &chain.gateway, &chain.login().await, &[]).await;
    let disabled = Some(json!({"enabled": false}));
    app.admin(Method::PATCH, "/admin/v1/users/alice", disabled.clone()).await.assert_ok();
    scene.assert_inactive(&of_alice).await;
    scene.assert_active(&of_machine).await;
    app.admin(Method::PATCH, "/admin/v1/clients/main", disabled).await.assert_ok();
    scene.assert_inactive(&of_machine).await;
    assert_eq!(chain.explain(&of_machine).await["cause"], "client_disabled");
});

on_both_stores!(the_end_of_a_key_ends_what_came_of_the_tokens_that_it_made, async |backend| {
    let chain = Chain::start(backend).await;
    let (app, scene) = (chain.app(), &chain.scene);
    let opaque = json!({"access_token_format": "opaque"});
    app.admin(Method::PATCH, "/admin/v1/clients/gateway", Some(opaque)).await.assert_ok();
    let subject = chain.login().await;
    let kid = jwt_part(&subject, 0)["kid"].as_str().unwrap().to_owned();
    let token = exchanged(app, &chain.gateway, &subject, &[]).await;
    assert!(token.starts_with("jat_"), "another key made it: {token}");
    scene.assert_active(&token).await;
    let rotated = app.admin(Method::POST, "/admin/v1/keys/rotate", None).await;
    assert_eq!(rotated.status.as_u16(), 201, "{rotated:?}");
    scene.assert_active(&token).await;
    let deleted = app.admin(Method::DELETE, &format!("/admin/v1/keys/{kid}"), None).await;
    assert_eq!(deleted.status.as_u16(), 204, "{deleted:?}");
    app.forget_admin_token().await;
    scene.assert_inactive(&subject).await;
    scene.assert_inactive(&token).await;
    assert_eq!(chain.explain(&token).await["cause"], "retired_key");
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_revokes_an_exchanged_token_with_its_subject() {
    let chain = Chain::start(Backend::Postgres).await;
    let (one, scene) = (chain.app(), &chain.scene);
    let two = TestServer::start_on(&one.database, &one.master_key, Setup::default()).await;
    let subject = chain.login().await;
    let token = exchanged(&two, &chain.gateway, &subject, &[]).await;
    two.introspect(&scene.rs, &token).await.assert_active();
    one.revoke(&scene.main, &subject).await.assert_ok();
    one.introspect(&scene.rs, &token).await.assert_inactive();
    eventually(Duration::from_secs(5), "the other node knows", async || {
        two.introspect(&scene.rs, &token).await.json["active"] == false
    })
    .await;
    assert_refused(&exchange(&two, &chain.gateway, &subject, &[]).await, "The token was revoked");
}

on_both_stores!(exchange_is_by_permission_and_impersonation_by_its_own, async |backend| {
    let chain = Chain::start(backend).await;
    let (app, scene) = (chain.app(), &chain.scene);
    let subject = chain.login().await;
    // The grant without the permission.
    let grants = json!({"grant_types": [GRANT.1], "scope": "read"});
    let listed = app.client("listed", grants).await;
    exchange(app, &listed, &subject, &[]).await.assert_error(400, "unauthorized_client");
    exchange(app, &scene.main, &subject, &[]).await.assert_error(400, "unauthorized_client");
    let public = json!({"token_endpoint_auth_method": "none", "permissions": ["exchange"], "client_id": "p"});
    let refused = app.admin(Method::POST, "/admin/v1/clients", Some(public)).await;
    assert_eq!(refused.status.as_u16(), 400, "{refused:?}");
    // Impersonation names nobody, and is recorded.
    app.admin(Method::PATCH, "/admin/v1/clients/gateway", Some(json!({"permissions": ["impersonate"]})))
        .await
        .assert_ok();
    let silent = jwt_part(&exchanged(app, &chain.gateway, &subject, &[]).await, 1);
    assert!(silent.get("act").is_none(), "{silent}");
    assert_eq!((&silent["sub"], &silent["client_id"]), (&json!(scene.alice), &json!("gateway")));
    let trail = app.admin(Method::GET, "/admin/v1/audit?action=token.impersonate", None).await;
    let records = trail.json["items"].as_array().unwrap();
    assert_eq!(records.len(), 1, "{trail:?}");
    assert_eq!(
        (&records[0]["actor"], &records[0]["target"]),
        (&json!("client gateway"), &json!(format!("user {}", scene.alice)))
    );
    // Only an administrator of everything gives that away, or changes who has it.
    let deputy = json!({"grant_types": ["client_credentials"], "scope": "jeton:clients"});
    let deputy = app.client("deputy", deputy).await;
    let token = app.token(&deputy, &[CLIENT_CREDENTIALS]).await.text("access_token");
    let ask = async |method: Method, path: &str, body: Value| {
        Answer::of(app.http.request(method, format!("{}{path}", app.base)).bearer_auth(&token).json(&body)).await.status
    };
    let new = |name: &str, permission: &str| json!({"client_id": name, "permissions": [permission]});
    assert_eq!(ask(Method::POST, "/admin/v1/clients", new("a", "exchange")).await, 201);
    assert_eq!(ask(Method::POST, "/admin/v1/clients", new("b", "impersonate")).await, 403);
    assert_eq!(ask(Method::PATCH, "/admin/v1/clients/a", json!({"permissions": ["impersonate"]})).await, 403);
    assert_eq!(ask(Method::PATCH, "/admin/v1/clients/gateway", json!({"client_name": "mine"})).await, 403);
    let metadata = app.get("/.well-known/oauth-authorization-server").await;
    assert!(metadata.json["grant_types_supported"].as_array().unwrap().contains(&json!(GRANT.1)), "{metadata:?}");
});

on_both_stores!(a_delegation_writes_nothing_and_is_counted, async |backend| {
    let chain = Chain::start(backend).await;
    let (app, subject) = (chain.app(), chain.login().await);
    let seen = async || {
        let audit = app.admin(Method::GET, "/admin/v1/audit?limit=1", None).await.json["items"].clone();
        let sessions = app.admin(Method::GET, "/admin/v1/sessions", None).await.json["items"].clone();
        (audit, sessions)
    };
    let before = seen().await;
    for _ in 0..3 {
        exchanged(app, &chain.gateway, &subject, &[]).await;
    }
    assert_eq!(seen().await, before);
    let metrics = app.http.get(format!("{}/metrics", app.ops)).send().await.unwrap().text().await.unwrap();
    for line in [
        "jeton_token_exchanges_total{kind=\"delegation\"} 3",
        "jeton_token_exchanges_total{kind=\"impersonation\"} 0",
        "jeton_tokens_issued_total{grant=\"urn:ietf:params:oauth:grant-type:token-exchange\"} 3",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
});

on_both_stores!(an_explanation_tells_the_chain_and_which_link_broke, async |backend| {
    let chain = Chain::start(backend).await;
    let (app, scene) = (chain.app(), &chain.scene);
    let subject = chain.login().await;
    let first = exchanged(app, &chain.gateway, &subject, &[]).await;
    let second = exchanged(app, &chain.orders, &first, &[]).await;
    let jti = |token: &str| jwt_part(token, 1)["jti"].as_str().unwrap().to_owned();
    let facts = |told: &Value, name: &str| -> Vec<String> {
        let evidence = told["evidence"].as_array().unwrap().iter().filter(|fact| fact["fact"] == name);
        evidence.map(|fact| fact["value"].as_str().unwrap().to_owned()).collect()
    };
    let told = chain.explain(&second).await;
    assert_eq!((&told["active"], facts(&told, "acts").len()), (&json!(true), 1), "{told}");
    assert_eq!(facts(&told, "acts")[0], format!("orders acts for {}; gateway did so before", scene.alice));
    let links = facts(&told, "exchanged_from");
    assert_eq!(links.len(), 2, "{told}");
    assert!(links[0].contains(&jti(&first)) && links[0].contains("client gateway: not revoked"), "{links:?}");
    assert!(links[1].contains(&jti(&subject)) && links[1].contains("client main: not revoked"), "{links:?}");
    let reason = json!({"token": subject, "reason": "a stolen laptop"});
    app.admin(Method::POST, "/admin/v1/revocations", Some(reason)).await;
    let told = chain.explain(&second).await;
    assert_eq!(told["cause"], "token_revoked", "{told}");
    let detail = told["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("It came of token {} of client main", jti(&subject))), "{detail}");
    assert!(detail.contains("a stolen laptop"), "{detail}");
    let links = facts(&told, "exchanged_from");
    assert!(links[0].contains("not revoked") && links[1].contains("broken here: token_revoked"), "{links:?}");
});

on_both_stores!(nothing_is_exchanged_from_or_to_a_reserved_scope, async |backend| {
    let chain = Chain::start(backend).await;
    let app = chain.app();
    let both = json!({"grant_types": ["client_credentials"], "permissions": ["exchange"], "scope": "read jeton:read"});
    let both = app.client("both", both).await;
    let admin = app.token(&both, &[CLIENT_CREDENTIALS, ("scope", "jeton:read")]).await.text("access_token");
    assert_refused(&exchange(app, &both, &admin, &[]).await, "jeton: scope");
    let plain = app.token(&both, &[CLIENT_CREDENTIALS]).await.text("access_token");
    exchange(app, &both, &plain, &[("scope", "jeton:read")]).await.assert_error(400, "invalid_scope");
    exchange(app, &both, &plain, &[("scope", "read jeton:read")]).await.assert_error(400, "invalid_scope");
    let same = exchanged(app, &both, &plain, &[]).await;
    assert_eq!(jwt_part(&same, 1)["scope"], "read");
    let users = app.get_with("/admin/v1/users", &[("Authorization", &format!("Bearer {same}"))]).await;
    assert_eq!(users.status.as_u16(), 401, "{users:?}");
});

on_both_stores!(no_setting_forges_who_acts, async |backend| {
    let chain = Chain::start(backend).await;
    let app = chain.app();
    for name in ["act", "may_act", "cnf", "exchanged_from"] {
        let claims = json!({"claims": {name: {"sub": "admin"}}});
        for (method, path, mut body) in [
            (Method::POST, "/admin/v1/clients".to_owned(), json!({"client_id": "forger"})),
            (Method::PATCH, "/admin/v1/clients/gateway".to_owned(), json!({})),
            (Method::PATCH, "/admin/v1/users/alice".to_owned(), json!({})),
            (Method::POST, "/admin/v1/users".to_owned(), json!({"username": "forger", "password": ALICE.1})),
            (Method::POST, "/admin/v1/resources".to_owned(), json!({"resource": "https://forger.example/"})),
        ] {
            body["claims"] = claims["claims"].clone();
            let answer = app.admin(method, &path, Some(body)).await;
            assert_eq!(answer.status.as_u16(), 400, "{path}: {answer:?}");
            let expected = format!("the claim \"{name}\" has a fixed meaning and cannot be set");
            assert!(answer.text("detail").contains(&expected), "{path}: {answer:?}");
        }
    }
});
