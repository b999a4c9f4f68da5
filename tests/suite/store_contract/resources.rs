//! Resources, and the rule that no `client_id` is a resource or an audience.

use jeton::protocol::cause::Cause;
use jeton::protocol::resource::{MOST_RESOURCES, OpenTo, Resource};
use jeton::protocol::revocation::Target;
use jeton::store::{Logged, StoreError};
use serde_json::json;
use uuid::Uuid;

use super::{Db, Written, all, at, at_once, audited, client, page, revocation};
use crate::support::on_both_stores;

const API: &str = "https://api.example/";

fn resource(uri: &str) -> Resource {
    let settings = json!({
        "name": "Café", "scopes": {"read": "Read \"all\""}, "access_token_format": "opaque", "access_token_ttl": 60,
        "open_to": "registered", "claims": {"tier": 1}, "of_tomorrow": true,
    });
    Resource {
        resource: uri.into(),
        settings: serde_json::from_value(settings).unwrap(),
        created_at: at(1),
        version: 1,
    }
}

fn serving(uri: &str, clients: &[&str]) -> Resource {
    let mut resource = resource(uri);
    resource.settings.serves = clients.iter().map(ToString::to_string).collect();
    resource
}

on_both_stores!(a_resource_is_found_as_it_was_created, async |backend| {
    let db = Db::new(backend).await;
    let api = resource(API);
    db.resource_create(&api, &audited()).await.written();
    let found = db.resource_find(API).await.unwrap().unwrap();
    assert_eq!((&found.resource, &found.settings, found.version), (&api.resource, &api.settings, 1));
    assert_eq!(found.created_at, at(1));
    assert_eq!(db.trail().await, [("resource.create".to_owned(), format!("resource {API}"))]);
    assert_eq!(db.told(0).await, [format!("resource {API} changed")]);
    assert!(db.resource_find("https://api.example").await.unwrap().is_none(), "compared exactly");
    let odd = "urn:x:'\"%_{},";
    db.resource_create(&resource(odd), &audited()).await.written();
    let found = db.resource_find_all(&[odd, API, "https://none.example", API]).await.unwrap();
    let mut found: Vec<String> = found.into_iter().map(|resource| resource.resource).collect();
    found.sort();
    assert_eq!(found, [API, odd]);
    assert!(db.resource_find_all(&[]).await.unwrap().is_empty());
});

on_both_stores!(a_uri_is_taken_only_once_in_either_spelling_even_under_concurrency, async |backend| {
    let db = Db::new(backend).await;
    let outcomes = at_once(&db, 8, |store, index| {
        let resource = resource(if index % 2 == 0 { API } else { "https://api.example" });
        async move { store.resource_create(&resource, &audited()).await.map(Logged::without_a_node) }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(()) | Err(StoreError::Exists))), "{outcomes:?}");
    assert_eq!((db.trail().await.len(), db.entries().await), (1, 1), "a refusal leaves nothing behind");
    db.resource_create(&resource("https://api.example/x"), &audited()).await.written();
    db.resource_create(&resource("https://api.example/x/"), &audited()).await.written();
});

on_both_stores!(resources_are_listed_by_the_bytes_of_their_uris_a_page_at_a_time, async |backend| {
    let db = Db::new(backend).await;
    for uri in ["https://b/", "https://B/", "https://a/", "urn:a", "https://a/-"] {
        db.resource_create(&resource(uri), &audited()).await.written();
    }
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let part = db.resource_list(None, &page(2, after.clone())).await.unwrap();
        assert!(part.len() <= 2);
        after = part.last().map(|resource| resource.resource.clone());
        if after.is_none() {
            break;
        }
        listed.extend(part.into_iter().map(|resource| resource.resource));
    }
    assert_eq!(listed, ["https://B/", "https://a/", "https://a/-", "https://b/", "urn:a"]);
    let one = db.resource_list(Some("urn:a"), &all()).await.unwrap();
    assert_eq!(one.iter().map(|resource| resource.resource.as_str()).collect::<Vec<_>>(), ["urn:a"]);
    assert!(db.resource_list(Some("urn:b"), &all()).await.unwrap().is_empty());
});

on_both_stores!(a_resource_is_updated_unless_it_was_changed_meanwhile, async |backend| {
    let db = Db::new(backend).await;
    let mut api = resource(API);
    db.resource_create(&api, &audited()).await.written();
    api.settings.open_to = OpenTo::Listed;
    assert!(db.resource_update(&api, &audited()).await.written());
    let held = db.resource_find(API).await.unwrap().unwrap();
    assert_eq!((held.settings.open_to, held.version), (OpenTo::Listed, 2));
    let (trail, entries) = (db.trail().await, db.entries().await);
    assert!(!db.resource_update(&api, &audited()).await.written(), "version 1 is old");
    assert!(!db.resource_update(&resource("urn:none"), &audited()).await.written(), "there is none");
    assert_eq!((db.trail().await, db.entries().await), (trail, entries));
    let outcomes = at_once(&db, 4, |store, index| {
        let mut resource = held.clone();
        resource.settings.name = Some(index.to_string());
        async move { store.resource_update(&resource, &audited()).await.written() }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|made| **made).count(), 1, "{outcomes:?}");
    assert_eq!(db.trail().await.last().unwrap(), &("resource.update".to_owned(), format!("resource {API}")));
});

on_both_stores!(a_deleted_resource_is_gone, async |backend| {
    let db = Db::new(backend).await;
    db.resource_create(&resource(API), &audited()).await.written();
    assert!(db.resource_delete(API, &audited()).await.written());
    assert!(db.resource_find(API).await.unwrap().is_none());
    assert_eq!(db.told(0).await.len(), 2);
    assert_eq!(db.trail().await.last().unwrap(), &("resource.delete".to_owned(), format!("resource {API}")));
    assert!(!db.resource_delete(API, &audited()).await.written());
    assert_eq!(db.entries().await, 2);
});

on_both_stores!(no_client_id_is_a_resource_or_an_audience, async |backend| {
    let db = Db::new(backend).await;
    db.resource_create(&resource(API), &audited()).await.written();
    let refused = db.client_create(&client(API), &audited()).await.map(Logged::without_a_node);
    assert!(matches!(refused, Err(StoreError::IsAudience(_))), "{refused:?}");
    let mut app = client("app");
    app.settings.audiences = vec!["https://chat.example".into()];
    db.client_create(&app, &audited()).await.written();
    let refused = db.client_create(&client("https://chat.example"), &audited()).await.map(Logged::without_a_node);
    assert!(matches!(refused, Err(StoreError::IsAudience(_))), "{refused:?}");
    // The same text elsewhere in the settings of a client is no audience.
    app.settings.redirect_uris = vec!["https://files.example/".into()];
    assert!(db.client_update(&app, "client.update", None, &audited()).await.written());
    let files = client("https://files.example/");
    db.client_create(&files, &audited()).await.written();
    let refused = db.resource_create(&resource("https://files.example/"), &audited()).await;
    assert!(matches!(refused, Err(StoreError::IsClientId(_))), "{refused:?}");
    let (mut app, _) = db.client_find("app").await.unwrap().unwrap();
    app.settings.audiences.push("https://files.example/".into());
    let refused = db.client_update(&app, "client.update", None, &audited()).await;
    assert!(matches!(refused, Err(StoreError::IsClientId(_))), "{refused:?}");
    let mut own = client("https://own.example/");
    own.settings.audiences = vec!["https://own.example/".into()];
    let refused = db.client_create(&own, &audited()).await;
    assert!(matches!(refused, Err(StoreError::IsClientId(_))), "{refused:?}");
    // What an older program let in can still be changed.
    let settings = r#"{"audiences": ["https://files.example/"]}"#;
    db.execute(&format!("UPDATE clients SET settings = '{settings}' WHERE client_id = 'app'")).await;
    let (mut app, _) = db.client_find("app").await.unwrap().unwrap();
    app.settings.enabled = false;
    assert!(db.client_update(&app, "client.disable", None, &audited()).await.written());
});

on_both_stores!(a_client_or_a_resource_gets_a_name_but_never_both, async |backend| {
    let db = Db::new(backend).await;
    for round in 0..5 {
        let name = format!("https://{round}.example/");
        let made = at_once(&db, 6, |store, index| {
            let name = name.clone();
            async move {
                if index % 2 == 0 {
                    store.client_create(&client(&name), &audited()).await.is_ok()
                } else {
                    store.resource_create(&resource(&name), &audited()).await.is_ok()
                }
            }
        })
        .await;
        assert_eq!(made.iter().filter(|made| **made).count(), 1, "{made:?}");
    }
});

on_both_stores!(only_clients_that_exist_serve_a_resource, async |backend| {
    let db = Db::new(backend).await;
    db.client_create(&client("api"), &audited()).await.written();
    let refused = db.resource_create(&serving(API, &["api", "none"]), &audited()).await;
    assert!(matches!(&refused, Err(StoreError::NoSuchClient(id)) if id == "none"), "{refused:?}");
    db.resource_create(&serving(API, &["api"]), &audited()).await.written();
    let refused = db.resource_update(&serving(API, &["none"]), &audited()).await;
    assert!(matches!(refused, Err(StoreError::NoSuchClient(_))), "{refused:?}");
    // A client that gets the id of a deleted one serves nothing.
    db.client_create(&client("other"), &audited()).await.written();
    db.resource_create(&serving("urn:both", &["other", "api"]), &audited()).await.written();
    db.resource_create(&serving("urn:other", &["other"]), &audited()).await.written();
    let before = db.log_head().await.unwrap();
    let ended = revocation(Target::Client("api".into()), Cause::ClientDeleted);
    assert!(db.client_delete("api", &ended, &audited()).await.written());
    let mut told = db.told(before).await;
    told.sort();
    assert_eq!(
        told,
        ["client api for client_deleted", "resource https://api.example/ changed", "resource urn:both changed"]
    );
    for (uri, serves) in [(API, &[][..]), ("urn:both", &["other"]), ("urn:other", &["other"])] {
        assert_eq!(db.resource_find(uri).await.unwrap().unwrap().settings.serves, serves, "{uri}");
    }
    assert!(db.resource_find(API).await.unwrap().unwrap().settings.unknown.contains_key("of_tomorrow"));
});

on_both_stores!(there_are_at_most_ten_thousand_resources, async |backend| {
    let db = Db::new(backend).await;
    let rows: Vec<String> = (1..MOST_RESOURCES).map(|number| format!("('urn:{number}', '{{}}', 1, 0)")).collect();
    let insert = "INSERT INTO resources (resource, settings, version, created_at) VALUES";
    db.execute(&format!("{insert} {}", rows.join(", "))).await;
    db.resource_create(&resource(API), &audited()).await.written();
    let refused = db.resource_create(&resource("urn:more"), &audited()).await;
    assert!(matches!(refused, Err(StoreError::TooMany(MOST_RESOURCES))), "{refused:?}");
});

on_both_stores!(a_program_that_does_not_know_resources_bars_them, async |backend| {
    let db = Db::new(backend).await;
    let (level, _) = jeton::protocol::feature::named(jeton::protocol::feature::RESOURCES).unwrap();
    let old = jeton::store::NodeRecord {
        id: Uuid::now_v7(),
        name: "old".into(),
        version: "0.0.1".into(),
        feature_level: level - 1,
        applied: 0,
        applied_at: at(0),
        heartbeat_at: at(0),
        max_staleness: 60_000,
    };
    let now = db.database_clock().await.unwrap().map_or(at(0), jeton::protocol::time::Timestamp::from_millis);
    assert!(db.node_heartbeat(&jeton::store::NodeRecord { heartbeat_at: now, ..old.clone() }).await.unwrap());
    let refused = db.resource_create(&resource(API), &audited()).await;
    assert!(matches!(refused, Err(StoreError::UnknownFeature { member: "resources", .. })), "{refused:?}");
    db.node_leave(old.id).await.unwrap();
    db.resource_create(&resource(API), &audited()).await.written();
    assert!(!db.node_heartbeat(&old).await.unwrap());
});
