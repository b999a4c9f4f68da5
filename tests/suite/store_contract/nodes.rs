//! The list of running nodes.

use jeton::store::NodeRecord;
use uuid::Uuid;

use super::{Db, at};
use crate::support::on_both_stores;

fn node(name: &str) -> NodeRecord {
    let id = Uuid::now_v7();
    NodeRecord {
        id,
        name: name.into(),
        version: "0.1.0".into(),
        applied: 3,
        applied_at: at(1),
        heartbeat_at: at(2),
        max_staleness: 5000,
    }
}

on_both_stores!(a_node_is_known_from_its_first_heartbeat_until_it_leaves, async |backend| {
    let db = Db::new(backend).await;
    let (mut one, two) = (node("one"), node("two"));
    db.node_heartbeat(&two).await.unwrap();
    db.node_heartbeat(&one).await.unwrap();
    let listed = async || format!("{:?}", db.node_list().await.unwrap());
    assert_eq!(listed().await, format!("{:?}", [&one, &two]), "by id");
    one = NodeRecord { applied: 9, applied_at: at(8), heartbeat_at: at(9), max_staleness: 900, ..one };
    db.node_heartbeat(&one).await.unwrap();
    assert_eq!(listed().await, format!("{:?}", [&one, &two]));
    db.node_leave(one.id).await.unwrap();
    db.node_leave(one.id).await.unwrap();
    db.node_leave(Uuid::now_v7()).await.unwrap();
    assert_eq!(listed().await, format!("{:?}", [&two]));
});
