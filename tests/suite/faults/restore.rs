//! The database is restored from an earlier copy.

use std::time::Duration;

use serde_json::json;

use super::RECOVERY;
use super::fleet::{Fleet, Node, Session};
use super::oracle::Said;
use crate::support::cluster::Cluster;
use crate::support::eventually;
use crate::support::proxy::Proxy;

const STALENESS: Duration = Duration::from_secs(1);
const USERS: [&str; 3] = ["alice", "bob", "carol"];

/// Logins that the copy does not have, each preceded by more log entries than will be written after the restore.
async fn logins_that_will_be_lost(fleet: &Fleet, nodes: &[Node]) -> Vec<Session> {
    let mut lost = Vec::new();
    for (user, node) in USERS.iter().zip(nodes.iter().cycle()) {
        for _ in 0..10 {
            fleet.revoke(node, json!({"client": "sealed"}), &[], "5s").await;
        }
        lost.push(fleet.login(node, &fleet.app, user).await);
    }
    lost
}

fn take_copy(cluster: &Cluster) {
    cluster.stop();
    cluster.save();
    cluster.go_on();
}

fn set_back(cluster: &Cluster, fleet: &Fleet, lost: &[Session]) {
    // Whether they are accepted until they are revoked is not promised.
    fleet.oracle.revoking(&lost.iter().map(|session| session.token).collect::<Vec<_>>());
    cluster.stop();
    cluster.restore();
    cluster.go_on();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restore_every_node_reloads_and_lost_tokens_can_be_revoked() {
    let cluster = Cluster::start();
    let fleet = Fleet::on(&cluster.url(), STALENESS);
    let proxy = Proxy::to(&cluster.url()).await;
    let nodes = [fleet.start(), fleet.start(), fleet.start_on(&proxy.address_of(&cluster.url()))];
    for user in USERS {
        fleet.user(&nodes[0], user).await;
    }
    let early = fleet.login(&nodes[0], &fleet.app, "alice").await;
    let good = fleet.token(&nodes[1], &fleet.app).await;
    take_copy(&cluster);
    for node in &nodes {
        fleet.recovers(node, good).await;
        assert_eq!(node.logged("loading everything anew"), 0, "nothing was lost");
    }

    // Restored while the nodes run. The last node returns after the log has grown again, and must still notice.
    let lost = logins_that_will_be_lost(&fleet, &nodes).await;
    proxy.cut();
    set_back(&cluster, &fleet, &lost);
    for (index, node) in nodes.iter().enumerate() {
        if index == 2 {
            fleet.revoke(&nodes[0], json!({"user": "alice"}), &[early.token, lost[0].token], "0s").await;
            proxy.heal();
        }
        eventually(RECOVERY, "it loads everything anew and says why", async || {
            node.logged("the database was restored") > 0 && node.is_ready().await
        })
        .await;
        fleet.recovers(node, good).await;
    }
    for node in &nodes {
        eventually(RECOVERY, "alice is revoked", async || {
            fleet.oracle.ask(node, lost[0].token).await == Said::Inactive
        })
        .await;
    }
    // Again after a new start of all nodes.
    nodes.into_iter().for_each(|node| fleet.stop(node));
    let nodes = [fleet.start(), fleet.start()];
    fleet.revoke(&nodes[1], json!({"user": "bob"}), &[lost[1].token], "0s").await;
    fleet.login(&nodes[0], &fleet.app, "bob").await;
    let everything = [fleet.oracle.all_good(""), vec![lost[2].token]].concat();
    fleet.oracle.revoking(&everything);
    fleet.command(&["revoke", "--all", "--yes"]);
    fleet.oracle.revoked(&everything, None);
    fleet.oracle.settle().await;

    // Restored while no node runs: the database alone must know where to continue.
    let good = fleet.token(&nodes[0], &fleet.app).await;
    take_copy(&cluster);
    for node in &nodes {
        fleet.recovers(node, good).await;
    }
    let lost = logins_that_will_be_lost(&fleet, &nodes).await;
    nodes.into_iter().for_each(|node| fleet.stop(node));
    set_back(&cluster, &fleet, &lost);
    let nodes = [fleet.start(), fleet.start()];
    for (session, user) in lost.iter().zip(USERS) {
        fleet.revoke(&nodes[0], json!({"user": user}), &[session.token], "0s").await;
        fleet.login(&nodes[1], &fleet.app, user).await;
    }
    fleet.oracle.settle().await;
}
