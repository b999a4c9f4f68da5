//! Nothing that is sent becomes a header line of an answer.

use reqwest::Method;
use serde_json::json;

use super::{at, status_of};
use crate::support::{Answer, TestServer, on_both_stores};

/// Line breaks as they are smuggled in, and what they would begin.
const BREAKS: [&str; 8] = [
    "%0d%0aX-Injected:%20yes",
    "%0aX-Injected:%20yes",
    "%0dX-Injected:%20yes",
    "%0D%0A%0D%0A<html>X-Injected:%20yes",
    "%250d%250aX-Injected:%20yes",
    "%E5%98%8A%E5%98%8DX-Injected:%20yes",
    "%C0%8D%C0%8AX-Injected:%20yes",
    "\u{2028}X-Injected:%20yes",
];

/// No header of the answer came from outside, and every value is plain text.
#[track_caller]
fn assert_clean(what: &str, answer: &Answer) {
    assert!(answer.status.as_u16() < 500, "{what}: {answer:?}");
    assert!(answer.header("x-injected").is_none() && answer.header("set-cookie").is_none(), "{what}: {answer:?}");
    for (name, value) in &answer.headers {
        let is_plain = value.as_bytes().iter().all(|byte| (0x20..=0x7E).contains(byte));
        assert!(is_plain, "{what}: {name}: {value:?}");
    }
    if let Some(challenge) = answer.header("www-authenticate") {
        assert_eq!(challenge.matches('"').count() % 2, 0, "{what}: {challenge}");
        assert!(!challenge.contains('\\'), "{what}: {challenge}");
    }
}

on_both_stores!(no_line_break_in_a_request_begins_a_header_of_the_answer, async |backend| {
    let app = TestServer::start(backend).await;
    let main = app.main_client("main").await;
    let token = app.token(&main, &[("grant_type", "client_credentials")]).await.text("access_token");
    let admin = app.admin_token().await;
    for text in BREAKS {
        let api = "https://api.example.test/";
        for path in [
            format!("/auth/verify?audience={text}"),
            format!("/auth/verify?audience={api}&scope={text}"),
            format!("/auth/verify?audience={api}&scope=read+{text}"),
            format!("/auth/verify/{text}?audience={api}"),
            format!("/docs/errors/{text}"),
            format!("/docs/{text}"),
            format!("/{text}"),
            format!("/.well-known/{text}"),
            format!("/admin/v1/clients/{text}"),
            format!("/admin/v1/users/{text}"),
            format!("/admin/v1/users?username={text}"),
            format!("/admin/v1/audit?actor={text}"),
            format!("/admin/v1/keys/{text}"),
        ] {
            for bearer in [&token, &admin] {
                let request = app.http.get(format!("{}{path}", app.base)).bearer_auth(bearer);
                assert_clean(&path, &Answer::of(request).await);
            }
        }
        let form = ("Content-Type", "application/x-www-form-urlencoded");
        for name in ["client_id", "grant_type", "scope", "username", "resource", "refresh_token", "token", "audience"] {
            for path in ["/auth/token", "/auth/introspect", "/auth/explain", "/auth/revoke"] {
                let body = format!("{name}={text}");
                assert_clean(&body, &app.raw(path, &[form], body.clone()).await);
                let with_client = app.raw(path, &[form, ("Authorization", &main.basic())], body.clone()).await;
                assert_clean(&body, &with_client);
            }
        }
    }
});

on_both_stores!(no_request_header_is_echoed_in_a_response_header, async |backend| {
    let app = TestServer::start(backend).await;
    let names = [
        "X-Request-Id",
        "Host",
        "Origin",
        "Referer",
        "Cookie",
        "User-Agent",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Auth-Subject",
        "X-Auth-Client",
        "X-Auth-Scope",
        "X-Auth-Session",
        "Access-Control-Request-Headers",
        "Accept-Language",
        "Range",
        "If-None-Match",
        "Via",
        "Server-Timing",
        "Traceparent",
    ];
    for name in names {
        for target in ["/auth/token", "/auth/verify?audience=x", "/docs/errors/expired", "/none", "/admin/v1/clients"] {
            for method in ["GET", "POST", "OPTIONS"] {
                let answer = at(&app, method, target, &format!("{name}: marked-by-a-stranger\r\n")).await;
                assert!(!answer.contains("marked-by-a-stranger"), "{name} {method} {target}: {answer}");
                // Two Host headers, or an invalid one, may be refused by the HTTP server itself.
                assert!(status_of(&answer) < 500, "{name} {method} {target}: {answer}");
            }
        }
    }
});

on_both_stores!(names_with_quotes_and_colons_stay_within_their_header, async |backend| {
    let app = TestServer::start(backend).await;
    let resource_server = app.resource_server("rs").await;
    for client_id in
        [r#"a"b"#, r"a\b", "a: b", "a,b;c=d", "a\" , error=\"x", "X-Injected: yes", "%0d%0aX: y", "a  b", "'", "<b>"]
    {
        let members = json!({"grant_types": ["client_credentials"], "scope": "read:[x]&'%", "audiences": ["urn:a"]});
        let client = app.client(client_id, members).await;
        let token = app.token(&client, &[("grant_type", "client_credentials")]).await.text("access_token");
        let request = app.http.get(format!("{}/auth/verify?audience=urn:a", app.base)).bearer_auth(&token);
        let answer = Answer::of(request).await;
        assert_clean(client_id, &Answer { headers: without(&answer, "x-auth"), ..answer.clone() });
        answer.assert_ok();
        assert_eq!(answer.header("x-auth-client"), Some(client_id));
        assert_eq!(answer.header("x-auth-subject"), Some(client_id));
        assert_eq!(answer.header("x-auth-scope"), Some("read:[x]&'%"));
        assert_eq!(app.introspect(&resource_server, &token).await.assert_active().text("client_id"), client_id);
        let path = format!("{}/auth/verify?audience=urn:a&scope=write", app.base);
        let refused = Answer::of(app.http.get(path).bearer_auth(&token)).await;
        assert_clean(client_id, &refused);
        assert!(!refused.body.contains(client_id) || client_id.len() < 2, "{refused:?}");
    }
});

fn without(answer: &Answer, prefix: &str) -> reqwest::header::HeaderMap {
    answer
        .headers
        .iter()
        .filter(|(name, _)| !name.as_str().starts_with(prefix))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect()
}

on_both_stores!(usernames_from_every_script_never_reach_a_header, async |backend| {
    let app = TestServer::start(backend).await;
    let main = app.main_client("main").await;
    for username in
        ["zoë", "日本語", "\u{202e}gnp.exe", "a\u{300}\u{300}", "🦀", "x\"y\\z", "a:b", "\u{feff}bom", "<script>"]
    {
        app.user(username, "wonderland").await;
        let token = app.login(&main, username, "wonderland").await.text("access_token");
        let path = format!("{}/auth/verify?audience=https://api.example.test/", app.base);
        let answer = Answer::of(app.http.get(path).bearer_auth(&token)).await;
        assert_clean(username, answer.assert_ok());
        let path: String = form_urlencoded::byte_serialize(username.as_bytes()).collect();
        let shown = app.admin(Method::GET, &format!("/admin/v1/users/{}", path.replace('+', "%20")), None).await;
        assert_eq!(shown.assert_ok().text("username"), username);
        assert_clean(username, &shown);
    }
});

on_both_stores!(cookies_and_method_overrides_change_nothing, async |backend| {
    let app = TestServer::start(backend).await;
    let main = app.main_client("main").await;
    let token = app.token(&main, &[("grant_type", "client_credentials")]).await.text("access_token");
    let admin = app.admin_token().await;
    let get = |path: &str| app.http.get(format!("{}{path}", app.base));
    for cookie in [format!("access_token={admin}"), format!("Authorization=Bearer {admin}"), format!("session={token}")]
    {
        for path in ["/admin/v1/clients", "/auth/verify?audience=https://api.example.test/"] {
            let answer = Answer::of(get(path).header("Cookie", &cookie)).await;
            assert_eq!(answer.status, 401, "{cookie}: {answer:?}");
        }
    }
    let clients = Answer::of(get("/admin/v1/clients").bearer_auth(&admin)).await;
    clients.assert_ok();
    for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"] {
        for method in ["DELETE", "PATCH", "PUT", "GET"] {
            let target = format!("/admin/v1/clients/main?{}", if name == "_method" { "_method=DELETE" } else { "" });
            let answer = Answer::of(get(&target).bearer_auth(&admin).header(name, method)).await;
            // An unknown parameter is refused; nothing is deleted by either.
            assert!(matches!(answer.status.as_u16(), 200 | 400), "{answer:?}");
            let answer = Answer::of(get("/auth/token").header(name, "POST")).await;
            assert_eq!(answer.status, 405, "{answer:?}");
        }
    }
    for name in ["X-Original-URL", "X-Rewrite-URL", "X-Original-URI", "X-Forwarded-Uri", "X-Forwarded-Prefix"] {
        let answer = Answer::of(get("/docs").header(name, "/admin/v1/clients").bearer_auth(&admin)).await;
        assert!(answer.assert_ok().body.starts_with("<!"), "{name}: {answer:?}");
    }
    let still = Answer::of(get("/admin/v1/clients").bearer_auth(&admin)).await;
    assert_eq!(still.json["items"].as_array().unwrap().len(), clients.json["items"].as_array().unwrap().len());
});

on_both_stores!(a_text_with_many_token_prefixes_is_answered_like_any_other, async |backend| {
    let app = TestServer::start(backend).await;
    let resource_server = app.resource_server("rs").await;
    let beginnings = ["eyJ!", "jat_live_x", "eyJ", "jrt_", "eyJ\u{e9}", "jcs_live_", "x"];
    for one in beginnings {
        for other in beginnings {
            for between in [",", ", ", ";", "|", "&", " ", "\t"] {
                let text = format!("{one}{between}{other}");
                let path = format!("{}/auth/verify?audience=urn:a", app.base);
                let answer = Answer::of(app.http.get(path).header("Authorization", format!("Bearer {text}"))).await;
                assert!(matches!(answer.status.as_u16(), 400 | 401), "{text:?}: {answer:?}");
                let explained = app.form(&resource_server, "/auth/explain", &[("token", &text)]).await;
                assert_eq!(explained.assert_ok().json["active"], json!(false), "{text:?}");
            }
        }
    }
});
