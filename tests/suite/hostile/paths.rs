//! Spellings of a path that a proxy in front and the server might read differently: they reach nothing that the plain
//! path does not reach, with the same protection.

use reqwest::Method;
use serde_json::json;

use super::{at, status_of};
use crate::support::{Answer, TestServer, on_both_stores};

/// Other ways to write the path `/ONE/TWO/…`.
fn spellings(path: &str) -> Vec<Vec<u8>> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let (last, first) = (parts[parts.len() - 1], parts[0]);
    let head = &path[..path.len() - last.len()];
    let letter = format!("%{:02x}", last.as_bytes()[0]);
    let mut all: Vec<Vec<u8>> = [
        format!("/{path}"),
        format!("//{path}"),
        path.replacen("//", "/", 1).replace('/', "//"),
        format!("/.{path}"),
        format!("/..{path}"),
        format!("/%2e{path}"),
        format!("/%2e%2e{path}"),
        format!("/docs/..{path}"),
        format!("/docs/%2e%2e{path}"),
        format!("/docs/errors/..;/..{path}"),
        format!("/docs/errors/..%2f..{path}"),
        format!("/docs/errors/%2e%2e%2f%2e%2e{path}"),
        format!("/.well-known/..{path}"),
        format!("/auth/verify/..{path}"),
        format!("/{first};x=y{}", &path[1 + first.len()..]),
        format!("{path}/"),
        format!("{path}//"),
        format!("{path}/."),
        format!("{path}/.."),
        format!("{path};"),
        format!("{path};jsessionid=1"),
        format!("{path}%2f"),
        format!("{path}%5c"),
        format!("{path}%00"),
        format!("{path}%20"),
        format!("{path}%09"),
        format!("{path}."),
        format!("{path}.json"),
        format!("{path}%3f"),
        format!("{path}%23"),
        format!("{head}{letter}{}", &last[1..]),
        format!("{head}%25{}{}", &letter[1..], &last[1..]),
        path.replace('/', "%2f").replacen("%2f", "/", 1),
        path.replace('/', "\\").replacen('\\', "/", 1),
        path.to_ascii_uppercase(),
        format!("{head}{}{}", last[..1].to_ascii_uppercase(), &last[1..]),
        path.replace('a', "\u{430}"),
    ]
    .into_iter()
    .map(String::into_bytes)
    .collect();
    all.push([path.as_bytes(), b"%ff"].concat());
    all.push([path.as_bytes(), b"\xff\xfe"].concat());
    all.push([path.as_bytes(), b"/", &[b'a'; 60_000]].concat());
    all.push([b"/../".repeat(2000).as_slice(), &path.as_bytes()[1..]].concat());
    all
}

on_both_stores!(no_spelling_of_a_path_passes_a_guard, async |backend| {
    let app = TestServer::start(backend).await;
    app.main_client("main").await;
    for path in ["/admin/v1/clients", "/admin/v1/clients/main", "/admin/v1/audit"] {
        for target in spellings(path) {
            for method in ["GET", "DELETE", "POST"] {
                let shown = String::from_utf8_lossy(&target).chars().take(80).collect::<String>();
                let answer = at(&app, method, &target, "Content-Length: 0\r\n").await;
                let is_refused = [400, 401, 404, 405, 414, 431].contains(&status_of(&answer));
                assert!(is_refused, "{method} {shown}: {answer}");
                assert!(!answer.contains("\"client_id\""), "{method} {shown}: {answer}");
            }
        }
    }
    let still = app.admin(Method::GET, "/admin/v1/clients/main", None).await;
    still.assert_ok();
});

on_both_stores!(a_misspelt_token_endpoint_issues_nothing, async |backend| {
    let app = TestServer::start(backend).await;
    let main = app.main_client("main").await;
    let lines = format!(
        "Authorization: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\n",
        main.basic()
    );
    for target in spellings("/auth/token") {
        let shown = String::from_utf8_lossy(&target).chars().take(80).collect::<String>();
        let answer = at(&app, "POST", &target, &lines).await;
        // The handler itself reports what is missing, or `/auth/verify` answers for its subpaths, or nothing is found.
        let status = status_of(&answer);
        assert!([400, 401, 404, 405, 414, 431].contains(&status), "{shown}: {answer}");
    }
});

on_both_stores!(no_files_are_served_below_docs_and_well_known, async |backend| {
    let app = TestServer::start(backend).await;
    let up =
        ["..", "%2e%2e", "..%2f", "%2e%2e%2f", "..%5c", "..\\", "....//", "%252e%252e%252f", "..%c0%af", "%00", "..;"];
    for folder in ["/docs/errors/", "/docs/", "/.well-known/", "/openapi.yaml/", "/"] {
        for step in up {
            for file in ["etc/passwd", "jeton.toml", "jeton.db", "Cargo.toml"] {
                let target = format!("{folder}{}{file}", format!("{step}/").repeat(6));
                let answer = at(&app, "GET", &target, "").await;
                assert!([400, 404].contains(&status_of(&answer)), "{target}: {answer}");
                for content in ["root:", "[package]", "JETON_", "SQLite"] {
                    assert!(!answer.contains(content), "{target}: {answer}");
                }
            }
        }
    }
});

on_both_stores!(an_id_in_a_path_is_only_ever_a_name, async |backend| {
    let app = TestServer::start(backend).await;
    app.main_client("main").await;
    let user = app.user("alice", "wonderland").await;
    let names = [
        "main%00",
        "main%2F",
        "main%2f..%2fmain",
        "..%2f..%2fkeys",
        "%00",
        "%",
        "%zz",
        "%ff",
        "main;x",
        "main%3Fa=b",
        "main%23",
        "main%0a",
        "%20main",
        "main%20",
        "MAIN",
        "m%00ain",
        "'%20OR%20'1'='1",
        "%22;DROP%20TABLE%20clients;--",
        "*",
        "%25",
        "_",
        "%E2%80%AEniam",
        "..",
        ".",
        "null",
        "undefined",
        "-1",
        "0",
        "1e9",
        "9223372036854775808",
        "99999999999999999999999",
    ];
    let long = "a".repeat(20_000);
    for name in names.into_iter().chain([long.as_str()]) {
        for folder in ["clients", "users", "sessions", "revocations", "keys"] {
            for method in ["GET", "DELETE", "PATCH"] {
                let target = format!("/admin/v1/{folder}/{name}");
                let lines = format!("Authorization: Bearer {}\r\nContent-Length: 0\r\n", app.admin_token().await);
                let answer = at(&app, method, &target, &lines).await;
                let shown = target.chars().take(100).collect::<String>();
                assert!([400, 404, 405, 415, 409].contains(&status_of(&answer)), "{method} {shown}: {answer}");
            }
        }
    }
    // A name may have slashes and percent signs, and is found by them.
    for client_id in ["a/b", "a%2Fb", "../keys", "a?b#c", "%00", ";", ".."] {
        app.client(client_id, json!({"grant_types": ["client_credentials"]})).await;
        let name: String = client_id.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let shown = app.admin(Method::GET, &format!("/admin/v1/clients/{name}"), None).await;
        // URL clients resolve two dots to the parent directory, however they are encoded.
        if client_id != ".." {
            assert_eq!(shown.assert_ok().text("client_id"), client_id);
        }
    }
    assert_eq!(
        app.admin(Method::GET, &format!("/admin/v1/users/{user}"), None).await.assert_ok().text("username"),
        "alice"
    );
});

on_both_stores!(every_route_answers_head_and_options_and_strange_methods, async |backend| {
    let app = TestServer::start(backend).await;
    for route in jeton::http::routes() {
        let path = route.path.replace("{*path}", "x").replace(['{', '}'], "");
        let address = format!("{}{path}", app.base);
        for method in
            ["HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "QUERY", "get", "G\u{7f}T", "X".repeat(200).as_str()]
        {
            let answer = at(&app, method, &path, "Content-Length: 0\r\n").await;
            let status = status_of(&answer);
            // 302: who is not logged in is sent to the login page.
            let is_answered = matches!(status, 200 | 204 | 302 | 400 | 401 | 404 | 405 | 415);
            assert!(is_answered, "{method} {path}: {answer}");
            assert!(!answer.to_ascii_lowercase().contains("\r\ntrace"), "{method} {path}: {answer}");
            if status == 405 {
                assert!(answer.to_ascii_lowercase().contains("\r\nallow: "), "{method} {path}: {answer}");
            }
        }
        if route.methods.contains(&"GET") {
            let [head, get] = [app.http.head(&address), app.http.get(&address)];
            let [head, get] = [Answer::of(head).await, Answer::of(get).await];
            assert_eq!((head.status, head.body.as_str()), (get.status, ""), "{path}");
            for name in ["content-type", "cache-control", "www-authenticate", "content-security-policy"] {
                assert_eq!(head.header(name), get.header(name), "{path} {name}");
            }
        }
    }
});
