//! Bodies: wrong types, byte order marks, depth, number and size.

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, TestServer, on_both_stores};

const POSTS: [&str; 4] = ["/auth/token", "/auth/introspect", "/auth/explain", "/auth/revoke"];

/// A refusal of the body, or of the little that was understood.
#[track_caller]
fn assert_refused(what: &str, answer: &Answer) {
    assert!(matches!(answer.status.as_u16(), 400 | 401 | 413 | 415), "{what}: {answer:?}");
    assert!(answer.json["error"].is_string(), "{what}: {answer:?}");
    assert!(!answer.body.contains("access_token\""), "{what}: {answer:?}");
}

on_both_stores!(only_the_name_of_a_content_type_counts, async |backend| {
    let app = TestServer::start(backend).await;
    let main = app.main_client("main").await;
    let basic = main.basic();
    let send = async |content_type: &str, body: Vec<u8>| {
        app.raw("/auth/token", &[("Content-Type", content_type), ("Authorization", &basic)], body).await
    };
    let (form, object) = ("grant_type=client_credentials", r#"{"grant_type":"client_credentials"}"#);
    for content_type in [
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=utf-8",
        "application/x-www-form-urlencoded;charset=\"UTF-8\"",
        "APPLICATION/X-WWW-FORM-URLENCODED ; a=b; c=\"d;e\"",
        "application/x-www-form-urlencoded;",
    ] {
        send(content_type, form.into()).await.assert_ok();
    }
    for content_type in ["application/json", "application/json; charset=utf-8", "Application/JSON;x"] {
        send(content_type, object.into()).await.assert_ok();
    }
    for content_type in [
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded, application/json",
        "application/jsonp",
        "application/json+x",
        "text/json",
        "application",
        "/",
        ";",
        "application/merge-patch+json",
        "application/xml",
        "*/*",
        " ",
        "json; application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded\u{e9}",
        "application/octet-stream",
    ] {
        for body in [form, object] {
            assert_refused(content_type, &send(content_type, body.into()).await);
        }
    }
    assert_refused("a form called JSON", &send("application/json", form.into()).await);
    assert_refused("JSON called a form", &send("application/x-www-form-urlencoded", object.into()).await);
    let twice = [
        ("Content-Type", "application/json"),
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Authorization", &basic),
    ];
    for body in [form, object] {
        assert_refused("two types", &app.raw("/auth/token", &twice, body).await);
    }
    for encoding in ["gzip", "br", "deflate", "identity, gzip", "compress", "x"] {
        let headers = [("Content-Type", "application/json"), ("Content-Encoding", encoding), ("Authorization", &basic)];
        assert_eq!(app.raw("/auth/token", &headers, object).await.status, 415, "{encoding}");
    }
    // Other text encodings, and byte order marks.
    let utf16: Vec<u8> = [vec![0xff, 0xfe], object.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat();
    let bodies = [
        ("application/json", utf16.clone()),
        ("application/json; charset=utf-16", utf16.clone()),
        ("application/x-www-form-urlencoded; charset=utf-16", utf16),
        ("application/json", format!("\u{feff}{object}").into_bytes()),
        ("application/x-www-form-urlencoded", format!("\u{feff}{form}").into_bytes()),
        ("application/x-www-form-urlencoded", b"grant_type=client_credentials&scope=\xe9".to_vec()),
        ("application/json", b"{\"grant_type\":\"client_credentials\",\"scope\":\"\xe9\"}".to_vec()),
        ("application/json", br#"{"grant_type":"client_credentials","scope":"\ud800"}"#.to_vec()),
    ];
    for (content_type, body) in bodies {
        let shown = String::from_utf8_lossy(&body).into_owned();
        assert_refused(&shown, &send(content_type, body).await);
    }
});

on_both_stores!(a_bomb_of_any_kind_is_refused_and_does_no_harm, async |backend| {
    let app = TestServer::start(backend).await;
    let main = app.main_client("main").await;
    let basic = main.basic();
    let json = ("Content-Type", "application/json");
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let keys = |count: usize| (0..count).map(|key| format!("k{key}=&")).collect::<String>();
    let members = (0..5000).map(|key| format!("\"k{key}\":\"\"")).collect::<Vec<_>>().join(",");
    let bombs = [
        (json, "[".repeat(60_000)),
        (json, "{\"a\":".repeat(10_000)),
        (json, format!("{{\"a\":{}1{}}}", "[".repeat(30_000), "]".repeat(30_000))),
        (json, format!("{{\"resource\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000))),
        (json, format!("{{\"resource\":[{}\"x\"]}}", "\"x\",".repeat(15_000))),
        (json, format!("{{\"a\":1{}}}", "0".repeat(60_000))),
        (json, format!("{{\"a\":1e{}}}", "9".repeat(60_000))),
        (json, "{\"a\":-1e-999999999999}".to_owned()),
        (json, format!("{{{members}}}")),
        (json, format!("{{{}}}", "\"a\":\"b\",".repeat(7000))),
        (json, format!("{{\"a\":\"{}\"}}", "\\u0000".repeat(10_000))),
        (json, " ".repeat(60_000)),
        (json, "{\"a\":\"b\"}".repeat(6000)),
        (form, keys(8000)),
        (form, keys(100_000)),
        (form, "&".repeat(65_000)),
        (form, "=".repeat(65_000)),
        (form, "a&".repeat(32_000)),
        (form, "%".repeat(65_000)),
        (form, "%25".repeat(21_000)),
        (form, format!("grant_type={}", "%2525".repeat(13_000))),
        (form, format!("scope={}", "a+".repeat(32_000))),
        (form, format!("scope={}", "x".repeat(65_000))),
        (form, format!("resource={}", "x&resource=".repeat(5000))),
        (form, format!("username={}&password={}&grant_type=password", "x".repeat(32_000), "y".repeat(32_000))),
        (form, format!("grant_type=refresh_token&refresh_token={}", "jrt_live_".repeat(7000))),
        (form, format!("grant_type=client_credentials{}", "&grant_type=password".repeat(3000))),
        (form, "x".repeat(300_000)),
        (form, "x".repeat(3_000_000)),
    ];
    for (content_type, body) in bombs {
        let shown = format!("{} bytes of {}", body.len(), body.chars().take(60).collect::<String>());
        for path in POSTS {
            for client in [None, Some(&basic)] {
                let request = app.http.post(format!("{}{path}", app.base)).header(content_type.0, content_type.1);
                let request = client.into_iter().fold(request, |request, basic| request.header("Authorization", basic));
                // Even a body larger than any limit gets an answer, not only a broken connection.
                assert_refused(&format!("{path} {shown}"), &Answer::of(request.body(body.clone())).await);
            }
        }
        let admin = app.admin_token().await;
        for (method, path) in [
            (Method::POST, "/admin/v1/clients"),
            (Method::PATCH, "/admin/v1/clients/main"),
            (Method::POST, "/admin/v1/users"),
        ] {
            let request = app.http.request(method, format!("{}{path}", app.base)).bearer_auth(&admin);
            let request = request.header(content_type.0, content_type.1);
            let answer = Answer::of(request.body(body.clone())).await;
            assert!(matches!(answer.status.as_u16(), 400 | 413 | 415), "{path} {shown}: {answer:?}");
            assert!(
                answer.header("content-type").unwrap().starts_with("application/problem+json"),
                "{path} {shown}: {answer:?}"
            );
        }
    }
    // It still serves, and nothing was created.
    app.token(&main, &[("grant_type", "client_credentials")]).await.assert_ok();
    let clients = app.admin(Method::GET, "/admin/v1/clients", None).await;
    let names: Vec<&str> =
        clients.json["items"].as_array().unwrap().iter().filter_map(|item| item["client_id"].as_str()).collect();
    assert_eq!(names, ["main", "test-admin"]);
    assert_eq!(app.admin(Method::GET, "/admin/v1/users", None).await.json["items"], json!([]));
});

on_both_stores!(a_repeated_parameter_is_refused_in_form_json_and_query, async |backend| {
    let app = TestServer::start(backend).await;
    let main = app.main_client("main").await;
    let basic = main.basic();
    let good = "grant_type=client_credentials&scope=read";
    let form = [("Content-Type", "application/x-www-form-urlencoded"), ("Authorization", basic.as_str())];
    let json = [("Content-Type", "application/json"), ("Authorization", basic.as_str())];
    app.raw("/auth/token", &form, good).await.assert_ok();
    for twice in [
        "grant_type=client_credentials",
        "grant_type=password",
        "scope=read",
        "scope=write",
        "%73cope=write",
        "scope=read&scope=",
    ] {
        assert_refused(twice, &app.raw("/auth/token", &form, format!("{good}&{twice}")).await);
        assert_refused(twice, &app.raw("/auth/token", &form, format!("{twice}&{good}")).await);
    }
    for body in [
        r#"{"grant_type":"client_credentials","grant_type":"client_credentials"}"#,
        r#"{"grant_type":"client_credentials","grant\u005ftype":"password"}"#,
        r#"{"grant_type":["client_credentials"]}"#,
        r#"{"grant_type":{"client_credentials":1}}"#,
        r#"{"grant_type":true}"#,
        r#"[{"grant_type":"client_credentials"}]"#,
    ] {
        assert_refused(body, &app.raw("/auth/token", &json, body).await);
    }
    // The query of the URL is never a parameter.
    let path = format!("/auth/token?{good}");
    assert_refused(&path, &app.raw(&path, &form, "").await);
    assert_eq!(app.raw("/auth/token?scope=write", &form, good).await.assert_ok().text("scope"), "read");
});
