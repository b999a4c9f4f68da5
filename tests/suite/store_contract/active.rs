//! What people who administer look for: active sessions, how many a revocation would end, and clients by a part of their id.

use jeton::protocol::cause::Cause;
use jeton::protocol::revocation::Target;
use jeton::protocol::session::Session;
use jeton::store::{NewSession, SessionFilter};
use uuid::Uuid;

use super::{Db, Written, at, audited, client, new_session, page, revocation, user};
use crate::support::on_both_stores;

on_both_stores!(what_a_revocation_would_end_is_what_it_then_ends, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let (other, bob) = (client("other"), user("bob"));
    db.client_create(&other, &audited()).await.written();
    db.user_create(&bob, &audited()).await.unwrap();
    let mut ids = Vec::new();
    for (client, user) in [(&app, &alice), (&app, &alice), (&app, &bob), (&other, &alice)] {
        let new = new_session(client, user, at(10));
        ids.push(new.session.id);
        db.session_create(&new, &audited()).await.written().expect("it begins");
    }
    // One that has expired is none any more.
    let new = new_session(&app, &alice, at(10));
    let session = Session { idle_expires_at: at(15), ..new.session.clone() };
    db.session_create(&NewSession { session, ..new }, &audited()).await.written().expect("it begins");
    let count = async |target: Target| {
        let (count, were_all) = db.sessions_covered(&target, at(20), 100).await.unwrap();
        assert!(were_all);
        count
    };
    let (of_alice, of_app) = (Target::User(alice.sub.clone()), Target::Client("app".into()));
    assert_eq!((count(of_alice.clone()).await, count(of_app.clone()).await, count(Target::All).await), (3, 3, 4));
    assert_eq!(count(Target::Session(ids[0])).await, 1);
    for nothing in [Target::User("nobody".into()), Target::Client("x".into()), Target::Session(Uuid::now_v7())] {
        assert_eq!(count(nothing).await, 0);
    }
    // Of five, the newest has expired.
    assert_eq!(db.sessions_covered(&Target::All, at(20), 3).await.unwrap(), (2, false));
    assert_eq!(db.sessions_covered(&of_app, at(20), 2).await.unwrap(), (1, false));
    assert_eq!(db.sessions_covered(&of_alice, at(20), 2).await.unwrap(), (1, false));
    // A session, a user, a client, everything: each time the rest is left.
    db.revoke(&revocation(Target::Session(ids[0]), Cause::SessionRevoked), &audited()).await.written();
    assert_eq!((count(of_alice.clone()).await, count(Target::Session(ids[0])).await), (2, 0));
    db.revoke(&revocation(of_alice.clone(), Cause::UserRevoked), &audited()).await.written();
    assert_eq!((count(of_alice).await, count(of_app.clone()).await, count(Target::All).await), (0, 1, 1));
    db.revoke(&revocation(of_app.clone(), Cause::ClientRevoked), &audited()).await.written();
    assert_eq!((count(of_app).await, count(Target::All).await), (0, 0));
    // What begins afterwards lives.
    let new = new_session(&other, &bob, at(20));
    db.session_create(&new, &audited()).await.written().expect("it begins");
    assert_eq!(count(Target::All).await, 1);
    db.revoke(&revocation(Target::All, Cause::AllRevoked), &audited()).await.written();
    assert_eq!(count(Target::All).await, 0);
});

on_both_stores!(active_sessions_are_listed_the_newest_first, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let bob = user("bob");
    db.user_create(&bob, &audited()).await.unwrap();
    let mut ids = Vec::new();
    for user in [&alice, &bob, &alice, &alice] {
        let new = new_session(&app, user, at(10));
        ids.push(new.session.id);
        db.session_create(&new, &audited()).await.written().expect("it begins");
    }
    let list = async |user: Option<Uuid>, now: i64, after: Option<Uuid>| {
        let filter = SessionFilter { user, client: Some("app".into()) };
        let page = page(2, after.map(|id| id.to_string()));
        let sessions = db.session_list_active(&filter, at(now), &page, 100).await.unwrap();
        assert_eq!(sessions.looked_to, None);
        sessions.found.into_iter().map(|held| held.session.id).collect::<Vec<_>>()
    };
    assert_eq!(list(None, 20, None).await, [ids[3], ids[2]]);
    assert_eq!(list(None, 20, Some(ids[2])).await, [ids[1], ids[0]]);
    assert_eq!(list(Some(alice.id), 20, Some(ids[2])).await, [ids[0]]);
    assert!(list(None, 2000, None).await.is_empty(), "they have expired");
    db.revoke(&revocation(Target::User(alice.sub.clone()), Cause::UserRevoked), &audited()).await.written();
    assert_eq!(list(None, 20, None).await, [ids[1]]);
});

on_both_stores!(a_page_of_active_sessions_looks_at_so_many_and_says_where_to_go_on, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let (other, bob) = (client("other"), user("bob"));
    db.client_create(&other, &audited()).await.written();
    db.user_create(&bob, &audited()).await.unwrap();
    let mut ids = Vec::new();
    for (client, user) in [(&app, &alice), (&other, &bob), (&other, &bob), (&other, &bob)] {
        let new = new_session(client, user, at(10));
        ids.push(new.session.id);
        db.session_create(&new, &audited()).await.written().expect("it begins");
    }
    for id in &ids[1..] {
        db.revoke(&revocation(Target::Session(*id), Cause::SessionRevoked), &audited()).await.written();
    }
    // Of everybody: two that have ended, one that has ended and one that lives.
    let all = SessionFilter::default();
    let first = db.session_list_active(&all, at(20), &page(5, None), 2).await.unwrap();
    assert_eq!((first.found.len(), first.looked_to.as_deref()), (0, Some(ids[2].to_string().as_str())));
    let second = db.session_list_active(&all, at(20), &page(5, first.looked_to), 3).await.unwrap();
    assert_eq!((second.found.len(), second.found[0].session.id, second.looked_to), (1, ids[0], None));
    // A page that is full goes on after its last session.
    let full = db.session_list_active(&all, at(20), &page(1, None), 4).await.unwrap();
    assert_eq!((full.found.len(), full.looked_to), (1, None));
    let of_client = SessionFilter { client: Some("other".into()), ..SessionFilter::default() };
    let part = db.session_list_active(&of_client, at(20), &page(5, None), 3).await.unwrap();
    assert_eq!((part.found.len(), part.looked_to), (0, Some(ids[1].to_string())));
    let of_both = SessionFilter { user: Some(alice.id), client: Some("other".into()) };
    let part = db.session_list_active(&of_both, at(20), &page(5, None), 1).await.unwrap();
    assert_eq!((part.found.len(), part.looked_to), (0, Some(ids[0].to_string())));
});

on_both_stores!(clients_are_found_by_a_part_of_their_id, async |backend| {
    let db = Db::new(backend).await;
    for id in ["Billing-API", "billing-worker", "b%lling", "other"] {
        db.client_create(&client(id), &audited()).await.written();
    }
    let find = async |text: &str, after: Option<&str>| {
        let found = db.client_search(text, &page(2, after.map(str::to_owned)), 100).await.unwrap();
        assert_eq!(found.looked_to, None);
        let mut ids: Vec<String> = found.found.into_iter().map(|client| client.client_id).collect();
        ids.sort();
        ids
    };
    assert_eq!(find("BILLING", None).await, ["Billing-API", "billing-worker"]);
    assert_eq!(find("%", None).await, ["b%lling"]);
    assert_eq!(find("work", None).await, ["billing-worker"]);
    assert!(find("work", Some("billing-worker")).await.is_empty());
    assert!(find("nobody", None).await.is_empty());
    // In the order of the ids, in which capital letters come first, two are looked at for each page.
    let first = db.client_search("other", &page(2, None), 2).await.unwrap();
    assert_eq!((first.found.len(), first.looked_to.as_deref()), (0, Some("b%lling")));
    let second = db.client_search("other", &page(2, first.looked_to), 3).await.unwrap();
    assert_eq!((second.found[0].client_id.as_str(), second.looked_to), ("other", None));
    let full = db.client_search("ling", &page(2, None), 3).await.unwrap();
    assert_eq!((full.found.len(), full.looked_to), (2, None));
});
