//! One-time links to set a password.

use jeton::protocol::cause::Cause;
use jeton::protocol::revocation::{NewRevocation, Target};
use jeton::protocol::user::User;
use uuid::Uuid;

use super::{Db, Written, at, at_once, audited, audited_at, revocation, user};
use crate::support::{Backend, on_both_stores};

const HASH: [u8; 32] = [1; 32];

/// A database in which alice has a link that lives for 100 s.
async fn with_a_link(backend: Backend) -> (Db, User) {
    let db = Db::new(backend).await;
    let alice = user("alice");
    db.user_create(&alice, &audited()).await.unwrap();
    assert!(db.password_link_create(HASH, alice.id, at(100), true, &audited()).await.unwrap());
    (db, alice)
}

fn ends(user: &User) -> NewRevocation {
    revocation(Target::User(user.sub.clone()), Cause::UserRevoked)
}

fn with_password(user: &User, hash: &str) -> User {
    User { password_hash: Some(hash.into()), ..user.clone() }
}

on_both_stores!(a_link_leads_to_its_user_until_it_expires, async |backend| {
    let (db, alice) = with_a_link(backend).await;
    let found = async |hash, now| db.password_link_find(hash, now).await.unwrap().map(|user| user.id);
    assert_eq!(found(HASH, at(99)).await, Some(alice.id));
    assert_eq!(found(HASH, at(100)).await, None);
    assert_eq!(found([2; 32], at(0)).await, None);
    assert_eq!(db.trail().await[1], ("user.password_link".into(), format!("user {}", alice.id)));
});

on_both_stores!(a_link_sets_the_password_once_and_ends_what_was_issued, async |backend| {
    let (db, alice) = with_a_link(backend).await;
    let used = at_once(&db, 8, |store, index| {
        let changed = with_password(&alice, &format!("hash {index}"));
        async move { store.password_link_use(HASH, &changed, &ends(&changed), &audited()).await.written() }
    })
    .await;
    assert_eq!(used.iter().filter(|used| **used).count(), 1, "{used:?}");
    let winner = used.iter().position(|used| *used).unwrap();
    let now = db.user_find(alice.id).await.unwrap().unwrap();
    assert_eq!((now.password_hash, now.version), (Some(format!("hash {winner}")), 2));
    assert!(db.password_link_find(HASH, at(0)).await.unwrap().is_none());
    assert_eq!(db.told(0).await, ["user auth0|alice for user_revoked"]);
    assert_eq!(db.trail().await[2].0, "user.password");
    let again = with_password(&User { version: 2, ..alice.clone() }, "again");
    assert!(!db.password_link_use(HASH, &again, &ends(&alice), &audited()).await.written());
    assert_eq!(db.told(0).await.len(), 1);
});

on_both_stores!(a_link_that_has_ended_changes_nothing, async |backend| {
    let (db, alice) = with_a_link(backend).await;
    let changed = with_password(&alice, "new");
    let used = async |hash, user: &User, now| {
        db.password_link_use(hash, user, &ends(&alice), &audited_at(now)).await.written()
    };
    assert!(!used(HASH, &changed, at(100)).await, "expired");
    assert!(!used([2; 32], &changed, at(0)).await, "unknown");
    assert!(!used(HASH, &User { version: 9, ..changed.clone() }, at(0)).await, "changed meanwhile");
    let bob = user("bob");
    db.user_create(&bob, &audited()).await.unwrap();
    assert!(!used(HASH, &with_password(&bob, "new"), at(0)).await, "of another user");
    let now = db.user_find(alice.id).await.unwrap().unwrap();
    assert_eq!((now.password_hash, now.version), (alice.password_hash.clone(), 1));
    assert_eq!(db.user_find(bob.id).await.unwrap().unwrap().version, 1);
    assert!(db.told(0).await.is_empty());
    assert!(used(HASH, &changed, at(99)).await);
});

on_both_stores!(a_new_link_takes_the_place_of_the_old_one, async |backend| {
    let (db, alice) = with_a_link(backend).await;
    assert!(db.password_link_create([2; 32], alice.id, at(200), true, &audited()).await.unwrap());
    assert!(db.password_link_find(HASH, at(0)).await.unwrap().is_none());
    assert!(db.password_link_find([2; 32], at(0)).await.unwrap().is_some());
    at_once(&db, 6, |store, index| async move {
        assert!(
            store
                .password_link_create([10 + u8::try_from(index).unwrap(); 32], alice.id, at(300), true, &audited())
                .await
                .unwrap()
        );
    })
    .await;
    let mut left = 0;
    for index in 0..6 {
        left += usize::from(db.password_link_find([10 + index; 32], at(0)).await.unwrap().is_some());
    }
    assert_eq!(left, 1);
});

on_both_stores!(a_new_password_and_disabling_end_a_link_and_other_changes_do_not, async |backend| {
    let (db, mut alice) = with_a_link(backend).await;
    alice.profile.clear();
    assert!(db.user_update(&alice, "user.update", None, &audited()).await.written());
    alice.version += 1;
    assert!(db.password_link_find(HASH, at(0)).await.unwrap().is_some(), "another change");
    let changed = with_password(&alice, "new");
    assert!(db.user_update(&changed, "user.password", Some(&ends(&alice)), &audited()).await.written());
    alice.version += 1;
    assert!(db.password_link_find(HASH, at(0)).await.unwrap().is_none());
    assert!(db.password_link_create(HASH, alice.id, at(100), true, &audited()).await.unwrap());
    let disabled = User { enabled: false, ..alice.clone() };
    assert!(db.user_update(&disabled, "user.disable", Some(&ends(&alice)), &audited()).await.written());
    alice.version += 1;
    assert!(!db.password_link_create([2; 32], alice.id, at(100), true, &audited()).await.unwrap(), "while disabled");
    assert!(db.user_update(&alice, "user.enable", None, &audited()).await.written());
    assert!(db.password_link_find(HASH, at(0)).await.unwrap().is_none(), "it stays ended");
    assert!(!db.password_link_create(HASH, Uuid::now_v7(), at(100), true, &audited()).await.unwrap(), "of nobody");
});

on_both_stores!(a_link_ends_with_its_user, async |backend| {
    let (db, alice) = with_a_link(backend).await;
    assert!(db.user_delete(alice.id, &ends(&alice), true, &audited()).await.written());
    assert!(db.password_link_find(HASH, at(0)).await.unwrap().is_none());
});
