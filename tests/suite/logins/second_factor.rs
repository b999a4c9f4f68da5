//! Second factors at the pages: asked for at the login, set up and removed at one's account or because everyone needs one.

use reqwest::Method;
use serde_json::json;

use crate::support::authenticator::{Authenticator, key_of, recovery_codes_of};
use crate::support::browser::{Arrival, Browser, Form, asking};
use crate::support::scene::ALICE;
use crate::support::{Answer, Backend, Setup, TestServer, jwt_part, on_both_stores};

const ACCOUNT: &str = "/account";

/// A server whose clock the test moves and that slows guessing down.
fn setup() -> Setup {
    Setup::default().set("JETON_THROTTLING", "on").with_manual_clock()
}

async fn start(backend: Backend, setup: Setup) -> TestServer {
    let app = TestServer::start_with(backend, setup).await;
    app.web_client("web", json!({"consent": "skip"})).await;
    app.user(ALICE.0, ALICE.1).await;
    app
}

/// A server, alice's browser, her authenticator and recovery codes, in the step after the one in which she set them up.
async fn with_a_factor(backend: Backend) -> (TestServer, Browser, Authenticator, Vec<String>) {
    let app = start(backend, setup()).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let (authenticator, codes) = set_up(&app, &mut browser).await;
    app.advance(30);
    (app, browser, authenticator, codes)
}

async fn set_up(app: &TestServer, browser: &mut Browser) -> (Authenticator, Vec<String>) {
    let account = browser.get(app, ACCOUNT).await;
    let page = browser.send(app, Form::to(&account, "begin").with("password", ALICE.1)).await;
    let authenticator = Authenticator::with_key_of(&page.body);
    let page = browser.send(app, Form::to(&page, "confirm").with("code", &now(app, &authenticator))).await;
    page.assert_ok();
    (authenticator, recovery_codes_of(&page.body))
}

fn now(app: &TestServer, authenticator: &Authenticator) -> String {
    authenticator.code_at(app.clock.now().seconds())
}

/// A code that is not right now.
fn wrong(app: &TestServer, authenticator: &Authenticator) -> String {
    let near = [-30, 0, 30].map(|away| authenticator.code_at(app.clock.now().seconds() + away));
    (0..).map(|number| format!("{number:06}")).find(|code| !near.contains(code)).unwrap()
}

/// The page after alice's password.
async fn after_password(app: &TestServer, browser: &mut Browser) -> Answer {
    let page = browser.get(app, "/login").await;
    browser.send(app, Form::of(&page).filled_in_by(ALICE)).await
}

#[track_caller]
fn assert_logged_in(browser: &Browser, answer: &Answer) {
    assert_eq!(answer.status.as_u16(), 303, "{answer:?}");
    assert!(browser.cookies.contains_key("__Host-jeton"), "{answer:?}");
}

#[track_caller]
fn assert_refused(browser: &Browser, answer: &Answer, status: u16, text: &str) {
    assert_eq!((answer.status.as_u16(), answer.header("location")), (status, None), "{answer:?}");
    assert!(answer.body.contains(text), "{text}: {answer:?}");
    assert!(!browser.cookies.contains_key("__Host-jeton"), "nobody is logged in: {answer:?}");
}

on_both_stores!(a_login_with_a_second_factor_needs_a_code_which_counts_once, async |backend| {
    let (app, _, authenticator, _) = with_a_factor(backend).await;
    let mut browser = Browser::default();
    let page = browser.authorize(&app, &asking("web", &[])).await;
    let asked = browser.send(&app, Form::of(&page).filled_in_by(ALICE)).await;
    assert_refused(&browser, &asked, 200, "name=\"code\"");
    assert!(!asked.body.contains("name=\"password\"") && !asked.body.contains(ALICE.1), "{asked:?}");
    let form = Form::of(&asked);
    let (code, wrong) = (now(&app, &authenticator), wrong(&app, &authenticator));
    for wrong in [&*wrong, "abc", "AAAAA-AAAAA"] {
        let answer = browser.send(&app, form.clone().with("code", wrong)).await;
        assert_refused(&browser, &answer, 400, "is wrong or was already used");
        let again = Form::of(&answer);
        assert_eq!((again.field("code"), again.field("password_proof")), (Some(""), form.field("password_proof")));
    }
    let answer = browser.send(&app, form.clone().with("code", &code)).await;
    assert_logged_in(&browser, &answer);
    let arrival = Arrival::of(&browser.follow(&app, answer).await);
    let web = crate::support::TestClient { id: "web".into(), secret: None, in_body: false };
    let tokens = app.redeem(&web, &arrival.code()).await;
    tokens.assert_ok();
    assert_eq!(jwt_part(&tokens.text("id_token"), 1)["amr"], json!(["pwd", "otp"]));
    // Whoever looked over her shoulder gets nothing of it.
    let mut second = Browser::default();
    let asked = after_password(&app, &mut second).await;
    let answer = second.send(&app, Form::of(&asked).with("code", &code)).await;
    assert_refused(&second, &answer, 400, "is wrong or was already used");
    // A code may come with the password.
    app.advance(30);
    let page = second.get(&app, "/login").await;
    let form = Form::of(&page).filled_in_by(ALICE).with("code", &now(&app, &authenticator));
    let answer = second.clone().send(&app, form.clone().with("password", "wrong")).await;
    assert_refused(&second, &answer, 400, "name=\"password\"");
    let answer = second.send(&app, form).await;
    assert_logged_in(&second, &answer);
});

on_both_stores!(a_recovery_code_logs_in_once, async |backend| {
    let (app, _, _, codes) = with_a_factor(backend).await;
    let (mut first, mut second) = (Browser::default(), Browser::default());
    let asked = after_password(&app, &mut first).await;
    let answer = first.send(&app, Form::of(&asked).with("code", &codes[3].to_lowercase())).await;
    assert_logged_in(&first, &answer);
    assert!(first.get(&app, ACCOUNT).await.body.contains("9 recovery codes are left"));
    let asked = after_password(&app, &mut second).await;
    let answer = second.send(&app, Form::of(&asked).with("code", &codes[3])).await;
    assert_refused(&second, &answer, 400, "is wrong or was already used");
});

on_both_stores!(guessing_codes_is_slowed_down_also_without_throttling, async |backend| {
    let app = start(backend, setup().set("JETON_THROTTLING", "off")).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let (authenticator, _) = set_up(&app, &mut browser).await;
    app.advance(30);
    let mut thief = Browser::default();
    let form = Form::of(&after_password(&app, &mut thief).await).with("code", &wrong(&app, &authenticator));
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(thief.send(&app, form.clone()).await.status.as_u16());
    }
    assert!(statuses.starts_with(&[400; 10]) && statuses.ends_with(&[429]), "{statuses:?}");
});

on_both_stores!(setting_up_a_second_factor_logs_out_the_other_browsers, async |backend| {
    let app = start(backend, setup()).await;
    let (mut browser, mut other) = (Browser::logged_in(&app, ALICE).await, Browser::logged_in(&app, ALICE).await);
    set_up(&app, &mut browser).await;
    browser.get(&app, ACCOUNT).await.assert_ok();
    assert_eq!(other.get(&app, ACCOUNT).await.header("location"), Some("/login"));
});

on_both_stores!(guessing_codes_at_the_login_page_is_slowed_down, async |backend| {
    let (app, _, authenticator, codes) = with_a_factor(backend).await;
    let mut browser = Browser::default();
    let form = Form::of(&after_password(&app, &mut browser).await);
    let wrong = wrong(&app, &authenticator);
    for _ in 0..10 {
        let answer = browser.send(&app, form.clone().with("code", &wrong)).await;
        assert_refused(&browser, &answer, 400, "is wrong");
    }
    for code in [&now(&app, &authenticator), &codes[0]] {
        let answer = browser.send(&app, form.clone().with("code", code)).await;
        assert_refused(&browser, &answer, 429, "Too many attempts");
        assert_eq!(answer.header("retry-after"), Some("1"), "{answer:?}");
    }
    app.advance(1);
    let answer = browser.send(&app, form.with("code", &codes[0])).await;
    assert_logged_in(&browser, &answer);
});

on_both_stores!(
    what_stands_for_the_password_holds_for_five_minutes_and_one_browser_and_one_password,
    async |backend| {
        let (app, _, authenticator, _) = with_a_factor(backend).await;
        let (mut browser, mut thief) = (Browser::default(), Browser::default());
        let form = Form::of(&after_password(&app, &mut browser).await);
        let stolen = form.field("password_proof").unwrap().to_owned();
        let login = Form::of(&thief.get(&app, "/login").await);
        let code = now(&app, &authenticator);
        // With a form of one's own, with no form, with the form of the first page, and with the form alone.
        for wrong in [
            login.clone().with("password_proof", &stolen),
            form.clone(),
            login.clone().with("proof", form.field("proof").unwrap()),
            form.clone().without("password_proof"),
        ] {
            let answer = thief.send(&app, wrong.with("code", &code)).await;
            assert_eq!((answer.status.as_u16(), answer.header("set-cookie")), (403, None), "{answer:?}");
        }
        let without = browser.send(&app, form.clone().without("proof").with("code", &code)).await;
        assert_eq!(without.status.as_u16(), 403, "{without:?}");
        // It opens nothing else that is sealed, and nothing else stands for it.
        let own = Form::of(&browser.get(&app, "/login").await);
        let sealed = own.field("proof").unwrap().to_owned();
        let answer = browser.send(&app, own.with("password_proof", &sealed).with("code", &code)).await;
        assert_eq!(answer.status.as_u16(), 403, "{answer:?}");
        // Another password, and the end of its time.
        let mut late = Browser::default();
        let late_form = Form::of(&after_password(&app, &mut late).await);
        app.advance(299);
        let mut in_time = late.clone();
        let answer = in_time.send(&app, late_form.clone().with("code", &now(&app, &authenticator))).await;
        assert_logged_in(&in_time, &answer);
        app.advance(30);
        let answer = late.send(&app, late_form.with("code", &now(&app, &authenticator))).await;
        assert_refused(&late, &answer, 400, "open for too long");
        assert!(answer.body.contains("name=\"password\""), "{answer:?}");
        let form = Form::of(&after_password(&app, &mut browser).await);
        let path = format!("/admin/v1/users/{}/password", ALICE.0);
        app.forget_admin_token().await;
        app.admin(Method::PUT, &path, Some(json!({"password": "another one"}))).await;
        let answer = browser.send(&app, form.with("code", &now(&app, &authenticator))).await;
        assert_refused(&browser, &answer, 400, "Log in again");
    }
);

on_both_stores!(a_second_factor_is_set_up_at_the_account_and_its_recovery_codes_are_shown_once, async |backend| {
    let app = start(backend, setup()).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let account = browser.get(&app, ACCOUNT).await;
    let begin = Form::to(&account, "begin").with("password", ALICE.1);
    for wrong in [begin.clone().without("proof"), begin.clone().with("proof", "x")] {
        assert_eq!(browser.send(&app, wrong).await.status.as_u16(), 403);
    }
    for action in ["", "else"] {
        assert_eq!(browser.send(&app, begin.clone().with("action", action)).await.status.as_u16(), 400, "{action}");
    }
    let stranger = Browser::default().send(&app, begin.clone()).await;
    assert_eq!((stranger.status.as_u16(), stranger.header("location")), (303, Some("/login")), "{stranger:?}");
    let page = browser.send(&app, begin.clone()).await;
    assert!(page.status.as_u16() == 200 && page.body.contains("<svg role=\"img\""), "{page:?}");
    let authenticator = Authenticator::with_key_of(&page.body);
    let confirm = Form::to(&page, "confirm");
    for code in ["", &wrong(&app, &authenticator)] {
        let again = browser.send(&app, confirm.clone().with("code", code)).await;
        assert_eq!(again.status.as_u16(), 400, "{again:?}");
        assert_eq!(key_of(&again.body), key_of(&page.body), "the same secret is shown again");
    }
    // No new secret without the password.
    for wrong in [begin.clone().without("password"), begin.clone().with("password", "wrong")] {
        let answer = browser.send(&app, wrong).await;
        assert_eq!(answer.status.as_u16(), 400, "{answer:?}");
        assert!(answer.body.contains("not your current password") && !answer.body.contains("<svg"), "{answer:?}");
    }
    for wrong in [confirm.clone().without("setup"), confirm.clone().with("setup", "x")] {
        let answer = browser.send(&app, wrong.with("code", "123456")).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some("/account")), "{answer:?}");
    }
    assert!(browser.get(&app, ACCOUNT).await.body.contains("value=\"begin\""), "nothing was stored");
    let shown = browser.send(&app, confirm.clone().with("code", &now(&app, &authenticator))).await;
    let codes = recovery_codes_of(&shown.body);
    assert_eq!(shown.header("cache-control"), Some("no-store"));
    let account = browser.get(&app, ACCOUNT).await;
    assert!(account.body.contains("10 recovery codes are left"), "{account:?}");
    assert!(!codes.iter().any(|code| account.body.contains(code)), "{account:?}");
    // There is one already.
    app.advance(30);
    for form in [confirm.with("code", &now(&app, &authenticator)), begin] {
        let answer = browser.send(&app, form).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some(ACCOUNT)), "{answer:?}");
    }
});

on_both_stores!(new_recovery_codes_and_the_removal_need_a_code, async |backend| {
    let (app, mut browser, authenticator, codes) = with_a_factor(backend).await;
    let account = browser.get(&app, ACCOUNT).await;
    for action in ["new_codes", "remove"] {
        for code in ["", &*wrong(&app, &authenticator), "AAAAA-AAAAA"] {
            let answer = browser.send(&app, Form::to(&account, action).with("code", code)).await;
            assert!(
                answer.status.as_u16() == 400 && answer.body.contains("is wrong or was already used"),
                "{answer:?}"
            );
        }
        let foreign = Browser::default().send(&app, Form::to(&account, action).with("code", &codes[0])).await;
        assert_eq!(foreign.header("location"), Some("/login"), "{foreign:?}");
    }
    let form = Form::to(&account, "new_codes").with("code", &now(&app, &authenticator));
    let new = recovery_codes_of(&browser.send(&app, form.clone()).await.body);
    assert!(!new.iter().any(|code| codes.contains(code)));
    assert_eq!(browser.send(&app, form).await.status.as_u16(), 400, "the code counts once");
    let removal = Form::to(&account, "remove");
    assert_eq!(browser.send(&app, removal.clone().with("code", &codes[0])).await.status.as_u16(), 400, "an old one");
    let answer = browser.send(&app, removal.with("code", &new[0])).await;
    assert_eq!(answer.header("location"), Some("/account?done=second_factor_removed"), "{answer:?}");
    let page = browser.follow(&app, answer).await;
    assert!(page.body.contains("Two-step login is off") && page.body.contains("value=\"begin\""), "{page:?}");
    Browser::logged_in(&app, ALICE).await;
    set_up(&app, &mut browser).await;
});

on_both_stores!(codes_at_the_account_are_slowed_down_too, async |backend| {
    let (app, mut browser, authenticator, codes) = with_a_factor(backend).await;
    let account = browser.get(&app, ACCOUNT).await;
    let wrong = wrong(&app, &authenticator);
    for _ in 0..10 {
        browser.send(&app, Form::to(&account, "remove").with("code", &wrong)).await;
    }
    let answer = browser.send(&app, Form::to(&account, "remove").with("code", &codes[0])).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, Some("1")), "{answer:?}");
    assert!(browser.get(&app, ACCOUNT).await.body.contains("value=\"remove\""), "it is still there");
});

on_both_stores!(where_everyone_needs_a_second_factor_a_login_sets_one_up_first, async |backend| {
    let app = start(backend, setup().set("JETON_REQUIRE_SECOND_FACTOR", "all")).await;
    let mut browser = Browser::default();
    let login = browser.authorize(&app, &asking("web", &[])).await;
    let page = browser.send(&app, Form::of(&login).filled_in_by(ALICE)).await;
    assert_refused(&browser, &page, 200, "class=\"key\"");
    let form = Form::of(&page);
    assert_eq!(form.action, "/login");
    let authenticator = Authenticator::with_key_of(&page.body);
    let again = browser.send(&app, form.clone().with("code", &wrong(&app, &authenticator))).await;
    assert_refused(&browser, &again, 400, "class=\"key\"");
    assert_eq!(key_of(&again.body), key_of(&page.body));
    app.advance(400);
    let foreign = Browser::default().send(&app, form.clone().with("code", &now(&app, &authenticator))).await;
    assert_eq!(foreign.status.as_u16(), 403, "{foreign:?}");
    let done = browser.send(&app, Form::of(&again).with("code", &now(&app, &authenticator))).await;
    done.assert_ok();
    recovery_codes_of(&done.body);
    let (_, next) = done.body.split_once("class=\"button\" href=\"").unwrap();
    let next = next.split('"').next().unwrap().replace("&#38;", "&");
    Arrival::of(&browser.get(&app, &next).await).code();
    browser.get(&app, ACCOUNT).await.assert_ok();
    // From then on, it is asked for.
    app.advance(30);
    let mut second = Browser::default();
    let asked = after_password(&app, &mut second).await;
    assert_refused(&second, &asked, 200, "name=\"password_proof\"");
    let answer = second.send(&app, Form::of(&asked).with("code", &now(&app, &authenticator))).await;
    assert_logged_in(&second, &answer);
});

on_both_stores!(a_login_without_the_second_factor_that_everyone_needs_is_none, async |backend| {
    let app = start(backend, setup()).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let all = Setup { clock: Some(app.clock.clone()), ..setup().set("JETON_REQUIRE_SECOND_FACTOR", "all") };
    let app = app.restart(all).await;
    let account = browser.get(&app, ACCOUNT).await;
    assert_eq!((account.status.as_u16(), account.header("location")), (302, Some("/login")), "{account:?}");
    let silent = browser.authorize(&app, &asking("web", &[("prompt", "none")])).await;
    Arrival::of(&silent).assert_error(&app, "login_required");
    let page = browser.authorize(&app, &asking("web", &[])).await;
    assert!(page.body.contains("name=\"password\""), "{page:?}");
    let page = browser.send(&app, Form::of(&page).filled_in_by(ALICE)).await;
    let authenticator = Authenticator::with_key_of(&page.body);
    browser.send(&app, Form::of(&page).with("code", &now(&app, &authenticator))).await.assert_ok();
    let account = browser.get(&app, ACCOUNT).await;
    assert_eq!(account.body.matches("value=\"end_browser\"").count(), 0, "the old one was replaced: {account:?}");
});
