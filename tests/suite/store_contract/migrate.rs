//! Schema migrations.

use std::sync::Arc;

use jeton::store::{SchemaReport, Store};
use tempfile::TempDir;
use tokio::sync::Barrier;

use super::{Db, audited, client, connect, execute};
use crate::support::postgres::empty_database;
use crate::support::{Backend, fresh_database, on_both_stores};

/// The address of a database with nothing in it.
async fn nothing(backend: Backend) -> (String, TempDir) {
    match backend {
        Backend::Sqlite => fresh_database(backend).await,
        Backend::Postgres => (empty_database().await, tempfile::tempdir().unwrap()),
    }
}

async fn newer_schema(db: &Db, oldest_program: &str) {
    let (known, program) = (db.schema().await.unwrap().known, oldest_program);
    let sql = "INSERT INTO schema_migrations (number, name, oldest_program) VALUES";
    db.execute(&format!("{sql} ({}, 'tomorrow', '{program}')", known + 1)).await;
}

on_both_stores!(migrations_are_applied_once, async |backend| {
    let (address, _folder) = nothing(backend).await;
    let store = connect(&address).await;
    let before = store.schema().await.unwrap();
    assert_eq!((before.applied, &before.oldest_program), (0, &None), "nothing is there, and looking changes nothing");
    assert!(before.known > 0 && !before.is_too_new());
    assert_eq!(store.schema().await.unwrap(), before);
    let first = store.migrate().await.unwrap();
    assert_eq!((first.applied, first.known), (before.known, before.known));
    assert_eq!(i64::try_from(first.newly_applied.len()).unwrap(), before.known);
    store.client_create(&client("app"), &audited()).await.unwrap();
    let second = store.migrate().await.unwrap();
    assert_eq!(second, SchemaReport { newly_applied: vec![], ..first });
    assert_eq!(store.schema().await.unwrap(), second);
    assert!(store.client_find("app").await.unwrap().is_some(), "nothing was lost");
});

on_both_stores!(migrations_are_applied_by_one_of_many_that_start_at_once, async |backend| {
    for _ in 0..if backend == Backend::Sqlite { 12 } else { 2 } {
        let (address, _folder) = nothing(backend).await;
        let barrier = Arc::new(Barrier::new(8));
        let start = |_| {
            let (address, barrier) = (address.clone(), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                // Connecting is part of it: on SQLite it makes the file and switches its journal.
                Store::connect(&address.parse().unwrap()).await?.migrate().await
            })
        };
        let tasks: Vec<_> = (0..8).map(start).collect();
        let mut reports: Vec<SchemaReport> = Vec::new();
        for task in tasks {
            reports.push(task.await.unwrap().unwrap());
        }
        assert_eq!(reports.iter().filter(|report| !report.newly_applied.is_empty()).count(), 1, "{reports:?}");
        assert!(reports.iter().all(|report| report.applied == report.known), "{reports:?}");
        assert_eq!(connect(&address).await.log_head().await.unwrap(), 0);
    }
});

on_both_stores!(a_database_of_the_first_schema_keeps_its_log_and_goes_on, async |backend| {
    let (address, _folder) = nothing(backend).await;
    drop(connect(&address).await);
    let (first_schema, id) = match backend {
        Backend::Sqlite => (include_str!("../../../migrations/sqlite/0001_initial.sql"), "randomblob(16)"),
        Backend::Postgres => (include_str!("../../../migrations/postgres/0001_initial.sql"), "gen_random_uuid()"),
    };
    execute(&address, first_schema).await;
    let record = "CREATE TABLE schema_migrations (number BIGINT PRIMARY KEY, name TEXT NOT NULL, oldest_program TEXT NOT \
                  NULL); INSERT INTO schema_migrations VALUES (1, 'initial', '0.1.0')";
    execute(&address, record).await;
    for _ in 0..2 {
        let columns = "id, kind, cause, actor, created_at, covers_until, expires_at";
        let entry = format!("INSERT INTO log ({columns}) VALUES ({id}, 'all', 'all_revoked', 'a', 1, 2, 3)");
        execute(&address, &entry).await;
    }
    let store = connect(&address).await;
    assert_eq!(store.migrate().await.unwrap().newly_applied, ["log_order", "history", "guesses", "upkeep"]);
    let page = store.log_after(0, 10).await.unwrap();
    assert_eq!((page.head, page.entries.len(), page.is_broken), (2, 2, false));
    store.client_create(&client("app"), &audited()).await.unwrap();
    let page = store.log_after(2, 10).await.unwrap();
    assert_eq!((page.entries.len(), page.is_broken), (1, false));
});

on_both_stores!(a_schema_that_needs_a_newer_program_is_refused, async |backend| {
    let db = Db::new(backend).await;
    newer_schema(&db, "99.0.0").await;
    for report in [db.schema().await.unwrap(), db.migrate().await.unwrap()] {
        assert!(report.is_too_new() && report.newly_applied.is_empty(), "{report:?}");
        assert_eq!((report.applied, report.oldest_program.as_deref()), (report.known + 1, Some("99.0.0")));
    }
    assert!(jeton::serve::check_schema(&db.schema().await.unwrap()).unwrap_err().0.contains("99.0.0"));
});

on_both_stores!(a_newer_schema_that_this_program_can_work_on_is_accepted, async |backend| {
    let db = Db::new(backend).await;
    newer_schema(&db, "0.0.1").await;
    for report in [db.schema().await.unwrap(), db.migrate().await.unwrap()] {
        assert!(!report.is_too_new() && report.applied > report.known, "{report:?}");
        assert!(jeton::serve::check_schema(&report).is_ok());
    }
    db.client_create(&client("app"), &audited()).await.unwrap();
});

on_both_stores!(a_schema_whose_needs_cannot_be_read_is_refused, async |backend| {
    let db = Db::new(backend).await;
    newer_schema(&db, "99.0.0-rc.1").await;
    let report = db.schema().await.unwrap();
    assert!(report.is_too_new(), "it must not be taken for an old one: {report:?}");
});

on_both_stores!(a_migration_that_fails_leaves_nothing_half_applied, async |backend| {
    let (address, _folder) = nothing(backend).await;
    let store = connect(&address).await;
    // In the way of a table that the first migration makes.
    execute(&address, "CREATE TABLE users (id INTEGER)").await;
    let error = store.migrate().await.unwrap_err().to_string();
    assert!(error.contains("0001_initial"), "{error}");
    assert_eq!(store.schema().await.unwrap().applied, 0);
    execute(&address, "DROP TABLE users").await;
    assert!(store.migrate().await.is_ok(), "no other table was left in the way");
});
