//! Nodes of several versions on one database.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{TestServer, on_both_stores};

async fn settings(app: &TestServer, client_id: &str) -> Value {
    let (client, _) = app.server.app.store.client_find(client_id).await.unwrap().unwrap();
    serde_json::to_value(client.settings).unwrap()
}

on_both_stores!(client_settings_of_a_newer_program_survive_a_change_by_this_one, async |backend| {
    let app = TestServer::start(backend).await;
    app.main_client("main").await;
    let mut newer = settings(&app, "main").await;
    newer["require_pkce"] = json!(true);
    newer["jwks"] = json!({"keys": [{"kty": "EC"}]});
    let sql = format!("UPDATE clients SET settings = '{newer}' WHERE client_id = 'main'");
    crate::store_contract::execute(&app.database, &sql).await;
    app.admin(Method::PATCH, "/admin/v1/clients/main", Some(json!({"client_name": "Billing"}))).await.assert_ok();
    newer["client_name"] = json!("Billing");
    assert_eq!(settings(&app, "main").await, newer);
    let refused = app.admin(Method::PATCH, "/admin/v1/clients/main", Some(json!({"require_pkce": false}))).await;
    assert_eq!(refused.status, 400, "{refused:?}");
});

on_both_stores!(a_feature_waits_until_every_live_node_knows_it, async |backend| {
    let app = TestServer::start(backend).await;
    let store = &app.server.app.store;
    app.main_client("main").await;
    let patch = async |members| app.admin(Method::PATCH, "/admin/v1/clients/main", Some(members)).await;
    let node = |version: &str| jeton::store::NodeRecord {
        id: Uuid::now_v7(),
        name: "the last one".into(),
        version: version.into(),
        applied: 0,
        applied_at: app.clock.now(),
        heartbeat_at: app.clock.now(),
        max_staleness: 60_000,
    };
    let (old, newer) = (node("0.0.9"), node("7.0.0"));
    store.node_heartbeat(&newer).await.unwrap();
    store.node_heartbeat(&old).await.unwrap();
    for members in [
        json!({"access_token_format": "opaque"}),
        json!({"access_token_typ": "JWT"}),
        json!({"introspect_audiences": ["https://api.example.test/"]}),
    ] {
        let before = settings(&app, "main").await;
        let refused = patch(members.clone()).await;
        assert_eq!(refused.status, 409, "{refused:?}");
        let detail = refused.text("detail");
        assert!(detail.contains("\"the last one\" runs 0.0.9") && detail.contains("Jeton 0.1.0 or newer"), "{detail}");
        assert_eq!(settings(&app, "main").await, before);
        let mut new = members;
        new["client_id"] = json!("new");
        assert_eq!(app.admin(Method::POST, "/admin/v1/clients", Some(new)).await.status, 409);
    }
    patch(json!({"client_name": "Billing"})).await.assert_ok();
    store.node_leave(old.id).await.unwrap();
    patch(json!({"access_token_format": "opaque"})).await.assert_ok();
    // A feature that is already in use, or is being given up, is not checked.
    store.node_heartbeat(&old).await.unwrap();
    patch(json!({"client_name": "Still billing", "access_token_format": "opaque"})).await.assert_ok();
    patch(json!({"access_token_format": "jwt"})).await.assert_ok();
});

on_both_stores!(a_running_node_announces_its_version, async |backend| {
    let app = TestServer::start(backend).await;
    let nodes = app.server.app.store.node_list().await.unwrap();
    assert_eq!(nodes.iter().map(|node| node.version.as_str()).collect::<Vec<_>>(), [env!("CARGO_PKG_VERSION")]);
});
