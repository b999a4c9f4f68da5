//! No user's `sub` ever equals a `client_id`.

use std::time::Duration;

use jeton::protocol::cause::Cause;
use jeton::protocol::revocation::Target;
use jeton::protocol::role::Role;
use jeton::protocol::user::User;
use jeton::store::{Logged, SetWrite, StoreError, SubOwner};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::applied::{apply, changes};
use super::client_documents::fetched;
use super::{Db, Written, at_once, audited, client, revocation, user};
use crate::support::{Backend, on_both_stores};

fn user_with(sub: &str, username: &str) -> User {
    User { sub: sub.into(), ..user(username) }
}

on_both_stores!(a_sub_belongs_to_one_user_or_client_even_under_concurrency, async |backend| {
    let db = Db::new(backend).await;
    for round in 0..8 {
        let sub = format!("same {round}");
        let outcomes = at_once(&db, 8, |store, index| {
            let sub = sub.clone();
            async move {
                if index % 2 == 0 {
                    store.client_create(&client(&sub), &audited()).await.map(Logged::without_a_node)
                } else {
                    store.user_create(&user_with(&sub, &format!("{round} {index}")), &audited()).await
                }
            }
        })
        .await;
        let winner = outcomes.iter().position(Result::is_ok).unwrap();
        let holder = if winner % 2 == 0 { SubOwner::Client } else { SubOwner::User };
        for (index, outcome) in outcomes.iter().enumerate().filter(|(index, _)| *index != winner) {
            assert!(matches!(outcome, Err(StoreError::SubTaken(by)) if *by == holder), "{index}: {outcome:?}");
        }
        assert_eq!(db.user_with_sub(&sub).await.unwrap().is_some(), holder == SubOwner::User);
        assert_eq!(db.client_find(&sub).await.unwrap().is_some(), holder == SubOwner::Client);
        assert_eq!(db.sub_owner(&sub).await.unwrap(), Some(holder));
    }
    assert_eq!(db.sub_owner("same").await.unwrap(), None);
    assert_eq!(db.trail().await.len(), 8, "a refusal leaves nothing behind");
});

on_both_stores!(a_sub_is_free_again_once_its_user_is_deleted, async |backend| {
    let db = Db::new(backend).await;
    let alice = user_with("shared", "alice");
    db.user_create(&alice, &audited()).await.unwrap();
    let taken = db.client_create(&client("shared"), &audited()).await;
    assert!(matches!(taken, Err(StoreError::SubTaken(SubOwner::User))), "{taken:?}");
    let why = revocation(Target::User("shared".into()), Cause::UserDeleted);
    assert!(db.user_delete(alice.id, &why, true, &audited()).await.written());
    db.client_create(&client("shared"), &audited()).await.written();
    let taken = db.user_create(&user_with("shared", "bob"), &audited()).await;
    assert!(matches!(taken, Err(StoreError::SubTaken(SubOwner::Client))), "{taken:?}");
    let why = revocation(Target::Client("shared".into()), Cause::ClientDeleted);
    assert!(db.client_delete("shared", &why, &audited()).await.written());
    db.user_create(&user_with("shared", "bob"), &audited()).await.unwrap();
});

on_both_stores!(a_user_is_found_by_its_exact_sub, async |backend| {
    let db = Db::new(backend).await;
    let alice = user_with("Auth0|5F", "alice");
    db.user_create(&alice, &audited()).await.unwrap();
    assert_eq!(db.user_with_sub("Auth0|5F").await.unwrap().unwrap().id, alice.id);
    for other in ["auth0|5f", "alice", "", &Uuid::now_v7().to_string()] {
        assert!(db.user_with_sub(other).await.unwrap().is_none(), "{other}");
    }
    for text in ["Auth0|5F", "ALICE", &alice.id.to_string()] {
        assert_eq!(db.user_addressed(text).await.unwrap().unwrap().id, alice.id, "{text}");
    }
    assert!(db.user_addressed("auth0|5f").await.unwrap().is_none());
    let taken = db.user_create(&user_with("Alice", "bob"), &audited()).await;
    assert!(matches!(taken, Err(StoreError::Ambiguous)), "{taken:?}");
    let changed = User { sub: "another".into(), username: "alicia".into(), ..alice.clone() };
    assert!(db.user_update(&changed, "user.update", None, &audited()).await.written());
    assert_eq!(db.user_find(alice.id).await.unwrap().unwrap().sub, "Auth0|5F", "it never changes");
});

on_both_stores!(a_text_addresses_the_user_with_this_id_sub_or_username, async |backend| {
    let db = Db::new(backend).await;
    let alice = user_with("Auth0|5F", "Älice");
    for user in [&alice, &user_with("Auth0|60", "bob")] {
        db.user_create(user, &audited()).await.unwrap();
    }
    for text in [&alice.id.to_string(), "Auth0|5F", "ÄLICE"] {
        assert_eq!(db.user_addressed(text).await.unwrap().unwrap().id, alice.id, "{text}");
    }
    for text in ["auth0|5f", "", &Uuid::now_v7().to_string()] {
        assert!(db.user_addressed(text).await.unwrap().is_none(), "{text}");
    }
});

/// Waits until so many transactions wait for the lock of names, which this connection holds.
async fn waiting(holder: &mut PgConnection, count: i64) {
    let sql = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
               WHERE l.locktype = 'advisory' AND l.objid = 7433 AND NOT l.granted AND d.datname = current_database()";
    for _ in 0..500 {
        if sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut *holder).await.unwrap() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not so many wait: {count}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_and_whoever_takes_the_same_sub_do_not_wait_for_each_other() {
    let db = Db::new(Backend::Postgres).await;
    let mut holder = PgConnection::connect(&db.address).await.unwrap();
    for (round, others) in ["a client", "a document", "a user"].into_iter().enumerate() {
        let sub = format!("https://{round}.example/client.json");
        sqlx::raw_sql("BEGIN; SELECT pg_advisory_xact_lock(7433)").execute(&mut holder).await.unwrap();
        // The set is the first in the queue, so it gets the lock before whoever has begun to take the `sub`.
        let new = user_with(&sub, &format!("{round}"));
        let write = match round {
            2 => SetWrite::CreateClient(client(&sub)),
            _ => SetWrite::CreateUser(User { role: Some(Role::Read), ..new.clone() }),
        };
        let (store, set) = (db.node().await, changes("shop", vec![write]));
        let set = tokio::spawn(async move { apply(&store, &set).await });
        waiting(&mut holder, 1).await;
        let store = db.node().await;
        let other = tokio::spawn(async move {
            match round {
                0 => store.client_create(&client(&sub), &audited()).await.map(Logged::without_a_node),
                1 => store.client_document_put(&fetched(&sub, 100), &audited()).await.map(Logged::without_a_node),
                _ => store.user_create(&new, &audited()).await,
            }
        });
        waiting(&mut holder, 2).await;
        sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
        let (set, other) = (set.await.unwrap(), other.await.unwrap());
        assert!(set.is_ok(), "{others}: {set:?}");
        assert!(matches!(other, Err(StoreError::SubTaken(_))), "{others}: {other:?}");
    }
}
