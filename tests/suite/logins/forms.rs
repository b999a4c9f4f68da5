//! The forms of the pages: who may send them, what they reveal, and their headers and cookies.

use serde_json::json;

use crate::support::browser::{Arrival, Browser, Form, asking};
use crate::support::scene::{ALICE, BOB};
use crate::support::{Answer, Setup, TestServer, on_both_stores};

/// What every page for people has.
#[track_caller]
fn assert_guarded(page: &Answer) {
    assert_eq!(page.header("x-frame-options"), Some("DENY"), "{page:?}");
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"), "{policy}");
    for place in ["src=\"http", "href=\"http", "src=\"//", "href=\"//", "url("] {
        assert!(!page.body.contains(place), "{place} in {page:?}");
    }
}

on_both_stores!(aut_013_aut_014_pages_are_neither_framed_nor_kept_nor_load_anything, async |backend| {
    let app = TestServer::start(backend).await;
    app.web_client("web", json!({})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::default();
    let login = browser.authorize(&app, &asking("web", &[])).await;
    let wrong = browser.clone().send(&app, Form::of(&login).filled_in_by((ALICE.0, "wrong"))).await;
    let answer = browser.send(&app, Form::of(&login).filled_in_by(ALICE)).await;
    let consent = browser.follow(&app, answer).await;
    let unknown = browser.authorize(&app, &asking("nobody", &[])).await;
    let post = browser.clone().authorize(&app, &asking("web", &[("response_mode", "form_post"), ("scope", "x")])).await;
    for page in [&login, &wrong, &consent, &unknown, &post] {
        assert_guarded(page);
    }
});

on_both_stores!(aut_015_a_form_of_another_site_or_another_browser_is_refused, async |backend| {
    let app = TestServer::start(backend).await;
    app.web_client("web", json!({})).await;
    app.user(ALICE.0, ALICE.1).await;
    app.user(BOB.0, BOB.1).await;
    let (mut browser, mut attacker) = (Browser::default(), Browser::default());
    let login = Form::of(&browser.authorize(&app, &asking("web", &[])).await).filled_in_by(ALICE);
    let foreign = Form::of(&attacker.authorize(&app, &asking("web", &[])).await).filled_in_by(BOB);
    let refused = |answer: &Answer| {
        assert_eq!((answer.status.as_u16(), answer.header("location")), (403, None), "{answer:?}");
        assert!(answer.header("set-cookie").is_none(), "{answer:?}");
    };
    // Without the cookie, with the form of the attacker, without the proof, with another one.
    refused(&Browser::default().send(&app, login.clone()).await);
    refused(&browser.clone().send(&app, foreign.clone()).await);
    refused(&browser.clone().send(&app, login.clone().without("proof")).await);
    refused(&browser.clone().send(&app, login.clone().with("proof", "x")).await);
    refused(&browser.clone().send(&app, login.clone().with("proof", foreign.field("request").unwrap())).await);
    let answer = browser.send(&app, login.clone()).await;
    let consent = Form::of(&browser.follow(&app, answer).await).with("action", "allow");
    let answer = attacker.send(&app, foreign.clone()).await;
    let foreign = Form::of(&attacker.follow(&app, answer).await).with("action", "allow");
    refused(&browser.clone().send(&app, foreign.clone()).await);
    refused(&browser.clone().send(&app, consent.clone().without("proof")).await);
    // The proof of the login page is none for consent, and that of another request is none for this one.
    refused(&browser.clone().send(&app, consent.clone().with("proof", login.field("proof").unwrap())).await);
    let other = Form::of(&browser.authorize(&app, &asking("web", &[])).await);
    refused(&browser.clone().send(&app, consent.clone().with("proof", other.field("proof").unwrap())).await);
    Arrival::of(&browser.send(&app, consent).await).code();
});

on_both_stores!(a_form_can_be_sent_for_half_a_day, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::default();
    let form = Form::of(&browser.get(&app, "/login").await).filled_in_by(ALICE);
    app.advance(12 * 3600);
    assert_eq!(browser.clone().send(&app, form.clone()).await.status.as_u16(), 303);
    app.advance(1);
    assert_eq!(browser.send(&app, form).await.status.as_u16(), 403);
});

on_both_stores!(aut_016_cookies_are_for_this_host_and_out_of_the_reach_of_scripts, async |backend| {
    let app = TestServer::start(backend).await;
    app.web_client("web", json!({})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::default();
    let login = browser.authorize(&app, &asking("web", &[])).await;
    let answer = browser.send(&app, Form::of(&login).filled_in_by(ALICE)).await;
    for (answer, name) in [(&login, "__Host-jeton-form="), (&answer, "__Host-jeton=")] {
        let cookie = answer.header("set-cookie").unwrap();
        assert!(cookie.starts_with(name), "{cookie}");
        for attribute in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/;"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
});

on_both_stores!(on_http_of_this_machine_the_cookies_carry_the_port, async |backend| {
    let app = TestServer::start_with(backend, Setup { dev: true, ..Setup::default() }).await;
    let mut browser = Browser::default();
    let page = browser.get(&app, "/login").await;
    let port = app.base.rsplit(':').next().unwrap();
    let cookie = page.header("set-cookie").unwrap();
    assert!(cookie.starts_with(&format!("jeton-{port}-form=")) && !cookie.contains("Secure"), "{cookie}");
});

on_both_stores!(the_cookie_is_new_at_each_login_whatever_the_browser_sent, async |backend| {
    let app = TestServer::start(backend).await;
    app.web_client("web", json!({"consent": "skip"})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::default();
    let page = browser.get(&app, "/login").await;
    let planted = "A".repeat(43);
    browser.cookies.insert("__Host-jeton".into(), planted.clone());
    browser.send(&app, Form::of(&page).filled_in_by(ALICE)).await;
    let first = browser.cookies["__Host-jeton"].clone();
    assert_ne!(first, planted);
    // What clients got in the login before goes on in the new one, and the old cookie is worth nothing.
    let again = browser.clone().authorize(&app, &asking("web", &[("prompt", "login")])).await;
    browser.send(&app, Form::of(&again).filled_in_by(ALICE)).await;
    assert_ne!(browser.cookies["__Host-jeton"], first);
    browser.cookies.insert("__Host-jeton".into(), first);
    let page = browser.authorize(&app, &asking("web", &[])).await;
    assert!(page.body.contains("name=\"password\""), "{page:?}");
});

on_both_stores!(aut_038_a_failed_login_does_not_say_whether_the_user_exists, async |backend| {
    let app = TestServer::start(backend).await;
    app.user(ALICE.0, ALICE.1).await;
    let disabled = app.user(BOB.0, BOB.1).await;
    let path = format!("/admin/v1/users/{disabled}");
    app.admin("PATCH".parse().unwrap(), &path, Some(json!({"enabled": false}))).await.assert_ok();
    let mut browser = Browser::default();
    let page = browser.get(&app, "/login").await;
    let form = Form::of(&page);
    let mut pages = Vec::new();
    for user in [
        (ALICE.0, "wrong"),
        ("nobody", "wrong"),
        BOB,
        (ALICE.0, ""),
        ("", ""),
        ("a\u{7}", "b"),
        ("nobody", &"x".repeat(5000)),
    ] {
        let page = browser.send(&app, form.clone().filled_in_by(user)).await;
        assert_eq!(page.status.as_u16(), 400, "{user:?}: {page:?}");
        assert!(!browser.cookies.contains_key("__Host-jeton"));
        // All but the name, which is what was typed, and the proof, which is new each time.
        let shown = page.body.replace(Form::of(&page).field("proof").unwrap(), "");
        let shown = shown.replace(&format!("value=\"{}\"", user.0), "value=\"\"").replace(" autofocus", "");
        pages.push(shown);
    }
    pages.dedup();
    assert_eq!(pages.len(), 1, "{pages:#?}");
});

on_both_stores!(aut_038_guessing_is_slowed_down_at_the_login_page, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().set("JETON_THROTTLING", "on")).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::default();
    let form = Form::of(&browser.get(&app, "/login").await);
    let mut slowed = None;
    for _ in 0..30 {
        let page = browser.send(&app, form.clone().filled_in_by((ALICE.0, "wrong"))).await;
        if page.status.as_u16() == 429 {
            slowed = Some(page);
            break;
        }
    }
    let page = slowed.expect("guessing is slowed down");
    assert!(page.header("retry-after").is_some_and(|seconds| seconds.parse::<u64>().is_ok_and(|seconds| seconds > 0)));
    assert_guarded(&page);
    let right = browser.send(&app, form.filled_in_by(ALICE)).await;
    assert_eq!(right.status.as_u16(), 429, "even the right password: {right:?}");
});
