//! Trusted issuers.

use jeton::protocol::cause::Cause;
use jeton::protocol::revocation::Target;
use jeton::protocol::trusted_issuer::{MOST_ISSUERS, TrustedIssuer};
use jeton::store::{Logged, StoreError};
use serde_json::json;

use super::{Db, Written, at, at_once, audited, client, page, revocation};
use crate::support::on_both_stores;

const IDP: &str = "https://idp.example";

pub(super) fn issuer(name: &str, clients: &[&str]) -> TrustedIssuer {
    let rules: Vec<_> =
        clients.iter().map(|id| json!({"client_id": id, "claims": {"sub": {"equals": format!("of {id}")}}})).collect();
    let settings = json!({
        "name": "Café", "audience": ["https://auth.example"], "uses": ["client_assertion"], "max_age": 60, "rules": rules,
        "of_tomorrow": true,
    });
    TrustedIssuer {
        issuer: name.into(),
        settings: serde_json::from_value(settings).unwrap(),
        created_at: at(1),
        version: 1,
    }
}

on_both_stores!(an_issuer_is_found_as_it_was_created, async |backend| {
    let db = Db::new(backend).await;
    let idp = issuer(IDP, &[]);
    db.issuer_create(&idp, &audited()).await.written();
    let found = db.issuer_find(IDP).await.unwrap().unwrap();
    assert_eq!((&found.issuer, &found.settings, found.version), (&idp.issuer, &idp.settings, 1));
    assert_eq!(found.created_at, at(1));
    assert_eq!(db.trail().await, [("issuer.create".to_owned(), format!("issuer {IDP}"))]);
    assert_eq!(db.told(0).await, [format!("issuer {IDP} changed")]);
    assert!(db.issuer_find("https://idp.example/").await.unwrap().is_none(), "compared exactly");
    assert_eq!(db.issuer_all().await.unwrap().len(), 1);
});

on_both_stores!(an_issuer_is_created_once_changed_by_its_version_and_deleted, async |backend| {
    let db = Db::new(backend).await;
    let outcomes = at_once(&db, 8, |store, _| {
        let idp = issuer(IDP, &[]);
        async move { store.issuer_create(&idp, &audited()).await.map(Logged::without_a_node) }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(()) | Err(StoreError::Exists))), "{outcomes:?}");
    let mut idp = issuer(IDP, &[]);
    idp.settings.max_age = 7;
    assert!(db.issuer_update(&idp, &audited()).await.written());
    assert!(!db.issuer_update(&idp, &audited()).await.written(), "the version is old");
    let found = db.issuer_find(IDP).await.unwrap().unwrap();
    assert_eq!((found.settings.max_age, found.version), (7, 2));
    assert!(db.issuer_delete(IDP, &audited()).await.written());
    assert!(!db.issuer_delete(IDP, &audited()).await.written());
    assert!(db.issuer_find(IDP).await.unwrap().is_none());
    assert_eq!(db.told(0).await.len(), 3);
});

on_both_stores!(issuers_are_listed_by_the_bytes_of_their_names_and_bounded, async |backend| {
    let db = Db::new(backend).await;
    for name in ["https://b", "https://B", "https://a", "spiffe://a"] {
        db.issuer_create(&issuer(name, &[]), &audited()).await.written();
    }
    let names = |issuers: Vec<TrustedIssuer>| issuers.into_iter().map(|issuer| issuer.issuer).collect::<Vec<_>>();
    let first = names(db.issuer_list(None, &page(3, None)).await.unwrap());
    assert_eq!(first, ["https://B", "https://a", "https://b"]);
    assert_eq!(names(db.issuer_list(None, &page(3, first.last().cloned())).await.unwrap()), ["spiffe://a"]);
    assert_eq!(names(db.issuer_list(Some("https://a"), &page(3, None)).await.unwrap()), ["https://a"]);
    for index in 4..MOST_ISSUERS {
        db.issuer_create(&issuer(&format!("https://{index}"), &[]), &audited()).await.written();
    }
    let outcome = db.issuer_create(&issuer("https://more", &[]), &audited()).await;
    assert!(matches!(outcome, Err(StoreError::TooMany(MOST_ISSUERS))), "{outcome:?}");
});

on_both_stores!(rules_name_clients_that_exist_and_go_with_them, async |backend| {
    let db = Db::new(backend).await;
    let outcome = db.issuer_create(&issuer(IDP, &["worker"]), &audited()).await;
    assert!(matches!(outcome, Err(StoreError::NoSuchClient(id)) if id == "worker"));
    db.client_create(&client("worker"), &audited()).await.written();
    db.client_create(&client("work"), &audited()).await.written();
    db.issuer_create(&issuer(IDP, &["worker", "work"]), &audited()).await.written();
    db.issuer_create(&issuer("https://other.example", &["work"]), &audited()).await.written();
    let outcome = db.issuer_update(&issuer(IDP, &["nobody"]), &audited()).await;
    assert!(matches!(outcome, Err(StoreError::NoSuchClient(id)) if id == "nobody"));
    let revocation = revocation(Target::Client("worker".into()), Cause::ClientDeleted);
    assert!(db.client_delete("worker", &revocation, &audited()).await.written());
    let left = db.issuer_find(IDP).await.unwrap().unwrap();
    assert_eq!((left.settings.rules.len(), left.version), (1, 2));
    assert_eq!(left.settings.rules[0].client_id.as_deref(), Some("work"));
    assert_eq!(db.issuer_find("https://other.example").await.unwrap().unwrap().version, 1, "it did not change");
});
