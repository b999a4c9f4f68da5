//! The apparent origin of a request: web origins, names in Host, addresses in forwarding headers.

use reqwest::Method;
use serde_json::json;

use super::{at, exchange, status_of};
use crate::support::{Answer, Setup, TestServer, on_both_stores};

const SPA: &str = "https://spa.example";
/// Origins that resemble an allowed one.
const STRANGERS: [&str; 18] = [
    "null",
    "https://spa.example.evil.example",
    "https://evil-spa.example",
    "https://spa.example:443",
    "https://spa.example/",
    "https://spa.example:8443",
    "http://spa.example",
    "https://SPA.EXAMPLE",
    "https://spa.example.",
    "https://spa.example@evil.example",
    "https://evil.example#https://spa.example",
    "https://spa.example, https://evil.example",
    "*",
    "https://*",
    "",
    "spa.example",
    "file://",
    "chrome-extension://spa.example",
];
/// Every path that is answered, with its parameters filled in.
fn paths() -> Vec<String> {
    let mut paths: Vec<String> =
        jeton::http::routes().iter().map(|route| route.path.replace("{*path}", "x").replace(['{', '}'], "")).collect();
    paths.push("/no-such-path".to_owned());
    paths
}

on_both_stores!(a_page_of_another_origin_reads_no_answer_of_any_path, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().set("JETON_CORS_ORIGINS", SPA)).await;
    let open = [
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/.well-known/jwks.json",
        "/auth/resource-metadata",
        "/openapi.yaml",
    ];
    for path in paths() {
        let address = format!("{}{path}", app.base);
        for origin in STRANGERS {
            let preflight = app.http.request(Method::OPTIONS, &address).header("Origin", origin);
            let preflight = preflight
                .header("Access-Control-Request-Method", "POST")
                .header("Access-Control-Request-Headers", "authorization,content-type,x-anything")
                .header("Access-Control-Request-Private-Network", "true");
            for request in [
                preflight,
                app.http.get(&address).header("Origin", origin),
                app.http.post(&address).header("Origin", origin),
            ] {
                let answer = Answer::of(request).await;
                let allowed = answer.header("access-control-allow-origin");
                let is_open = open.contains(&path.as_str()) && allowed == Some("*");
                assert!(is_open || allowed.is_none_or(|allowed| allowed == SPA), "{path} {origin}: {answer:?}");
                assert!(answer.header("access-control-allow-credentials").is_none(), "{path} {origin}: {answer:?}");
                assert!(answer.header("access-control-allow-private-network").is_none(), "{path} {origin}: {answer:?}");
                assert!(answer.status.as_u16() < 500, "{path} {origin}: {answer:?}");
            }
        }
    }
});

on_both_stores!(sec_006_an_allowed_page_may_do_what_it_needs_and_no_more, async |backend| {
    let app = TestServer::start_with(
        backend,
        Setup::default().set("JETON_CORS_ORIGINS", &format!("{SPA},http://localhost:3000")),
    )
    .await;
    for origin in [SPA, "http://localhost:3000"] {
        for path in ["/auth/token", "/auth/revoke"] {
            let preflight = app.http.request(Method::OPTIONS, format!("{}{path}", app.base)).header("Origin", origin);
            let preflight = preflight
                .header("Access-Control-Request-Method", "POST")
                .header("Access-Control-Request-Headers", "authorization,content-type,dpop");
            let answer = Answer::of(preflight).await;
            assert!(answer.status.is_success(), "{answer:?}");
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
            assert_eq!(answer.header("access-control-allow-methods"), Some("POST"));
            let headers = answer.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
            assert_eq!(
                headers.split(',').map(str::trim).collect::<Vec<_>>(),
                ["authorization", "content-type", "dpop"]
            );
            assert!(
                answer.header("vary").is_some_and(|vary| vary.to_ascii_lowercase().contains("origin")),
                "{answer:?}"
            );
        }
        // What no page may use stays closed to the allowed page too.
        for path in ["/auth/introspect", "/auth/explain", "/auth/verify", "/admin/v1/clients"] {
            let preflight = app.http.request(Method::OPTIONS, format!("{}{path}", app.base)).header("Origin", origin);
            let answer = Answer::of(preflight.header("Access-Control-Request-Method", "POST")).await;
            assert!(answer.header("access-control-allow-origin").is_none(), "{path}: {answer:?}");
        }
    }
});

on_both_stores!(every_page_may_ask_where_all_origins_are_allowed_and_none_with_cookies, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().set("JETON_CORS_ORIGINS", "*")).await;
    for path in ["/auth/token", "/auth/userinfo"] {
        let answer = Answer::of(app.http.post(format!("{}{path}", app.base)).header("Origin", STRANGERS[0])).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}: {answer:?}");
        assert!(answer.header("access-control-allow-credentials").is_none(), "{path}: {answer:?}");
    }
    let answer = Answer::of(app.http.get(format!("{}/auth/authorize", app.base)).header("Origin", STRANGERS[0])).await;
    assert!(answer.header("access-control-allow-origin").is_none(), "{answer:?}");
});

on_both_stores!(no_answer_repeats_the_host_of_the_request, async |backend| {
    let app = TestServer::start(backend).await;
    let main = app.main_client("main").await;
    let basic = main.basic();
    for host in
        ["evil.example", "evil.example:443", "auth.example.com.evil.example", "evil.example/", "[::1]", "localhost", ""]
    {
        for path in paths() {
            for method in ["GET", "POST"] {
                let head = format!(
                    "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nX-Forwarded-Host: evil.example\r\n\
                     X-Forwarded-Server: evil.example\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 666\r\n\
                     X-Forwarded-Prefix: /evil.example\r\nX-Host: evil.example\r\nForwarded: for=192.0.2.1;host=evil.example\r\n\
                     Authorization: {basic}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\n\r\n"
                );
                let answer = exchange(&app.base, head.as_bytes()).await;
                assert!(
                    status_of(&answer) < 500 && !answer.contains("evil.example"),
                    "{host} {method} {path}: {answer}"
                );
            }
        }
    }
    // The whole address as a target.
    for target in ["http://evil.example/.well-known/oauth-authorization-server", "https://evil.example/docs"] {
        let answer = at(&app, "GET", target, "").await;
        assert!(status_of(&answer) < 500 && !answer.contains("evil.example"), "{target}: {answer}");
    }
    let metadata = app.get("/.well-known/oauth-authorization-server").await;
    assert_eq!(metadata.text("issuer"), app.issuer());
});

/// The address in the audit trail after a change with these headers.
async fn audited(app: &TestServer, headers: &[(&str, &[u8])]) -> String {
    let admin = app.admin_token().await;
    let name = format!("u{}", uuid::Uuid::now_v7().simple());
    let mut request = app.http.post(format!("{}/admin/v1/users", app.base)).bearer_auth(admin);
    for (name, value) in headers {
        request = request.header(*name, reqwest::header::HeaderValue::from_bytes(value).unwrap());
    }
    let made = Answer::of(request.json(&json!({"username": name, "password": "wonderland"}))).await;
    assert_eq!(made.status, 201, "{made:?}");
    let audit = app.admin(Method::GET, "/admin/v1/audit?action=user.create&limit=200", None).await;
    let id = made.header("x-request-id").unwrap().to_owned();
    let records = audit.json["items"].as_array().unwrap().clone();
    let record = records.iter().find(|record| record["request_id"] == json!(id));
    record.unwrap_or_else(|| panic!("{id} in {audit:?}"))["address"].as_str().unwrap().to_owned()
}

on_both_stores!(only_a_trusted_proxy_tells_the_origin_of_a_request, async |backend| {
    let app = TestServer::start(backend).await;
    for name in
        ["X-Forwarded-For", "Forwarded", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP", "Client-IP"]
    {
        for value in ["203.0.113.9", "for=203.0.113.9", "127.0.0.2", "\"[2001:db8::1]\""] {
            assert_eq!(audited(&app, &[(name, value.as_bytes())]).await, "127.0.0.1", "{name}: {value}");
        }
    }
});

on_both_stores!(behind_a_trusted_proxy_the_nearest_untrusted_address_counts, async |backend| {
    let trusting = Setup::default().set("JETON_TRUSTED_PROXIES", "127.0.0.1,10.0.0.0/8,2001:db8:1::/48");
    let app = TestServer::start_with(backend, trusting).await;
    let rows: [(&[u8], &str); 17] = [
        (b"203.0.113.9", "203.0.113.9"),
        (b"203.0.113.9:4711", "203.0.113.9"),
        (b"[2001:db8::9]:4711", "2001:db8::9"),
        (b"2001:db8::9", "2001:db8::9"),
        (b"::ffff:203.0.113.9", "203.0.113.9"),
        (b"1.1.1.1, 203.0.113.9", "203.0.113.9"),
        (b"1.1.1.1, 203.0.113.9, 10.9.9.9", "203.0.113.9"),
        (b"1.1.1.1,203.0.113.9,10.9.9.9,2001:db8:1::1", "203.0.113.9"),
        (b"10.1.1.1, 10.2.2.2", "10.1.1.1"),
        // What the client wrote precedes what its proxy wrote, and neither hides nor replaces it.
        (b"\xff\xfe, 203.0.113.9", "203.0.113.9"),
        (b"evil.example, 203.0.113.9", "203.0.113.9"),
        (b"for=1.1.1.1;by=2.2.2.2, 203.0.113.9", "203.0.113.9"),
        (b"127.0.0.1\t, 203.0.113.9", "203.0.113.9"),
        // If what the proxy wrote is not an address, the proxy itself counts as the caller.
        (b"unknown", "127.0.0.1"),
        (b"203.0.113.9, unknown", "127.0.0.1"),
        (b"", "127.0.0.1"),
        (b",,,,", "127.0.0.1"),
    ];
    for (value, address) in rows {
        let shown = String::from_utf8_lossy(value).into_owned();
        assert_eq!(audited(&app, &[("X-Forwarded-For", value)]).await, address, "{shown}");
    }
    // In several lines or in one, of any length.
    assert_eq!(
        audited(&app, &[("X-Forwarded-For", b"1.1.1.1"), ("X-Forwarded-For", b"203.0.113.9")]).await,
        "203.0.113.9"
    );
    let many = [vec!["1.1.1.1"; 5000], vec!["203.0.113.9"], vec!["10.0.0.1"; 500]].concat().join(",");
    assert_eq!(audited(&app, &[("X-Forwarded-For", many.as_bytes())]).await, "203.0.113.9");
    assert_eq!(audited(&app, &[("Forwarded", b"for=203.0.113.9"), ("X-Real-IP", b"203.0.113.9")]).await, "127.0.0.1");
});
