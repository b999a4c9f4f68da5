//! Restoring a backup revives nothing that was revoked.

use reqwest::StatusCode;

use super::machine::Machine;
use crate::support::Backend;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restoring_a_sqlite_backup_revives_nothing_that_was_revoked() {
    let machine = Machine::new(Backend::Sqlite);
    let early = machine.login("alice", "wonderland").await;
    machine.follow("Backup and restore: SQLite", 0);
    let lost = machine.lose_something(&early).await;
    machine.follow("Backup and restore: SQLite", 1);
    machine.is_restored(&early, &lost, StatusCode::BAD_REQUEST).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restoring_a_postgres_dump_revives_nothing_that_was_revoked() {
    let machine = Machine::new(Backend::Postgres);
    let early = machine.login("alice", "wonderland").await;
    machine.follow("Backup and restore: Postgres", 0);
    let lost = machine.lose_something(&early).await;
    machine.follow("Backup and restore: Postgres", 1);
    machine.is_restored(&early, &lost, StatusCode::BAD_REQUEST).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_restored_from_a_base_backup_and_the_archive() {
    let machine = Machine::new(Backend::Postgres);
    let early = machine.login("alice", "wonderland").await;
    machine.follow("To a point in time", 0);
    let lost = machine.lose_something(&early).await;
    // A clean stop archives all that there is, so bob is there afterwards.
    machine.follow_without("echo \"recovery_target", "To a point in time", 1);
    machine.is_restored(&early, &lost, StatusCode::OK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restoring_postgres_to_a_point_in_time_revives_nothing_that_was_revoked() {
    let mut machine = Machine::new(Backend::Postgres);
    let early = machine.login("alice", "wonderland").await;
    machine.follow("To a point in time", 0);
    machine.shell("echo croquet | jeton user create carol >/dev/null");
    let moment = machine.shell("psql -Atc 'SELECT now()' \"$JETON_DATABASE_URL\"");
    machine.set("MOMENT", moment.trim());
    let lost = machine.lose_something(&early).await;
    machine.follow("To a point in time", 1);
    machine.is_restored(&early, &lost, StatusCode::BAD_REQUEST).await;
    machine.login("carol", "croquet").await.assert_ok();
    let left = machine.shell("grep -e restore -e recovery \"$PGDATA/postgresql.auto.conf\" || true");
    assert_eq!(left, "", "a standby made from here would end there");
}
