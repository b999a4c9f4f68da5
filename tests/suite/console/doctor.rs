//! The token doctor: the verdict, with its evidence, on what is pasted, which is neither kept nor shown.

use reqwest::Method;

use super::{PASSWORD, assert_status, person, start, user_with_role};
use crate::support::browser::Form;
use crate::support::{Answer, on_both_stores};

/// No part of a token that could be used.
#[track_caller]
fn assert_not_shown(page: &Answer, token: &str) {
    assert!(!page.body.contains(token) && !page.body.contains(&token[token.len() - 20..]), "{page:?}");
}

on_both_stores!(the_doctor_says_why_a_token_is_refused, async |backend| {
    let app = start(backend).await;
    let main = app.main_client("main").await;
    user_with_role(&app, "paul", None).await;
    let token = app.login(&main, "paul", PASSWORD).await.text("access_token");
    let (id, mut ruth) = person(&app, "ruth", "read").await;
    let form = Form::to(&ruth.get(&app, "/console/doctor").await, "explain").without("refresh_token");
    let good = ruth.send(&app, form.clone().with("text", &token)).await;
    good.assert_ok();
    assert!(good.body.contains("The token is good.") && good.body.contains(">verified<"), "{good:?}");
    assert_not_shown(&good, &token);
    app.revoke(&main, &token).await.assert_ok();
    let asked = form.clone().with("audience", "https://api.example.test/").with("scope", "read");
    for text in [
        token.clone(),
        format!("{token}\r\n"),
        format!("curl -H 'Authorization: Bearer {token}' https://api.example.test/x"),
        format!("GET /x HTTP/1.1\r\nHost: api.example.test\r\nAuthorization: Bearer {token}\r\n"),
    ] {
        let page = ruth.send(&app, asked.clone().with("text", &text)).await;
        page.assert_ok();
        for part in ["(token_revoked)", "What to do", "docs/errors/token_revoked", ">verified<", "by client main"] {
            assert!(page.body.contains(part), "{part}: {page:?}");
        }
        assert_not_shown(&page, &token);
        assert_eq!(page.header("cache-control"), Some("no-store"));
    }
    // What nobody vouches for is only claimed.
    let mut foreign: Vec<&str> = token.split('.').collect();
    foreign[2] = "AAAA";
    let page = ruth.send(&app, form.clone().with("text", &foreign.join("."))).await;
    assert!(page.body.contains(">claimed<") && !page.body.contains("token_revoked"), "{page:?}");
    // The audit trail has who asked, and nothing of the token.
    let records = app.admin(Method::GET, &format!("/admin/v1/audit?actor=user%20{id}"), None).await;
    let explained =
        records.json["items"].as_array().unwrap().iter().filter(|record| record["action"] == "token.explain");
    assert_eq!(explained.count(), 6);
    assert_not_shown(&records, &token);
});

on_both_stores!(what_is_wrong_with_a_pasted_request_is_told, async |backend| {
    let app = start(backend).await;
    let (_, mut ruth) = person(&app, "ruth", "read").await;
    let form = Form::to(&ruth.get(&app, "/console/doctor").await, "explain").without("refresh_token");
    let page = ruth.send(&app, form.clone().with("text", "curl https://api.example.test/x?access_token=abcdef")).await;
    assert!(page.assert_ok().body.contains("The request"), "{page:?}");
    let page = ruth.send(&app, form.clone().with("text", "curl https://api.example.test/x")).await;
    assert!(page.body.contains("There is no token in the request."), "{page:?}");
    for (text, scope, part) in
        [("", "read", "Paste a token"), ("  \r\n", "", "Paste a token"), ("x", "a\"b", "This is no scope")]
    {
        let page = ruth.send(&app, form.clone().with("text", text).with("scope", scope)).await;
        assert_status(&page, 400);
        assert!(page.body.contains(part) && page.body.contains("aria-invalid"), "{page:?}");
    }
    let page = ruth.send(&app, form.with("text", "<script>alert(1)</script>")).await;
    assert!(page.assert_ok().body.contains("not_a_token") && !page.body.contains("<script"), "{page:?}");
});
