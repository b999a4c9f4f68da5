//! Webhooks (Standard Webhooks 1.0).

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jeton::store::{AuditFilter, Page};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::receiver::{Authority, Received, Receiver};
use crate::support::scene::CLIENT_CREDENTIALS;
use crate::support::{Answer, Setup, TestServer, eventually, on_both_stores};

/// How long a test waits for what is done within a second or two.
const PATIENCE: Duration = Duration::from_secs(20);
const WEBHOOKS: &str = "/admin/v1/webhooks";

/// Creates a webhook once everything that happened before has its number: its id, its secret's id and its secret.
async fn create(app: &TestServer, url: &str, types: Value) -> (String, String, String) {
    app.admin_token().await;
    let (store, page) = (&app.server.app.store, Page { limit: 1, after: None });
    let newest = store.audit_list(&AuditFilter::default(), &page, 100).await.unwrap().found[0].id;
    eventually(PATIENCE, "it has a number", async || store.event_find(newest).await.unwrap().is_some()).await;
    let answer = app.admin(Method::POST, WEBHOOKS, Some(json!({"url": url, "types": types}))).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let secret_id = answer.json["secrets"][0]["id"].as_str().unwrap().to_owned();
    (answer.text("id"), secret_id, answer.text("secret"))
}

async fn show(app: &TestServer, id: &str) -> Value {
    app.admin(Method::GET, &format!("{WEBHOOKS}/{id}"), None).await.assert_ok().json.clone()
}

/// The values of the headers of a message.
fn headers(received: &Received) -> BTreeMap<String, String> {
    let lines = received.head.lines().skip(1).filter_map(|line| line.split_once(": "));
    lines.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect()
}

/// What a receiver computes (Standard Webhooks, Verifying signatures).
fn signature(secret: &str, received: &Received) -> String {
    let headers = headers(received);
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let content = format!("{}.{}.{}", headers["webhook-id"], headers["webhook-timestamp"], received.body);
    format!("v1,{}", STANDARD.encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), content.as_bytes())))
}

async fn is_told(receiver: &Receiver, count: usize) -> Received {
    eventually(PATIENCE, "the webhook is told", async || receiver.received().len() >= count).await;
    receiver.received()[count - 1].clone()
}

/// A counter of `/metrics`.
async fn messages(app: &TestServer, outcome: &str) -> u64 {
    let text = reqwest::get(format!("{}/metrics", app.ops)).await.unwrap().text().await.unwrap();
    let name = format!("jeton_webhook_messages_total{{outcome=\"{outcome}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&name)).expect("it is shown").parse().unwrap()
}

on_both_stores!(a_webhook_is_told_of_what_it_chose_by_signed_requests, async |backend| {
    let authority = Authority::new();
    let receiver = authority.receiver(204).await;
    let app = TestServer::start_with(backend, authority.setup(&[&receiver])).await;
    let (id, _, secret) = create(&app, &receiver.url("/hook?a=b"), json!(["client.*"])).await;
    app.user("alice", "wonderland").await;
    app.client("billing", json!({"client_name": "Payments of Anna Example"})).await;
    let received = is_told(&receiver, 1).await;
    assert!(received.head.starts_with("POST /hook?a=b HTTP/1.1\r\n"), "{}", received.head);
    let sent = headers(&received);
    assert_eq!(sent["content-type"], "application/json");
    assert!(!sent.contains_key("authorization") && !sent.contains_key("cookie"), "{sent:?}");
    assert_eq!(sent["webhook-signature"], signature(&secret, &received));
    let age = app.clock.now().seconds() - sent["webhook-timestamp"].parse::<i64>().unwrap();
    assert!((0..30).contains(&age), "{age}");
    let body: Value = serde_json::from_str(&received.body).unwrap();
    assert_eq!((&body["type"], &body["data"]["target"]), (&json!("client.create"), &json!("client billing")));
    assert_eq!(body["data"]["id"], json!(sent["webhook-id"]));
    let names: Vec<&String> =
        body.as_object().unwrap().keys().chain(body["data"].as_object().unwrap().keys()).collect();
    assert_eq!(names, ["type", "timestamp", "data", "id", "number", "actor", "target", "request_id"]);
    assert!(!received.body.contains("Anna") && !received.body.contains("127.0.0.1"), "{}", received.body);
    eventually(PATIENCE, "the outcome is counted", async || messages(&app, "delivered").await == 1).await;
    let shown = show(&app, &id).await;
    assert!(shown["delivered_at"].is_string() && shown["failure"].is_null() && shown["waiting"] == 0, "{shown}");
    assert!(!shown.to_string().contains("whsec_") && !shown.to_string().contains(&secret[6..]), "{shown}");
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(receiver.received().len(), 1, "it is told once, and of nothing else");
});

on_both_stores!(two_secrets_sign_while_one_is_replaced, async |backend| {
    let authority = Authority::new();
    let receiver = authority.receiver(200).await;
    let app = TestServer::start_with(backend, authority.setup(&[&receiver])).await;
    let (id, first_id, first) = create(&app, &receiver.url("/"), json!(["client.create"])).await;
    let secrets = format!("{WEBHOOKS}/{id}/secrets");
    let added = app.admin(Method::POST, &secrets, None).await;
    assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
    let (second_id, second) = (added.text("id"), added.text("secret"));
    assert_ne!(first, second);
    assert_eq!(app.admin(Method::POST, &secrets, None).await.status, StatusCode::CONFLICT);
    app.client("one", json!({})).await;
    let received = is_told(&receiver, 1).await;
    let both = format!("{} {}", signature(&first, &received), signature(&second, &received));
    assert_eq!(headers(&received)["webhook-signature"], both);
    let retire = async |id: &str| app.admin(Method::DELETE, &format!("{secrets}/{id}"), None).await.status.as_u16();
    assert_eq!(retire(&first_id).await, 204);
    app.client("two", json!({})).await;
    let received = is_told(&receiver, 2).await;
    assert_eq!(headers(&received)["webhook-signature"], signature(&second, &received));
    assert_eq!((retire(&first_id).await, retire("none").await, retire(&second_id).await), (404, 404, 409));
    assert_eq!(show(&app, &id).await["secrets"], json!([{"id": second_id, "created_at": added.json["created_at"]}]));
});

on_both_stores!(a_message_that_is_not_taken_is_sent_again_with_the_same_id, async |backend| {
    let authority = Authority::new();
    let receiver = authority.receiver(500).await;
    let app = TestServer::start_with(backend, authority.setup(&[&receiver]).with_manual_clock()).await;
    let (id, _, secret) = create(&app, &receiver.url("/"), json!(["client.create"])).await;
    app.client("one", json!({})).await;
    let first = is_told(&receiver, 1).await;
    eventually(PATIENCE, "it has to wait", async || messages(&app, "postponed").await == 1).await;
    let shown = show(&app, &id).await;
    assert_eq!((&shown["failure"], &shown["waiting"]), (&json!("it answered 500"), &json!(1)), "{shown}");
    app.advance(9);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(receiver.received().len(), 1, "not before its time");
    receiver.answers(200);
    app.advance(1);
    let second = is_told(&receiver, 2).await;
    let (one, other) = (headers(&first), headers(&second));
    assert_eq!((&one["webhook-id"], &first.body), (&other["webhook-id"], &second.body));
    assert_ne!(one["webhook-timestamp"], other["webhook-timestamp"], "the time is that of the attempt");
    assert_eq!(other["webhook-signature"], signature(&secret, &second));
    eventually(PATIENCE, "it is delivered", async || show(&app, &id).await["waiting"] == 0).await;
    // A disabled webhook is told of nothing, also later.
    app.admin(Method::PATCH, &format!("{WEBHOOKS}/{id}"), Some(json!({"enabled": false}))).await.assert_ok();
    app.client("two", json!({})).await;
    let store = &app.server.app.store;
    eventually(PATIENCE, "the event has its number", async || {
        store.events_after(0, 1000).await.unwrap().iter().any(|event| event.target == "client two")
    })
    .await;
    app.admin(Method::PATCH, &format!("{WEBHOOKS}/{id}"), Some(json!({"enabled": true}))).await.assert_ok();
    app.client("three", json!({})).await;
    let third = is_told(&receiver, 3).await;
    assert!(third.body.contains("client three"), "{}", third.body);
});

on_both_stores!(no_webhook_makes_the_server_call_where_it_should_not, async |backend| {
    let authority = Authority::new();
    let receiver = authority.receiver(200).await;
    // The certificate would be good, but nothing says that this address may be called.
    let setup = Setup::default().set("JETON_FETCH_CA", authority.file().to_str().unwrap());
    let app = TestServer::start_with(backend, setup).await;
    let (port, _, _) = create(&app, &receiver.url("/"), json!(["client.create"])).await;
    let (inside, _, _) = create(&app, "https://127.0.0.1/", json!(["client.create"])).await;
    let (metadata, _, _) = create(&app, "https://169.254.169.254/latest", json!(["client.create"])).await;
    app.client("one", json!({})).await;
    for id in [port, inside, metadata] {
        eventually(PATIENCE, "it fails", async || show(&app, &id).await["failure"].is_string()).await;
    }
    assert_eq!(receiver.connections(), 0);
});

on_both_stores!(webhooks_are_for_administrators_and_bad_ones_are_refused, async |backend| {
    let app = TestServer::start(backend).await;
    for scope in ["jeton:read", "jeton:clients", "jeton:users"] {
        let members = json!({"grant_types": ["client_credentials"], "scope": scope});
        let client = app.client(&scope.replace(':', "-"), members).await;
        let token = app.token(&client, &[CLIENT_CREDENTIALS]).await.text("access_token");
        let answer = Answer::of(app.http.get(format!("{}{WEBHOOKS}", app.base)).bearer_auth(token)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{scope}: {answer:?}");
    }
    for (body, named) in [
        (json!({}), "url"),
        (json!({"url": "http://siem.example/"}), "url"),
        (json!({"url": "https://user:secret@siem.example/"}), "url"),
        (json!({"url": "https://siem.example/#x"}), "url"),
        (json!({"url": "/hook"}), "url"),
        (json!({"url": "https://siem.example/", "types": ["client.updated"]}), "types"),
        (json!({"url": "https://siem.example/", "types": ["login", "login"]}), "types"),
        (json!({"url": "https://siem.example/", "types": "login"}), "types"),
        (json!({"url": "https://siem.example/", "description": "a\nb"}), "description"),
        (json!({"url": "https://siem.example/", "secret": "whsec_x"}), "secret"),
    ] {
        let answer = app.admin(Method::POST, WEBHOOKS, Some(body.clone())).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}: {answer:?}");
        assert!(answer.text("detail").contains(named) && !answer.body.contains("secret@"), "{body}: {answer:?}");
    }
    assert_eq!(app.admin(Method::GET, WEBHOOKS, None).await.json["items"], json!([]));
    let (id, _, _) = create(&app, "https://siem.example/", json!([])).await;
    let one = format!("{WEBHOOKS}/{id}");
    for body in [json!({"url": null}), json!({"types": ["x"]}), json!({"id": "y"})] {
        let answer = app.admin(Method::PATCH, &one, Some(body.clone())).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}: {answer:?}");
    }
    let patch = json!({"types": ["login"], "description": "Café", "url": "https://other.example/"});
    let changed = app.admin(Method::PATCH, &one, Some(patch)).await;
    assert_eq!(changed.assert_ok().json["types"], json!(["login"]));
    assert_eq!(show(&app, &id).await, changed.json);
    for _ in 1..20 {
        create(&app, "https://siem.example/", json!(["login"])).await;
    }
    let answer = app.admin(Method::POST, WEBHOOKS, Some(json!({"url": "https://siem.example/"}))).await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{answer:?}");
    assert_eq!(app.admin(Method::DELETE, &one, None).await.status, StatusCode::NO_CONTENT);
    for (method, path) in [
        (Method::DELETE, one.clone()),
        (Method::GET, one),
        (Method::GET, format!("{WEBHOOKS}/none")),
        (Method::POST, format!("{WEBHOOKS}/none/secrets")),
    ] {
        assert_eq!(app.admin(method, &path, None).await.status, StatusCode::NOT_FOUND, "{path}");
    }
});
