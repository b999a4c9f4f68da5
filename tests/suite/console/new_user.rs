//! Users who are created in the console, and set their passwords themselves.

use reqwest::Method;
use serde_json::json;

use super::{PASSWORD, assert_status, person, setup, start, user_with_role};
use crate::support::browser::{Browser, Form};
use crate::support::{TestServer, on_both_stores};

/// How many users have this name.
async fn count(app: &TestServer, username: &str) -> usize {
    let list = app.admin(Method::GET, &format!("/admin/v1/users?username={username}"), None).await;
    list.assert_ok().json["items"].as_array().unwrap().len()
}

on_both_stores!(a_new_user_sets_the_password_by_a_link_that_is_shown_once, async |backend| {
    let app = start(backend).await;
    user_with_role(&app, "paul", None).await;
    let (_, mut ute) = person(&app, "ute", "users").await;
    assert!(ute.get(&app, "/console/users").await.body.contains("href=\"/console/new-user\""));
    let page = ute.get(&app, "/console/new-user").await;
    assert!(!page.body.contains("name=\"role\""), "only administrators give roles: {page:?}");
    let form = Form::to(&page, "create").with("username", "grace").with("name", "Grace H").with("scope", "read");
    // What is wrong stands beside the field, and what was typed stays.
    for (field, value, status, problem) in [
        ("username", "", 400, "Type in a name."),
        ("username", "PAUL", 409, "There is a user"),
        ("username", "5d9a7a6e-5f0a-4d55-9c6c-0f0c31f0f0aa", 400, "must not have the form"),
        ("scope", "a\"b", 400, "This is no scope"),
        ("scope", "jeton:admin", 400, "never granted to users"),
        ("sub", "paul\u{e9}", 400, ""),
    ] {
        let page = ute.send(&app, form.clone().with(field, value)).await;
        assert_status(&page, status);
        assert!(page.body.contains("aria-invalid=\"true\"") && page.body.contains(problem), "{field}: {page:?}");
        assert!(page.body.contains("value=\"Grace H\""), "{page:?}");
    }
    assert_eq!(count(&app, "grace").await, 0);
    let shown = ute.send(&app, form.clone()).await;
    shown.assert_ok();
    assert_eq!(shown.header("cache-control"), Some("no-store"));
    let link = shown.body.split("<pre>").nth(1).unwrap().split('<').next().unwrap();
    let path = link.strip_prefix(app.issuer()).unwrap();
    let mut grace = Browser::default();
    let page = grace.get(&app, path).await;
    let set = Form::of(&page).with("password", PASSWORD).with("password_again", PASSWORD);
    let answer = grace.send(&app, set).await;
    assert!(answer.status.as_u16() < 400, "{answer:?}");
    assert_status(&Browser::default().get(&app, path).await, 400);
    Browser::logged_in(&app, ("grace", PASSWORD)).await;
    let user = app.admin(Method::GET, "/admin/v1/users/grace", None).await.json;
    assert_eq!(
        (&user["profile"], &user["scope"], &user["role"]),
        (&json!({"name": "Grace H"}), &json!("read"), &json!(null))
    );
    let id = user["id"].as_str().unwrap();
    assert!(shown.body.contains(&format!("href=\"/console/user?id={id}\"")), "{shown:?}");
    assert!(!ute.get(&app, &format!("/console/user?id={id}")).await.body.contains(link));
});

on_both_stores!(a_new_user_gets_a_role_from_an_administrator_who_proves_it, async |backend| {
    let app = TestServer::start_with(backend, setup().with_manual_clock()).await;
    let (_, mut ute) = person(&app, "ute", "users").await;
    let form = Form::to(&ute.get(&app, "/console/new-user").await, "create").with("username", "eve");
    assert_status(&ute.send(&app, form.with("role", "admin")).await, 403);
    assert_eq!(count(&app, "eve").await, 0);
    let (_, mut ada) = person(&app, "ada", "admin").await;
    let form = Form::to(&ada.get(&app, "/console/new-user").await, "create").with("username", "ruth");
    let page = ada.send(&app, form.clone().with("role", "root")).await;
    assert_status(&page, 400);
    assert!(page.body.contains("There is no such role."), "{page:?}");
    app.advance(301);
    app.forget_admin_token().await;
    let asked = ada.send(&app, form.clone().with("role", "read")).await;
    assert!(asked.assert_ok().body.contains("Is it still you?"), "{asked:?}");
    assert_eq!(count(&app, "ruth").await, 0);
    let shown = ada.send(&app, Form::of(&asked).with("password", PASSWORD)).await;
    assert!(shown.assert_ok().body.contains("<pre>"), "{shown:?}");
    let user = app.admin(Method::GET, "/admin/v1/users/ruth", None).await.json;
    assert_eq!(user["role"], "read");
});
