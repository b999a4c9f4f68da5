//! Clients that nobody registered: the `client_id` is the URL of a metadata document, which a server of the test has.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::browser::{Arrival, Browser, CALLBACK, Form, address, asking};
use crate::support::program::Place;
use crate::support::receiver::{Authority, Receiver};
use crate::support::scene::ALICE;
use crate::support::{Answer, Backend, Setup, TestClient, TestServer, jwt_part, on_both_stores};

const BLOCKS: &str = "/admin/v1/client-blocks";
const CHAT: &str = "https://chat.example.test";

/// A host of documents, and settings by which a server may fetch them.
async fn home() -> (Receiver, Setup, Authority) {
    let authority = Authority::new();
    let host = authority.receiver(404).await;
    let setup = authority.setup(&[&host]).set("JETON_CIMD", "on");
    (host, setup, authority)
}

/// The document of a client at this path, with these members besides or in place of the usual ones.
fn document(host: &Receiver, path: &str, more: Value) -> String {
    let mut members = json!({
        "client_id": host.url(path), "client_name": "Agent", "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"], "token_endpoint_auth_method": "none",
    });
    members.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    members.to_string()
}

/// The client whose document the host has at this path from now on.
fn published(host: &Receiver, path: &str, more: Value) -> TestClient {
    host.serves(path, "", &document(host, path, more));
    TestClient { id: host.url(path), secret: None, in_body: false }
}

/// An authorization request of somebody who is not logged in.
async fn ask(app: &TestServer, client_id: &str) -> Answer {
    Browser::default().authorize(app, &asking(client_id, &[("scope", "openid")])).await
}

/// The page that says what is wrong with the `client_id`.
#[track_caller]
fn assert_page(page: &Answer, words: &str) {
    assert_eq!((page.status.as_u16(), page.header("location")), (400, None), "{page:?}");
    assert!(page.body.contains("<code>client_id</code>") && page.body.contains(words), "{words}: {page:?}");
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The tokens of a login of alice.
async fn log_in(app: &TestServer, client: &TestClient, more: &[(&str, &str)]) -> Answer {
    let code = Browser::default().agree(app, ALICE, &asking(&client.id, more)).await.code();
    let tokens = app.redeem(client, &code).await;
    tokens.assert_ok();
    tokens
}

on_both_stores!(a_client_with_a_document_works_from_the_login_to_the_end, async |backend| {
    let (host, setup, _authority) = home().await;
    let app = TestServer::start_with(backend, setup).await;
    app.user(ALICE.0, ALICE.1).await;
    app.resource(json!({"resource": CHAT, "scopes": {"chat": "Read your messages"}, "open_to": "anybody"})).await;
    let rs = app.resource_server("rs").await;
    let client = published(&host, "/client.json", json!({}));
    let wants = asking(&client.id, &[("scope", "openid chat offline_access"), ("resource", CHAT)]);
    let mut browser = Browser::logged_in(&app, ALICE).await;
    for _ in 0..2 {
        // Each time anew.
        let page = browser.authorize(&app, &wants).await;
        for words in [
            "Agent",
            "(<bdi>127.0.0.1</bdi>)",
            "The answer goes to <strong>",
            "Nobody here has checked this app",
            "Read your messages",
        ] {
            assert!(page.body.contains(words), "{words}: {page:?}");
        }
        browser.agree(&app, ALICE, &wants).await.code();
    }
    let code = browser.agree(&app, ALICE, &wants).await.code();
    let tokens = app.redeem(&client, &code).await;
    let claims = jwt_part(&tokens.text("access_token"), 1);
    assert_eq!((&claims["client_id"], &claims["aud"]), (&json!(client.id), &json!(CHAT)));
    assert_eq!(jwt_part(&tokens.text("id_token"), 1)["aud"], json!(client.id));
    let again = app.refresh(&client, &tokens.text("refresh_token")).await;
    let access_token = again.text("access_token");
    assert_eq!(app.introspect(&rs, &access_token).await.assert_active().json["client_id"], json!(client.id));
    let explained = app.form(&rs, "/auth/explain", &[("token", &access_token)]).await;
    assert_eq!(explained.json["active"], json!(true), "{explained:?}");
    let account = browser.get(&app, "/account").await;
    assert!(account.body.contains("Agent"), "{account:?}");

    let path = format!("/admin/v1/clients/{}", encoded(&client.id));
    let shown = app.admin(Method::GET, &path, None).await;
    assert_eq!(shown.assert_ok().json["registered_by"], "document");
    assert_eq!(app.admin(Method::PATCH, &path, Some(json!({"consent": "skip"}))).await.status.as_u16(), 409);
    assert_eq!(app.admin(Method::DELETE, &path, None).await.status.as_u16(), 409);
    let same = json!({"client_id": client.id, "grant_types": ["client_credentials"], "scope": "read"});
    let refused = app.admin(Method::POST, "/admin/v1/clients", Some(same)).await;
    assert!(refused.status.as_u16() == 409 && refused.body.contains("block the URL"), "{refused:?}");

    app.revoke(&client, &again.text("refresh_token")).await.assert_ok();
    app.introspect(&rs, &access_token).await.assert_inactive();
    app.refresh(&client, &again.text("refresh_token")).await.assert_error(400, "invalid_grant");
    // Without a resource, its tokens are for UserInfo only.
    let tokens = log_in(&app, &client, &[("scope", "openid")]).await;
    let claims = jwt_part(&tokens.text("access_token"), 1);
    assert_eq!(claims["aud"], format!("{}/auth/userinfo", app.issuer()));
    assert_eq!(host.received().len(), 1, "it was fetched once");
    let head = host.received()[0].head.to_ascii_lowercase();
    assert!(head.starts_with("get /client.json http/1.1\r\n") && !head.contains("cookie"), "{head}");
});

on_both_stores!(only_the_authorization_endpoint_fetches_documents, async |backend| {
    let (host, setup, _authority) = home().await;
    let app = TestServer::start_with(backend, setup).await;
    let client = published(&host, "/client.json", json!({}));
    app.redeem(&client, "bogus").await.assert_error(401, "invalid_client");
    app.refresh(&client, "bogus").await.assert_error(401, "invalid_client");
    let request = asking(&client.id, &[("client_id", ""), ("scope", "openid")]);
    for path in ["/auth/par", "/auth/device"] {
        app.form(&client, path, &request).await.assert_error(401, "invalid_client");
    }
    assert_eq!(host.connections(), 0);
    ask(&app, &client.id).await.assert_ok();
    assert_eq!(host.connections(), 1);
    app.redeem(&client, "bogus").await.assert_error(400, "invalid_grant");
    assert_eq!(app.form(&client, "/auth/par", &request).await.status.as_u16(), 201);
    app.form(&client, "/auth/device", &[]).await.assert_error(400, "unauthorized_client");
    assert_eq!(host.connections(), 1);
});

on_both_stores!(without_the_setting_no_document_is_fetched, async |backend| {
    let (host, setup, _authority) = home().await;
    let supported = "client_id_metadata_document_supported";
    let metadata = "/.well-known/oauth-authorization-server";
    let app = TestServer::start_with(backend, setup.clone()).await;
    assert_eq!(app.get(metadata).await.json[supported], json!(true));
    let app = TestServer::start_with(backend, setup.set("JETON_CIMD", "off")).await;
    assert_eq!(app.get(metadata).await.json.get(supported), None);
    let client = published(&host, "/client.json", json!({}));
    assert_page(&ask(&app, &client.id).await, "JETON_CIMD is off");
    assert_eq!(host.connections(), 0);
});

on_both_stores!(what_is_wrong_with_a_document_stands_on_a_page_for_its_developer, async |backend| {
    let (host, setup, _authority) = home().await;
    let app = TestServer::start_with(backend, setup).await;
    for (path, more, words) in [
        ("/other", json!({"client_id": host.url("/client.json")}), "client_id is not this URL"),
        ("/secret", json!({"client_secret": "x"}), "client_secret"),
        (
            "/basic",
            json!({"token_endpoint_auth_method": "client_secret_basic"}),
            "token_endpoint_auth_method must be none",
        ),
        ("/none", json!({"redirect_uris": []}), "redirect_uris must have at least one URI"),
        ("/http", json!({"redirect_uris": ["http://app.example.test/cb"]}), "redirect_uris[0]"),
        ("/grants", json!({"grant_types": ["client_credentials"]}), "grant_types"),
        (
            "/large",
            json!({"client_uri": format!("https://app.example.test/{}", "a".repeat(5000))}),
            "larger than 5 KiB",
        ),
    ] {
        let client = published(&host, path, more);
        assert_page(&ask(&app, &client.id).await, words);
    }
    host.serves("/broken", "", "{");
    assert_page(&ask(&app, &host.url("/broken")).await, "not a JSON object");
    assert_page(&ask(&app, &host.url("/missing")).await, "it answered 404");
    host.answers(302);
    assert_page(&ask(&app, &host.url("/elsewhere")).await, "redirects are not followed");
    let (calls, port) = (host.connections(), host.port);
    for (url, words) in [
        ("https://10.0.0.1/client.json".to_owned(), "no address that this server may call"),
        ("https://app.example.test:8443/client.json".to_owned(), "is not https on port 443"),
        (format!("http://127.0.0.1:{port}/client.json"), "There is no client with this client_id here."),
        (format!("https://127.0.0.1:{port}"), "has no path"),
        ("https://app.example.test./client.json".to_owned(), "a host that ends with a dot"),
        (format!("https://127.0.0.1:{port}/a/../client.json"), "not in its usual form"),
        (format!("https://u:p@127.0.0.1:{port}/client.json"), "a user name or a password"),
        (format!("https://127.0.0.1:{port}/client.json#x"), "a fragment"),
        (format!("https://127.0.0.1:{port}/{}", "a".repeat(300)), "longer than 255 characters"),
    ] {
        assert_page(&ask(&app, &url).await, words);
    }
    assert_eq!(host.connections(), calls);
    // Nothing of all that is a client, or is counted as one that fails.
    let shown = app.admin(Method::GET, &format!("/admin/v1/clients/{}", encoded(&host.url("/other"))), None).await;
    assert_eq!(shown.status.as_u16(), 404);
    let (metrics, now) = (&app.server.app.metrics, app.server.app.clock.now());
    for path in ["/other", "/broken", "/missing"] {
        assert!(metrics.refused_of_client(&host.url(path), now).requests.is_empty(), "{path}");
    }
});

on_both_stores!(a_document_that_was_refused_is_fetched_again_after_a_moment, async |backend| {
    let (host, setup, _authority) = home().await;
    let app = TestServer::start_with(backend, setup.with_manual_clock()).await;
    let url = host.url("/client.json");
    for _ in 0..3 {
        assert_page(&ask(&app, &url).await, "it answered 404");
    }
    assert_eq!(host.received().len(), 1);
    published(&host, "/client.json", json!({}));
    app.advance(10);
    ask(&app, &url).await.assert_ok();
    assert_eq!(host.received().len(), 2);
});

on_both_stores!(a_document_is_fetched_again_when_it_is_no_longer_fresh, async |backend| {
    let (host, setup, _authority) = home().await;
    let app = TestServer::start_with(backend, setup.with_manual_clock()).await;
    app.user(ALICE.0, ALICE.1).await;
    let path = "/client.json";
    let usual = document(&host, path, json!({}));
    host.serves(path, "ETag: \"one\"\r\nCache-Control: max-age=600\r\n", &usual);
    let client = TestClient { id: host.url(path), secret: None, in_body: false };
    let tokens = log_in(&app, &client, &[("scope", "openid")]).await;
    app.advance(599);
    ask(&app, &client.id).await.assert_ok();
    assert_eq!(host.received().len(), 1);
    app.advance(1);
    ask(&app, &client.id).await.assert_ok();
    ask(&app, &client.id).await.assert_ok();
    let received = host.received();
    assert_eq!(received.len(), 2);
    assert!(!received[0].head.contains("if-none-match"), "{received:?}");
    assert!(received[1].head.contains("if-none-match: \"one\""), "{received:?}");
    // That answer did not say for how long: an hour.
    let moved = "https://new.example.test/cb";
    host.serves(path, "ETag: \"two\"\r\n", &document(&host, path, json!({"redirect_uris": [moved]})));
    app.advance(3599);
    ask(&app, &client.id).await.assert_ok();
    app.advance(1);
    let page = ask(&app, &client.id).await;
    assert!(page.status.as_u16() == 400 && page.body.contains("<code>redirect_uri</code>"), "{page:?}");
    let wants = asking(&client.id, &[("scope", "openid"), ("redirect_uri", moved)]);
    Browser::default().authorize(&app, &wants).await.assert_ok();
    assert_eq!(host.received().len(), 3);
    // Who changed what is in the trail, because people have logged in with it.
    app.forget_admin_token().await;
    let trail = app.admin(Method::GET, "/admin/v1/audit?action=client.document", None).await;
    assert_eq!(trail.json["items"][0]["target"], format!("client {}", client.id), "{trail:?}");
    app.refresh(&client, &tokens.text("refresh_token")).await.assert_ok();
});

on_both_stores!(the_last_good_document_does_while_its_host_is_in_trouble, async |backend| {
    let (host, setup, _authority) = home().await;
    let app = TestServer::start_with(backend, setup.with_manual_clock()).await;
    app.user(ALICE.0, ALICE.1).await;
    let client = published(&host, "/client.json", json!({}));
    let tokens = log_in(&app, &client, &[("scope", "openid")]).await;
    host.forgets("/client.json");
    host.answers(503);
    app.advance(3600);
    ask(&app, &client.id).await.assert_ok();
    ask(&app, &client.id).await.assert_ok();
    assert_eq!(host.received().len(), 2, "it is not asked for each request");
    // A host that answers is believed: nobody can log in any more, but whoever has goes on.
    host.answers(404);
    app.advance(60);
    assert_page(&ask(&app, &client.id).await, "it answered 404");
    let tokens = app.refresh(&client, &tokens.text("refresh_token")).await;
    tokens.assert_ok();
    published(&host, "/client.json", json!({}));
    app.advance(10);
    ask(&app, &client.id).await.assert_ok();
    // After a week, the last good one is too old.
    host.forgets("/client.json");
    host.answers(503);
    app.advance(7 * 24 * 3600);
    assert_page(&ask(&app, &client.id).await, "it answered 503");
    app.refresh(&client, &tokens.text("refresh_token")).await.assert_ok();
});

on_both_stores!(all_who_ask_at_once_share_one_fetch, async |backend| {
    let (host, setup, _authority) = home().await;
    let app = TestServer::start_with(backend, setup).await;
    let client = published(&host, "/client.json", json!({}));
    for (client_id, status) in [(client.id, 200), (host.url("/missing"), 400)] {
        let before = host.received().len();
        let mut requests = JoinSet::new();
        for _ in 0..20 {
            let url = format!("{}{}", app.base, address(&asking(&client_id, &[("scope", "openid")])));
            requests.spawn(Answer::of(app.http.get(url)));
        }
        for answer in requests.join_all().await {
            assert_eq!(answer.status.as_u16(), status, "{answer:?}");
        }
        assert_eq!(host.received().len(), before + 1);
    }
});

on_both_stores!(a_network_has_a_limited_number_of_documents_fetched, async |backend| {
    let (host, setup, _authority) = home().await;
    let app = TestServer::start_with(backend, setup.with_manual_clock().set("JETON_THROTTLING", "on")).await;
    let paths: Vec<String> = (0..31).map(|number| format!("/{number}")).collect();
    let clients: Vec<TestClient> = paths.iter().map(|path| published(&host, path, json!({}))).collect();
    for client in &clients[..30] {
        ask(&app, &client.id).await.assert_ok();
    }
    let refused = ask(&app, &clients[30].id).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, Some("6")), "{refused:?}");
    // What is known costs nothing.
    ask(&app, &clients[0].id).await.assert_ok();
    assert_eq!(host.received().len(), 30);
    app.advance(6);
    ask(&app, &clients[30].id).await.assert_ok();
    // Nobody can keep it old by using up the limit: what is kept is fetched again regardless.
    app.advance(3600);
    let more: Vec<TestClient> = (31..62).map(|number| published(&host, &format!("/{number}"), json!({}))).collect();
    for client in &more[..30] {
        ask(&app, &client.id).await.assert_ok();
    }
    assert_eq!(ask(&app, &more[30].id).await.status.as_u16(), 429);
    let before = host.received().len();
    ask(&app, &clients[0].id).await.assert_ok();
    assert_eq!(host.received().len(), before + 1);
});

on_both_stores!(a_resource_that_is_opened_later_is_open_to_a_client_whose_document_is_known, async |backend| {
    let (host, setup, _authority) = home().await;
    let app = TestServer::start_with(backend, setup).await;
    app.user(ALICE.0, ALICE.1).await;
    let client = published(&host, "/client.json", json!({}));
    let wants = asking(&client.id, &[("scope", "openid chat"), ("resource", CHAT)]);
    let mut browser = Browser::logged_in(&app, ALICE).await;
    Arrival::of(&browser.authorize(&app, &wants).await).assert_error(&app, "invalid_target");
    app.resource(json!({"resource": CHAT, "scopes": {"chat": "Read your messages"}, "open_to": "anybody"})).await;
    let page = browser.authorize(&app, &wants).await;
    assert!(page.assert_ok().body.contains("Read your messages"), "{page:?}");
    let scope = jwt_part(&log_in(&app, &client, &wants[1..]).await.text("access_token"), 1)["scope"].clone();
    assert_eq!(scope, json!("openid chat"));
    assert_eq!(host.received().len(), 1);
});

on_both_stores!(an_administrator_blocks_a_host_or_a_url, async |backend| {
    let (host, setup, _authority) = home().await;
    let app = TestServer::start_with(backend, setup.with_manual_clock()).await;
    app.user(ALICE.0, ALICE.1).await;
    let rs = app.resource_server("rs").await;
    let client = published(&host, "/client.json", json!({}));
    let other = published(&host, "/other.json", json!({}));
    for target in ["127.0.0.1".to_owned(), client.id.clone()] {
        let tokens = log_in(&app, &client, &[("scope", "openid")]).await;
        let access_token = tokens.text("access_token");
        app.introspect(&rs, &access_token).await.assert_active();
        let block = json!({"target": target, "reason": "It asks for too much."});
        let made = app.admin(Method::POST, BLOCKS, Some(block.clone())).await;
        assert_eq!((made.status.as_u16(), made.text("target")), (201, target.clone()), "{made:?}");
        // A second time nothing happens.
        assert_eq!(app.admin(Method::POST, BLOCKS, Some(block)).await.json, made.json);
        assert_eq!(app.admin(Method::GET, BLOCKS, None).await.json, json!({"items": [made.json], "next": null}));

        app.introspect(&rs, &access_token).await.assert_inactive();
        let explained = app.form(&rs, "/auth/explain", &[("token", &access_token)]).await;
        assert_eq!(explained.json["cause"], "client_disabled", "{explained:?}");
        app.refresh(&client, &tokens.text("refresh_token")).await.assert_error(401, "invalid_client");
        assert_page(&ask(&app, &client.id).await, "has blocked this client");
        let calls = host.connections();
        let page = ask(&app, &other.id).await;
        if target == client.id {
            page.assert_ok();
        } else {
            assert_page(&page, "has blocked this client");
            assert_eq!(host.connections(), calls);
        }

        let path = format!("{BLOCKS}/{}", encoded(&target));
        assert_eq!(app.admin(Method::DELETE, &path, None).await.status.as_u16(), 204);
        assert_eq!(app.admin(Method::DELETE, &path, None).await.status.as_u16(), 404);
        ask(&app, &client.id).await.assert_ok();
        app.introspect(&rs, &access_token).await.assert_inactive();
        app.refresh(&client, &tokens.text("refresh_token")).await.assert_error(400, "invalid_grant");
        // The remembered revocation is older than the next login.
        app.advance(1);
    }
    for target in ["", "APP.example", "http://app.example/x", "https://app.example/", "app.example:443"] {
        let refused = app.admin(Method::POST, BLOCKS, Some(json!({"target": target}))).await;
        assert_eq!(refused.status.as_u16(), 400, "{target}: {refused:?}");
    }
    let trail = app.admin(Method::GET, "/admin/v1/audit?action=client.block", None).await;
    assert_eq!(trail.json["items"][1]["target"], "clients of 127.0.0.1", "{trail:?}");
});

on_both_stores!(the_command_line_blocks_clients_that_nobody_registered, async |backend| {
    let place = Place::new(backend).await;
    let made = place.json(&["client", "block", "app.example.com", "--reason", "too much"]);
    assert_eq!((&made["target"], &made["reason"]), (&json!("app.example.com"), &json!("too much")));
    assert_eq!(place.json(&["client", "blocks"]), json!([made]));
    place.run(&["client", "block", "APP.example.com"]).refused(&["target"]);
    place.run(&["client", "unblock", "app.example.com"]).ok();
    place.run(&["client", "unblock", "app.example.com"]).refused(&["app.example.com"]);
    assert_eq!(place.json(&["client", "blocks"]), json!([]));
});

on_both_stores!(a_document_without_a_login_goes_and_one_with_sessions_stays, async |backend| {
    let (host, setup, _authority) = home().await;
    let app = TestServer::start_with(backend, setup.with_manual_clock()).await;
    app.user(ALICE.0, ALICE.1).await;
    let used = published(&host, "/used.json", json!({}));
    let unused = published(&host, "/unused.json", json!({}));
    let tokens = log_in(&app, &used, &[("scope", "openid")]).await;
    ask(&app, &unused.id).await.assert_ok();
    app.advance(4 * 3600);
    let audited =
        jeton::store::Audited { actor: "cleanup".into(), request_id: None, address: None, at: app.clock.now() };
    let node = &app.server.app;
    let expired = node.state.honour(node.store.client_documents_expire(100, &audited)).await.unwrap();
    assert_eq!((expired.seen, expired.removed), (2, 1));
    app.redeem(&unused, "bogus").await.assert_error(401, "invalid_client");
    app.refresh(&used, &tokens.text("refresh_token")).await.assert_ok();
    // It is fetched again when somebody needs it.
    ask(&app, &unused.id).await.assert_ok();
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_of_a_login_with_a_document_may_reach_another_node() {
    let (host, setup, _authority) = home().await;
    let one = TestServer::start_with(Backend::Postgres, setup.clone()).await;
    let two = TestServer::start_on(&one.database, &one.master_key, setup).await;
    one.user(ALICE.0, ALICE.1).await;
    let client = published(&host, "/client.json", json!({}));
    for (first, second) in [(&one, &two), (&two, &one)] {
        let mut browser = Browser::default();
        let login = browser.authorize(first, &asking(&client.id, &[("scope", "openid")])).await;
        let answer = browser.send(second, Form::of(&login).filled_in_by(ALICE)).await;
        let consent = browser.follow(first, answer).await;
        let answer = browser.send(second, Form::of(&consent).with("action", "allow")).await;
        let tokens = first.redeem(&client, &Arrival::of(&answer).code()).await;
        tokens.assert_ok();
        second.refresh(&client, &tokens.text("refresh_token")).await.assert_ok();
    }
    assert_eq!(host.received().len(), 1, "the nodes share the document");
    // A block on one node counts on the other.
    let made = one.admin(Method::POST, BLOCKS, Some(json!({"target": client.id}))).await;
    assert_eq!(made.status.as_u16(), 201, "{made:?}");
    let is_blocked = async || ask(&two, &client.id).await.status.as_u16() == 400;
    crate::support::eventually(std::time::Duration::from_secs(5), "the other node knows", is_blocked).await;
}
