//! Clients that nobody registered: their documents, and what administrators block.

use jeton::protocol::cause::Cause;
use jeton::protocol::client::{Client, ClientSettings, GrantType, RegisteredBy};
use jeton::protocol::client_document::MOST_UNUSED;
use jeton::protocol::feature;
use jeton::protocol::resource::{Resource, ResourceSettings};
use jeton::protocol::revocation::Target;
use jeton::protocol::time::Timestamp;
use jeton::store::{ClientBlock, Ended, ExpiredDocuments, FetchedDocument, NodeRecord, StoreError, SubOwner};

use super::{Db, Written, all, at, audited, audited_at, client, new_session, page, revocation, user};
use crate::support::{Backend, on_both_stores};

const URL: &str = "https://a.app.example/client.json";
const HOST: &str = "a.app.example";

fn settings() -> ClientSettings {
    let Client { settings, .. } = client("any");
    ClientSettings { registered_by: RegisteredBy::Document, ..settings }
}

/// A document at this URL that is fresh until the moment.
pub(super) fn fetched(url: &str, seconds: i64) -> FetchedDocument {
    let host = url.strip_prefix("https://").and_then(|rest| rest.split('/').next()).unwrap();
    FetchedDocument {
        client_id: url.into(),
        host: host.into(),
        document: format!("{{\"client_id\":\"{url}\"}}"),
        settings: settings(),
        etag: Some("\"é\"".into()),
        fetched_at: at(0),
        fresh_until: at(seconds),
    }
}

async fn put(db: &Db, url: &str) {
    db.client_document_put(&fetched(url, 100), &audited()).await.written();
}

pub(super) fn block(target: &str) -> ClientBlock {
    ClientBlock { target: target.into(), reason: Some("because".into()), created_at: at(5) }
}

/// Blocks what is not blocked yet.
async fn blocked(db: &Db, target: &str) -> Ended {
    let (made, ended) = db.client_block_create(&block(target), at(900), &audited()).await.written();
    assert_eq!(made, block(target));
    ended
}

pub(super) async fn is_enabled(db: &Db, url: &str) -> bool {
    db.client_find(url).await.unwrap().unwrap().0.settings.enabled
}

on_both_stores!(a_document_is_found_as_a_client_and_renewed, async |backend| {
    let db = Db::new(backend).await;
    assert!(db.client_document_find(URL).await.unwrap().is_none());
    assert!(db.client_find(URL).await.unwrap().is_none());
    put(&db, URL).await;
    assert_eq!(db.told(0).await.len(), 0, "no node can have it in memory yet");
    let head = db.log_head().await.unwrap();
    let kept = db.client_document_find(URL).await.unwrap().unwrap();
    assert_eq!((kept.client.client_id.as_str(), kept.client.version, kept.client.created_at), (URL, 1, at(0)));
    assert_eq!((kept.document, kept.etag), (fetched(URL, 0).document, fetched(URL, 0).etag));
    assert_eq!((kept.fetched_at, kept.fresh_until), (at(0), at(100)));
    for (found, as_of) in
        [db.client_find(URL).await.unwrap().unwrap(), db.client_find_shared(URL).await.unwrap().unwrap()]
    {
        assert_eq!((&found.settings, found.secrets.len(), as_of), (&settings(), 0, head));
    }
    for other in ["https://a.app.example/client", "https://A.app.example/client.json", "any"] {
        assert!(db.client_find(other).await.unwrap().is_none(), "{other}");
    }
    assert!(db.client_list(None, &all()).await.unwrap().is_empty(), "nobody registered it");

    // The same again changes no client.
    let again = FetchedDocument { etag: None, fetched_at: at(200), ..fetched(URL, 300) };
    db.client_document_put(&again, &audited_at(at(200))).await.written();
    let kept = db.client_document_find(URL).await.unwrap().unwrap();
    assert_eq!((kept.client.version, kept.etag, kept.fetched_at, kept.fresh_until), (1, None, at(200), at(300)));
    assert_eq!(db.entries().await, 0);
    let mut changed = fetched(URL, 500);
    changed.settings.client_name = Some("New".into());
    db.client_document_put(&changed, &audited_at(at(400))).await.written();
    let (found, _) = db.client_find(URL).await.unwrap().unwrap();
    assert_eq!((found.version, found.settings.client_name.as_deref(), found.created_at), (2, Some("New"), at(0)));
    assert_eq!(db.told(head).await, [format!("client {URL} changed")]);
    assert!(db.trail().await.is_empty(), "nobody has logged in with it");
    // Its host was not asked when it was read again.
    let kept = db.client_document_find(URL).await.unwrap().unwrap();
    assert_eq!(kept.fetched_at, at(0));
});

on_both_stores!(a_renewed_document_uses_no_feature_that_a_live_node_does_not_know, async |backend| {
    let db = Db::new(backend).await;
    put(&db, URL).await;
    let (level, _) = feature::named(feature::BOUND_TOKENS).unwrap();
    let now = db.database_clock().await.unwrap().map_or(at(1000), Timestamp::from_millis);
    let old = NodeRecord {
        id: uuid::Uuid::now_v7(),
        name: "old".into(),
        version: "0.1.0".into(),
        feature_level: level - 1,
        applied: 0,
        applied_at: now,
        heartbeat_at: now,
        max_staleness: 5000,
    };
    assert!(db.node_heartbeat(&old).await.unwrap());
    let mut changed = fetched(URL, 500);
    changed.settings.dpop_bound_access_tokens = true;
    let refused = db.client_document_put(&changed, &audited_at(now)).await;
    assert!(matches!(refused, Err(StoreError::UnknownFeature { .. })), "{refused:?}");
    let kept = db.client_document_find(URL).await.unwrap().unwrap();
    assert_eq!((kept.client.version, kept.fresh_until), (1, at(100)));
    // What uses nothing new is renewed.
    db.client_document_put(&fetched(URL, 500), &audited_at(now)).await.written();
});

on_both_stores!(no_document_takes_a_name_that_is_something_else, async |backend| {
    let db = Db::new(backend).await;
    let mut named = user("alice");
    named.sub = URL.into();
    db.user_create(&named, &audited()).await.unwrap();
    let refused = db.client_document_put(&fetched(URL, 100), &audited()).await;
    assert!(matches!(refused, Err(StoreError::SubTaken(SubOwner::User))), "{refused:?}");

    let registered = "https://b.app.example/client.json";
    db.client_create(&client(registered), &audited()).await.written();
    let refused = db.client_document_put(&fetched(registered, 100), &audited()).await;
    assert!(matches!(refused, Err(StoreError::SubTaken(SubOwner::Client))), "{refused:?}");
    assert_eq!(db.client_find(registered).await.unwrap().unwrap().0.settings, client("any").settings);

    let resource = |uri: &str| Resource {
        resource: uri.into(),
        settings: ResourceSettings::default(),
        created_at: at(1),
        version: 1,
    };
    let api = "https://c.app.example/api";
    db.resource_create(&resource(api), &audited()).await.written();
    let refused = db.client_document_put(&fetched(api, 100), &audited()).await;
    assert!(matches!(refused, Err(StoreError::IsAudience(_))), "{refused:?}");

    // Nor the other way round.
    let kept = "https://d.app.example/client.json";
    put(&db, kept).await;
    assert!(matches!(db.resource_create(&resource(kept), &audited()).await, Err(StoreError::IsClientId(_))));
    let mut with_audience = client("app");
    with_audience.settings.audiences = vec![kept.into()];
    assert!(matches!(db.client_create(&with_audience, &audited()).await, Err(StoreError::IsClientId(_))));
    let taken = db.client_create(&client(kept), &audited()).await;
    assert!(matches!(taken, Err(StoreError::SubTaken(SubOwner::Client))), "{taken:?}");
});

on_both_stores!(a_document_is_kept_as_long_as_there_are_sessions, async |backend| {
    let db = Db::new(backend).await;
    let alice = user("alice");
    db.user_create(&alice, &audited()).await.unwrap();
    let unused = "https://b.app.example/client.json";
    put(&db, URL).await;
    put(&db, unused).await;
    assert!(db.clients_in_use().await.unwrap().grants.is_empty(), "nobody has logged in yet");
    let (found, _) = db.client_find(URL).await.unwrap().unwrap();
    let outdated = Client { version: 2, ..found.clone() };
    assert_eq!(db.session_create(&new_session(&outdated, &alice, at(0)), &audited()).await.written(), None);
    assert!(db.told(0).await.is_empty());
    let session = new_session(&found, &alice, at(0));
    db.session_create(&session, &audited()).await.written().unwrap();
    assert_eq!(db.told(0).await, [format!("client {URL} changed")], "it counts for the metadata");
    assert!(db.clients_in_use().await.unwrap().grants.contains(&GrantType::Password));
    db.session_create(&new_session(&found, &alice, at(0)), &audited()).await.written().unwrap();
    assert_eq!(db.entries().await, 1);
    let record = db.session_find(session.session.id).await.unwrap().unwrap();
    assert_eq!(record.session.client_id, URL);

    // Two hours after it was fresh, one that nobody needs goes.
    let day = 86_400;
    assert_eq!(db.client_documents_expire(10, &audited_at(at(7299))).await.written(), ExpiredDocuments::default());
    let expired = db.client_documents_expire(10, &audited_at(at(7300))).await.written();
    assert_eq!(expired, ExpiredDocuments { seen: 2, removed: 1 });
    assert!(db.client_find(URL).await.unwrap().is_some());
    assert!(db.client_find(unused).await.unwrap().is_none());
    assert_eq!(db.told(0).await[1..], [format!("client {unused} changed")]);
    // Its name is free again.
    db.client_create(&client(unused), &audited()).await.written();
    // The other is looked at again a day later.
    let next = at(7300 + day);
    assert_eq!(db.client_documents_expire(10, &audited_at(at(7301))).await.written(), ExpiredDocuments::default());
    db.execute("DELETE FROM sessions").await;
    let expired = db.client_documents_expire(10, &audited_at(next)).await.written();
    assert_eq!(expired, ExpiredDocuments { seen: 1, removed: 1 });
    assert!(db.client_find(URL).await.unwrap().is_none());
});

on_both_stores!(a_change_of_a_document_in_use_is_in_the_trail, async |backend| {
    let db = Db::new(backend).await;
    let alice = user("alice");
    db.user_create(&alice, &audited()).await.unwrap();
    put(&db, URL).await;
    let (found, _) = db.client_find(URL).await.unwrap().unwrap();
    db.session_create(&new_session(&found, &alice, at(0)), &audited()).await.written().unwrap();
    let mut changed = fetched(URL, 500);
    changed.settings.redirect_uris = vec!["https://new.example/cb".into()];
    db.client_document_put(&changed, &audited()).await.written();
    let actions: Vec<_> = db.trail().await.into_iter().filter(|(action, _)| action == "client.document").collect();
    assert_eq!(actions, [("client.document".to_owned(), format!("client {URL}"))]);
    // A session of the client as it was before is not created.
    assert_eq!(db.session_create(&new_session(&found, &alice, at(0)), &audited()).await.written(), None);
});

on_both_stores!(of_too_many_documents_without_a_login_the_oldest_are_forgotten, async |backend| {
    let db = Db::new(backend).await;
    let alice = user("alice");
    db.user_create(&alice, &audited()).await.unwrap();
    put(&db, URL).await;
    let (found, _) = db.client_find(URL).await.unwrap().unwrap();
    db.session_create(&new_session(&found, &alice, at(0)), &audited()).await.written().unwrap();
    let no = match backend {
        Backend::Sqlite => "0",
        Backend::Postgres => "FALSE",
    };
    let later = at(1000).millis();
    db.execute(&format!(
        "INSERT INTO client_documents (client_id, host, document, settings, version, is_used, is_blocked, created_at, \
         fetched_at, fresh_until, expires_at) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MOST_UNUSED}) \
         SELECT 'https://many.example/' || i, 'many.example', '{{}}', '{{}}', 1, {no}, {no}, 0, i, 0, {later} - i FROM n"
    ))
    .await;
    let head = db.log_head().await.unwrap();
    put(&db, "https://b.app.example/client.json").await;
    assert_eq!(db.told(head).await.len(), 100);
    for (url, is_left) in [
        ("https://many.example/1", false),
        ("https://many.example/100", false),
        ("https://many.example/101", true),
        ("https://b.app.example/client.json", true),
        (URL, true),
    ] {
        assert_eq!(db.client_find(url).await.unwrap().is_some(), is_left, "{url}");
    }
});

on_both_stores!(a_block_ends_what_was_issued_to_the_clients_that_it_is_about, async |backend| {
    let db = Db::new(backend).await;
    let alice = user("alice");
    db.user_create(&alice, &audited()).await.unwrap();
    let (sibling, namesake) = ("https://app.example/other.json", "https://notapp.example/client.json");
    for url in [URL, sibling, namesake] {
        put(&db, url).await;
    }
    let (found, _) = db.client_find(URL).await.unwrap().unwrap();
    db.session_create(&new_session(&found, &alice, at(0)), &audited()).await.written().unwrap();
    let head = db.log_head().await.unwrap();

    assert_eq!(blocked(&db, "app.example").await, Ended::Whole);
    for (url, enabled) in [(URL, false), (sibling, false), (namesake, true)] {
        assert_eq!(is_enabled(&db, url).await, enabled, "{url}");
    }
    let mut told = db.told(head).await;
    told.sort();
    let ended = format!("{} for client_disabled", Target::Client(URL.into()));
    let mut expected = [ended, format!("client {sibling} changed")];
    expected.sort();
    assert_eq!(told, expected, "only of those in use there was something to end");
    assert_eq!(db.session_create(&new_session(&found, &alice, at(0)), &audited()).await.written(), None);

    // A second time nothing happens, and the first reason stays.
    let later = ClientBlock { reason: None, created_at: at(50), ..block("app.example") };
    let (made, ended) = db.client_block_create(&later, at(900), &audited()).await.written();
    assert_eq!((made, ended), (block("app.example"), Ended::Whole));
    assert_eq!(db.told(head).await.len(), 2);

    // What is fetched from now on is blocked, too.
    let new = "https://b.app.example/client.json";
    put(&db, new).await;
    assert!(!is_enabled(&db, new).await);
    for (url, host, target) in [
        (URL, HOST, Some("app.example")),
        (sibling, "app.example", Some("app.example")),
        (namesake, "notapp.example", None),
        ("https://example/x", "example", None),
        ("https://p/x", "p", None),
    ] {
        let found = db.client_block_find(url, host).await.unwrap();
        assert_eq!(found.map(|block| block.target).as_deref(), target, "{url}");
    }

    // A URL can be blocked besides.
    assert_eq!(blocked(&db, sibling).await, Ended::Whole);
    assert_eq!(db.client_block_list(&all()).await.unwrap(), [block("app.example"), block(sibling)]);
    let page_after = page(1, Some("app.example".into()));
    assert_eq!(db.client_block_list(&page_after).await.unwrap(), [block(sibling)]);
    let head = db.log_head().await.unwrap();
    assert_eq!(db.client_block_delete("app.example", at(900), &audited()).await.written(), (true, Ended::Whole));
    for (url, enabled) in [(URL, true), (new, true), (sibling, false), (namesake, true)] {
        assert_eq!(is_enabled(&db, url).await, enabled, "{url}");
    }
    assert_eq!(db.told(head).await.len(), 2);
    assert_eq!(db.client_block_delete("app.example", at(900), &audited()).await.written(), (false, Ended::Whole));
    assert_eq!(db.client_block_delete(sibling, at(900), &audited()).await.written(), (true, Ended::Whole));
    assert!(is_enabled(&db, sibling).await);
    let trail = db.trail().await;
    let of_blocks: Vec<&str> =
        trail.iter().map(|(action, _)| action.as_str()).filter(|action| action.ends_with("block")).collect();
    assert_eq!(of_blocks, ["client.block", "client.block", "client.unblock", "client.unblock"]);
});

/// Puts 1,100 documents of one host into a database, each of a client in use.
pub(super) async fn put_many(db: &Db, backend: Backend) {
    insert_many(&db.address, backend).await;
}

/// The same by the address of the database.
pub(crate) async fn insert_many(address: &str, backend: Backend) {
    let (yes, no) = match backend {
        Backend::Sqlite => ("1", "0"),
        Backend::Postgres => ("TRUE", "FALSE"),
    };
    let sql = format!(
        "INSERT INTO client_documents (client_id, host, document, settings, version, is_used, is_blocked, created_at, \
         fetched_at, fresh_until, expires_at) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1100) \
         SELECT 'https://many.example/' || i, 'many.example', '{{}}', '{{}}', 1, {yes}, {no}, 0, 0, 0, 0 FROM n"
    );
    super::execute(address, &sql).await;
}

/// Blocks a host, as one who dies after the first part.
pub(crate) async fn begin_block(address: &str, target: &str) {
    let store = super::connect(address).await;
    let (_, ended) = store.client_block_create(&block(target), at(900), &audited()).await.written();
    assert_eq!(ended, Ended::Part);
}

on_both_stores!(a_host_with_many_clients_is_blocked_part_by_part, async |backend| {
    let db = Db::new(backend).await;
    put_many(&db, backend).await;
    let delete = async || db.client_block_delete("many.example", at(900), &audited()).await.written();
    for expected in [Ended::Part, Ended::Part, Ended::Whole] {
        assert_eq!(blocked(&db, "many.example").await, expected);
    }
    assert_eq!(db.entries().await, 1100);
    for expected in [(true, Ended::Part), (false, Ended::Part), (false, Ended::Whole)] {
        assert_eq!(delete().await, expected);
    }
    assert!(is_enabled(&db, "https://many.example/1100").await);
});

on_both_stores!(a_client_with_a_document_can_be_revoked_like_any_other, async |backend| {
    let db = Db::new(backend).await;
    let alice = user("alice");
    db.user_create(&alice, &audited()).await.unwrap();
    put(&db, URL).await;
    let (found, _) = db.client_find(URL).await.unwrap().unwrap();
    let session = new_session(&found, &alice, at(0));
    db.session_create(&session, &audited()).await.written().unwrap();
    db.revoke(&revocation(Target::Client(URL.into()), Cause::ClientRevoked), &audited()).await.written();
    let record = db.session_find(session.session.id).await.unwrap().unwrap();
    assert_eq!(record.revoked_because, Some(Cause::ClientRevoked));
});
