//! Second factors: setting them up, proving them, guessing them, losing them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jeton::app::{Failure, Peer, Request};
use jeton::browser::second_factor::{
    self, Checked, Confirmed, Proven, RecoveryCodes, Required, check, confirm, new_recovery_codes, remove, required,
    set_up,
};
use jeton::protocol::parameters::Parameters;
use jeton::protocol::user::User;
use reqwest::{Method, StatusCode};
use tokio::sync::Barrier;
use uuid::Uuid;

use crate::support::authenticator::Authenticator;
use crate::support::{Backend, Setup, TestServer, eventually, on_both_stores};

/// A server whose clock the test moves and that slows guessing down.
fn setup() -> Setup {
    Setup::default().set("JETON_THROTTLING", "on").with_manual_clock()
}

/// The same with the clock of a server that goes on.
fn setup_beside(server: &TestServer) -> Setup {
    Setup { clock: Some(server.clock.clone()), ..setup() }
}

/// Asks as somebody at a browser.
async fn asked<T>(server: &TestServer, work: impl AsyncFnOnce(&Request<'_>) -> T) -> T {
    let (parameters, peer) = (Parameters::default(), Peer::from(SocketAddr::from(([192, 0, 2, 1], 1))));
    let request = Request {
        issuer: &server.server.app.issuer,
        endpoint: "login",
        method: "POST",
        target: "/login",
        headers: &[],
        parameters: &parameters,
        peer: &peer,
        certificate: None,
        sender: Default::default(),
        address: peer.address.ip(),
        request_id: Uuid::now_v7(),
    };
    work(&request).await
}

async fn user(server: &TestServer, id: &str) -> User {
    server.server.app.store.user_addressed(id).await.unwrap().unwrap()
}

/// What an authenticator with this secret shows now.
fn shown(server: &TestServer, authenticator: &Authenticator) -> String {
    authenticator.code_at(server.clock.now().seconds())
}

/// Sets up a second factor: its secret and the recovery codes.
async fn set_up_for(server: &TestServer, user: &User) -> (Authenticator, Vec<String>) {
    let app = &server.server.app;
    let shown_form = asked(server, async |request| set_up(app, request, user, "Example").unwrap()).await;
    let secret = Authenticator::with_key(&shown_form.secret);
    let code = shown(server, &secret);
    let confirmed =
        asked(server, async |request| confirm(app, request, user, &shown_form.sealed, &code).await.unwrap());
    (secret, codes(confirmed.await))
}

#[track_caller]
fn codes(confirmed: Confirmed) -> Vec<String> {
    match confirmed {
        Confirmed::Yes(codes) => texts(&codes),
        other => panic!("{other:?}"),
    }
}

fn texts(codes: &RecoveryCodes) -> Vec<String> {
    codes.texts().map(|text| text.to_string()).collect()
}

async fn checked(server: &TestServer, user: &User, code: &str) -> Result<Checked, Failure> {
    asked(server, async |request| check(&server.server.app, request, user, code).await).await
}

async fn proven(server: &TestServer, user: &User, code: &str) -> Proven {
    match checked(server, user, code).await {
        Ok(Checked::Right(proven)) => proven,
        other => panic!("{other:?}"),
    }
}

/// A server, a user and the user's secret and recovery codes, in the step after the one in which they were made.
async fn with_a_factor(backend: Backend) -> (TestServer, User, Authenticator, Vec<String>) {
    let server = TestServer::start_with(backend, setup()).await;
    let alice = user(&server, &server.user("alice", "wonderland").await).await;
    let (secret, codes) = set_up_for(&server, &alice).await;
    server.advance(30);
    let alice = user(&server, "alice").await;
    (server, alice, secret, codes)
}

on_both_stores!(a_second_factor_counts_once_its_first_code_has_confirmed_it, async |backend| {
    let server = TestServer::start_with(backend, setup()).await;
    let app = &server.server.app;
    let alice = user(&server, &server.user("alice", "wonderland").await).await;
    let bob = user(&server, &server.user("bob", "builder").await).await;
    let form = asked(&server, async |request| set_up(app, request, &alice, "My Café").unwrap()).await;
    assert!(form.uri.starts_with("otpauth://totp/My%20Caf%C3%A9:alice?secret="), "{}", *form.uri);
    assert!(!form.sealed.contains(&*form.secret));
    let secret = Authenticator::with_key(&form.secret);
    assert_eq!(secret.0.len(), 20);
    let confirmed = async |user: &User, sealed: &str, code: &str| {
        asked(&server, async |request| confirm(app, request, user, sealed, code).await.unwrap()).await
    };
    for wrong in ["", "000", "abcdef", "ABCDE-FGHIJ"] {
        assert!(matches!(confirmed(&alice, &form.sealed, wrong).await, Confirmed::WrongCode), "{wrong}");
    }
    let code = shown(&server, &secret);
    assert!(matches!(confirmed(&bob, &form.sealed, &code).await, Confirmed::Expired), "it is alice's");
    assert!(matches!(confirmed(&alice, "AAAA", &code).await, Confirmed::Expired));
    assert_eq!(required(app, &user(&server, "alice").await), Required::Nothing, "nothing was stored");
    let codes = codes(confirmed(&alice, &form.sealed, &code).await);
    assert_eq!(codes.len(), 10);
    assert!(codes.iter().all(|code| code.len() == 11 && code.as_bytes()[5] == b'-'), "{codes:?}");
    let alice = user(&server, "alice").await;
    assert_eq!((required(app, &alice), required(app, &bob)), (Required::Code, Required::Nothing));
    assert!(matches!(checked(&server, &alice, &code).await, Ok(Checked::Used)), "it confirmed already");
    server.advance(30);
    assert!(matches!(confirmed(&alice, &form.sealed, &shown(&server, &secret)).await, Confirmed::ThereIsOne));
    let again = asked(&server, async |request| {
        second_factor::shown_again(app, request, &alice, "My Café", &form.sealed).await.unwrap().map(|form| form.secret)
    });
    assert_eq!(again.await.as_deref(), Some(&*form.secret));
    server.advance(600);
    assert!(matches!(confirmed(&alice, &form.sealed, &shown(&server, &secret)).await, Confirmed::Expired));
});

on_both_stores!(a_code_is_right_for_a_minute_and_a_half_and_once, async |backend| {
    let (server, alice, secret, _) = with_a_factor(backend).await;
    let code = shown(&server, &secret);
    assert!(matches!(checked(&server, &alice, &code).await, Ok(Checked::Right(_))));
    assert!(matches!(checked(&server, &alice, &code).await, Ok(Checked::Used)));
    server.advance(60);
    let late = shown(&server, &secret);
    server.advance(30);
    assert!(matches!(checked(&server, &alice, &late).await, Ok(Checked::Right(_))), "one step late");
    server.advance(30);
    let too_late = shown(&server, &secret);
    server.advance(60);
    assert!(matches!(checked(&server, &alice, &too_late).await, Ok(Checked::Wrong)), "two steps late");
});

on_both_stores!(a_recovery_code_stands_in_once_and_new_ones_replace_the_old, async |backend| {
    let (server, alice, secret, codes) = with_a_factor(backend).await;
    let app = &server.server.app;
    assert_eq!(proven(&server, &alice, &codes[0]).await.recovery_codes_left, Some(9));
    assert!(matches!(checked(&server, &alice, &codes[0]).await, Ok(Checked::Wrong)));
    assert_eq!(proven(&server, &alice, &codes[1].to_lowercase().replace('-', " ")).await.recovery_codes_left, Some(8));
    let proof = proven(&server, &alice, &shown(&server, &secret)).await;
    let new = asked(&server, async |request| new_recovery_codes(app, request, proof).await.unwrap().unwrap()).await;
    assert!(matches!(checked(&server, &alice, &codes[2]).await, Ok(Checked::Wrong)), "an old one");
    assert_eq!(proven(&server, &alice, &texts(&new)[0]).await.recovery_codes_left, Some(9));
});

on_both_stores!(a_user_who_shows_the_second_factor_can_remove_it, async |backend| {
    let (server, alice, secret, codes) = with_a_factor(backend).await;
    let app = &server.server.app;
    let proof = proven(&server, &alice, &codes[0]).await;
    asked(&server, async |request| remove(app, request, proof).await.unwrap()).await;
    assert!(matches!(checked(&server, &alice, &shown(&server, &secret)).await, Ok(Checked::Wrong)));
    assert!(matches!(checked(&server, &alice, &codes[1]).await, Ok(Checked::Wrong)));
    let alice = user(&server, "alice").await;
    assert_eq!(required(app, &alice), Required::Nothing);
    set_up_for(&server, &alice).await;
});

on_both_stores!(guessing_a_second_factor_is_slowed_down_from_everywhere_and_a_wait_judges_nothing, async |backend| {
    let (server, alice, secret, codes) = with_a_factor(backend).await;
    let throttled = async |code: &str| match checked(&server, &alice, code).await {
        Err(Failure::Throttled(throttled)) => throttled.seconds,
        other => panic!("{other:?}"),
    };
    let right = shown(&server, &secret);
    let wrong = if right == "000000" { "000001" } else { "000000" };
    for guess in 0..10 {
        let code = ["", wrong, "AAAAA-AAAAA"][guess % 3];
        assert!(matches!(checked(&server, &alice, code).await, Ok(Checked::Wrong)), "guess {guess}");
    }
    assert_eq!(throttled(&shown(&server, &secret)).await, 1, "whatever the code is");
    assert_eq!(throttled(&codes[0]).await, 1);
    server.advance(1);
    assert!(matches!(checked(&server, &alice, wrong).await, Ok(Checked::Wrong)));
    assert_eq!(throttled(&codes[0]).await, 2);
    server.advance(2);
    assert!(matches!(checked(&server, &alice, &codes[0]).await, Ok(Checked::Right(_))), "it was not used up");
    assert!(matches!(checked(&server, &alice, wrong).await, Ok(Checked::Wrong)), "the failures are taken back");
    let metrics = server.http.get(format!("{}/metrics", server.ops)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("jeton_throttled_total{failures=\"second_factor\"} 3"), "{metrics}");
    // Records of refusals are written in batches, after the answer.
    eventually(Duration::from_secs(20), "it is on record", async || {
        let audit = server.admin(Method::GET, "/admin/v1/audit?action=login.throttled", None).await;
        audit.json["items"][0]["target"] == format!("user {}", alice.id)
    })
    .await;
});

on_both_stores!(guessing_in_parallel_gains_nothing, async |backend| {
    let (server, alice, _, _) = with_a_factor(backend).await;
    let (server, alice, barrier) = (Arc::new(server), Arc::new(alice), Arc::new(Barrier::new(40)));
    let guesses = (0..40).map(|_| {
        let (server, alice, barrier) = (Arc::clone(&server), Arc::clone(&alice), Arc::clone(&barrier));
        tokio::spawn(async move {
            barrier.wait().await;
            checked(&server, &alice, "ABCDEFGHIJ").await
        })
    });
    let mut judged = 0;
    for guess in guesses.collect::<Vec<_>>() {
        match guess.await.unwrap() {
            Ok(Checked::Wrong) => judged += 1,
            Err(Failure::Throttled(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!((1..=11).contains(&judged), "{judged} of 40");
});

on_both_stores!(the_same_code_twice_at_once_on_all_nodes_counts_once, async |backend| {
    let (server, alice, secret, codes) = with_a_factor(backend).await;
    let mut nodes = vec![Arc::new(server)];
    if backend == Backend::Postgres {
        let second = setup_beside(&nodes[0]);
        nodes.push(Arc::new(TestServer::start_on(&nodes[0].database, &nodes[0].master_key, second).await));
    }
    for (code, others) in [(shown(&nodes[0], &secret), "Used"), (codes[0].clone(), "Wrong")] {
        // Fewer than would have to wait after the others failed.
        let barrier = Arc::new(Barrier::new(4));
        let tasks: Vec<_> = (0..4)
            .map(|index| {
                let node = Arc::clone(&nodes[index % nodes.len()]);
                let (alice, code, barrier) = (alice.clone(), code.clone(), Arc::clone(&barrier));
                tokio::spawn(async move {
                    barrier.wait().await;
                    format!("{:?}", checked(&node, &alice, &code).await.unwrap())
                })
            })
            .collect();
        let mut outcomes = Vec::new();
        for task in tasks {
            outcomes.push(task.await.unwrap());
        }
        assert_eq!(outcomes.iter().filter(|outcome| outcome.starts_with("Right")).count(), 1, "{outcomes:?}");
        assert_eq!(outcomes.iter().filter(|outcome| outcome.as_str() == others).count(), 3, "{outcomes:?}");
    }
});

on_both_stores!(the_data_key_survives_a_restart_and_another_node_reads_it, async |backend| {
    let (server, alice, secret, _) = with_a_factor(backend).await;
    let keys = server.admin(Method::GET, "/admin/v1/keys", None).await;
    let data = keys.json["items"].as_array().unwrap().iter().find(|key| key["use"] == "data").unwrap().clone();
    assert_eq!((&data["state"], data.get("over_at"), data.get("alg")), (&"active".into(), None, None));
    let path = format!("/admin/v1/keys/{}", data["kid"].as_str().unwrap());
    assert_eq!(server.admin(Method::DELETE, &path, None).await.status, StatusCode::CONFLICT);
    let published = server.published_keys().await;
    assert!(published.iter().all(|key| key["kid"] != data["kid"]), "{published:?}");
    let rotated = server.admin(Method::POST, "/admin/v1/keys/rotate", None).await;
    assert!(rotated.json["items"].as_array().unwrap().iter().all(|key| key["use"] != "data"), "{rotated:?}");
    let again = setup_beside(&server);
    let server = server.restart(again).await;
    assert!(matches!(checked(&server, &alice, &shown(&server, &secret)).await, Ok(Checked::Right(_))));
});

on_both_stores!(the_secret_of_one_user_is_of_no_use_to_another, async |backend| {
    let (server, alice, secret, _) = with_a_factor(backend).await;
    let bob = user(&server, &server.user("bob", "builder").await).await;
    set_up_for(&server, &bob).await;
    server.advance(30);
    let copy = "UPDATE second_factors SET secret = (SELECT secret FROM second_factors WHERE user_id = \
                (SELECT id FROM users WHERE username = 'alice'))";
    crate::store_contract::execute(&server.database, copy).await;
    let unreadable = checked(&server, &bob, &shown(&server, &secret)).await;
    assert!(
        matches!(&unreadable, Err(Failure::Unavailable(text)) if text.contains("second-factor remove")),
        "{unreadable:?}"
    );
    assert!(matches!(checked(&server, &alice, &shown(&server, &secret)).await, Ok(Checked::Right(_))));
});

on_both_stores!(the_password_grant_refuses_users_who_need_a_second_factor, async |backend| {
    let (server, _, _, _) = with_a_factor(backend).await;
    server.user("bob", "builder").await;
    let main = server.main_client("main").await;
    let login = async |server: &TestServer, username, password| {
        server.token(&main, &[("grant_type", "password"), ("username", username), ("password", password)]).await
    };
    let refused = login(&server, "alice", "wonderland").await;
    refused.assert_error(400, "invalid_grant");
    assert!(refused.text("error_description").contains("second factor"), "{refused:?}");
    let wrong = login(&server, "alice", "hatter").await;
    assert!(!wrong.text("error_description").contains("second factor"), "only who has the password learns it");
    login(&server, "bob", "builder").await.assert_ok();
    let required_of_all = setup_beside(&server).set("JETON_REQUIRE_SECOND_FACTOR", "all");
    let server = server.restart(required_of_all).await;
    login(&server, "bob", "builder").await.assert_error(400, "invalid_grant");
    assert_eq!(required(&server.server.app, &user(&server, "bob").await), Required::SetUp);
    assert_eq!(required(&server.server.app, &user(&server, "alice").await), Required::Code);
    let required_of_nobody = setup_beside(&server).set("JETON_REQUIRE_SECOND_FACTOR", "off");
    let server = server.restart(required_of_nobody).await;
    assert_eq!(required(&server.server.app, &user(&server, "bob").await), Required::Nothing);
    assert_eq!(required(&server.server.app, &user(&server, "alice").await), Required::Code, "by choice");
});

on_both_stores!(administrators_see_and_remove_a_second_factor, async |backend| {
    let (server, alice, _, _) = with_a_factor(backend).await;
    let path = format!("/admin/v1/users/{}", alice.id);
    assert_eq!(server.admin(Method::GET, &path, None).await.json["second_factor"], true);
    assert_eq!(server.admin(Method::GET, "/admin/v1/users", None).await.json["items"][0]["second_factor"], true);
    let patched = server.admin(Method::PATCH, &path, Some(serde_json::json!({"claims": {"tenant": "blue"}}))).await;
    assert_eq!(patched.json["second_factor"], true, "{patched:?}");
    let factor = format!("{path}/second-factor");
    assert_eq!(server.admin(Method::DELETE, &factor, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(server.admin(Method::DELETE, &factor, None).await.status, StatusCode::NOT_FOUND);
    let nobody = server.admin(Method::DELETE, "/admin/v1/users/nobody/second-factor", None).await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
    assert_eq!(server.admin(Method::GET, &path, None).await.json["second_factor"], false);
    let main = server.main_client("main").await;
    server.login(&main, "alice", "wonderland").await.assert_ok();
});
