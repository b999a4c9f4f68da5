//! Sets of files that were applied: all or nothing, and what belongs to whom.

use jeton::protocol::cause::Cause;
use jeton::protocol::client::{Client, GrantType};
use jeton::protocol::object::Kind;
use jeton::protocol::resource::Resource;
use jeton::protocol::revocation::Target;
use jeton::protocol::scope::Scope;
use jeton::store::{SetChanges, SetRefusal, SetWrite, Store};
use serde_json::json;

use super::issuers::issuer;
use super::{Db, Written, at, audited, client, revocation, secret};
use crate::support::on_both_stores;

/// A change of a set that gains the objects that it creates.
fn changes(set: &str, writes: Vec<SetWrite>) -> SetChanges {
    let created = writes.iter().filter(|write| matches!(write, SetWrite::CreateClient(_)));
    let gained = created.map(|write| (write.object().0, write.object().1.to_owned())).collect();
    SetChanges { set: set.into(), writes, gained, takes_over: false, keeps_administrator: false }
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

async fn apply(store: &Store, changes: &SetChanges) -> Result<(), SetRefusal> {
    store.set_apply(changes, &audited()).await.written()
}

on_both_stores!(a_set_is_applied_whole_or_not_at_all, async |backend| {
    let db = Db::new(backend).await;
    apply(&db, &changes("shop", vec![create("a"), create("b")])).await.unwrap();
    let owners = db.set_owners().await.unwrap();
    assert_eq!(owners.len(), 2);
    assert_eq!(owners[&(Kind::Client, "a".to_owned())], "shop");
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
