//! A server that is started while its database cannot be reached: it tries for half a minute, and says so.

use std::time::Duration;

use super::fleet::Fleet;
use super::oracle::{Said, Token};
use crate::command_line::{Running, eventually};
use crate::support::proxy::Proxy;
use crate::support::{Backend, fresh_database};

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
async fn a_server_waits_for_its_database_and_ends_with_one_sentence_if_that_never_answers() {
    let (database, _folder) = fresh_database(Backend::Postgres).await;
    let fleet = Fleet::on(&database, Duration::from_secs(1));
    let first = fleet.start();
    let good = fleet.token(&first, &fleet.app).await;
    let dead = Proxy::to(&database).await;
    dead.cut();
    // This takes half a minute.
    let place = fleet.place(&dead.address_of(&database));
    let in_vain = tokio::task::spawn_blocking(move || place.run(&["serve"]));
    for lose in [Proxy::cut, Proxy::silence] {
        starts_as_soon_as_it_can(&fleet, &database, good, lose).await;
    }
    in_vain.await.unwrap().refused_at_start(&["JETON_DATABASE_URL", "Postgres at 127.0.0.1"]);
}
