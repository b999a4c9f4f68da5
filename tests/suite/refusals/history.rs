//! What explanations say about the past, for how long, to whom and how often, and what the audit trail records of them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Setup, TestClient, TestServer, on_both_stores};

const DAY: u64 = 24 * 3600;

struct Past {
    app: TestServer,
    rs: TestClient,
}

impl Past {
    async fn start(backend: crate::support::Backend, setup: Setup) -> Self {
        let app = TestServer::start_with(backend, setup.with_manual_clock()).await;
        app.user("alice", "wonderland").await;
        let rs = app.resource_server("rs").await;
        Self { app, rs }
    }

    async fn explain(&self, token: &str, more: &[(&str, &str)]) -> Value {
        let answer = self.app.form(&self.rs, "/auth/explain", &[&[("token", token)], more].concat()).await;
        answer.assert_ok().json.clone()
    }

    async fn admin(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let answer = self.app.admin(method, path, body).await;
        assert!(answer.status.is_success(), "{answer:?}");
        answer
    }

    /// The challenge with which `/auth/verify` refuses.
    async fn verify(&self, token: &str) -> String {
        let address = format!("{}/auth/verify?audience=https://auth.example.com/api", self.app.base);
        let request = reqwest::Client::new().get(address).bearer_auth(token);
        let answer = Answer::of(request).await;
        assert_eq!(answer.status.as_u16(), 401, "{answer:?}");
        answer.header("www-authenticate").unwrap().to_owned()
    }

    /// What the server does from time to time.
    async fn sweep(&self) {
        let app = &self.app.server.app;
        let mut round = jeton::store::Round::new(app.clock.now(), app.settings.history);
        while app.store.sweep(&mut round).await.unwrap() {}
        app.state.forget_what_is_over();
    }
}

on_both_stores!(the_fate_of_an_access_token_is_explained_for_as_long_as_history_is_kept, async |backend| {
    let past = Past::start(backend, Setup::default().set("JETON_HISTORY", "40d")).await;
    let main = past.app.main_client("main").await;
    let login = past.app.login(&main, "alice", "wonderland").await;
    let token = login.text("access_token");
    let revocation = json!({"token": token, "reason": "a laptop was lost"});
    past.admin(Method::POST, "/admin/v1/revocations", Some(revocation)).await;
    for days in [0, 1, 38] {
        past.app.advance(days * DAY);
        past.sweep().await;
        let told = past.explain(&token, &[]).await;
        assert_eq!(told["cause"], "token_revoked", "{told}");
        assert!(told["detail"].as_str().unwrap().contains("a laptop was lost"), "{told}");
        assert_eq!(told["all_causes"].as_array().unwrap().contains(&json!("expired")), days > 0, "{told}");
        // Also when memory has forgotten it, the proxy says the same.
        assert!(past.verify(&token).await.contains("/docs/errors/token_revoked"));
    }
    past.app.advance(2 * DAY);
    past.sweep().await;
    let told = past.explain(&token, &[]).await;
    assert_eq!((&told["cause"], &told["all_causes"]), (&json!("expired"), &json!(["expired"])), "{told}");
    assert!(past.verify(&token).await.contains("/docs/errors/expired"));
});

on_both_stores!(a_session_that_was_cleaned_up_counts_as_expired_not_as_never_issued, async |backend| {
    let past = Past::start(backend, Setup::default().set("JETON_HISTORY", "10d")).await;
    let short = json!({
        "grant_types": ["password", "refresh_token"], "scope": "read", "refresh_token_ttl": 3600,
    });
    let main = past.app.client("main", short).await;
    let refresh = past.app.login(&main, "alice", "wonderland").await.text("refresh_token");
    let meant = [("token_type_hint", "refresh_token")];
    let told = past.explain(&refresh, &[]).await;
    assert_eq!((&told["active"], &told["cause"]), (&json!(false), &json!("refresh_token_as_access_token")), "{told}");
    assert_eq!(past.explain(&refresh, &meant).await["active"], true);
    past.app.advance(2 * 3600);
    let told = past.explain(&refresh, &meant).await;
    assert_eq!(told["all_causes"], json!(["expired"]), "{told}");
    assert!(told["detail"].as_str().unwrap().contains("60 minutes ago"), "{told}");
    past.app.advance(11 * DAY);
    past.sweep().await;
    let told = past.explain(&refresh, &meant).await;
    assert_eq!(told["all_causes"], json!(["expired"]), "{told}");
    assert!(told["detail"].as_str().unwrap().contains("no longer on record"), "{told}");
});

on_both_stores!(both_uses_of_a_reused_refresh_token_are_explained_with_their_times, async |backend| {
    let past = Past::start(backend, Setup::default()).await;
    let main = past.app.main_client("main").await;
    let login = past.app.login(&main, "alice", "wonderland").await;
    past.app.advance(100);
    let first_use = past.app.server.app.clock.now().to_string();
    past.app.refresh(&main, &login.text("refresh_token")).await.assert_ok();
    past.app.advance(1000 - 100);
    let second_use = past.app.server.app.clock.now().to_string();
    past.app.refresh(&main, &login.text("refresh_token")).await.assert_error(400, "invalid_grant");
    let told = past.explain(&login.text("access_token"), &[]).await;
    assert_eq!(told["cause"], "refresh_reuse_detected");
    let detail = told["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("was used at {first_use}")) && detail.contains(&second_use), "{detail}");
});

on_both_stores!(each_explanation_leaves_an_audit_record_without_the_token, async |backend| {
    let past = Past::start(backend, Setup::default()).await;
    let short = json!({"grant_types": ["password"], "scope": "read", "access_token_ttl": 60});
    let main = past.app.client("main", short).await;
    let token = past.app.login(&main, "alice", "wonderland").await.text("access_token");
    past.app.advance(100);
    let told = past.explain(&token, &[]).await;
    past.explain("undefined", &[]).await;
    let trail = past.admin(Method::GET, "/admin/v1/audit?action=token.explain", None).await;
    let items = trail.json["items"].as_array().unwrap();
    let jti = crate::support::jwt_part(&token, 1)["jti"].as_str().unwrap().to_owned();
    assert_eq!(items.len(), 2, "{trail:?}");
    assert_eq!(items[1]["target"], format!("token {jti}"));
    assert_eq!((&items[1]["actor"], &items[1]["detail"]), (&json!("client rs"), &json!("expired")));
    assert_eq!(items[1]["request_id"], told["request_id"]);
    assert_eq!((&items[0]["target"], &items[0]["detail"]), (&json!("a text of 9 characters"), &json!("not_a_token")));
    assert!(!trail.body.contains(&token[token.len() - 20..]));
});

on_both_stores!(a_caller_who_asks_too_often_waits_and_others_do_not, async |backend| {
    let past = Past::start(backend, Setup::default().set("JETON_THROTTLING", "on")).await;
    let other = past.app.resource_server("other").await;
    let ask = async |client: &TestClient| past.app.form(client, "/auth/explain", &[("token", "x")]).await;
    for _ in 0..300 {
        ask(&past.rs).await.assert_ok();
    }
    let refused = ask(&past.rs).await;
    assert_eq!(refused.status.as_u16(), 429, "{refused:?}");
    assert_eq!((refused.text("error").as_str(), refused.header("retry-after")), ("temporarily_unavailable", Some("1")));
    ask(&other).await.assert_ok();
    // Wrong credentials do not use up what the right ones may ask for.
    past.app.advance(1);
    let stranger = past.rs.with_secret("wrong");
    for _ in 0..20 {
        ask(&stranger).await.assert_error(401, "invalid_client");
    }
    ask(&stranger).await.assert_error(429, "temporarily_unavailable");
    ask(&past.rs).await.assert_ok();
});

on_both_stores!(a_scope_that_its_client_lost_no_longer_counts_anywhere, async |backend| {
    let past = Past::start(backend, Setup::default()).await;
    let members = json!({"grant_types": ["client_credentials"], "scope": "jeton:admin jeton:read"});
    let ops = past.app.client("ops", members).await;
    let grant = [("grant_type", "client_credentials"), ("scope", "jeton:admin")];
    let token = past.app.token(&ops, &grant).await.assert_ok().text("access_token");
    let audience = format!("{}/admin/v1", past.app.issuer());
    let expected = [("scope", "jeton:admin"), ("audience", audience.as_str())];
    assert_eq!(past.explain(&token, &expected).await["active"], true);
    past.admin(Method::PATCH, "/admin/v1/clients/ops", Some(json!({"scope": "jeton:read"}))).await;
    let told = past.explain(&token, &expected).await;
    assert_eq!(told["all_causes"], json!(["insufficient_scope"]), "{told}");
    assert!(told["detail"].as_str().unwrap().contains("its client may no longer have that"), "{told}");
    let address = format!("{}/auth/verify?audience={audience}&scope=jeton:admin", past.app.base);
    let verified = Answer::of(reqwest::Client::new().get(address).bearer_auth(&token)).await;
    assert_eq!(verified.status.as_u16(), 403, "{verified:?}");
});

on_both_stores!(a_user_or_client_that_is_enabled_again_is_not_called_disabled, async |backend| {
    let past = Past::start(backend, Setup::default()).await;
    let main = past.app.main_client("main").await;
    let token = past.app.login(&main, "alice", "wonderland").await.text("access_token");
    for (path, cause, fix) in [
        ("users/alice", "user_disabled", "Log the user in again"),
        ("clients/main", "client_disabled", "Get a new token"),
    ] {
        let path = format!("/admin/v1/{path}");
        let token = match cause {
            "user_disabled" => token.clone(),
            _ => past.app.login(&main, "alice", "wonderland").await.text("access_token"),
        };
        past.admin(Method::PATCH, &path, Some(json!({"enabled": false}))).await;
        let told = past.explain(&token, &[]).await;
        assert_eq!(told["cause"], cause);
        assert!(!told["detail"].as_str().unwrap().contains("again"), "{told}");
        past.admin(Method::PATCH, &path, Some(json!({"enabled": true}))).await;
        let told = past.explain(&token, &[]).await;
        assert_eq!(told["cause"], cause);
        assert!(told["detail"].as_str().unwrap().contains("has been enabled again"), "{told}");
        assert!(told["fix"]["client"].as_str().unwrap().starts_with(fix), "{told}");
    }
});

on_both_stores!(a_client_with_a_reused_id_learns_nothing_about_its_predecessor, async |backend| {
    let past = Past::start(backend, Setup::default()).await;
    let members = json!({"grant_types": ["client_credentials"], "scope": "read"});
    let old = past.app.client("phoenix", members.clone()).await;
    let grant = [("grant_type", "client_credentials")];
    let token = past.app.token(&old, &grant).await.assert_ok().text("access_token");
    let told = past.app.form(&old, "/auth/explain", &[("token", &token)]).await;
    assert_eq!(told.assert_ok().json["active"], true);
    past.admin(Method::DELETE, "/admin/v1/clients/phoenix", None).await;
    past.app.advance(10);
    let new = past.app.client("phoenix", members).await;
    let told = past.app.form(&new, "/auth/explain", &[("token", &token)]).await;
    let told = &told.assert_ok().json;
    assert_eq!((&told["limited"], &told["cause"]), (&json!(true), &Value::Null), "{told}");
    assert_eq!(past.explain(&token, &[]).await["cause"], "client_deleted");
});

on_both_stores!(long_after_expiry_proxy_and_explanation_name_the_same_cause, async |backend| {
    let past = Past::start(backend, Setup::default()).await;
    let main = past.app.main_client("main").await;
    let token = past.app.login(&main, "alice", "wonderland").await.text("access_token");
    past.admin(Method::POST, "/admin/v1/revocations", Some(json!({"token": token}))).await;
    past.admin(Method::POST, "/admin/v1/revocations", Some(json!({"user": "alice"}))).await;
    for hours in [0, 3] {
        past.app.advance(hours * 3600);
        past.sweep().await;
        assert_eq!(past.explain(&token, &[]).await["cause"], "token_revoked");
        assert!(past.verify(&token).await.contains("/docs/errors/token_revoked"));
    }
});

on_both_stores!(of_two_reasons_against_a_session_every_endpoint_names_the_first_in_order, async |backend| {
    let past = Past::start(backend, Setup::default()).await;
    let main = past.app.main_client("main").await;
    let login = past.app.login(&main, "alice", "wonderland").await;
    let (token, refresh) = (login.text("access_token"), login.text("refresh_token"));
    past.admin(Method::PATCH, "/admin/v1/users/alice", Some(json!({"enabled": false}))).await;
    past.admin(Method::POST, "/admin/v1/revocations", Some(json!({"user": "alice"}))).await;
    let meant = [("token_type_hint", "refresh_token")];
    assert_eq!(past.explain(&token, &[]).await["all_causes"], json!(["user_revoked", "user_disabled"]));
    assert_eq!(past.explain(&refresh, &meant).await["all_causes"], json!(["user_revoked", "user_disabled"]));
    assert!(past.verify(&token).await.contains("/docs/errors/user_revoked"));
    past.app.introspect(&past.rs, &refresh).await.assert_inactive();
    past.app.refresh(&main, &refresh).await.assert_error(400, "invalid_grant");
    let (state, passwords) = (&past.app.server.app.state, &past.app.server.app.passwords);
    let metrics = past.app.server.app.metrics.text(&state.measures, passwords, &[]);
    for endpoint in ["introspect", "token", "verify"] {
        let counted = format!("jeton_refusals_total{{endpoint=\"{endpoint}\",cause=\"user_revoked\"}} 1");
        assert!(metrics.contains(&counted), "{counted} in {metrics}");
    }
});
