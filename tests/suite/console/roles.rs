//! Roles: who gives them, what they allow, and what a change of one ends.

use reqwest::Method;
use serde_json::{Value, json};

use super::{PASSWORD, assert_leads, assert_status, person, setup, start, user_with_role};
use crate::support::authenticator::{Authenticator, recovery_codes_of};
use crate::support::browser::{Browser, Form};
use crate::support::scene::{ALICE, CLIENT_CREDENTIALS};
use crate::support::{Answer, Setup, TestServer, on_both_stores};

/// A token of a client with this scope.
async fn token_with(app: &TestServer, scope: &str) -> String {
    let members = json!({"grant_types": ["client_credentials"], "scope": scope});
    let client = app.client(&scope.replace(':', "-"), members).await;
    app.token(&client, &[CLIENT_CREDENTIALS]).await.text("access_token")
}

async fn ask(app: &TestServer, token: &str, method: Method, path: &str, body: Value) -> Answer {
    let request = app.http.request(method, format!("{}{path}", app.base)).bearer_auth(token);
    Answer::of(if body.is_null() { request } else { request.json(&body) }).await
}

async fn role_of(app: &TestServer, user: &str) -> Value {
    app.admin(Method::GET, &format!("/admin/v1/users/{user}"), None).await.assert_ok().json["role"].clone()
}

on_both_stores!(only_administrators_give_roles_and_change_who_has_one, async |backend| {
    let app = start(backend).await;
    let (users, revoke) = (token_with(&app, "jeton:users").await, token_with(&app, "jeton:revoke").await);
    let with_role = user_with_role(&app, "ruth", Some("read")).await;
    let plain = user_with_role(&app, "paul", None).await;
    let one = |id: &str| format!("/admin/v1/users/{id}");
    for (method, path, body) in [
        (Method::POST, "/admin/v1/users".to_owned(), json!({"username": "new", "role": "read"})),
        (Method::PATCH, one(&plain), json!({"role": "users"})),
        (Method::PATCH, one(&plain), json!({"role": null})),
        (Method::PATCH, one(&with_role), json!({"username": "other"})),
        (Method::PATCH, one(&with_role), json!({"enabled": false})),
        (Method::PATCH, one(&with_role), json!({"scope": "x"})),
        (Method::PATCH, one(&with_role), json!({"role": null})),
        (Method::PUT, format!("{}/password", one(&with_role)), json!({"password": "another"})),
        (Method::POST, format!("{}/password-link", one(&with_role)), Value::Null),
        (Method::DELETE, format!("{}/second-factor", one(&with_role)), Value::Null),
        (Method::DELETE, one(&with_role), Value::Null),
    ] {
        let answer = ask(&app, &users, method.clone(), &path, body.clone()).await;
        assert_eq!(answer.status.as_u16(), 403, "{method} {path} {body}: {answer:?}");
        assert!(answer.header("www-authenticate").unwrap().contains("jeton:admin"), "{answer:?}");
    }
    let ended = ask(&app, &revoke, Method::POST, "/admin/v1/revocations", json!({"user": with_role})).await;
    assert_status(&ended, 403);
    assert_eq!((role_of(&app, &with_role).await, role_of(&app, &plain).await), (json!("read"), Value::Null));
    // Others are administered as before.
    ask(&app, &users, Method::PATCH, &one(&plain), json!({"scope": "x"})).await.assert_ok();
    assert_status(&ask(&app, &revoke, Method::POST, "/admin/v1/revocations", json!({"user": plain})).await, 201);
    let wrong = app.admin(Method::PATCH, &one(&plain), Some(json!({"role": "root"}))).await;
    assert_status(&wrong, 400);
});

on_both_stores!(a_client_that_asks_nobody_is_administered_by_administrators_alone, async |backend| {
    let app = start(backend).await;
    let clients = token_with(&app, "jeton:clients").await;
    let new = json!({"client_id": "skipping", "grant_types": ["authorization_code"], "consent": "skip"});
    assert_status(&ask(&app, &clients, Method::POST, "/admin/v1/clients", new.clone()).await, 403);
    assert_status(&app.admin(Method::POST, "/admin/v1/clients", Some(new)).await, 201);
    let patch = json!({"client_name": "x"});
    assert_status(&ask(&app, &clients, Method::PATCH, "/admin/v1/clients/skipping", patch).await, 403);
});

on_both_stores!(another_role_ends_the_logins_of_the_user_and_its_links, async |backend| {
    let app = start(backend).await;
    let (id, mut browser) = person(&app, "ruth", "read").await;
    browser.get(&app, "/console").await.assert_ok();
    let path = format!("/admin/v1/users/{id}");
    let link = app.admin(Method::POST, &format!("{path}/password-link"), None).await.text("url");
    // The same role changes nothing.
    app.admin(Method::PATCH, &path, Some(json!({"role": "read"}))).await.assert_ok();
    browser.get(&app, "/console").await.assert_ok();
    app.admin(Method::PATCH, &path, Some(json!({"role": "clients"}))).await.assert_ok();
    let page = browser.get(&app, "/console").await;
    assert!(page.body.contains("name=\"password\"") && !page.body.contains("Overview"), "{page:?}");
    let link = link.strip_prefix(app.issuer()).unwrap();
    assert_status(&Browser::default().get(&app, link).await, 400);
    let mut again = Browser::logged_in(&app, ("ruth", PASSWORD)).await;
    again.get(&app, "/console/clients").await.assert_ok();
    app.admin(Method::PATCH, &path, Some(json!({"role": null}))).await.assert_ok();
    assert!(again.get(&app, "/console/clients").await.body.contains("name=\"password\""));
    let mut last = Browser::logged_in(&app, ("ruth", PASSWORD)).await;
    assert_status(&last.get(&app, "/console/clients").await, 403);
    let records = app.admin(Method::GET, "/admin/v1/audit?action=user.role", None).await;
    let details: Vec<&Value> =
        records.json["items"].as_array().unwrap().iter().map(|record| &record["detail"]).collect();
    assert_eq!(details, ["no role", "role clients", "role read"]);
});

on_both_stores!(a_role_that_a_set_gives_or_takes_ends_the_logins_of_its_user_alone, async |backend| {
    let app = start(backend).await;
    let (_, mut ruth) = person(&app, "ruth", "read").await;
    let (_, mut paul) = person(&app, "paul", "read").await;
    let apply = async |roles: Value| {
        let request = json!({"set": "main", "prune": true, "roles": roles});
        app.admin(Method::POST, "/admin/v1/apply", Some(request)).await.assert_ok();
    };
    let paul_reads = json!({"username": "paul", "role": "read"});
    apply(json!([{"username": "ruth", "role": "clients"}, paul_reads])).await;
    assert!(ruth.get(&app, "/console").await.body.contains("name=\"password\""));
    let mut again = Browser::logged_in(&app, ("ruth", PASSWORD)).await;
    again.get(&app, "/console/clients").await.assert_ok();
    apply(json!([paul_reads])).await;
    assert!(again.get(&app, "/console/clients").await.body.contains("name=\"password\""));
    let mut last = Browser::logged_in(&app, ("ruth", PASSWORD)).await;
    assert_status(&last.get(&app, "/console/clients").await, 403);
    paul.get(&app, "/console").await.assert_ok();
});

on_both_stores!(the_last_enabled_administrator_stays, async |backend| {
    let app = start(backend).await;
    let id = user_with_role(&app, "ada", Some("admin")).await;
    let path = format!("/admin/v1/users/{id}");
    let attempts = async |status: u16| {
        for body in [json!({"enabled": false}), json!({"role": null}), json!({"role": "read"})] {
            assert_status(&app.admin(Method::PATCH, &path, Some(body)).await, status);
        }
        assert_status(&app.admin(Method::DELETE, &path, None).await, status);
    };
    attempts(409).await;
    // One who is disabled, or has another role, does not count.
    let second = user_with_role(&app, "grace", Some("admin")).await;
    app.admin(Method::PATCH, &format!("/admin/v1/users/{second}"), Some(json!({"enabled": false}))).await.assert_ok();
    user_with_role(&app, "ruth", Some("read")).await;
    attempts(409).await;
    assert_eq!(role_of(&app, &id).await, json!("admin"));
    app.admin(Method::PATCH, &path, Some(json!({"scope": "x"}))).await.assert_ok();
    app.admin(Method::PATCH, &format!("/admin/v1/users/{second}"), Some(json!({"enabled": true}))).await.assert_ok();
    assert_status(&app.admin(Method::DELETE, &path, None).await, 204);
});

on_both_stores!(two_administrators_who_are_removed_at_once_do_not_both_go, async |backend| {
    let app = start(backend).await;
    for round in 0..5 {
        let mut paths = Vec::new();
        for name in ["one", "two"] {
            let id = user_with_role(&app, &format!("{name}-{round}"), Some("admin")).await;
            paths.push(format!("/admin/v1/users/{id}"));
        }
        // Those of the round before are gone but for one.
        let disable = || Some(json!({"enabled": false}));
        let remaining = app.admin(Method::GET, "/admin/v1/users?limit=200", None).await;
        for other in remaining.json["items"].as_array().unwrap() {
            let other = format!("/admin/v1/users/{}", other["id"].as_str().unwrap());
            if !paths.contains(&other) {
                app.admin(Method::PATCH, &other, Some(json!({"role": null}))).await.assert_ok();
            }
        }
        let (first, second) =
            tokio::join!(app.admin(Method::PATCH, &paths[0], disable()), app.admin(Method::DELETE, &paths[1], None));
        let mut statuses = [first.status.as_u16(), second.status.as_u16()];
        statuses.sort_unstable();
        assert!(statuses == [200, 409] || statuses == [204, 409], "{first:?} {second:?}");
    }
});

on_both_stores!(each_role_sees_and_does_what_its_scope_allows, async |backend| {
    let app = start(backend).await;
    app.main_client("main").await;
    user_with_role(&app, "ada", Some("admin")).await;
    let paul = user_with_role(&app, "paul", None).await;
    let issuer =
        json!({"issuer": "https://idp.example.test", "audience": ["https://auth.example.com"], "uses": ["jwt_bearer"]});
    assert_status(&app.admin(Method::POST, "/admin/v1/issuers", Some(issuer)).await, 201);
    let (client, user) = ("/console/client?id=main", format!("/console/user?id={paul}"));
    let revoke = format!("/console/revoke?user={paul}");
    let pages: [(&str, &[&str]); 24] = [
        ("/console", &["admin", "clients", "users", "revoke", "read"]),
        ("/console/doctor", &["admin", "read"]),
        ("/console/clients", &["admin", "clients", "read"]),
        (client, &["admin", "clients", "read"]),
        ("/console/preview", &["admin", "read"]),
        ("/console/preview?client=main", &["admin", "read"]),
        ("/console/resources", &["admin", "clients", "read"]),
        ("/console/new-resource", &["admin", "clients"]),
        ("/console/issuers", &["admin", "clients", "read"]),
        ("/console/issuer?issuer=https%3A%2F%2Fidp.example.test", &["admin", "clients", "read"]),
        ("/console/issuer-test", &["admin", "clients", "read"]),
        ("/console/new-issuer", &["admin"]),
        ("/console/issuer-rule?issuer=https%3A%2F%2Fidp.example.test", &["admin"]),
        ("/console/allow-github", &["admin"]),
        ("/console/users", &["admin", "users", "read"]),
        ("/console/new-user", &["admin", "users"]),
        (user.as_str(), &["admin", "users", "read"]),
        ("/console/sessions", &["admin", "revoke", "read"]),
        ("/console/revocations", &["admin", "revoke", "read"]),
        (revoke.as_str(), &["admin", "revoke"]),
        ("/console/keys", &["admin", "read"]),
        ("/console/audit", &["admin", "read"]),
        ("/console/audit.csv", &["admin", "read"]),
        ("/console/nodes", &["admin", "read"]),
    ];
    type Sent<'a> = (&'a str, Vec<(&'a str, &'a str)>, &'a [&'a str]);
    let forms: [Sent<'_>; 15] = [
        ("/console/client", vec![("id", "main"), ("action", "enable")], &["admin", "clients"]),
        ("/console/user", vec![("id", paul.as_str()), ("action", "enable")], &["admin", "users"]),
        ("/console/keys", vec![("action", "none")], &["admin"]),
        ("/console/doctor", vec![("text", "x")], &["admin", "read"]),
        ("/console/preview", vec![("client", "main")], &["admin", "read"]),
        ("/console/resource", vec![("action", "none")], &["admin", "clients"]),
        ("/console/new-resource", vec![], &["admin", "clients"]),
        ("/console/change-resource", vec![("resource", "https://none.example.test")], &["admin", "clients"]),
        ("/console/issuer", vec![("issuer", "https://idp.example.test"), ("action", "enable")], &["admin"]),
        ("/console/new-issuer", vec![], &["admin"]),
        ("/console/change-issuer", vec![("issuer", "https://idp.example.test")], &["admin"]),
        ("/console/issuer-rule", vec![("issuer", "https://idp.example.test")], &["admin"]),
        ("/console/issuer-test", vec![("token", "x")], &["admin", "clients", "read"]),
        ("/console/allow-github", vec![], &["admin"]),
        ("/console/new-user", vec![], &["admin", "users"]),
    ];
    for role in ["admin", "clients", "users", "revoke", "read"] {
        let (_, mut browser) = person(&app, &format!("with-{role}"), role).await;
        for (path, roles) in pages {
            let answer = browser.get(&app, path).await;
            let status = if roles.contains(&role) { 200 } else { 403 };
            assert_eq!(answer.status.as_u16(), status, "{role} at {path}: {answer:?}");
        }
        // Any form of the console has the proof; the navigation has none, so it is taken from a page with a form.
        let with_form = pages.iter().find(|(path, roles)| {
            roles.contains(&role) && ["/console/doctor", client, user.as_str(), revoke.as_str()].contains(path)
        });
        let page = browser.get(&app, with_form.unwrap().0).await;
        let proof = page.body.split("name=\"proof\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        for (path, fields, roles) in &forms {
            let mut fields = fields.clone();
            fields.push(("proof", &proof));
            let answer = browser.post(&app, path, &fields).await;
            assert_eq!(roles.contains(&role), answer.status.as_u16() != 403, "{role} at {path}: {answer:?}");
        }
    }
});

on_both_stores!(who_has_no_role_or_is_not_logged_in_sees_nothing, async |backend| {
    let app = start(backend).await;
    user_with_role(&app, "ada", Some("admin")).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut alice = Browser::logged_in(&app, ALICE).await;
    for path in ["/console", "/console/", "/console/clients", "/console/audit.csv", "/console/nothing"] {
        let page = alice.get(&app, path).await;
        assert_status(&page, 403);
        assert!(page.body.contains("no role") && !page.body.contains("Token doctor"), "{page:?}");
        let page = Browser::default().get(&app, path).await;
        page.assert_ok();
        assert!(page.body.contains("name=\"password\"") && !page.body.contains("Token doctor"), "{page:?}");
    }
    let (_, mut ruth) = person(&app, "ruth", "read").await;
    assert_status(&ruth.get(&app, "/console/nothing").await, 404);
});

on_both_stores!(a_login_for_the_console_leads_to_the_page_that_was_asked_for, async |backend| {
    let app = start(backend).await;
    user_with_role(&app, "ada", Some("admin")).await;
    let mut browser = Browser::default();
    let page = browser.get(&app, "/console/audit?actor=user%20x").await;
    let wrong = browser.send(&app, Form::of(&page).filled_in_by(("ada", "wrong"))).await;
    assert_status(&wrong, 400);
    let answer = browser.send(&app, Form::of(&wrong).filled_in_by(("ada", PASSWORD))).await;
    assert_leads(&answer, "/console/audit?actor=user%20x");
    browser.get(&app, "/console/audit?actor=user%20x").await.assert_ok();
});

on_both_stores!(a_role_needs_a_second_factor_unless_the_settings_say_otherwise, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    user_with_role(&app, "ada", Some("admin")).await;
    let mut browser = Browser::default();
    let page = browser.get(&app, "/console").await;
    let page = browser.send(&app, Form::of(&page).filled_in_by(("ada", PASSWORD))).await;
    assert!(!browser.cookies.contains_key("__Host-jeton"), "nobody is logged in yet: {page:?}");
    let authenticator = Authenticator::with_key_of(&page.body);
    let code = authenticator.code_at(app.clock.now().seconds());
    let done = browser.send(&app, Form::of(&page).with("code", &code)).await;
    done.assert_ok();
    assert_eq!(recovery_codes_of(&done.body).len(), 10);
    assert!(done.body.contains("href=\"/console\""), "{done:?}");
    browser.get(&app, "/console").await.assert_ok();
    // A login that began without it is none any more once it is needed.
    let off = Setup { clock: Some(app.clock.clone()), ..setup() };
    let app = app.restart(off).await;
    user_with_role(&app, "grace", Some("admin")).await;
    let mut grace = Browser::logged_in(&app, ("grace", PASSWORD)).await;
    grace.get(&app, "/console").await.assert_ok();
    let on = Setup { clock: Some(app.clock.clone()), ..Setup::default() };
    let app = app.restart(on).await;
    let page = grace.get(&app, "/console").await;
    assert!(page.body.contains("name=\"password\"") && !page.body.contains("Token doctor"), "{page:?}");
    assert_eq!(grace.get(&app, "/account").await.header("location"), Some("/login"));
});
