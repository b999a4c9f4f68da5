//! Tokens of trusted issuers as those of the subject of a token exchange (RFC 8693).

use std::time::Duration;

use jeton::protocol::feature;
use jeton::store::NodeRecord;
use reqwest::Method;
use serde_json::{Value, json};

use super::jose::changed;
use crate::issuers::{Idp, JWT_BEARER, refusals};
use crate::support::scene::{API, FILES};
use crate::support::{Answer, Backend, Setup, TestClient, TestServer, eventually, jwt_part, on_both_stores};

const GRANT: (&str, &str) = ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
/// That of some key.
const THUMBPRINT: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";

/// A server with an issuer whose subjects anna and ben are trusted, a gateway that exchanges their tokens, and a resource server.
struct Trusting {
    app: TestServer,
    idp: Idp,
    gateway: TestClient,
    rs: TestClient,
}

impl Trusting {
    async fn start(backend: Backend, more: Value) -> Self {
        Self::start_with(backend, Setup::default(), more).await
    }

    async fn start_with(backend: Backend, setup: Setup, more: Value) -> Self {
        let app = TestServer::start_with(backend, setup).await;
        let idp = Idp::new("https://idp.example.test");
        let members = json!({
            "permissions": ["exchange"], "scope": "read write", "audiences": [API], "issuers": [idp.name],
        });
        let gateway = app.client("gateway", members).await;
        let rs = app.resource_server("rs").await;
        let rules = json!([{"claims": {"sub": {"one_of": ["anna", "ben"]}}}]);
        idp.register(&app, changed(&json!({"uses": ["jwt_bearer"], "rules": rules}), more)).await;
        Self { app, idp, gateway, rs }
    }

    /// A token of anna.
    fn token(&self) -> String {
        self.idp.token(&self.app, "anna", json!({}), json!({}))
    }

    async fn exchange(&self, token: &str, kind: &str, more: &[(&str, &str)]) -> Answer {
        exchange(&self.app, &self.gateway, token, kind, more).await
    }

    /// What came of a new token of anna.
    async fn exchanged(&self) -> String {
        self.exchange(&self.token(), JWT, &[]).await.assert_ok().text("access_token")
    }

    async fn is_active(&self, token: &str) -> bool {
        self.app.introspect(&self.rs, token).await.assert_ok().json["active"] == true
    }
}

async fn exchange(app: &TestServer, client: &TestClient, token: &str, kind: &str, more: &[(&str, &str)]) -> Answer {
    app.token(client, &[&[GRANT, ("subject_token", token), ("subject_token_type", kind)], more].concat()).await
}

#[track_caller]
fn assert_refused(answer: &Answer, part: &str) {
    answer.assert_error(400, "invalid_request");
    let found = answer.text("error_description");
    assert!(found.contains(part), "{found} has no {part}");
}

on_both_stores!(a_token_of_a_trusted_issuer_gives_one_of_its_subject_in_which_the_client_acts, async |backend| {
    let scene = Trusting::start(backend, json!({})).await;
    let (app, idp) = (&scene.app, &scene.idp);
    for (format, typ, kind) in [
        ("jwt", json!("at+jwt"), ACCESS_TOKEN),
        ("opaque", json!("at+jwt"), JWT),
        ("jwt", json!("JWT"), ID_TOKEN),
        ("opaque", Value::Null, ACCESS_TOKEN),
    ] {
        let form = json!({"access_token_format": format});
        app.admin(Method::PATCH, "/admin/v1/clients/gateway", Some(form)).await.assert_ok();
        let subject = idp.token(app, "anna", json!({"typ": typ}), json!({}));
        let answer = scene.exchange(&subject, kind, &[]).await;
        let members = &answer.assert_ok().json;
        assert_eq!(
            (&members["issued_token_type"], &members["token_type"], &members["scope"]),
            (&json!(ACCESS_TOKEN), &json!("Bearer"), &json!("read write"))
        );
        // It ends with the one that was presented, after five minutes.
        assert!(members["expires_in"].as_i64().unwrap() <= 300 && members.get("refresh_token").is_none(), "{members}");
        let token = answer.text("access_token");
        let shown = app.introspect(&scene.rs, &token).await;
        shown.assert_active();
        let expected = json!({
            "sub": "anna", "sub_iss": idp.name, "client_id": "gateway", "aud": API, "act": {"sub": "gateway"},
        });
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(shown.json[name], *value, "{format}: {name}");
        }
        assert!(shown.json.get("exchanged_from").is_none() && shown.json["username"].is_null(), "{shown:?}");
        let told = app.get_with("/auth/userinfo", &[("authorization", &format!("Bearer {token}"))]).await;
        assert!(told.status.is_client_error(), "{told:?}");
        // Once.
        let before = refusals(app, "assertion_used_before").await;
        assert_refused(&scene.exchange(&subject, kind, &[]).await, "used before");
        assert_eq!(refusals(app, "assertion_used_before").await, before + 1);
    }
    // What the client may have limits it, and what it asks for.
    let with = async |more: &[(&str, &str)]| scene.exchange(&scene.token(), JWT, more).await;
    assert_eq!(with(&[("scope", "read")]).await.assert_ok().json["scope"], "read");
    with(&[("scope", "read admin")]).await.assert_error(400, "invalid_scope");
    with(&[("scope", "openid")]).await.assert_error(400, "invalid_scope");
    with(&[("scope", "jeton:admin")]).await.assert_error(400, "invalid_scope");
    with(&[("resource", FILES)]).await.assert_error(400, "invalid_target");
    // What is refused for that is not used up.
    let subject = scene.token();
    scene.exchange(&subject, JWT, &[("scope", "admin")]).await.assert_error(400, "invalid_scope");
    scene.exchange(&subject, JWT, &[]).await.assert_ok();
    idp.patch(app, json!({"single_use": false})).await.assert_ok();
    let subject = scene.token();
    for _ in 0..2 {
        scene.exchange(&subject, JWT, &[]).await.assert_ok();
    }
    // The next one in the chain knows whose subject it is, too.
    let orders =
        app.client("orders", json!({"permissions": ["exchange"], "scope": "read", "audiences": [FILES]})).await;
    app.resource(json!({"resource": API, "serves": ["orders"]})).await;
    let next = exchange(app, &orders, &scene.exchanged().await, ACCESS_TOKEN, &[]).await;
    let next = app.introspect(&scene.rs, &next.assert_ok().text("access_token")).await.assert_active().json.clone();
    assert_eq!((&next["sub"], &next["sub_iss"]), (&json!("anna"), &json!(idp.name)));
    assert_eq!(next["act"], json!({"sub": "orders", "act": {"sub": "gateway"}}));
});

on_both_stores!(exc_006_the_scope_of_a_foreign_token_limits_what_comes_of_it, async |backend| {
    let scene = Trusting::start(backend, json!({})).await;
    let with = async |scope: Value, more: &[(&str, &str)]| {
        let token = scene.idp.token(&scene.app, "anna", json!({"typ": "at+jwt"}), json!({ "scope": scope }));
        scene.exchange(&token, ACCESS_TOKEN, more).await
    };
    assert_eq!(with(json!("openid read"), &[]).await.assert_ok().json["scope"], "read");
    assert_eq!(with(json!("read write"), &[("scope", "write")]).await.assert_ok().json["scope"], "write");
    with(json!("read"), &[("scope", "write")]).await.assert_error(400, "invalid_scope");
    with(json!("openid email"), &[]).await.assert_error(400, "invalid_scope");
    with(json!(["read"]), &[]).await.assert_error(400, "invalid_request");
});

on_both_stores!(the_first_foreign_token_waits_until_every_live_node_knows_what_ends_with_it, async |backend| {
    let scene = Trusting::start(backend, json!({})).await;
    let store = &scene.app.server.app.store;
    // The settings of the client are older than what they mean now.
    let (level, _) = feature::named(feature::FOREIGN_EXCHANGE).unwrap();
    let sql = format!("UPDATE feature_level SET level = {}", level - 1);
    crate::store_contract::execute(&scene.app.database, &sql).await;
    let old = NodeRecord {
        id: uuid::Uuid::now_v7(),
        name: "old".into(),
        version: "0.1.0".into(),
        feature_level: level - 1,
        applied: 0,
        applied_at: scene.app.clock.now(),
        heartbeat_at: scene.app.clock.now(),
        max_staleness: 60_000,
    };
    assert!(store.node_heartbeat(&old).await.unwrap());
    let token = scene.token();
    let answer = scene.exchange(&token, JWT, &[]).await;
    assert_eq!(answer.status.as_u16(), 503, "{answer:?}");
    store.node_leave(old.id).await.unwrap();
    scene.exchange(&token, JWT, &[]).await.assert_ok();
    assert!(!store.node_heartbeat(&old).await.unwrap(), "it cannot come back");
});

on_both_stores!(who_stands_for_a_foreign_subject_unnamed_is_recorded_with_its_issuer, async |backend| {
    let scene = Trusting::start(backend, json!({})).await;
    let silent = json!({"permissions": ["impersonate"]});
    scene.app.admin(Method::PATCH, "/admin/v1/clients/gateway", Some(silent)).await.assert_ok();
    scene.exchanged().await;
    let trail = scene.app.admin(Method::GET, "/admin/v1/audit?action=token.impersonate", None).await;
    let target = format!("subject anna of {}", scene.idp.name);
    assert_eq!(trail.json["items"][0]["target"], json!(target), "{trail:?}");
});

on_both_stores!(a_foreign_subject_token_that_is_not_good_is_refused_with_its_cause, async |backend| {
    let scene = Trusting::start(backend, json!({})).await;
    let (app, idp) = (&scene.app, &scene.idp);
    let now = app.clock.now().seconds();
    for (header, claims, kind, cause) in [
        (json!({}), json!({"aud": "https://else.example"}), JWT, "assertion_wrong_audience"),
        (json!({}), json!({"exp": now - 1}), JWT, "assertion_expired"),
        (json!({}), json!({"iat": now - 3700}), JWT, "assertion_too_old"),
        (json!({}), json!({"sub": "carl"}), JWT, "assertion_condition_failed"),
        (json!({}), json!({"iss": "https://else.example"}), ID_TOKEN, "assertion_untrusted_issuer"),
        (json!({"kid": "other"}), json!({}), JWT, "assertion_unknown_key"),
        (json!({"alg": "none"}), json!({}), JWT, "assertion_algorithm_not_allowed"),
        (json!({"typ": "at+jwt"}), json!({}), ID_TOKEN, "assertion_wrong_type"),
        (json!({"typ": "oauth-id-jag+jwt"}), json!({"client_id": "gateway"}), JWT, "assertion_wrong_type"),
        (json!({"typ": "logout+jwt"}), json!({}), JWT, "assertion_wrong_type"),
        (json!({}), json!({"cnf": {"jkt": THUMBPRINT}}), JWT, "assertion_not_held"),
    ] {
        let before = refusals(app, cause).await;
        let answer = scene.exchange(&idp.token(app, "anna", header.clone(), claims.clone()), kind, &[]).await;
        answer.assert_error(400, "invalid_request");
        assert_eq!(refusals(app, cause).await, before + 1, "{header} {claims}: {cause}");
    }
    // Another signature.
    let (good, other) = (scene.token(), idp.token(app, "ben", json!({}), json!({})));
    let forged = format!("{}.{}", good.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1);
    scene.exchange(&forged, JWT, &[]).await.assert_error(400, "invalid_request");
    // Who acts, and who may, as far as this server can name them.
    let with = async |claims: Value| scene.exchange(&idp.token(app, "anna", json!({}), claims), JWT, &[]).await;
    assert_refused(&with(json!({"act": {"sub": "gateway"}})).await, "act of another issuer");
    assert_refused(&with(json!({"may_act": {"sub": "gateway"}})).await, "may_act");
    assert_refused(&with(json!({"may_act": {"sub": "other", "iss": app.issuer()}})).await, "may_act");
    with(json!({"may_act": {"sub": "gateway", "iss": app.issuer()}})).await.assert_ok();
    // It is no actor.
    let actor = idp.token(app, "ben", json!({}), json!({}));
    let actor = [("actor_token", actor.as_str()), ("actor_token_type", JWT)];
    assert_refused(&scene.exchange(&scene.token(), JWT, &actor).await, "The actor_token");
    // A client that does not name the issuer learns what it learns of any token that it may not see.
    let stranger =
        app.client("stranger", json!({"permissions": ["exchange"], "scope": "read", "audiences": [API]})).await;
    exchange(app, &stranger, &scene.token(), JWT, &[]).await.assert_error(400, "invalid_request");
    // One that names it has to have the permission.
    let portal = json!({"grant_types": [JWT_BEARER], "scope": "read", "audiences": [API], "issuers": [idp.name]});
    let portal = app.client("portal", portal).await;
    exchange(app, &portal, &scene.token(), JWT, &[]).await.assert_error(400, "unauthorized_client");
    // Once it names it, it may at once.
    let names = json!({"issuers": [idp.name]});
    app.admin(Method::PATCH, "/admin/v1/clients/stranger", Some(names)).await.assert_ok();
    exchange(app, &stranger, &scene.token(), JWT, &[]).await.assert_ok();
    // For another use, the issuer is not trusted with this.
    idp.patch(app, json!({"uses": ["client_assertion", "identity_assertion"]})).await.assert_ok();
    scene.exchange(&scene.token(), JWT, &[]).await.assert_error(400, "invalid_request");
});

on_both_stores!(what_came_of_a_token_of_an_issuer_ends_with_the_trust_in_it, async |backend| {
    let scene = Trusting::start(backend, json!({})).await;
    let (app, idp) = (&scene.app, &scene.idp);
    // What has nothing to do with it ends nothing.
    let anna = json!({"claims": {"sub": {"one_of": ["anna", "ben"]}}});
    let token = scene.exchanged().await;
    for members in [
        json!({"name": "Example"}),
        json!({"max_age": 60}),
        json!({"rules": [{"claims": {"sub": {"equals": "carl"}}}, anna]}),
    ] {
        idp.patch(app, members.clone()).await.assert_ok();
        assert!(scene.is_active(&token).await, "{members}");
    }
    for (ends, back) in [
        (json!({"enabled": false}), json!({"enabled": true})),
        (json!({"uses": ["client_assertion"]}), json!({"uses": ["jwt_bearer"]})),
        (json!({"rules": [{"claims": {"sub": {"equals": "anna"}}}]}), json!({"rules": [anna]})),
        (json!({"rules": []}), json!({"rules": [anna]})),
        (json!({"local_users": "email"}), json!({"local_users": "never"})),
    ] {
        let token = scene.exchanged().await;
        assert!(scene.is_active(&token).await, "{ends}");
        idp.patch(app, ends.clone()).await.assert_ok();
        assert!(!scene.is_active(&token).await, "{ends}");
        let told = app.form(&scene.rs, "/auth/explain", &[("token", &token)]).await.assert_ok().json.clone();
        assert_eq!(told["cause"], "token_revoked", "{told}");
        let detail = told["detail"].as_str().unwrap();
        assert!(detail.contains(&idp.name) && detail.contains("not trusted any more"), "{detail}");
        idp.patch(app, back).await.assert_ok();
    }
    // An issuer that is registered again is another one.
    let token = scene.exchanged().await;
    assert_eq!(app.admin(Method::DELETE, &idp.path(), None).await.status.as_u16(), 204);
    assert!(!scene.is_active(&token).await);
    idp.register(app, json!({"uses": ["jwt_bearer"], "rules": [anna]})).await;
    assert!(!scene.is_active(&token).await);
    // And with its client.
    let token = scene.exchanged().await;
    assert!(scene.is_active(&token).await);
    app.admin(Method::PATCH, "/admin/v1/clients/gateway", Some(json!({"enabled": false}))).await.assert_ok();
    assert!(!scene.is_active(&token).await);
});

on_both_stores!(a_foreign_subject_acts_as_a_user_of_this_server_only_where_the_issuer_says_so, async |backend| {
    let scene = Trusting::start(backend, json!({})).await;
    let (app, idp) = (&scene.app, &scene.idp);
    let user = json!({"username": "ann", "sub": "anna", "password": "Wonderland-1865", "scope": "read"});
    app.admin(Method::POST, "/admin/v1/users", Some(user)).await;
    let before = refusals(app, "assertion_no_such_subject").await;
    scene.exchange(&scene.token(), JWT, &[]).await.assert_error(400, "invalid_request");
    assert_eq!(refusals(app, "assertion_no_such_subject").await, before + 1);
    // Nor by a permission of the client.
    let silent = json!({"permissions": ["impersonate"]});
    app.admin(Method::PATCH, "/admin/v1/clients/gateway", Some(silent)).await.assert_ok();
    scene.exchange(&scene.token(), JWT, &[]).await.assert_error(400, "invalid_request");
    app.admin(Method::PATCH, "/admin/v1/clients/gateway", Some(json!({"permissions": ["exchange"]}))).await.assert_ok();
    idp.patch(app, json!({"local_users": "sub"})).await.assert_ok();
    let token = scene.exchanged().await;
    let claims = jwt_part(&token, 1);
    let named = (&claims["sub"], &claims["sub_iss"], &claims["scope"], &claims["act"]);
    assert_eq!(named, (&json!("anna"), &Value::Null, &json!("read"), &json!({"sub": "gateway"})));
    // Ben is nobody here.
    let ben = idp.token(app, "ben", json!({}), json!({}));
    scene.exchange(&ben, JWT, &[]).await.assert_error(400, "invalid_request");
    app.admin(Method::PATCH, "/admin/v1/users/anna", Some(json!({"role": "read"}))).await.assert_ok();
    assert!(!scene.is_active(&token).await, "a role ends what the user had");
    scene.exchange(&scene.token(), JWT, &[]).await.assert_error(400, "invalid_request");
    app.admin(Method::PATCH, "/admin/v1/users/anna", Some(json!({"role": null}))).await.assert_ok();
    // Who is not named is recorded.
    let silent = json!({"permissions": ["impersonate"]});
    app.admin(Method::PATCH, "/admin/v1/clients/gateway", Some(silent)).await.assert_ok();
    assert!(jwt_part(&scene.exchanged().await, 1).get("act").is_none());
    let trail = app.admin(Method::GET, "/admin/v1/audit?action=token.impersonate", None).await;
    let records = trail.json["items"].as_array().unwrap();
    assert_eq!((records.len(), &records[0]["target"]), (1, &json!("user anna")), "{trail:?}");
    assert!(records[0]["detail"].as_str().unwrap().contains(&idp.name), "{trail:?}");
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_knows_a_new_rule_at_once_and_ends_what_came_of_an_old_one() {
    let scene = Trusting::start(Backend::Postgres, json!({"rules": []})).await;
    let (one, idp) = (&scene.app, &scene.idp);
    let two = TestServer::start_on(&one.database, &one.master_key, Setup::default()).await;
    idp.patch(one, json!({"rules": [{"claims": {"sub": {"equals": "anna"}}}]})).await.assert_ok();
    let token = scene.exchanged().await;
    two.introspect(&scene.rs, &token).await.assert_active();
    idp.patch(one, json!({"enabled": false})).await.assert_ok();
    assert!(!scene.is_active(&token).await);
    eventually(Duration::from_secs(5), "the other node knows", async || {
        two.introspect(&scene.rs, &token).await.json["active"] == false
    })
    .await;
}
