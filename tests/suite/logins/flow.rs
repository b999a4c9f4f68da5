//! From the authorization request to the tokens.

use jeton::crypto::base64url;
use serde_json::json;

use crate::support::browser::{Arrival, Browser, CALLBACK, CHALLENGE, Form, VERIFIER, address, asking};
use crate::support::scene::{ALICE, BOB};
use crate::support::{Setup, TestServer, jwt_part, on_both_stores};

on_both_stores!(aut_020_iss_001_a_person_logs_in_and_consents_and_the_client_gets_tokens, async |backend| {
    let app = TestServer::start(backend).await;
    let client = app.web_client("web", json!({})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::default();
    let login = browser.authorize(&app, &asking("web", &[])).await;
    assert_eq!(login.status.as_u16(), 200, "{login:?}");
    let answer = browser.send(&app, Form::of(&login).filled_in_by(ALICE)).await;
    assert_eq!(answer.status.as_u16(), 303, "AUT-012: {answer:?}");
    let consent = browser.follow(&app, answer).await;
    assert!(consent.body.contains("read") && consent.body.contains(ALICE.0), "{consent:?}");
    let answer = browser.send(&app, Form::of(&consent).with("action", "allow")).await;
    assert_eq!(answer.status.as_u16(), 303, "{answer:?}");
    let arrival = Arrival::of(&answer);
    assert_eq!(arrival.uri, CALLBACK);
    let names: Vec<&str> = arrival.parameters.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["code", "state", "iss"], "AUT-039: nothing else");
    assert_eq!((arrival.get("state"), arrival.get("iss")), (Some("xyz"), Some(app.issuer())));
    let tokens = app.redeem(&client, &arrival.code()).await;
    tokens.assert_ok();
    assert_eq!(tokens.text("scope"), "openid read");
    let (access, id) = (jwt_part(&tokens.text("access_token"), 1), jwt_part(&tokens.text("id_token"), 1));
    assert_eq!((&access["sub"], &access["sid"]), (&id["sub"], &id["sid"]));
    assert_eq!(id["amr"], json!(["pwd"]));
    app.refresh(&client, &tokens.text("refresh_token")).await.assert_ok();
});

on_both_stores!(an_active_login_answers_at_once_where_no_consent_is_needed, async |backend| {
    let app = TestServer::start(backend).await;
    app.web_client("web", json!({"consent": "skip"})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let answer = browser.authorize(&app, &asking("web", &[])).await;
    assert_eq!(answer.status.as_u16(), 302, "{answer:?}");
    Arrival::of(&answer).code();
    // AUT-011: the same by POST; without the cookie, as from another site, the browser asks again by itself.
    let answer = browser.post(&app, "/auth/authorize", &asking("web", &[])).await;
    assert_eq!(answer.status.as_u16(), 303, "{answer:?}");
    Arrival::of(&answer).code();
    let foreign = Browser::default().post(&app, "/auth/authorize", &asking("web", &[])).await;
    assert_eq!(foreign.status.as_u16(), 303, "{foreign:?}");
    let answer = browser.follow(&app, foreign).await;
    Arrival::of(&answer).code();
});

on_both_stores!(head_issues_no_code, async |backend| {
    let app = TestServer::start(backend).await;
    app.web_client("web", json!({"consent": "skip"})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let asked = address(&asking("web", &[]));
    let answer = browser.head(&app, &asked).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (200, None), "as if nobody were logged in");
    let silent = browser.head(&app, &address(&asking("web", &[("prompt", "none")]))).await;
    Arrival::of(&silent).assert_error(&app, "login_required");
    let sessions = async || {
        let listed = app.admin("GET".parse().unwrap(), "/admin/v1/sessions?client=web", None).await;
        listed.assert_ok().json["items"].as_array().unwrap().len()
    };
    assert_eq!(sessions().await, 0);
    Arrival::of(&browser.get(&app, &asked).await).code();
    assert_eq!(sessions().await, 1);
});

on_both_stores!(aut_036_prompt_and_max_age_decide_about_a_new_login, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    app.web_client("web", json!({"consent": "skip"})).await;
    app.user(ALICE.0, ALICE.1).await;
    let none = asking("web", &[("prompt", "none")]);
    let nobody = Browser::default().authorize(&app, &none).await;
    Arrival::of(&nobody).assert_error(&app, "login_required");
    let mut browser = Browser::logged_in(&app, ALICE).await;
    app.advance(100);
    app.forget_admin_token().await;
    Arrival::of(&browser.authorize(&app, &none).await).code();
    Arrival::of(&browser.authorize(&app, &asking("web", &[("max_age", "101")])).await).code();
    for more in [("prompt", "login"), ("prompt", "select_account"), ("max_age", "100"), ("max_age", "0")] {
        let page = browser.authorize(&app, &asking("web", &[more])).await;
        assert!(page.status.as_u16() == 200 && page.body.contains("name=\"password\""), "{more:?}: {page:?}");
        let mut other = browser.clone();
        let answer = other.send(&app, Form::of(&page).filled_in_by(ALICE)).await;
        Arrival::of(&other.follow(&app, answer).await).code();
        // The new login is that of this browser alone: the old cookie is worth nothing.
        let page = browser.authorize(&app, &asking("web", &[])).await;
        assert!(page.body.contains("name=\"password\""), "{page:?}");
        browser = other;
        app.advance(100);
    }
    let stale = browser.authorize(&app, &asking("web", &[("prompt", "none"), ("max_age", "99")])).await;
    Arrival::of(&stale).assert_error(&app, "login_required");
});

on_both_stores!(what_a_client_got_before_a_second_login_ends_with_the_logout_too, async |backend| {
    let app = TestServer::start(backend).await;
    let client = app.web_client("web", json!({"consent": "skip"})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let arrival = Arrival::of(&browser.authorize(&app, &asking("web", &[])).await);
    let before = app.redeem(&client, &arrival.code()).await;
    let page = browser.authorize(&app, &asking("web", &[("prompt", "login")])).await;
    let answer = browser.send(&app, Form::of(&page).filled_in_by(ALICE)).await;
    let after = Arrival::of(&browser.follow(&app, answer).await);
    let after = app.redeem(&client, &after.code()).await;
    let before = app.refresh(&client, &before.text("refresh_token")).await;
    before.assert_ok();
    let page = browser.get(&app, "/auth/logout").await;
    browser.send(&app, Form::of(&page).with("action", "log_out")).await;
    for tokens in [before, after] {
        app.refresh(&client, &tokens.text("refresh_token")).await.assert_error(400, "invalid_grant");
    }
});

on_both_stores!(only_the_person_of_the_hint_will_do, async |backend| {
    let app = TestServer::start(backend).await;
    let client = app.web_client("web", json!({"consent": "skip"})).await;
    let other = app.web_client("other", json!({"consent": "skip"})).await;
    app.user(ALICE.0, ALICE.1).await;
    app.user(BOB.0, BOB.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let arrival = Arrival::of(&browser.authorize(&app, &asking("web", &[])).await);
    let tokens = app.redeem(&client, &arrival.code()).await;
    let (hint, access) = (tokens.text("id_token"), tokens.text("access_token"));
    let sub = jwt_part(&hint, 1)["sub"].as_str().unwrap().to_owned();
    let claims = format!(r#"{{"id_token":{{"sub":{{"value":"{sub}"}}}}}}"#);
    for meant in [("id_token_hint", hint.as_str()), ("claims", &claims)] {
        Arrival::of(&browser.authorize(&app, &asking("web", &[meant])).await).code();
        let mut bobs = Browser::logged_in(&app, BOB).await;
        let silent = bobs.authorize(&app, &asking("web", &[meant, ("prompt", "none")])).await;
        Arrival::of(&silent).assert_error(&app, "login_required");
        let page = bobs.authorize(&app, &asking("web", &[meant])).await;
        let answer = bobs.send(&app, Form::of(&page).filled_in_by(BOB)).await;
        Arrival::of(&bobs.follow(&app, answer).await).assert_error(&app, "login_required");
        let page = bobs.authorize(&app, &asking("web", &[meant])).await;
        let answer = bobs.send(&app, Form::of(&page).filled_in_by(ALICE)).await;
        Arrival::of(&bobs.follow(&app, answer).await).code();
    }
    // No access token, nothing of another client, and nothing that was changed.
    let others = Arrival::of(&browser.authorize(&app, &asking("other", &[])).await);
    let others = app.redeem(&other, &others.code()).await.text("id_token");
    for wrong in [access.as_str(), &others, &hint[..hint.len() - 4], "x", "a.b.c"] {
        let answer = browser.authorize(&app, &asking("web", &[("id_token_hint", wrong)])).await;
        Arrival::of(&answer).assert_error(&app, "invalid_request");
    }
});

on_both_stores!(form_post_sends_the_answer_in_a_form, async |backend| {
    let app = TestServer::start(backend).await;
    let client = app.web_client("web", json!({"consent": "skip"})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let state = "a\"><script>alert(1)</script>'&amp;é";
    let page = browser.authorize(&app, &asking("web", &[("response_mode", "form_post"), ("state", state)])).await;
    assert_eq!(page.status.as_u16(), 200, "{page:?}");
    let form = Form::of(&page);
    assert_eq!((form.action.as_str(), form.field("state")), (CALLBACK, Some(state)));
    assert_eq!(form.field("iss"), Some(app.issuer()));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action 'self' https://app.example.test;"), "{policy}");
    app.redeem(&client, form.field("code").unwrap()).await.assert_ok();
    // Errors, too.
    let page = browser.authorize(&app, &asking("web", &[("response_mode", "form_post"), ("scope", "admin")])).await;
    assert_eq!((page.status.as_u16(), Form::of(&page).field("error")), (200, Some("invalid_scope")), "{page:?}");
    // A client that asks for it in a request object gets the refusal of that in a form.
    let object = format!("eyJhbGciOiJub25lIn0.{}.", base64url(json!({"response_mode": "form_post"}).to_string()));
    let page = browser.authorize(&app, &asking("web", &[("request", &object)])).await;
    assert_eq!(Form::of(&page).field("error"), Some("request_not_supported"), "{page:?}");
    let both = asking("web", &[("request", &object), ("response_mode", "query")]);
    Arrival::of(&browser.authorize(&app, &both).await).assert_error(&app, "request_not_supported");
});

on_both_stores!(aut_037_a_code_is_bound_to_the_challenge_of_its_request, async |backend| {
    let app = TestServer::start(backend).await;
    let client = app.web_client("web", json!({"consent": "skip"})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let other = crate::support::browser::challenge_of(&"v".repeat(43));
    let victim = Arrival::of(&browser.authorize(&app, &asking("web", &[("code_challenge", &other)])).await);
    app.redeem(&client, &victim.code()).await.assert_error(400, "invalid_grant");
    let own = Arrival::of(&browser.authorize(&app, &asking("web", &[("code_challenge", CHALLENGE)])).await);
    assert_eq!(VERIFIER.len(), 43);
    app.redeem(&client, &own.code()).await.assert_ok();
});

on_both_stores!(aut_034_codes_are_long_and_alike_in_nothing_but_their_prefix, async |backend| {
    let app = TestServer::start(backend).await;
    app.web_client("web", json!({"consent": "skip"})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let code = Arrival::of(&browser.authorize(&app, &asking("web", &[])).await).code();
        // The MAC alone has 128 bits or more.
        assert!(code.len() >= 64, "{}", code.len());
        assert!(seen.insert(code[code.len() - 22..].to_owned()));
    }
});

on_both_stores!(a_request_is_answered_once, async |backend| {
    let app = TestServer::start(backend).await;
    app.web_client("web", json!({})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let page = browser.authorize(&app, &asking("web", &[])).await;
    let allow = Form::of(&page).with("action", "allow");
    Arrival::of(&browser.send(&app, allow.clone()).await).code();
    let again = browser.send(&app, allow).await;
    assert_eq!((again.status.as_u16(), again.header("location")), (400, None), "{again:?}");
});

on_both_stores!(a_login_page_works_for_an_hour, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    app.web_client("web", json!({"consent": "skip"})).await;
    app.user(ALICE.0, ALICE.1).await;
    let (mut quick, mut slow) = (Browser::default(), Browser::default());
    let page = quick.authorize(&app, &asking("web", &[])).await;
    let late = slow.authorize(&app, &asking("web", &[])).await;
    app.advance(3599);
    let answer = quick.send(&app, Form::of(&page).filled_in_by(ALICE)).await;
    Arrival::of(&quick.follow(&app, answer).await).code();
    app.advance(1);
    let answer = slow.send(&app, Form::of(&late).filled_in_by(ALICE)).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (400, None), "{answer:?}");
    assert!(slow.cookies.keys().all(|name| name.ends_with("-form")), "nobody was logged in");
});

on_both_stores!(a_browser_session_ends_when_it_is_unused_or_old_or_its_user_changes, async |backend| {
    let setup = Setup::default().with_manual_clock();
    let setup = setup.set("JETON_BROWSER_SESSION_IDLE", "1h").set("JETON_BROWSER_SESSION_TTL", "3h");
    let app = TestServer::start_with(backend, setup).await;
    app.web_client("web", json!({"consent": "skip"})).await;
    let alice = app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let mut idle = browser.clone();
    let is_logged_in = async |browser: &mut Browser| {
        let answer = browser.authorize(&app, &asking("web", &[])).await;
        answer.status.as_u16() == 302
    };
    for _ in 0..3 {
        assert!(is_logged_in(&mut browser).await);
        app.advance(3500);
    }
    assert!(is_logged_in(&mut browser).await, "it was used within each hour");
    app.advance(300);
    assert!(!is_logged_in(&mut browser).await, "three hours are over");
    idle.cookies.clear();
    let mut idle = Browser::logged_in(&app, ALICE).await;
    app.advance(3601);
    assert!(!is_logged_in(&mut idle).await);
    app.forget_admin_token().await;
    let mut disabled = Browser::logged_in(&app, ALICE).await;
    assert!(is_logged_in(&mut disabled).await);
    let path = format!("/admin/v1/users/{alice}");
    app.admin("PATCH".parse().unwrap(), &path, Some(json!({"enabled": false}))).await.assert_ok();
    assert!(!is_logged_in(&mut disabled).await);
    app.admin("PATCH".parse().unwrap(), &path, Some(json!({"enabled": true}))).await.assert_ok();
    assert!(!is_logged_in(&mut disabled).await, "what ended does not come back");
    assert!(address(&[]).starts_with("/auth/authorize"));
});

on_both_stores!(with_dev_a_newcomer_sees_a_login_and_its_tokens, async |backend| {
    let app = TestServer::start_with(backend, Setup { dev: true, ..Setup::default() }).await;
    let mut browser = Browser::default();
    let page = browser.get(&app, "/demo").await;
    let (_, start) = page.body.split_once("class=\"button\" href=\"").unwrap();
    let start = start.split('"').next().unwrap().replace("&#38;", "&");
    let login = browser.get(&app, &start).await;
    let answer = browser.send(&app, Form::of(&login).filled_in_by(("demo", "demo-password"))).await;
    let consent = browser.follow(&app, answer).await;
    let answer = browser.send(&app, Form::of(&consent).with("action", "allow")).await;
    let back = answer.header("location").unwrap().strip_prefix(&app.base).unwrap().to_owned();
    // Another browser gets nothing of it, and the code stays good.
    let stolen = Browser::default().get(&app, &back).await;
    assert!(stolen.body.contains("invalid_form") && !stolen.body.contains("access_token"), "{stolen:?}");
    let page = browser.get(&app, &back).await;
    for part in ["access_token", "id_token", "refresh_token", "demo@example.com", "preferred_username", "at+jwt"] {
        let is_there = page.body.contains(part);
        // Who the person is, is told by UserInfo.
        assert_eq!(is_there, !["demo@example.com", "preferred_username"].contains(&part), "{part}: {page:?}");
    }
    let again = browser.get(&app, &back).await;
    assert!(again.body.contains("invalid_grant"), "{again:?}");
    let denied = browser.get(&app, "/demo?error=access_denied&error_description=No").await;
    assert!(denied.body.contains("access_denied"), "{denied:?}");
});

on_both_stores!(without_dev_there_is_no_demonstration, async |backend| {
    let app = TestServer::start(backend).await;
    assert_eq!(app.get("/demo").await.status.as_u16(), 404);
});
