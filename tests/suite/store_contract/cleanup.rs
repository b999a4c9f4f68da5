//! Cleanup of expired rows.

use std::collections::HashMap;
use std::time::Duration;

use jeton::protocol::browser::BrowserSession;
use jeton::protocol::cause::Cause;
use jeton::protocol::revocation::{NewRevocation, Target};
use jeton::protocol::time::Timestamp;
use jeton::protocol::token_id::TokenId;
use jeton::store::{AuditFilter, NewSession, NodeRecord, ProofBatch, Round, SessionFilter, Store};
use sqlx::Connection;
use uuid::Uuid;

use super::{
    Db, Written, all, assertions, at, at_once, audited, audited_at, client, device_requests, new_session, revocation,
    rotation, secret,
};
use crate::support::{Backend, eventually, on_both_stores};

const DAY: i64 = 24 * 3600;

/// How many rows of each kind a whole round removes, without kinds that had none.
async fn sweep(store: &Store, now: Timestamp, history: i64) -> Vec<(&'static str, usize)> {
    let mut round = Round::new(now, history);
    while store.sweep(&mut round).await.unwrap() {}
    round.removed().filter(|(_, count)| *count > 0).collect()
}

on_both_stores!(nothing_is_removed_before_it_expires, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let new = new_session(&app, &alice, at(0));
    db.session_create(&new, &audited()).await.written().unwrap();
    db.revoke(&revocation(Target::Session(new.session.id), Cause::SessionRevoked), &audited()).await.written();
    db.client_secret_add("app", &secret(1), &audited()).await.written();
    let id = Uuid::now_v7();
    let beat = NodeRecord {
        id,
        name: "n".into(),
        version: "0.1.0".into(),
        feature_level: jeton::protocol::feature::LEVEL,
        applied: 0,
        applied_at: at(0),
        heartbeat_at: at(0),
        max_staleness: 1,
    };
    db.node_heartbeat(&beat).await.unwrap();
    let before = (db.told(0).await, db.trail().await);
    assert_eq!(sweep(&db, at(1000), 30 * DAY).await, []);
    assert_eq!((db.told(0).await, db.trail().await), before);
    assert_eq!(db.node_list().await.unwrap().len(), 1);
    assert!(db.session_find(new.session.id).await.unwrap().is_some());
    assert_eq!(db.client_find("app").await.unwrap().unwrap().0.secrets.len(), 1);
});

on_both_stores!(an_ended_session_is_kept_for_a_while_and_then_removed, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let (mut idle, mut absolute) = (new_session(&app, &alice, at(0)), new_session(&app, &alice, at(0)));
    (idle.session.idle_expires_at, idle.session.expires_at) = (at(100), at(400 * DAY));
    (absolute.session.idle_expires_at, absolute.session.expires_at) = (at(400 * DAY), at(200));
    let mut active = new_session(&app, &alice, at(0));
    (active.session.idle_expires_at, active.session.expires_at) = (at(400 * DAY), at(400 * DAY));
    for new in [&idle, &absolute, &active] {
        db.session_create(new, &audited()).await.written().unwrap();
    }
    let left = async |now: Timestamp| {
        let swept = sweep(&db, now, 30 * DAY).await;
        let swept = swept.iter().find(|(kind, _)| *kind == "sessions").map_or(0, |(_, count)| *count);
        let sessions = db.session_list(&SessionFilter::default(), &all()).await.unwrap();
        (swept, sessions.iter().map(|held| held.session.id).collect::<Vec<_>>())
    };
    assert_eq!(left(at(300)).await.0, 0, "it can still be explained");
    assert_eq!(left(at(150 + 30 * DAY)).await, (1, vec![absolute.session.id, active.session.id]));
    assert_eq!(left(at(250 + 30 * DAY)).await, (1, vec![active.session.id]));
    assert_eq!(left(at(399 * DAY)).await, (0, vec![active.session.id]));
});

on_both_stores!(a_notice_is_removed_after_a_day_and_a_revocation_after_the_longest_session, async |backend| {
    let db = Db::new(backend).await;
    db.client_create(&client("app"), &audited()).await.written();
    let written = db.revoke(&revocation(Target::All, Cause::AllRevoked), &audited()).await.written();
    assert_eq!(sweep(&db, at(DAY), 30 * DAY).await, []);
    assert_eq!(sweep(&db, at(DAY + 1), 30 * DAY).await, [("log_entries", 1)]);
    assert_eq!(db.told(0).await, ["all for all_revoked"]);
    // A session may live for 400 days and is kept for 30 more; what ended it is known for as long.
    sweep(&db, at(429 * DAY), 30 * DAY).await;
    assert!(db.revocation_find(written.number).await.unwrap().is_some());
    assert_eq!(sweep(&db, at(430 * DAY + 1), 30 * DAY).await, [("log_entries", 1)]);
    assert_eq!(db.log_head().await.unwrap(), written.number, "numbers go on");
    let next = db.revoke(&revocation(Target::All, Cause::AllRevoked), &audited()).await.written().number;
    assert!(next > written.number);
});

on_both_stores!(the_revocation_of_a_token_is_removed_some_time_after_the_token_expires, async |backend| {
    let db = Db::new(backend).await;
    let token = NewRevocation {
        covers_until: at(100),
        ..revocation(Target::Token(TokenId::new([0; 16])), Cause::TokenRevoked)
    };
    db.revoke(&token, &audited()).await.written();
    db.revoke(&revocation(Target::All, Cause::AllRevoked), &audited()).await.written();
    for (now, history, swept) in
        [(at(100 + 30 * DAY), 1, 0), (at(101 + 30 * DAY), 40 * DAY, 0), (at(101 + 30 * DAY), 1, 1)]
    {
        let removed = sweep(&db, now, history).await.into_iter().find(|(kind, _)| *kind == "token_revocations");
        assert_eq!(removed.map_or(0, |(_, count)| count), swept);
    }
    assert_eq!(db.told(0).await, ["all for all_revoked"]);
});

on_both_stores!(old_audit_records_and_silent_nodes_are_removed, async |backend| {
    let db = Db::new(backend).await;
    db.client_create(&client("old"), &audited_at(at(0))).await.written();
    db.client_create(&client("new"), &audited_at(at(DAY))).await.written();
    let node = |heartbeat_at| NodeRecord {
        id: Uuid::now_v7(),
        name: "n".into(),
        version: "0.1.0".into(),
        feature_level: jeton::protocol::feature::LEVEL,
        applied: 0,
        applied_at: at(0),
        heartbeat_at,
        max_staleness: 1,
    };
    let now = at(400 * DAY + 1);
    let (silent, alive) = (node(at(400 * DAY - 3600)), node(at(400 * DAY)));
    db.node_heartbeat(&silent).await.unwrap();
    db.node_heartbeat(&alive).await.unwrap();
    let swept = sweep(&db, now, 30 * DAY).await;
    assert_eq!(swept[1..], [("audit_records", 1), ("nodes", 1), ("events", 2)], "{swept:?}");
    let records = db.audit_list(&AuditFilter::default(), &all(), 100).await.unwrap().found;
    assert_eq!(records.iter().map(|record| record.target.as_str()).collect::<Vec<_>>(), ["client new"]);
    assert_eq!(db.node_list().await.unwrap().iter().map(|node| node.id).collect::<Vec<_>>(), [alive.id]);
});

on_both_stores!(old_login_failures_and_networks_are_removed, async |backend| {
    let (db, _, alice) = Db::with_holders(backend).await;
    let allowance = jeton::protocol::backoff::Backoff { free: 10, forgiven_after: 600, longest: 900 };
    for (account, address, moment) in [([1; 32], [192, 0, 2, 1], at(0)), ([2; 32], [192, 0, 2, 2], at(DAY))] {
        db.login_failures_add(account, 3, allowance, moment).await.unwrap();
        db.network_note(alice.id, std::net::IpAddr::from(address).into(), moment).await.unwrap();
    }
    let swept = async |now: Timestamp| {
        let swept = sweep(&db, now, 30 * DAY).await.into_iter();
        swept.filter(|(kind, _)| ["guesses", "known_networks"].contains(kind)).collect::<Vec<_>>()
    };
    assert_eq!(swept(at(29 * DAY)).await, []);
    assert_eq!(swept(at(30 * DAY + 1)).await, [("guesses", 1)]);
    assert_eq!(swept(at(180 * DAY)).await, [("guesses", 1)]);
    assert_eq!(swept(at(180 * DAY + 1)).await, [("known_networks", 1)]);
});

on_both_stores!(requests_of_devices_are_removed_when_they_are_over, async |backend| {
    let db = Db::new(backend).await;
    let mut new = device_requests::request(1);
    db.device_request_create(&new).await.unwrap();
    assert_eq!(sweep(&db, at(600), 30 * DAY).await, []);
    assert_eq!(sweep(&db, at(601), 30 * DAY).await, [("device_requests", 1)]);
    assert!(db.device_request_find(new.id).await.unwrap().is_none());
    // Its code is free again.
    new.id = Uuid::now_v7();
    assert!(db.device_request_create(&new).await.unwrap());
});

on_both_stores!(used_assertions_are_removed_when_they_have_expired, async |backend| {
    let db = Db::new(backend).await;
    db.assertion_use(assertions::used(1, 0)).await.unwrap().unwrap();
    assert_eq!(sweep(&db, at(60), 30 * DAY).await, []);
    assert_eq!(db.assertion_use(assertions::used(1, 60)).await.unwrap(), Err(at(0)));
    assert_eq!(sweep(&db, at(61), 30 * DAY).await, [("client_assertions", 1)]);
    assert_eq!(db.assertion_use(assertions::used(1, 61)).await.unwrap(), Ok(()));
});

on_both_stores!(revoked_sessions_are_removed_like_expired_ones_before_their_revocations, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let mut new = new_session(&app, &alice, at(0));
    (new.session.idle_expires_at, new.session.expires_at) = (at(300 * DAY), at(300 * DAY));
    let (ended, active) =
        (new.session.id, NewSession { session: new_session(&app, &alice, at(0)).session, ..new.clone() });
    let mut active = active;
    (active.session.idle_expires_at, active.session.expires_at) = (at(300 * DAY), at(300 * DAY));
    for new in [&new, &active] {
        db.session_create(new, &audited()).await.written().unwrap();
    }
    let end = NewRevocation { covers_until: at(2 * DAY), ..revocation(Target::Session(ended), Cause::SessionRevoked) };
    db.revoke(&end, &audited()).await.written();
    let of_sessions = async |now: Timestamp, history: i64| {
        let swept = sweep(&db, now, history).await;
        swept.into_iter().filter(|(kind, _)| kind.contains("session")).collect::<Vec<_>>()
    };
    assert_eq!(of_sessions(at(40 * DAY), 40 * DAY).await, [], "it can still be explained");
    // What ended it is not removed before it.
    let later = at(40 * DAY + 1);
    assert_eq!(of_sessions(later, 40 * DAY).await, [("sessions", 1)]);
    assert_eq!(of_sessions(later, 40 * DAY).await, []);
    assert_eq!(of_sessions(at(42 * DAY + 1), 40 * DAY).await, [("session_revocations", 1)]);
    assert!(db.session_find(active.session.id).await.unwrap().is_some());
    assert!(db.session_find(ended).await.unwrap().is_none());
});

on_both_stores!(the_revocation_of_a_session_is_kept_as_long_as_the_session, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let mut new = new_session(&app, &alice, at(0));
    (new.session.idle_expires_at, new.session.expires_at) = (at(300 * DAY), at(300 * DAY));
    db.session_create(&new, &audited()).await.written().unwrap();
    // Written by a node whose clock was ahead: what it covers has expired, but it is newer than the moment of the
    // sweep.
    let end =
        NewRevocation { covers_until: at(0), ..revocation(Target::Session(new.session.id), Cause::SessionRevoked) };
    db.revoke(&end, &audited_at(at(200 * DAY))).await.written();
    sweep(&db, at(100 * DAY), 30 * DAY).await;
    let held = db.session_find(new.session.id).await.unwrap().unwrap();
    assert_eq!(held.revoked_because, Some(Cause::SessionRevoked));
});

/// Sessions that expired at `at(1000)`.
async fn sessions_that_are_over(
    db: &Db,
    app: &jeton::protocol::client::Client,
    user: &jeton::protocol::user::User,
    count: usize,
) {
    for _ in 0..count {
        let new = NewSession { max_sessions: 1_000_000, ..new_session(app, user, at(0)) };
        db.session_create(&new, &audited()).await.written().unwrap();
    }
}

on_both_stores!(two_nodes_that_both_clean_up_share_the_batches, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    const COUNT: usize = 450;
    sessions_that_are_over(&db, &app, &alice, COUNT).await;
    let active = NewSession { max_sessions: 1_000_000, ..new_session(&app, &alice, at(40 * DAY)) };
    db.session_create(&active, &audited()).await.written().unwrap();
    let now = at(31 * DAY);
    let mut first = Round::new(now, 30 * DAY);
    assert!(db.sweep(&mut first).await.unwrap(), "not all at once");
    let begun: usize = first.removed().map(|(_, count)| count).sum();
    assert!(begun > 0 && begun < COUNT, "{first:?}");
    let counts = at_once(&db, 2, |store: Store, _| async move { sweep(&store, now, 30 * DAY).await }).await;
    let sessions =
        |swept: &Vec<(&str, usize)>| swept.iter().find(|(kind, _)| *kind == "sessions").map_or(0, |(_, n)| *n);
    assert_eq!(begun + counts.iter().map(sessions).sum::<usize>(), COUNT, "each is counted once: {counts:?}");
    assert_eq!(sweep(&db, now, 30 * DAY).await, []);
    assert!(db.session_find(active.session.id).await.unwrap().is_some());
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cleanup_does_not_wait_for_a_locked_row() {
    let (db, app, alice) = Db::with_holders(Backend::Postgres).await;
    sessions_that_are_over(&db, &app, &alice, 3).await;
    let held = db.session_list(&SessionFilter::default(), &all()).await.unwrap()[1].session.id;
    let mut holder = sqlx::PgConnection::connect(&db.address).await.unwrap();
    let lock = format!("BEGIN; SELECT 1 FROM sessions WHERE id = '{held}' FOR UPDATE");
    sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(&mut holder).await.unwrap();
    // Waiting for a lock would make it fail.
    assert!(sweep(&db, at(31 * DAY), 30 * DAY).await.contains(&("sessions", 2)));
    sqlx::raw_sql("COMMIT").execute(&mut holder).await.unwrap();
    assert_eq!(sweep(&db, at(31 * DAY), 30 * DAY).await, [("sessions", 1)], "left for the next round");
}

on_both_stores!(batches_of_proofs_are_removed_once_none_of_them_can_be_used, async |backend| {
    let db = Db::new(backend).await;
    let batch = ProofBatch { node: Uuid::from_u128(1), number: 1, proofs: vec![1; 20], expires_at: at(60) };
    db.proofs_write(&batch).await.unwrap();
    assert_eq!(sweep(&db, at(60), 30 * DAY).await, []);
    assert_eq!(sweep(&db, at(61), 30 * DAY).await, [("dpop_proofs", 1)]);
    assert_eq!(db.proofs_after(Uuid::nil(), &HashMap::new(), at(0), 9).await.unwrap(), []);
});

on_both_stores!(one_node_at_a_time_has_the_turn_of_cleanup, async |backend| {
    let db = Db::new(backend).await;
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    let (long, no) = (Duration::from_secs(1000), Duration::ZERO);
    assert_eq!(db.cleanup_ended_at().await.unwrap(), None);
    assert!(db.cleanup_take(first, long, no).await.unwrap());
    assert!(!db.cleanup_take(second, long, no).await.unwrap());
    assert!(!db.cleanup_hold(second, long).await.unwrap(), "it never had it");
    db.cleanup_end(second, no).await.unwrap();
    assert!(db.cleanup_hold(first, long).await.unwrap());
    assert_eq!(db.cleanup_ended_at().await.unwrap(), None);
    // After a round, no node begins another one before the rest period is over.
    db.cleanup_end(first, long).await.unwrap();
    assert!(db.cleanup_ended_at().await.unwrap().is_some());
    assert!(!db.cleanup_take(second, long, long).await.unwrap());
    assert!(!db.cleanup_hold(first, long).await.unwrap(), "it gave the turn back");
    // A turn that lasts longer than any turn or rest can: the clock of the database was set back.
    assert!(db.cleanup_take(second, Duration::from_secs(10), Duration::from_secs(10)).await.unwrap());
});

on_both_stores!(a_node_that_dies_leaves_the_turn_of_cleanup_to_another_one, async |backend| {
    let db = Db::new(backend).await;
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    let (short, long) = (Duration::from_millis(200), Duration::from_secs(1000));
    assert!(db.cleanup_take(first, short, long).await.unwrap());
    eventually(Duration::from_secs(10), "the turn is free", async || {
        db.cleanup_take(second, long, long).await.unwrap()
    })
    .await;
    assert!(!db.cleanup_hold(first, long).await.unwrap(), "the first one wakes up and has lost it");
});

on_both_stores!(the_journal_is_short_after_cleanup, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    sessions_that_are_over(&db, &app, &alice, 50).await;
    db.shorten_journal().await.unwrap();
    if backend == Backend::Sqlite {
        let journal = format!("{}-wal", db.address.strip_prefix("sqlite://").unwrap());
        assert_eq!(std::fs::metadata(journal).unwrap().len(), 0);
    }
    assert_eq!(db.session_list(&SessionFilter::default(), &all()).await.unwrap().len(), 50);
});

on_both_stores!(links_to_set_a_password_are_removed_once_they_have_expired, async |backend| {
    let (db, _, alice) = Db::with_holders(backend).await;
    db.password_link_create([1; 32], alice.id, at(100), true, &audited()).await.unwrap();
    let swept = async |now: Timestamp| {
        let swept = sweep(&db, now, 30 * DAY).await.into_iter();
        swept.filter(|(kind, _)| *kind == "password_links").collect::<Vec<_>>()
    };
    assert_eq!(swept(at(100)).await, []);
    assert!(db.password_link_find([1; 32], at(0)).await.unwrap().is_some());
    assert_eq!(swept(at(101)).await, [("password_links", 1)]);
    assert!(db.password_link_find([1; 32], at(0)).await.unwrap().is_none());
});

on_both_stores!(a_code_that_nobody_redeemed_is_removed_after_two_hours, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let code = |idle: i64, expires: i64| {
        let mut new = new_session(&app, &alice, at(0));
        (new.session.generation, new.session.login) = (0, Some(Box::default()));
        (new.session.idle_expires_at, new.session.expires_at) = (at(idle), at(expires));
        new
    };
    let redeemed = code(60, 300 * DAY);
    let codes = [redeemed.clone(), code(60, 300 * DAY), code(60, 300 * DAY), code(300 * DAY, 70)];
    for new in &codes {
        db.session_create(new, &audited()).await.written().unwrap();
    }
    db.session_rotate(rotation(redeemed.session.id, 0, at(1), at(100))).await.unwrap().unwrap();
    // However short the time is for which sessions are kept: until then its request is answered once.
    assert_eq!(sweep(&db, at(7260), 8000).await, []);
    assert_eq!(sweep(&db, at(7261), 8000).await, [("sessions", 2)]);
    assert_eq!(sweep(&db, at(7271), 8000).await, [("sessions", 1)]);
    assert!(db.session_find(redeemed.session.id).await.unwrap().is_some());
    let young = code(60, 300 * DAY);
    db.session_create(&young, &audited()).await.written().unwrap();
    assert_eq!(sweep(&db, at(7200), 1).await, [("sessions", 1)], "the one that was redeemed");
    assert!(db.session_find(young.session.id).await.unwrap().is_some());
});

on_both_stores!(a_browser_session_is_kept_while_something_ends_with_it, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let log_in = async |hash: u8| {
        let session = BrowserSession {
            id: Uuid::now_v7(),
            user_id: alice.id,
            methods: vec![],
            log: 0,
            network: "n".into(),
            agent: "a".into(),
            created_at: at(0),
            authenticated_at: at(0),
            last_seen_at: at(0),
            idle_expires_at: at(100),
            expires_at: at(200),
        };
        assert!(db.browser_session_create(&session, [hash; 32], alice.version, None, &audited()).await.unwrap());
        session.id
    };
    let (used, offline, ended) = (log_in(1).await, log_in(2).await, log_in(3).await);
    let mut begun = Vec::new();
    for (browser, is_offline) in [(used, false), (offline, true), (ended, false)] {
        let mut new = new_session(&app, &alice, at(0));
        (new.session.browser_session, new.session.offline) = (Some(browser), is_offline);
        (new.session.idle_expires_at, new.session.expires_at) = (at(5000), at(6000));
        db.session_create(&new, &audited()).await.written().unwrap();
        begun.push(new.session.id);
    }
    db.revoke(&revocation(Target::Session(begun[2]), Cause::SessionRevoked), &audited()).await.written();
    assert_eq!(sweep(&db, at(200), 30 * DAY).await, []);
    assert_eq!(sweep(&db, at(201), 30 * DAY).await, [("browser_sessions", 2)]);
    assert!(db.browser_session_known([1; 32], at(4999)).await.unwrap().is_some());
    assert_eq!(sweep(&db, at(5000), 30 * DAY).await, []);
    assert_eq!(sweep(&db, at(5001), 30 * DAY).await, [("browser_sessions", 1)]);
});
