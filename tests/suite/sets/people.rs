//! Roles that a set gives.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{apply, assert_refused, changes, exists};
use crate::support::{TestServer, on_both_stores};

/// Creates users without a role.
async fn users(app: &TestServer, names: &[&str]) {
    for name in names {
        app.user(name, "Wonderland-1865").await;
    }
}

async fn role_of(app: &TestServer, user: &str) -> Value {
    app.admin(Method::GET, &format!("/admin/v1/users/{user}"), None).await.assert_ok().json["role"].clone()
}

async fn give(app: &TestServer, user: &str, role: Value) {
    app.admin(Method::PATCH, &format!("/admin/v1/users/{user}"), Some(json!({"role": role}))).await.assert_ok();
}

/// The members of a request for these roles.
fn roles(pairs: &[(&str, &str)]) -> Value {
    let entry = |(username, role): &(&str, &str)| json!({"username": username, "role": role});
    json!({"roles": pairs.iter().map(entry).collect::<Vec<_>>()})
}

fn pruning(mut request: Value) -> Value {
    request["prune"] = json!(true);
    request
}

on_both_stores!(a_set_gives_and_changes_roles_and_a_second_time_changes_nothing, async |backend| {
    let app = TestServer::start(backend).await;
    users(&app, &["Älice", "ben"]).await;
    give(&app, "ben", json!("read")).await;
    let wanted = roles(&[("Älice", "admin"), ("ben", "users")]);
    let mut asked = wanted.clone();
    asked["dry_run"] = json!(true);
    let planned = apply(&app, "main", asked).await;
    assert_eq!(changes(&planned), ["create role Älice", "update role ben"]);
    let members = |index: usize| planned.json["changes"][index]["members"].clone();
    assert_eq!(members(0), json!([{"name": "role", "before": null, "after": "admin"}]));
    assert_eq!(members(1), json!([{"name": "role", "before": "read", "after": "users"}]));
    assert_eq!(role_of(&app, "ben").await, "read", "a dry run changes nothing");
    apply(&app, "main", wanted).await.assert_ok();
    assert_eq!((role_of(&app, "Älice").await, role_of(&app, "ben").await), (json!("admin"), json!("users")));
    // However it is spelt.
    let again = apply(&app, "main", roles(&[("ÄLICE", "admin"), ("Ben", "users")])).await;
    assert_eq!((changes(&again).len(), &again.json["unchanged"], &again.json["joined"]), (0, &json!(2), &json!(0)));
    let trail = app.admin(Method::GET, "/admin/v1/audit?action=user.role", None).await.json;
    let records: Vec<(&Value, bool)> = trail["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| (&record["detail"], record["actor"].as_str().unwrap().starts_with("client ")))
        .collect();
    assert_eq!(records, [(&json!("role users"), true), (&json!("role admin"), true), (&json!("role read"), true)]);
    let listed = app.admin(Method::GET, "/admin/v1/users?with_role=true", None).await.json;
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    users(&app, &["carl"]).await;
    for (query, count) in [("with_role=true", 2), ("with_role=false", 3), ("with_role=true&username=carl", 0)] {
        let listed = app.admin(Method::GET, &format!("/admin/v1/users?{query}"), None).await.json;
        assert_eq!(listed["items"].as_array().unwrap().len(), count, "{query}");
    }
});

on_both_stores!(nothing_of_a_set_is_applied_if_one_role_is_refused, async |backend| {
    let app = TestServer::start(backend).await;
    users(&app, &["anna", "ben"]).await;
    give(&app, "anna", json!("admin")).await;
    app.client("ops", json!({})).await;
    for (status, entries, words) in [
        (
            409,
            json!([{"username": "ben", "role": "read"}, {"username": "nobody", "role": "read"}]),
            &["roles[1]: username: there is no such user"][..],
        ),
        (
            409,
            json!([{"username": "ben", "role": "read"}, {"username": "anna", "role": "read"}]),
            &["roles[1]", "last enabled administrator"],
        ),
        (
            400,
            json!([{"username": "ben", "role": "read"}, {"username": "BEN", "role": "read"}]),
            &["roles[1]: username: the role BEN is named twice"],
        ),
        (400, json!([{"username": "ben", "role": "root"}]), &["roles[0]: role"]),
        (400, json!([{"username": "ben", "role": null}]), &["roles[0]: role"]),
        (400, json!([{"username": "ben"}]), &["roles[0]: missing field `role`"]),
        (400, json!([{"username": " ben", "role": "read"}]), &["roles[0]: username"]),
        (
            409,
            json!([{"username": "ben", "role": "read"}, {"username": "anna", "sub": "other", "role": "admin"}]),
            &["roles[1]: sub: the user anna has the sub", "not \"other\"", "correct the entry", "leave sub out"],
        ),
        (409, json!([{"username": "eve", "sub": "BEN", "role": "read"}]), &["roles[0]", "leads to another user"]),
        (409, json!([{"username": "eve", "sub": "ops", "role": "read"}]), &["roles[0]", "client_id of a client"]),
        (409, json!([{"username": "eve", "sub": "good", "role": "read"}]), &["role eve", "client_id of a client"]),
        (
            400,
            json!([{"username": "eve", "sub": "e1", "role": "read"}, {"username": "EVE", "sub": "e2", "role": "read"}]),
            &["roles[1]: username: the user EVE is named twice"],
        ),
        (400, json!([{"username": "ben", "sub": " x", "role": "read"}]), &["roles[0]: sub"]),
        (400, json!([{"username": "ben", "role": "read", "password": "x"}]), &["roles[0]: unknown member `password`"]),
    ] {
        let clients = json!([{"client_id": "good", "token_endpoint_auth_method": "none"}]);
        assert_refused(&apply(&app, "main", json!({"clients": clients, "roles": entries})).await, status, words);
        assert!(!exists(&app, "good").await, "{words:?}");
        assert_eq!((role_of(&app, "anna").await, role_of(&app, "ben").await), (json!("admin"), Value::Null));
    }
    // One goes as another one comes.
    let swapped = apply(&app, "main", roles(&[("anna", "read"), ("ben", "admin")])).await;
    assert_eq!(changes(&swapped), ["update role anna", "create role ben"]);
    assert_eq!((role_of(&app, "anna").await, role_of(&app, "ben").await), (json!("read"), json!("admin")));
});

on_both_stores!(pruning_takes_only_the_roles_that_the_set_gave_and_never_the_last_administrator, async |backend| {
    let app = TestServer::start(backend).await;
    users(&app, &["anna", "ben", "carl"]).await;
    give(&app, "carl", json!("users")).await;
    apply(&app, "other", roles(&[("ben", "read")])).await.assert_ok();
    let refused = apply(&app, "main", roles(&[("ben", "read")])).await;
    assert_refused(&refused, 409, &["roles[0]: username: the role ben belongs to the set other"]);
    apply(&app, "main", roles(&[("anna", "admin")])).await.assert_ok();
    let pruned = apply(&app, "main", pruning(json!({}))).await;
    assert_eq!(changes(&pruned), ["keep role anna"]);
    give(&app, "carl", json!("admin")).await;
    assert_eq!(changes(&apply(&app, "main", pruning(json!({}))).await), ["delete role anna"]);
    let left = [role_of(&app, "anna").await, role_of(&app, "ben").await, role_of(&app, "carl").await];
    assert_eq!(left, [Value::Null, json!("read"), json!("admin")]);
    // What was taken by hand and given anew, or to another user of that name, is another role.
    apply(&app, "main", roles(&[("anna", "read")])).await.assert_ok();
    give(&app, "anna", Value::Null).await;
    give(&app, "anna", json!("read")).await;
    assert!(changes(&apply(&app, "main", pruning(json!({}))).await).is_empty());
    apply(&app, "main", roles(&[("anna", "read")])).await.assert_ok();
    let (sub, path) = (app.admin(Method::GET, "/admin/v1/users/anna", None).await.text("sub"), "/admin/v1/users/anna");
    assert_eq!(app.admin(Method::DELETE, path, None).await.status, StatusCode::NO_CONTENT);
    let new = json!({"username": "anna", "sub": format!("x{sub}"), "role": "read"});
    assert_eq!(app.admin(Method::POST, "/admin/v1/users", Some(new)).await.status, StatusCode::CREATED);
    assert!(changes(&apply(&app, "main", pruning(json!({}))).await).is_empty());
    // A role stays with its set when the user is renamed.
    apply(&app, "main", roles(&[("anna", "users")])).await.assert_ok();
    app.admin(Method::PATCH, path, Some(json!({"username": "anne"}))).await.assert_ok();
    let mut taking = roles(&[("anne", "users")]);
    assert_refused(&apply(&app, "other", taking.clone()).await, 409, &["the role anne belongs to the set main"]);
    taking["take_over"] = json!(true);
    assert!(changes(&apply(&app, "other", taking).await).is_empty());
    assert!(changes(&apply(&app, "main", pruning(json!({}))).await).is_empty());
    assert_eq!(changes(&apply(&app, "other", pruning(json!({}))).await), ["delete role anne", "delete role ben"]);
});

/// An entry of a role with the `sub` of its user.
fn with_sub(username: &str, sub: &str, role: &str) -> Value {
    json!({"roles": [{"username": username, "sub": sub, "role": role}]})
}

on_both_stores!(a_role_with_a_sub_means_that_user_and_creates_one_who_cannot_log_in, async |backend| {
    let app = TestServer::start(backend).await;
    let client = app.client("app", json!({"grant_types": ["password"], "scope": "read"})).await;
    let mut asked = with_sub("Zoë", "idp|7", "admin");
    asked["dry_run"] = json!(true);
    let planned = apply(&app, "main", asked.clone()).await;
    assert_eq!(changes(&planned), ["create role Zoë"]);
    assert_eq!(planned.json["changes"][0]["creates_user"], true);
    let find = async || app.admin(Method::GET, "/admin/v1/users?username=Zo%C3%AB", None).await.json["items"].clone();
    assert_eq!(find().await, json!([]), "a dry run creates nobody");
    asked["dry_run"] = json!(false);
    apply(&app, "main", asked.clone()).await.assert_ok();
    let made = find().await[0].clone();
    let expected = ("idp|7", "admin", true, false);
    let found = (&made["sub"], &made["role"], &made["enabled"], &made["has_password"]);
    assert_eq!(found, (&json!(expected.0), &json!(expected.1), &json!(expected.2), &json!(expected.3)));
    assert_eq!(made.get("scope"), None);
    for (action, detail) in [("user.create", "role admin"), ("user.role", "role admin")] {
        let trail = app.admin(Method::GET, &format!("/admin/v1/audit?action={action}"), None).await.json;
        let record = &trail["items"][0];
        assert_eq!(record["target"], format!("user {}", made["id"].as_str().unwrap()), "{trail}");
        assert_eq!(record["detail"], detail);
    }
    for password in ["Wonderland-1865", ""] {
        let form = [("grant_type", "password"), ("username", "Zoë"), ("password", password)];
        let answer = app.token(&client, &form).await;
        assert!(answer.status.as_u16() == 400, "{answer:?}");
    }
    let again = apply(&app, "main", asked).await;
    assert_eq!((changes(&again).len(), &again.json["unchanged"], &again.json["joined"]), (0, &json!(1), &json!(0)));

    // Whoever gets the name is somebody else.
    app.admin(Method::PATCH, "/admin/v1/users/idp%7C7", Some(json!({"username": "zoe"}))).await.assert_ok();
    assert_eq!(changes(&apply(&app, "main", with_sub("Zoë", "idp|7", "users")).await), ["update role zoe"]);
    users(&app, &["Zoë"]).await;
    let refused = apply(&app, "main", with_sub("Zoë", "idp|7", "admin")).await;
    assert_refused(&refused, 409, &["roles[0]: sub: the user Zoë has the sub", "not \"idp|7\""]);
    assert_eq!((role_of(&app, "Zo%C3%AB").await, role_of(&app, "zoe").await), (Value::Null, json!("users")));

    // Pruning takes the role and leaves the user.
    assert_eq!(changes(&apply(&app, "main", pruning(json!({}))).await), ["delete role zoe"]);
    assert_eq!(role_of(&app, "zoe").await, Value::Null);
});

on_both_stores!(a_user_without_a_password_is_not_the_administrator_who_is_left, async |backend| {
    let app = TestServer::start(backend).await;
    users(&app, &["anna"]).await;
    apply(&app, "main", roles(&[("anna", "admin")])).await.assert_ok();
    let mut wanted = with_sub("zoe", "z", "admin");
    assert_eq!(changes(&apply(&app, "main", pruning(wanted.clone())).await), ["create role zoe", "keep role anna"]);
    wanted["roles"].as_array_mut().unwrap().push(json!({"username": "anna", "role": "read"}));
    assert_refused(&apply(&app, "main", wanted.clone()).await, 409, &["roles[1]", "last enabled administrator"]);
    for (method, body) in [(Method::DELETE, None), (Method::PATCH, Some(json!({"enabled": false})))] {
        let refused = app.admin(method, "/admin/v1/users/anna", body).await;
        assert_refused(&refused, 409, &["last enabled administrator with a password"]);
    }
    let password = json!({"password": "Wonderland-1865"});
    app.admin(Method::PUT, "/admin/v1/users/zoe/password", Some(password)).await;
    assert_eq!(changes(&apply(&app, "main", wanted).await), ["update role anna"]);
});
