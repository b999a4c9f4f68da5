//! Clients that registered themselves.

use jeton::protocol::cause::Cause;
use jeton::protocol::client::{Client, RegisteredBy};
use jeton::protocol::registration::{DORMANT_LIFE, MOST_UNUSED, UNUSED_LIFE};
use jeton::protocol::resource::{Resource, ResourceSettings};
use jeton::protocol::revocation::Target;
use jeton::store::{StoreError, SubOwner};

use super::{Db, Written, at, audited, audited_at, client, new_session, revocation, secret, user};
use crate::support::{Backend, on_both_stores};

fn registered(client_id: &str) -> Client {
    let mut client = client(client_id);
    client.settings.registered_by = RegisteredBy::Itself;
    client.secrets = vec![secret(1)];
    client
}

on_both_stores!(a_registration_is_found_as_it_was_made_and_ends_with_its_client, async |backend| {
    let db = Db::new(backend).await;
    assert!(db.registration_create(&registered("c_1"), [1; 32], at(UNUSED_LIFE), &audited()).await.written());
    db.client_create(&client("app"), &audited()).await.written();
    let (found, _) = db.client_find("c_1").await.unwrap().unwrap();
    assert_eq!((&found.settings, found.secrets.len()), (&registered("c_1").settings, 1));
    assert_eq!(db.registration_token_hash("c_1").await.unwrap(), Some([1; 32]));
    for id in ["app", "C_1", "nobody"] {
        assert_eq!(db.registration_token_hash(id).await.unwrap(), None, "{id}");
    }
    assert_eq!(db.trail().await[0], ("client.register".into(), "client c_1".into()));
    assert_eq!(db.told(0).await[0], "client c_1 changed");
    let again = db.registration_create(&registered("c_1"), [2; 32], at(UNUSED_LIFE), &audited()).await;
    assert!(matches!(again, Err(StoreError::SubTaken(SubOwner::Client))), "{again:?}");
    assert_eq!(db.registration_token_hash("c_1").await.unwrap(), Some([1; 32]));
    let revoked = revocation(Target::Client("c_1".into()), Cause::ClientDeleted);
    assert!(db.client_delete("c_1", &revoked, &audited()).await.written());
    assert_eq!(db.registration_token_hash("c_1").await.unwrap(), None);
});

on_both_stores!(a_registration_without_a_login_expires_and_the_nodes_are_told, async |backend| {
    let db = Db::new(backend).await;
    let alice = user("alice");
    db.user_create(&alice, &audited()).await.unwrap();
    for (id, expires_at) in [("c_1", at(10)), ("c_2", at(20)), ("c_3", at(10)), ("c_4", at(10))] {
        assert!(db.registration_create(&registered(id), [1; 32], expires_at, &audited()).await.written());
    }
    // Unused clients do not count for the metadata; those with which somebody logged in do.
    assert!(db.clients_in_use().await.unwrap().scopes.is_empty());
    db.session_create(&new_session(&registered("c_3"), &alice, at(0)), &audited()).await.written().unwrap();
    assert!(!db.clients_in_use().await.unwrap().scopes.is_empty());
    assert_eq!(db.registrations_expire(10, &audited_at(at(9))).await.written(), 0);
    let head = db.log_head().await.unwrap();
    assert_eq!(db.registrations_expire(1, &audited_at(at(10))).await.written(), 1);
    assert_eq!(db.registrations_expire(10, &audited_at(at(10))).await.written(), 1);
    let mut told = db.told(head).await;
    told.sort();
    assert_eq!(told, ["client c_1 changed", "client c_4 changed"]);
    for (id, is_left) in [("c_1", false), ("c_2", true), ("c_3", true), ("c_4", false)] {
        assert_eq!(db.client_find(id).await.unwrap().is_some(), is_left, "{id}");
    }
    assert_eq!(db.registrations_expire(10, &audited_at(at(1_000_000))).await.written(), 1);
    assert!(db.client_find("c_3").await.unwrap().is_some(), "somebody logged in with it");
    // Its id is free again.
    db.client_create(&client("c_1"), &audited()).await.written();
});

on_both_stores!(a_registration_whose_sessions_are_gone_expires_unless_somebody_logs_in_again, async |backend| {
    let db = Db::new(backend).await;
    let alice = user("alice");
    db.user_create(&alice, &audited()).await.unwrap();
    let log_in = async |id: &str| {
        db.session_create(&new_session(&registered(id), &alice, at(0)), &audited()).await.written().unwrap();
    };
    for id in ["c_1", "c_2", "c_3", "c_4"] {
        assert!(db.registration_create(&registered(id), [1; 32], at(UNUSED_LIFE), &audited()).await.written());
        if id != "c_4" {
            log_in(id).await;
        }
    }
    let rest = async |after: &str, limit| db.registrations_rest(after, limit, at(0)).await.unwrap();
    assert_eq!(rest("", 10).await.as_deref(), Some("c_3"));
    db.execute("DELETE FROM sessions WHERE client_id <> 'c_3'").await;
    assert_eq!(rest("", 1).await.as_deref(), Some("c_1"));
    assert_eq!(rest("c_1", 10).await.as_deref(), Some("c_3"));
    assert_eq!(rest("c_3", 10).await, None);
    // They still count for the metadata, and not among those that wait for their first login.
    assert!(!db.clients_in_use().await.unwrap().scopes.is_empty());
    log_in("c_2").await;
    assert_eq!(db.registrations_expire(10, &audited_at(at(DORMANT_LIFE - 1))).await.written(), 1, "c_4 was never used");
    assert_eq!(db.registrations_expire(10, &audited_at(at(DORMANT_LIFE))).await.written(), 1);
    for (id, is_left) in [("c_1", false), ("c_2", true), ("c_3", true), ("c_4", false)] {
        assert_eq!(db.client_find(id).await.unwrap().is_some(), is_left, "{id}");
    }
    // A client with a session stays, whatever was written of it.
    db.execute("UPDATE registrations SET expires_at = 1 WHERE client_id = 'c_3'").await;
    assert_eq!(db.registrations_expire(10, &audited_at(at(DORMANT_LIFE))).await.written(), 0);
    assert!(db.client_find("c_3").await.unwrap().is_some());
});

on_both_stores!(unused_registrations_are_limited_in_number, async |backend| {
    let db = Db::new(backend).await;
    let hash = match backend {
        Backend::Sqlite => "x'00'",
        Backend::Postgres => "'\\x00'::bytea",
    };
    let many = format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MOST_UNUSED})");
    let clients = "INSERT INTO clients (client_id, settings, version, created_at)";
    let created_at = at(1).millis();
    db.execute(&format!("{clients} {many} SELECT 'many' || i, '{{}}', 1, {created_at} FROM n")).await;
    let expires_at = at(10).millis();
    let registrations = "INSERT INTO registrations (client_id, token_hash, expires_at)";
    db.execute(&format!("{registrations} SELECT client_id, {hash}, {expires_at} FROM clients")).await;
    assert!(!db.registration_create(&registered("c_1"), [1; 32], at(20), &audited_at(at(9))).await.written());
    assert!(db.client_find("c_1").await.unwrap().is_none());
    assert_eq!(db.entries().await, 0);
    // Those that have expired do not count, though they are still there.
    assert!(db.registration_create(&registered("c_1"), [1; 32], at(20), &audited_at(at(10))).await.written());
});

on_both_stores!(a_registration_that_expires_serves_no_resource_any_more, async |backend| {
    let db = Db::new(backend).await;
    let uri = "https://api.example";
    db.registration_create(&registered("c_1"), [1; 32], at(10), &audited()).await.written();
    let settings = ResourceSettings { serves: vec!["c_1".into()], ..ResourceSettings::default() };
    let resource = Resource { resource: uri.into(), settings, created_at: at(1), version: 1 };
    db.resource_create(&resource, &audited()).await.written();
    assert_eq!(db.registrations_expire(10, &audited_at(at(10))).await.written(), 1);
    assert!(db.resource_find(uri).await.unwrap().unwrap().settings.serves.is_empty());
});
