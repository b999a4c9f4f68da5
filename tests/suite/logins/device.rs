//! The device grant (RFC 8628): a device, and the person who lets it in at a browser.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::browser::{Browser, Form};
use crate::support::scene::{ALICE, BOB};
use crate::support::{Answer, Backend, Setup, TestClient, TestServer, jwt_part, on_both_stores};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The client of a device, which has no secret.
async fn tv(app: &TestServer, client_id: &str) -> TestClient {
    let members = json!({
        "token_endpoint_auth_method": "none", "grant_types": [GRANT, "refresh_token"], "client_name": "Living room",
        "scope": "openid profile offline_access read write",
    });
    app.client(client_id, members).await
}

/// The request of a device.
async fn begin(app: &TestServer, client: &TestClient) -> Answer {
    let answer = app.form(client, "/auth/device", &[("scope", "openid read")]).await;
    answer.assert_ok();
    answer
}

async fn poll(app: &TestServer, client: &TestClient, begun: &Answer) -> Answer {
    app.token(client, &[("grant_type", GRANT), ("device_code", &begun.text("device_code"))]).await
}

/// The path and query of the address with the code.
fn complete(app: &TestServer, begun: &Answer) -> String {
    begun.text("verification_uri_complete").strip_prefix(app.issuer()).unwrap().to_owned()
}

/// Answers the question about a device, as a person who is logged in.
async fn answer(app: &TestServer, browser: &mut Browser, begun: &Answer, action: &str) -> Answer {
    let page = browser.get(app, &complete(app, begun)).await;
    assert_eq!(page.status.as_u16(), 200, "{page:?}");
    browser.send(app, Form::of(&page).with("action", action)).await
}

on_both_stores!(dev_001_dev_002_dev_011_a_device_gets_its_codes, async |backend| {
    let app = TestServer::start(backend).await;
    let client = tv(&app, "tv").await;
    let mut seen = BTreeSet::new();
    for _ in 0..5 {
        let begun = begin(&app, &client).await;
        assert_eq!((begun.json["expires_in"].as_i64(), begun.json["interval"].as_i64()), (Some(600), Some(5)));
        assert!(begun.text("device_code").len() >= 64);
        assert_eq!(begun.header("content-type"), Some("application/json"));
        assert_eq!(begun.header("cache-control"), Some("no-store"));
        let code = begun.text("user_code");
        let is_letter = |c: char| "BCDFGHJKLMNPQRSTVWXZ".contains(c);
        assert!(
            code.len() == 9 && code.chars().enumerate().all(|(at, c)| if at == 4 { c == '-' } else { is_letter(c) })
        );
        assert_eq!(begun.text("verification_uri"), format!("{}/device", app.issuer()));
        assert_eq!(begun.text("verification_uri_complete"), format!("{}/device?user_code={code}", app.issuer()));
        assert!(seen.insert(code) && seen.insert(begun.text("device_code")), "all differ");
    }
    let metadata = app.get("/.well-known/oauth-authorization-server").await;
    assert_eq!(metadata.text("device_authorization_endpoint"), format!("{}/auth/device", app.issuer()));
    assert!(metadata.json["grant_types_supported"].as_array().unwrap().contains(&json!(GRANT)));
});

on_both_stores!(dev_003_dev_010_a_person_types_in_the_code_and_the_device_gets_tokens_once, async |backend| {
    let app = TestServer::start(backend).await;
    let client = tv(&app, "tv").await;
    let alice = app.user(ALICE.0, ALICE.1).await;
    let begun = begin(&app, &client).await;
    poll(&app, &client, &begun).await.assert_error(400, "authorization_pending");
    // The person types it in lower case and without the dash (DEV-011), logs in, and comes back with it.
    let mut browser = Browser::default();
    let typed = begun.text("user_code").to_lowercase().replace('-', "");
    let page = browser.get(&app, "/device").await;
    let login = browser.send(&app, Form::of(&page).with("user_code", &typed)).await;
    let wrong = browser.send(&app, Form::of(&login).filled_in_by((ALICE.0, "wrong"))).await;
    let sent = browser.send(&app, Form::of(&wrong).filled_in_by(ALICE)).await;
    assert_eq!(sent.status.as_u16(), 303, "{sent:?}");
    let question = browser.follow(&app, sent).await;
    let code = begun.text("user_code");
    for shown in [code.as_str(), "Living room", "127.0.0.1", ALICE.0, "read"] {
        assert!(question.body.contains(shown), "DEV-013: {shown}: {question:?}");
    }
    let done = browser.send(&app, Form::of(&question).with("action", "allow")).await;
    assert!(done.status.as_u16() == 200 && done.body.contains("Living room"), "{done:?}");
    let tokens = poll(&app, &client, &begun).await;
    tokens.assert_ok();
    assert_eq!(tokens.text("scope"), "openid read");
    let (access, id) = (jwt_part(&tokens.text("access_token"), 1), jwt_part(&tokens.text("id_token"), 1));
    assert_eq!((&access["sub"], &access["sid"]), (&id["sub"], &id["sid"]));
    assert_eq!((access["sub"].as_str(), &id["aud"], &id["amr"]), (Some(alice.as_str()), &json!("tv"), &json!(["pwd"])));
    app.refresh(&client, &tokens.text("refresh_token")).await.assert_ok();
    poll(&app, &client, &begun).await.assert_error(400, "invalid_grant");
    // Nobody can be asked about it any more.
    let again = browser.get(&app, &complete(&app, &begun)).await;
    assert!(again.status.as_u16() == 400 && again.body.contains("name=\"user_code\""), "{again:?}");
});

on_both_stores!(a_second_use_of_a_device_code_ends_what_the_first_gave, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    let (client, rs) = (tv(&app, "tv").await, app.resource_server("api").await);
    app.user(ALICE.0, ALICE.1).await;
    // At once, or when the request of the device is over, but not more than ten minutes after it was let in.
    for (before, after, ends) in [(0, 0, true), (500, 599, true), (0, 601, false)] {
        app.forget_admin_token().await;
        let mut browser = Browser::logged_in(&app, ALICE).await;
        let begun = begin(&app, &client).await;
        app.advance(before);
        answer(&app, &mut browser, &begun, "allow").await;
        let tokens = poll(&app, &client, &begun).await;
        tokens.assert_ok();
        app.advance(after);
        // Of another client it is none.
        let other = app.client(&format!("tv-{after}"), json!({"grant_types": [GRANT], "scope": "read"})).await;
        poll(&app, &other, &begun).await;
        assert_eq!(app.introspect(&rs, &tokens.text("access_token")).await.json["active"], json!(true));
        poll(&app, &client, &begun).await.assert_error(400, "invalid_grant");
        let refreshed = app.refresh(&client, &tokens.text("refresh_token")).await;
        assert_eq!(refreshed.status.as_u16(), if ends { 400 } else { 200 }, "{before} {after}: {refreshed:?}");
        let active = app.introspect(&rs, &tokens.text("access_token")).await.json["active"].clone();
        assert_eq!(active, json!(!ends), "{before} {after}");
    }
});

on_both_stores!(a_person_reads_what_the_scopes_of_a_device_allow, async |backend| {
    let app = TestServer::start(backend).await;
    let files = "https://files.example.com/";
    app.resource(json!({"resource": files, "scopes": {"read": "Read your files"}, "open_to": "registered"})).await;
    let client = tv(&app, "tv").await;
    app.user(ALICE.0, ALICE.1).await;
    let begun = app.form(&client, "/auth/device", &[("scope", "openid read"), ("resource", files)]).await;
    begun.assert_ok();
    let mut browser = Browser::default();
    let login = browser.get(&app, &complete(&app, &begun)).await;
    let sent = browser.send(&app, Form::of(&login).filled_in_by(ALICE)).await;
    let question = browser.follow(&app, sent).await;
    assert!(question.body.contains("Read your files"), "{question:?}");
});

on_both_stores!(dev_004_a_device_that_asks_too_often_has_to_slow_down, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    let client = tv(&app, "tv").await;
    let begun = begin(&app, &client).await;
    for (seconds, error) in [
        (0, "authorization_pending"),
        (4, "slow_down"),
        (9, "slow_down"),
        (15, "authorization_pending"),
        (15, "authorization_pending"),
        (14, "slow_down"),
        (20, "authorization_pending"),
    ] {
        app.advance(seconds);
        poll(&app, &client, &begun).await.assert_error(400, error);
    }
});

on_both_stores!(dev_005_dev_006_dev_008_only_its_client_gets_anything_for_a_device_code, async |backend| {
    let app = TestServer::start(backend).await;
    let (client, other) = (tv(&app, "tv").await, tv(&app, "other").await);
    app.user(ALICE.0, ALICE.1).await;
    let begun = begin(&app, &client).await;
    let code = begun.text("device_code");
    let changed = format!("{}{}", &code[..code.len() - 1], if code.ends_with('A') { "B" } else { "A" });
    for wrong in ["x", "jdc_live_AQEC", &changed[..], &code.replacen("jdc_", "jac_", 1), &code.to_lowercase()] {
        let answer = app.token(&client, &[("grant_type", GRANT), ("device_code", wrong)]).await;
        answer.assert_error(400, "invalid_grant");
    }
    app.token(&client, &[("grant_type", GRANT)]).await.assert_error(400, "invalid_request");
    app.token(&client, &[("grant_type", GRANT), ("device_code", "")]).await.assert_error(400, "invalid_request");
    let twice = [("grant_type", GRANT), ("device_code", code.as_str()), ("device_code", code.as_str())];
    app.token(&client, &twice).await.assert_error(400, "invalid_request");
    poll(&app, &other, &begun).await.assert_error(400, "invalid_grant");
    poll(&app, &client, &begun).await.assert_error(400, "authorization_pending");
    // Neither is it a code or a refresh token, nor are they device codes.
    app.refresh(&client, &code).await.assert_error(400, "invalid_grant");
    let mut browser = Browser::logged_in(&app, ALICE).await;
    answer(&app, &mut browser, &begun, "allow").await;
    poll(&app, &other, &begun).await.assert_error(400, "invalid_grant");
    let tokens = poll(&app, &client, &begun).await;
    let refresh = tokens.text("refresh_token");
    let answer = app.token(&client, &[("grant_type", GRANT), ("device_code", &refresh)]).await;
    answer.assert_error(400, "invalid_grant");
    app.refresh(&client, &refresh).await.assert_ok();
});

on_both_stores!(dev_007_only_clients_with_the_grant_begin, async |backend| {
    let app = TestServer::start(backend).await;
    let client = app.client("box", json!({"grant_types": [GRANT], "scope": "read"})).await;
    let without = app.web_client("web", json!({})).await;
    let nobody = TestClient { id: "nobody".into(), ..without.clone() };
    app.form(&client, "/auth/device", &[]).await.assert_ok();
    for stranger in [client.with_secret("wrong"), client.without_secret(), nobody] {
        app.form(&stranger, "/auth/device", &[]).await.assert_error(401, "invalid_client");
    }
    app.form(&without, "/auth/device", &[]).await.assert_error(400, "unauthorized_client");
    app.token(&without, &[("grant_type", GRANT), ("device_code", "x")]).await.assert_error(400, "unauthorized_client");
});

on_both_stores!(dev_009_the_device_learns_that_it_was_refused_or_that_nobody_came, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    let client = tv(&app, "tv").await;
    app.user(ALICE.0, ALICE.1).await;
    let (denied, late, unused) = (begin(&app, &client).await, begin(&app, &client).await, begin(&app, &client).await);
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let page = answer(&app, &mut browser, &denied, "deny").await;
    assert_eq!(page.status.as_u16(), 200, "{page:?}");
    poll(&app, &client, &denied).await.assert_error(400, "access_denied");
    poll(&app, &client, &denied).await.assert_error(400, "access_denied");
    answer(&app, &mut browser, &unused, "allow").await;
    let question = browser.get(&app, &complete(&app, &late)).await;
    app.advance(599);
    poll(&app, &client, &late).await.assert_error(400, "authorization_pending");
    app.advance(1);
    poll(&app, &client, &late).await.assert_error(400, "expired_token");
    poll(&app, &client, &unused).await.assert_error(400, "expired_token");
    let page = browser.send(&app, Form::of(&question).with("action", "allow")).await;
    assert!(page.status.as_u16() == 400 && page.body.contains("name=\"user_code\""), "{page:?}");
    poll(&app, &client, &late).await.assert_error(400, "expired_token");
});

on_both_stores!(dev_012_guessing_codes_is_slowed_down, async |backend| {
    let setup = Setup::default().with_manual_clock().set("JETON_THROTTLING", "on");
    let app = TestServer::start_with(backend, setup).await;
    let client = tv(&app, "tv").await;
    app.user(ALICE.0, ALICE.1).await;
    let begun = begin(&app, &client).await;
    for (mut browser, is_logged_in) in [(Browser::logged_in(&app, ALICE).await, true), (Browser::default(), false)] {
        let form = Form::of(&browser.get(&app, "/device").await);
        let mut statuses = Vec::new();
        for _ in 0..20 {
            let page = browser.send(&app, form.clone().with("user_code", "BBBB-BBBB")).await;
            statuses.push(page.status.as_u16());
        }
        assert!(statuses.ends_with(&[429; 4]) && statuses.starts_with(&[400; 4]), "{statuses:?}");
        let right = browser.send(&app, form.clone().with("user_code", &begun.text("user_code"))).await;
        assert!(right.status.as_u16() == 429 && !right.body.contains("Living room"), "{right:?}");
        assert!(right.header("retry-after").is_some_and(|wait| wait.parse::<u64>().is_ok_and(|wait| wait > 0)));
        let right = browser.get(&app, &complete(&app, &begun)).await;
        assert!(!right.body.contains("Living room"), "{right:?}");
        // Whoever is not logged in learns nothing by an address, and so makes nobody wait.
        assert_eq!(right.status.as_u16(), if is_logged_in { 429 } else { 200 }, "{right:?}");
        app.advance(600);
        let over = browser.get(&app, &complete(&app, &begun)).await;
        assert_eq!(over.status.as_u16(), if is_logged_in { 400 } else { 200 }, "it is over by now");
        app.advance(3600);
    }
});

on_both_stores!(dev_013_the_person_is_asked_also_if_the_code_came_with_the_address, async |backend| {
    let app = TestServer::start(backend).await;
    let client = tv(&app, "tv").await;
    app.user(ALICE.0, ALICE.1).await;
    let begun = begin(&app, &client).await;
    let mut browser = Browser::default();
    let login = browser.get(&app, &complete(&app, &begun)).await;
    assert!(login.body.contains("name=\"password\""), "{login:?}");
    let sent = browser.send(&app, Form::of(&login).filled_in_by(ALICE)).await;
    let page = browser.follow(&app, sent).await;
    assert!(page.body.contains(&begun.text("user_code")) && page.body.contains("Living room"), "{page:?}");
    assert!(page.body.contains("value=\"allow\"") && page.body.contains("value=\"deny\""), "{page:?}");
    poll(&app, &client, &begun).await.assert_error(400, "authorization_pending");
});

on_both_stores!(dev_014_parameters_are_read_as_everywhere, async |backend| {
    let app = TestServer::start(backend).await;
    let client = tv(&app, "tv").await;
    let asked = async |parameters: &[(&str, &str)]| app.form(&client, "/auth/device", parameters).await;
    asked(&[("scope", "read"), ("scope", "read")]).await.assert_error(400, "invalid_request");
    asked(&[("foo", "bar"), ("foo", "bar"), ("scope", "")]).await.assert_ok();
    asked(&[("scope", "admin")]).await.assert_error(400, "invalid_scope");
    asked(&[("resource", "https://other.example")]).await.assert_error(400, "invalid_target");
    assert_eq!(app.get("/auth/device").await.status.as_u16(), 405);
    let mut browser = Browser::default();
    for path in
        ["/device?user_code=a&user_code=b", "/device?user_code=%FF", "/device?user_code=%00%0a", "/device?action=allow"]
    {
        let page = browser.get(&app, path).await;
        assert!([200, 400].contains(&page.status.as_u16()) && page.body.contains("</html>"), "{path}: {page:?}");
    }
});

on_both_stores!(dev_015_the_page_is_in_no_frame_and_answers_no_form_of_another_site, async |backend| {
    let app = TestServer::start(backend).await;
    let client = tv(&app, "tv").await;
    app.user(ALICE.0, ALICE.1).await;
    app.user(BOB.0, BOB.1).await;
    let begun = begin(&app, &client).await;
    let code = begun.text("user_code");
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let (form, question) = (browser.get(&app, "/device").await, browser.get(&app, &complete(&app, &begun)).await);
    for page in [&form, &question] {
        assert_eq!((page.status.as_u16(), page.header("x-frame-options")), (200, Some("DENY")), "{page:?}");
        assert!(page.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
        assert_eq!(page.header("cache-control"), Some("no-store"));
    }
    let (form, question) = (Form::of(&form).with("user_code", &code), Form::of(&question).with("action", "allow"));
    let bobs = Browser::logged_in(&app, BOB).await;
    let other = begin(&app, &client).await.text("user_code");
    for form in [form, question.clone()] {
        for (mut browser, form) in [
            (Browser::default(), form.clone()),
            (bobs.clone(), form.clone()),
            (browser.clone(), form.clone().without("proof")),
            (browser.clone(), form.clone().with("proof", "x")),
        ] {
            let answer = browser.send(&app, form.clone()).await;
            assert_eq!(answer.status.as_u16(), 403, "{form:?}: {answer:?}");
        }
    }
    // The proof of one question is not that of another.
    let moved = browser.send(&app, question.clone().with("request", &other)).await;
    assert_eq!(moved.status.as_u16(), 403, "{moved:?}");
    let odd = browser.send(&app, question.clone().with("action", "maybe")).await;
    assert_eq!(odd.status.as_u16(), 400, "{odd:?}");
    poll(&app, &client, &begun).await.assert_error(400, "authorization_pending");
    assert_eq!(browser.send(&app, question).await.status.as_u16(), 200);
    poll(&app, &client, &begun).await.assert_ok();
});

on_both_stores!(of_two_polls_at_once_one_gets_the_tokens, async |backend| {
    let app = TestServer::start(backend).await;
    let client = tv(&app, "tv").await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    for _ in 0..5 {
        let begun = begin(&app, &client).await;
        answer(&app, &mut browser, &begun, "allow").await;
        let (one, two, three) =
            tokio::join!(poll(&app, &client, &begun), poll(&app, &client, &begun), poll(&app, &client, &begun));
        let good = [&one, &two, &three].iter().filter(|answer| answer.status.as_u16() == 200).count();
        assert_eq!(good, 1, "{one:?} {two:?} {three:?}");
    }
    let sessions = app.admin("GET".parse().unwrap(), "/admin/v1/sessions?client=tv", None).await;
    assert_eq!(sessions.json["items"].as_array().unwrap().len(), 5);
});

on_both_stores!(what_is_revoked_between_the_answer_and_the_poll_stops_the_device, async |backend| {
    let app = TestServer::start(backend).await;
    let client = tv(&app, "tv").await;
    let alice = app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let begun = begin(&app, &client).await;
    answer(&app, &mut browser, &begun, "allow").await;
    let post = "POST".parse().unwrap();
    let revoked = app.admin(post, "/admin/v1/revocations", Some(json!({"user": alice}))).await;
    assert_eq!(revoked.status.as_u16(), 201, "{revoked:?}");
    poll(&app, &client, &begun).await.assert_error(400, "invalid_grant");
});

on_both_stores!(a_person_grants_a_device_no_more_than_the_person_may_have, async |backend| {
    let app = TestServer::start(backend).await;
    let client = tv(&app, "tv").await;
    let members = json!({"username": ALICE.0, "password": ALICE.1, "scope": "read"});
    app.admin("POST".parse().unwrap(), "/admin/v1/users", Some(members)).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let begun = app.form(&client, "/auth/device", &[("scope", "read write")]).await;
    answer(&app, &mut browser, &begun, "allow").await;
    assert_eq!(poll(&app, &client, &begun).await.text("scope"), "read");
    let begun = app.form(&client, "/auth/device", &[("scope", "write")]).await;
    let page = browser.get(&app, &complete(&app, &begun)).await;
    assert!(page.status.as_u16() == 400 && !page.body.contains("value=\"allow\""), "{page:?}");
});

on_both_stores!(the_devices_of_a_network_that_wait_are_bounded, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    let client = tv(&app, "tv").await;
    for _ in 0..100 {
        begin(&app, &client).await;
    }
    let flood = app.form(&client, "/auth/device", &[]).await;
    assert_eq!((flood.status.as_u16(), flood.header("retry-after")), (429, Some("60")), "{flood:?}");
    app.advance(600);
    begin(&app, &client).await;
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_step_of_a_device_may_reach_another_node() {
    let one = TestServer::start(Backend::Postgres).await;
    let two = TestServer::start_on(&one.database, &one.master_key, Setup::default()).await;
    let client = tv(&one, "tv").await;
    one.user(ALICE.0, ALICE.1).await;
    let begun = begin(&one, &client).await;
    poll(&two, &client, &begun).await.assert_error(400, "authorization_pending");
    let mut browser = Browser::default();
    let page = browser.get(&two, &complete(&one, &begun)).await;
    let sent = browser.send(&one, Form::of(&page).filled_in_by(ALICE)).await;
    let page = browser.follow(&two, sent).await;
    let done = browser.send(&one, Form::of(&page).with("action", "allow")).await;
    assert_eq!(done.status.as_u16(), 200, "{done:?}");
    let (first, second) = tokio::join!(poll(&one, &client, &begun), poll(&two, &client, &begun));
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400], "{first:?} {second:?}");
}
