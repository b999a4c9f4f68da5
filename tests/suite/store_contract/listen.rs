//! Notifications that the log has grown.

use std::time::Duration;

use jeton::protocol::cause::Cause;
use jeton::protocol::revocation::Target;
use jeton::store::Listener;

use super::{Db, Written, audited, client, revocation};
use crate::support::Backend;

#[tokio::test]
async fn sqlite_notifies_nobody() {
    let db = Db::new(Backend::Sqlite).await;
    assert!(Listener::connect(&db.address.parse().unwrap()).await.unwrap().is_none());
}

#[tokio::test]
async fn listeners_are_woken_after_an_entry_is_committed() {
    let db = Db::new(Backend::Postgres).await;
    let location = db.address.parse().unwrap();
    let mut listener = Listener::connect(&location).await.unwrap().expect("Postgres notifies");
    let node = db.node().await;
    let mut head = 0;
    for client_id in [None, Some("app"), None] {
        match client_id {
            Some(id) => db.client_create(&client(id), &audited()).await.written(),
            None => drop(db.revoke(&revocation(Target::All, Cause::AllRevoked), &audited()).await.written()),
        }
        tokio::time::timeout(Duration::from_secs(10), listener.wait()).await.expect("it is woken").unwrap();
        let before = std::mem::replace(&mut head, node.log_head().await.unwrap());
        assert!(head > before, "what woke it can be read");
    }
}

#[tokio::test]
async fn a_listener_that_loses_its_connection_says_so() {
    let db = Db::new(Backend::Postgres).await;
    let mut listener = Listener::connect(&db.address.parse().unwrap()).await.unwrap().unwrap();
    db.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND query ILIKE 'LISTEN%'",
    )
    .await;
    let outcome = tokio::time::timeout(Duration::from_secs(10), listener.wait()).await.expect("it returns");
    assert!(outcome.is_err());
}

#[tokio::test]
async fn a_database_that_does_not_exist_cannot_be_listened_to() {
    let db = Db::new(Backend::Postgres).await;
    let location = format!("{}_gone", db.address).parse().unwrap();
    assert!(Listener::connect(&location).await.is_err());
}
