//! Connecting, and the clock of the database.

use std::net::TcpListener;
use std::time::{SystemTime, UNIX_EPOCH};

use jeton::store::{Dialect, Location, Store, StoreError};

use super::{Db, Written, audited, client, execute};
use crate::support::{Backend, on_both_stores};

on_both_stores!(a_store_knows_which_database_it_is, async |backend| {
    let db = Db::new(backend).await;
    let dialect = if backend == Backend::Sqlite { Dialect::Sqlite } else { Dialect::Postgres };
    assert_eq!(db.dialect(), dialect);
    let location: Location = db.address.parse().unwrap();
    assert_eq!(location.dialect(), dialect);
    assert_eq!(location.file().is_some(), backend == Backend::Sqlite);
});

on_both_stores!(only_a_database_server_has_its_own_clock, async |backend| {
    let db = Db::new(backend).await;
    #[expect(clippy::disallowed_methods, reason = "the test server runs on this machine")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    match (backend, db.database_clock().await.unwrap()) {
        (Backend::Sqlite, None) => {}
        (Backend::Postgres, Some(clock)) => assert!(i64::try_from(now).unwrap().abs_diff(clock) < 60_000, "{clock}"),
        (_, clock) => panic!("{clock:?}"),
    }
});

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_unavailable() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("missing/jeton.db");
    let text = folder.path().join("text.db");
    std::fs::write(&text, "This is a letter to a friend, and by no means a database. ".repeat(40)).unwrap();
    for address in [
        format!("postgres://user:hidden-password@127.0.0.1:{port}/jeton"),
        format!("sqlite://{}", nowhere.display()),
        format!("sqlite://{}", text.display()),
    ] {
        let outcome = Store::connect(&address.parse().unwrap()).await;
        let Err(StoreError::Unavailable(text)) = outcome else { panic!("{address}: {outcome:?}") };
        assert!(!text.contains("hidden-password"), "{text}");
    }
    assert!(!nowhere.exists());
}

#[test]
fn an_address_that_names_no_database_is_refused_and_a_password_is_never_shown() {
    for address in ["", "jeton.db", "mysql://x/y", "sqlite://", "sqlite::memory:", "sqlite://x?mode=ro", "postgres://["]
    {
        assert!(address.parse::<Location>().is_err(), "{address}");
    }
    let location: Location = "postgres://me:hidden-password@db.example:5433/jeton".parse().unwrap();
    assert_eq!(location.to_string(), "Postgres at db.example:5433, database jeton");
    assert_eq!(format!("{location:?}"), location.to_string());
}

on_both_stores!(a_refused_transaction_does_not_affect_later_ones_on_its_connection, async |backend| {
    let db = Db::new(backend).await;
    execute(&db.address, "INSERT INTO clients (client_id, settings, version, created_at) VALUES ('x', '{}', 1, 0)")
        .await;
    for _ in 0..40 {
        let outcome = db.client_create(&client("x"), &audited()).await;
        assert!(matches!(outcome, Err(StoreError::Exists)), "{outcome:?}");
    }
    db.client_create(&client("y"), &audited()).await.written();
    assert_eq!(db.told(0).await, ["client y changed"]);
});
