//! Sets of files that were applied: all or nothing, and what belongs to whom.

use jeton::protocol::cause::Cause;
use jeton::protocol::client::{Client, GrantType};
use jeton::protocol::object::Kind;
use jeton::protocol::resource::Resource;
use jeton::protocol::revocation::Target;
use jeton::protocol::role::Role;
use jeton::protocol::scope::Scope;
use jeton::protocol::user::User;
use jeton::store::{Audited, Ended, Page, SetChanges, SetOwner, SetRefusal, SetWrite, Store, StoreError, SubOwner};
use serde_json::json;
use sqlx::{Connection, PgConnection};

use super::client_documents::{block, is_enabled, put_many};
use super::issuers::issuer;
use super::{Db, Written, at, audited, client, revocation, secret, user};
use crate::support::{Backend, on_both_stores};

/// A change of a set that gains the objects that it creates, and roles.
pub(super) fn changes(set: &str, writes: Vec<SetWrite>) -> SetChanges {
    let gains = |write: &&SetWrite| {
        matches!(
            write,
            SetWrite::CreateClient(_)
                | SetWrite::CreateBlock(_)
                | SetWrite::CreateUser(_)
                | SetWrite::ChangeRole { .. }
        )
    };
    let created = writes.iter().filter(gains);
    let gained = created.map(|write| (write.object().0, write.object().1.to_owned())).collect();
    let covers_until = at(900);
    SetChanges { set: set.into(), writes, gained, takes_over: false, keeps_administrator: false, covers_until }
}

/// A change by which a set takes clients as they are.
fn taking(set: &str, ids: &[&str], takes_over: bool) -> SetChanges {
    let gained = ids.iter().map(|id| (Kind::Client, (*id).to_owned())).collect();
    SetChanges { gained, takes_over, ..changes(set, vec![]) }
}

fn create(id: &str) -> SetWrite {
    SetWrite::CreateClient(client(id))
}

fn delete(id: &str) -> SetWrite {
    let revocation = revocation(Target::Client(id.into()), Cause::ClientDeleted);
    SetWrite::DeleteClient { client_id: id.into(), revocation }
}

fn update(client: Client) -> SetWrite {
    SetWrite::UpdateClient { client, action: "client.update", revocation: None }
}

pub(super) async fn apply(store: &Store, changes: &SetChanges) -> Result<(), SetRefusal> {
    store.set_apply(changes, &audited()).await.written()
}

on_both_stores!(a_set_is_applied_whole_or_not_at_all, async |backend| {
    let db = Db::new(backend).await;
    apply(&db, &changes("shop", vec![create("a"), create("b")])).await.unwrap();
    let owners = db.set_owners().await.unwrap();
    assert_eq!(owners.len(), 2);
    assert_eq!(owners[&(Kind::Client, "a".to_owned())], SetOwner { set: "shop".into(), since: at(0) });
    let stale = Client { version: 7, ..client("b") };
    let refused = apply(&db, &changes("shop", vec![create("c"), update(stale)])).await;
    assert!(matches!(refused, Err(SetRefusal::Outdated(Kind::Client, id)) if id == "b"));
    assert!(db.client_find("c").await.unwrap().is_none(), "nothing of it happened");
    let refused = apply(&db, &changes("shop", vec![create("d"), create("a")])).await;
    assert!(matches!(refused, Err(SetRefusal::Refused(Kind::Client, id, _)) if id == "a"));
    assert!(db.client_find("d").await.unwrap().is_none());
    apply(&db, &changes("shop", vec![delete("a")])).await.unwrap();
    assert_eq!(db.set_owners().await.unwrap().len(), 1);
});

on_both_stores!(what_another_set_took_meanwhile_is_neither_changed_nor_deleted, async |backend| {
    let db = Db::new(backend).await;
    apply(&db, &changes("shop", vec![create("a")])).await.unwrap();
    assert!(matches!(apply(&db, &taking("bank", &["a"], false)).await, Err(SetRefusal::OfOtherSet(..))));
    apply(&db, &taking("bank", &["a"], true)).await.unwrap();
    // These were planned before.
    let (current, _) = db.client_find("a").await.unwrap().unwrap();
    for write in [delete("a"), update(current)] {
        assert!(matches!(apply(&db, &changes("shop", vec![write])).await, Err(SetRefusal::OfOtherSet(..))));
    }
    // Nor one that somebody made by hand where there was another one.
    apply(&db, &changes("bank", vec![delete("a")])).await.unwrap();
    db.client_create(&client("a"), &audited()).await.written();
    assert!(matches!(apply(&db, &changes("bank", vec![delete("a")])).await, Err(SetRefusal::OfOtherSet(..))));
    assert!(db.client_find("a").await.unwrap().is_some());
});

on_both_stores!(an_object_that_is_gone_joins_no_set, async |backend| {
    let db = Db::new(backend).await;
    assert!(matches!(apply(&db, &taking("shop", &["gone"], false)).await, Err(SetRefusal::Outdated(..))));
    assert!(db.set_owners().await.unwrap().is_empty());
    db.client_create(&client("there"), &audited()).await.written();
    apply(&db, &taking("shop", &["there"], false)).await.unwrap();
    assert_eq!(db.set_owners().await.unwrap().len(), 1);
});

on_both_stores!(an_administrator_who_cannot_authenticate_is_none, async |backend| {
    let db = Db::new(backend).await;
    let mut ops = client("ops");
    ops.settings.scope = Scope::parse("jeton:admin").unwrap();
    ops.settings.grant_types = vec![GrantType::ClientCredentials];
    let without = ops.clone();
    ops.secrets = vec![secret(1)];
    let keeping = |write| SetChanges { keeps_administrator: true, ..changes("shop", vec![write]) };
    let refused = apply(&db, &keeping(SetWrite::CreateClient(without))).await;
    assert!(matches!(refused, Err(SetRefusal::NoAdministrator)));
    assert!(db.client_find("ops").await.unwrap().is_none());
    apply(&db, &keeping(SetWrite::CreateClient(ops))).await.unwrap();
    assert_eq!(db.client_administrators().await.unwrap(), ["ops"]);
});

/// Gives a user another role.
fn give(user: &User, role: Option<Role>) -> SetWrite {
    let revocation = revocation(Target::User(user.sub.clone()), Cause::UserRevoked);
    SetWrite::ChangeRole { user: User { role, ..user.clone() }, revocation }
}

on_both_stores!(of_the_roles_of_a_set_one_administrator_is_left_in_whatever_order, async |backend| {
    let db = Db::new(backend).await;
    let (ada, ben) = (User { role: Some(Role::Admin), ..user("ada") }, user("ben"));
    for user in [&ada, &ben] {
        db.user_create(user, &audited()).await.unwrap();
    }
    let refused = apply(&db, &changes("shop", vec![create("a"), give(&ada, Some(Role::Read))])).await;
    assert!(
        matches!(refused, Err(SetRefusal::Refused(Kind::Role, sub, StoreError::LastAdministrator)) if sub == ada.sub)
    );
    assert!(db.client_find("a").await.unwrap().is_none(), "nothing of it happened");
    let stale = User { version: 7, ..ben.clone() };
    let refused = apply(&db, &changes("shop", vec![give(&stale, Some(Role::Read))])).await;
    assert!(matches!(refused, Err(SetRefusal::Outdated(Kind::Role, _))));
    let swapped = vec![give(&ada, Some(Role::Read)), give(&ben, Some(Role::Admin))];
    apply(&db, &changes("shop", swapped)).await.unwrap();
    let held = db.user_find(ada.id).await.unwrap().unwrap();
    assert_eq!(held.role, Some(Role::Read));
    assert_eq!(db.set_owners().await.unwrap().len(), 2);
    // A role that is gone belongs to nobody, and joins no set.
    assert!(db.user_update(&User { role: None, ..held }, "user.role", None, &audited()).await.written());
    assert_eq!(db.set_owners().await.unwrap().into_keys().collect::<Vec<_>>(), [(Kind::Role, ben.sub.clone())]);
    let taking = SetChanges { gained: vec![(Kind::Role, ada.sub.clone())], ..changes("shop", vec![]) };
    assert!(matches!(apply(&db, &taking).await, Err(SetRefusal::Outdated(..))));
});

on_both_stores!(a_set_creates_users_who_have_no_password_and_are_no_last_administrators, async |backend| {
    let db = Db::new(backend).await;
    let ada = User { role: Some(Role::Admin), ..user("ada") };
    db.user_create(&ada, &audited()).await.unwrap();
    let new = |name: &str| User { role: Some(Role::Admin), password_hash: None, ..user(name) };
    let refused =
        apply(&db, &changes("shop", vec![SetWrite::CreateUser(new("zoe")), give(&ada, Some(Role::Read))])).await;
    assert!(matches!(refused, Err(SetRefusal::Refused(Kind::Role, _, StoreError::LastAdministrator))), "{refused:?}");
    assert!(db.user_named("zoe").await.unwrap().is_none(), "nothing of it happened");
    let zoe = new("zoe");
    apply(&db, &changes("shop", vec![SetWrite::CreateUser(zoe.clone())])).await.unwrap();
    let found = db.user_with_sub(&zoe.sub).await.unwrap().unwrap();
    assert_eq!((found.id, found.password_hash, found.role), (zoe.id, None, Some(Role::Admin)));
    assert_eq!(db.set_owners().await.unwrap().into_keys().collect::<Vec<_>>(), [(Kind::Role, zoe.sub.clone())]);
    let trail = db.trail().await;
    for action in ["user.create", "user.role"] {
        assert!(trail.contains(&(action.to_owned(), format!("user {}", zoe.id))), "{action}: {trail:?}");
    }
    db.client_create(&client("app"), &audited()).await.written();
    for (user, matches) in [
        (User { sub: "s".into(), ..new("ZOE") }, StoreError::Exists),
        (User { sub: "app".into(), ..new("eve") }, StoreError::SubTaken(SubOwner::Client)),
        (User { sub: "zoe".into(), ..new("eve") }, StoreError::Ambiguous),
    ] {
        let sub = user.sub.clone();
        let refused = apply(&db, &changes("shop", vec![create("good"), SetWrite::CreateUser(user)])).await;
        let Err(SetRefusal::Refused(Kind::Role, id, error)) = refused else { panic!("{refused:?}") };
        assert_eq!((id, error.to_string()), (sub, matches.to_string()));
        assert!(db.client_find("good").await.unwrap().is_none());
    }
});

on_both_stores!(what_the_blocks_of_a_set_end_is_bounded_and_whoever_comes_next_goes_on, async |backend| {
    let db = Db::new(backend).await;
    put_many(&db, backend).await;
    let create = || SetWrite::CreateBlock(block("many.example"));
    apply(&db, &changes("shop", vec![create()])).await.unwrap();
    assert_eq!(db.entries().await, 500, "a transaction ends no more");
    // Whoever applied it has died. It does not matter who goes on.
    let go_on = async || db.client_blocks_carry_out(at(900), &audited()).await.written();
    assert_eq!((go_on().await, go_on().await, go_on().await), (Ended::Part, Ended::Whole, Ended::Nothing));
    let told = db.told(0).await;
    assert_eq!(told.iter().filter(|told| told.ends_with("for client_disabled")).count(), 1100);
    assert!(!is_enabled(&db, "https://many.example/1100").await);
    assert!(matches!(apply(&db, &changes("shop", vec![create()])).await, Err(SetRefusal::Outdated(Kind::Block, _))));
    apply(&db, &changes("shop", vec![SetWrite::DeleteBlock("many.example".into())])).await.unwrap();
    assert!(!is_enabled(&db, "https://many.example/999").await, "the first five hundred are those of the smallest ids");
    assert_eq!((go_on().await, go_on().await, go_on().await), (Ended::Part, Ended::Whole, Ended::Nothing));
    assert!(is_enabled(&db, "https://many.example/999").await);
    assert!(db.client_block_all().await.unwrap().is_empty() && db.set_owners().await.unwrap().is_empty());
    let gone = SetWrite::UpdateBlock(block("many.example"));
    let taking = SetChanges { gained: vec![(Kind::Block, "many.example".into())], ..changes("shop", vec![gone]) };
    assert!(matches!(apply(&db, &taking).await, Err(SetRefusal::Outdated(Kind::Block, _))));
});

on_both_stores!(a_block_is_carried_on_in_the_background_in_the_name_of_whoever_wrote_it, async |backend| {
    let db = Db::new(backend).await;
    put_many(&db, backend).await;
    apply(&db, &changes("shop", vec![SetWrite::CreateBlock(block("many.example"))])).await.unwrap();
    let cleanup = Audited { actor: "cleanup".into(), ..audited() };
    let go_on = async || db.client_blocks_go_on(at(900), &cleanup).await.written();
    if backend == Backend::Postgres {
        let mut writer = PgConnection::connect(&db.address).await.unwrap();
        sqlx::raw_sql("BEGIN; SELECT pg_advisory_xact_lock(7433)").execute(&mut writer).await.unwrap();
        assert_eq!(go_on().await, Ended::Nothing, "somebody writes names");
        sqlx::raw_sql("COMMIT").execute(&mut writer).await.unwrap();
    }
    assert_eq!((go_on().await, go_on().await, go_on().await), (Ended::Part, Ended::Whole, Ended::Nothing));
    let revocations = db.revocation_list(&Page { limit: 2000, after: None }).await.unwrap();
    assert_eq!(revocations.len(), 1100);
    assert!(revocations.iter().all(|revocation| revocation.actor == audited().actor));
});

on_both_stores!(a_block_that_ends_before_it_is_carried_out_ends_nothing_more, async |backend| {
    let db = Db::new(backend).await;
    put_many(&db, backend).await;
    apply(&db, &changes("shop", vec![SetWrite::CreateBlock(block("many.example"))])).await.unwrap();
    let (was_there, ended) = db.client_block_delete("many.example", at(900), &audited()).await.written();
    assert_eq!((was_there, ended), (true, Ended::Part));
    assert_eq!(db.client_blocks_carry_out(at(900), &audited()).await.written(), Ended::Whole);
    assert!(is_enabled(&db, "https://many.example/1").await && is_enabled(&db, "https://many.example/999").await);
    assert_eq!(db.entries().await, 1000, "five hundred were ended, and are told that they are free");
});

on_both_stores!(what_a_set_is_compared_with_is_read_whole, async |backend| {
    let db = Db::new(backend).await;
    for id in ["a", "b"] {
        db.client_create(&client(id), &audited()).await.written();
    }
    let ids: Vec<String> = ["b", "gone", "a"].map(str::to_owned).into();
    assert_eq!(db.client_find_many(&ids).await.unwrap().into_keys().collect::<Vec<_>>(), ["a", "b"]);
    assert!(db.resource_all().await.unwrap().is_empty());
    assert!(db.issuer_by_name().await.unwrap().is_empty());
    let resource = |uri: &str| Resource {
        resource: uri.into(),
        settings: serde_json::from_value(json!({"name": "API"})).unwrap(),
        created_at: at(1),
        version: 1,
    };
    for uri in ["https://b.example/", "https://a.example/"] {
        db.resource_create(&resource(uri), &audited()).await.written();
    }
    let all = db.resource_all().await.unwrap();
    assert_eq!(all.keys().collect::<Vec<_>>(), ["https://a.example/", "https://b.example/"]);
    let issuer = issuer("https://idp.example", &[]);
    db.issuer_create(&issuer, &audited()).await.written();
    assert_eq!(db.issuer_by_name().await.unwrap().into_keys().collect::<Vec<_>>(), ["https://idp.example"]);
});
