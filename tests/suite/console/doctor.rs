//! The token doctor: the verdict, with its evidence, on what is pasted, which is neither kept nor shown.

use jeton::crypto::base64url;
use reqwest::Method;
use serde_json::json;

use super::{PASSWORD, assert_status, person, setup, start, user_with_role};
use crate::support::browser::{Browser, Form};
use crate::support::scene::{API, CLIENT_CREDENTIALS};
use crate::support::{Answer, TestServer, jwt_part, on_both_stores};

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

/// The moments of a time line: what happened, and what else stands beside it.
#[track_caller]
fn timeline(page: &Answer) -> Vec<(String, String)> {
    let list = page.body.split("<ol class=\"timeline\"").nth(1).unwrap_or_else(|| panic!("no time line: {page:?}"));
    let list = list.split("</ol>").next().unwrap();
    let what = |item: &str| item.split("<strong>").nth(1).unwrap().split("</strong>").next().unwrap().to_owned();
    list.split("<li").skip(1).map(|item| (what(item), item.to_owned())).collect()
}

#[track_caller]
fn whats(timeline: &[(String, String)]) -> Vec<&str> {
    timeline.iter().map(|(what, _)| what.as_str()).collect()
}

const NOW: &str = "This explanation, by the clock of this server";

on_both_stores!(the_time_line_tells_the_life_of_a_token, async |backend| {
    let app = TestServer::start_with(backend, setup().with_manual_clock()).await;
    let main = app.main_client("main").await;
    user_with_role(&app, "paul", None).await;
    let login = app.login(&main, "paul", PASSWORD).await;
    let (token, refresh) = (login.text("access_token"), login.text("refresh_token"));
    let (_, mut ruth) = person(&app, "ruth", "read").await;
    let form = Form::to(&ruth.get(&app, "/console/doctor").await, "explain").without("refresh_token");
    let page = ruth.send(&app, form.clone().with("text", &token)).await;
    let good = timeline(page.assert_ok());
    let (began, issued) = ("The session began: somebody logged in", "The token was issued");
    let ends = "The session ends, unless it is refreshed";
    assert_eq!(whats(&good), [began, issued, NOW, "The token expires", ends]);
    assert!(good[3].1.contains("class=\"to-come\"") && good.iter().all(|(_, item)| item.contains(">verified<")));
    assert!(good[1].1.contains("To the client main, about "), "{good:?}");
    app.advance(60);
    app.refresh(&main, &refresh).await.assert_ok();
    app.advance(60);
    let revocation = json!({"token": token, "reason": "a <lost> laptop"});
    app.admin(Method::POST, "/admin/v1/revocations", Some(revocation)).await;
    app.advance(24 * 3600);
    let mut ruth = Browser::logged_in(&app, ("ruth", PASSWORD)).await;
    let form = Form::to(&ruth.get(&app, "/console/doctor").await, "explain").without("refresh_token");
    let page = ruth.send(&app, form.clone().with("text", &token)).await;
    let told = timeline(page.assert_ok());
    let refreshed = "The session was last refreshed, which rotated its refresh token";
    assert_eq!(whats(&told)[..5], [began, issued, refreshed, "The token was revoked", "The token expired"]);
    assert_eq!(whats(&told)[5..], [NOW, ends]);
    assert!(told[3].1.contains("a &#60;lost&#62; laptop") && told[3].1.contains("class=\"refused\""), "{told:?}");
    assert!(told[4].1.contains("class=\"refused\""), "{told:?}");
    // The superseded refresh token of that session.
    let page = ruth.send(&app, form.clone().with("text", &refresh).with("refresh_token", "yes")).await;
    let told = timeline(page.assert_ok());
    assert!(
        whats(&told).contains(&refreshed) && whats(&told).contains(&"A newer session or refresh token has replaced it")
    );
    // What nobody vouches for is claimed, and what tells no time has no time line but the present.
    let mut forged: Vec<&str> = token.split('.').collect();
    forged[2] = "AAAA";
    let told = timeline(&ruth.send(&app, form.clone().with("text", &forged.join("."))).await);
    assert_eq!(whats(&told), [issued, "The token expired", NOW]);
    assert!(told[0].1.contains(">claimed<") && told[1].1.contains(">claimed<"), "{told:?}");
    let page = ruth.send(&app, form.with("text", "nonsense")).await;
    assert!(!page.assert_ok().body.contains("Time line"), "{page:?}");
});

on_both_stores!(the_time_line_of_an_exchanged_token_tells_who_acts_for_whom, async |backend| {
    let app = start(backend).await;
    let main = app.main_client("main").await;
    user_with_role(&app, "paul", None).await;
    let agent = json!({"permissions": ["exchange"], "scope": "read", "audiences": ["https://orders.example.test/"]});
    let agent = app.client("agent", agent).await;
    app.resource(json!({"resource": API, "serves": ["agent"]})).await;
    let subject = app.login(&main, "paul", PASSWORD).await.text("access_token");
    let kind = "urn:ietf:params:oauth:token-type:access_token";
    let grant = "urn:ietf:params:oauth:grant-type:token-exchange";
    let ask = [("grant_type", grant), ("subject_token", subject.as_str()), ("subject_token_type", kind)];
    let token = app.token(&agent, &ask).await.text("access_token");
    let (_, mut ruth) = person(&app, "ruth", "read").await;
    let form = Form::to(&ruth.get(&app, "/console/doctor").await, "explain").without("refresh_token");
    let told = timeline(&ruth.send(&app, form.with("text", &token)).await);
    let (_, issued) = told.iter().find(|(what, _)| what == "The token was issued").unwrap();
    for part in
        ["To the client agent", "agent acts for ", "In exchange for a token ", "issued to client main: not revoked"]
    {
        assert!(issued.contains(part), "{part}: {issued}");
    }
});

/// The commands on a page, as they are copied.
#[track_caller]
fn commands(page: &Answer) -> Vec<String> {
    let part = page.body.split("<h2>Commands</h2>").nth(1).unwrap_or_else(|| panic!("no commands: {page:?}"));
    let part = part.split("<h2>").next().unwrap();
    let texts = part.split("<pre>").skip(1).map(|rest| rest.split("</pre>").next().unwrap());
    texts
        .map(|text| text.replace("&#34;", "\"").replace("&#39;", "'").replace("&#38;", "&").replace("&#60;", "<"))
        .collect()
}

on_both_stores!(commands_to_copy_are_about_the_token_at_hand, async |backend| {
    let app = start(backend).await;
    let members = json!({
        "grant_types": ["client_credentials"], "scope": "read", "audiences": ["https://api.example.test/"],
    });
    let job = app.client("a job", members).await;
    let token = app.token(&job, &[CLIENT_CREDENTIALS]).await.text("access_token");
    let (_, mut ruth) = person(&app, "ruth", "read").await;
    let form = Form::to(&ruth.get(&app, "/console/doctor").await, "explain").without("refresh_token");
    let asked = async |ruth: &mut Browser, fields: &[(&str, &str)]| {
        let form = fields.iter().fold(form.clone().with("text", &token), |form, (name, value)| form.with(name, value));
        let page = ruth.send(&app, form).await;
        assert_not_shown(page.assert_ok(), &token);
        commands(&page)
    };
    let has = |commands: &[String], parts: &[&str]| {
        let found = commands.iter().any(|command| parts.iter().all(|part| command.contains(part)));
        assert!(found, "{parts:?}: {commands:?}");
    };
    let good = asked(&mut ruth, &[]).await;
    has(&good, &["/auth/verify?audience=https%3A%2F%2Fapi.example.test%2F"]);
    has(&good, &["date +%s"]);
    // A scope and an audience that the client lacks are added to those that it has.
    let lacks = asked(&mut ruth, &[("scope", "read write")]).await;
    has(&lacks, &["jeton client update 'a job' --scope 'read write'"]);
    has(&lacks, &["grant_type=client_credentials", "client_id='a job'", "client_secret@-", "scope='read write'"]);
    let other = asked(&mut ruth, &[("audience", "https://other.example.test")]).await;
    has(&other, &["--audiences https://api.example.test/,https://other.example.test"]);
    has(&other, &["resource=https://other.example.test"]);
    // No secret is an argument, and nothing is left to fill in.
    for command in good.iter().chain(&lacks).chain(&other) {
        for word in ["CLIENT_ID", "-u ", "{issuer}", "Bearer $TOKEN", "=$"] {
            assert!(!command.contains(word), "{word}: {command}");
        }
    }
    // A client that has the scope has only to ask for it.
    let wide = json!({"scope": "read write"});
    app.admin(Method::PATCH, "/admin/v1/clients/a%20job", Some(wide)).await.assert_ok();
    let has_it = asked(&mut ruth, &[("scope", "write")]).await;
    has(&has_it, &["scope=write"]);
    assert!(!has_it.iter().any(|command| command.contains("client update")), "{has_it:?}");
    // Who made up a token chooses no command.
    let claims = jwt_part(&token, 1).to_string().replace("a job", "evil");
    let forged = format!("{}.{}.AAAA", token.split('.').next().unwrap(), base64url(claims));
    let page = ruth.send(&app, form.clone().with("text", &forged)).await;
    assert!(page.body.contains("evil") && !commands(&page).iter().any(|command| command.contains("evil")), "{page:?}");
    let page = ruth.send(&app, form.with("text", "curl https://api.example.test/x?access_token=abcdef")).await;
    has(&commands(&page), &["/auth/verify"]);
});
