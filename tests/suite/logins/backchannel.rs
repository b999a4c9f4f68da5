//! Clients are told of logouts (OpenID Connect Back-Channel Logout 1.0).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::account::tokens;
use crate::conformance::jose::verified;
use crate::support::browser::{Browser, Form};
use crate::support::receiver::{Authority, HANGS, Receiver};
use crate::support::scene::ALICE;
use crate::support::{Answer, Backend, TestClient, TestServer, eventually, jwt_part, on_both_stores};

/// How long a test waits for what is done within a second.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client that is told of logouts at this address.
async fn told(app: &TestServer, client_id: &str, address: &str, more: Value) -> TestClient {
    let mut members = json!({"consent": "skip", "backchannel_logout_uri": address});
    members.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    app.web_client(client_id, members).await
}

/// The logout tokens that a receiver got.
fn logout_tokens(receiver: &Receiver) -> Vec<String> {
    let token = |body: &str| {
        let fields: Vec<(String, String)> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        assert_eq!((fields.len(), fields[0].0.as_str()), (1, "logout_token"), "{body}");
        fields[0].1.clone()
    };
    receiver.received().iter().map(|received| token(&received.body)).collect()
}

/// The sessions that a receiver was told of.
fn sessions(receiver: &Receiver) -> BTreeSet<String> {
    logout_tokens(receiver).iter().map(|token| jwt_part(token, 1)["sid"].as_str().unwrap().to_owned()).collect()
}

fn sid(answer: &Answer) -> String {
    jwt_part(&answer.text("id_token"), 1)["sid"].as_str().unwrap().to_owned()
}

async fn is_told(receiver: &Receiver, count: usize) {
    eventually(PATIENCE, "the client is told", async || receiver.received().len() >= count).await;
}

async fn log_out(app: &TestServer, browser: &mut Browser) {
    let page = browser.get(app, "/account").await;
    let answer = browser.send(app, Form::to(&page, "log_out")).await;
    assert!(answer.status.as_u16() == 200 && answer.body.contains("logged out"), "{answer:?}");
}

/// A counter of `/metrics`.
async fn notices(app: &TestServer, outcome: &str) -> u64 {
    let text = reqwest::get(format!("{}/metrics", app.ops)).await.unwrap().text().await.unwrap();
    let name = format!("jeton_logout_notices_total{{outcome=\"{outcome}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&name)).expect("it is shown").parse().unwrap()
}

on_both_stores!(oid_015_and_oid_016_each_client_gets_a_signed_token_of_the_session_that_it_had, async |backend| {
    let authority = Authority::new();
    let receiver = authority.receiver(200).await;
    let app = TestServer::start_with(backend, authority.setup(&[&receiver])).await;
    let alice = app.user(ALICE.0, ALICE.1).await;
    let usual = told(&app, "usual", &receiver.url("/usual?x=y"), json!({})).await;
    let es256 = told(&app, "es256", &receiver.url("/es256"), json!({"id_token_signed_response_alg": "ES256"})).await;
    let offline = told(&app, "offline", &receiver.url("/offline"), json!({"consent": "required"})).await;
    let silent = app.web_client("silent", json!({"consent": "skip"})).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let mut other = Browser::logged_in(&app, ALICE).await;
    let got = tokens(&app, &usual, &mut browser, "openid read").await;
    let got_es256 = tokens(&app, &es256, &mut browser, "openid read").await;
    let got_offline = tokens(&app, &offline, &mut browser, "openid offline_access read").await;
    tokens(&app, &silent, &mut browser, "openid read").await;
    tokens(&app, &usual, &mut other, "openid read").await;
    let hint = got.text("id_token");
    let answer = browser.get(&app, &format!("/auth/logout?id_token_hint={hint}")).await;
    assert!(answer.body.contains("logged out"), "{answer:?}");
    is_told(&receiver, 3).await;
    let mut jtis = BTreeSet::new();
    for (received, token) in receiver.received().iter().zip(logout_tokens(&receiver)) {
        let head = received.head.to_ascii_lowercase();
        assert!(head.contains("\r\ncontent-type: application/x-www-form-urlencoded"), "{head}");
        assert!(!head.contains("cookie") && !head.contains("authorization"), "{head}");
        let (id_token, path, algorithm, client) = match head.split(' ').nth(1).unwrap() {
            "/usual?x=y" => (&got, "/usual?x=y", "RS256", "usual"),
            "/es256" => (&got_es256, "/es256", "ES256", "es256"),
            "/offline" => (&got_offline, "/offline", "RS256", "offline"),
            other => panic!("{other}"),
        };
        assert!(head.starts_with(&format!("post {path} http/1.1\r\n")), "{head}");
        // OID-015
        let header = jwt_part(&token, 0);
        assert_eq!((&header["typ"], &header["alg"]), (&json!("logout+jwt"), &json!(algorithm)));
        let claims = verified(&app, &token).await;
        let names: BTreeSet<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, BTreeSet::from(["aud", "events", "exp", "iat", "iss", "jti", "sid", "sub"]), "no nonce");
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!(app.issuer()), &json!(client)));
        assert_eq!((&claims["sub"], &claims["sid"]), (&json!(alice), &json!(sid(id_token))));
        assert_eq!(claims["events"], json!({"http://schemas.openid.net/event/backchannel-logout": {}}));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 120);
        assert!(jtis.insert(claims["jti"].as_str().unwrap().to_owned()));
    }
    // OID-016: what the person allowed for longer goes on.
    app.refresh(&usual, &got.text("refresh_token")).await.assert_error(400, "invalid_grant");
    app.refresh(&offline, &got_offline.text("refresh_token")).await.assert_ok();
    eventually(PATIENCE, "the outcome is counted", async || notices(&app, "delivered").await == 3).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(receiver.received().len(), 3, "each is told once");
});

on_both_stores!(oid_017_whoever_ends_a_login_the_clients_in_it_are_told, async |backend| {
    let authority = Authority::new();
    let receiver = authority.receiver(204).await;
    let app = TestServer::start_with(backend, authority.setup(&[&receiver])).await;
    let client = told(&app, "web", &receiver.url("/"), json!({})).await;
    let mut id = app.user(ALICE.0, ALICE.1).await;
    let mut here = Browser::logged_in(&app, ALICE).await;
    let mut expected = BTreeSet::new();
    let mut told_of = async |ended: String| {
        expected.insert(ended);
        eventually(PATIENCE, "the client is told", async || sessions(&receiver) == expected).await;
    };
    // One's own other browsers, and the access of the client.
    let mut there = Browser::logged_in(&app, ALICE).await;
    let got = sid(&tokens(&app, &client, &mut there, "openid read").await);
    let page = here.get(&app, "/account").await;
    here.send(&app, Form::to(&page, "end_browser")).await;
    told_of(got).await;
    let mut there = Browser::logged_in(&app, ALICE).await;
    let got = sid(&tokens(&app, &client, &mut there, "openid read").await);
    let page = here.get(&app, "/account").await;
    here.send(&app, Form::to(&page, "end_other_browsers")).await;
    told_of(got).await;
    let got = sid(&tokens(&app, &client, &mut here, "openid read").await);
    let page = here.get(&app, "/account").await;
    here.send(&app, Form::to(&page, "remove_app").with("client_id", "web")).await;
    told_of(got).await;
    // A new password, of the person and of an administrator.
    let got = sid(&tokens(&app, &client, &mut here, "openid read").await);
    let page = here.get(&app, "/account").await;
    let form = Form::to(&page, "change_password").with("password", ALICE.1);
    let answer =
        here.send(&app, form.with("new_password", "correct horse").with("new_password_again", "correct horse")).await;
    assert_eq!(answer.header("location"), Some("/account?done=password_changed"), "{answer:?}");
    told_of(got).await;
    let got = sid(&tokens(&app, &client, &mut here, "openid read").await);
    let path = format!("/admin/v1/users/{id}");
    let answer = app.admin(Method::PUT, &format!("{path}/password"), Some(json!({"password": ALICE.1}))).await;
    assert_eq!(answer.status.as_u16(), 204, "{answer:?}");
    told_of(got).await;
    // Administrators end a session, everything of the user, or everything.
    let mut here = Browser::logged_in(&app, ALICE).await;
    let got = sid(&tokens(&app, &client, &mut here, "openid read").await);
    let answer = app.admin(Method::DELETE, &format!("/admin/v1/sessions/{got}"), None).await;
    assert_eq!(answer.status.as_u16(), 204, "{answer:?}");
    told_of(got).await;
    let got = sid(&tokens(&app, &client, &mut here, "openid read").await);
    app.admin(Method::POST, "/admin/v1/revocations", Some(json!({"user": ALICE.0}))).await;
    told_of(got).await;
    let mut here = Browser::logged_in(&app, ALICE).await;
    let got = sid(&tokens(&app, &client, &mut here, "openid read").await);
    app.admin(Method::POST, "/admin/v1/revocations", Some(json!({"all": true}))).await;
    app.forget_admin_token().await;
    told_of(got).await;
    // The user is disabled, and deleted.
    let mut here = Browser::logged_in(&app, ALICE).await;
    let got = sid(&tokens(&app, &client, &mut here, "openid read").await);
    app.admin(Method::PATCH, &path, Some(json!({"enabled": false}))).await.assert_ok();
    told_of(got).await;
    app.admin(Method::DELETE, &path, None).await;
    id = app.user(ALICE.0, ALICE.1).await;
    let mut here = Browser::logged_in(&app, ALICE).await;
    let got = sid(&tokens(&app, &client, &mut here, "openid read").await);
    let answer = app.admin(Method::DELETE, &format!("/admin/v1/users/{id}"), None).await;
    assert_eq!(answer.status.as_u16(), 204, "{answer:?}");
    told_of(got).await;
    // Somebody else logs in at the same browser.
    app.user(ALICE.0, ALICE.1).await;
    app.user("carol", "another password").await;
    let mut here = Browser::logged_in(&app, ALICE).await;
    let got = sid(&tokens(&app, &client, &mut here, "openid read").await);
    let page = here.get(&app, "/auth/authorize?prompt=login&client_id=web&response_type=code&redirect_uri=https://app.example.test/cb&scope=openid&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256").await;
    here.send(&app, Form::of(&page).filled_in_by(("carol", "another password"))).await;
    told_of(got).await;
    // A client that returns its own token is not told.
    let mut here = Browser::logged_in(&app, ALICE).await;
    let got = tokens(&app, &client, &mut here, "openid read").await;
    app.revoke(&client, &got.text("refresh_token")).await.assert_ok();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(!sessions(&receiver).contains(&sid(&got)));
});

on_both_stores!(oid_018_a_notice_that_is_not_taken_is_sent_again_with_a_new_jti_and_then_given_up, async |backend| {
    let authority = Authority::new();
    let receiver = authority.receiver(500).await;
    let app = TestServer::start_with(backend, authority.setup(&[&receiver]).with_manual_clock()).await;
    app.user(ALICE.0, ALICE.1).await;
    let client = told(&app, "web", &receiver.url("/"), json!({})).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    tokens(&app, &client, &mut browser, "openid read").await;
    log_out(&app, &mut browser).await;
    is_told(&receiver, 1).await;
    eventually(PATIENCE, "it has to wait", async || notices(&app, "postponed").await == 1).await;
    app.advance(9);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(receiver.received().len(), 1, "not before its time");
    app.advance(1);
    is_told(&receiver, 2).await;
    eventually(PATIENCE, "it has to wait", async || notices(&app, "postponed").await == 2).await;
    receiver.answers(200);
    app.advance(30);
    is_told(&receiver, 3).await;
    eventually(PATIENCE, "it is delivered", async || notices(&app, "delivered").await == 1).await;
    let jtis: BTreeSet<String> =
        logout_tokens(&receiver).iter().map(|token| jwt_part(token, 1)["jti"].to_string()).collect();
    assert_eq!((jtis.len(), sessions(&receiver).len()), (3, 1));
    // Another one that is never taken.
    receiver.answers(400);
    let mut browser = Browser::logged_in(&app, ALICE).await;
    tokens(&app, &client, &mut browser, "openid read").await;
    log_out(&app, &mut browser).await;
    for (attempt, pause) in [10, 30, 90, 270, 810, 2430, 7290].into_iter().enumerate() {
        is_told(&receiver, 3 + attempt + 1).await;
        let postponed = 2 + attempt as u64 + 1;
        eventually(PATIENCE, "it has to wait", async || notices(&app, "postponed").await == postponed).await;
        app.advance(pause);
    }
    eventually(PATIENCE, "it is given up", async || notices(&app, "dropped").await == 1).await;
    app.advance(7290 * 3);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!((receiver.received().len(), notices(&app, "delivered").await), (3 + 8, 1));
});

on_both_stores!(a_receiver_that_hangs_delays_neither_the_logout_nor_another_client, async |backend| {
    let authority = Authority::new();
    let (slow, good) = (authority.receiver(HANGS).await, authority.receiver(200).await);
    let app = TestServer::start_with(backend, authority.setup(&[&slow, &good])).await;
    app.user(ALICE.0, ALICE.1).await;
    let to_slow = told(&app, "slow", &slow.url("/"), json!({})).await;
    let to_good = told(&app, "z-good", &good.url("/"), json!({})).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    for _ in 0..50 {
        tokens(&app, &to_slow, &mut browser, "openid read").await;
    }
    let mut ended = Vec::new();
    for _ in 0..10 {
        ended.push(sid(&tokens(&app, &to_good, &mut browser, "openid read").await));
    }
    let begun = Instant::now();
    log_out(&app, &mut browser).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    is_told(&good, 10).await;
    let last = good.received().iter().map(|received| received.at).max().unwrap();
    assert!(last - begun < Duration::from_secs(4), "before the slow one was given up: {:?}", last - begun);
    assert_eq!(sessions(&good), ended.into_iter().collect());
    assert!(slow.received().len() <= 4, "few at a time");
    // It is left alone for a while; then it works again, and is told of everything.
    eventually(PATIENCE, "it was given up", async || notices(&app, "postponed").await == 4).await;
    slow.answers(200);
    eventually(Duration::from_secs(60), "all are told", async || sessions(&slow).len() == 50).await;
});

on_both_stores!(an_address_inside_is_never_called, async |backend| {
    let authority = Authority::new();
    let receiver = authority.receiver(200).await;
    let other = authority.receiver(200).await;
    let app = TestServer::start_with(backend, authority.setup(&[&other])).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    for (client_id, address) in [
        ("a", receiver.url("/")),
        ("b", receiver.url("/").replace("127.0.0.1", "localhost")),
        ("c", receiver.url("/").replace("127.0.0.1", "[::ffff:127.0.0.1]")),
        ("d", "https://127.0.0.1/".to_owned()),
    ] {
        let client = told(&app, client_id, &address, json!({})).await;
        tokens(&app, &client, &mut browser, "openid read").await;
    }
    log_out(&app, &mut browser).await;
    // What is wrong with an address stays wrong; a name may lead elsewhere later.
    let refused = async || notices(&app, "postponed").await + notices(&app, "dropped").await >= 4;
    eventually(PATIENCE, "they were refused", refused).await;
    assert_eq!((receiver.connections(), other.received().len()), (0, 0));
});

on_both_stores!(what_was_not_told_before_a_restart_is_told_after_it, async |backend| {
    let authority = Authority::new();
    let receiver = authority.receiver(503).await;
    let app = TestServer::start_with(backend, authority.setup(&[&receiver])).await;
    app.user(ALICE.0, ALICE.1).await;
    let client = told(&app, "web", &receiver.url("/"), json!({})).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let got = sid(&tokens(&app, &client, &mut browser, "openid read").await);
    log_out(&app, &mut browser).await;
    eventually(PATIENCE, "it has to wait", async || notices(&app, "postponed").await == 1).await;
    receiver.answers(200);
    let app = app.restart(authority.setup(&[&receiver])).await;
    is_told(&receiver, 2).await;
    assert_eq!(sessions(&receiver), BTreeSet::from([got]));
    eventually(PATIENCE, "it is delivered", async || notices(&app, "delivered").await == 1).await;
});

on_both_stores!(a_client_that_is_disabled_or_has_no_address_any_more_is_not_told, async |backend| {
    let authority = Authority::new();
    let receiver = authority.receiver(503).await;
    let app = TestServer::start_with(backend, authority.setup(&[&receiver]).with_manual_clock()).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    for client_id in ["disabled", "changed", "deleted"] {
        let client = told(&app, client_id, &receiver.url("/"), json!({})).await;
        tokens(&app, &client, &mut browser, "openid read").await;
    }
    log_out(&app, &mut browser).await;
    eventually(PATIENCE, "they have to wait", async || notices(&app, "postponed").await >= 3).await;
    let before = receiver.received().len();
    receiver.answers(200);
    let changes = [("disabled", json!({"enabled": false})), ("changed", json!({"backchannel_logout_uri": null}))];
    for (client_id, change) in changes {
        app.admin(Method::PATCH, &format!("/admin/v1/clients/{client_id}"), Some(change)).await.assert_ok();
    }
    app.admin(Method::DELETE, "/admin/v1/clients/deleted", None).await;
    app.advance(100);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(receiver.received().len(), before);
    assert!(app.server.app.store.logout_notices_due(app.clock.now()).await.unwrap().is_empty());
});

on_both_stores!(int_030_a_logout_token_is_neither_an_access_token_nor_an_id_token, async |backend| {
    let authority = Authority::new();
    let receiver = authority.receiver(200).await;
    let app = TestServer::start_with(backend, authority.setup(&[&receiver])).await;
    app.user(ALICE.0, ALICE.1).await;
    let es256 = json!({"id_token_signed_response_alg": "ES256"});
    let client = told(&app, "web", &receiver.url("/"), es256).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    tokens(&app, &client, &mut browser, "openid read").await;
    log_out(&app, &mut browser).await;
    is_told(&receiver, 1).await;
    let token = logout_tokens(&receiver).remove(0);
    let api = app.resource_server("api").await;
    app.introspect(&api, &token).await.assert_inactive();
    let answer = app.get_with("/auth/userinfo", &[("Authorization", &format!("Bearer {token}"))]).await;
    assert_eq!(answer.status.as_u16(), 401, "{answer:?}");
    let explained = app.form(&api, "/auth/explain", &[("token", &token)]).await;
    assert_eq!(explained.assert_ok().json["active"], json!(false), "{explained:?}");
    // As a hint it ends no login without a question.
    let mut browser = Browser::logged_in(&app, ALICE).await;
    tokens(&app, &client, &mut browser, "openid read").await;
    let page = browser.get(&app, &format!("/auth/logout?id_token_hint={token}")).await;
    assert!(page.status.as_u16() == 200 && page.body.contains("value=\"log_out\""), "{page:?}");
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_one_tells_and_the_other_takes_over_when_it_stops() {
    let authority = Authority::new();
    let receiver = authority.receiver(200).await;
    let setup = || authority.setup(&[&receiver]);
    let one = TestServer::start_with(Backend::Postgres, setup()).await;
    let two = TestServer::start_on(&one.database, &one.master_key, setup()).await;
    let client = told(&one, "web", &receiver.url("/"), json!({})).await;
    one.user(ALICE.0, ALICE.1).await;
    let mut expected = BTreeSet::new();
    for node in [&one, &two] {
        let mut browser = Browser::logged_in(node, ALICE).await;
        for _ in 0..25 {
            expected.insert(sid(&tokens(node, &client, &mut browser, "openid read").await));
        }
        log_out(node, &mut browser).await;
    }
    eventually(PATIENCE, "all are told", async || sessions(&receiver).len() == 50).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!((sessions(&receiver), receiver.received().len()), (expected, 50), "each once");
    // A node stops before the client takes the notice.
    receiver.answers(503);
    let mut browser = Browser::logged_in(&one, ALICE).await;
    let got = sid(&tokens(&one, &client, &mut browser, "openid read").await);
    log_out(&one, &mut browser).await;
    let postponed = async || notices(&one, "postponed").await + notices(&two, "postponed").await;
    eventually(PATIENCE, "it has to wait", async || postponed().await == 1).await;
    one.server.stop().await;
    receiver.answers(200);
    is_told(&receiver, 52).await;
    eventually(PATIENCE, "it is delivered", async || notices(&two, "delivered").await >= 1).await;
    assert!(sessions(&receiver).contains(&got));
}
