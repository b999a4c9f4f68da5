//! Logging out at the wish of a client (OpenID Connect RP-Initiated Logout 1.0).

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::browser::{Browser, Form};
use crate::support::scene::{ALICE, BOB};
use crate::support::{Answer, Setup, TestClient, TestServer, on_both_stores};

use super::account::tokens;

const GOODBYE: &str = "https://app.example.test/goodbye?from=jeton";

fn leaving(more: Value) -> Value {
    let mut members = json!({"consent": "skip", "post_logout_redirect_uris": [GOODBYE]});
    members.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    members
}

fn address(parameters: &[(&str, &str)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("/auth/logout?{query}")
}

fn is_logged_in(browser: &Browser) -> bool {
    browser.cookies.contains_key("__Host-jeton")
}

#[track_caller]
fn assert_asks(page: &Answer) {
    assert!(page.status.as_u16() == 200 && page.body.contains("value=\"log_out\""), "{page:?}");
}

async fn start(backend: crate::support::Backend) -> (TestServer, TestClient, Browser) {
    let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    let client = app.web_client("web", leaving(json!({}))).await;
    app.user(ALICE.0, ALICE.1).await;
    let browser = Browser::logged_in(&app, ALICE).await;
    (app, client, browser)
}

on_both_stores!(a_disabled_client_sends_nobody_anywhere, async |backend| {
    let (app, client, mut browser) = start(backend).await;
    let hint = tokens(&app, &client, &mut browser, "openid read").await.text("id_token");
    app.admin(Method::PATCH, "/admin/v1/clients/web", Some(json!({"enabled": false}))).await.assert_ok();
    let named = [("client_id", "web"), ("post_logout_redirect_uri", GOODBYE)];
    let hinted = [("id_token_hint", &*hint), ("post_logout_redirect_uri", GOODBYE)];
    for asked in [named, hinted] {
        let page = browser.get(&app, &address(&asked)).await;
        assert_eq!((page.status.as_u16(), page.header("location")), (400, None), "{page:?}");
    }
});

on_both_stores!(an_id_token_of_this_login_logs_out_without_a_question, async |backend| {
    let (app, client, mut browser) = start(backend).await;
    let offline = app.web_client("offline", json!({"consent": "required"})).await;
    let ends = tokens(&app, &client, &mut browser, "openid read").await;
    let stays = tokens(&app, &offline, &mut browser, "openid offline_access read").await;
    // Also long after it has expired.
    app.advance(7200);
    let hint = ends.text("id_token");
    let asked = [("id_token_hint", &*hint), ("post_logout_redirect_uri", GOODBYE), ("state", "a b")];
    let answer = browser.get(&app, &address(&asked)).await;
    assert_eq!(answer.status.as_u16(), 302, "{answer:?}");
    assert_eq!(answer.header("location"), Some(format!("{GOODBYE}&state=a+b").as_str()));
    assert!(!is_logged_in(&browser));
    app.refresh(&client, &ends.text("refresh_token")).await.assert_error(400, "invalid_grant");
    app.refresh(&offline, &stays.text("refresh_token")).await.assert_ok();
    // Once more, nobody is logged in: there is nothing to ask.
    let again = browser.get(&app, &address(&asked)).await;
    assert_eq!(again.header("location"), answer.header("location"), "{again:?}");
    let page = browser.get(&app, "/auth/logout").await;
    assert!(page.status.as_u16() == 200 && page.body.contains("You are logged out"), "{page:?}");
});

on_both_stores!(without_an_id_token_of_this_login_the_person_is_asked, async |backend| {
    let (app, client, mut browser) = start(backend).await;
    app.user(BOB.0, BOB.1).await;
    let own = tokens(&app, &client, &mut browser, "openid read").await.text("id_token");
    let mut second = Browser::logged_in(&app, ALICE).await;
    let of_second = tokens(&app, &client, &mut second, "openid read").await.text("id_token");
    let mut bobs = Browser::logged_in(&app, BOB).await;
    let (claims, signature) = own.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let changed = format!("{claims}.{first}{}", &signature[1..]);
    for asked in [
        vec![],
        vec![("client_id", "web")],
        vec![("id_token_hint", of_second.as_str())],
        vec![("id_token_hint", changed.as_str())],
        vec![("id_token_hint", "x"), ("client_id", "web"), ("post_logout_redirect_uri", GOODBYE)],
    ] {
        assert_asks(&browser.get(&app, &address(&asked)).await);
    }
    assert_asks(&bobs.get(&app, &address(&[("id_token_hint", &own)])).await);
    let asked = [("client_id", "web"), ("post_logout_redirect_uri", GOODBYE), ("state", "s")];
    let page = browser.get(&app, &address(&asked)).await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action 'self' https://app.example.test;"), "{policy}");
    // A form that another site made up changes nothing.
    let form = Form::to(&page, "log_out");
    let answer = browser.send(&app, form.clone().with("proof", "x")).await;
    assert_eq!(answer.status.as_u16(), 403, "{answer:?}");
    let of_another = Form::to(&second.get(&app, "/auth/logout").await, "log_out");
    assert_eq!(browser.send(&app, of_another).await.status.as_u16(), 403);
    let answer = browser.send(&app, form.clone().with("action", "stay")).await;
    assert_eq!((answer.header("location"), is_logged_in(&browser)), (Some("/account"), true));
    let answer = browser.send(&app, form).await;
    assert_eq!(answer.header("location"), Some(format!("{GOODBYE}&state=s").as_str()), "{answer:?}");
    assert!(!is_logged_in(&browser) && is_logged_in(&second));
});

on_both_stores!(a_logout_never_leads_where_the_client_did_not_register, async |backend| {
    let (app, client, mut browser) = start(backend).await;
    app.web_client("other", leaving(json!({"post_logout_redirect_uris": ["https://other.example.test/"]}))).await;
    let own = tokens(&app, &client, &mut browser, "openid read").await.text("id_token");
    for (parameter, asked) in [
        ("post_logout_redirect_uri", vec![("post_logout_redirect_uri", GOODBYE)]),
        ("post_logout_redirect_uri", vec![("post_logout_redirect_uri", GOODBYE), ("client_id", "nobody")]),
        ("post_logout_redirect_uri", vec![("post_logout_redirect_uri", GOODBYE), ("id_token_hint", "x")]),
        (
            "post_logout_redirect_uri",
            vec![("post_logout_redirect_uri", "https://app.example.test/goodbye"), ("id_token_hint", &own)],
        ),
        (
            "post_logout_redirect_uri",
            vec![("post_logout_redirect_uri", "https://other.example.test/"), ("id_token_hint", &own)],
        ),
        ("client_id", vec![("client_id", "other"), ("id_token_hint", &own)]),
        ("state", vec![("state", "1"), ("state", "2")]),
        ("id_token_hint", vec![("id_token_hint", &own), ("id_token_hint", &own)]),
    ] {
        let page = browser.get(&app, &address(&asked)).await;
        assert_eq!(page.status.as_u16(), 400, "{asked:?}: {page:?}");
        assert!(page.body.contains(&format!("<code>{parameter}</code>")), "{asked:?}: {page:?}");
        assert!(page.header("location").is_none());
    }
    let long = "x".repeat(20_000);
    assert_asks(&browser.get(&app, &address(&[("id_token_hint", &long)])).await);
    assert!(is_logged_in(&browser));
});

on_both_stores!(a_form_of_another_site_is_asked_again_with_the_cookie, async |backend| {
    let (app, client, mut browser) = start(backend).await;
    let hint = tokens(&app, &client, &mut browser, "openid read").await.text("id_token");
    let asked = [("id_token_hint", &*hint), ("post_logout_redirect_uri", GOODBYE)];
    let answer = Browser::default().post(&app, "/auth/logout", &asked).await;
    assert_eq!(answer.status.as_u16(), 303, "{answer:?}");
    let answer = browser.follow(&app, answer).await;
    assert_eq!((answer.header("location"), is_logged_in(&browser)), (Some(GOODBYE), false), "{answer:?}");
});

/// A server whose logins expire after ten minutes without use, a client, and a browser where alice is logged in.
async fn start_idling(backend: crate::support::Backend) -> (TestServer, TestClient, Browser) {
    let setup = Setup::default().with_manual_clock().set("JETON_BROWSER_SESSION_IDLE", "10m");
    let app = TestServer::start_with(backend, setup).await;
    let client = app.web_client("web", leaving(json!({}))).await;
    app.user(ALICE.0, ALICE.1).await;
    let browser = Browser::logged_in(&app, ALICE).await;
    (app, client, browser)
}

/// Whether the tokens of a login work, which has not been refreshed yet.
async fn is_alive(app: &TestServer, client: &TestClient, got: &Answer) -> bool {
    let bearer = format!("Bearer {}", got.text("access_token"));
    let told = app.get_with("/auth/userinfo", &[("Authorization", &bearer)]).await;
    let refreshed = app.refresh(client, &got.text("refresh_token")).await;
    assert_eq!(told.status.as_u16() == 200, refreshed.status.as_u16() == 200, "{told:?} {refreshed:?}");
    told.status.as_u16() == 200
}

on_both_stores!(what_clients_have_of_an_expired_login_ends_with_the_logout, async |backend| {
    let (app, client, mut browser) = start_idling(backend).await;
    let other = app.web_client("other", leaving(json!({}))).await;
    // The client says which login it means.
    let got = tokens(&app, &client, &mut browser, "openid read").await;
    let others = tokens(&app, &other, &mut browser, "openid read").await;
    app.advance(601);
    let hint = got.text("id_token");
    let asked = [("id_token_hint", &*hint), ("post_logout_redirect_uri", GOODBYE)];
    let answer = browser.get(&app, &address(&asked)).await;
    assert_eq!((answer.header("location"), is_logged_in(&browser)), (Some(GOODBYE), false), "{answer:?}");
    assert!(!is_alive(&app, &client, &got).await && !is_alive(&app, &other, &others).await);
    // It does not say so: the person is asked.
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let got = tokens(&app, &client, &mut browser, "openid read").await;
    app.advance(601);
    let page = browser.get(&app, "/auth/logout").await;
    assert_asks(&page);
    let answer = browser.send(&app, Form::to(&page, "log_out")).await;
    assert!(answer.body.contains("You are logged out") && !is_logged_in(&browser), "{answer:?}");
    assert!(!is_alive(&app, &client, &got).await);
    // Nothing is left of an expired login: nobody has to be asked.
    let mut browser = Browser::logged_in(&app, ALICE).await;
    app.advance(601);
    let page = browser.get(&app, "/auth/logout").await;
    assert!(page.body.contains("You are logged out"), "{page:?}");
});

on_both_stores!(a_login_takes_over_what_clients_have_of_the_expired_one_before, async |backend| {
    let (app, client, mut browser) = start_idling(backend).await;
    app.user(BOB.0, BOB.1).await;
    let first = tokens(&app, &client, &mut browser, "openid read").await;
    app.advance(601);
    let second = tokens(&app, &client, &mut browser, "openid read").await;
    let page = browser.get(&app, "/auth/logout").await;
    browser.send(&app, Form::to(&page, "log_out")).await;
    assert!(!is_alive(&app, &client, &first).await && !is_alive(&app, &client, &second).await);
    // Somebody else at the same browser is a logout.
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let first = tokens(&app, &client, &mut browser, "openid read").await;
    app.advance(601);
    let page = browser.get(&app, "/login").await;
    browser.send(&app, Form::of(&page).filled_in_by(BOB)).await;
    assert!(is_logged_in(&browser) && !is_alive(&app, &client, &first).await);
});

on_both_stores!(an_id_token_alone_ends_an_expired_login_and_of_an_active_one_no_more_than_its_own, async |backend| {
    let (app, client, mut browser) = start_idling(backend).await;
    let other = app.web_client("other", leaving(json!({}))).await;
    let offline = app.web_client("offline", json!({"consent": "required"})).await;
    for is_over in [false, true] {
        let got = tokens(&app, &client, &mut browser, "openid read").await;
        let others = tokens(&app, &other, &mut browser, "openid read").await;
        let stays = tokens(&app, &offline, &mut browser, "openid offline_access read").await;
        if is_over {
            app.advance(601);
        }
        for hint in [stays.text("id_token"), got.text("id_token")] {
            let answer = Browser::default().get(&app, &address(&[("id_token_hint", &hint)])).await;
            assert!(answer.body.contains("You are logged out"), "{answer:?}");
        }
        assert!(!is_alive(&app, &client, &got).await);
        assert_eq!(is_alive(&app, &other, &others).await, !is_over);
        assert!(is_alive(&app, &offline, &stays).await, "it is to last");
        let is_shown = browser.get(&app, "/account").await.status.as_u16() == 200;
        assert_eq!(is_shown, !is_over, "nobody is logged out at another browser");
    }
});

on_both_stores!(head_logs_nobody_out, async |backend| {
    let (app, client, mut browser) = start(backend).await;
    let got = tokens(&app, &client, &mut browser, "openid read").await;
    let path = address(&[("id_token_hint", &*got.text("id_token"))]);
    let answer = browser.head(&app, &path).await;
    assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
    assert!(is_logged_in(&browser) && is_alive(&app, &client, &got).await);
    assert_eq!(browser.get(&app, "/account").await.status.as_u16(), 200);
});
