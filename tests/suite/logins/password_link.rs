//! The page of a one-time link to set a password.

use reqwest::Method;

use crate::support::browser::{Browser, Form};
use crate::support::scene::ALICE;
use crate::support::{TestServer, on_both_stores};

const NEW: &str = "looking-glass";

/// The path of a new link for alice.
async fn link(app: &TestServer) -> String {
    let path = format!("/admin/v1/users/{}/password-link", ALICE.0);
    let made = app.admin(Method::POST, &path, None).await;
    made.text("url").strip_prefix(app.issuer()).unwrap().to_owned()
}

fn filled_in(form: &Form, password: &str) -> Form {
    form.clone().with("password", password).with("password_again", password)
}

on_both_stores!(the_page_of_a_link_sets_a_password_once_and_logs_nobody_in, async |backend| {
    let app = TestServer::start(backend).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut before = Browser::logged_in(&app, ALICE).await;
    let link = link(&app).await;
    let mut browser = Browser::default();
    let page = browser.get(&app, &link).await;
    assert!(page.status.as_u16() == 200 && page.body.contains(ALICE.0), "{page:?}");
    assert_eq!((page.header("referrer-policy"), page.header("cache-control")), (Some("no-referrer"), Some("no-store")));
    let form = Form::of(&page);
    for (wrong, text) in [
        (filled_in(&form, "short"), "at least 8 characters"),
        (filled_in(&form, ""), "at least 8 characters"),
        (filled_in(&form, "line\nbreaks"), "all on one line"),
        (filled_in(&form, &"x".repeat(1025)), "at most 1024"),
        (filled_in(&form, NEW).with("password_again", "another"), "differ"),
        (filled_in(&form, NEW).without("password_again"), "differ"),
    ] {
        let answer = browser.send(&app, wrong).await;
        assert!(answer.status.as_u16() == 400 && answer.body.contains(text), "{text}: {answer:?}");
        assert!(!answer.body.contains(NEW), "{answer:?}");
    }
    before.get(&app, "/account").await.assert_ok();
    let answer = browser.send(&app, filled_in(&form, NEW)).await;
    assert!(answer.status.as_u16() == 200 && answer.body.contains("href=\"/login\""), "{answer:?}");
    assert!(!browser.cookies.contains_key("__Host-jeton"), "nobody is logged in");
    assert_eq!(before.get(&app, "/account").await.status.as_u16(), 302, "what was before has ended");
    for again in [browser.get(&app, &link).await, browser.send(&app, filled_in(&form, "yet another one")).await] {
        assert!(again.status.as_u16() == 400 && again.body.contains("no longer works"), "{again:?}");
    }
    Browser::logged_in(&app, (ALICE.0, NEW)).await;
});

on_both_stores!(a_link_needs_its_token_and_the_form_of_its_page, async |backend| {
    let app = TestServer::start(backend).await;
    app.user(ALICE.0, ALICE.1).await;
    let link = link(&app).await;
    let mut browser = Browser::default();
    let form = filled_in(&Form::of(&browser.get(&app, &link).await), NEW);
    for token in ["", "?token=", "?token=x", &format!("?token={}", "A".repeat(43)), "?token=a&token=b"] {
        let answer = browser.get(&app, &format!("/account/password{token}")).await;
        assert_eq!(answer.status.as_u16(), 400, "{token}: {answer:?}");
    }
    for wrong in [form.clone().with("token", "x"), form.clone().without("token")] {
        assert_eq!(browser.send(&app, wrong).await.status.as_u16(), 400);
    }
    for wrong in [form.clone().with("proof", "x"), form.clone().without("proof")] {
        assert_eq!(browser.send(&app, wrong).await.status.as_u16(), 403);
    }
    assert_eq!(Browser::default().send(&app, form.clone()).await.status.as_u16(), 403, "another browser");
    Browser::logged_in(&app, ALICE).await;
    browser.send(&app, form).await.assert_ok();
    Browser::logged_in(&app, (ALICE.0, NEW)).await;
});
