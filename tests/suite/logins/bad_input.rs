//! Whatever a browser sends: a page or an error that helps, and never a fault.

use serde_json::json;

use crate::support::browser::{Browser, Form, address, asking};
use crate::support::scene::ALICE;
use crate::support::{Answer, FORM, TestServer, exchange, on_both_stores, status_of};

const PARAMETERS: [&str; 22] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "state",
    "nonce",
    "prompt",
    "max_age",
    "login_hint",
    "id_token_hint",
    "claims",
    "resource",
    "audience",
    "dpop_jkt",
    "code_challenge",
    "code_challenge_method",
    "request",
    "request_uri",
    "ui_locales",
    "display",
    "acr_values",
];

/// A page, or an answer to the client that carries an error or leads on.
#[track_caller]
fn assert_helps(answer: &Answer, about: &str) {
    let status = answer.status.as_u16();
    let leads_on = [302, 303].contains(&status) && answer.header("location").is_some();
    let is_page = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    assert!(status < 500 && (leads_on || is_page && answer.body.contains("</html>")), "{about}: {answer:?}");
}

on_both_stores!(every_parameter_in_every_form_gets_an_answer_that_helps, async |backend| {
    let app = TestServer::start(backend).await;
    app.web_client("web", json!({"consent": "skip"})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut people = [Browser::default(), Browser::logged_in(&app, ALICE).await];
    let long = "x".repeat(12_000);
    let deep = "[".repeat(4000);
    let values = ["", " ", "x", "\0", "\u{1F600}\u{202E}", "-1", "null", "{}", "'; DROP TABLE users; --", &long, &deep];
    for browser in &mut people {
        for name in PARAMETERS {
            for value in values {
                let mut parameters: Vec<_> = asking("web", &[]).into_iter().filter(|(own, _)| *own != name).collect();
                parameters.push((name, value));
                assert_helps(&browser.authorize(&app, &parameters).await, name);
                assert_helps(&browser.post(&app, "/auth/authorize", &parameters).await, name);
            }
            let mut twice = asking("web", &[]);
            twice.extend([(name, "a"), (name, "b")]);
            assert_helps(&browser.authorize(&app, &twice).await, name);
            let usual = address(&asking("web", &[]));
            for broken in ["%FF%FE", "%", "%zz", "%C3%28"] {
                let answer = browser.get(&app, &format!("{usual}&{name}={broken}")).await;
                assert_eq!(answer.status.as_u16(), 400, "{name}={broken}: {answer:?}");
                assert_helps(&answer, name);
            }
        }
    }
});

on_both_stores!(every_field_of_a_form_in_every_form_gets_an_answer_that_helps, async |backend| {
    let app = TestServer::start(backend).await;
    app.web_client("web", json!({})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::default();
    let login = Form::of(&browser.authorize(&app, &asking("web", &[])).await).filled_in_by(ALICE);
    let mut logged_in = browser.clone();
    let answer = logged_in.send(&app, login.clone()).await;
    let consent = Form::of(&logged_in.follow(&app, answer).await).with("action", "allow");
    let long = "x".repeat(40_000);
    for (form, browser, is_login) in [(login, browser, true), (consent, logged_in, false)] {
        let names: Vec<String> = form.fields.iter().map(|(name, _)| name.clone()).collect();
        for name in names {
            let value = form.field(&name).unwrap().to_owned();
            for wrong in ["", " ", "x", "\0", "\u{1F600}", &long] {
                let answer = browser.clone().send(&app, form.clone().with(&name, wrong)).await;
                assert_helps(&answer, &name);
                let went_on =
                    is_login && answer.status.as_u16() == 303 && answer.header("location") == Some("/account");
                let is_refused = [400, 403].contains(&answer.status.as_u16());
                assert!(is_refused || went_on && name == "request" && wrong.is_empty(), "{name}: {answer:?}");
            }
            assert_helps(&browser.clone().send(&app, form.clone().without(&name)).await, &name);
            let mut twice = form.clone();
            twice.fields.push((name.clone(), value));
            let answer = browser.clone().send(&app, twice).await;
            assert!([400, 403].contains(&answer.status.as_u16()), "{name}: {answer:?}");
            assert_helps(&answer, &name);
        }
    }
});

on_both_stores!(a_body_that_is_no_form_is_refused_by_a_page, async |backend| {
    let app = TestServer::start(backend).await;
    for path in ["/auth/authorize", "/login", "/consent"] {
        for (headers, body) in [
            (vec![("Content-Type", "application/json")], "{}"),
            (vec![("Content-Type", "text/plain")], "a=b"),
            (vec![], "a=b"),
            (vec![FORM], "a=%FF"),
            (vec![FORM], "a=%"),
            (vec![FORM], "{\"a\":1}"),
        ] {
            let answer = app.raw(path, &headers, body).await;
            assert_eq!(answer.status.as_u16(), 400, "{path} {headers:?} {body}: {answer:?}");
            assert_helps(&answer, path);
        }
        let answer = app.raw(path, &[FORM, ("Content-Encoding", "gzip")], "a").await;
        assert_eq!(answer.status.as_u16(), 415, "{answer:?}");
        let answer = app.raw(path, &[FORM], "x".repeat(70_000)).await;
        assert_eq!(answer.status.as_u16(), 413, "{answer:?}");
        for method in ["PUT", "DELETE", "PATCH"] {
            let answer = app.request(method.parse().unwrap(), path, &[]).await;
            assert_eq!(answer.status.as_u16(), 405, "{method} {path}: {answer:?}");
            assert_helps(&answer, path);
        }
    }
});

on_both_stores!(strange_cookies_are_nobodys, async |backend| {
    let app = TestServer::start(backend).await;
    app.web_client("web", json!({})).await;
    let long = "A".repeat(8000);
    for cookie in ["", "=", "__Host-jeton", "__Host-jeton=", "__Host-jeton=x", "__Host-jeton=\"AAAA\"", ";;;", &long] {
        let cookie = format!("__Host-jeton-form={cookie}; __Host-jeton={cookie}; {cookie}");
        let answer = app.get_with(&address(&asking("web", &[])), &[("Cookie", &cookie)]).await;
        assert_eq!(answer.status.as_u16(), 200, "{cookie}");
        assert!(answer.header("set-cookie").is_some_and(|set| set.starts_with("__Host-jeton-form=")), "{answer:?}");
    }
    let head = format!("GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", address(&asking("web", &[])));
    let bytes = [head.as_bytes(), b"Cookie: __Host-jeton=\xff\xfe\r\n\r\n"].concat();
    assert_eq!(status_of(&exchange(&app.base, &bytes).await), 200);
});
