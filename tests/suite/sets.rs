//! Sets of objects that are applied through the admin API.

mod blocks;
mod people;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, TestClient, TestServer, on_both_stores};

const API: &str = "https://api.example.test";
const CLIENT_CREDENTIALS: (&str, &str) = ("grant_type", "client_credentials");

async fn apply(app: &TestServer, set: &str, more: Value) -> Answer {
    let mut request = json!({"set": set, "without_secrets": true});
    request.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    app.admin(Method::POST, "/admin/v1/apply", Some(request)).await
}

/// The changes of an answer: action, kind and id.
#[track_caller]
fn changes(answer: &Answer) -> Vec<String> {
    answer.assert_ok();
    let changes = answer.json["changes"].as_array().unwrap().iter();
    let text = |change: &Value, name: &str| change[name].as_str().unwrap().to_owned();
    changes.map(|c| format!("{} {} {}", text(c, "action"), text(c, "kind"), text(c, "id"))).collect()
}

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, words: &[&str]) {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    for word in words {
        assert!(answer.json["detail"].as_str().unwrap().contains(word), "{word}: {answer:?}");
    }
}

async fn exists(app: &TestServer, client_id: &str) -> bool {
    app.admin(Method::GET, &format!("/admin/v1/clients/{client_id}"), None).await.status == StatusCode::OK
}

fn usual() -> Value {
    json!({
        "clients": [
            {"client_id": "reports", "grant_types": ["client_credentials"], "scope": "read", "audiences": [API]},
            {"client_id": "web", "token_endpoint_auth_method": "none", "grant_types": ["authorization_code"],
             "redirect_uris": ["https://web.example.test/cb"], "scope": "openid read"},
        ],
        "resources": [{"resource": API, "scopes": {"read": "Read"}, "serves": ["reports"]}],
    })
}

on_both_stores!(a_set_is_applied_whole_and_a_second_time_changes_nothing, async |backend| {
    let app = TestServer::start(backend).await;
    let mut asked = usual();
    asked["dry_run"] = json!(true);
    let planned = apply(&app, "main", asked.clone()).await;
    let expected = ["create client reports", "create client web", &format!("create resource {API}")];
    assert_eq!(changes(&planned), expected);
    assert_eq!(planned.json["changes"][0]["needs_secret"], true);
    assert!(!exists(&app, "reports").await, "a dry run changes nothing");
    asked["dry_run"] = json!(false);
    assert_eq!(changes(&apply(&app, "main", asked.clone()).await), expected);
    let again = apply(&app, "main", asked.clone()).await;
    assert_eq!((changes(&again).len(), &again.json["unchanged"], &again.json["joined"]), (0, &json!(3), &json!(0)));
    // What is not named goes back to its default.
    asked["clients"][0]["access_token_ttl"] = json!(60);
    let changed = apply(&app, "main", asked.clone()).await;
    assert_eq!(changes(&changed), ["update client reports"]);
    assert_eq!(
        changed.json["changes"][0]["members"],
        json!([{"name": "access_token_ttl", "before": null, "after": 60}])
    );
    apply(&app, "main", usual()).await.assert_ok();
    let shown = app.admin(Method::GET, "/admin/v1/clients/reports", None).await.json;
    assert_eq!(shown["access_token_ttl"], Value::Null);
    let audit = app.admin(Method::GET, "/admin/v1/audit?action=set.apply", None).await.json;
    assert_eq!(audit["items"].as_array().unwrap().len(), 3, "what changes nothing is no act: {audit}");
    assert_eq!(audit["items"][0]["target"], "set main");
});

on_both_stores!(nothing_of_a_set_is_applied_if_one_object_is_refused, async |backend| {
    let app = TestServer::start(backend).await;
    app.user("anna", "Wonderland-1865").await;
    let sub = app.admin(Method::GET, "/admin/v1/users/anna", None).await.text("sub");
    let good = json!({"client_id": "good", "token_endpoint_auth_method": "none"});
    for (status, object, words) in [
        (400, json!({"clients": [good, {"client_id": "bad", "scope": 1}]}), &["clients[1]: scope"][..]),
        (400, json!({"clients": [good, {"scope": "read"}]}), &["clients[1]: missing field `client_id`"]),
        (400, json!({"clients": [good, {"client_id": "bad", "colour": 1}]}), &["clients[1]: unknown member `colour`"]),
        (400, json!({"clients": [good, good]}), &["clients[1]: client_id: the client good is named twice"]),
        (400, json!({"clients": [good], "resources": [{"resource": "/api"}]}), &["resources[0]: resource"]),
        (400, json!({"clients": [good, {"client_id": sub}]}), &["clients[1]"]),
        (409, json!({"clients": [good], "resources": [{"resource": "urn:a", "serves": ["nobody"]}]}), &["nobody"]),
        (
            409,
            json!({"clients": [good, {"client_id": "urn:b"}], "resources": [{"resource": "urn:b"}]}),
            &["nothing was applied", "urn:b"],
        ),
        (409, json!({"clients": [good, {"client_id": "urn:b", "audiences": ["urn:b"]}]}), &["nothing was applied"]),
    ] {
        assert_refused(&apply(&app, "main", object).await, status, words);
        assert!(!exists(&app, "good").await, "{words:?}");
    }
    assert_refused(&apply(&app, "a b", json!({})).await, 400, &["set is a name"]);
    assert_refused(&apply(&app, "main", json!({"colour": 1})).await, 400, &["colour"]);
    let mut strict = json!({"clients": [{"client_id": "secretive"}], "without_secrets": false});
    assert_refused(&apply(&app, "main", strict.clone()).await, 400, &["clients[0]: client_secret"]);
    strict["dry_run"] = json!(true);
    assert_eq!(changes(&apply(&app, "main", strict).await), ["create client secretive"]);
});

on_both_stores!(pruning_touches_only_what_the_set_applied_before, async |backend| {
    let app = TestServer::start(backend).await;
    app.client("by-hand", json!({})).await;
    apply(&app, "main", usual()).await.assert_ok();
    apply(&app, "other", json!({"clients": [{"client_id": "elsewhere"}]})).await.assert_ok();
    let less = json!({"clients": [{"client_id": "web", "token_endpoint_auth_method": "none"}]});
    assert_eq!(changes(&apply(&app, "main", less.clone()).await), ["update client web"], "pruning is asked for");
    let mut pruning = less;
    pruning["prune"] = json!(true);
    let pruned = apply(&app, "main", pruning.clone()).await;
    assert_eq!(changes(&pruned), ["delete client reports", &format!("delete resource {API}")]);
    for (client_id, is_there) in [("reports", false), ("web", true), ("by-hand", true), ("elsewhere", true)] {
        assert_eq!(exists(&app, client_id).await, is_there, "{client_id}");
    }
    // What was deleted by hand and made anew is another object.
    apply(&app, "main", usual()).await.assert_ok();
    app.admin(Method::DELETE, "/admin/v1/clients/reports", None).await;
    app.client("reports", json!({})).await;
    assert_eq!(changes(&apply(&app, "main", pruning).await), ["update client web", &format!("delete resource {API}")]);
    assert!(exists(&app, "reports").await);
});

on_both_stores!(trusted_issuers_of_a_set_come_after_the_clients_of_their_rules_and_go_before_them, async |backend| {
    let app = TestServer::start(backend).await;
    let idp = "https://idp.example.test";
    let issuer = |client_id: &str, more: Value| {
        let rule = json!({"client_id": client_id, "claims": {"sub": {"equals": "repo:acme/shop"}}});
        let mut members = json!({"issuer": idp, "audience": ["https://auth.example.test"], "uses": ["client_assertion"], "rules": [rule]});
        members.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        members
    };
    let deploy = json!({"client_id": "deploy", "token_endpoint_auth_method": "private_key_jwt", "issuers": [idp]});
    for (status, object, words) in [
        (400, json!({"issuers": [issuer("deploy", json!({"audience": []}))]}), &["issuers[0]: audience"][..]),
        (400, json!({"issuers": [issuer("deploy", json!({"issuer": "http://a.test"}))]}), &["issuers[0]: issuer"]),
        (
            409,
            json!({"clients": [deploy], "issuers": [issuer("nobody", json!({}))]}),
            &["nothing was applied", "nobody"],
        ),
    ] {
        assert_refused(&apply(&app, "main", object).await, status, words);
        assert!(!exists(&app, "deploy").await, "{words:?}");
    }
    let whole = json!({"clients": [deploy], "issuers": [issuer("deploy", json!({}))]});
    let created = apply(&app, "main", whole.clone()).await;
    assert_eq!(changes(&created), ["create client deploy", &format!("create issuer {idp}")]);
    let again = apply(&app, "main", whole.clone()).await;
    assert_eq!((changes(&again).len(), &again.json["unchanged"]), (0, &json!(2)));
    let shorter = json!({"clients": [deploy], "issuers": [issuer("deploy", json!({"max_age": 60}))]});
    let changed = apply(&app, "main", shorter).await;
    assert_eq!(changes(&changed), [format!("update issuer {idp}")]);
    assert_eq!(changed.json["changes"][0]["members"], json!([{"name": "max_age", "before": 3600, "after": 60}]));
    let without = json!({"issuers": [issuer("deploy", json!({}))], "prune": true});
    assert_refused(&apply(&app, "main", without).await, 400, &["issuers[0]: rules", "deploy"]);
    // What was deleted by hand and made anew is another object.
    let path = "/admin/v1/issuers/https%3A%2F%2Fidp.example.test";
    app.admin(Method::DELETE, path, None).await;
    let by_hand = app.admin(Method::POST, "/admin/v1/issuers", Some(issuer("deploy", json!({})))).await;
    assert_eq!(by_hand.status, StatusCode::CREATED, "{by_hand:?}");
    let pruning = json!({"clients": [deploy], "prune": true});
    assert!(changes(&apply(&app, "main", pruning).await).is_empty(), "it belongs to no set");
    apply(&app, "main", whole).await.assert_ok();
    let pruned = apply(&app, "main", json!({"prune": true})).await;
    assert_eq!(changes(&pruned), ["delete client deploy", &format!("delete issuer {idp}")]);
    assert_eq!(app.admin(Method::GET, path, None).await.status, StatusCode::NOT_FOUND);
});

on_both_stores!(an_object_of_another_set_is_left_alone_unless_it_is_taken_over, async |backend| {
    let app = TestServer::start(backend).await;
    apply(&app, "first", json!({"clients": [{"client_id": "shared", "scope": "read"}]})).await.assert_ok();
    let mut second = json!({"clients": [{"client_id": "shared", "scope": "write"}]});
    assert_refused(&apply(&app, "second", second.clone()).await, 409, &["clients[0]", "the set first"]);
    second["take_over"] = json!(true);
    assert_eq!(changes(&apply(&app, "second", second).await), ["update client shared"]);
    let pruned = apply(&app, "first", json!({"prune": true})).await;
    assert!(changes(&pruned).is_empty() && exists(&app, "shared").await, "it belongs to the second set");
    // One that belongs to none joins.
    app.client("free", json!({"scope": "read"})).await;
    let joined = apply(&app, "first", json!({"clients": [{"client_id": "free", "scope": "read"}]})).await;
    assert_eq!((&joined.json["unchanged"], &joined.json["joined"]), (&json!(1), &json!(1)));
});

/// A client that applies sets by a token of its own.
async fn administrator(app: &TestServer, client_id: &str) -> TestClient {
    app.client(client_id, json!({"grant_types": ["client_credentials"], "scope": "jeton:admin"})).await
}

async fn apply_as(app: &TestServer, client: &TestClient, request: Value) -> Answer {
    let token = app.token(client, &[CLIENT_CREDENTIALS]).await.text("access_token");
    let request = app.http.post(format!("{}/admin/v1/apply", app.base)).bearer_auth(token).json(&request);
    Answer::of(request).await
}

on_both_stores!(the_applying_client_and_the_last_administrator_stay, async |backend| {
    let app = TestServer::start(backend).await;
    let ops = administrator(&app, "ops").await;
    let admin = |id: &str| json!({"client_id": id, "grant_types": ["client_credentials"], "scope": "jeton:admin"});
    let whole = json!({"set": "main", "without_secrets": true, "clients": [admin("ops"), admin("spare")]});
    assert_eq!(changes(&apply_as(&app, &ops, whole).await), ["create client spare"]);
    let none = json!({"set": "main", "prune": true, "dry_run": true});
    assert_eq!(changes(&apply_as(&app, &ops, none).await), ["keep client ops", "delete client spare"]);
    let demoted = json!({"set": "main", "clients": [{"client_id": "ops"}, admin("spare")]});
    assert_refused(&apply_as(&app, &ops, demoted).await, 409, &["clients[0]", "client that applies"]);
    // Others may be demoted as long as one is left.
    let names = app.admin(Method::GET, "/admin/v1/clients?limit=200", None).await.json;
    let held = |client: &&Value| client["scope"].as_str().unwrap().contains("jeton:admin");
    let others: Vec<&Value> = names["items"].as_array().unwrap().iter().filter(held).collect();
    assert!(others.len() >= 3, "{others:?}");
    let all: Vec<Value> =
        others.iter().map(|client| json!({"client_id": client["client_id"], "enabled": false})).collect();
    let all_but_ops = all.into_iter().filter(|client| client["client_id"] != "ops").collect::<Vec<_>>();
    let request = json!({"set": "main", "clients": all_but_ops});
    apply_as(&app, &ops, request).await.assert_ok();
    app.forget_admin_token().await;
    let pruned = apply_as(&app, &ops, json!({"set": "main", "prune": true})).await;
    assert!(changes(&pruned).contains(&"keep client ops".to_owned()), "{pruned:?}");
    apply_as(&app, &ops, json!({"set": "main", "dry_run": true})).await.assert_ok();
});

on_both_stores!(a_set_needs_jeton_admin, async |backend| {
    let app = TestServer::start(backend).await;
    for scope in ["jeton:clients", "jeton:read", "jeton:clients jeton:users jeton:revoke jeton:read"] {
        let id = scope.replace([' ', ':'], "-");
        let client = app.client(&id, json!({"grant_types": ["client_credentials"], "scope": scope})).await;
        let answer = apply_as(&app, &client, json!({"set": "main", "dry_run": true})).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{scope}: {answer:?}");
    }
});

on_both_stores!(a_client_of_a_set_authenticates_by_the_secret_whose_hash_was_sent, async |backend| {
    use base64::Engine;
    let app = TestServer::start(backend).await;
    let secret = "jcs_test_a-secret-that-the-caller-generated";
    let hash = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(jeton::crypto::sha256(secret.as_bytes()));
    let client = |id: &str, more: Value| {
        let mut members = json!({"client_id": id, "grant_types": ["client_credentials"], "scope": "read"});
        members.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        members
    };
    let hashed = client("hashed", json!({"client_secret_sha256": hash}));
    let chosen = client("chosen", json!({"client_secret": "chosen by hand"}));
    let request = json!({"clients": [hashed, chosen], "without_secrets": false});
    let applied = apply(&app, "main", request.clone()).await;
    assert_eq!(changes(&applied), ["create client hashed", "create client chosen"]);
    assert!(!applied.body.contains(&hash) && !applied.body.contains("chosen by hand"));
    for (id, secret) in [("hashed", secret), ("chosen", "chosen by hand")] {
        let client = TestClient { id: id.to_owned(), secret: Some(secret.to_owned()), in_body: false };
        app.token(&client, &[CLIENT_CREDENTIALS]).await.assert_ok();
    }
    assert!(changes(&apply(&app, "main", request).await).is_empty(), "a secret counts when the client is created");
    for (more, word) in [
        (json!({"client_secret_sha256": "short"}), "client_secret_sha256"),
        (json!({"client_secret_sha256": 1}), "client_secret_sha256"),
        (json!({"client_secret_sha256": hash, "client_secret": "x"}), "one of them"),
        (json!({"client_secret_sha256": hash, "token_endpoint_auth_method": "none", "grant_types": []}), "has none"),
    ] {
        let answer = apply(&app, "main", json!({"clients": [client("x", more)]})).await;
        assert_refused(&answer, 400, &["clients[0]", word]);
        assert!(!answer.body.contains(&hash));
    }
});

on_both_stores!(of_many_at_once_each_is_applied_whole_or_not_at_all, async |backend| {
    let app = TestServer::start(backend).await;
    app.admin_token().await;
    let requests = (0..8).map(|number| {
        let clients: Vec<Value> = (0..20)
            .map(|index| json!({"client_id": format!("c{index}"), "client_name": format!("by {number}")}))
            .collect();
        apply(&app, "main", json!({"clients": clients}))
    });
    let answers = futures_util::future::join_all(requests).await;
    let won = answers.iter().filter(|answer| answer.status == StatusCode::OK).count();
    assert!(won >= 1, "{answers:?}");
    for lost in answers.iter().filter(|answer| answer.status != StatusCode::OK) {
        assert_refused(lost, 409, &["nothing was applied"]);
    }
    let listed = app.admin(Method::GET, "/admin/v1/clients?limit=200", None).await.json;
    let own = |client: &&Value| client["client_id"].as_str().unwrap().starts_with('c');
    let names: Vec<&str> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(own)
        .filter_map(|client| client["client_name"].as_str())
        .collect();
    assert_eq!(names.len(), 20);
    assert!(names.iter().all(|name| name == &names[0]), "{names:?}");
});
