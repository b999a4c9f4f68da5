//! One-time links to set a password, made by the admin API.

use std::net::SocketAddr;
use std::sync::Arc;

use jeton::app::{Peer, Request};
use jeton::browser::new_password::NewPassword;
use jeton::browser::password_link::{LinkToken, PasswordSet, find, set_password};
use jeton::protocol::parameters::Parameters;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Barrier;
use uuid::Uuid;

use crate::support::{Answer, Setup, TestServer, on_both_stores};

async fn link(server: &TestServer, user: &str, body: Option<Value>) -> Answer {
    server.admin(Method::POST, &format!("/admin/v1/users/{user}/password-link"), body).await
}

/// The token in the address of a link.
fn token(answer: &Answer) -> LinkToken {
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let url = answer.text("url");
    let token = url.strip_prefix("https://auth.example.com/account/password?token=").unwrap();
    LinkToken::read(token).unwrap()
}

async fn set(server: &TestServer, token: &LinkToken, password: &str) -> PasswordSet {
    let (parameters, peer) = (Parameters::default(), Peer::from(SocketAddr::from(([192, 0, 2, 1], 1))));
    let request = Request {
        issuer: &server.server.app.issuer,
        endpoint: "account",
        method: "POST",
        target: "/account/password",
        headers: &[],
        parameters: &parameters,
        peer: &peer,
        sender: Default::default(),
        address: peer.address.ip(),
        request_id: Uuid::now_v7(),
    };
    set_password(&server.server.app, &request, token, NewPassword::read(Some(password), Some(password)).unwrap())
        .await
        .unwrap()
}

on_both_stores!(a_link_sets_a_password_once_and_ends_the_sessions, async |backend| {
    let server = TestServer::start(backend).await;
    let id = server.user("alice", "wonderland").await;
    let main = server.main_client("main").await;
    let session = server.login(&main, "alice", "wonderland").await;
    let token = token(&link(&server, "alice", None).await);
    assert_eq!(find(&server.server.app, &token).await.unwrap().unwrap().id.to_string(), id);
    assert!(matches!(set(&server, &token, "looking-glass").await, PasswordSet::Yes(_)));
    let old = [("grant_type", "password"), ("username", "alice"), ("password", "wonderland")];
    server.token(&main, &old).await.assert_error(400, "invalid_grant");
    server.login(&main, "alice", "looking-glass").await.assert_ok();
    server.refresh(&main, &session.text("refresh_token")).await.assert_error(400, "invalid_grant");
    assert!(matches!(set(&server, &token, "another one").await, PasswordSet::LinkEnded));
    assert!(find(&server.server.app, &token).await.unwrap().is_none());
    server.login(&main, "alice", "looking-glass").await.assert_ok();
    let audit = server.admin(Method::GET, "/admin/v1/audit?action=user.password", None).await;
    let record = &audit.json["items"][0];
    assert_eq!((&record["actor"], &record["detail"]), (&json!(format!("user {id}")), &json!("by a one-time link")));
});

on_both_stores!(a_link_used_many_times_at_once_sets_one_password, async |backend| {
    let server = Arc::new(TestServer::start(backend).await);
    server.user("alice", "wonderland").await;
    let main = server.main_client("main").await;
    let token = Arc::new(token(&link(&server, "alice", None).await));
    let barrier = Arc::new(Barrier::new(4));
    let tasks: Vec<_> = (0..4)
        .map(|index| {
            let (server, token, barrier) = (Arc::clone(&server), Arc::clone(&token), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                set(&server, &token, &format!("password {index}")).await
            })
        })
        .collect();
    let mut winners = Vec::new();
    for (index, task) in tasks.into_iter().enumerate() {
        match task.await.unwrap() {
            PasswordSet::Yes(_) => winners.push(index),
            outcome => assert!(matches!(outcome, PasswordSet::LinkEnded), "{outcome:?}"),
        }
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    server.login(&main, "alice", &format!("password {}", winners[0])).await.assert_ok();
});

on_both_stores!(a_link_lives_as_long_as_was_asked_and_at_most_a_week, async |backend| {
    let server = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    server.user("alice", "wonderland").await;
    for (body, seconds) in [(None, 86_400), (Some(json!({})), 86_400), (Some(json!({"ttl": 60})), 60)] {
        let answer = link(&server, "alice", body).await;
        let expires_at = humantime::parse_rfc3339(&answer.text("expires_at")).unwrap();
        let lives = expires_at.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(i64::try_from(lives).unwrap(), server.clock.now().seconds() + seconds);
        let token = token(&answer);
        server.advance(u64::try_from(seconds).unwrap() - 1);
        assert!(find(&server.server.app, &token).await.unwrap().is_some());
        server.advance(1);
        assert!(matches!(set(&server, &token, "too late").await, PasswordSet::LinkEnded));
        server.forget_admin_token().await;
    }
    for body in
        [json!({"ttl": 0}), json!({"ttl": -1}), json!({"ttl": 604_801}), json!({"ttl": "1d"}), json!({"tll": 60})]
    {
        assert_eq!(link(&server, "alice", Some(body)).await.status, StatusCode::BAD_REQUEST);
    }
    assert_eq!(link(&server, "alice", Some(json!({"ttl": 604_800}))).await.status, StatusCode::CREATED);
});

on_both_stores!(a_link_ends_by_a_newer_one_another_password_and_disabling, async |backend| {
    let server = TestServer::start(backend).await;
    server.user("alice", "wonderland").await;
    let is_good = async |token: &LinkToken| find(&server.server.app, token).await.unwrap().is_some();
    let first = token(&link(&server, "alice", None).await);
    let second = token(&link(&server, "alice", None).await);
    assert_eq!((is_good(&first).await, is_good(&second).await), (false, true));
    let admin = async |method, path: &str, body| server.admin(method, path, Some(body)).await.status;
    let path = "/admin/v1/users/alice";
    assert_eq!(admin(Method::PATCH, path, json!({"profile": {"name": "Alice"}})).await, StatusCode::OK);
    assert!(is_good(&second).await, "another change");
    assert_eq!(
        admin(Method::PUT, &format!("{path}/password"), json!({"password": "new"})).await,
        StatusCode::NO_CONTENT
    );
    assert!(!is_good(&second).await);
    let third = token(&link(&server, "alice", None).await);
    assert_eq!(admin(Method::PATCH, path, json!({"enabled": false})).await, StatusCode::OK);
    assert!(!is_good(&third).await);
    assert_eq!(link(&server, "alice", None).await.status, StatusCode::CONFLICT);
    assert_eq!(link(&server, "nobody", None).await.status, StatusCode::NOT_FOUND);
});

on_both_stores!(a_user_without_a_password_gets_one_by_a_link, async |backend| {
    let server = TestServer::start(backend).await;
    let created = server.admin(Method::POST, "/admin/v1/users", Some(json!({"username": "newcomer"}))).await;
    assert_eq!(created.json["second_factor"], false);
    let token = token(&link(&server, "newcomer", None).await);
    assert!(matches!(set(&server, &token, "first password").await, PasswordSet::Yes(_)));
    let main = server.main_client("main").await;
    server.login(&main, "newcomer", "first password").await.assert_ok();
});

#[test]
fn only_32_bytes_in_base64url_can_be_the_token_of_a_link() {
    let token = LinkToken::generate();
    assert!(format!("{token:?}").contains("REDACTED"), "{token:?}");
    assert!(LinkToken::read(&"A".repeat(43)).is_some());
    for text in ["", "A", &"A".repeat(42), &"A".repeat(44), &"=".repeat(43), &"é".repeat(43)] {
        assert!(LinkToken::read(text).is_none(), "{text}");
    }
}
