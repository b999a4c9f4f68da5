//! One's own account: what was allowed is shown there, and can be ended.

use jeton::protocol::session::Session;
use jeton::store::{Audited, NewSession};
use serde_json::json;
use uuid::Uuid;

use crate::support::browser::{Browser, Form, asking};
use crate::support::scene::{ALICE, BOB};
use crate::support::{Answer, Setup, TestClient, TestServer, on_both_stores};

/// What a client got for a person who allowed it.
pub(super) async fn tokens(app: &TestServer, client: &TestClient, browser: &mut Browser, scope: &str) -> Answer {
    let asked = asking(&client.id, &[("scope", scope)]);
    let code = browser.agree(app, ALICE, &asked).await.code();
    let tokens = app.redeem(client, &code).await;
    tokens.assert_ok();
    tokens
}

async fn is_logged_in(app: &TestServer, browser: &mut Browser) -> bool {
    let page = browser.get(app, "/account").await;
    if page.status.as_u16() == 200 {
        return true;
    }
    assert_eq!((page.status.as_u16(), page.header("location")), (302, Some("/login")), "{page:?}");
    false
}

#[track_caller]
fn assert_done(answer: &Answer, done: &str) {
    assert_eq!(answer.status.as_u16(), 303, "{answer:?}");
    assert_eq!(answer.header("location"), Some(format!("/account?done={done}").as_str()));
}

on_both_stores!(an_app_that_was_allowed_is_shown_and_its_access_can_be_ended, async |backend| {
    let app = TestServer::start(backend).await;
    let client = app.web_client("web", json!({"consent": "once", "client_name": "Photo <Printer>"})).await;
    let other = app.web_client("other", json!({"consent": "once"})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    assert!(!browser.get(&app, "/account").await.body.contains("remove_app"), "there is none yet");
    let removed = tokens(&app, &client, &mut browser, "openid offline_access read").await;
    let kept = tokens(&app, &other, &mut browser, "openid write").await;
    let page = browser.get(&app, "/account").await;
    assert!(page.body.contains("Photo &#60;Printer&#62;") && page.body.contains("<code>read</code>"), "{page:?}");
    let forms = page.body.matches("value=\"remove_app\"").count();
    assert_eq!(forms, 2, "{page:?}");
    let answer = browser.send(&app, Form::to(&page, "remove_app").with("client_id", "web")).await;
    assert_done(&answer, "app_removed");
    let page = browser.follow(&app, answer).await;
    assert!(page.body.contains("no longer has access") && !page.body.contains("Printer"), "{page:?}");
    app.refresh(&client, &removed.text("refresh_token")).await.assert_error(400, "invalid_grant");
    app.introspect(&app.resource_server("api").await, &removed.text("access_token")).await.assert_inactive();
    app.refresh(&other, &kept.text("refresh_token")).await.assert_ok();
    let asked = browser.authorize(&app, &asking("web", &[("scope", "read")])).await;
    assert!(asked.body.contains("value=\"allow\""), "it is no longer remembered: {asked:?}");
});

on_both_stores!(other_browsers_can_be_logged_out_with_what_clients_got_there, async |backend| {
    let app = TestServer::start(backend).await;
    let client = app.web_client("web", json!({"consent": "skip"})).await;
    app.user(ALICE.0, ALICE.1).await;
    app.user(BOB.0, BOB.1).await;
    let mut here = Browser::logged_in(&app, ALICE).await;
    let mut there = Browser::logged_in(&app, ALICE).await;
    let got_there = tokens(&app, &client, &mut there, "openid read").await;
    let page = here.get(&app, "/account").await;
    let form = Form::to(&page, "end_browser");
    // Nobody ends the login of somebody else.
    let mut bobs = Browser::logged_in(&app, BOB).await;
    let mut bobs_second = Browser::logged_in(&app, BOB).await;
    let bobs_form = Form::to(&bobs.get(&app, "/account").await, "end_browser");
    assert_done(&bobs.send(&app, bobs_form.with("id", form.field("id").unwrap())).await, "browser_ended");
    assert!(is_logged_in(&app, &mut there).await && is_logged_in(&app, &mut bobs_second).await);
    // Her own, she does.
    assert_done(&here.send(&app, form).await, "browser_ended");
    assert!(!is_logged_in(&app, &mut there).await && is_logged_in(&app, &mut here).await);
    app.refresh(&client, &got_there.text("refresh_token")).await.assert_error(400, "invalid_grant");
    // All others at once.
    let mut others = [Browser::logged_in(&app, ALICE).await, Browser::logged_in(&app, ALICE).await];
    let page = here.get(&app, "/account").await;
    assert_done(&here.send(&app, Form::to(&page, "end_other_browsers")).await, "other_browsers_ended");
    for other in &mut others {
        assert!(!is_logged_in(&app, other).await);
    }
    assert!(is_logged_in(&app, &mut here).await && is_logged_in(&app, &mut bobs).await);
    let page = here.get(&app, "/account").await;
    let answer = here.send(&app, Form::to(&page, "log_out")).await;
    assert!(answer.status.as_u16() == 200 && answer.body.contains("logged out"), "{answer:?}");
    assert!(!here.cookies.contains_key("__Host-jeton") && !is_logged_in(&app, &mut here).await);
});

on_both_stores!(a_new_password_needs_the_current_one_and_ends_all_but_this_browser, async |backend| {
    let app = TestServer::start(backend).await;
    let client = app.web_client("web", json!({"consent": "skip"})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut here = Browser::logged_in(&app, ALICE).await;
    let mut there = Browser::logged_in(&app, ALICE).await;
    let got = tokens(&app, &client, &mut here, "openid read").await;
    let page = here.get(&app, "/account").await;
    let new = "a new password";
    let form = Form::to(&page, "change_password")
        .with("password", ALICE.1)
        .with("new_password", new)
        .with("new_password_again", new);
    for (wrong, text) in [
        (form.clone().with("password", "wrong"), "not your current password"),
        (form.clone().with("password", ""), "not your current password"),
        (form.clone().with("new_password", "short").with("new_password_again", "short"), "at least 8 characters"),
        (form.clone().with("new_password_again", "another"), "differ"),
        (form.clone().without("new_password"), "at least 8 characters"),
    ] {
        let page = here.send(&app, wrong).await;
        assert_eq!(page.status.as_u16(), 400, "{page:?}");
        assert!(page.body.contains(text) && !page.body.contains(new), "{text}: {page:?}");
    }
    assert!(is_logged_in(&app, &mut there).await, "nothing was changed");
    let before = here.cookies["__Host-jeton"].clone();
    assert_done(&here.send(&app, form).await, "password_changed");
    assert_ne!(here.cookies["__Host-jeton"], before);
    assert!(is_logged_in(&app, &mut here).await && !is_logged_in(&app, &mut there).await);
    app.refresh(&client, &got.text("refresh_token")).await.assert_error(400, "invalid_grant");
    let page = there.get(&app, "/login").await;
    let answer = there.send(&app, Form::of(&page).filled_in_by(ALICE)).await;
    assert_eq!(answer.status.as_u16(), 400, "the old password is over: {answer:?}");
    Browser::logged_in(&app, (ALICE.0, new)).await;
});

on_both_stores!(a_form_of_the_account_works_only_where_it_was_shown_and_whole, async |backend| {
    let app = TestServer::start(backend).await;
    app.user(ALICE.0, ALICE.1).await;
    app.user(BOB.0, BOB.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let mut second = Browser::logged_in(&app, ALICE).await;
    let form = Form::to(&browser.get(&app, "/account").await, "end_other_browsers");
    let foreign = Form::to(&Browser::logged_in(&app, BOB).await.get(&app, "/account").await, "log_out");
    let of_second = Form::to(&second.get(&app, "/account").await, "end_other_browsers");
    let proof = form.field("proof").unwrap().to_owned();
    for wrong in [
        form.clone().without("proof"),
        form.clone().with("proof", "x"),
        form.clone().with("proof", foreign.field("proof").unwrap()),
        form.clone().with("proof", of_second.field("proof").unwrap()),
    ] {
        let answer = browser.send(&app, wrong).await;
        assert_eq!(answer.status.as_u16(), 403, "{answer:?}");
    }
    for action in ["", "unknown", "end_browser", "remove_app"] {
        let fields = [("proof", proof.as_str()), ("action", action)];
        let answer = browser.post(&app, "/account", &fields).await;
        assert_eq!(answer.status.as_u16(), 400, "{action}: {answer:?}");
    }
    for client in ["a\0b", "\u{e9}", &"x".repeat(10_000)] {
        let fields = [("proof", proof.as_str()), ("action", "remove_app"), ("client_id", client)];
        assert_eq!(browser.post(&app, "/account", &fields).await.status.as_u16(), 400, "{client}");
    }
    let fields = [("proof", proof.as_str()), ("action", "end_browser"), ("id", "not-an-id")];
    assert_eq!(browser.post(&app, "/account", &fields).await.status.as_u16(), 400);
    let twice = [("proof", proof.as_str()), ("action", "log_out"), ("action", "log_out")];
    assert_eq!(browser.post(&app, "/account", &twice).await.status.as_u16(), 400);
    assert!(is_logged_in(&app, &mut browser).await && is_logged_in(&app, &mut second).await, "nothing was changed");
    let answer = Browser::default().send(&app, form).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some("/login")), "{answer:?}");
});

on_both_stores!(an_app_with_access_is_shown_however_many_sessions_are_over, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    let client = app.web_client("web", json!({"consent": "skip", "client_name": "Printer"})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let got = tokens(&app, &client, &mut browser, "openid read").await;
    let jeton = &app.server.app;
    let id = crate::support::jwt_part(&got.text("access_token"), 1)["sid"].as_str().unwrap().parse().unwrap();
    let record = jeton.store.session_find(id).await.unwrap().unwrap();
    let (now, version) = (app.clock.now(), jeton.state.client("web").await.unwrap().unwrap().version);
    let audited = Audited { actor: "test".into(), request_id: None, address: None, at: now };
    for number in 0..1001_u128 {
        // They are older, and so the first of a list.
        let session = Session {
            id: Uuid::from_u128(number),
            browser_session: None,
            idle_expires_at: now.plus_seconds(-1),
            ..record.session.clone()
        };
        let new = NewSession {
            session,
            user_version: record.user.as_ref().unwrap().version,
            client_version: version,
            max_sessions: 100,
            covers_until: now,
        };
        jeton.store.session_create(&new, &audited).await.unwrap().without_a_node().unwrap();
    }
    let page = browser.get(&app, "/account").await;
    assert!(page.body.contains("Printer") && page.body.contains("remove_app"), "{page:?}");
    // A code that was not redeemed is no access.
    browser.send(&app, Form::to(&page, "remove_app")).await;
    let unredeemed = browser.authorize(&app, &asking("web", &[])).await;
    assert_eq!(unredeemed.status.as_u16(), 302, "{unredeemed:?}");
    let page = browser.get(&app, "/account").await;
    assert!(!page.body.contains("remove_app"), "{page:?}");
});
