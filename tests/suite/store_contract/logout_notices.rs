//! Notices of logouts that clients have not got yet.

use jeton::protocol::browser::BrowserSession;
use jeton::protocol::cause::Cause;
use jeton::protocol::client::Client;
use jeton::protocol::logout::{LogoutNotice, NOTICE_LIFE};
use jeton::protocol::revocation::Target;
use jeton::protocol::session::Session;
use jeton::protocol::user::User;
use jeton::store::{Ended, Ending, NewSession, Round, Store};
use uuid::Uuid;

use super::{Db, Written, at, at_once, audited, client, new_session, revocation, user};
use crate::support::{Backend, on_both_stores};

/// A client that is told of logouts.
fn told(client_id: &str) -> Client {
    let mut told = client(client_id);
    told.settings.backchannel_logout_uri = Some("https://app.example/logout".into());
    told
}

/// A database with alice and the client `app`, which is told of logouts.
async fn start(backend: Backend) -> (Db, Client, User) {
    let db = Db::new(backend).await;
    let (app, alice) = (told("app"), user("alice"));
    db.client_create(&app, &audited()).await.written();
    db.user_create(&alice, &audited()).await.unwrap();
    (db, app, alice)
}

async fn log_in(db: &Db, user: &User, replaced: Option<Uuid>) -> Uuid {
    let id = Uuid::now_v7();
    let session = BrowserSession {
        id,
        user_id: user.id,
        methods: vec!["pwd".into()],
        log: 0,
        network: "192.0.2.0/24".into(),
        agent: "a browser".into(),
        created_at: at(0),
        authenticated_at: at(0),
        last_seen_at: at(0),
        idle_expires_at: at(100_000),
        expires_at: at(500_000),
    };
    let hash = jeton::crypto::sha256(id.as_bytes());
    assert!(db.browser_session_create(&session, hash, user.version, replaced, &audited()).await.unwrap());
    id
}

/// What a client got in a browser session.
async fn begin(db: &Db, client: &Client, user: &User, browser: Uuid, change: impl Fn(&mut Session)) -> Uuid {
    let mut new = new_session(client, user, at(10));
    new.session.browser_session = Some(browser);
    change(&mut new.session);
    db.session_create(&new, &audited()).await.written().expect("it begins");
    new.session.id
}

/// The sessions of the notices that a client waits for, which are removed.
async fn told_of(db: &Store, client_id: &str) -> Vec<Uuid> {
    let notices = db.logout_notices_take(client_id, at(0), at(1), 1000).await.unwrap();
    let mut sessions = Vec::new();
    for notice in notices {
        db.logout_notice_remove(notice.session).await.unwrap();
        sessions.push(notice.session);
    }
    sessions.sort();
    sessions
}

fn sorted<const N: usize>(mut sessions: [Uuid; N]) -> Vec<Uuid> {
    sessions.sort();
    sessions.to_vec()
}

on_both_stores!(a_logout_makes_a_notice_of_each_session_that_a_client_with_an_address_got_in_it, async |backend| {
    let (db, app, alice) = start(backend).await;
    let (other, silent, bob) = (told("other"), client("silent"), user("bob"));
    for client in [&other, &silent] {
        db.client_create(client, &audited()).await.written();
    }
    db.user_create(&bob, &audited()).await.unwrap();
    let (here, there, bobs) =
        (log_in(&db, &alice, None).await, log_in(&db, &alice, None).await, log_in(&db, &bob, None).await);
    let usual = begin(&db, &app, &alice, here, |_| {}).await;
    let offline = begin(&db, &app, &alice, here, |session| session.offline = true).await;
    let expired = begin(&db, &other, &alice, here, |session| session.idle_expires_at = at(-10)).await;
    let revoked = begin(&db, &other, &alice, here, |_| {}).await;
    db.revoke(&revocation(Target::Session(revoked), Cause::SessionRevoked), &audited()).await.written();
    // A code that nobody redeemed, a client without an address, other logins, no login at a browser.
    begin(&db, &app, &alice, here, |session| session.generation = 0).await;
    begin(&db, &silent, &alice, here, |_| {}).await;
    let elsewhere = begin(&db, &app, &alice, there, |_| {}).await;
    begin(&db, &app, &bob, bobs, |_| {}).await;
    begin(&db, &app, &alice, here, |session| session.browser_session = None).await;
    assert!(db.logout_notices_due(at(0)).await.unwrap().is_empty(), "nobody logged out");
    let end = async |which| db.browser_session_end(alice.id, which, at(900), &audited()).await.written();
    assert_eq!(end(Ending::One(here)).await, Ended::Whole);
    assert_eq!(db.logout_notices_due(at(0)).await.unwrap(), ["app", "other"]);
    let taken = db.logout_notices_take("app", at(0), at(0), 1).await.unwrap();
    let notice =
        LogoutNotice { session: taken[0].session, client_id: "app".into(), sub: alice.sub.clone(), attempts: 1 };
    assert_eq!(taken, [notice]);
    assert_eq!(told_of(&db, "app").await, sorted([usual, offline]));
    assert_eq!(told_of(&db, "other").await, sorted([expired, revoked]));
    assert_eq!(end(Ending::One(here)).await, Ended::Nothing);
    assert!(db.logout_notices_due(at(0)).await.unwrap().is_empty(), "each is told once");
    let third = log_in(&db, &alice, None).await;
    assert_eq!(end(Ending::AllBut(third)).await, Ended::Whole);
    assert_eq!(told_of(&db, "app").await, [elsewhere]);
});

on_both_stores!(what_another_client_has_in_its_settings_fails_no_logout, async |backend| {
    let (db, app, alice) = start(backend).await;
    let mut odd = told("odd");
    odd.settings.metadata.insert("software_id".into(), "\0 \"backchannel_logout_uri\":\"x".into());
    db.client_create(&odd, &audited()).await.written();
    let here = log_in(&db, &alice, None).await;
    let (usual, of_odd) = (begin(&db, &app, &alice, here, |_| {}).await, begin(&db, &odd, &alice, here, |_| {}).await);
    db.browser_session_end(alice.id, Ending::One(here), at(900), &audited()).await.written();
    assert_eq!((told_of(&db, "app").await, told_of(&db, "odd").await), (vec![usual], vec![of_odd]));
});

on_both_stores!(a_client_is_not_told_of_one_that_had_its_id_before, async |backend| {
    let (db, app, alice) = start(backend).await;
    let here = log_in(&db, &alice, None).await;
    begin(&db, &app, &alice, here, |_| {}).await;
    let deleted = revocation(Target::Client("app".into()), Cause::ClientDeleted);
    db.client_delete("app", &deleted, &audited()).await.written();
    let again = Client { created_at: at(50), ..told("app") };
    db.client_create(&again, &audited()).await.written();
    let late = begin(&db, &again, &alice, here, |session| session.created_at = at(60)).await;
    db.browser_session_end(alice.id, Ending::One(here), at(900), &audited()).await.written();
    assert_eq!(told_of(&db, "app").await, [late]);
});

on_both_stores!(a_session_that_ended_long_ago_does_not_follow_to_the_next_login, async |backend| {
    let (db, app, alice) = start(backend).await;
    let here = log_in(&db, &alice, None).await;
    let ended = |at_that_time| {
        move |session: &mut Session| {
            (session.idle_expires_at, session.last_refreshed_at) = (at(-10), at_that_time);
        }
    };
    begin(&db, &app, &alice, here, ended(at(-100_000))).await;
    let lately = begin(&db, &app, &alice, here, ended(at(-1000))).await;
    let lives = begin(&db, &app, &alice, here, |session| session.last_refreshed_at = at(-100_000)).await;
    let next = log_in(&db, &alice, Some(here)).await;
    db.browser_session_end(alice.id, Ending::One(next), at(900), &audited()).await.written();
    assert_eq!(told_of(&db, "app").await, sorted([lately, lives]));
});

on_both_stores!(notices_whose_time_is_over_are_removed_and_counted, async |backend| {
    let (db, app, alice) = start(backend).await;
    for _ in 0..3 {
        let here = log_in(&db, &alice, None).await;
        begin(&db, &app, &alice, here, |_| {}).await;
        db.browser_session_end(alice.id, Ending::One(here), at(900), &audited()).await.written();
    }
    let over = at(0).plus_seconds(NOTICE_LIFE);
    assert_eq!(db.logout_notices_expire(over.plus_seconds(-1), 10).await.unwrap(), 0);
    assert_eq!(db.logout_notices_expire(over, 2).await.unwrap(), 2);
    assert_eq!(db.logout_notices_expire(over, 10).await.unwrap(), 1);
});

on_both_stores!(a_client_is_told_of_at_most_the_hundred_newest_sessions, async |backend| {
    let (db, app, alice) = start(backend).await;
    let here = log_in(&db, &alice, None).await;
    let mut newest = Vec::new();
    for index in 0..104 {
        let mut new = new_session(&app, &alice, at(10 + index));
        new.session.browser_session = Some(here);
        new.max_sessions = 1000;
        db.session_create(&new, &audited()).await.written().expect("it begins");
        newest.push(new.session.id);
    }
    db.browser_session_end(alice.id, Ending::One(here), at(900), &audited()).await.written();
    let mut newest = newest.split_off(4);
    newest.sort();
    assert_eq!(told_of(&db, "app").await, newest);
});

on_both_stores!(every_way_to_end_a_login_makes_notices, async |backend| {
    let (db, app, mut alice) = start(backend).await;
    let of_user = |cause| revocation(Target::User(user("alice").sub), cause);
    let changed = |user: &User| User { version: user.version + 1, ..user.clone() };
    // A new password, and disabling.
    let (here, there) = (log_in(&db, &alice, None).await, log_in(&db, &alice, None).await);
    let both = [begin(&db, &app, &alice, here, |_| {}).await, begin(&db, &app, &alice, there, |_| {}).await];
    assert!(db.user_update(&alice, "user.update", None, &audited()).await.written());
    alice = changed(&alice);
    assert!(db.logout_notices_due(at(0)).await.unwrap().is_empty(), "that ended nothing");
    assert!(db.user_update(&alice, "user.password", Some(&of_user(Cause::UserRevoked)), &audited()).await.written());
    alice = changed(&alice);
    assert_eq!(told_of(&db, "app").await, sorted(both));
    // The browser that set it begins anew, and what ended does not end again.
    let again = log_in(&db, &alice, Some(here)).await;
    let session = begin(&db, &app, &alice, again, |_| {}).await;
    db.browser_session_end(alice.id, Ending::One(again), at(900), &audited()).await.written();
    assert_eq!(told_of(&db, "app").await, [session]);
    // A link to set a password.
    let here = log_in(&db, &alice, None).await;
    let session = begin(&db, &app, &alice, here, |_| {}).await;
    assert!(db.password_link_create([1; 32], alice.id, at(900), true, &audited()).await.unwrap());
    let revoked = of_user(Cause::UserRevoked);
    assert!(db.password_link_use([1; 32], &alice, &revoked, &audited()).await.written());
    alice = changed(&alice);
    assert_eq!(told_of(&db, "app").await, [session]);
    // An administrator revokes a session, or the user.
    let here = log_in(&db, &alice, None).await;
    let sessions = [begin(&db, &app, &alice, here, |_| {}).await, begin(&db, &app, &alice, here, |_| {}).await];
    let one = revocation(Target::Session(sessions[0]), Cause::SessionRevoked);
    let written = db.revoke_with_notices(&one, &audited()).await.written();
    assert_eq!((written.target, written.number), (one.target, db.log_head().await.unwrap()));
    assert_eq!(db.session_find(sessions[0]).await.unwrap().unwrap().revoked_because, Some(Cause::SessionRevoked));
    assert_eq!(told_of(&db, "app").await, [sessions[0]]);
    let by_password = begin(&db, &app, &alice, here, |session| session.browser_session = None).await;
    let one = revocation(Target::Session(by_password), Cause::SessionRevoked);
    db.revoke_with_notices(&one, &audited()).await.written();
    db.revoke_with_notices(&revocation(Target::Client("app".into()), Cause::ClientRevoked), &audited()).await.written();
    assert!(db.logout_notices_due(at(0)).await.unwrap().is_empty(), "that was no login at a browser");
    db.revoke_with_notices(&of_user(Cause::UserRevoked), &audited()).await.written();
    assert_eq!(told_of(&db, "app").await, sorted(sessions));
    db.revoke_with_notices(&revocation(Target::User("nobody".into()), Cause::UserRevoked), &audited()).await.written();
    // The person takes the access away.
    let here = log_in(&db, &alice, None).await;
    let session = begin(&db, &app, &alice, here, |_| {}).await;
    db.access_withdraw(alice.id, "app", at(900), &audited()).await.written();
    assert_eq!(told_of(&db, "app").await, [session]);
    // A client that returns its own token knows.
    let session = begin(&db, &app, &alice, here, |_| {}).await;
    db.revoke(&revocation(Target::Session(session), Cause::SessionRevoked), &audited()).await.written();
    assert!(db.logout_notices_due(at(0)).await.unwrap().is_empty());
    // The user is deleted.
    assert!(db.user_delete(alice.id, &of_user(Cause::UserDeleted), true, &audited()).await.written());
    assert!(told_of(&db, "app").await.contains(&session));
    assert!(!db.user_delete(alice.id, &of_user(Cause::UserDeleted), true, &audited()).await.written());
});

on_both_stores!(a_new_login_at_the_same_browser_goes_on_with_what_clients_got, async |backend| {
    let (db, app, alice) = start(backend).await;
    let first = log_in(&db, &alice, None).await;
    let session = begin(&db, &app, &alice, first, |_| {}).await;
    let second = log_in(&db, &alice, Some(first)).await;
    assert!(db.logout_notices_due(at(0)).await.unwrap().is_empty());
    db.browser_session_end(alice.id, Ending::One(second), at(900), &audited()).await.written();
    assert_eq!(told_of(&db, "app").await, [session]);
});

on_both_stores!(what_the_revocation_of_everything_ended_is_told_part_by_part, async |backend| {
    let (db, app, alice) = start(backend).await;
    let mut ended = Vec::new();
    for _ in 0..5 {
        let here = log_in(&db, &alice, None).await;
        ended.push(begin(&db, &app, &alice, here, |_| {}).await);
    }
    assert_eq!(db.browser_sessions_end_revoked(2, at(0)).await.unwrap(), 0);
    db.revoke_with_notices(&revocation(Target::All, Cause::AllRevoked), &audited()).await.written();
    let later = log_in(&db, &alice, None).await;
    begin(&db, &app, &alice, later, |_| {}).await;
    let parts = at_once(&db, 3, |store, _| async move { store.browser_sessions_end_revoked(2, at(0)).await.unwrap() });
    let mut count: usize = parts.await.into_iter().sum();
    while count < 5 {
        let part = db.browser_sessions_end_revoked(2, at(0)).await.unwrap();
        assert!((1..=2).contains(&part), "{part}");
        count += part;
    }
    assert_eq!(db.browser_sessions_end_revoked(2, at(0)).await.unwrap(), 0);
    ended.sort();
    assert_eq!(told_of(&db, "app").await, ended);
    let left = db.browser_session_list(alice.id, at(0)).await.unwrap();
    assert_eq!(left.iter().map(|held| held.session.id).collect::<Vec<_>>(), [later]);
});

on_both_stores!(one_of_many_nodes_takes_a_notice_and_it_is_due_again_if_that_node_stops, async |backend| {
    let (db, app, alice) = start(backend).await;
    let here = log_in(&db, &alice, None).await;
    for _ in 0..10 {
        begin(&db, &app, &alice, here, |_| {}).await;
    }
    db.browser_session_end(alice.id, Ending::One(here), at(900), &audited()).await.written();
    let take = |store: Store, _| async move { store.logout_notices_take("app", at(0), at(60), 4).await.unwrap() };
    let mut taken: Vec<LogoutNotice> = at_once(&db, 8, take).await.into_iter().flatten().collect();
    taken.extend(db.logout_notices_take("app", at(0), at(60), 10).await.unwrap());
    let mut sessions: Vec<Uuid> = taken.iter().map(|notice| notice.session).collect();
    sessions.sort();
    sessions.dedup();
    assert_eq!((taken.len(), sessions.len()), (10, 10));
    assert!(db.logout_notices_due(at(59)).await.unwrap().is_empty());
    assert!(db.logout_notices_take("app", at(59), at(120), 10).await.unwrap().is_empty());
    let again = db.logout_notices_take("app", at(60), at(120), 1).await.unwrap();
    assert_eq!((again.len(), again[0].attempts), (1, 2));
    // Who had it before cannot postpone it any more.
    let before = LogoutNotice { attempts: 1, ..again[0].clone() };
    db.logout_notice_postpone(&before, at(70)).await.unwrap();
    db.logout_notice_postpone(&again[0], at(90)).await.unwrap();
    for notice in &taken[..] {
        if notice.session != again[0].session {
            db.logout_notice_remove(notice.session).await.unwrap();
        }
    }
    assert!(db.logout_notices_due(at(89)).await.unwrap().is_empty());
    assert_eq!(db.logout_notices_due(at(90)).await.unwrap(), ["app"]);
    let expired = db.logout_notices_take("app", at(NOTICE_LIFE), at(NOTICE_LIFE), 9).await.unwrap();
    assert!(expired.is_empty(), "{expired:?}");
});

on_both_stores!(notices_go_with_their_client_and_when_they_expire, async |backend| {
    let (db, app, alice) = start(backend).await;
    let other = told("other");
    db.client_create(&other, &audited()).await.written();
    let here = log_in(&db, &alice, None).await;
    for client in [&app, &app, &other] {
        begin(&db, client, &alice, here, |_| {}).await;
    }
    db.browser_session_end(alice.id, Ending::One(here), at(900), &audited()).await.written();
    assert_eq!(db.logout_notices_due(at(0)).await.unwrap(), ["app", "other"]);
    let ended = revocation(Target::Client("other".into()), Cause::ClientDeleted);
    assert!(db.client_delete("other", &ended, &audited()).await.written());
    assert_eq!(db.logout_notices_due(at(0)).await.unwrap(), ["app"]);
    let swept = async |seconds| {
        let mut round = Round::new(at(seconds), 1_000_000);
        while db.sweep(&mut round).await.unwrap() {}
        round.removed().find(|(kind, _)| *kind == "logout_notices").unwrap().1
    };
    assert_eq!((swept(NOTICE_LIFE).await, swept(NOTICE_LIFE + 1).await), (0, 2));
    let here = log_in(&db, &alice, None).await;
    begin(&db, &app, &alice, here, |_| {}).await;
    db.browser_session_end(alice.id, Ending::One(here), at(900), &audited()).await.written();
    db.logout_notices_discard("nobody").await.unwrap();
    assert_eq!(db.logout_notices_due(at(0)).await.unwrap(), ["app"]);
    db.logout_notices_discard("app").await.unwrap();
    assert!(db.logout_notices_due(at(0)).await.unwrap().is_empty());
});

on_both_stores!(a_session_is_kept_for_its_client_to_be_told_while_the_browser_session_lasts, async |backend| {
    let (db, app, alice) = start(backend).await;
    let here = log_in(&db, &alice, None).await;
    let session = begin(&db, &app, &alice, here, |session| session.idle_expires_at = at(100)).await;
    let sweep = async || {
        let mut round = Round::new(at(1000), 10);
        while db.sweep(&mut round).await.unwrap() {}
        db.session_find(session).await.unwrap().is_some()
    };
    assert!(sweep().await);
    db.browser_session_end(alice.id, Ending::One(here), at(900), &audited()).await.written();
    assert!(!sweep().await);
    assert_eq!(told_of(&db, "app").await, [session]);
});

on_both_stores!(logins_logouts_and_ends_of_the_user_at_once_never_block_each_other, async |backend| {
    let (db, app, alice) = start(backend).await;
    for round in 0..10 {
        let alice = db.user_named(&alice.username).await.unwrap().unwrap();
        let here = log_in(&db, &alice, None).await;
        let got = begin(&db, &app, &alice, here, |_| {}).await;
        let (app, alice) = (&app, &alice);
        let outcomes = at_once(&db, 5, |store, index| {
            let (app, alice) = (app.clone(), alice.clone());
            async move {
                let mut new: NewSession = new_session(&app, &alice, at(10));
                new.session.browser_session = Some(here);
                let by = audited();
                match index {
                    0 | 1 => store.session_create(&new, &by).await.map(drop),
                    2 => store.browser_session_end(alice.id, Ending::One(here), at(900), &by).await.map(drop),
                    3 => {
                        let revoked = revocation(Target::Session(got), Cause::SessionRevoked);
                        store.revoke_with_notices(&revoked, &by).await.map(drop)
                    }
                    _ => {
                        let revoked = revocation(Target::User(alice.sub.clone()), Cause::UserRevoked);
                        store.user_update(&alice, "user.password", Some(&revoked), &by).await.map(drop)
                    }
                }
            }
        });
        for outcome in outcomes.await {
            assert!(outcome.is_ok(), "round {round}: {outcome:?}");
        }
    }
});
