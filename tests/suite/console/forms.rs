//! The forms of the console: whose they are, and what they take before something that cannot be undone.

use reqwest::Method;
use serde_json::{Value, json};

use super::{PASSWORD, assert_leads, assert_status, person, setup, start, user_with_role};
use crate::support::browser::{Browser, Form};
use crate::support::{TestServer, on_both_stores};

async fn is_enabled(app: &TestServer, path: &str) -> Value {
    app.admin(Method::GET, path, None).await.assert_ok().json["enabled"].clone()
}

on_both_stores!(a_form_of_another_site_another_browser_or_another_person_is_refused, async |backend| {
    let app = start(backend).await;
    app.main_client("main").await;
    let (_, mut ada) = person(&app, "ada", "admin").await;
    let (_, mut mallory) = person(&app, "mallory", "admin").await;
    let address = "/console/client?id=main";
    let form = Form::to(&ada.get(&app, address).await, "disable");
    let foreign = Form::to(&mallory.get(&app, address).await, "disable");
    let account = Form::to(&ada.get(&app, "/account").await, "log_out");
    for wrong in [
        form.clone().without("proof"),
        form.clone().with("proof", "x"),
        form.clone().with("proof", foreign.field("proof").unwrap()),
        form.clone().with("proof", account.field("proof").unwrap()),
    ] {
        assert_status(&ada.send(&app, wrong).await, 403);
    }
    // Whoever is not logged in gets the login page, and nothing is done after the login.
    let page = Browser::default().send(&app, form.clone()).await;
    assert!(page.body.contains("name=\"password\""), "{page:?}");
    assert_eq!(is_enabled(&app, "/admin/v1/clients/main").await, json!(true));
    assert_leads(&ada.send(&app, form).await, "/console/client?id=main&done=disabled");
    assert_eq!(is_enabled(&app, "/admin/v1/clients/main").await, json!(false));
});

on_both_stores!(what_cannot_be_undone_takes_a_recent_password, async |backend| {
    let app = TestServer::start_with(backend, setup().with_manual_clock()).await;
    app.main_client("main").await;
    let (_, mut ada) = person(&app, "ada", "admin").await;
    let form = Form::to(&ada.get(&app, "/console/client?id=main").await, "disable");
    app.advance(301);
    let asked = ada.send(&app, form.clone()).await;
    asked.assert_ok();
    assert!(asked.body.contains("Is it still you?"), "{asked:?}");
    app.forget_admin_token().await;
    assert_eq!(is_enabled(&app, "/admin/v1/clients/main").await, json!(true));
    let again = Form::of(&asked);
    assert_eq!(
        (again.field("action"), again.field("id"), again.action.as_str()),
        (Some("disable"), Some("main"), "/console/client")
    );
    let wrong = ada.send(&app, again.clone().with("password", "wrong")).await;
    assert_status(&wrong, 400);
    assert!(wrong.body.contains("The password or the code is wrong."), "{wrong:?}");
    assert_eq!(is_enabled(&app, "/admin/v1/clients/main").await, json!(true));
    let done = ada.send(&app, again.with("password", PASSWORD)).await;
    assert_leads(&done, "/console/client?id=main&done=disabled");
    // For five minutes it is not asked for again.
    app.advance(299);
    let page = ada.get(&app, "/console/client?id=main").await;
    assert_leads(&ada.send(&app, Form::to(&page, "enable")).await, "/console/client?id=main&done=enabled");
    assert_leads(&ada.send(&app, form).await, "/console/client?id=main&done=disabled");
    // Each other act that gives power or cannot be undone asks as well.
    let one_secret = ada.get(&app, "/console/client?id=main").await;
    assert!(!one_secret.body.contains("retire_secret"), "the only secret stays");
    app.forget_admin_token().await;
    assert_status(&app.admin(Method::POST, "/admin/v1/clients/main/secrets", None).await, 201);
    app.advance(302);
    app.forget_admin_token().await;
    let paul = user_with_role(&app, "paul", None).await;
    let user = ada.get(&app, &format!("/console/user?id={paul}")).await;
    let keys = ada.get(&app, "/console/keys").await;
    let revoke = ada.get(&app, &format!("/console/revoke?user={paul}")).await;
    let client = ada.get(&app, "/console/client?id=main").await;
    for (page, action) in [
        (&user, "disable"),
        (&user, "delete"),
        (&user, "password_link"),
        (&user, "set_role"),
        (&keys, "rotate"),
        (&keys, "delete"),
        (&revoke, "revoke"),
        (&client, "enable"),
        (&client, "delete"),
        (&client, "retire_secret"),
        (&one_secret, "add_secret"),
    ] {
        let asked = ada.send(&app, Form::to(page, action)).await;
        assert!(asked.body.contains("Is it still you?"), "{action}: {asked:?}");
    }
    assert_eq!(is_enabled(&app, &format!("/admin/v1/users/{paul}")).await, json!(true));
    // So does each form that makes or changes what gives power.
    let proof = Form::to(&keys, "rotate").field("proof").unwrap().to_owned();
    for (path, fields) in [
        ("/console/new-client", vec![("action", "create"), ("kind", "service")]),
        ("/console/client-settings", vec![("action", "save"), ("id", "main")]),
        ("/console/new-resource", vec![]),
        ("/console/change-resource", vec![]),
        ("/console/new-issuer", vec![]),
        ("/console/change-issuer", vec![]),
        ("/console/issuer", vec![("action", "remove_rule")]),
        ("/console/issuer", vec![("action", "enable")]),
        ("/console/issuer-rule", vec![]),
        ("/console/allow-github", vec![]),
        ("/console/new-user", vec![("username", "new")]),
        ("/console/user", vec![("action", "remove_second_factor"), ("id", paul.as_str())]),
    ] {
        let fields = [&fields[..], &[("proof", proof.as_str())]].concat();
        let asked = ada.post(&app, path, &fields).await;
        assert!(asked.body.contains("Is it still you?"), "{path}: {asked:?}");
    }
});

on_both_stores!(guessing_the_password_again_is_slowed_down, async |backend| {
    let app = TestServer::start_with(backend, setup().with_manual_clock().set("JETON_THROTTLING", "on")).await;
    app.main_client("main").await;
    let (_, mut ada) = person(&app, "ada", "admin").await;
    let form = Form::to(&ada.get(&app, "/console/client?id=main").await, "disable");
    app.advance(301);
    let asked = Form::of(&ada.send(&app, form).await);
    let mut last = 0;
    for _ in 0..30 {
        last = ada.send(&app, asked.clone().with("password", "wrong")).await.status.as_u16();
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429);
    assert_status(&ada.send(&app, asked.with("password", PASSWORD)).await, 429);
});

on_both_stores!(an_id_in_a_form_gives_no_power_over_those_with_a_role, async |backend| {
    let app = start(backend).await;
    let ada = user_with_role(&app, "ada", Some("admin")).await;
    let paul = user_with_role(&app, "paul", None).await;
    let (own, mut ute) = person(&app, "ute", "users").await;
    let page = ute.get(&app, &format!("/console/user?id={ada}")).await;
    page.assert_ok();
    assert!(!page.body.contains("name=\"action\""), "there is nothing to do: {page:?}");
    let page = ute.get(&app, &format!("/console/user?id={paul}")).await;
    assert!(!page.body.contains("set_role"), "{page:?}");
    let form = Form::to(&page, "disable");
    for id in [&ada, &own] {
        for action in ["disable", "delete", "password_link", "remove_second_factor"] {
            let answer = ute.send(&app, form.clone().with("id", id).with("action", action)).await;
            assert_eq!(answer.status.as_u16(), 403, "{action}: {answer:?}");
        }
    }
    let escalation = form.clone().with("action", "set_role").with("role", "admin");
    assert_status(&ute.send(&app, escalation.clone()).await, 403);
    assert_status(&ute.send(&app, escalation.with("id", &own)).await, 403);
    let still = app.admin(Method::GET, &format!("/admin/v1/users/{own}"), None).await;
    assert_eq!((&still.json["role"], &still.json["enabled"]), (&json!("users"), &json!(true)));
    assert_leads(&ute.send(&app, form).await, &format!("/console/user?id={paul}&done=disabled"));
    // The clients of administration are out of reach of who administers clients.
    let (_, mut clara) = person(&app, "clara", "clients").await;
    let members = json!({"grant_types": ["client_credentials"], "scope": "jeton:admin"});
    app.client("root", members).await;
    app.main_client("main").await;
    let form = Form::to(&clara.get(&app, "/console/client?id=main").await, "add_secret");
    assert_status(&clara.send(&app, form.with("id", "root")).await, 403);
});

on_both_stores!(bad_forms_are_refused_and_change_nothing, async |backend| {
    let app = start(backend).await;
    app.main_client("main").await;
    let (_, mut ada) = person(&app, "ada", "admin").await;
    let form = Form::to(&ada.get(&app, "/console/client?id=main").await, "disable");
    for (wrong, status) in [
        (form.clone().with("action", "unknown"), 400),
        (form.clone().without("action"), 400),
        (form.clone().with("id", "nobody"), 404),
        (form.clone().with("id", ""), 404),
        (form.clone().with("id", "a\0b"), 400),
        (form.clone().with("id", &"x".repeat(10_000)), 404),
    ] {
        let answer = ada.send(&app, wrong.clone()).await;
        assert_eq!(answer.status.as_u16(), status, "{wrong:?}: {answer:?}");
    }
    for path in ["/console/clients?cursor=x", "/console/audit?from=yesterday", "/console/users?user=a%00b"] {
        assert_status(&ada.get(&app, path).await, 400);
    }
    for path in
        ["/console/client?id=none", "/console/session?id=x", "/console/revocation?number=1", "/console/users?user=none"]
    {
        assert_status(&ada.get(&app, path).await, 404);
    }
    // What was typed stays, and what is wrong stands beside it.
    for (path, typed) in [
        ("/console/audit?from=yesterday&actor=ops", "value=\"ops\""),
        ("/console/sessions?user=none", "value=\"none\""),
    ] {
        let page = ada.get(&app, path).await;
        assert!(page.body.contains(typed) && page.body.contains("aria-invalid=\"true\""), "{page:?}");
    }
    let (revoke, long) = (ada.get(&app, "/console/revoke?client=main").await, "x".repeat(501));
    let page = ada.send(&app, Form::to(&revoke, "revoke").with("reason", &long)).await;
    assert_status(&page, 400);
    assert!(page.body.contains("Reason is at most 500 bytes") && page.body.contains(&long), "{page:?}");
    assert_eq!(is_enabled(&app, "/admin/v1/clients/main").await, json!(true));
});
