//! What a set blocks.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{apply, assert_refused, changes, exists};
use crate::store_contract::client_documents::{begin_block, insert_many};
use crate::support::{TestServer, on_both_stores};

const BLOCKS: &str = "/admin/v1/client-blocks";

/// What is blocked, with the reasons.
async fn blocked(app: &TestServer) -> Vec<(String, Value)> {
    let list = app.admin(Method::GET, BLOCKS, None).await.assert_ok().json["items"].clone();
    let blocks = list.as_array().unwrap().iter();
    blocks.map(|block| (block["target"].as_str().unwrap().to_owned(), block["reason"].clone())).collect()
}

on_both_stores!(blocks_of_a_set_are_made_changed_and_pruned, async |backend| {
    let app = TestServer::start(backend).await;
    let by_hand = json!({"target": "hand.example", "reason": "By hand."});
    assert_eq!(app.admin(Method::POST, BLOCKS, Some(by_hand)).await.status, StatusCode::CREATED);
    let url = "https://app.example/client.json";
    let wanted =
        json!({"client_blocks": [{"target": "bad.example", "reason": "It asks for too much."}, {"target": url}]});
    let made = apply(&app, "main", wanted.clone()).await;
    assert_eq!(changes(&made), ["create block bad.example", &format!("create block {url}")]);
    let reason = json!([{"name": "reason", "before": null, "after": "It asks for too much."}]);
    assert_eq!(made.json["changes"][0]["members"], reason);
    let again = apply(&app, "main", wanted).await;
    assert_eq!((changes(&again).len(), &again.json["unchanged"], &again.json["joined"]), (0, &json!(2), &json!(0)));
    let other = json!({"client_blocks": [{"target": "bad.example", "reason": "It lies."}]});
    assert_eq!(changes(&apply(&app, "main", other.clone()).await), ["update block bad.example"]);
    let mut pruning = other;
    pruning["prune"] = json!(true);
    assert_eq!(changes(&apply(&app, "main", pruning.clone()).await), [format!("delete block {url}")]);
    let held = |target: &str, reason: &str| (target.to_owned(), json!(reason));
    assert_eq!(blocked(&app).await, [held("bad.example", "It lies."), held("hand.example", "By hand.")]);
    let trail = app.admin(Method::GET, "/admin/v1/audit?action=client.block", None).await.json;
    let details: Vec<&Value> = trail["items"].as_array().unwrap().iter().map(|record| &record["detail"]).collect();
    assert_eq!(details[0], "It lies.");
    assert_eq!(trail["items"][0]["target"], "clients of bad.example");
    let ended = app.admin(Method::GET, "/admin/v1/audit?action=client.unblock", None).await.json;
    assert_eq!(ended["items"][0]["target"], format!("clients of {url}"));
    // One that ended by hand and was made anew is another one.
    let path = format!("{BLOCKS}/bad.example");
    assert_eq!(app.admin(Method::DELETE, &path, None).await.status, StatusCode::NO_CONTENT);
    app.admin(Method::POST, BLOCKS, Some(json!({"target": "bad.example"}))).await;
    assert!(changes(&apply(&app, "main", json!({"prune": true})).await).is_empty());
    for (block, word) in [
        (json!({"target": "https://bad.example"}), "client_blocks[0]"),
        (json!({"reason": "x"}), "client_blocks[0]: missing field `target`"),
        (json!({"target": "bad.example", "reason": "a\nb"}), "client_blocks[0]: reason"),
    ] {
        let clients = json!([{"client_id": "good", "token_endpoint_auth_method": "none"}]);
        let answer = apply(&app, "main", json!({"clients": clients, "client_blocks": [block]})).await;
        assert_refused(&answer, 400, &[word]);
        assert!(!exists(&app, "good").await);
    }
});

on_both_stores!(a_block_of_a_set_ends_many_clients_before_it_is_answered, async |backend| {
    let app = TestServer::start(backend).await;
    insert_many(&app.database, backend).await;
    let wanted = json!({"client_blocks": [{"target": "many.example"}]});
    assert_eq!(changes(&apply(&app, "main", wanted).await), ["create block many.example"]);
    let enabled = async |number: u32| {
        let path = format!("/admin/v1/clients/https%3A%2F%2Fmany.example%2F{number}");
        app.admin(Method::GET, &path, None).await.assert_ok().json["enabled"].clone()
    };
    for number in [1, 600, 999, 1100] {
        assert_eq!(enabled(number).await, false, "{number}");
    }
    assert_eq!(changes(&apply(&app, "main", json!({"prune": true})).await), ["delete block many.example"]);
    for number in [1, 600, 999, 1100] {
        assert_eq!(enabled(number).await, true, "{number}");
    }
});

on_both_stores!(a_node_goes_on_with_a_block_whose_writer_was_cut_off, async |backend| {
    let app = TestServer::start(backend).await;
    insert_many(&app.database, backend).await;
    let enabled = async |number: u32| {
        let path = format!("/admin/v1/clients/https%3A%2F%2Fmany.example%2F{number}");
        app.admin(Method::GET, &path, None).await.assert_ok().json["enabled"] == true
    };
    begin_block(&app.database, "many.example").await;
    let begun = Instant::now();
    // 9 and 999 are the last ones.
    while enabled(999).await {
        assert!(begun.elapsed() < Duration::from_secs(30), "nobody goes on");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(!enabled(600).await);
});
