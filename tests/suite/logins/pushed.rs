//! Pushed authorization requests (RFC 9126).

use serde_json::json;

use crate::support::browser::{Arrival, Browser, CALLBACK, asking};
use crate::support::scene::ALICE;
use crate::support::{Answer, Backend, Setup, TestClient, TestServer, on_both_stores};

/// Pushes a usual request of a client, which authenticates as it does everywhere.
async fn push(app: &TestServer, client: &TestClient, more: &[(&str, &str)]) -> Answer {
    // A public client sends its client_id anyway.
    let mut parameters = asking(&client.id, more);
    parameters.retain(|(name, _)| client.secret.is_some() || *name != "client_id");
    app.form(client, "/auth/par", &parameters).await
}

/// The name of a request that was pushed.
#[track_caller]
fn name_of(answer: &Answer) -> String {
    assert_eq!(answer.status.as_u16(), 201, "{answer:?}");
    answer.text("request_uri")
}

async fn confidential(app: &TestServer, client_id: &str) -> TestClient {
    let members = json!({"token_endpoint_auth_method": "client_secret_basic", "consent": "skip"});
    app.web_client(client_id, members).await
}

on_both_stores!(par_001_a_pushed_request_leads_to_a_code, async |backend| {
    let app = TestServer::start(backend).await;
    let (client, public) = (confidential(&app, "main").await, app.web_client("web", json!({"consent": "skip"})).await);
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    for client in [&client, &public] {
        let pushed = push(&app, client, &[]).await;
        let uri = name_of(&pushed);
        assert!(uri.starts_with("urn:ietf:params:oauth:request_uri:"), "{uri}");
        assert_eq!(pushed.json["expires_in"], 90);
        assert_eq!(pushed.header("content-type"), Some("application/json"));
        assert_eq!(pushed.header("cache-control"), Some("no-store"));
        let answer = browser.authorize(&app, &[("client_id", &client.id), ("request_uri", &uri)]).await;
        let arrival = Arrival::of(&answer);
        assert_eq!(
            (arrival.uri.as_str(), arrival.get("state"), arrival.get("iss")),
            (CALLBACK, Some("xyz"), Some(app.issuer()))
        );
        app.redeem(client, &arrival.code()).await.assert_ok();
    }
    let metadata = app.get("/.well-known/oauth-authorization-server").await;
    assert_eq!(metadata.text("pushed_authorization_request_endpoint"), format!("{}/auth/par", app.issuer()));
    assert_eq!(metadata.json["require_pushed_authorization_requests"], false);
});

on_both_stores!(par_003_par_005_only_an_authenticated_client_pushes_and_only_by_post, async |backend| {
    let app = TestServer::start(backend).await;
    let client = confidential(&app, "main").await;
    push(&app, &client.with_secret("wrong"), &[]).await.assert_error(401, "invalid_client");
    push(&app, &client.without_secret(), &[]).await.assert_error(401, "invalid_client");
    let nobody = TestClient { id: "nobody".into(), ..client.without_secret() };
    push(&app, &nobody, &[]).await.assert_error(401, "invalid_client");
    assert_eq!(app.get("/auth/par").await.status.as_u16(), 405);
});

on_both_stores!(par_002_par_004_par_012_a_bad_request_is_refused_at_the_push, async |backend| {
    let app = TestServer::start(backend).await;
    let client = confidential(&app, "main").await;
    let machine = app
        .client("machine", json!({"grant_types": ["client_credentials"], "redirect_uris": [CALLBACK], "scope": "read"}))
        .await;
    for (more, error) in [
        (("request_uri", "urn:ietf:params:oauth:request_uri:x"), "invalid_request"),
        (("request", "a.b.c"), "request_not_supported"),
        (("redirect_uri", "https://evil.example/cb"), "invalid_request"),
        (("redirect_uri", ""), "invalid_request"),
        (("response_type", ""), "invalid_request"),
        (("response_type", "token"), "unsupported_response_type"),
        (("response_mode", "fragment"), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("scope", "openid admin"), "invalid_scope"),
        (("resource", "https://other.example"), "invalid_target"),
        (("id_token_hint", "x"), "invalid_request"),
    ] {
        push(&app, &client, &[more]).await.assert_error(400, error);
    }
    let mut twice = asking("main", &[]);
    twice.push(("state", "abc"));
    app.form(&client, "/auth/par", &twice).await.assert_error(400, "invalid_request");
    push(&app, &machine, &[("scope", "read")]).await.assert_error(400, "unauthorized_client");
});

on_both_stores!(par_006_a_pushed_request_is_bound_to_its_client, async |backend| {
    let app = TestServer::start(backend).await;
    let client = confidential(&app, "main").await;
    confidential(&app, "other").await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let uri = name_of(&push(&app, &client, &[]).await);
    let stolen = browser.authorize(&app, &[("client_id", "other"), ("request_uri", &uri)]).await;
    assert_eq!((stolen.status.as_u16(), stolen.header("location")), (400, None), "{stolen:?}");
    let own = browser.authorize(&app, &[("client_id", "main"), ("request_uri", &uri)]).await;
    Arrival::of(&own).code();
});

on_both_stores!(par_007_an_unknown_or_expired_request_uri_is_refused, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    let client = confidential(&app, "main").await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let (early, late) = (name_of(&push(&app, &client, &[]).await), name_of(&push(&app, &client, &[]).await));
    let (start, end) = late.split_at(late.len() - 9);
    let changed = format!("{}{}{end}", &start[..start.len() - 1], if start.ends_with('A') { "B" } else { "A" });
    for uri in ["urn:ietf:params:oauth:request_uri:no-such", "urn:ietf:params:oauth:request_uri:", &changed] {
        let answer = browser.authorize(&app, &[("client_id", "main"), ("request_uri", uri)]).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (400, None), "{uri}: {answer:?}");
    }
    app.advance(89);
    Arrival::of(&browser.authorize(&app, &[("client_id", "main"), ("request_uri", &early)]).await).code();
    app.advance(1);
    let answer = browser.authorize(&app, &[("client_id", "main"), ("request_uri", &late)]).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (400, None), "{answer:?}");
});

on_both_stores!(par_008_a_pushed_request_works_once_and_may_be_reloaded_before_the_login, async |backend| {
    let app = TestServer::start(backend).await;
    let client = confidential(&app, "main").await;
    app.user(ALICE.0, ALICE.1).await;
    let uri = name_of(&push(&app, &client, &[]).await);
    let asked = [("client_id", "main"), ("request_uri", uri.as_str())];
    let mut browser = Browser::default();
    assert!(browser.authorize(&app, &asked).await.body.contains("name=\"password\""));
    browser.agree(&app, ALICE, &asked).await.code();
    let again = browser.authorize(&app, &asked).await;
    assert_eq!((again.status.as_u16(), again.header("location")), (400, None), "{again:?}");
});

on_both_stores!(par_008_nobody_is_asked_again_about_a_pushed_request_that_was_answered, async |backend| {
    let app = TestServer::start(backend).await;
    let client = app.web_client("web", json!({"consent": "required"})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let uri = name_of(&push(&app, &client, &[]).await);
    let asked = [("client_id", "web"), ("request_uri", uri.as_str())];
    // Reloaded before the answer, it is asked about again.
    for _ in 0..2 {
        assert!(browser.authorize(&app, &asked).await.body.contains("value=\"allow\""));
    }
    browser.agree(&app, ALICE, &asked).await.code();
    for mut who in [browser, Browser::default()] {
        let again = who.authorize(&app, &asked).await;
        assert_eq!((again.status.as_u16(), again.header("location")), (400, None), "{again:?}");
        assert!(!again.body.contains("name=\"password\""), "{again:?}");
    }
});

on_both_stores!(par_009_parameters_beside_the_request_uri_change_nothing, async |backend| {
    let app = TestServer::start(backend).await;
    let client = confidential(&app, "main").await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let uri = name_of(&push(&app, &client, &[("scope", "read")]).await);
    let beside = [
        ("client_id", "main"),
        ("request_uri", uri.as_str()),
        ("scope", "read write admin"),
        ("redirect_uri", "https://evil.example/cb"),
        ("state", "other"),
        ("response_type", "token"),
        ("prompt", "login"),
    ];
    let arrival = Arrival::of(&browser.authorize(&app, &beside).await);
    assert_eq!((arrival.uri.as_str(), arrival.get("state")), (CALLBACK, Some("xyz")));
    assert_eq!(app.redeem(&client, &arrival.code()).await.text("scope"), "read");
});

on_both_stores!(par_010_a_client_that_has_to_push_is_refused_when_it_does_not, async |backend| {
    let app = TestServer::start(backend).await;
    let client = app.web_client("web", json!({"consent": "skip", "require_pushed_authorization_requests": true})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    Arrival::of(&browser.authorize(&app, &asking("web", &[])).await).assert_error(&app, "invalid_request");
    let uri = name_of(&push(&app, &client, &[]).await);
    Arrival::of(&browser.authorize(&app, &[("client_id", "web"), ("request_uri", &uri)]).await).code();
});

on_both_stores!(par_011_a_large_push_is_413_and_a_flood_is_429, async |backend| {
    let setup = Setup::default().with_manual_clock().set("JETON_THROTTLING", "on");
    let app = TestServer::start_with(backend, setup).await;
    let (client, other) = (confidential(&app, "main").await, confidential(&app, "other").await);
    let large = push(&app, &client, &[("state", &"x".repeat(1 << 20))]).await;
    assert_eq!(large.status.as_u16(), 413, "{large:?}");
    for _ in 0..500 {
        name_of(&push(&app, &client, &[]).await);
    }
    let flood = push(&app, &client, &[]).await;
    assert_eq!((flood.status.as_u16(), flood.header("retry-after")), (429, Some("1")), "{flood:?}");
    name_of(&push(&app, &other, &[]).await);
    app.advance(1);
    name_of(&push(&app, &client, &[]).await);
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pushed_request_works_at_every_node_and_once_at_all_of_them() {
    let one = TestServer::start(Backend::Postgres).await;
    let two = TestServer::start_on(&one.database, &one.master_key, Setup::default()).await;
    let client = confidential(&one, "main").await;
    one.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&one, ALICE).await;
    let uri = name_of(&push(&one, &client, &[]).await);
    let asked = [("client_id", "main"), ("request_uri", uri.as_str())];
    let mut other = browser.clone();
    let (first, second) = tokio::join!(browser.authorize(&two, &asked), other.authorize(&one, &asked));
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [302, 400], "one of both: {first:?} {second:?}");
}
