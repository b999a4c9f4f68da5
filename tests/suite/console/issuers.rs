//! Trusted issuers in the console: trusted and changed by forms, rules, tokens tested against them, and the workflows of GitHub.

use reqwest::Method;
use serde_json::{Value, json};

use super::{PASSWORD, assert_leads, assert_status, person, problem, setup, start};
use crate::issuers::{Idp, key_set};
use crate::support::browser::{Browser, Form};
use crate::support::{Answer, TestServer, jwt_part, on_both_stores};

const NAME: &str = "https://idp.example.test";
const ENCODED: &str = "https%3A%2F%2Fidp.example.test";
const SAVED: &str = "/console/issuer?issuer=https%3A%2F%2Fidp.example.test&done=issuer_saved";
const GITHUB: &str = "https://token.actions.githubusercontent.com";

/// What the admin API says of an issuer.
async fn issuer(app: &TestServer, idp: &Idp) -> Value {
    app.admin(Method::GET, &idp.path(), None).await.assert_ok().json.clone()
}

/// A client that tokens of an issuer prove.
async fn worker(app: &TestServer, id: &str, issuer: &str) {
    let members = json!({
        "token_endpoint_auth_method": "private_key_jwt", "grant_types": ["client_credentials"], "issuers": [issuer],
    });
    app.client(id, members).await;
}

/// Asks for a token as a client that another issuer's token proves.
async fn ask(app: &TestServer, client_id: &str, assertion: &str) -> Answer {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_assertion", assertion),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
    ];
    Answer::of(app.http.post(format!("{}/auth/token", app.base)).form(&form)).await
}

/// The form for a new issuer, filled in for clients.
async fn new(app: &TestServer, browser: &mut Browser, idp: &Idp) -> Form {
    Form::to(&browser.get(app, "/console/new-issuer").await, "create")
        .without("uses_jwt_bearer")
        .without("uses_identity_assertion")
        .with("issuer", &idp.name)
        .with("name", "Our builds")
        .with("audience", "https://auth.example.com\r\n")
        .with("single_use", "")
        .with("local_users", "never")
        .with("jwks", &key_set(&[(&idp.key, "own")]).to_string())
}

on_both_stores!(an_issuer_is_trusted_changed_disabled_and_deleted, async |backend| {
    let app = TestServer::start_with(backend, setup().with_manual_clock()).await;
    let idp = Idp::new(NAME);
    let (_, mut ada) = person(&app, "ada", "admin").await;
    let form = new(&app, &mut ada, &idp).await;
    assert_eq!(form.field("max_age"), Some("3600"));
    for (field, value, text) in [
        ("issuer", "", "Type in the iss"),
        ("issuer", "http://idp.example.test", "https URL"),
        ("name", "a\u{7}b", "control characters"),
        ("audience", "", "1 to 8 entries"),
        ("max_age", "soon", "no whole number"),
        ("max_age", "0", "number from 1"),
        ("single_use", "perhaps", "yes, no, or empty"),
        ("local_users", "all", "xpected"),
        ("jwks", "{", "no JSON"),
        ("jwks", "{\"keys\": []}", "eys has 0"),
        ("jwks", "{\"keys\": [{\"kty\": \"oct\", \"k\": \"c2VjcmV0\"}]}", "not public"),
    ] {
        let page = ada.send(&app, form.clone().with(field, value)).await;
        assert_status(&page, 400);
        assert!(problem(&page, &format!("new-{field}")).contains(text), "{field} {text}: {page:?}");
        assert!(page.body.contains("value=\"Our builds\"") || field == "name", "what was typed stays: {page:?}");
    }
    let page = ada.send(&app, form.clone().without("uses_client_assertion")).await;
    assert_status(&page, 400);
    assert!(problem(&page, "new-uses_client_assertion").contains("Choose at least one use."), "{page:?}");
    assert!(ada.get(&app, "/console/issuers").await.body.contains("No other issuer is trusted."));
    let answer = ada.send(&app, form.clone()).await;
    assert_leads(&answer, SAVED);
    let page = ada.follow(&app, answer).await;
    assert!(page.body.contains("no token of this issuer is accepted") && page.body.contains("Our builds"), "{page:?}");
    let made = issuer(&app, &idp).await;
    let expected = json!({
        "name": "Our builds", "audience": ["https://auth.example.com"], "uses": ["client_assertion"], "max_age": 3600,
        "single_use": null, "local_users": "never", "jwks": key_set(&[(&idp.key, "own")]), "jwks_uri": null, "enabled": true,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&made[name], value, "{name}");
    }
    assert_status(&ada.send(&app, form).await, 409);
    // The form shows what is there; one that was shown before a change does not undo it.
    let page = ada.get(&app, &format!("/console/change-issuer?issuer={ENCODED}")).await;
    assert!(
        page.body.contains("https://auth.example.com</textarea>") && page.body.contains("&#34;kid&#34;"),
        "{page:?}"
    );
    let change = Form::to(&page, "save")
        .without("uses_identity_assertion")
        .with("audience", "https://auth.example.com\r\nhttps://other.example.com")
        .with("single_use", "yes")
        .with("local_users", "sub")
        .with("max_age", "60")
        .with("jwks", "")
        .with("jwks_uri", "https://idp.example.test/keys");
    assert_leads(&ada.send(&app, change.clone()).await, SAVED);
    let changed = issuer(&app, &idp).await;
    let expected = json!({
        "audience": ["https://auth.example.com", "https://other.example.com"], "uses": ["client_assertion", "jwt_bearer"],
        "max_age": 60, "single_use": true, "local_users": "sub", "jwks": null, "jwks_uri": "https://idp.example.test/keys",
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&changed[name], value, "{name}");
    }
    let page = ada.send(&app, change.with("max_age", "61")).await;
    assert_status(&page, 409);
    assert!(problem(&page, "change-name").contains("Somebody else has changed it"), "{page:?}");
    assert_eq!(issuer(&app, &idp).await, changed);
    // Refusing its tokens takes the password.
    let page = ada.get(&app, &format!("/console/issuer?issuer={ENCODED}")).await;
    let (disable, delete) = (Form::to(&page, "disable"), Form::to(&page, "delete"));
    app.advance(301);
    app.forget_admin_token().await;
    let asked = ada.send(&app, disable).await;
    assert!(asked.assert_ok().body.contains("Is it still you?"), "{asked:?}");
    assert_eq!(issuer(&app, &idp).await["enabled"], true);
    let done = ada.send(&app, Form::of(&asked).with("password", PASSWORD)).await;
    assert_leads(&done, &format!("/console/issuer?issuer={ENCODED}&done=issuer_disabled"));
    assert_eq!(issuer(&app, &idp).await["enabled"], false);
    let page = ada.follow(&app, done).await;
    let enabled = ada.send(&app, Form::to(&page, "enable")).await;
    assert_leads(&enabled, &format!("/console/issuer?issuer={ENCODED}&done=enabled"));
    app.advance(301);
    app.forget_admin_token().await;
    let asked = ada.send(&app, delete).await;
    let done = ada.send(&app, Form::of(&asked).with("password", PASSWORD)).await;
    assert_leads(&done, "/console/issuers?done=issuer_deleted");
    assert_status(&ada.get(&app, &format!("/console/issuer?issuer={ENCODED}")).await, 404);
});

on_both_stores!(rules_are_added_changed_and_removed_and_tokens_are_tested_against_them, async |backend| {
    let app = start(backend).await;
    let idp = Idp::new(NAME);
    worker(&app, "worker", NAME).await;
    idp.register(&app, json!({"uses": ["client_assertion"]})).await;
    let (_, mut ada) = person(&app, "ada", "admin").await;
    let address = format!("/console/issuer-rule?issuer={ENCODED}");
    let form = Form::to(&ada.get(&app, &address).await, "save")
        .with("name", "The app")
        .with("client_id", "worker")
        .with("claim1", "sub")
        .with("kind1", "prefix")
        .with("value1", "repo:octo/app:")
        .with("claim2", "ref")
        .with("kind2", "one_of")
        .with("value2", "main\r\nrelease");
    for (field, value, beside, text) in [
        ("client_id", "nobody", "client_id", "no client nobody"),
        ("value1", "repo:octo/app", "value1", "must end with"),
        ("value1", "", "value1", "Type in a value."),
        ("value1", "a:\r\nb:", "value1", "Several values"),
        ("claim1", "", "claim1", "Name the claim"),
        ("claim1", "ref", "claim2", "twice"),
        ("claim1", "other", "claim1", "who the subject is"),
        ("kind1", "regex", "kind1", "no such condition"),
    ] {
        let page = ada.send(&app, form.clone().with(field, value)).await;
        assert_status(&page, 400);
        assert!(problem(&page, &format!("rule-{beside}")).contains(text), "{field} {value}: {page:?}");
        assert!(
            page.body.contains("main\nrelease</textarea>") || page.body.contains("main\r\nrelease</textarea>"),
            "{page:?}"
        );
    }
    assert_eq!(issuer(&app, &idp).await["rules"], json!([]));
    assert_leads(&ada.send(&app, form.clone()).await, SAVED);
    let conditions = json!({"sub": {"prefix": "repo:octo/app:"}, "ref": {"one_of": ["main", "release"]}});
    let rule = json!({"name": "The app", "client_id": "worker", "claims": conditions});
    assert_eq!(issuer(&app, &idp).await["rules"], json!([rule]));
    // Sent once more, or by somebody who did not see the first rule, the form adds no second one.
    assert_status(&ada.send(&app, form).await, 409);
    // Who may only read tests a token, which is neither used up nor shown again.
    let token = |sub: &str, claims: Value| idp.token(&app, sub, json!({}), claims);
    let good = token("repo:octo/app:x", json!({"ref": "main"}));
    let other = token("repo:evil/app:x", json!({"ref": "main"}));
    let (_, mut ruth) = person(&app, "ruth", "read").await;
    let test = Form::to(&ruth.get(&app, "/console/issuer-test").await, "test").with("used_for", "");
    let page = ruth.send(&app, test.clone().with("token", &format!("{good}\r\n"))).await;
    for part in ["The token would be accepted.", "Rule 1 (The app) matches", "href=\"/console/client?id=worker\""] {
        assert!(page.assert_ok().body.contains(part), "{part}: {page:?}");
    }
    assert!(!page.body.contains(&good) && !page.body.contains(&good[good.len() - 20..]), "{page:?}");
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(jwt_part(&ask(&app, "worker", &good).await.assert_ok().text("access_token"), 1)["sub"], "worker");
    let page = ruth.send(&app, test.clone().with("token", &other)).await;
    for part in [
        "The token would be refused.",
        "does not match",
        "repo:evil/app:x",
        ">fails<",
        ">holds<",
        "href=\"/docs/errors/",
    ] {
        assert!(page.assert_ok().body.contains(part), "{part}: {page:?}");
    }
    assert!(!page.body.contains(&other), "{page:?}");
    assert_status(&ask(&app, "worker", &other).await, 401);
    let page = ruth.send(&app, test.clone().with("token", &good).with("used_for", "jwt_bearer")).await;
    assert!(
        page.body.contains("not trusted for jwt_bearer") && page.body.contains(" selected>to be exchanged"),
        "{page:?}"
    );
    for (field, value, status, text) in [
        ("token", "", 400, "Paste a token."),
        ("token", " ", 400, "This is empty."),
        ("used_for", "anything", 400, "There is no such use."),
        ("token", "<script>alert(1)</script>", 200, "The token would be refused."),
    ] {
        let page = ruth.send(&app, test.clone().with("token", &good).with(field, value)).await;
        assert_status(&page, status);
        assert!(page.body.contains(text) && !page.body.contains("<script") && !page.body.contains(&good), "{page:?}");
    }
    // One in an address is not read.
    let page = ruth.get(&app, &format!("/console/issuer-test?token={good}")).await;
    assert!(!page.assert_ok().body.contains("The token would be"), "{page:?}");
    // A rule is changed where it stands.
    let page = ada.get(&app, &format!("{address}&number=1")).await;
    assert!(
        page.body.contains(">repo:octo/app:</textarea>") && page.body.contains("main\nrelease</textarea>"),
        "{page:?}"
    );
    let change = Form::to(&page, "save")
        .with("kind1", "equals")
        .with("value1", "main")
        .with("kind2", "equals")
        .with("value2", "repo:evil/app:x");
    assert_eq!(
        (change.field("claim1"), change.field("claim2"), change.field("number")),
        (Some("ref"), Some("sub"), Some("1"))
    );
    assert_leads(&ada.send(&app, change.clone()).await, SAVED);
    assert_status(&ask(&app, "worker", &good).await, 401);
    ask(&app, "worker", &other).await.assert_ok();
    assert_status(&ada.send(&app, change).await, 409);
    for number in ["0", "2", "x"] {
        assert_status(&ada.get(&app, &format!("{address}&number={number}")).await, 404);
    }
    // And removed, by a form that was shown with it.
    let page = ada.get(&app, &format!("/console/issuer?issuer={ENCODED}")).await;
    let remove = Form::to(&page, "remove_rule");
    assert_status(&ada.send(&app, remove.clone().with("seen", "x")).await, 409);
    assert_leads(&ada.send(&app, remove.clone()).await, SAVED);
    assert_eq!(issuer(&app, &idp).await["rules"], json!([]));
    assert_status(&ada.send(&app, remove).await, 409);
    assert_status(&ask(&app, "worker", &other).await, 401);
    assert!(!ruth.get(&app, &format!("/console/issuer?issuer={ENCODED}")).await.body.contains("<form"));
});

on_both_stores!(a_token_whose_keys_cannot_be_had_is_neither_good_nor_bad, async |backend| {
    let app = start(backend).await;
    let idp = Idp::new(NAME);
    let members = json!({"jwks": null, "jwks_uri": "https://127.0.0.1/keys", "uses": ["jwt_bearer"]});
    idp.register(&app, members).await;
    let (_, mut ruth) = person(&app, "ruth", "read").await;
    let token = idp.token(&app, "somebody", json!({}), json!({}));
    let test = Form::to(&ruth.get(&app, "/console/issuer-test").await, "test").with("token", &token);
    let page = ruth.send(&app, test).await;
    assert_status(&page, 503);
    assert!(page.body.contains("cannot be judged now") && !page.body.contains(&token), "{page:?}");
    assert!(!page.body.contains("The token would be"), "{page:?}");
});

on_both_stores!(a_workflow_of_github_is_allowed_by_one_form, async |backend| {
    let app = start(backend).await;
    app.main_client("main").await;
    let (_, mut ada) = person(&app, "ada", "admin").await;
    assert!(ada.get(&app, "/console/issuers").await.body.contains("href=\"/console/allow-github\""));
    let form = Form::to(&ada.get(&app, "/console/allow-github").await, "allow")
        .with("owner", "octo-org")
        .with("repository", "app")
        .with("owner_id", "123456")
        .with("repository_id", "456789")
        .with("kind", "branch")
        .with("client_id", "deployer")
        .with("scope", "deploy");
    assert_eq!(form.field("reference"), Some("main"));
    for (field, value, status, text) in [
        ("owner", "octo-org/app", 400, "as GitHub writes it"),
        ("owner_id", "octo-org", 400, "the number"),
        ("reference", "release/*", 400, "without *"),
        ("scope", "a\"b", 400, "This is no scope"),
        ("client_id", "main", 409, "needs private_key_jwt"),
        ("client_id", "\u{e9}", 400, "printable ASCII"),
        ("client_id", "a ${{ github.token }}", 400, "would not take"),
    ] {
        let page = ada.send(&app, form.clone().with(field, value)).await;
        assert_status(&page, status);
        assert!(problem(&page, &format!("github-{field}")).contains(text), "{field} {value}: {page:?}");
        assert!(page.body.contains("value=\"456789\""), "what was typed stays: {page:?}");
    }
    let github = Idp::new(GITHUB);
    assert_status(&app.admin(Method::GET, &github.path(), None).await, 404);
    let answer = ada.send(&app, form.clone()).await;
    assert_leads(&answer, "/console/github-workflow?client=deployer");
    let page = ada.follow(&app, answer).await;
    let audience: String = form_urlencoded::byte_serialize(app.issuer().as_bytes()).collect();
    for part in [
        "id-token: write".to_owned(),
        format!("&#38;audience={audience}&#34;"),
        format!("curl -sSf {}/auth/token ", app.issuer()),
        "client_id=deployer".to_owned(),
    ] {
        assert!(page.assert_ok().body.contains(&part), "{part}: {page:?}");
    }
    // A client that no rule is about has no such page.
    assert_status(&ada.get(&app, "/console/github-workflow?client=main").await, 404);
    // The keys are GitHub's own; here, those of the test.
    github.patch(&app, json!({"jwks": key_set(&[(&github.key, "own")])})).await.assert_ok();
    let token = |sub: &str, repository_id: &str| {
        let claims = json!({"aud": app.issuer(), "repository_id": repository_id, "repository_owner_id": "123456"});
        github.token(&app, sub, json!({}), claims)
    };
    for (sub, repository_id, status) in [
        ("repo:octo-org/app:ref:refs/heads/main", "456789", 200),
        ("repo:octo-org@123456/app@456789:ref:refs/heads/main", "456789", 200),
        ("repo:octo-org/app:ref:refs/heads/other", "456789", 401),
        ("repo:octo-org/app:pull_request", "456789", 401),
        ("repo:octo-org/app:ref:refs/heads/main", "456780", 401),
    ] {
        let answer = ask(&app, "deployer", &token(sub, repository_id)).await;
        assert_eq!(answer.status.as_u16(), status, "{sub} {repository_id}: {answer:?}");
        if status == 200 {
            assert_eq!(jwt_part(&answer.text("access_token"), 1)["scope"], "deploy");
        }
    }
    // Sent again, it changes nothing. The same workflow cannot be two clients; another branch can.
    let before = issuer(&app, &github).await;
    assert_leads(&ada.send(&app, form.clone()).await, "/console/github-workflow?client=deployer");
    assert_eq!(issuer(&app, &github).await, before);
    let page = ada.send(&app, form.clone().with("client_id", "second")).await;
    assert_status(&page, 409);
    assert!(problem(&page, "github-client_id").contains("by which it is deployer"), "{page:?}");
    assert_status(&app.admin(Method::GET, "/admin/v1/clients/second", None).await, 404);
    let branch = form.clone().with("reference", "next").with("client_id", "second");
    assert_leads(&ada.send(&app, branch).await, "/console/github-workflow?client=second");
    ask(&app, "second", &token("repo:octo-org/app:ref:refs/heads/next", "456789")).await.assert_ok();
    // A client that has a key of its own is told of the issuer as well.
    worker(&app, "worker", NAME).await;
    let live = form.clone().with("kind", "environment").with("reference", "live").with("client_id", "worker");
    assert_leads(&ada.send(&app, live).await, "/console/github-workflow?client=worker");
    ask(&app, "worker", &token("repo:octo-org/app:environment:live", "456789")).await.assert_ok();
    let names = app.admin(Method::GET, "/admin/v1/clients/worker", None).await.json["issuers"].clone();
    assert_eq!(names, json!([NAME, GITHUB]));
    // What an administrator has disabled stays so.
    github.patch(&app, json!({"enabled": false})).await.assert_ok();
    let page = ada.send(&app, form.with("reference", "third").with("client_id", "third")).await;
    assert_status(&page, 409);
    assert!(problem(&page, "github-client_id").contains("disabled"), "{page:?}");
    assert_status(&app.admin(Method::GET, "/admin/v1/clients/third", None).await, 404);
    assert_status(&ada.get(&app, "/console/github-workflow?client=third").await, 404);
});
