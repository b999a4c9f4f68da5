//! Every page in both languages: whole, escaped, and at peace with its policy.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::browser::new_password::Unfit;
use crate::endpoints::account::{Account, AccountProblem, BrowserEntry, ConnectedApp, Done};
use crate::endpoints::reply::AskedAccess;
use crate::http::pages::*;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::time::Timestamp;

/// What somebody may call a client, a user or a scope.
const HOSTILE: &str = "\"><script>alert(1)</script>'&\u{202e}";

pub(super) fn look(language: &'static str) -> Look<'static> {
    let brand = Brand { name: "Jeton", logo: None, color: None };
    Look::new(brand, "", &[language.as_bytes()])
}

/// Every page with every text that comes from outside set to what `text` makes of it.
fn every_page(look: &Look<'_>, text: impl Fn(&str) -> String) -> BTreeMap<&'static str, Response> {
    let ok = StatusCode::OK;
    let now = Timestamp::parse("2026-11-29T12:00:00Z").unwrap();
    let form_targets = &["https://app.example".to_owned()][..];
    let (proof, request) = (&*text("c2VhbGVk"), &*text("c2VhbGVkLXJlcXVlc3Q"));
    let (username, client_name, host) = (&*text("anna"), &*text("Photo Printer"), &*text("printer.example"));
    let at_archive = vec![(text("print:photos"), text("Print your photos")), (text("read:albums"), String::new())];
    let access = &AskedAccess {
        scopes: vec![text("openid"), text("email")],
        resources: vec![(text("Photo archive"), at_archive), (text("https://shop.example/"), vec![])],
    };
    let personal = &AskedAccess { scopes: vec![text("openid")], resources: vec![] };
    let here = AnswersTo { host: None, is_loopback: true };
    let elsewhere = AnswersTo { host: Some(text("callback.example")), is_loopback: false };
    let login = |problem, asks_second_factor: bool| LoginPage {
        request: Some(request),
        proof,
        username,
        client_name: Some(client_name),
        client_host: Some(host),
        answers_to: Some(&here),
        problem,
        password_proof: asks_second_factor.then_some(proof),
        form_targets,
    };
    let plain = LoginPage {
        request: None,
        username: "",
        client_name: None,
        client_host: None,
        answers_to: None,
        ..login(None, false)
    };
    let consent = ConsentPage {
        request,
        proof,
        username,
        client_name,
        client_host: None,
        answers_to: None,
        access,
        offline: true,
        form_targets,
    };
    let unknown = ConsentPage { client_host: Some(host), answers_to: Some(&elsewhere), access: personal, ..consent };
    let browsers = [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", 30, true),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", 90_000, false),
    ]
    .map(|(agent, age, is_this)| BrowserEntry {
        id: Uuid::nil(),
        agent: agent.to_owned(),
        network: text("192.0.2.0/24"),
        last_seen_at: now.plus_seconds(-age),
        is_this,
    });
    let apps =
        [("Photo Printer", Some(now.plus_seconds(-7200)), true), ("An app with a rather long name", None, false)].map(
            |(name, last_used_at, is_remembered)| ConnectedApp {
                client_id: text("printer"),
                name: text(name),
                scopes: vec![text("openid"), text("print:photos")],
                since: now.plus_seconds(-40 * 86_400),
                last_used_at,
                is_remembered,
            },
        );
    let account = |done, problem| Account {
        proof: proof.to_owned(),
        username: username.to_owned(),
        name: Some(text("Anna Martin")),
        browsers: browsers.to_vec(),
        apps: apps.to_vec(),
        second_factor: Some(8),
        done,
        problem,
        now,
    };
    let wrong = AccountProblem::Code(Refusal::new(ErrorCode::InvalidGrant, "wrong").into());
    let (changed, mistaken) = (account(Some(Done::PasswordChanged), None), account(None, Some(wrong)));
    let new = Account {
        name: None,
        browsers: browsers[..1].to_vec(),
        apps: Vec::new(),
        second_factor: None,
        ..account(None, Some(AccountProblem::NewPassword(Unfit::TooShort)))
    };
    let address = &*text("otpauth://totp/Jeton:anna?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Jeton");
    let secret = &*text("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP");
    let second_factor = |is_wrong, password_proof| SecondFactorPage {
        setup: request,
        proof,
        address,
        secret,
        is_wrong,
        password_proof,
        request: password_proof.and(Some(request)),
    };
    let codes = &[0, 1, 2, 3, 4, 5].map(|n| Zeroizing::new(text(&format!("k7wq-{n}n3d-x2pt"))));
    let mut pages = BTreeMap::from([
        ("login", plain.respond(ok, look)),
        ("login-for-app", login(Some(LoginProblem::Wrong), false).respond(ok, look)),
        ("login-throttled", login(Some(LoginProblem::Throttled { seconds: 30 }), false).respond(ok, look)),
        ("login-busy", login(Some(LoginProblem::Busy), false).respond(ok, look)),
        ("login-expired", login(Some(LoginProblem::Expired), false).respond(ok, look)),
        ("login-code", login(Some(LoginProblem::SecondFactorWrong), true).respond(ok, look)),
        ("consent-unknown", unknown.respond(ok, look)),
        ("consent", consent.respond(ok, look)),
        (
            "authorization-error",
            AuthorizationErrorPage {
                parameter: "redirect_uri",
                code: "invalid_request",
                problem: "It is not one of the client's redirect URIs.",
                advice: "Register exactly this URI, or send one that is registered: they are compared byte for byte.",
                received: Some(&text("https://app.example/callback/?from=mail")),
                registered: Some(2),
                request_id: "0199d7c4-7b1e-7c53-a1b4-0c7f6d4c9a10",
            }
            .respond(StatusCode::BAD_REQUEST, look),
        ),
        (
            "form-post",
            FormPostPage {
                action: &text("https://app.example/callback"),
                fields: &[("code", text("jac_live_x")), ("state", text("a state"))],
                client_name,
                form_targets,
            }
            .respond(ok, look),
        ),
        (
            "logout",
            LogoutPage {
                proof,
                username,
                client_name: Some(client_name),
                fields: &[("state", text("x"))],
                form_targets,
            }
            .respond(ok, look),
        ),
        ("account", AccountPage { account: &changed }.respond(ok, look)),
        ("account-code", AccountPage { account: &mistaken }.respond(ok, look)),
        ("account-new", AccountPage { account: &new }.respond(ok, look)),
        (
            "device",
            DeviceCodePage { proof, user_code: Some(&text("WDJB-MJHT")), problem: Some(DeviceProblem::Unknown) }
                .respond(ok, look),
        ),
        (
            "device-confirm",
            DeviceConfirmPage {
                request,
                proof,
                username,
                client_name,
                is_unknown: true,
                user_code: &text("WDJB-MJHT"),
                requested_at: now.plus_seconds(-60),
                network: &text("192.0.2.0/24"),
                access,
                now,
            }
            .respond(ok, look),
        ),
        ("device-done", DeviceDonePage { allowed: true, client_name }.respond(ok, look)),
        ("device-denied", DeviceDonePage { allowed: false, client_name }.respond(ok, look)),
        (
            "password",
            SetPasswordPage { token: &text("secret"), proof, username, problem: Some(Unfit::Differs) }
                .respond(ok, look),
        ),
        ("second-factor", second_factor(true, None).respond(ok, look)),
        ("second-factor-login", second_factor(false, Some(proof)).respond(ok, look)),
        ("recovery-codes", RecoveryCodesPage { codes, next: &text("/account") }.respond(ok, look)),
        ("demo", DemoPage { start: &text("/auth/authorize"), tokens: &[], problem: None }.respond(ok, look)),
        (
            "demo-tokens",
            DemoPage {
                start: &text("/auth/authorize"),
                tokens: &[
                    DemoToken {
                        name: "id_token",
                        token: text("eyJ"),
                        content: Some(text("{\n  \"sub\": \"anna\"\n}")),
                    },
                    DemoToken { name: "refresh_token", token: text("jrt_dev_abc"), content: None },
                ],
                problem: Some((&text("access_denied"), &text("The person did not allow it."))),
            }
            .respond(ok, look),
        ),
    ]);
    for (name, message) in Message::ALL {
        pages.insert(name, MessagePage { message: &message }.respond(ok, look));
    }
    pages
}

async fn read(response: Response) -> (HeaderMap, String) {
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 1_000_000).await.unwrap();
    (parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

/// With `JETON_WRITE_PAGES=FOLDER` it writes the pages there, for the test in a real browser.
#[tokio::test]
async fn every_page_is_whole_in_both_languages_and_loads_nothing() {
    let mut texts = Vec::new();
    for language in ["en", "fr"] {
        for (name, response) in every_page(&look(language), str::to_owned) {
            let (headers, html) = read(response).await;
            let at = format!("{name} in {language}");
            assert!(html.contains(&format!("<html lang=\"{language}\">")), "{at}");
            assert_eq!(html.matches("<h1>").count(), 1, "{at}");
            assert!(html.trim_end().ends_with("</html>"), "{at}");
            for attribute in
                ["src=\"http", "src=\"//", "<link rel=\"stylesheet\"", "@import", "url(", " style=\"", " onclick"]
            {
                assert!(!html.contains(attribute), "{at} has {attribute}");
            }
            // Each field that people fill in has a label.
            for field in html.split("<input ").skip(1).filter(|field| !field.starts_with("type=\"hidden\"")) {
                let field = &field[..field.find('>').unwrap()];
                let Some(id) = field.split("id=\"").nth(1).map(|rest| &rest[..rest.find('"').unwrap()]) else {
                    assert!(field.ends_with(" hidden"), "{at}: {field}");
                    continue;
                };
                assert!(html.contains(&format!("<label for=\"{id}\">")), "{at}: {id}");
            }
            // What describes a field is there.
            for described in html.split("aria-describedby=\"").skip(1) {
                for id in described[..described.find('"').unwrap()].split(' ') {
                    assert!(html.contains(&format!("id=\"{id}\"")), "{at}: {id}");
                }
            }
            let policy = headers["content-security-policy"].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{at}: {policy}");
            assert!(policy.ends_with("base-uri 'none'; frame-ancestors 'none'"), "{at}: {policy}");
            assert_eq!(policy.contains("script-src"), html.contains("<script"), "{at}: {policy}");
            assert_eq!(headers["x-frame-options"], "DENY", "{at}");
            assert_eq!(headers["cache-control"], "no-store", "{at}");
            if let Ok(folder) = std::env::var("JETON_WRITE_PAGES") {
                let file = |kind| Path::new(&folder).join(format!("{name}.{language}.{kind}"));
                fs::write(file("html"), &html).unwrap();
                fs::write(file("policy"), policy).unwrap();
            }
            texts.push((name, html));
        }
    }
    let half = texts.len() / 2;
    for ((name, english), (_, french)) in texts[..half].iter().zip(&texts[half..]) {
        let title = |html: &str| html.split("<h1>").nth(1).unwrap().split("</h1>").next().unwrap().to_owned();
        assert_ne!(title(english), title(french), "{name}");
    }
}

#[test]
fn a_page_says_where_the_answer_goes_if_that_is_not_the_host_of_the_client() {
    let host = Some("app.example");
    let of = |uri: &str| AnswersTo::of(host, uri).map(|to| (to.host, to.is_loopback));
    assert_eq!(of("https://app.example/callback"), None);
    assert_eq!(of("https://app.example:8443/callback"), None);
    assert_eq!(of("https://callback.example/"), Some((Some("callback.example".into()), false)));
    assert_eq!(of("http://127.0.0.1:5000/callback"), Some((None, true)));
    assert_eq!(of("http://localhost/callback"), Some((None, true)));
    // A scheme is no host, though it may look like one.
    assert_eq!(of("bank.example:/callback"), Some((None, false)));
    assert_eq!(AnswersTo::of(None, "https://callback.example/"), None, "somebody here registered the client");
}

#[tokio::test]
async fn no_text_from_outside_becomes_markup() {
    for language in ["en", "fr"] {
        for (name, response) in every_page(&look(language), |text| format!("{text}{HOSTILE}")) {
            let (_, html) = read(response).await;
            assert!(!html.contains("<script>alert"), "{name}");
            assert!(!html.contains("\"><script"), "{name}");
            assert!(!html.contains("'&\u{202e}"), "{name}");
        }
    }
}

#[tokio::test]
async fn a_brand_has_its_name_its_picture_and_its_colour() {
    let brand = Brand { name: "A & B", logo: Some("data:image/png;base64,AAAA"), color: Some("#ffcc00") };
    let look = Look::new(brand, "/auth", &[b"en"]);
    let page = MessagePage { message: &Message::LoggedOut };
    let (headers, html) = read(page.respond(StatusCode::OK, &look)).await;
    assert!(html.contains("<span>A &#38; B</span>"), "{html}");
    assert!(html.contains("<img src=\"data:image/png;base64,AAAA\" alt=\"\">"), "{html}");
    assert!(html.contains("<style>:root{--accent:#ffcc00;--on-accent:#000000}</style>"), "{html}");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert_eq!(policy.matches("'sha256-").count(), 2, "{policy}");
}
