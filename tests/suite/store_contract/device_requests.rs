//! Requests of devices.

use jeton::protocol::authorization::Login;
use jeton::protocol::client::Client;
use jeton::protocol::device::{DeviceRequest, DeviceState, UserCode};
use jeton::protocol::scope::Scope;
use jeton::protocol::user::User;
use jeton::store::{NewSession, Store, StoreError};
use uuid::Uuid;

use super::{Db, NETWORK, Written, at, at_once, audited, new_session};
use crate::support::on_both_stores;

/// A request of the client `app` that begins at `at(0)` and ends at `at(600)`.
pub(super) fn request(number: u8) -> DeviceRequest {
    DeviceRequest {
        id: Uuid::now_v7(),
        nonce_hash: [number; 32],
        user_code: UserCode::of(&[0, 0, 0, 0, 0, 0, number / 20, number % 20]).unwrap(),
        client_id: "app".into(),
        scope: Scope::parse("openid read").unwrap(),
        audiences: vec!["https://api.example/".into()],
        network: NETWORK.into(),
        state: DeviceState::Pending,
        wait: 5000,
        created_at: at(0),
        expires_at: at(600),
    }
}

/// The session that lets a device in.
fn session_of(request: &DeviceRequest, app: &Client, alice: &User) -> NewSession {
    let mut new = new_session(app, alice, at(10));
    new.session.id = request.id;
    new.session.nonce_hash = request.nonce_hash;
    new.session.generation = 0;
    new.session.login = Some(Box::new(Login::default()));
    new
}

on_both_stores!(a_request_is_found_as_it_was_kept_and_each_code_is_one_request, async |backend| {
    let db = Db::new(backend).await;
    let (new, other) = (request(1), request(2));
    assert!(db.device_request_create(&new).await.unwrap());
    assert!(db.device_request_create(&other).await.unwrap());
    let taken = DeviceRequest { id: Uuid::now_v7(), ..request(1) };
    assert!(matches!(db.device_request_create(&taken).await, Err(StoreError::Exists)));
    let found = db.device_request_find(new.id).await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{new:?}"));
    assert!(db.device_request_find(taken.id).await.unwrap().is_none());
    let waiting = async |code: &UserCode, seconds| {
        let found = db.device_request_waiting(code, at(seconds)).await.unwrap();
        found.map(|found| found.id)
    };
    assert_eq!(waiting(&new.user_code, 599).await, Some(new.id));
    assert_eq!(waiting(&other.user_code, 599).await, Some(other.id));
    assert_eq!(waiting(&new.user_code, 600).await, None, "it is over");
    assert_eq!(waiting(&request(3).user_code, 0).await, None);
});

on_both_stores!(a_poll_that_comes_too_early_makes_the_device_wait_longer, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let new = request(1);
    db.device_request_create(&new).await.unwrap();
    let poll = async |seconds| db.device_request_poll(new.id, at(seconds)).await.unwrap();
    assert_eq!(poll(0).await, Some(5000), "the first one is never too early");
    assert_eq!(poll(5).await, Some(5000));
    assert_eq!(poll(9).await, Some(10_000));
    assert_eq!(poll(19).await, Some(10_000));
    assert_eq!(poll(28).await, Some(15_000));
    assert_eq!(db.device_request_poll(Uuid::now_v7(), at(100)).await.unwrap(), None);
    db.device_request_allow(&session_of(&new, &app, &alice), at(100), &audited()).await.written().unwrap();
    assert_eq!(poll(200).await, None, "somebody answered");
});

on_both_stores!(of_polls_at_once_only_one_is_in_time, async |backend| {
    let db = Db::new(backend).await;
    let new = request(1);
    db.device_request_create(&new).await.unwrap();
    let id = new.id;
    let waits = at_once(&db, 4, move |store: Store, _| async move { store.device_request_poll(id, at(0)).await }).await;
    let mut waits: Vec<i64> = waits.into_iter().map(|wait| wait.unwrap().unwrap()).collect();
    waits.sort_unstable();
    assert_eq!(waits, [5000, 10_000, 15_000, 20_000]);
});

on_both_stores!(a_request_is_answered_once_and_its_session_begins_with_the_answer, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let (allowed, denied, late, stale) = (request(1), request(2), request(3), request(4));
    for new in [&allowed, &denied, &late, &stale] {
        db.device_request_create(new).await.unwrap();
    }
    let allow = async |request: &DeviceRequest, seconds| {
        let new = session_of(request, &app, &alice);
        db.device_request_allow(&new, at(seconds), &audited()).await.written().is_some()
    };
    let deny = async |request: &DeviceRequest, seconds| {
        db.device_request_deny(request.id, alice.id, at(seconds), &audited()).await.unwrap()
    };
    let state = async |request: &DeviceRequest| db.device_request_find(request.id).await.unwrap().unwrap().state;
    assert!(allow(&allowed, 10).await);
    assert!(!allow(&allowed, 11).await && !deny(&allowed, 11).await);
    let session = db.session_find(allowed.id).await.unwrap().unwrap().session;
    assert_eq!((session.generation, session.nonce_hash), (0, [1; 32]));
    assert!(deny(&denied, 10).await);
    assert!(!allow(&denied, 11).await && !deny(&denied, 11).await);
    assert!(!allow(&late, 600).await && !deny(&late, 600).await, "it is over");
    // If the session cannot begin, the request still waits.
    let mut outdated = session_of(&stale, &app, &alice);
    outdated.user_version += 1;
    assert_eq!(db.device_request_allow(&outdated, at(10), &audited()).await.written(), None);
    assert_eq!(state(&stale).await, DeviceState::Pending);
    assert!(allow(&stale, 10).await);
    assert_eq!((state(&allowed).await, state(&denied).await), (DeviceState::Allowed, DeviceState::Denied));
    assert!(db.session_find(denied.id).await.unwrap().is_none() && db.session_find(late.id).await.unwrap().is_none());
    let whose = format!("user {}", alice.id);
    let trail: Vec<String> =
        db.trail().await.into_iter().filter(|(_, target)| *target == whose).map(|(action, _)| action).collect();
    assert_eq!(trail[trail.len() - 3..], ["device.allow", "device.deny", "device.allow"]);
});

on_both_stores!(of_answers_at_once_only_one_counts, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let new = request(1);
    db.device_request_create(&new).await.unwrap();
    let answers = at_once(&db, 4, move |store: Store, index| {
        let (session, id, user) = (session_of(&new, &app, &alice), new.id, alice.id);
        async move {
            match index % 2 {
                0 => store.device_request_allow(&session, at(1), &audited()).await.written().is_some(),
                _ => store.device_request_deny(id, user, at(1), &audited()).await.unwrap(),
            }
        }
    })
    .await;
    assert_eq!(answers.iter().filter(|counts| **counts).count(), 1, "{answers:?}");
});

on_both_stores!(a_network_has_a_hundred_requests_that_wait, async |backend| {
    let db = Db::new(backend).await;
    for number in 0..100 {
        assert!(db.device_request_create(&request(number)).await.unwrap());
    }
    assert!(!db.device_request_create(&request(100)).await.unwrap());
    let elsewhere = DeviceRequest { network: "192.0.2.9".into(), ..request(100) };
    assert!(db.device_request_create(&elsewhere).await.unwrap());
    // What is answered or over no longer counts.
    let user = Uuid::now_v7();
    let first = db.device_request_waiting(&request(0).user_code, at(0)).await.unwrap().unwrap();
    assert!(db.device_request_deny(first.id, user, at(0), &audited()).await.unwrap());
    assert!(db.device_request_create(&request(101)).await.unwrap());
    assert!(!db.device_request_create(&request(102)).await.unwrap());
    let later = DeviceRequest { created_at: at(600), expires_at: at(1200), ..request(102) };
    assert!(db.device_request_create(&later).await.unwrap());
});
