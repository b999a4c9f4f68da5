//! Sessions.

use std::collections::HashSet;

use jeton::protocol::cause::Cause;
use jeton::protocol::client::Client;
use jeton::protocol::revocation::Target;
use jeton::protocol::session::Session;
use jeton::protocol::time::Timestamp;
use jeton::protocol::user::User;
use jeton::store::{NewSession, Rotation, SessionFilter};
use uuid::Uuid;

use super::{Db, NETWORK, Written, all, at, at_once, audited, client, new_session, page, revocation, rotation, user};
use crate::support::on_both_stores;

/// Begins a session and returns it as it is stored.
async fn begin(db: &Db, new: &NewSession) -> Session {
    let log = db.session_create(new, &audited()).await.written().expect("it begins");
    Session { log, ..new.session.clone() }
}

async fn held(db: &Db, id: Uuid) -> Session {
    db.session_find(id).await.unwrap().expect("it exists").session
}

/// The sessions that no revocation covers.
async fn active(db: &Db) -> HashSet<Uuid> {
    let sessions = db.session_list(&SessionFilter::default(), &all()).await.unwrap();
    sessions.into_iter().filter(|held| held.revoked_by.is_none()).map(|held| held.session.id).collect()
}

on_both_stores!(a_session_is_stored_with_its_user_and_the_log_head, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    db.revoke(&revocation(Target::User(alice.sub.clone()), Cause::UserRevoked), &audited()).await.written();
    let begun = begin(&db, &new_session(&app, &alice, at(10))).await;
    assert_eq!(begun.log, db.log_head().await.unwrap());
    let held = db.session_find(begun.id).await.unwrap().unwrap();
    assert_eq!(format!("{:?}", held.session), format!("{begun:?}"));
    let found = held.user.unwrap();
    assert_eq!((found.id, found.username.as_str(), &found.claims), (alice.id, "alice", &alice.claims));
    assert_eq!((held.revoked_by, held.revoked_because), (None, None), "an older revocation does not cover it");
    assert!(db.session_find(Uuid::now_v7()).await.unwrap().is_none());
});

on_both_stores!(a_session_does_not_begin_when_its_user_or_client_changed_meanwhile, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let verified = new_session(&app, &alice, at(10));
    assert!(db.user_update(&alice, "user.update", None, &audited()).await.written());
    assert_eq!(db.session_create(&verified, &audited()).await.written(), None, "the user moved on");
    let alice = User { version: 2, ..alice };
    let verified = new_session(&app, &alice, at(10));
    assert!(db.client_update(&app, "client.update", None, &audited()).await.written());
    assert_eq!(db.session_create(&verified, &audited()).await.written(), None, "the client moved on");
    let app = Client { version: 2, ..app };
    for (client, user) in [(&client("nobody"), &alice), (&app, &user("nobody"))] {
        let outcome = db.session_create(&new_session(client, user, at(10)), &audited()).await.written();
        assert_eq!(outcome, None, "{} {}", client.client_id, user.username);
    }
    assert!(db.session_list(&SessionFilter::default(), &all()).await.unwrap().is_empty());
    begin(&db, &new_session(&app, &alice, at(10))).await;
});

on_both_stores!(sessions_are_listed_oldest_first_by_user_and_client, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let (other, bob) = (client("other"), user("bob"));
    db.client_create(&other, &audited()).await.written();
    db.user_create(&bob, &audited()).await.unwrap();
    let mut ids = Vec::new();
    for (client, user) in [(&app, &alice), (&app, &bob), (&other, &alice), (&other, &bob), (&app, &alice)] {
        ids.push(begin(&db, &new_session(client, user, at(10))).await.id);
    }
    let listed = async |user: Option<&User>, client: Option<&str>| {
        let filter = SessionFilter { user: user.map(|user| user.id), client: client.map(str::to_owned) };
        let sessions = db.session_list(&filter, &all()).await.unwrap();
        sessions.iter().map(|held| held.session.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(None, None).await, ids);
    assert_eq!(listed(Some(&alice), None).await, [ids[0], ids[2], ids[4]]);
    assert_eq!(listed(None, Some("app")).await, [ids[0], ids[1], ids[4]]);
    assert_eq!(listed(Some(&alice), Some("app")).await, [ids[0], ids[4]]);
    assert!(listed(Some(&user("nobody")), None).await.is_empty());
    let mut paged = Vec::new();
    loop {
        let after = paged.last().map(Uuid::to_string);
        let part = db.session_list(&SessionFilter::default(), &page(2, after)).await.unwrap();
        if part.is_empty() {
            break;
        }
        assert!(part.len() <= 2);
        paged.extend(part.into_iter().map(|held| held.session.id));
    }
    assert_eq!(paged, ids);
});

on_both_stores!(a_rotation_advances_one_generation_from_the_expected_one_only, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let id = begin(&db, &new_session(&app, &alice, at(10))).await.id;
    assert!(db.session_rotate(rotation(id, 1, at(20), at(1020))).await.unwrap().is_some());
    let rotated = held(&db, id).await;
    assert_eq!((rotated.generation, rotated.last_refreshed_at, rotated.idle_expires_at), (2, at(20), at(1020)));
    assert_eq!(rotated.expires_at, at(5010), "the absolute end stays");
    for (id, generation) in [(id, 1), (id, 3), (Uuid::now_v7(), 2)] {
        assert!(db.session_rotate(rotation(id, generation, at(30), at(1030))).await.unwrap().is_none(), "{generation}");
    }
    assert_eq!(held(&db, id).await.last_refreshed_at, at(20));
    db.revoke(&revocation(Target::Session(id), Cause::SessionRevoked), &audited()).await.written();
    assert!(db.session_rotate(rotation(id, 2, at(30), at(1030))).await.unwrap().is_none(), "it has ended");
    assert_eq!(held(&db, id).await.generation, 2);
});

on_both_stores!(a_rotation_returns_the_session_with_its_revocation_and_user, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let id = begin(&db, &new_session(&app, &alice, at(10))).await.id;
    let moved = db.session_rotate(rotation(id, 1, at(20), at(1020))).await.unwrap().unwrap();
    assert_eq!(format!("{moved:?}"), format!("{:?}", db.session_find(id).await.unwrap().unwrap()));
    assert_eq!((moved.session.generation, moved.revoked_by), (2, None));
    assert_eq!(moved.user.unwrap().username, "alice");
    let written =
        db.revoke(&revocation(Target::User(alice.sub.clone()), Cause::UserRevoked), &audited()).await.written();
    let moved = db.session_rotate(rotation(id, 2, at(30), at(1030))).await.unwrap().unwrap();
    assert_eq!((moved.revoked_by, moved.revoked_because), (Some(written.number), Some(Cause::UserRevoked)));
});

on_both_stores!(a_session_that_has_ended_or_belongs_to_another_client_is_not_rotated, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    for name in ["other", "a,\"b\\{}", "", "app,app"] {
        let id = begin(&db, &new_session(&app, &alice, at(10))).await.id;
        let foreign = Rotation { client_id: name.into(), ..rotation(id, 1, at(20), at(1020)) };
        assert!(db.session_rotate(foreign).await.unwrap().is_none(), "{name}");
    }
    let id = begin(&db, &new_session(&app, &alice, at(10))).await.id;
    let known = held(&db, id).await;
    for now in [known.idle_expires_at, known.expires_at] {
        assert!(db.session_rotate(rotation(id, 1, now, at(9000))).await.unwrap().is_none());
    }
    let just_in_time = Timestamp::from_millis(known.idle_expires_at.millis() - 1);
    assert!(db.session_rotate(rotation(id, 1, just_in_time, at(9000))).await.unwrap().is_some());
    assert!(
        db.session_rotate(rotation(id, 2, known.expires_at, at(9999))).await.unwrap().is_none(),
        "the absolute end"
    );
});

on_both_stores!(a_generation_is_given_back_unless_it_was_used, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let id = begin(&db, &new_session(&app, &alice, at(10))).await.id;
    db.session_rotate(rotation(id, 1, at(20), at(1020))).await.unwrap().unwrap();
    for _ in 0..2 {
        db.session_give_back(id, 1).await.unwrap();
        let held = held(&db, id).await;
        assert_eq!(held.generation, 1, "once");
        assert_eq!((held.last_refreshed_at, held.idle_expires_at), (at(10), at(1010)), "nothing was refreshed");
    }
    let moved = db.session_rotate(rotation(id, 1, at(20), at(1020))).await.unwrap().unwrap().session;
    assert!(db.session_repeat(&moved, NETWORK, &audited()).await.unwrap());
    db.session_give_back(id, 1).await.unwrap();
    assert_eq!(held(&db, id).await.generation, 2, "somebody has the successor");
});

on_both_stores!(exactly_one_of_many_simultaneous_rotations_wins, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let id = begin(&db, &new_session(&app, &alice, at(10))).await.id;
    for generation in 1..=5 {
        let outcomes = at_once(&db, 8, |store, _| async move {
            store.session_rotate(rotation(id, generation, at(20), at(1020))).await.unwrap().is_some()
        })
        .await;
        assert_eq!(outcomes.iter().filter(|won| **won).count(), 1, "generation {generation}: {outcomes:?}");
        assert_eq!(held(&db, id).await.generation, generation + 1);
    }
});

on_both_stores!(a_refresh_without_rotation_is_recorded, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let id = begin(&db, &new_session(&app, &alice, at(10))).await.id;
    assert!(db.session_keep(id, 1, at(20), at(1020)).await.unwrap());
    let kept = held(&db, id).await;
    assert_eq!((kept.generation, kept.last_refreshed_at, kept.idle_expires_at), (1, at(20), at(1020)));
    for (id, generation) in [(id, 0), (id, 2), (Uuid::now_v7(), 1)] {
        assert!(!db.session_keep(id, generation, at(30), at(1030)).await.unwrap(), "{generation}");
    }
    db.revoke(&revocation(Target::Session(id), Cause::SessionRevoked), &audited()).await.written();
    assert!(!db.session_keep(id, 1, at(30), at(1030)).await.unwrap(), "it has ended");
    assert_eq!(held(&db, id).await.last_refreshed_at, at(20));
});

on_both_stores!(a_repeat_is_counted_and_recorded_if_nothing_happened_since, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let id = begin(&db, &new_session(&app, &alice, at(10))).await.id;
    db.session_rotate(rotation(id, 1, at(20), at(1020))).await.unwrap().unwrap();
    let known = held(&db, id).await;
    assert!(db.session_repeat(&known, NETWORK, &audited()).await.unwrap());
    let repeated = held(&db, id).await;
    assert_eq!((repeated.retries, repeated.repeats, repeated.generation), (1, 1, 2));
    assert_eq!((repeated.repeats_since, repeated.network.as_str()), (audited().at, NETWORK));
    let trail = db.trail().await;
    assert_eq!(trail.last().unwrap(), &("session.refresh.repeat".to_owned(), format!("session {id}")));
    assert!(!db.session_repeat(&known, NETWORK, &audited()).await.unwrap(), "somebody repeated meanwhile");
    let known = held(&db, id).await;
    assert!(!db.session_repeat(&Session { id: Uuid::now_v7(), ..known.clone() }, NETWORK, &audited()).await.unwrap());
    assert!(db.session_rotate(rotation(id, 2, at(30), at(1030))).await.unwrap().is_some());
    let rotated = held(&db, id).await;
    assert_eq!((rotated.retries, rotated.repeats), (0, 1), "a rotation begins only the count of its own repeats anew");
    assert!(!db.session_repeat(&known, NETWORK, &audited()).await.unwrap(), "the successor was used meanwhile");
    let known = held(&db, id).await;
    db.revoke(&revocation(Target::Session(id), Cause::SessionRevoked), &audited()).await.written();
    assert!(!db.session_repeat(&known, NETWORK, &audited()).await.unwrap(), "it has ended");
    assert_eq!(db.trail().await.len(), trail.len() + 1, "refusals are no repeats");
});

on_both_stores!(simultaneous_repeats_are_each_counted_once, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let begun = begin(&db, &new_session(&app, &alice, at(10))).await;
    let outcomes = at_once(&db, 8, |store, _| {
        let known = begun.clone();
        async move { store.session_repeat(&known, NETWORK, &audited()).await.unwrap() }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|won| **won).count(), 1, "{outcomes:?}");
    assert_eq!(held(&db, begun.id).await.retries, 1);
});

fn limited(client: &Client, user: &User, used: Timestamp, max_sessions: i64) -> NewSession {
    NewSession { max_sessions, ..new_session(client, user, used) }
}

on_both_stores!(beyond_the_allowed_number_the_session_unused_longest_ends, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let (other, bob) = (client("other"), user("bob"));
    db.client_create(&other, &audited()).await.written();
    db.user_create(&bob, &audited()).await.unwrap();
    let elsewhere = begin(&db, &limited(&other, &alice, at(1), 3)).await.id;
    let of_bob = begin(&db, &limited(&app, &bob, at(1), 3)).await.id;
    let mut ids = Vec::new();
    for used in [10, 11, 12] {
        ids.push(begin(&db, &limited(&app, &alice, at(used), 3)).await.id);
    }
    assert!(db.session_rotate(rotation(ids[0], 1, at(20), at(1020))).await.unwrap().is_some());
    let head = db.log_head().await.unwrap();
    let fourth = begin(&db, &limited(&app, &alice, at(21), 3)).await.id;
    assert_eq!(active(&db).await, HashSet::from([elsewhere, of_bob, ids[0], ids[2], fourth]));
    assert_eq!(db.told(head).await, [format!("session {} for superseded", ids[1])]);
    let ended = db.session_find(ids[1]).await.unwrap().unwrap();
    assert_eq!(
        (ended.revoked_by, ended.revoked_because),
        (Some(db.log_head().await.unwrap()), Some(Cause::Superseded))
    );
    assert!(db.session_rotate(rotation(ids[1], 1, at(22), at(1022))).await.unwrap().is_none(), "it has ended");
    // The limit was lowered: several end at once.
    let only = begin(&db, &limited(&app, &alice, at(30), 1)).await.id;
    assert_eq!(active(&db).await, HashSet::from([elsewhere, of_bob, only]));
});

on_both_stores!(an_ended_session_does_not_count_towards_max_sessions, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let unused = begin(&db, &limited(&app, &alice, at(100), 2)).await.id;
    let mut over = limited(&app, &alice, at(0), 2);
    over.session.last_refreshed_at = at(150);
    over.session.expires_at = at(200);
    begin(&db, &over).await;
    let new = begin(&db, &limited(&app, &alice, at(300), 2)).await.id;
    let active = active(&db).await;
    assert!(active.contains(&unused) && active.contains(&new), "two may live, and two do");
});

on_both_stores!(many_simultaneous_logins_leave_no_more_than_the_allowed_number, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    for round in 0..4 {
        at_once(&db, 8, |store, index| {
            let new = limited(&app, &alice, at(100 * round + i64::try_from(index).unwrap()), 3);
            async move { store.session_create(&new, &audited()).await.written().expect("it begins") }
        })
        .await;
        let active = active(&db).await.len();
        assert!((1..=3).contains(&active), "round {round}: {active} sessions live");
    }
});
