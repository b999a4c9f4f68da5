//! The database fails: it freezes, or it is killed and started again.

use std::time::Duration;

use super::fleet::Fleet;
use super::oracle::Said;
use crate::support::cluster::Cluster;

const STALENESS: Duration = Duration::from_secs(1);

async fn the_database_fails(fail: fn(&Cluster), heal: fn(&Cluster)) {
    let cluster = Cluster::start();
    let fleet = Fleet::on(&cluster.url(), STALENESS);
    let nodes = [fleet.start(), fleet.start()];
    fleet.user(&nodes[0], "alice").await;
    let good = fleet.token(&nodes[0], &fleet.app).await;
    let login = fleet.login(&nodes[0], &fleet.app, "alice").await;
    let streams = nodes.each_ref().map(|node| fleet.stream(node));
    for stream in &streams {
        stream.goes_on().await;
    }
    // In the middle of both.
    fail(&cluster);
    for node in &nodes {
        fleet.falls_behind(node, good).await;
    }
    let statuses = fleet.good_requests(&nodes[1], "alice", &login.refresh).await;
    assert_eq!(statuses[1..], [503, 503], "a login and a refresh need the database");
    heal(&cluster);
    for node in &nodes {
        fleet.recovers(node, good).await;
    }
    for stream in streams {
        stream.goes_on().await;
    }
    for node in &nodes {
        assert_eq!(fleet.good_requests(node, "alice", &login.refresh).await, [200, 200, 200]);
    }
    fleet.oracle.settle().await;
    for node in &nodes {
        assert!(fleet.oracle.count(node, Said::Unknown) > 0, "it was asked while it could not know");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_database_loses_nothing_and_causes_no_wrong_refusal() {
    the_database_fails(Cluster::freeze, Cluster::thaw).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_database_loses_nothing_and_causes_no_wrong_refusal() {
    the_database_fails(Cluster::kill, Cluster::go_on).await;
}
