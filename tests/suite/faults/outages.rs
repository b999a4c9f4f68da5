//! Some of the faults of `tests/endurance/run outages`, each for a moment: every server gets every kind of request
//! while the database fails. Every answer is right or a 503, and full service returns without help.

use std::time::Duration;

use crate::support::outages::{Outcome, postgres_faults, sqlite_faults};

const LASTS: Duration = Duration::from_secs(2);

#[track_caller]
fn assert_survived(outcome: &Outcome) {
    let problems = outcome.problems(true);
    assert!(problems.is_empty(), "{problems:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_temporarily_read_only_role_leaves_no_read_only_connection_behind() {
    assert_survived(&postgres_faults::survive(postgres_faults::Fault::RoleReadOnly, LASTS).await.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_on_the_clients_table_makes_no_client_unknown() {
    // Longer than a statement waits for a lock.
    let lasts = Duration::from_secs(4);
    assert_survived(&postgres_faults::survive(postgres_faults::Fault::Locked("clients"), lasts).await.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_sqlite_causes_no_wrong_refusal() {
    assert_survived(&sqlite_faults::survive(sqlite_faults::Fault::DiskFull, LASTS).await.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sqlite_file_that_is_replaced_under_the_server_is_neither_read_nor_written() {
    assert_survived(&sqlite_faults::survive(sqlite_faults::Fault::Replaced, LASTS).await.0);
}
