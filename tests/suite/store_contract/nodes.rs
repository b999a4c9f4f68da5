//! The list of running nodes.

use jeton::protocol::time::Timestamp;
use jeton::store::{NodeRecord, StoreError};
use uuid::Uuid;

use super::{Db, Written, at, at_once, audited, client};
use crate::support::on_both_stores;

fn node(name: &str) -> NodeRecord {
    let id = Uuid::now_v7();
    NodeRecord {
        id,
        name: name.into(),
        version: "0.1.0".into(),
        feature_level: jeton::protocol::feature::LEVEL,
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

on_both_stores!(a_node_is_live_until_its_staleness_limit_and_five_seconds_have_passed, async |backend| {
    let db = Db::new(backend).await;
    // Postgres counts by its own clock, SQLite by that of its only node.
    let now = db.database_clock().await.unwrap().map_or(at(1000), Timestamp::from_millis);
    let ago = |millis: i64| Timestamp::from_millis(now.millis() - millis);
    let live = NodeRecord { heartbeat_at: ago(5_000), ..node("live") };
    let silent = NodeRecord { heartbeat_at: ago(10_001), ..node("silent") };
    for node in [&live, &silent] {
        db.node_heartbeat(node).await.unwrap();
    }
    let names: Vec<_> = db.node_list_live(now).await.unwrap().into_iter().map(|node| node.name).collect();
    assert_eq!(names, ["live"]);
});

on_both_stores!(
    an_old_node_that_joins_while_a_client_begins_to_use_a_feature_is_refused_or_refuses_it,
    async |backend| {
        let db = Db::new(backend).await;
        for round in 0..20 {
            let outcomes = at_once(&db, 4, |store, index| async move {
                if index % 2 == 0 {
                    let old = NodeRecord { feature_level: 0, ..node("old") };
                    return store.node_heartbeat(&old).await.unwrap();
                }
                let mut app = client(&format!("{round} {index}"));
                app.settings.introspect_audiences = Some(vec!["https://api.example.test/".into()]);
                match store.client_create(&app, &audited()).await {
                    Ok(_) => true,
                    Err(StoreError::UnknownFeature { member: "introspect_audiences", .. }) => false,
                    Err(error) => panic!("{error}"),
                }
            })
            .await;
            let (join, write) = (outcomes[0] || outcomes[2], outcomes[1] || outcomes[3]);
            assert!(join != write, "round {round}: {outcomes:?}");
            assert_eq!(db.node_list().await.unwrap().is_empty(), !join);
            db.execute("DELETE FROM nodes").await;
            db.execute("UPDATE feature_level SET level = 0").await;
        }
    }
);

on_both_stores!(a_feature_in_use_is_remembered_and_a_write_that_fails_does_not_count, async |backend| {
    let db = Db::new(backend).await;
    let mut app = client("app");
    db.client_create(&app, &audited()).await.written();
    let old = NodeRecord { feature_level: 0, ..node("old") };
    app.settings.introspect_audiences = Some(vec!["https://api.example.test/".into()]);
    app.version = 7;
    assert!(!db.client_update(&app, "client.update", None, &audited()).await.written());
    assert!(db.node_heartbeat(&old).await.unwrap(), "nothing was written");
    app.version = 1;
    let refused = db.client_update(&app, "client.update", None, &audited()).await;
    assert!(matches!(refused, Err(StoreError::UnknownFeature { .. })), "{refused:?}");
    // It has stopped answering long ago, but its row is still there.
    assert_eq!(db.node_list_live(at(0)).await.unwrap().len(), 1);
    db.execute("UPDATE nodes SET heartbeat_at = 0").await;
    assert!(db.node_list_live(at(0)).await.unwrap().is_empty());
    assert!(db.client_update(&app, "client.update", None, &audited()).await.written());
    assert!(!db.node_heartbeat(&old).await.unwrap(), "when it comes back it is told");
    assert!(db.node_heartbeat(&node("new")).await.unwrap());
    assert_eq!(db.schema().await.unwrap().feature_level, 2);
});
