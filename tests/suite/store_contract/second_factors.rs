//! Second factors and recovery codes.

use jeton::protocol::backoff::{Backoff, Failures};
use jeton::protocol::cause::Cause;
use jeton::protocol::revocation::Target;
use jeton::store::{SecondFactor, UserFilter};
use uuid::Uuid;

use super::{Db, Written, all, at, at_once, audited, page, revocation, user};
use crate::support::on_both_stores;

const BACKOFF: Backoff = Backoff { free: 2, forgiven_after: 60, longest: 60 };

fn factor(last_step: i64) -> SecondFactor {
    SecondFactor { secret: vec![0, 1, 0xFF], last_step, recovery_codes: 2, created_at: at(5) }
}

const CODES: [[u8; 32]; 2] = [[1; 32], [2; 32]];

/// A database in which alice has a second factor and bob has none.
async fn with_a_factor(backend: crate::support::Backend) -> (Db, Uuid, Uuid) {
    let db = Db::new(backend).await;
    let (alice, bob) = (user("alice"), user("bob"));
    db.user_create(&alice, &audited()).await.unwrap();
    db.user_create(&bob, &audited()).await.unwrap();
    assert!(db.second_factor_create(alice.id, &factor(10), &CODES, &audited()).await.unwrap());
    (db, alice.id, bob.id)
}

/// The audit trail after both users were created.
async fn trail(db: &Db) -> Vec<String> {
    db.trail().await.into_iter().skip(2).map(|(action, _)| action).collect()
}

on_both_stores!(a_second_factor_is_read_back_and_shows_at_its_user_everywhere, async |backend| {
    let (db, alice, bob) = with_a_factor(backend).await;
    let record = db.second_factor_find(alice).await.unwrap();
    assert_eq!((record.factor, record.failures), (Some(factor(10)), None));
    for nobody in [bob, Uuid::now_v7()] {
        assert_eq!(db.second_factor_find(nobody).await.unwrap().factor, None);
    }
    let network = std::net::IpAddr::from([192, 0, 2, 1]).into();
    for (name, id, has) in [("alice", alice, true), ("bob", bob, false)] {
        let login = db.login_find(name, network).await.unwrap().user.unwrap();
        let found = db.user_find(id).await.unwrap().unwrap();
        let listed = db
            .user_list(&UserFilter { username: Some(name), ..UserFilter::default() }, &page(1, None))
            .await
            .unwrap()
            .remove(0);
        assert_eq!([login, found, listed].map(|user| user.has_second_factor), [has; 3], "{name}");
    }
    assert_eq!(trail(&db).await, ["second_factor.create"]);
});

on_both_stores!(there_is_one_second_factor_for_a_user_who_exists, async |backend| {
    let (db, alice, bob) = with_a_factor(backend).await;
    assert!(!db.second_factor_create(alice, &factor(99), &[[9; 32]], &audited()).await.unwrap());
    assert!(!db.second_factor_create(Uuid::now_v7(), &factor(99), &[[9; 32]], &audited()).await.unwrap());
    assert_eq!(db.second_factor_find(alice).await.unwrap().factor, Some(factor(10)));
    let made = at_once(&db, 8, |store, index| async move {
        let step = i64::try_from(index).unwrap();
        store.second_factor_create(bob, &factor(step), &[[u8::try_from(index).unwrap(); 32]], &audited()).await.unwrap()
    })
    .await;
    assert_eq!(made.iter().filter(|made| **made).count(), 1, "{made:?}");
    assert_eq!(db.second_factor_find(bob).await.unwrap().factor.unwrap().recovery_codes, 1, "those of one of them");
    assert_eq!(trail(&db).await, ["second_factor.create"; 2]);
});

on_both_stores!(a_time_step_counts_once_however_many_nodes_see_its_code, async |backend| {
    let (db, alice, bob) = with_a_factor(backend).await;
    let counted =
        at_once(&db, 8, |store, _| async move { store.second_factor_use_step(alice, 11).await.unwrap() }).await;
    assert_eq!(counted.iter().filter(|counted| **counted).count(), 1, "{counted:?}");
    for (step, counts) in [(11, false), (10, false), (13, true), (12, false), (14, true)] {
        assert_eq!(db.second_factor_use_step(alice, step).await.unwrap(), counts, "step {step}");
    }
    assert_eq!(db.second_factor_find(alice).await.unwrap().factor, Some(factor(14)));
    assert!(!db.second_factor_use_step(bob, 99).await.unwrap(), "who has none");
});

on_both_stores!(a_recovery_code_works_once_for_its_user, async |backend| {
    let (db, alice, bob) = with_a_factor(backend).await;
    assert_eq!(db.second_factor_use_recovery(bob, CODES[0], &audited()).await.unwrap(), None);
    assert_eq!(db.second_factor_use_recovery(alice, [7; 32], &audited()).await.unwrap(), None);
    let used = at_once(&db, 8, |store, _| async move {
        store.second_factor_use_recovery(alice, CODES[0], &audited()).await.unwrap()
    })
    .await;
    assert_eq!(used.iter().flatten().collect::<Vec<_>>(), [&1], "{used:?}");
    assert_eq!(db.second_factor_use_recovery(alice, CODES[1], &audited()).await.unwrap(), Some(0));
    assert_eq!(db.second_factor_find(alice).await.unwrap().factor.unwrap().recovery_codes, 0);
    assert_eq!(trail(&db).await, ["second_factor.create", "second_factor.recovery", "second_factor.recovery"]);
    let details = db.audit_list(&Default::default(), &all(), 100).await.unwrap().found;
    assert_eq!(details[0].detail.as_deref(), Some("0 recovery codes are left"));
});

on_both_stores!(new_recovery_codes_take_the_place_of_all_old_ones, async |backend| {
    let (db, alice, bob) = with_a_factor(backend).await;
    let replace =
        async |user, codes: &[[u8; 32]]| db.second_factor_replace_recovery(user, codes, &audited()).await.unwrap();
    assert!(!replace(bob, &[[3; 32]]).await);
    assert!(replace(alice, &[[3; 32], [4; 32], [5; 32]]).await);
    assert_eq!(db.second_factor_find(alice).await.unwrap().factor.unwrap().recovery_codes, 3);
    assert_eq!(db.second_factor_use_recovery(alice, CODES[0], &audited()).await.unwrap(), None, "an old one");
    assert_eq!(db.second_factor_use_recovery(alice, [3; 32], &audited()).await.unwrap(), Some(2));
    at_once(&db, 4, |store, index| async move {
        let codes = [[10 + u8::try_from(index).unwrap(); 32]];
        assert!(store.second_factor_replace_recovery(alice, &codes, &audited()).await.unwrap());
    })
    .await;
    assert_eq!(db.second_factor_find(alice).await.unwrap().factor.unwrap().recovery_codes, 1, "those of the last one");
});

on_both_stores!(a_second_factor_goes_with_its_codes_and_failures_and_with_its_user, async |backend| {
    let (db, alice, bob) = with_a_factor(backend).await;
    db.second_factor_attempt(alice, BACKOFF, at(0)).await.unwrap();
    assert!(db.second_factor_delete(alice, false, &audited()).await.unwrap());
    assert!(!db.second_factor_delete(alice, true, &audited()).await.unwrap());
    let record = db.second_factor_find(alice).await.unwrap();
    assert_eq!((record.factor, record.failures), (None, None));
    assert!(!db.user_find(alice).await.unwrap().unwrap().has_second_factor);
    assert_eq!(db.second_factor_use_recovery(alice, CODES[0], &audited()).await.unwrap(), None);
    assert_eq!(trail(&db).await, ["second_factor.create", "second_factor.delete"]);
    assert!(db.second_factor_create(bob, &factor(1), &CODES, &audited()).await.unwrap());
    let gone = revocation(Target::User("auth0|bob".into()), Cause::UserDeleted);
    assert!(db.user_delete(bob, &gone, true, &audited()).await.written());
    assert_eq!(db.second_factor_find(bob).await.unwrap().factor, None);
});

on_both_stores!(attempts_count_as_failures_until_a_code_is_right, async |backend| {
    let (db, alice, bob) = with_a_factor(backend).await;
    let counts =
        at_once(&db, 6, |store, _| async move { store.second_factor_attempt(alice, BACKOFF, at(0)).await.unwrap() });
    let mut counts = counts.await;
    counts.sort_unstable();
    assert_eq!(counts, [1, 2, 3, 4, 5, 6], "each learns its place");
    assert_eq!(db.second_factor_attempt(alice, BACKOFF, at(120)).await.unwrap(), 5, "two are forgiven");
    let failures = async |user| db.second_factor_find(user).await.unwrap().failures;
    assert_eq!(failures(alice).await, Some(Failures { count: 5, last: at(120) }));
    assert_eq!(failures(bob).await, None);
    assert!(!db.second_factor_use_step(alice, 10).await.unwrap());
    assert_eq!(failures(alice).await.unwrap().count, 5, "a used code takes nothing back");
    assert!(db.second_factor_use_step(alice, 11).await.unwrap());
    assert_eq!(failures(alice).await, None);
    db.second_factor_attempt(alice, BACKOFF, at(200)).await.unwrap();
    db.second_factor_use_recovery(alice, CODES[0], &audited()).await.unwrap().unwrap();
    assert_eq!(failures(alice).await, None);
    let network = std::net::IpAddr::from([192, 0, 2, 1]).into();
    db.second_factor_attempt(alice, BACKOFF, at(300)).await.unwrap();
    assert_eq!(db.login_find("alice", network).await.unwrap().failures, None, "they are not those of the password");
});
