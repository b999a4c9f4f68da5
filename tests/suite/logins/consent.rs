//! What people are asked, and what is remembered of their answers.

use reqwest::Method;
use serde_json::json;

use crate::support::browser::{Arrival, Browser, CALLBACK, Form, asking};
use crate::support::scene::{ALICE, BOB};
use crate::support::{Answer, TestServer, on_both_stores};

fn asks(answer: &Answer) -> bool {
    answer.status.as_u16() == 200 && answer.body.contains("value=\"allow\"")
}

on_both_stores!(aut_035_whoever_says_no_sends_access_denied_to_the_client, async |backend| {
    let app = TestServer::start(backend).await;
    app.web_client("web", json!({})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let page = browser.authorize(&app, &asking("web", &[])).await;
    let answer = browser.send(&app, Form::of(&page).with("action", "deny")).await;
    assert_eq!(answer.status.as_u16(), 303, "{answer:?}");
    Arrival::of(&answer).assert_error(&app, "access_denied");
    let silent = browser.authorize(&app, &asking("web", &[("prompt", "none")])).await;
    Arrival::of(&silent).assert_error(&app, "consent_required");
});

on_both_stores!(consent_is_asked_each_time_unless_the_client_says_otherwise, async |backend| {
    let app = TestServer::start(backend).await;
    app.web_client("each-time", json!({})).await;
    app.web_client("once", json!({"consent": "once"})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    for (client, asked_again) in [("each-time", true), ("once", false)] {
        let page = browser.authorize(&app, &asking(client, &[])).await;
        assert!(asks(&page), "{page:?}");
        Arrival::of(&browser.send(&app, Form::of(&page).with("action", "allow")).await).code();
        let again = browser.authorize(&app, &asking(client, &[])).await;
        assert_eq!(asks(&again), asked_again, "{client}: {again:?}");
        // Less is allowed as well, more is not.
        let less = browser.authorize(&app, &asking(client, &[("scope", "read")])).await;
        assert_eq!(asks(&less), asked_again, "{client}");
        let more = browser.authorize(&app, &asking(client, &[("scope", "read write")])).await;
        assert!(asks(&more), "{client}");
        let wanted = browser.authorize(&app, &asking(client, &[("prompt", "consent")])).await;
        assert!(asks(&wanted), "{client}");
    }
    // What was allowed later comes to what was allowed before.
    let more = browser.authorize(&app, &asking("once", &[("scope", "write")])).await;
    Arrival::of(&browser.send(&app, Form::of(&more).with("action", "allow")).await).code();
    Arrival::of(&browser.authorize(&app, &asking("once", &[("scope", "openid read write")])).await).code();
    // It is hers alone.
    app.user(BOB.0, BOB.1).await;
    let mut bobs = Browser::logged_in(&app, BOB).await;
    assert!(asks(&bobs.authorize(&app, &asking("once", &[])).await));
});

on_both_stores!(each_resource_says_what_a_scope_means_there, async |backend| {
    let app = TestServer::start(backend).await;
    let (notes, bank) = ("https://notes.example.com/", "https://bank.example.com/");
    for (uri, name, means) in [(notes, "Notes", "Edit your notes"), (bank, "Bank", "Transfer your money")] {
        let members = json!({"resource": uri, "name": name, "scopes": {"write": means}, "open_to": "registered"});
        app.resource(members).await;
    }
    app.web_client("web", json!({})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let both = [("scope", "openid write"), ("resource", notes), ("resource", bank)];
    let page = browser.authorize(&app, &asking("web", &both)).await;
    let after =
        |name: &str| page.body.split_once(&format!("<bdi>{name}</bdi>")).unwrap().1.split("<h3>").next().unwrap();
    assert!(after("Notes").contains("Edit your notes") && !after("Notes").contains("money"), "{page:?}");
    assert!(after("Bank").contains("Transfer your money"), "{page:?}");
    let page = browser.authorize(&app, &asking("web", &both[..2])).await;
    assert!(page.body.contains("Edit your notes") && !page.body.contains("money"), "{page:?}");
});

on_both_stores!(a_client_that_lost_the_grant_gets_no_code_for_a_request_that_was_good, async |backend| {
    let app = TestServer::start(backend).await;
    app.web_client("web", json!({})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let page = browser.authorize(&app, &asking("web", &[])).await;
    assert!(asks(&page), "{page:?}");
    let grants = json!({"grant_types": ["password"], "redirect_uris": [CALLBACK]});
    app.admin(Method::PATCH, "/admin/v1/clients/web", Some(grants)).await.assert_ok();
    let answer = browser.send(&app, Form::of(&page).with("action", "allow")).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (400, None), "{answer:?}");
});

on_both_stores!(what_is_allowed_at_one_resource_is_not_allowed_at_another, async |backend| {
    let app = TestServer::start(backend).await;
    let (a, b) = ("https://a.example.com/", "https://b.example.com/");
    for resource in [a, b] {
        let scopes = json!({"read": "Read", "write": "Write"});
        app.resource(json!({"resource": resource, "scopes": scopes, "open_to": "registered"})).await;
    }
    app.web_client("once", json!({"consent": "once"})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let ask = async |browser: &mut Browser, scope: &str, resources: &[&str]| {
        let mut parameters = asking("once", &[]);
        parameters.retain(|(name, _)| *name != "scope");
        parameters.push(("scope", scope));
        parameters.extend(resources.iter().map(|resource| ("resource", *resource)));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        browser.get(&app, &format!("/auth/authorize?{query}")).await
    };
    for (scope, resource) in [("read", a), ("write", b)] {
        let page = ask(&mut browser, scope, &[resource]).await;
        assert!(asks(&page), "{scope} at {resource}: {page:?}");
        Arrival::of(&browser.send(&app, Form::of(&page).with("action", "allow")).await).code();
    }
    for (scope, resources, asked) in [
        ("read", [a].as_slice(), false),
        ("write", &[b], false),
        ("write", &[a], true),
        ("read", &[b], true),
        ("read write", &[a], true),
        ("read", &[a, b], true),
    ] {
        let answer = ask(&mut browser, scope, resources).await;
        assert_eq!(asks(&answer), asked, "{scope} at {resources:?}: {answer:?}");
    }
    let page = ask(&mut browser, "read", &[a, b]).await;
    Arrival::of(&browser.send(&app, Form::of(&page).with("action", "allow")).await).code();
    for (scope, resources, asked) in
        [("read", [a, b].as_slice(), false), ("read write", &[b], false), ("write", &[a], true)]
    {
        let answer = ask(&mut browser, scope, resources).await;
        assert_eq!(asks(&answer), asked, "{scope} at {resources:?}: {answer:?}");
    }
});

on_both_stores!(on_a_device_consent_is_asked_each_time_whatever_the_client_says, async |backend| {
    let app = TestServer::start(backend).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let uris = ["http://127.0.0.1/cb", "http://localhost/cb", "com.example.app:/cb", CALLBACK];
    for consent in ["once", "skip"] {
        app.web_client(consent, json!({"consent": consent, "redirect_uris": uris})).await;
        for (uri, target) in [
            ("http://127.0.0.1:4711/cb", "http://127.0.0.1:4711"),
            ("http://localhost:4711/cb", "http://localhost:4711"),
            ("com.example.app:/cb", "com.example.app:"),
        ] {
            for _ in 0..2 {
                let page = browser.authorize(&app, &asking(consent, &[("redirect_uri", uri)])).await;
                assert!(asks(&page), "{consent} {uri}: {page:?}");
                let policy = page.header("content-security-policy").unwrap();
                assert!(policy.contains(&format!("form-action 'self' {target};")), "{policy}");
                let answer = browser.send(&app, Form::of(&page).with("action", "allow")).await;
                let arrival = Arrival::of(&answer);
                assert_eq!(arrival.uri, uri);
                arrival.code();
            }
        }
    }
});

on_both_stores!(offline_access_counts_only_if_the_person_allowed_it, async |backend| {
    let app = TestServer::start(backend).await;
    let asked = app.web_client("asked", json!({})).await;
    let unasked = app.web_client("unasked", json!({"consent": "skip"})).await;
    app.user(ALICE.0, ALICE.1).await;
    for (client, more, scope) in [
        (&asked, None, "openid offline_access"),
        (&unasked, None, "openid"),
        (&unasked, Some(("prompt", "consent")), "openid offline_access"),
    ] {
        let mut browser = Browser::default();
        let parameters: Vec<_> = [("scope", "openid offline_access")].into_iter().chain(more).collect();
        let arrival = browser.agree(&app, ALICE, &asking(&client.id, &parameters)).await;
        let tokens = app.redeem(client, &arrival.code()).await;
        tokens.assert_ok();
        assert_eq!(tokens.text("scope"), scope, "{} {more:?}", client.id);
    }
});

on_both_stores!(a_person_is_asked_and_granted_no_more_than_the_person_may_have, async |backend| {
    let app = TestServer::start(backend).await;
    let client = app.web_client("web", json!({})).await;
    let limited = json!({"username": "carol", "password": "Carols-password-1", "scope": "read"});
    app.admin("POST".parse().unwrap(), "/admin/v1/users", Some(limited)).await;
    let mut browser = Browser::logged_in(&app, ("carol", "Carols-password-1")).await;
    let page = browser.authorize(&app, &asking("web", &[("scope", "openid read write")])).await;
    assert!(asks(&page) && !page.body.contains("write"), "{page:?}");
    let answer = browser.send(&app, Form::of(&page).with("action", "allow")).await;
    let tokens = app.redeem(&client, &Arrival::of(&answer).code()).await;
    assert_eq!(tokens.assert_ok().text("scope"), "openid read");
    let nothing = browser.authorize(&app, &asking("web", &[("scope", "write")])).await;
    Arrival::of(&nothing).assert_error(&app, "invalid_scope");
    // Without a scope the request means what client and person may have, but not who the person is.
    let page = browser.authorize(&app, &asking("web", &[("scope", "")])).await;
    let answer = browser.send(&app, Form::of(&page).with("action", "allow")).await;
    let tokens = app.redeem(&client, &Arrival::of(&answer).code()).await;
    assert_eq!(tokens.assert_ok().text("scope"), "read");
    assert!(tokens.json.get("id_token").is_none());
});

on_both_stores!(somebody_else_can_log_in_from_the_consent_page, async |backend| {
    let app = TestServer::start(backend).await;
    let client = app.web_client("web", json!({})).await;
    app.user(ALICE.0, ALICE.1).await;
    let bob = app.user(BOB.0, BOB.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let page = browser.authorize(&app, &asking("web", &[])).await;
    let answer = browser.send(&app, Form::of(&page).with("action", "switch")).await;
    let login = browser.follow(&app, answer).await;
    assert!(login.body.contains("name=\"password\""), "{login:?}");
    let old = browser.clone();
    let answer = browser.send(&app, Form::of(&login).filled_in_by(BOB)).await;
    let page = browser.follow(&app, answer).await;
    assert!(asks(&page) && page.body.contains(BOB.0), "{page:?}");
    let answer = browser.send(&app, Form::of(&page).with("action", "allow")).await;
    let tokens = app.redeem(&client, &Arrival::of(&answer).code()).await;
    let sub = crate::support::jwt_part(&tokens.assert_ok().text("id_token"), 1)["sub"].clone();
    let shown = app.admin("GET".parse().unwrap(), &format!("/admin/v1/users/{bob}"), None).await;
    assert_eq!(sub, shown.json["sub"]);
    // The first person is logged out at this browser.
    let page = old.clone().authorize(&app, &asking("web", &[])).await;
    assert!(page.body.contains("name=\"password\""), "{page:?}");
});
