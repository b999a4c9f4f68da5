//! Clients and their secrets.

use jeton::protocol::cause::Cause;
use jeton::protocol::client::{Client, ClientSettings, GrantType, SecretDigest};
use jeton::protocol::revocation::{NewRevocation, Target};
use jeton::protocol::scope::Scope;
use jeton::store::{ClientUses, Logged, StoreError, SubOwner};
use uuid::Uuid;

use super::{Db, Written, all, at, at_once, audited, client, page, revocation, secret};
use crate::support::on_both_stores;

fn of_app(cause: Cause) -> NewRevocation {
    revocation(Target::Client("app".into()), cause)
}

on_both_stores!(a_client_is_found_as_it_was_created_with_its_secrets, async |backend| {
    let db = Db::new(backend).await;
    let mut app = client("app % + ü");
    app.client_id = "app \"%\" 'x'; --".into();
    app.secrets = vec![secret(1), secret(2)];
    app.secrets[1].digest = SecretDigest::Chosen("$argon2id$x".into());
    db.client_create(&app, &audited()).await.written();
    let (found, head) = db.client_find(&app.client_id).await.unwrap().unwrap();
    assert_eq!(head, db.log_head().await.unwrap());
    assert_eq!((&found.client_id, &found.settings, found.version), (&app.client_id, &app.settings, 1));
    assert_eq!(found.created_at, at(1));
    assert_eq!(found.secrets.len(), 2);
    for (read, written) in found.secrets.iter().zip(&app.secrets) {
        assert_eq!((read.id, &read.digest, read.last_used_at), (written.id, &written.digest, None));
        assert_eq!(read.created_at, at(2));
    }
    assert_eq!(db.trail().await, [("client.create".into(), format!("client {}", app.client_id))]);
    assert_eq!(db.told(0).await, [format!("client {} changed", app.client_id)]);
    assert!(db.client_find("app").await.unwrap().is_none());
    assert!(db.client_find("APP \"%\" 'x'; --").await.unwrap().is_none(), "compared exactly");
});

on_both_stores!(concurrent_lookups_each_find_their_client, async |backend| {
    let db = Db::new(backend).await;
    for (id, secrets) in [("none", vec![]), ("two", vec![secret(1), secret(2)]), ("a \"%\" 'x'; --", vec![secret(3)])] {
        let mut client = client(id);
        client.secrets = secrets;
        db.client_create(&client, &audited()).await.written();
    }
    let head = db.log_head().await.unwrap();
    let asked = ["two", "a \"%\" 'x'; --", "TWO", "none", "nobody", "two", "[]", "\"two\""];
    let mut tasks = tokio::task::JoinSet::new();
    for (index, id) in asked.into_iter().cycle().take(600).enumerate() {
        let store = db.store.clone();
        tasks.spawn(async move { (index % asked.len(), id, store.client_find_shared(id).await.unwrap()) });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.len(), 600);
    for (index, id, found) in answers {
        let secrets = found.as_ref().map(|(client, as_of)| {
            assert_eq!((client.client_id.as_str(), *as_of), (id, head));
            client.secrets.len()
        });
        assert_eq!(secrets, [Some(2), Some(1), None, Some(0), None, Some(2), None, None][index]);
    }
    // The answer includes what was committed before the query.
    for round in 0..20 {
        let late = format!("late-{round}");
        db.client_create(&client(&late), &audited()).await.written();
        assert!(db.client_find_shared(&late).await.unwrap().is_some(), "{late}");
    }
    // At most a hundred statements a second, which slows down guessing.
    let begun = std::time::Instant::now();
    for _ in 0..20 {
        db.client_find_shared("nobody").await.unwrap();
    }
    assert!(begun.elapsed().as_millis() >= 190, "{:?}", begun.elapsed());
});

on_both_stores!(a_client_id_is_taken_only_once_even_under_concurrency, async |backend| {
    let db = Db::new(backend).await;
    let mut first = client("app");
    first.secrets = vec![secret(1)];
    let outcomes = at_once(&db, 8, |store, index| {
        let mut client = client("app");
        client.settings.client_name = Some(format!("number {index}"));
        client.secrets = vec![secret(u8::try_from(index).unwrap())];
        async move { store.client_create(&client, &audited()).await.map(Logged::without_a_node) }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    assert!(
        outcomes.iter().all(|outcome| matches!(outcome, Ok(()) | Err(StoreError::SubTaken(SubOwner::Client)))),
        "{outcomes:?}"
    );
    let winner = outcomes.iter().position(Result::is_ok).unwrap();
    let (held, _) = db.client_find("app").await.unwrap().unwrap();
    assert_eq!(held.settings.client_name, Some(format!("number {winner}")));
    assert_eq!(held.secrets.len(), 1);
    assert_eq!(db.trail().await.len(), 1, "a refusal leaves no record of a change");
    assert_eq!(db.entries().await, 1);
});

on_both_stores!(clients_are_listed_by_the_bytes_of_their_ids_a_page_at_a_time, async |backend| {
    let db = Db::new(backend).await;
    for id in ["b", "B", "a-1", "a", "_", "a 2"] {
        let mut client = client(id);
        client.secrets = vec![secret(id.as_bytes()[0])];
        db.client_create(&client, &audited()).await.written();
    }
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let part = db.client_list(None, &page(2, after.clone())).await.unwrap();
        assert!(part.len() <= 2);
        assert!(part.iter().all(|client| client.secrets.len() == 1), "{part:?}");
        after = part.last().map(|client| client.client_id.clone());
        if after.is_none() {
            break;
        }
        listed.extend(part.into_iter().map(|client| client.client_id));
    }
    assert_eq!(listed, ["B", "_", "a", "a 2", "a-1", "b"]);
    let one = db.client_list(Some("a"), &all()).await.unwrap();
    assert_eq!(one.iter().map(|client| client.client_id.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(one[0].secrets[0].digest, SecretDigest::Generated([b'a'; 32]));
    assert!(db.client_list(Some("zz"), &all()).await.unwrap().is_empty());
});

on_both_stores!(only_enabled_clients_are_in_use, async |backend| {
    let db = Db::new(backend).await;
    assert_eq!(db.clients_in_use().await.unwrap(), Default::default());
    db.client_create(&client("app"), &audited()).await.written();
    let mut off = client("off");
    off.settings.enabled = false;
    off.settings.grant_types = vec![GrantType::ClientCredentials];
    db.client_create(&off, &audited()).await.written();
    let in_use = db.clients_in_use().await.unwrap();
    assert_eq!(in_use.grants.into_iter().collect::<Vec<_>>(), [GrantType::Password, GrantType::RefreshToken]);
    assert_eq!(in_use.scopes.into_iter().collect::<Vec<_>>(), ["read", "write"]);
});

on_both_stores!(what_clients_use_is_read_part_by_part_and_kept_by_reading_those_that_change, async |backend| {
    let db = Db::new(backend).await;
    for number in 0..1001 {
        db.client_create(&client(&format!("c{number:04}")), &audited()).await.written();
    }
    let mut other = client("z");
    other.settings.grant_types = vec![GrantType::AuthorizationCode];
    other.settings.require_pkce = false;
    other.settings.scope = Scope::parse("delete").unwrap();
    db.client_create(&other, &audited()).await.written();
    let mut uses = ClientUses::default();
    db.client_uses_read(&mut uses).await.unwrap();
    assert!(!uses.is_whole() && !uses.sum().scopes.contains("delete"));
    while !uses.is_whole() {
        db.client_uses_read(&mut uses).await.unwrap();
    }
    let whole = uses.sum();
    assert_eq!(whole, db.clients_in_use().await.unwrap());
    assert_eq!(whole.scopes.iter().collect::<Vec<_>>(), ["delete", "read", "write"]);
    assert_eq!(whole.without_pkce.iter().collect::<Vec<_>>(), ["z"]);
    let renew = async |uses: &mut ClientUses, ids: &[&str]| {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        db.client_uses_renew(uses, &ids).await.unwrap();
        uses.sum()
    };
    // One of many that use the same changes nothing; a second time neither.
    let gone = revocation(Target::Client("c0007".into()), Cause::ClientDeleted);
    assert!(db.client_delete("c0007", &gone, &audited()).await.written());
    for _ in 0..2 {
        assert_eq!(renew(&mut uses, &["c0007", "nobody"]).await, whole);
    }
    other.settings.enabled = false;
    assert!(db.client_update(&other, "client.disable", None, &audited()).await.written());
    let without = renew(&mut uses, &["z"]).await;
    assert_eq!(without.scopes.iter().collect::<Vec<_>>(), ["read", "write"]);
    assert!(without.without_pkce.is_empty() && !without.grants.contains(&GrantType::AuthorizationCode));
    let new = Client { settings: ClientSettings { enabled: true, ..other.settings }, ..client("new") };
    db.client_create(&new, &audited()).await.written();
    let again = renew(&mut uses, &["new"]).await;
    assert_eq!(again.without_pkce.iter().collect::<Vec<_>>(), ["new"]);
    assert_eq!(again, db.clients_in_use().await.unwrap());
});

on_both_stores!(a_client_that_this_program_cannot_read_fails_its_own_query_only, async |backend| {
    let db = Db::new(backend).await;
    for id in ["a", "b", "c", "d"] {
        let mut client = client(id);
        client.secrets = vec![secret(id.as_bytes()[0])];
        db.client_create(&client, &audited()).await.written();
    }
    for id in ["b", "c"] {
        let settings = r#"{"token_endpoint_auth_method": "of_tomorrow", "scope": "admire"}"#;
        db.execute(&format!("UPDATE clients SET settings = '{settings}' WHERE client_id = '{id}'")).await;
    }
    let found = futures_util::future::join_all(["a", "b", "d"].map(|id| db.client_find_shared(id))).await;
    assert!(matches!(found[1], Err(StoreError::Unavailable(_))), "{:?}", found[1]);
    for found in [&found[0], &found[2]] {
        assert_eq!(found.as_ref().unwrap().as_ref().unwrap().0.secrets.len(), 1);
    }
    let listed = db.client_list(None, &page(2, None)).await.unwrap();
    assert_eq!(listed.iter().map(|client| client.client_id.as_str()).collect::<Vec<_>>(), ["a", "d"], "a full page");
    assert_eq!(db.clients_in_use().await.unwrap().scopes.into_iter().collect::<Vec<_>>(), ["read", "write"]);
});

on_both_stores!(a_client_is_updated_unless_it_was_changed_meanwhile, async |backend| {
    let db = Db::new(backend).await;
    let mut app = client("app");
    app.secrets = vec![secret(1)];
    db.client_create(&app, &audited()).await.written();
    app.settings.client_name = Some("new".into());
    assert!(db.client_update(&app, "client.update", None, &audited()).await.written());
    let (held, _) = db.client_find("app").await.unwrap().unwrap();
    assert_eq!((held.settings.client_name.as_deref(), held.version, held.secrets.len()), (Some("new"), 2, 1));

    let before = db.trail().await;
    app.settings.client_name = Some("late".into());
    let stopping = of_app(Cause::ClientDisabled);
    assert!(!db.client_update(&app, "client.disable", Some(&stopping), &audited()).await.written(), "version 1 is old");
    assert!(!db.client_update(&client("other"), "client.update", None, &audited()).await.written(), "there is none");
    let (held, _) = db.client_find("app").await.unwrap().unwrap();
    assert_eq!((held.settings.client_name.as_deref(), held.version), (Some("new"), 2));
    assert_eq!(db.trail().await, before);

    assert!(db.client_update(&held, "client.disable", Some(&stopping), &audited()).await.written());
    assert_eq!(db.told(0).await, ["client app changed", "client app changed", "client app for client_disabled"]);
    assert_eq!(db.trail().await.last().unwrap(), &("client.disable".to_owned(), "client app".to_owned()));
});

on_both_stores!(only_one_of_many_simultaneous_updates_of_a_version_is_made, async |backend| {
    let db = Db::new(backend).await;
    db.client_create(&client("app"), &audited()).await.written();
    let outcomes = at_once(&db, 8, |store, index| {
        let mut client = client("app");
        client.settings.client_name = Some(index.to_string());
        async move { store.client_update(&client, "client.update", None, &audited()).await.written() }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|made| **made).count(), 1, "{outcomes:?}");
    let winner = outcomes.iter().position(|made| *made).unwrap().to_string();
    let (held, _) = db.client_find("app").await.unwrap().unwrap();
    assert_eq!((held.settings.client_name, held.version), (Some(winner), 2));
});

on_both_stores!(a_deleted_client_loses_its_secrets_and_recreating_it_revives_nothing, async |backend| {
    let db = Db::new(backend).await;
    let mut app = client("app");
    app.secrets = vec![secret(1), secret(2)];
    db.client_create(&app, &audited()).await.written();
    assert!(db.client_delete("app", &of_app(Cause::ClientDeleted), &audited()).await.written());
    assert!(db.client_find("app").await.unwrap().is_none());
    assert_eq!(db.told(0).await[1..], ["client app for client_deleted"]);
    assert!(!db.client_delete("app", &of_app(Cause::ClientDeleted), &audited()).await.written());
    assert_eq!(db.entries().await, 2, "nothing was deleted, so nothing is told");
    assert_eq!(db.trail().await.len(), 2);
    db.client_create(&client("app"), &audited()).await.written();
    let (held, _) = db.client_find("app").await.unwrap().unwrap();
    assert!(held.secrets.is_empty(), "the old secrets did not come back");
});

on_both_stores!(a_client_has_at_most_two_secrets, async |backend| {
    let db = Db::new(backend).await;
    db.client_create(&client("app"), &audited()).await.written();
    let (one, two) = (secret(1), secret(2));
    assert!(db.client_secret_add("app", &one, &audited()).await.written());
    assert!(db.client_secret_add("app", &two, &audited()).await.written());
    let before = (db.trail().await, db.log_head().await.unwrap());
    assert!(!db.client_secret_add("app", &secret(3), &audited()).await.written());
    assert_eq!((db.trail().await, db.log_head().await.unwrap()), before);
    let (held, _) = db.client_find("app").await.unwrap().unwrap();
    assert_eq!(held.secrets.iter().map(|secret| secret.id).collect::<Vec<_>>(), [one.id, two.id]);
    assert_eq!(held.secrets[1].digest, two.digest);
    assert_eq!(before.0.last().unwrap(), &("client.secret.add".to_owned(), "client app".to_owned()));
    assert_eq!(db.told(0).await[1..], ["client app changed", "client app changed"]);
});

on_both_stores!(many_simultaneous_additions_leave_two_secrets, async |backend| {
    let db = Db::new(backend).await;
    db.client_create(&client("app"), &audited()).await.written();
    let outcomes = at_once(&db, 8, |store, index| async move {
        store.client_secret_add("app", &secret(u8::try_from(index).unwrap()), &audited()).await.written()
    })
    .await;
    assert_eq!(outcomes.iter().filter(|added| **added).count(), 2, "{outcomes:?}");
    assert_eq!(db.client_find("app").await.unwrap().unwrap().0.secrets.len(), 2);
});

on_both_stores!(a_secret_for_a_client_that_was_deleted_meanwhile_is_not_added, async |backend| {
    let db = Db::new(backend).await;
    let outcome = db.client_secret_add("gone", &secret(1), &audited()).await;
    assert!(matches!(outcome.map(Logged::without_a_node), Ok(false)), "a refusal, not an outage");
    assert!(db.trail().await.is_empty());
});

on_both_stores!(a_secret_is_retired_with_or_without_what_was_issued, async |backend| {
    let db = Db::new(backend).await;
    let mut app = client("app");
    app.secrets = vec![secret(1), secret(2)];
    db.client_create(&app, &audited()).await.written();
    db.client_create(&client("other"), &audited()).await.written();
    let (one, two) = (app.secrets[0].id, app.secrets[1].id);
    let why = of_app(Cause::ClientRevoked);
    assert!(!db.client_secret_retire("other", one, Some(&why), &audited()).await.written(), "it is not its secret");
    assert!(!db.client_secret_retire("app", Uuid::now_v7(), Some(&why), &audited()).await.written());
    assert!(db.client_secret_retire("app", one, None, &audited()).await.written());
    assert!(!db.client_secret_retire("app", one, None, &audited()).await.written(), "once only");
    assert!(db.client_secret_retire("app", two, Some(&why), &audited()).await.written());
    assert!(db.client_find("app").await.unwrap().unwrap().0.secrets.is_empty());
    assert_eq!(db.told(0).await[2..], ["client app changed", "client app for client_revoked"]);
    assert_eq!(db.trail().await.len(), 4);
    assert_eq!(db.trail().await.last().unwrap().0, "client.secret.retire");
});

on_both_stores!(the_last_use_of_secrets_is_recorded, async |backend| {
    let db = Db::new(backend).await;
    let mut app = client("app");
    app.secrets = vec![secret(1), secret(2)];
    db.client_create(&app, &audited()).await.written();
    let retired = Uuid::now_v7();
    db.client_secrets_used(&[(app.secrets[1].id, at(50)), (retired, at(60))]).await.unwrap();
    db.client_secrets_used(&[]).await.unwrap();
    let (held, _) = db.client_find("app").await.unwrap().unwrap();
    assert_eq!(held.secrets.iter().map(|secret| secret.last_used_at).collect::<Vec<_>>(), [None, Some(at(50))]);
    let listed = db.client_list(None, &all()).await.unwrap();
    assert_eq!(listed[0].secrets[1].last_used_at, Some(at(50)));
});
