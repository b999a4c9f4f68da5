//! Nodes of several versions on one database.

use jeton::protocol::feature::LEVEL;
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
    newer["of_a_newer_program"] = json!({"keys": [{"kty": "EC"}]});
    let sql = format!("UPDATE clients SET settings = '{newer}' WHERE client_id = 'main'");
    crate::store_contract::execute(&app.database, &sql).await;
    app.admin(Method::PATCH, "/admin/v1/clients/main", Some(json!({"client_name": "Billing"}))).await.assert_ok();
    newer["client_name"] = json!("Billing");
    assert_eq!(settings(&app, "main").await, newer);
    let refused =
        app.admin(Method::PATCH, "/admin/v1/clients/main", Some(json!({"of_a_newer_program": {"keys": []}}))).await;
    assert_eq!(refused.status, 400, "{refused:?}");
});

on_both_stores!(a_feature_waits_until_every_live_node_knows_it, async |backend| {
    let app = TestServer::start(backend).await;
    let store = &app.server.app.store;
    app.main_client("main").await;
    let patch = async |members| app.admin(Method::PATCH, "/admin/v1/clients/main", Some(members)).await;
    let node = |version: &str, feature_level| jeton::store::NodeRecord {
        id: Uuid::now_v7(),
        name: "the last one".into(),
        version: version.into(),
        feature_level,
        applied: 0,
        applied_at: app.clock.now(),
        heartbeat_at: app.clock.now(),
        max_staleness: 60_000,
    };
    // The version does not count: an unreleased program has that of the release before it.
    let (old, newer) = (node(env!("CARGO_PKG_VERSION"), 0), node("0.0.1", LEVEL + 1));
    assert!(store.node_heartbeat(&newer).await.unwrap() && store.node_heartbeat(&old).await.unwrap());
    for members in [
        json!({"access_token_format": "opaque"}),
        json!({"access_token_typ": "JWT"}),
        json!({"introspect_audiences": ["https://api.example.test/"]}),
        json!({"permissions": ["exchange"]}),
        json!({"permissions": ["impersonate"]}),
        json!({"introspection_signed_response_alg": "ES256"}),
    ] {
        let before = settings(&app, "main").await;
        let refused = patch(members.clone()).await;
        assert_eq!(refused.status, 409, "{refused:?}");
        let detail = refused.text("detail");
        assert!(detail.contains("the node \"the last one\"") && detail.contains("upgrade it first"), "{detail}");
        assert_eq!(settings(&app, "main").await, before);
        let mut new = members;
        new["client_id"] = json!("new");
        assert_eq!(app.admin(Method::POST, "/admin/v1/clients", Some(new)).await.status, 409);
    }
    patch(json!({"client_name": "Billing"})).await.assert_ok();
    store.node_leave(old.id).await.unwrap();
    patch(json!({"access_token_format": "opaque"})).await.assert_ok();
    // From then on the old program is refused, even when the feature is no longer used.
    patch(json!({"access_token_format": "jwt"})).await.assert_ok();
    assert!(!store.node_heartbeat(&old).await.unwrap());
    assert_eq!(store.node_list().await.unwrap().iter().filter(|node| node.name == "the last one").count(), 1);
});

on_both_stores!(a_node_that_does_not_know_a_feature_in_use_answers_nothing_and_does_not_start, async |backend| {
    let app = TestServer::start(backend).await;
    app.introspect(&app.resource_server("api").await, "x").await.assert_inactive();
    crate::store_contract::execute(&app.database, &format!("UPDATE feature_level SET level = {}", LEVEL + 1)).await;
    crate::support::eventually(std::time::Duration::from_secs(10), "it answers 503", async || {
        let answer = app.http.get(format!("{}/.well-known/oauth-authorization-server", app.base)).send().await.unwrap();
        answer.status() == 503
    })
    .await;
    let ready = reqwest::get(format!("{}/readyz", app.ops)).await.unwrap().text().await.unwrap();
    assert!(ready.contains("upgrade this node"), "{ready}");
    let report = app.server.app.store.migrate().await.unwrap();
    let refusal = jeton::serve::check_schema(&report).unwrap_err().0;
    assert!(refusal.contains("install the version of the nodes that know them"), "{refusal}");
});

on_both_stores!(a_running_node_announces_its_version, async |backend| {
    let app = TestServer::start(backend).await;
    let nodes = app.server.app.store.node_list().await.unwrap();
    let announced: Vec<_> = nodes.iter().map(|node| (node.version.as_str(), node.feature_level)).collect();
    assert_eq!(announced, [(env!("CARGO_PKG_VERSION"), LEVEL)]);
});
