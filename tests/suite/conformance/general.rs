//! §1 GEN: what the POST endpoints have in common. GEN-039 is at the end of each test.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;

use super::answers::assert_one_of;
use crate::support::scene::{CLIENT_CREDENTIALS, Scene};
use crate::support::{Answer, FORM, on_both_stores, status_of};

const ENDPOINTS: [&str; 3] = ["/auth/token", "/auth/revoke", "/auth/introspect"];
const JSON: (&str, &str) = ("Content-Type", "application/json");

on_both_stores!(gen_001_and_gen_006_grant_parameters_in_the_url_are_ignored, async |backend| {
    let scene = Scene::start(backend).await;
    let address = format!("{}/auth/token?grant_type=client_credentials", scene.app.base);
    let answer = Answer::of(scene.app.http.get(&address).header("Authorization", scene.main.basic())).await;
    assert!(answer.status.is_client_error() && !answer.body.contains("access_token"), "{answer:?}");
    let headers = [FORM, ("Authorization", &scene.main.basic())];
    let answer = scene.app.raw("/auth/token?grant_type=client_credentials", &headers, "").await;
    answer.assert_error(400, "invalid_request"); // GEN-006
    scene.assert_still_works().await;
});

on_both_stores!(gen_002_a_wrong_method_answers_405_and_names_post, async |backend| {
    let scene = Scene::start(backend).await;
    for path in ENDPOINTS {
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
            let request = scene.app.http.request(method.clone(), format!("{}{path}", scene.app.base));
            let answer = Answer::of(request.header("Authorization", scene.main.basic())).await;
            assert_eq!(answer.status, 405, "{method} {path}: {answer:?}");
            assert!(answer.header("allow").unwrap_or_default().contains("POST"), "{method} {path}: {answer:?}");
        }
    }
    scene.assert_still_works().await;
});

on_both_stores!(gen_003_no_method_makes_the_server_fail, async |backend| {
    let scene = Scene::start(backend).await;
    for path in ENDPOINTS {
        for method in ["HEAD", "OPTIONS", "TRACE", "FOO", "post", "CONNECT"] {
            let answer = scene.odd_request(method, path, "").await;
            assert!(status_of(&answer) < 500 && !answer.contains("access_token"), "{method} {path}: {answer}");
        }
    }
    scene.assert_still_works().await;
});

on_both_stores!(gen_004_headers_that_override_the_method_are_not_honoured, async |backend| {
    let scene = Scene::start(backend).await;
    for header in ["X-HTTP-Method-Override: POST", "X-HTTP-Method: POST", "X-Method-Override: POST"] {
        for target in ["/auth/token", "/auth/token?_method=POST"] {
            let answer = scene.odd_request("GET", target, &format!("{header}\r\n")).await;
            assert_eq!(status_of(&answer), 405, "{header}: {answer}");
            assert!(!answer.contains("access_token"), "{header}: {answer}");
        }
    }
    scene.assert_still_works().await;
});

on_both_stores!(gen_005_client_credentials_in_the_url_are_not_accepted, async |backend| {
    let scene = Scene::start(backend).await;
    let secret = scene.main.secret.clone().unwrap();
    let path = format!("/auth/token?client_id=main&client_secret={secret}");
    let answer = scene.app.raw(&path, &[FORM], "grant_type=client_credentials").await;
    assert_one_of(&answer, &[(401, "invalid_client"), (400, "invalid_client"), (400, "invalid_request")]);
    scene.assert_still_works().await;
});

on_both_stores!(gen_007_a_flat_json_object_is_accepted_like_a_form_and_nothing_else_in_json, async |backend| {
    let scene = Scene::start(backend).await;
    let send = async |body: &str| {
        scene.app.raw("/auth/token", &[JSON, ("Authorization", &scene.main.basic())], body.to_owned()).await
    };
    for body in [
        r#"{"grant_type":"client_credentials"}"#,
        r#"{"grant_type":"client_credentials","scope":null}"#,
        r#" { "grant_type" : "client_credentials", "resource" : ["https://api.example.test/"] } "#,
    ] {
        assert!(send(body).await.assert_ok().json["access_token"].is_string(), "{body}");
    }
    for body in [
        "",
        "null",
        "[]",
        r#""grant_type=client_credentials""#,
        r#"[{"grant_type":"client_credentials"}]"#,
        r#"{"grant_type":{"a":"client_credentials"}}"#,
        r#"{"grant_type":["client_credentials"]}"#,
        r#"{"grant_type":"client_credentials","scope":1}"#,
        r#"{"grant_type":"client_credentials","scope":true}"#,
        r#"{"grant_type":"client_credentials","scope":["read"]}"#,
        r#"{"grant_type":"client_credentials","resource":[1]}"#,
        r#"{"grant_type":"client_credentials","grant_type":"client_credentials"}"#,
        r#"{"grant_type":null,"grant_type":"client_credentials"}"#,
        r#"{"grant_type":"client_credentials","foo":"1","foo":"1"}"#,
        r#"{"grant_type":"client_credentials"} {}"#,
        r#"{"grant_type":"client_credentials""#,
        "grant_type=client_credentials",
    ] {
        send(body).await.assert_error(400, "invalid_request");
    }
    send(&format!("{}1{}", "[".repeat(30_000), "]".repeat(30_000))).await.assert_error(400, "invalid_request");
    scene.assert_still_works().await;
});

on_both_stores!(gen_008_a_form_with_another_content_type_is_not_read_as_a_form, async |backend| {
    let scene = Scene::start(backend).await;
    let basic = scene.main.basic();
    for label in [Some("text/plain"), Some("multipart/form-data; boundary=x"), Some("application/xml"), None] {
        let mut headers = vec![("Authorization", basic.as_str())];
        headers.extend(label.map(|label| ("Content-Type", label)));
        let answer = scene.app.raw("/auth/token", &headers, "grant_type=client_credentials").await;
        assert_one_of(&answer, &[(400, "invalid_request"), (415, "invalid_request")]);
    }
    scene.assert_still_works().await;
});

on_both_stores!(gen_009_parameters_and_case_of_the_media_type_are_tolerated, async |backend| {
    let scene = Scene::start(backend).await;
    for label in [
        "Application/X-WWW-Form-Urlencoded; charset=UTF-8",
        "application/x-www-form-urlencoded;charset=utf-8",
        "application/x-www-form-urlencoded ; x=\"y\"",
    ] {
        let headers = [("Content-Type", label), ("Authorization", &scene.main.basic())];
        scene.app.raw("/auth/token", &headers, "grant_type=client_credentials").await.assert_ok();
    }
    scene.assert_still_works().await;
});

on_both_stores!(gen_010_and_gen_011_a_repeated_parameter_is_invalid_request, async |backend| {
    let scene = Scene::start(backend).await;
    for body in [
        "grant_type=client_credentials&grant_type=client_credentials",
        "grant_type=password&grant_type=client_credentials", // GEN-011
        "grant_type=client_credentials&grant_type=foo",
        "grant_type=client_credentials&scope=read&scope=read",
        "grant_type=client_credentials&scope=read&scope=write",
        "grant_type=client_credentials&client_id=main&client_id=main",
        "grant_type=password&username=alice&username=alice&password=x",
        "grant_type=password&username=alice&password=x&password=x",
        "grant_type=refresh_token&refresh_token=x&refresh_token=x",
        "grant_type=client_credentials&s%63ope=read&scope=read",
    ] {
        scene.token_body(body).await.assert_error(400, "invalid_request");
    }
    let secret = scene.main.secret.clone().unwrap();
    let body = format!("grant_type=client_credentials&client_id=main&client_secret={secret}&client_secret={secret}");
    scene.app.raw("/auth/token", &[FORM], body).await.assert_error(400, "invalid_request");
    for path in ["/auth/revoke", "/auth/introspect"] {
        let answer = scene.app.raw(path, &[FORM, ("Authorization", &scene.main.basic())], "token=x&token=x").await;
        answer.assert_error(400, "invalid_request");
    }
    scene.assert_still_works().await;
});

on_both_stores!(gen_012_and_gen_013_unknown_parameters_are_ignored_even_when_they_repeat, async |backend| {
    let scene = Scene::start(backend).await;
    scene.client_credentials(&scene.main, &[("foo", "bar"), ("x-y.z", "1")]).await.assert_ok();
    scene.client_credentials(&scene.main, &[("foo", "1"), ("foo", "2")]).await.assert_ok(); // GEN-013
    scene.assert_still_works().await;
});

on_both_stores!(gen_014_to_gen_016_an_empty_value_counts_as_absent, async |backend| {
    let scene = Scene::start(backend).await;
    let without = scene.client_credentials(&scene.main, &[]).await;
    for empty in ["scope", "resource", "client_secret", "client_assertion", "client_id"] {
        // GEN-016: with Basic, an empty secret in the body is not a second method.
        let answer = scene.client_credentials(&scene.main, &[(empty, "")]).await;
        assert_eq!(answer.assert_ok().json["scope"], without.json["scope"], "{empty}");
    }
    scene.token_body("grant_type=client_credentials&scope").await.assert_ok();
    // GEN-015: an empty required parameter is missing, not unsupported.
    scene.token_body("grant_type=").await.assert_error(400, "invalid_request");
    scene.token_body("grant_type=refresh_token&refresh_token=").await.assert_error(400, "invalid_request");
    scene.assert_still_works().await;
});

on_both_stores!(gen_017_and_gen_018_without_a_grant_type_of_that_name_the_request_is_invalid, async |backend| {
    let scene = Scene::start(backend).await;
    // GEN-018: so is an empty body.
    for body in
        ["Grant_Type=client_credentials", "GRANT_TYPE=client_credentials", "grant_type%20=client_credentials", ""]
    {
        scene.token_body(body).await.assert_error(400, "invalid_request");
    }
    scene.assert_still_works().await;
});

on_both_stores!(gen_019_and_gen_020_odd_separators_and_broken_encoding_do_no_harm, async |backend| {
    let scene = Scene::start(backend).await;
    let answer = scene.token_body("&&=&&grant_type=client_credentials&=x&").await;
    assert!([200, 400].contains(&answer.status.as_u16()), "{answer:?}");
    for end in ["&scope=%zz", "&scope=%", "&scope=%e", "&%=x", "%"] {
        let answer = scene.token_body(format!("grant_type=client_credentials{end}")).await; // GEN-020
        assert_one_of(&answer, &[(400, "invalid_request"), (400, "invalid_scope")]);
    }
    scene.assert_still_works().await;
});

on_both_stores!(gen_021_and_gen_022_invalid_text_never_reaches_the_store, async |backend| {
    let scene = Scene::start(backend).await;
    // What is not UTF-8 is not taken for the replacement characters that some decoders insert.
    scene.app.user("\u{FFFD}\u{FFFD}", "password-of-nobody").await;
    for name in [&b"%FF%FE"[..], b"\xff\xfe", b"%C3%28%80"] {
        let body = [b"grant_type=password&password=password-of-nobody&username=", name].concat();
        let answer = scene.token_body(body).await; // every answer is read as UTF-8
        assert_one_of(&answer, &[(400, "invalid_request"), (400, "invalid_grant")]);
    }
    for control in ["%00", "%0d%0a", "%1b"] {
        // GEN-022
        for body in [
            format!("grant_type=password&username=alice{control}&password=x"),
            format!("grant_type=password&username=alice&password=x{control}"),
            format!("grant_type=client_credentials&scope=read{control}"),
            format!("grant_type=client_credentials&resource=https://api.example.test/{control}"),
            format!("grant_type=refresh_token&refresh_token=x{control}"),
            format!("grant_type=client_credentials&client_id=main{control}"),
        ] {
            let answer = scene.token_body(body).await;
            assert!([400, 401].contains(&answer.status.as_u16()), "{answer:?}");
            answer.assert_error(answer.status.as_u16(), &answer.text("error"));
        }
        let body = format!("grant_type=client_credentials&client_id=main{control}&client_secret=x{control}");
        let answer = scene.app.raw("/auth/token", &[FORM], body).await;
        assert_one_of(&answer, &[(400, "invalid_request"), (400, "invalid_client"), (401, "invalid_client")]);
        let headers = [FORM, ("Authorization", &scene.main.basic())];
        scene.app.raw("/auth/revoke", &headers, format!("token=x{control}")).await.assert_ok();
        scene.app.raw("/auth/introspect", &headers, format!("token=x{control}")).await.assert_inactive();
    }
    scene.assert_still_works().await;
});

on_both_stores!(gen_023_to_gen_025_huge_requests_are_cut_off, async |backend| {
    let scene = Scene::start(backend).await;
    let send = async |authorization: &str, body: String| {
        let request = scene.app.http.post(format!("{}/auth/token", scene.app.base)).header(FORM.0, FORM.1);
        let request = request.header("Authorization", authorization).body(body);
        let answer = tokio::time::timeout(Duration::from_secs(10), request.send()).await.expect("within 10 s");
        // The server may close the connection before everything was sent.
        answer.map_or(413, |answer| answer.status().as_u16())
    };
    let basic = scene.main.basic();
    let huge = format!("grant_type=client_credentials&scope={}", "x".repeat(8 * 1024 * 1024));
    assert!([400, 413].contains(&send(&basic, huge).await));
    scene.assert_still_works().await;
    for count in [5_000, 20_000] {
        // GEN-024: the first fits into a body, the second does not.
        let names: String = (0..count).map(|number| format!("&n{number}=1")).collect();
        let body = format!("grant_type=client_credentials{names}");
        let status = tokio::time::timeout(Duration::from_secs(5), send(&basic, body)).await.expect("within 5 s");
        assert!([200, 400, 413].contains(&status), "{count} names: {status}");
    }
    for length in [64 * 1024, 1024 * 1024] {
        // GEN-025
        let status = send(&format!("Basic {}", "A".repeat(length)), "grant_type=client_credentials".into()).await;
        assert!([400, 401, 413, 431].contains(&status), "{length} bytes: {status}");
    }
    scene.assert_still_works().await;
});

on_both_stores!(gen_026_two_authorization_headers_are_refused, async |backend| {
    let scene = Scene::start(backend).await;
    let (good, bad) = (scene.main.basic(), scene.main.with_secret("wrong").basic());
    for values in [[&good, &bad], [&bad, &good], [&good, &good]] {
        let answer = scene.with_authorization(&values.map(String::as_str)).await;
        assert_one_of(&answer, &[(400, "invalid_request"), (401, "invalid_client")]);
    }
    scene.assert_still_works().await;
});

on_both_stores!(gen_027_a_body_of_two_lengths_smuggles_no_second_request, async |backend| {
    let scene = Scene::start(backend).await;
    let smuggled = "GET /.well-known/jwks.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let body = format!("1d\r\ngrant_type=client_credentials\r\n0\r\n\r\n{smuggled}");
    for length in [body.len(), body.len() - smuggled.len(), 4] {
        for framing in [
            format!("Content-Length: {length}\r\nTransfer-Encoding: chunked"),
            format!("Transfer-Encoding: chunked\r\nContent-Length: {length}"),
        ] {
            let head = format!("POST /auth/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: {}", FORM.1);
            let request = format!("{head}\r\nAuthorization: {}\r\n{framing}\r\n\r\n{body}", scene.main.basic());
            let answer = scene.exchange(request.as_bytes()).await;
            let closes = answer.to_ascii_lowercase().contains("connection: close");
            assert!(status_of(&answer) == 400 || closes, "{framing}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{framing}: {answer}");
        }
    }
    scene.assert_still_works().await;
});

on_both_stores!(gen_028_gen_029_gen_031_and_gen_033_errors_are_clean_json, async |backend| {
    let scene = Scene::start(backend).await;
    let cc = scene.machine_client().await;
    let basic = scene.main.basic();
    let wrong = scene.main.with_secret("wrong");
    let nothing: [(&str, &str); 0] = [];
    let mut answers = vec![
        scene.client_credentials(&wrong, &[]).await,
        scene.app.token(&cc, &[("grant_type", "password"), ("username", "alice"), ("password", "x")]).await,
        scene.app.token(&scene.main, &[("grant_type", "password"), ("username", "alice"), ("password", "x")]).await,
        scene.app.token(&scene.main, &[("grant_type", "refresh_token"), ("refresh_token", "x'; DROP TABLE")]).await,
        scene.client_credentials(&scene.main, &[("scope", "nothing")]).await,
        scene.client_credentials(&scene.main, &[("scope", "re\"ad\\")]).await,
        scene.client_credentials(&scene.main, &[("resource", "https://elsewhere.example")]).await,
        scene.app.raw("/auth/token", &[JSON, ("Authorization", &basic)], "{").await,
        scene.app.raw("/auth/token", &[JSON, ("Authorization", &basic)], r#"{"\u0000<b>\"":1}"#).await,
        scene.app.raw("/auth/token", &[("Authorization", &basic)], "").await,
        scene.app.raw("/auth/token", &[FORM, ("Content-Encoding", "gzip"), ("Authorization", &basic)], "x").await,
        scene.app.raw("/auth/token", &[FORM, ("Authorization", "Basic !!!")], "").await,
        scene.token_body("%").await,
        scene.token_body("scope=%ff").await,
        scene.app.form(&scene.main, "/auth/revoke", &nothing).await,
        scene.app.form(&wrong, "/auth/revoke", &nothing).await,
        scene.app.form(&scene.main, "/auth/introspect", &nothing).await,
        scene.app.form(&wrong, "/auth/introspect", &nothing).await,
        scene.app.token(&scene.main, &nothing).await,
    ];
    for odd in ["<\"é\n>", "client_credentials\\", "\u{1F980}", "\"", "client_credentials\u{0}"] {
        answers.push(scene.app.token(&scene.main, &[("grant_type", odd)]).await); // GEN-029
    }
    let mut different = BTreeSet::new();
    for answer in &answers {
        let (error, description) = (answer.text("error"), answer.text("error_description"));
        answer.assert_error(answer.status.as_u16(), &error);
        assert!(answer.status.is_client_error(), "{answer:?}");
        for text in [&error, &description, &answer.text("error_uri")] {
            let legal = |byte: u8| matches!(byte, 0x20 | 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
            assert!(text.bytes().all(legal), "{text:?}");
        }
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}"); // GEN-031
        for leak in ["panick", "backtrace", "src/", ".rs", "/tmp", "/home", "SELECT", "sql", "postgres", "serde"] {
            assert!(!answer.body.to_lowercase().contains(&leak.to_lowercase()), "{leak}: {answer:?}"); // GEN-033
        }
        different.insert((error, description));
    }
    assert!(different.len() >= 8, "{different:?}");
    scene.assert_still_works().await;
});

on_both_stores!(gen_030_gen_032_gen_034_and_gen_035_headers_of_every_answer, async |backend| {
    let scene = Scene::start(backend).await;
    let token = scene.client_credentials(&scene.main, &[]).await;
    assert_eq!(token.assert_ok().header("cache-control"), Some("no-store"));
    assert_eq!(token.header("pragma"), Some("no-cache")); // GEN-032
    let introspected = scene.app.introspect(&scene.main, &token.text("access_token")).await;
    introspected.assert_active();
    let refused = scene.client_credentials(&scene.main, &[("scope", "nothing")]).await;
    let revoked = scene.app.revoke(&scene.main, &token.text("access_token")).await;
    let metadata = scene.app.get("/.well-known/oauth-authorization-server").await;
    for answer in [&token, &introspected, &refused, &revoked, &metadata, &scene.app.get("/no-such-path").await] {
        assert_eq!(answer.header("set-cookie"), None, "{answer:?}"); // GEN-034
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{answer:?}"); // GEN-035
    }
    scene.assert_still_works().await;
});

on_both_stores!(gen_039_and_gen_040_parallel_requests_do_not_interfere, async |backend| {
    let scene = Scene::start(backend).await;
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let request = scene.app.http.post(format!("{}/auth/token", scene.app.base)).form(&[CLIENT_CREDENTIALS]);
        running.spawn(Answer::of(request.header("Authorization", scene.main.basic())));
    }
    let answers = running.join_all().await;
    let tokens: BTreeSet<String> = answers.iter().map(|answer| answer.assert_ok().text("access_token")).collect();
    assert_eq!(tokens.len(), 20);
    scene.assert_still_works().await;
});
