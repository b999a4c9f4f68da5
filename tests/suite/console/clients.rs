//! A new client by its kind, other settings for a client, and what was refused of one.

use reqwest::Method;
use serde_json::{Value, json};

use super::{assert_leads, assert_status, person, setup, start};
use crate::issuers::Idp;
use crate::support::browser::{Browser, Form};
use crate::support::scene::CLIENT_CREDENTIALS;
use crate::support::{Answer, TestClient, TestServer, on_both_stores};

/// The form of a page for an action as a browser sends it: with lists and choices, and without boxes that are not ticked.
#[track_caller]
fn whole(page: &Answer, action: &str) -> Form {
    let mut form = Form::to(page, action);
    let mark = format!("name=\"action\" value=\"{action}\"");
    let forms = page.body.split("<form").skip(1).map(|form| form.split("</form>").next().unwrap());
    let text = forms.into_iter().find(|form| form.contains(&mark)).unwrap();
    for tag in text.split("<input type=\"checkbox\"").skip(1).map(|rest| rest.split('>').next().unwrap()) {
        if !tag.contains(" checked") {
            form = form.without(value_of(tag, "name"));
        }
    }
    for area in text.split("<textarea").skip(1) {
        let content = area.split_once('>').unwrap().1.split("</textarea>").next().unwrap();
        form = form.with(value_of(area, "name"), content);
    }
    for select in text.split("<select").skip(1) {
        let mut options = select.split("<option").skip(1);
        let first = options.clone().next().unwrap();
        let chosen = options.find(|option| option.contains(" selected>")).unwrap_or(first);
        form = form.with(value_of(select, "name"), value_of(chosen, "value"));
    }
    form
}

#[track_caller]
fn value_of<'a>(tag: &'a str, name: &str) -> &'a str {
    tag.split(&format!(" {name}=\"")).nth(1).unwrap().split('"').next().unwrap()
}

/// The problem beside a field.
#[track_caller]
fn assert_beside(page: &Answer, field: &str, problem: &str) {
    let mark = format!("-{field}-problem\" role=\"alert\">");
    let found = page.body.split(&mark).nth(1).unwrap_or_else(|| panic!("nothing beside {field}: {page:?}"));
    let found = found.split('<').next().unwrap();
    assert!(found.contains(problem), "{field}: {found}");
    assert_eq!(page.body.matches("role=\"alert\">").count(), 1, "{page:?}");
}

async fn form_for(app: &TestServer, browser: &mut Browser, kind: &str) -> Form {
    whole(browser.get(app, &format!("/console/new-client?kind={kind}")).await.assert_ok(), "create")
}

async fn settings_of(app: &TestServer, client_id: &str) -> Value {
    app.admin(Method::GET, &format!("/admin/v1/clients/{client_id}"), None).await.assert_ok().json.clone()
}

on_both_stores!(a_client_of_each_kind_is_made_in_two_pages, async |backend| {
    let app = start(backend).await;
    let (_, mut clara) = person(&app, "clara", "clients").await;
    let list = clara.get(&app, "/console/clients").await;
    assert!(list.body.contains("href=\"/console/new-client\""), "{list:?}");
    let choice = clara.get(&app, "/console/new-client").await;
    let by_code = json!(["authorization_code", "refresh_token"]);
    for (kind, uris, expected) in [
        (
            "service",
            "",
            json!({"token_endpoint_auth_method": "client_secret_basic", "grant_types": ["client_credentials"]}),
        ),
        (
            "web",
            "https://app.example.test/cb",
            json!({"token_endpoint_auth_method": "client_secret_basic", "grant_types": by_code,
                "application_type": "web", "consent": "once", "scope": "openid profile email"}),
        ),
        (
            "single-page",
            "https://app.example.test/\r\n\r\n  http://localhost:3000/ ",
            json!({"token_endpoint_auth_method": "none", "grant_types": by_code,
                "redirect_uris": ["https://app.example.test/", "http://localhost:3000/"]}),
        ),
        (
            "native",
            "com.example.app:/cb",
            json!({"token_endpoint_auth_method": "none", "grant_types": by_code, "application_type": "native",
                "consent": "required"}),
        ),
        (
            "agent",
            "http://127.0.0.1/callback",
            json!({"token_endpoint_auth_method": "none", "grant_types": by_code, "access_token_ttl": 300}),
        ),
    ] {
        assert!(choice.body.contains(&format!("href=\"/console/new-client?kind={kind}\"")), "{kind}: {choice:?}");
        let mut form = form_for(&app, &mut clara, kind).await;
        form = form
            .with("client_name", "My program")
            .with("client_id", kind)
            .with("audiences", "https://api.example.test/");
        if !uris.is_empty() {
            form = form.with("redirect_uris", uris);
        }
        let page = clara.send(&app, form).await;
        page.assert_ok();
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert!(
            page.body.contains("The client is made") && page.body.contains("<summary>Python</summary>"),
            "{page:?}"
        );
        let settings = settings_of(&app, kind).await;
        assert_eq!(settings["client_name"], "My program");
        assert_eq!(settings["audiences"], json!(["https://api.example.test/"]));
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&settings[name], value, "{kind}: {name}");
        }
        // The secret, if it has one, is shown once, and works.
        let has_secret = expected["token_endpoint_auth_method"] == "client_secret_basic";
        assert_eq!(page.body.contains("This is its secret."), has_secret, "{page:?}");
        let shown = page.body.split("<pre>").nth(1).unwrap().split('<').next().unwrap().to_owned();
        if kind == "service" {
            let client = TestClient { id: kind.to_owned(), secret: Some(shown.clone()), in_body: false };
            app.token(&client, &[CLIENT_CREDENTIALS]).await.assert_ok();
            let page = clara.get(&app, "/console/client?id=service").await;
            assert!(!page.body.contains(&shown), "{page:?}");
        }
        // The browser must be let in.
        assert_eq!(page.body.contains("JETON_CORS_ORIGINS"), kind == "single-page", "{page:?}");
    }
});

on_both_stores!(a_form_for_a_new_client_that_fails_keeps_what_was_typed, async |backend| {
    let app = start(backend).await;
    app.main_client("main").await;
    let (_, mut clara) = person(&app, "clara", "clients").await;
    let form = form_for(&app, &mut clara, "web").await.with("client_name", "My web").with("client_id", "my-web");
    let good = form.clone().with("redirect_uris", "https://app.example.test/cb");
    for (wrong, field, problem, status) in [
        (form.clone(), "redirect_uris", "at least one", 400),
        (good.clone().with("client_name", " "), "client_name", "needed", 400),
        (
            good.clone().with("redirect_uris", "https://a.example.test/\nhttp://b.example.test/"),
            "redirect_uris",
            "Line 2: Http is for",
            400,
        ),
        (good.clone().with("redirect_uris", "com.example:/cb"), "redirect_uris", "private scheme", 400),
        (good.clone().with("scope", "a\\b"), "scope", "A scope is a list", 400),
        (good.clone().with("scope", "jeton:root"), "scope", "reserved scopes", 400),
        (good.clone().with("audiences", "api"), "audiences", "Line 1: ", 400),
        (good.clone().with("client_id", "main"), "client_id", "There is a client main already", 409),
        (good.clone().with("client_id", "é"), "client_id", "printable ASCII", 400),
        (good.clone().with("consent", "skip"), "consent", "consent: skip", 403),
        (good.clone().with("consent", "never"), "consent", "Expected one of", 400),
    ] {
        let page = clara.send(&app, wrong.clone()).await;
        assert_status(&page, status);
        assert_beside(&page, field, problem);
        let kept = whole(&page, "create");
        for name in ["kind", "spare_id", "client_id", "redirect_uris", "scope", "audiences"] {
            let (typed, kept) = (wrong.field(name).unwrap_or_default(), kept.field(name).unwrap_or_default());
            assert_eq!(typed.trim(), kept, "{name}: {page:?}");
        }
    }
    // What has no field stands above the form.
    let page = clara.send(&app, good.clone().with("scope", "jeton:admin")).await;
    assert_status(&page, 403);
    assert!(page.body.contains("jeton:admin") && page.body.contains("class=\"notice problem\""), "{page:?}");
    for (wrong, status) in [
        (good.clone().with("kind", "robot"), 404),
        (good.clone().without("kind"), 404),
        (good.clone().with("action", "make"), 400),
        (good.clone().with("redirect_uris", "https://a.example.test/\0"), 400),
        (good.clone().without("proof"), 403),
        (good.clone().with("kind", "workload"), 403),
    ] {
        let page = clara.send(&app, wrong.clone()).await;
        assert_eq!(page.status.as_u16(), status, "{wrong:?}: {page:?}");
    }
    assert_status(&app.admin(Method::GET, "/admin/v1/clients/my-web", None).await, 404);
    assert_status(&clara.get(&app, "/console/new-client?kind=workload").await, 403);
    assert!(clara.get(&app, "/console/new-client").await.body.contains("Workload (takes the role admin)"));
    let (_, mut ruth) = person(&app, "ruth", "read").await;
    assert_status(&ruth.get(&app, "/console/new-client").await, 403);
    assert!(!ruth.get(&app, "/console/clients").await.body.contains("new-client"));
});

on_both_stores!(a_form_that_is_sent_twice_makes_one_client, async |backend| {
    let app = start(backend).await;
    let (_, mut clara) = person(&app, "clara", "clients").await;
    let form = form_for(&app, &mut clara, "service").await.with("client_name", "Job");
    let id = form.field("spare_id").unwrap().to_owned();
    assert!(clara.send(&app, form.clone()).await.assert_ok().body.contains(&id));
    let again = clara.send(&app, form).await;
    assert_status(&again, 409);
    assert_beside(&again, "client_id", "already");
    assert_eq!(settings_of(&app, &id).await["client_name"], "Job");
});

on_both_stores!(a_workload_is_told_by_a_claim_of_its_issuer, async |backend| {
    let app = start(backend).await;
    let idp = Idp::new("https://idp.example.test");
    app.main_client("main").await;
    let first = json!({"client_id": "main", "claims": {"sub": {"equals": "other"}}});
    idp.register(&app, json!({"uses": ["client_assertion"], "rules": [first]})).await;
    let other = Idp::new("https://other.example.test");
    other.register(&app, json!({"uses": ["jwt_bearer"]})).await;
    let (_, mut ada) = person(&app, "ada", "admin").await;
    let page = ada.get(&app, "/console/new-client?kind=workload").await;
    assert!(page.body.contains(&idp.name) && !page.body.contains(&other.name), "{page:?}");
    // Also one that a list of the admin API would have on its second page.
    for number in 0..50 {
        Idp::new(&format!("https://a{number}.example.test")).register(&app, json!({"uses": ["jwt_bearer"]})).await;
    }
    let page = ada.get(&app, "/console/new-client?kind=workload").await;
    assert!(page.body.contains(&idp.name) && !page.body.contains("https://a1.example.test"), "{page:?}");
    let form = whole(&page, "create").with("client_name", "Job").with("client_id", "job").with("issuer", &idp.name);
    let form = form.with("value", "system:job").with("scope", "deploy");
    for (wrong, field, problem) in [
        (form.clone().without("value"), "value", "needed"),
        (form.clone().without("issuer"), "issuer", "needed"),
        (form.clone().with("issuer", "https://unknown.example.test"), "issuer", "no issuer"),
        (form.clone().with("issuer", &other.name), "issuer", "not trusted for client_assertion"),
        (form.clone().with("claim", "event_name"), "claim", "who the subject is"),
        (form.clone().with("scope", "a\"b"), "scope", "A scope is a list"),
    ] {
        let page = ada.send(&app, wrong).await;
        assert_status(&page, 400);
        assert_beside(&page, field, problem);
        assert_status(&app.admin(Method::GET, "/admin/v1/clients/job", None).await, 404);
    }
    let page = ada.send(&app, form).await;
    page.assert_ok();
    assert!(page.body.contains("PLATFORM_TOKEN") && !page.body.contains("its secret"), "{page:?}");
    let rules = app.admin(Method::GET, &idp.path(), None).await.assert_ok().json["rules"].clone();
    assert_eq!(rules, json!([first, {"client_id": "job", "claims": {"sub": {"equals": "system:job"}}}]));
    let ask = async |sub: &str| {
        let token = idp.token(&app, sub, json!({}), json!({}));
        let job = TestClient { id: "job".to_owned(), secret: None, in_body: false };
        let proof = [
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", token.as_str()),
        ];
        app.token(&job, &[&[CLIENT_CREDENTIALS][..], &proof[..]].concat()).await
    };
    ask("system:job").await.assert_ok();
    ask("other").await.assert_error(401, "invalid_client");
});

on_both_stores!(the_settings_of_a_client_are_changed_in_a_form, async |backend| {
    let app = start(backend).await;
    let members = json!({
        "client_name": "Shop", "grant_types": ["authorization_code", "refresh_token"], "scope": "read write",
        "redirect_uris": ["https://shop.example.test/cb"], "max_sessions": 7, "claims": {"tier": "gold"},
    });
    app.client("shop", members).await;
    let (id, mut clara) = person(&app, "clara", "clients").await;
    let page = clara.get(&app, "/console/client?id=shop").await;
    assert!(page.body.contains("href=\"/console/client-settings?id=shop\""), "{page:?}");
    let address = "/console/client-settings?id=shop";
    let form = whole(&clara.get(&app, address).await, "save");
    assert_eq!(form.field("grant_refresh_token"), Some("yes"));
    assert_eq!(
        (form.field("grant_password"), form.field("redirect_uris")),
        (None, Some("https://shop.example.test/cb"))
    );
    assert_leads(&clara.send(&app, form.clone()).await, "/console/client?id=shop&done=unchanged");
    // What is wrong changes nothing, and stays in the form.
    let before = settings_of(&app, "shop").await;
    for (wrong, field, problem, status) in [
        (form.clone().with("access_token_ttl", "soon"), "access_token_ttl", "It is no whole number", 400),
        (form.clone().with("access_token_ttl", "0"), "access_token_ttl", "This is a number from 1", 400),
        (form.clone().with("redirect_uris", "cb"), "redirect_uris", "Line 1: It is not an absolute URI", 400),
        (form.clone().with("scope", "jeton:x"), "scope", "reserved scopes", 400),
        (form.clone().with("consent", "skip"), "consent", "jeton:admin", 403),
    ] {
        let page = clara.send(&app, wrong.clone().with("client_name", "Typed")).await;
        assert_status(&page, status);
        assert_beside(&page, field, problem);
        let kept = whole(&page, "save");
        assert_eq!((kept.field(field), kept.field("client_name")), (wrong.field(field), Some("Typed")));
    }
    assert_eq!(settings_of(&app, "shop").await, before);
    // What is right does, and nothing else changes.
    let changed = form.clone().with("client_name", "Shop & more").with("scope", "read").without("grant_refresh_token");
    let changed = changed.with("grant_device_code", "yes").with("access_token_ttl", "60").with("consent", "once");
    let changed = changed.with("redirect_uris", "https://shop.example.test/cb\r\nhttps://shop.example.test/two\r\n");
    assert_leads(&clara.send(&app, changed.clone()).await, "/console/client?id=shop&done=changed");
    let mut expected = before;
    expected["client_name"] = json!("Shop & more");
    expected["scope"] = json!("read");
    expected["grant_types"] = json!(["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"]);
    expected["access_token_ttl"] = json!(60);
    expected["consent"] = json!("once");
    expected["redirect_uris"] = json!(["https://shop.example.test/cb", "https://shop.example.test/two"]);
    assert_eq!(settings_of(&app, "shop").await, expected);
    let records = app.admin(Method::GET, "/admin/v1/audit?action=client.update", None).await;
    assert_eq!(records.json["items"][0]["actor"], json!(format!("user {id}")));
    // A form of before the change is out of date.
    let stale = clara.send(&app, form.with("client_name", "Late")).await;
    assert_status(&stale, 409);
    assert!(
        stale.body.contains("The client was changed meanwhile") && stale.body.contains("value=\"Late\""),
        "{stale:?}"
    );
    assert_eq!(settings_of(&app, "shop").await, expected);
    // So it is compared, and saved again; what may be a mistake is told.
    let page = clara.send(&app, whole(&stale, "save").with("redirect_uris", "")).await;
    page.assert_ok();
    assert!(page.body.contains("there are no redirect_uris"), "{page:?}");
    assert_eq!(settings_of(&app, "shop").await["client_name"], "Late");
});

on_both_stores!(settings_are_changed_by_who_may_change_the_client, async |backend| {
    let app = start(backend).await;
    app.client("root", json!({"grant_types": ["client_credentials"], "scope": "jeton:admin"})).await;
    app.main_client("main").await;
    let (_, mut clara) = person(&app, "clara", "clients").await;
    let (_, mut ruth) = person(&app, "ruth", "read").await;
    let form = whole(&clara.get(&app, "/console/client-settings?id=root").await, "save");
    let refused = clara.send(&app, form.clone().with("client_name", "Mine")).await;
    assert_status(&refused, 403);
    assert_eq!(settings_of(&app, "root").await["client_name"], Value::Null);
    assert_status(&ruth.get(&app, "/console/client-settings?id=main").await, 403);
    assert!(!ruth.get(&app, "/console/client?id=main").await.body.contains("client-settings"));
    for (wrong, status) in [
        (form.clone().without("proof"), 403),
        (form.clone().with("id", "nobody"), 404),
        (form.clone().with("action", "none"), 400),
        (form.clone().without("seen"), 409),
    ] {
        assert_status(&clara.send(&app, wrong).await, status);
    }
    assert_status(&clara.get(&app, "/console/client-settings?id=nobody").await, 404);
});

on_both_stores!(what_was_refused_of_a_client_is_told_for_an_hour, async |backend| {
    let app = TestServer::start_with(backend, setup().with_manual_clock()).await;
    let main = app.main_client("main").await;
    app.main_client("other").await;
    let (_, mut ruth) = person(&app, "ruth", "read").await;
    let nothing = "This node refused nothing of it.";
    assert!(ruth.get(&app, "/console/client?id=main").await.body.contains(nothing));
    for _ in 0..3 {
        app.token(&main.with_secret("wrong"), &[CLIENT_CREDENTIALS]).await.assert_error(401, "invalid_client");
    }
    app.token(&main, &[CLIENT_CREDENTIALS, ("scope", "unknown")]).await.assert_error(400, "invalid_scope");
    // Of a token of the client, too: it is refused because it has expired.
    let token = app.token(&main, &[CLIENT_CREDENTIALS]).await.text("access_token");
    app.advance(1000);
    app.forget_admin_token().await;
    let header = format!("Bearer {token}");
    assert_status(
        &app.get_with("/auth/verify?audience=https://api.example.test/", &[("Authorization", &header)]).await,
        401,
    );
    let page = ruth.get(&app, "/console/client?id=main").await;
    let rows: Vec<&str> =
        page.body.split("Refused in the last hour</caption>").nth(1).unwrap().split("<tr>").skip(2).collect();
    assert_eq!(rows.len(), 3, "{page:?}");
    for (row, texts) in rows.iter().zip([
        vec!["<code>invalid_client</code>", "<bdi>token</bdi>", "<bdi>3</bdi>"],
        vec!["href=\"/docs/errors/expired\"", "<bdi>verify</bdi>", "<bdi>1</bdi>"],
        vec!["<code>invalid_scope</code>", "<bdi>token</bdi>", "<bdi>1</bdi>"],
    ]) {
        assert!(texts.iter().all(|text| row.contains(text)), "{texts:?}: {row}");
    }
    assert!(ruth.get(&app, "/console/client?id=other").await.body.contains(nothing));
    app.advance(3900);
    assert!(ruth.get(&app, "/console/client?id=main").await.body.contains(nothing));
});

on_both_stores!(a_client_that_fails_more_than_usual_needs_attention, async |backend| {
    let app = start(backend).await;
    let main = app.main_client("main").await;
    let (_, mut ruth) = person(&app, "ruth", "read").await;
    let text = "requests were refused in the last 15 minutes";
    for _ in 0..19 {
        app.token(&main.with_secret("wrong"), &[CLIENT_CREDENTIALS]).await.assert_error(401, "invalid_client");
    }
    assert!(!ruth.get(&app, "/console").await.body.contains(text));
    for _ in 0..3 {
        app.token(&main.with_secret("wrong"), &[CLIENT_CREDENTIALS]).await.assert_error(401, "invalid_client");
    }
    let page = ruth.get(&app, "/console").await;
    assert!(page.body.contains(&format!("22 {text}")) && page.body.contains("Client main"), "{page:?}");
    let (_, mut clara) = person(&app, "clara", "clients").await;
    assert!(!clara.get(&app, "/console").await.body.contains(text));
});
