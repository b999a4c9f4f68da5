//! A server that starts while its database is unreachable. The tests of the command line show that it gives up in the
//! end.

use std::time::Duration;

use super::fleet::Fleet;
use super::oracle::{Said, Token};
use crate::support::program::Running;
use crate::support::proxy::Proxy;
use crate::support::{Backend, eventually, fresh_database};

async fn starts_as_soon_as_it_can(fleet: &Fleet, database: &str, good: Token, lose: fn(&Proxy)) {
    let proxy = Proxy::to(database).await;
    lose(&proxy);
    let mut starting = Running::begin(&fleet.place(&proxy.address_of(database)), &[]);
    eventually(Duration::from_secs(15), "it says what it waits for", async || {
        starting.log.lock().unwrap().lines().any(|line| line.contains("waiting for Postgres at 127.0.0.1"))
    })
    .await;
    proxy.heal();
    starting.wait_until_it_listens();
    let node = fleet.joins(starting);
    assert_eq!(fleet.oracle.ask(&node, good).await, Said::Active);
    fleet.recovers(&node, good).await;
    fleet.oracle.settle().await;
    fleet.stop(node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_starts_as_soon_as_its_database_can_be_reached() {
    let (database, _folder) = fresh_database(Backend::Postgres).await;
    let fleet = Fleet::on(&database, Duration::from_secs(1));
    let first = fleet.start();
    let good = fleet.token(&first, &fleet.app).await;
    for lose in [Proxy::cut, Proxy::silence] {
        starts_as_soon_as_it_can(&fleet, &database, good, lose).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_waits_for_its_database_can_be_stopped() {
    let (database, _folder) = fresh_database(Backend::Postgres).await;
    let fleet = Fleet::on(&database, Duration::from_secs(1));
    let proxy = Proxy::to(&database).await;
    proxy.cut();
    let mut starting = Running::begin(&fleet.place(&proxy.address_of(&database)), &[]);
    eventually(Duration::from_secs(10), "it waits", async || starting.log.lock().unwrap().contains("waiting for"))
        .await;
    starting.signal("TERM");
    eventually(Duration::from_secs(5), "it ends", async || starting.guard.0.try_wait().unwrap().is_some()).await;
    assert_eq!(starting.guard.wait().code(), Some(0), "{}", starting.log.lock().unwrap());
}
