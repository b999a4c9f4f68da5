//! Schema migrations.

use std::sync::Arc;

use jeton::store::{SchemaReport, Store};
use tempfile::TempDir;
use tokio::sync::Barrier;

use super::{Db, Written, audited, client, connect, execute};
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
    let sql = "INSERT INTO migrations (number, name, checksum, oldest_program) VALUES";
    db.execute(&format!("{sql} ({}, 'tomorrow', '', '{program}')", known + 1)).await;
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
    store.client_create(&client("app"), &audited()).await.written();
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

/// Neither inspecting nor migrating changes the database, and both say why no program can work on it.
async fn assert_foreign(store: &Store, reason: &str) {
    let before = store.schema().await.unwrap();
    let report = store.migrate().await.unwrap();
    assert_eq!((&report, report.newly_applied.len()), (&before, 0));
    let refusal = jeton::serve::check_schema(&report).unwrap_err().0;
    assert!(
        refusal.contains(reason) && refusal.contains("set JETON_DATABASE_URL to a new, empty database"),
        "{refusal}"
    );
    assert_eq!(store.schema().await.unwrap(), before);
}

on_both_stores!(a_database_from_before_the_first_release_is_refused_by_name, async |backend| {
    let (address, _folder) = nothing(backend).await;
    let store = connect(&address).await;
    let old = "CREATE TABLE schema_migrations (number BIGINT PRIMARY KEY, name TEXT NOT NULL, oldest_program TEXT NOT NULL); \
               INSERT INTO schema_migrations VALUES (1, 'initial', '0.1.0'), (5, 'upkeep', '0.1.0')";
    execute(&address, old).await;
    assert_foreign(&store, "a development version of Jeton older than 0.1.0").await;
    execute(&address, "DROP TABLE schema_migrations").await;
    assert!(store.migrate().await.is_ok(), "no table was left in the way");
});

on_both_stores!(a_migration_that_differs_from_the_applied_one_is_refused_by_name, async |backend| {
    let db = Db::new(backend).await;
    db.execute("UPDATE migrations SET checksum = 'another' WHERE number = 1").await;
    assert_foreign(&db, "another migration 0001_initial").await;
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
    db.client_create(&client("app"), &audited()).await.written();
});

on_both_stores!(a_schema_whose_oldest_program_cannot_be_parsed_is_refused, async |backend| {
    let db = Db::new(backend).await;
    newer_schema(&db, "99.0.0-rc.1").await;
    let report = db.schema().await.unwrap();
    assert!(report.is_too_new(), "it must not be taken for an old one: {report:?}");
});

on_both_stores!(a_migration_that_fails_leaves_nothing_half_applied, async |backend| {
    let (address, _folder) = nothing(backend).await;
    let store = connect(&address).await;
    // It conflicts with a table that the first migration creates.
    execute(&address, "CREATE TABLE users (id INTEGER)").await;
    let error = store.migrate().await.unwrap_err().to_string();
    assert!(error.contains("0001_initial"), "{error}");
    assert_eq!(store.schema().await.unwrap().applied, 0);
    execute(&address, "DROP TABLE users").await;
    assert!(store.migrate().await.is_ok(), "no other table was left in the way");
});
