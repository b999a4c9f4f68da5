//! Roles of users, and the last administrator.

use jeton::protocol::cause::Cause;
use jeton::protocol::revocation::Target;
use jeton::protocol::role::Role;
use jeton::protocol::user::User;
use jeton::store::{StoreError, UserFilter};
use uuid::Uuid;

use super::login_failures::network;
use super::{Db, Written, all, at, at_once, audited, page, revocation, user};
use crate::support::on_both_stores;

const WITH_ROLE: UserFilter<'_> = UserFilter { username: None, sub: None, with_role: true };

fn administrator(username: &str) -> User {
    User { role: Some(Role::Admin), ..user(username) }
}

on_both_stores!(a_role_is_read_wherever_its_user_is_and_kept_by_other_changes, async |backend| {
    let db = Db::new(backend).await;
    let (alice, bob) = (User { role: Some(Role::Users), ..user("alice") }, user("bob"));
    db.user_create(&bob, &audited()).await.unwrap();
    assert!(!db.has_roles().await.unwrap());
    db.user_create(&alice, &audited()).await.unwrap();
    assert!(db.has_roles().await.unwrap());
    let found = db.user_find(alice.id).await.unwrap().unwrap();
    let login = db.login_find("alice", network(1)).await.unwrap().user.unwrap();
    assert_eq!([found.role, login.role], [Some(Role::Users); 2]);
    assert!(
        db.user_update(&User { claims: Default::default(), ..found }, "user.update", None, &audited()).await.written()
    );
    let listed = db.user_list(&WITH_ROLE, &page(1, None)).await.unwrap();
    assert_eq!(listed.iter().map(|user| (user.id, user.role)).collect::<Vec<_>>(), [(alice.id, Some(Role::Users))]);
    assert!(db.user_list(&WITH_ROLE, &page(1, Some(alice.id.to_string()))).await.unwrap().is_empty());
    assert!(db.user_update(&User { role: None, version: 2, ..alice }, "user.role", None, &audited()).await.written());
    assert!(!db.has_roles().await.unwrap());
});

on_both_stores!(the_last_enabled_administrator_is_neither_changed_nor_deleted, async |backend| {
    let db = Db::new(backend).await;
    let (ada, off) = (administrator("ada"), User { enabled: false, ..administrator("off") });
    let ruth = User { role: Some(Role::Read), ..user("ruth") };
    for user in [&ada, &off, &ruth] {
        db.user_create(user, &audited()).await.unwrap();
    }
    let why = revocation(Target::User(ada.sub.clone()), Cause::UserDeleted);
    for changed in [
        User { enabled: false, ..ada.clone() },
        User { role: None, ..ada.clone() },
        User { role: Some(Role::Read), ..ada.clone() },
    ] {
        let outcome = db.user_update(&changed, "user.update", Some(&why), &audited()).await;
        assert!(matches!(outcome, Err(StoreError::LastAdministrator)), "{changed:?}");
    }
    assert!(matches!(db.user_delete(ada.id, &why, true, &audited()).await, Err(StoreError::LastAdministrator)));
    let held = db.user_find(ada.id).await.unwrap().unwrap();
    assert_eq!((held.role, held.enabled, held.version), (Some(Role::Admin), true, 1));
    assert_eq!(db.entries().await, 0, "nothing was revoked");
    assert!(!db.user_delete(ruth.id, &why, false, &audited()).await.written(), "she has a role");
    // Others come and go, and so does she once there is another one.
    assert!(db.user_delete(ruth.id, &why, true, &audited()).await.written());
    assert!(db.user_update(&User { enabled: true, ..off }, "user.enable", None, &audited()).await.written());
    assert!(db.user_delete(ada.id, &why, true, &audited()).await.written());
    assert!(!db.user_delete(Uuid::now_v7(), &why, true, &audited()).await.written());
});

on_both_stores!(a_well_known_administrator_may_be_the_last_one_that_is_deleted, async |backend| {
    let db = Db::new(backend).await;
    let ada = administrator("ada");
    db.user_create(&ada, &audited()).await.unwrap();
    let why = revocation(Target::User(ada.sub.clone()), Cause::UserDeleted);
    assert!(db.user_delete_demo(ada.id, &why, &audited()).await.written());
    assert!(!db.user_delete_demo(ada.id, &why, &audited()).await.written());
    assert!(db.user_find(ada.id).await.unwrap().is_none());
});

on_both_stores!(of_administrators_who_are_removed_at_once_one_stays, async |backend| {
    let db = Db::new(backend).await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c", "d"] {
        let user = administrator(name);
        db.user_create(&user, &audited()).await.unwrap();
        ids.push(user);
    }
    let outcomes = at_once(&db, ids.len(), |store, index| {
        let user = ids[index].clone();
        let why = revocation(Target::User(user.sub.clone()), Cause::UserDeleted);
        async move {
            let removed = match index % 2 {
                0 => store.user_delete(user.id, &why, true, &audited()).await,
                _ => store.user_update(&User { enabled: false, ..user }, "user.disable", Some(&why), &audited()).await,
            };
            removed.map(|logged| logged.without_a_node())
        }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Ok(true))).count(), 3, "{outcomes:?}");
    let refused = outcomes.iter().filter(|outcome| matches!(outcome, Err(StoreError::LastAdministrator)));
    assert_eq!(refused.count(), 1, "{outcomes:?}");
});

on_both_stores!(a_link_is_made_for_a_user_with_a_role_only_if_that_may_be, async |backend| {
    let db = Db::new(backend).await;
    let (ada, bob) = (administrator("ada"), user("bob"));
    for user in [&ada, &bob] {
        db.user_create(user, &audited()).await.unwrap();
    }
    let create = async |user: &User, hash: u8, may_have_role: bool| {
        db.password_link_create([hash; 32], user.id, at(100), may_have_role, &audited()).await.unwrap()
    };
    assert!(!create(&ada, 1, false).await && create(&bob, 2, false).await && create(&ada, 3, true).await);
    assert!(db.password_link_find([1; 32], at(1)).await.unwrap().is_none());
    assert!(db.password_link_find([3; 32], at(1)).await.unwrap().is_some());
});

on_both_stores!(the_names_of_users_are_found_by_their_ids, async |backend| {
    let db = Db::new(backend).await;
    let (alice, bob) = (user("Älice"), user("bob"));
    for user in [&alice, &bob] {
        db.user_create(user, &audited()).await.unwrap();
    }
    let names = db.usernames(&[alice.id, Uuid::now_v7(), alice.id]).await.unwrap();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), [(alice.id, "Älice".to_owned())]);
    assert!(db.usernames(&[]).await.unwrap().is_empty());
    assert_eq!(db.user_list(&UserFilter::default(), &all()).await.unwrap().len(), 2);
});
