//! A standby replaces a failed primary, by the commands of the guide.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;

use super::machine::Machine;
use crate::support::cluster::Cluster;
use crate::support::proxy::Proxy;
use crate::support::{Backend, eventually};

/// The blocks of the section, by what they do.
const SET_UP: usize = 0;
const KEEP_DOWN: usize = 1;
const PROMOTE: usize = 2;
const NEW_ADDRESS: usize = 3;
const REVOKE: usize = 4;
const COME_BACK: usize = 5;

impl Machine {
    fn fail_over(&mut self, step: usize, at: &Cluster) {
        self.work_on(at);
        self.follow("Failover", step);
    }
}

/// A server whose Postgres has a synchronous standby.
fn with_standby() -> (Machine, Arc<Cluster>, Cluster) {
    let mut machine = Machine::new(Backend::Postgres);
    let (first, second) = (machine.cluster(), Cluster::without_data());
    machine.fail_over(SET_UP, &second);
    machine.set("STANDBY_URL", &second.url());
    (machine, first, second)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_synchronous_standby_takes_over_without_loss_and_the_old_primary_becomes_its_standby() {
    let (mut machine, first, second) = with_standby();
    // As in a standby that was copied from a primary that already had one.
    machine.shell("psql -qc \"ALTER SYSTEM SET synchronous_standby_names = 'standby'\" \"$STANDBY_URL\"");
    let early = machine.login("alice", "wonderland").await;
    let [revoked, late, of_bob] = machine.lose_something(&early).await;
    let last = machine.login("alice", "wonderland").await;
    first.kill();
    machine.shell(
        "! JETON_DATABASE_URL=\"$STANDBY_URL\" jeton doctor >trouble 2>&1 &&
         grep -q 'this is a standby: connect to the primary' trouble",
    );
    machine.fail_over(KEEP_DOWN, &first);
    machine.shell("! systemctl start postgresql");
    machine.fail_over(PROMOTE, &second);
    machine.follow("Failover", NEW_ADDRESS);
    machine.set("JETON_DATABASE_URL", &second.url());
    assert!(!machine.is_active(&revoked).await, "an acknowledged revocation is not lost");
    assert!(machine.is_active(&late).await && machine.is_active(&of_bob).await);
    machine.refresh(&last).await.assert_ok();
    machine.login("bob", "looking-glass").await.assert_ok();

    machine.fail_over(COME_BACK, &first);
    machine.fail_over(SET_UP, &first);
    let tokens = machine.login("alice", "wonderland").await;
    machine.refresh(&tokens).await.assert_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lagging_asynchronous_standby_revives_nothing_that_was_revoked() {
    let (mut machine, first, second) = with_standby();
    let proxy = Proxy::to(&first.url()).await;
    machine.set("JETON_DATABASE_URL", &proxy.address_of(&first.url()));
    machine.shell(
        "systemctl restart jeton
         psql -qc 'ALTER SYSTEM RESET synchronous_standby_names' \"$JETON_DATABASE_URL\"
         psql -Atc 'SELECT pg_reload_conf()' \"$JETON_DATABASE_URL\"",
    );
    let early = machine.login("alice", "wonderland").await;
    let here = machine.shell("psql -Atc 'SELECT pg_current_wal_lsn()' \"$JETON_DATABASE_URL\"");
    let arrived = format!("psql -Atc \"SELECT pg_last_wal_replay_lsn() >= '{}'\" \"$STANDBY_URL\"", here.trim());
    eventually(Duration::from_secs(20), "the standby is there", async || machine.shell(&arrived).trim() == "t").await;
    second.stop();
    let lost = machine.lose_something(&early).await;
    first.kill();
    second.go_on();
    machine.fail_over(KEEP_DOWN, &first);
    machine.fail_over(PROMOTE, &second);
    proxy.lead_to(&second.url());
    eventually(Duration::from_secs(20), "the node notices", async || {
        fs::read_to_string(machine.folder.path().join("jeton.log")).unwrap().contains("the change log went back")
    })
    .await;
    machine.follow("Failover", REVOKE);
    eventually(Duration::from_secs(10), "what was issued is over", async || !machine.is_active(&lost[1]).await).await;
    machine.is_restored(&early, &lost, StatusCode::BAD_REQUEST).await;
}
