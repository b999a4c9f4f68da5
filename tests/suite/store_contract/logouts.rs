//! What ends with a login, and what ends with a consent.

use jeton::protocol::authorization::Login;
use jeton::protocol::browser::BrowserSession;
use jeton::protocol::cause::Cause;
use jeton::protocol::revocation::Target;
use jeton::protocol::scope::Scope;
use jeton::protocol::user::User;
use jeton::store::{Access, Consent, Ended, Ending, NewSession};
use uuid::Uuid;

use super::logins::allowed;
use super::{Db, Written, at, at_once, audited, audited_at, client, new_session, revocation, rotation, user};
use crate::support::on_both_stores;

async fn log_in(db: &Db, user: &User) -> Uuid {
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
        idle_expires_at: at(1000),
        expires_at: at(5000),
    };
    let hash = jeton::crypto::sha256(id.as_bytes());
    assert!(db.browser_session_create(&session, hash, user.version, None, &audited()).await.unwrap());
    id
}

/// A session that a client got in a browser session.
fn begun_in(browser: Uuid, offline: bool, new: NewSession) -> NewSession {
    let session = jeton::protocol::session::Session { browser_session: Some(browser), offline, ..new.session };
    NewSession { session, ..new }
}

async fn is_alive(db: &Db, session: Uuid) -> bool {
    db.session_find(session).await.unwrap().expect("it exists").revoked_by.is_none()
}

on_both_stores!(a_logout_ends_what_clients_got_in_it_unless_it_is_to_last, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let bob = user("bob");
    db.user_create(&bob, &audited()).await.unwrap();
    let (here, there, bobs) = (log_in(&db, &alice).await, log_in(&db, &alice).await, log_in(&db, &bob).await);
    let mut begun = Vec::new();
    for (browser, offline, user) in
        [(here, false, &alice), (here, true, &alice), (there, false, &alice), (bobs, false, &bob)]
    {
        let new = begun_in(browser, offline, new_session(&app, user, at(10)));
        db.session_create(&new, &audited()).await.written().expect("it begins");
        begun.push(new.session.id);
    }
    let alive = async || {
        let mut alive = Vec::new();
        for id in &begun {
            alive.push(is_alive(&db, *id).await);
        }
        alive
    };
    let end = async |user: &User, which| db.browser_session_end(user.id, which, at(9000), &audited()).await.written();
    assert_eq!(end(&bob, Ending::One(here)).await, Ended::Nothing, "it is not his");
    assert_eq!(end(&alice, Ending::One(Uuid::now_v7())).await, Ended::Nothing);
    assert_eq!(alive().await, [true, true, true, true]);
    assert_eq!(end(&alice, Ending::One(here)).await, Ended::Whole);
    assert_eq!(alive().await, [false, true, true, true]);
    assert_eq!(end(&alice, Ending::One(here)).await, Ended::Nothing, "it has ended");
    let head = db.log_head().await.unwrap();
    let third = log_in(&db, &alice).await;
    assert_eq!(end(&alice, Ending::AllBut(third)).await, Ended::Whole);
    assert_eq!(alive().await, [false, true, false, true]);
    assert_eq!(db.log_after(head, 10).await.unwrap().entries.len(), 1, "nodes learn of the one that ended");
    assert_eq!(end(&alice, Ending::AllBut(third)).await, Ended::Nothing);
    let left = db.browser_session_list(alice.id, at(1)).await.unwrap();
    assert_eq!(left.iter().map(|held| held.session.id).collect::<Vec<_>>(), [third]);
});

on_both_stores!(an_access_is_withdrawn_with_its_consents_and_sessions, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let (other, bob) = (client("other"), user("bob"));
    db.client_create(&other, &audited()).await.written();
    db.user_create(&bob, &audited()).await.unwrap();
    let mut begun = Vec::new();
    for (client, user) in [(&app, &alice), (&app, &alice), (&other, &alice), (&app, &bob)] {
        let new = new_session(client, user, at(10));
        db.session_create(&new, &audited()).await.written().expect("it begins");
        begun.push(new.session.id);
        let consent = Consent {
            user_id: user.id,
            client_id: client.client_id.clone(),
            redirect_uri: "https://app.example/cb".into(),
            allowed: allowed("read", "https://api.example/"),
            created_at: at(10),
        };
        db.consent_put(&consent, &audited()).await.unwrap();
    }
    let ended = db.access_withdraw(alice.id, &app.client_id, at(9000), &audited()).await.written();
    assert_eq!(ended, Ended::Whole);
    let mut alive = Vec::new();
    for id in &begun {
        alive.push(is_alive(&db, *id).await);
    }
    assert_eq!(alive, [false, false, true, true]);
    let consents = async |user: &User| {
        let consents = db.consent_list(user.id).await.unwrap();
        consents.into_iter().map(|consent| consent.client_id).collect::<Vec<_>>()
    };
    assert_eq!(consents(&alice).await, [other.client_id.as_str()]);
    assert_eq!(consents(&bob).await, [app.client_id.as_str()]);
    // Nothing is left to withdraw.
    db.access_withdraw(alice.id, "nobody", at(9000), &audited()).await.written();
});

/// The session of a code that was not redeemed, which is good until then.
fn unredeemed(mut new: NewSession, until: i64) -> NewSession {
    (new.session.generation, new.session.login) = (0, Some(Box::new(Login::default())));
    new.session.idle_expires_at = at(until);
    new
}

on_both_stores!(codes_that_were_not_redeemed_end_without_an_entry_each, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let now = audited_at(at(100));
    for withdraws in [false, true] {
        let browser = log_in(&db, &alice).await;
        let begin = async |new: NewSession| {
            let new = begun_in(browser, false, new);
            db.session_create(&new, &audited()).await.written().expect("it begins");
            new.session.id
        };
        let new = || new_session(&app, &alice, at(0));
        let (good, over) = (begin(unredeemed(new(), 150)).await, begin(unredeemed(new(), 100)).await);
        let redeemed = begin(unredeemed(new(), 150)).await;
        db.session_rotate(rotation(redeemed, 0, at(90), at(1000))).await.unwrap().expect("it is redeemed");
        let (active, expired) = (begin(new()).await, begin(new()).await);
        db.session_rotate(rotation(expired, 1, at(50), at(100))).await.unwrap().expect("it is refreshed");
        let head = db.log_head().await.unwrap();
        let ended = if withdraws {
            db.access_withdraw(alice.id, "app", at(9000), &now).await.written()
        } else {
            db.browser_session_end(alice.id, Ending::One(browser), at(9000), &now).await.written()
        };
        assert_eq!(ended, Ended::Whole);
        let mut told = db.told(head).await;
        told.sort();
        let mut revoked = [redeemed, active].map(|id| format!("session {id} for session_revoked"));
        revoked.sort();
        assert_eq!(told, revoked, "what has tokens");
        for id in [good, over] {
            assert!(db.session_rotate(rotation(id, 0, at(100), at(1000))).await.unwrap().is_none(), "it is not good");
        }
        let ends = db.session_find(good).await.unwrap().unwrap().session.ends_at();
        assert_eq!(ends, at(100), "it is over by its time");
    }
});

on_both_stores!(more_sessions_than_one_transaction_ends_are_ended_part_by_part, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    for withdraws in [false, true] {
        let browser = log_in(&db, &alice).await;
        let mut begun = Vec::new();
        for _ in 0..501 {
            let new = NewSession { max_sessions: 1_000_000, ..new_session(&app, &alice, at(0)) };
            let new = begun_in(browser, false, new);
            db.session_create(&new, &audited()).await.written().expect("it begins");
            begun.push(new.session.id);
        }
        let end = async || match withdraws {
            true => db.access_withdraw(alice.id, "app", at(9000), &audited()).await.written(),
            false => db.browser_session_end(alice.id, Ending::One(browser), at(9000), &audited()).await.written(),
        };
        let alive = async || {
            let mut alive = 0;
            for id in &begun {
                alive += usize::from(is_alive(&db, *id).await);
            }
            alive
        };
        let trail = db.trail().await.len();
        assert_eq!((end().await, alive().await), (Ended::Part, 1));
        assert!(db.browser_session_is_active(browser, at(1)).await.unwrap(), "who is interrupted can try again");
        assert_eq!(db.trail().await.len(), trail);
        assert_eq!((end().await, alive().await), (Ended::Whole, 0));
        assert_eq!(db.browser_session_is_active(browser, at(1)).await.unwrap(), withdraws);
        assert_eq!(db.trail().await.len(), trail + 1);
    }
});

on_both_stores!(more_browsers_than_one_transaction_ends_are_ended_part_by_part, async |backend| {
    let (db, _, alice) = Db::with_holders(backend).await;
    let here = log_in(&db, &alice).await;
    for _ in 0..101 {
        log_in(&db, &alice).await;
    }
    let end = async || db.browser_session_end(alice.id, Ending::AllBut(here), at(9000), &audited()).await.written();
    assert_eq!([end().await, end().await, end().await], [Ended::Part, Ended::Whole, Ended::Nothing]);
    assert!(db.browser_session_is_active(here, at(1)).await.unwrap());
});

on_both_stores!(clients_with_access_are_those_with_active_sessions, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let bob = user("bob");
    db.user_create(&bob, &audited()).await.unwrap();
    let (other, third) = (client("other"), client("third"));
    for client in [&other, &third] {
        db.client_create(client, &audited()).await.written();
    }
    let begin = async |mut new: NewSession, scope: &str| {
        new.session.scope = Scope::parse(scope).unwrap();
        db.session_create(&new, &audited()).await.written().expect("it begins");
        new.session.id
    };
    let list = async |seconds| db.access_list(alice.id, at(seconds)).await.unwrap();
    begin(unredeemed(new_session(&app, &alice, at(10)), 500), "read").await;
    begin(new_session(&app, &bob, at(10)), "read").await;
    assert_eq!(list(20).await, [], "a code gives no access, and bob's is not hers");
    for (used, scope) in [(10, "read"), (30, "write read"), (20, "")] {
        begin(new_session(&app, &alice, at(used)), scope).await;
    }
    let ended = begin(new_session(&other, &alice, at(40)), "read").await;
    let of_app = |scope: &str, since, last_used_at| Access {
        client_id: "app".into(),
        scope: Scope::parse(scope).unwrap(),
        since: at(since),
        last_used_at: at(last_used_at),
    };
    let of_other = Access { client_id: "other".into(), ..of_app("read", 40, 40) };
    assert_eq!(list(50).await, [of_other.clone(), of_app("read write", 10, 30)], "the one used last is the first");
    assert_eq!(list(1015).await, [of_other, of_app("read write", 20, 30)], "one was unused too long");
    db.revoke(&revocation(Target::Session(ended), Cause::SessionRevoked), &audited()).await.written();
    assert_eq!(list(50).await, [of_app("read write", 10, 30)]);
    db.revoke(&revocation(Target::Client("app".into()), Cause::ClientRevoked), &audited()).await.written();
    assert_eq!(list(50).await, []);
    begin(new_session(&third, &alice, at(45)), "read").await;
    assert_eq!(list(50).await.len(), 1);
    for (target, left) in [(Target::User(bob.sub), 1), (Target::User(alice.sub.clone()), 0), (Target::All, 0)] {
        db.revoke(&revocation(target, Cause::UserRevoked), &audited()).await.written();
        assert_eq!(list(50).await.len(), left);
    }
    begin(new_session(&third, &alice, at(45)), "read").await;
    db.revoke(&revocation(Target::All, Cause::AllRevoked), &audited()).await.written();
    assert_eq!(list(50).await, []);
});

on_both_stores!(no_code_that_begins_beside_a_logout_outlives_it, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let mut good = 0;
    for round in 0..12 {
        let browser = log_in(&db, &alice).await;
        let codes: Vec<_> =
            (0..8).map(|_| begun_in(browser, false, unredeemed(new_session(&app, &alice, at(0)), 150))).collect();
        let begun = at_once(&db, 9, |store, index| {
            let (code, user) = (codes.get(index).cloned(), alice.id);
            async move {
                let Some(code) = code else {
                    // Each round a little later.
                    for _ in 0..round * 20 {
                        tokio::task::yield_now().await;
                    }
                    let end = store.browser_session_end(user, Ending::One(browser), at(9000), &audited()).await;
                    assert_eq!(end.written(), Ended::Whole);
                    return None;
                };
                store.session_create(&code, &audited()).await.written().map(|_| code.session.id)
            }
        })
        .await;
        for id in begun.into_iter().flatten() {
            good += 1;
            let redeemed = db.session_rotate(rotation(id, 0, at(100), at(1000))).await.unwrap();
            assert!(redeemed.is_none(), "the code of round {round} is good after the logout");
        }
    }
    assert!(good > 0, "codes begin before the logout");
});
