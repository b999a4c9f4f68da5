//! Users.

use jeton::protocol::cause::Cause;
use jeton::protocol::revocation::Target;
use jeton::protocol::user::User;
use jeton::store::{StoreError, UserFilter};
use uuid::Uuid;

use super::login_failures::network;
use super::{Db, Written, all, at, at_once, audited, page, revocation, user};
use crate::support::on_both_stores;

#[track_caller]
fn assert_same(read: &User, written: &User) {
    let parts =
        |user: &User| (user.id, user.username.clone(), user.password_hash.clone(), user.created_at, user.enabled);
    assert_eq!(parts(read), parts(written));
    assert_eq!(read.scope.as_ref().map(ToString::to_string), written.scope.as_ref().map(ToString::to_string));
    assert_eq!((&read.claims, read.version), (&written.claims, written.version));
}

on_both_stores!(a_user_is_found_by_id_and_by_name_as_it_was_created, async |backend| {
    let db = Db::new(backend).await;
    let alice = user("Älice Straße");
    let bare = User { password_hash: None, scope: None, enabled: false, claims: Default::default(), ..user("bare") };
    for user in [&alice, &bare] {
        db.user_create(user, &audited()).await.unwrap();
        assert_same(&db.user_find(user.id).await.unwrap().unwrap(), user);
    }
    let found = db.login_find("ÄLICE STRASSE", network(1)).await.unwrap();
    assert_same(&found.user.unwrap(), &alice);
    assert_eq!(found.head, db.log_head().await.unwrap());
    assert_same(&db.user_named("ÄLICE STRASSE").await.unwrap().unwrap(), &alice);
    let none = db.login_find("alice strasse", network(1)).await.unwrap();
    assert!(none.user.is_none() && db.user_named("alice strasse").await.unwrap().is_none());
    assert_eq!(none.head, found.head);
    assert!(db.user_find(Uuid::now_v7()).await.unwrap().is_none());
    let created = |user: &User| ("user.create".to_owned(), format!("user {}", user.id));
    assert_eq!(db.trail().await, [created(&alice), created(&bare)]);
});

on_both_stores!(a_login_reads_the_user_with_the_log_head_of_that_moment, async |backend| {
    let db = Db::new(backend).await;
    db.user_create(&user("alice"), &audited()).await.unwrap();
    let before = db.login_find("alice", network(1)).await.unwrap().head;
    let written = db.revoke(&revocation(Target::All, Cause::AllRevoked), &audited()).await.written();
    assert!(before < written.number, "what was verified before is covered");
    assert_eq!(db.login_find("alice", network(1)).await.unwrap().head, written.number);
});

on_both_stores!(a_username_is_taken_only_once_however_it_is_spelt, async |backend| {
    let db = Db::new(backend).await;
    let outcomes = at_once(&db, 4, |store, index| {
        let user = user(["straße", "STRASSE", "Strasse", "strasse"][index]);
        async move { store.user_create(&user, &audited()).await }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(()) | Err(StoreError::Exists))), "{outcomes:?}");
    assert_eq!(db.user_list(&UserFilter::default(), &all()).await.unwrap().len(), 1);
    assert_eq!(db.trail().await.len(), 1);
});

on_both_stores!(users_are_listed_oldest_first_a_page_at_a_time, async |backend| {
    let db = Db::new(backend).await;
    for name in ["zoe", "adam", "mia", "Ben", "eva"] {
        db.user_create(&user(name), &audited()).await.unwrap();
    }
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let part = db.user_list(&UserFilter::default(), &page(2, after)).await.unwrap();
        assert!(part.len() <= 2);
        after = part.last().map(|user| user.id.to_string());
        if after.is_none() {
            break;
        }
        listed.extend(part.into_iter().map(|user| user.username));
    }
    assert_eq!(listed, ["zoe", "adam", "mia", "Ben", "eva"]);
    let one = db.user_list(&UserFilter { username: Some("BEN"), ..UserFilter::default() }, &all()).await.unwrap();
    assert_eq!(one.iter().map(|user| user.username.as_str()).collect::<Vec<_>>(), ["Ben"]);
    assert!(
        db.user_list(&UserFilter { username: Some("nobody"), ..UserFilter::default() }, &all())
            .await
            .unwrap()
            .is_empty()
    );
});

on_both_stores!(a_user_is_updated_unless_it_was_changed_meanwhile, async |backend| {
    let db = Db::new(backend).await;
    let alice = user("alice");
    db.user_create(&alice, &audited()).await.unwrap();
    db.user_create(&user("bob"), &audited()).await.unwrap();
    let changed = User {
        username: "Alicia".into(),
        password_hash: None,
        scope: None,
        enabled: false,
        claims: Default::default(),
        ..alice.clone()
    };
    assert!(db.user_update(&changed, "user.update", None, &audited()).await.written());
    assert_same(&db.user_find(alice.id).await.unwrap().unwrap(), &User { version: 2, ..changed.clone() });
    assert!(db.user_named("alice").await.unwrap().is_none());
    assert_eq!(db.told(0).await, [format!("user {} changed", alice.sub)]);

    let before = (db.trail().await, db.log_head().await.unwrap());
    let stopping = revocation(Target::User(alice.sub.clone()), Cause::UserDisabled);
    assert!(!db.user_update(&alice, "user.disable", Some(&stopping), &audited()).await.written(), "version 1 is old");
    assert!(!db.user_update(&user("nobody"), "user.update", None, &audited()).await.written(), "there is none");
    let taken = User { username: "BOB".into(), version: 2, ..changed.clone() };
    let outcome = db.user_update(&taken, "user.update", Some(&stopping), &audited()).await;
    assert!(matches!(outcome, Err(StoreError::Exists)), "{outcome:?}");
    assert_eq!((db.trail().await, db.log_head().await.unwrap()), before, "a refusal leaves nothing behind");
    assert_eq!(db.user_find(alice.id).await.unwrap().unwrap().username, "Alicia");

    let disabled = User { version: 2, ..changed };
    assert!(db.user_update(&disabled, "user.disable", Some(&stopping), &audited()).await.written());
    assert_eq!(db.told(before.1).await, [format!("user {} for user_disabled", alice.sub)]);
    assert_eq!(db.trail().await.last().unwrap(), &("user.disable".to_owned(), format!("user {}", alice.id)));
});

on_both_stores!(only_one_of_many_simultaneous_updates_of_a_user_is_made, async |backend| {
    let db = Db::new(backend).await;
    let alice = user("alice");
    db.user_create(&alice, &audited()).await.unwrap();
    let outcomes = at_once(&db, 8, |store, index| {
        let changed = User { password_hash: Some(index.to_string()), ..alice.clone() };
        async move { store.user_update(&changed, "user.password", None, &audited()).await.written() }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|made| **made).count(), 1, "{outcomes:?}");
    let winner = outcomes.iter().position(|made| *made).unwrap().to_string();
    assert_eq!(db.user_find(alice.id).await.unwrap().unwrap().password_hash, Some(winner));
});

on_both_stores!(a_deleted_user_is_gone_and_its_name_is_free, async |backend| {
    let db = Db::new(backend).await;
    let alice = user("alice");
    db.user_create(&alice, &audited()).await.unwrap();
    let why = revocation(Target::User(alice.sub.clone()), Cause::UserDeleted);
    assert!(db.user_delete(alice.id, &why, true, &audited()).await.written());
    assert!(!db.user_delete(alice.id, &why, true, &audited()).await.written());
    assert!(db.user_find(alice.id).await.unwrap().is_none());
    assert!(db.user_named("alice").await.unwrap().is_none());
    assert_eq!(db.told(0).await, [format!("user {} for user_deleted", alice.sub)], "once");
    assert_eq!(db.trail().await.len(), 2);
    let second = User { created_at: at(9), ..user("ALICE") };
    db.user_create(&second, &audited()).await.unwrap();
    assert_same(&db.user_named("alice").await.unwrap().unwrap(), &second);
});
