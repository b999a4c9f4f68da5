//! Who may register, how much, and what such a client can reach.

use std::time::Duration;

use jeton::settings::{Needs, Registration, Resolved, Settings, Sources};
use jeton::store::Audited;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{PATH, manage, metadata, open, register, registered};
use crate::support::browser::{Arrival, Browser, Form, asking};
use crate::support::scene::ALICE;
use crate::support::{Answer, Setup, TestClient, TestServer, eventually, jwt_part, on_both_stores};

#[test]
fn the_settings_of_registration_fit_together() {
    let token = "a-long-initial-access-token-0123456789";
    let check = |mode: &str, token: &str| {
        let pairs = [("JETON_REGISTRATION", mode), ("JETON_REGISTRATION_TOKEN", token)];
        let environment = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let resolved = Resolved::read(&Sources { environment, ..Sources::default() });
        Settings::check(&resolved, Needs::NOTHING).map(|settings| settings.registration)
    };
    assert_eq!(check("", ""), Ok(Registration::Off));
    assert_eq!(check("off", ""), Ok(Registration::Off));
    assert_eq!(check("open", ""), Ok(Registration::Open));
    let Ok(with_token) = check("token", token) else { panic!("it is good") };
    assert!(!format!("{with_token:?}").contains("initial-access"), "{with_token:?}");
    let Registration::WithToken(expected) = with_token else { panic!("{with_token:?}") };
    assert!(expected.is(token) && !expected.is("") && !expected.is(&token[1..]));
    for (mode, token, setting) in [
        ("token", "", "JETON_REGISTRATION_TOKEN: "),
        ("token", "short", "JETON_REGISTRATION_TOKEN: "),
        ("token", "with a space 0123456789 0123456789", "JETON_REGISTRATION_TOKEN: "),
        ("open", token, "JETON_REGISTRATION_TOKEN: "),
        ("off", token, "JETON_REGISTRATION_TOKEN: "),
        ("on", "", "JETON_REGISTRATION: "),
    ] {
        let problems = check(mode, token).unwrap_err();
        assert!(problems.len() == 1 && problems[0].starts_with(setting), "{mode} {token}: {problems:?}");
        assert!(token.is_empty() || !problems[0].contains(token), "{problems:?}");
    }
}

on_both_stores!(reg_009_the_initial_access_token_is_required_where_it_is_set, async |backend| {
    let initial = "a-long-initial-access-token-0123456789";
    let setup = Setup::default().set("JETON_REGISTRATION", "token").set("JETON_REGISTRATION_TOKEN", initial);
    let app = TestServer::start_with(backend, setup).await;
    let post = || app.http.post(format!("{}{PATH}", app.base)).json(&metadata(json!({})));
    let missing = Answer::of(post()).await;
    missing.assert_error(401, "invalid_token");
    assert!(missing.header("www-authenticate").unwrap().starts_with("Bearer realm=\"jeton\""), "{missing:?}");
    assert!(!missing.header("www-authenticate").unwrap().contains("error="), "{missing:?}");
    for wrong in ["wrong", &initial[1..], &initial.to_uppercase(), &app.admin_token().await] {
        let answer = Answer::of(post().bearer_auth(wrong)).await;
        answer.assert_error(401, "invalid_token");
        assert!(answer.header("www-authenticate").unwrap().contains("error=\"invalid_token\""), "{answer:?}");
    }
    app.raw(
        &format!("{PATH}?access_token={initial}"),
        &[("Content-Type", "application/json")],
        metadata(json!({})).to_string(),
    )
    .await
    .assert_error(400, "invalid_request");
    assert_eq!(Answer::of(post().bearer_auth(initial)).await.status.as_u16(), 201);
});

on_both_stores!(reg_010_the_new_client_works_and_reaches_nobody_but_userinfo, async |backend| {
    let app = TestServer::start_with(backend, open()).await;
    app.user(ALICE.0, ALICE.1).await;
    for method in ["none", "client_secret_basic", "client_secret_post"] {
        let (client, _) = registered(&app, json!({"token_endpoint_auth_method": method})).await;
        assert_eq!(client.secret.is_some(), method != "none");
        app.redeem(&client, "bogus").await.assert_error(400, "invalid_grant");
        if client.secret.is_some() {
            app.redeem(&client.with_secret("wrong"), "bogus").await.assert_error(401, "invalid_client");
        }
        // REG-016.
        for grant in ["password", "client_credentials"] {
            app.token(&client, &[("grant_type", grant), ("username", ALICE.0), ("password", ALICE.1)])
                .await
                .assert_error(400, if grant == "password" { "unsupported_grant_type" } else { "unauthorized_client" });
        }
        let wants = asking(&client.id, &[("scope", "openid profile offline_access")]);
        for _ in 0..2 {
            // Consent each time, with the host.
            let mut browser = Browser::logged_in(&app, ALICE).await;
            let page = browser.authorize(&app, &wants).await;
            assert!(page.body.contains("value=\"allow\"") && page.body.contains("app.example.test"), "{page:?}");
            assert!(!page.body.contains("/auth/userinfo"), "{page:?}");
            let code = browser.agree(&app, ALICE, &wants).await.code();
            let tokens = app.redeem(&client, &code).await;
            let claims = jwt_part(&tokens.text("access_token"), 1);
            assert_eq!(claims["aud"], format!("{}/auth/userinfo", app.issuer()));
            let again = app.refresh(&client, &tokens.text("refresh_token")).await;
            assert_eq!(jwt_part(&again.text("access_token"), 1)["aud"], claims["aud"]);
        }
        let mut browser = Browser::logged_in(&app, ALICE).await;
        let default = format!("{}/api", app.issuer());
        for (name, value, error) in [
            ("resource", default.as_str(), "invalid_target"),
            ("scope", "openid read", "invalid_scope"),
            ("prompt", "none", "consent_required"),
        ] {
            let more = [("scope", "openid"), (name, value)];
            let more = if name == "scope" { &more[1..] } else { &more[..] };
            Arrival::of(&browser.authorize(&app, &asking(&client.id, more)).await).assert_error(&app, error);
        }
    }
});

on_both_stores!(a_client_that_registered_itself_reaches_the_resources_that_are_open_to_anybody, async |backend| {
    let app = TestServer::start_with(backend, open()).await;
    app.user(ALICE.0, ALICE.1).await;
    let (chat, files) = ("https://chat.example.test", "https://files.example.test");
    let all = json!({"resource": chat, "scopes": {"chat": "Read your messages"}, "open_to": "anybody"});
    app.resource(all).await;
    app.resource(json!({"resource": files, "scopes": {"files": ""}, "open_to": "registered"})).await;
    // The scopes of the first are among those that such a client may have; those of the second are not.
    let answer = register(&app, metadata(json!({}))).await;
    assert_eq!(answer.json["scope"], "openid profile email address phone offline_access chat");
    let (client, _) = registered(&app, json!({"scope": "openid files chat offline_access"})).await;
    let stored = app.admin(Method::GET, &format!("/admin/v1/clients/{}", client.id), None).await;
    assert_eq!(stored.json["scope"], "openid chat offline_access");
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let wants = asking(&client.id, &[("scope", "openid chat offline_access"), ("resource", chat)]);
    let page = browser.authorize(&app, &wants).await;
    assert!(page.body.contains("Read your messages") && page.body.contains(chat), "{page:?}");
    let code = browser.agree(&app, ALICE, &wants).await.code();
    let tokens = app.redeem(&client, &code).await;
    let claims = jwt_part(&tokens.text("access_token"), 1);
    assert_eq!((&claims["aud"], &claims["scope"]), (&json!(chat), &json!("openid chat offline_access")));
    for (name, value, error) in [
        ("scope", "openid chat", "invalid_scope"),
        ("resource", files, "invalid_target"),
        ("resource", "https://nothing.example.test", "invalid_target"),
    ] {
        let more = [("scope", "openid"), (name, value)];
        let more = if name == "scope" { &more[1..] } else { &more[..] };
        Arrival::of(&browser.authorize(&app, &asking(&client.id, more)).await).assert_error(&app, error);
    }
    // What is no longer open ends with the next refresh.
    let path = "/admin/v1/resources/https%3A%2F%2Fchat.example.test";
    app.admin(Method::PATCH, path, Some(json!({"open_to": "registered"}))).await.assert_ok();
    app.refresh(&client, &tokens.text("refresh_token")).await.assert_error(400, "invalid_target");
});

on_both_stores!(a_device_registers_itself_if_it_asks_for_its_grant, async |backend| {
    let app = TestServer::start_with(backend, open().with_manual_clock()).await;
    app.user(ALICE.0, ALICE.1).await;
    let grant = "urn:ietf:params:oauth:grant-type:device_code";
    let (other, _) = registered(&app, json!({})).await;
    app.form(&other, "/auth/device", &[]).await.assert_error(400, "unauthorized_client");
    let members = metadata(json!({"grant_types": [grant, "refresh_token"], "redirect_uris": null}));
    let answer = register(&app, members).await;
    assert_eq!(answer.json["grant_types"], json!(["refresh_token", grant]), "{answer:?}");
    assert_eq!((&answer.json["response_types"], &answer.json["redirect_uris"]), (&json!([]), &json!([])));
    let device = TestClient { id: answer.text("client_id"), secret: None, in_body: false };
    let begun = app.form(&device, "/auth/device", &[("scope", "openid")]).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let path = begun.text("verification_uri_complete").strip_prefix(app.issuer()).unwrap().to_owned();
    let page = browser.get(&app, &path).await;
    assert!(page.body.contains("Nobody here has checked this app"), "{page:?}");
    browser.send(&app, Form::of(&page).with("action", "allow")).await.assert_ok();
    let tokens = app.token(&device, &[("grant_type", grant), ("device_code", &begun.text("device_code"))]).await;
    assert_eq!(jwt_part(&tokens.text("access_token"), 1)["aud"], format!("{}/auth/userinfo", app.issuer()));
    // Somebody has logged in with it, so that it stays; with the other client, nobody has.
    app.advance(3600);
    let audited = Audited { actor: "cleanup".into(), request_id: None, address: None, at: app.clock.now() };
    let removed = app.server.app.store.registrations_expire(100, &audited).await.unwrap().without_a_node();
    assert_eq!(removed, 1);
    app.forget_admin_token().await;
    app.admin(Method::GET, &format!("/admin/v1/clients/{}", device.id), None).await.assert_ok();
});

on_both_stores!(reg_015_nothing_that_a_client_names_is_fetched, async |backend| {
    let app = TestServer::start_with(backend, open()).await;
    app.user(ALICE.0, ALICE.1).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let inside = format!("http://{}/", listener.local_addr().unwrap());
    let names = ["jwks_uri", "logo_uri", "client_uri", "tos_uri", "policy_uri", "sector_identifier_uri"];
    let more: serde_json::Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), json!(inside))).collect();
    let (client, token) = registered(&app, more.into()).await;
    let code = Browser::default().agree(&app, ALICE, &asking(&client.id, &[("scope", "openid")])).await.code();
    app.redeem(&client, &code).await.assert_ok();
    manage(&app, Method::GET, &client.id, &token, None).await.assert_ok();
    let connected = tokio::time::timeout(Duration::from_millis(200), listener.accept()).await;
    assert!(connected.is_err(), "the server connected to {inside}");
});

on_both_stores!(reg_017_a_network_registers_a_limited_number_of_clients, async |backend| {
    let app = TestServer::start_with(backend, open().with_manual_clock().set("JETON_THROTTLING", "on")).await;
    let mut last = registered(&app, json!({})).await;
    for _ in 1..60 {
        // What is refused costs nothing, and does not count.
        register(&app, json!({})).await.assert_error(400, "invalid_redirect_uri");
        last = registered(&app, json!({})).await;
    }
    let refused = register(&app, metadata(json!({}))).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, Some("60")), "{refused:?}");
    let (client, token) = last;
    let change = metadata(json!({"client_id": client.id}));
    assert_eq!(manage(&app, Method::PUT, &client.id, &token, Some(change)).await.status.as_u16(), 429);
    manage(&app, Method::GET, &client.id, &token, None).await.assert_ok();
    app.advance(60);
    registered(&app, json!({})).await;
    assert_eq!(register(&app, metadata(json!({}))).await.status.as_u16(), 429);
});

on_both_stores!(a_client_with_which_nobody_logs_in_is_gone_after_an_hour, async |backend| {
    let app = TestServer::start_with(backend, open().with_manual_clock()).await;
    app.user(ALICE.0, ALICE.1).await;
    let (used, _) = registered(&app, json!({})).await;
    let (unused, token) = registered(&app, json!({})).await;
    Browser::default().agree(&app, ALICE, &asking(&used.id, &[("scope", "openid")])).await.code();
    app.redeem(&unused, "bogus").await.assert_error(400, "invalid_grant");
    app.advance(3600);
    let audited = Audited { actor: "cleanup".into(), request_id: None, address: None, at: app.clock.now() };
    let removed = app.server.app.store.registrations_expire(100, &audited).await.unwrap().without_a_node();
    assert_eq!(removed, 1);
    let is_gone = async || app.redeem(&unused, "bogus").await.status.as_u16() == 401;
    eventually(Duration::from_secs(20), "the node learns that the client is gone", is_gone).await;
    app.redeem(&unused, "bogus").await.assert_error(401, "invalid_client");
    manage(&app, Method::GET, &unused.id, &token, None).await.assert_error(401, "invalid_token");
    app.redeem(&used, "bogus").await.assert_error(400, "invalid_grant");
});

on_both_stores!(registration_is_off_unless_it_is_set, async |backend| {
    let app = TestServer::start(backend).await;
    let metadata_of = async |app: &TestServer| app.get("/.well-known/oauth-authorization-server").await.json;
    register(&app, metadata(json!({}))).await.assert_error(404, "not_found");
    assert!(metadata_of(&app).await.get("registration_endpoint").is_none());
    let app = TestServer::start_with(backend, open().set("JETON_CORS_ORIGINS", "https://spa.example.test")).await;
    assert_eq!(metadata_of(&app).await["registration_endpoint"], format!("{}{PATH}", app.issuer()));
    let preflight = [
        ("Origin", "https://spa.example.test"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "content-type"),
    ];
    let answer = app.request(Method::OPTIONS, PATH, &preflight).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://spa.example.test"), "{answer:?}");
    assert_eq!(answer.header("access-control-allow-methods"), Some("POST"), "{answer:?}");
    let (client, _) = registered(&app, json!({})).await;
    let answer = app.request(Method::OPTIONS, &format!("{PATH}/{}", client.id), &preflight).await;
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET,PUT,DELETE"), "{answer:?}");
    let trail = app.admin(Method::GET, "/admin/v1/audit?actor=registration", None).await;
    assert_eq!(trail.json["items"][0]["target"], format!("client {}", client.id), "{trail:?}");
});

on_both_stores!(nobody_is_sent_anywhere_by_a_logout_of_nobody_for_a_client_that_registered_itself, async |backend| {
    let app = TestServer::start_with(backend, open()).await;
    let there = "https://elsewhere.example.test/";
    let (client, _) = registered(&app, json!({"post_logout_redirect_uris": [there]})).await;
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("client_id", client.id.as_str()), ("post_logout_redirect_uri", there)])
        .finish();
    let page = app.get(&format!("/auth/logout?{query}")).await;
    assert_eq!((page.status.as_u16(), page.header("location")), (200, None), "{page:?}");
});
