//! Input from strangers never forges a log line, in either format: one event stays one line, and the JSON parses.

use std::time::Duration;

use reqwest::header::HeaderValue;
use serde_json::Value;

use super::exchange;
use crate::support::program::{LIMIT, Place, Running};
use crate::support::{eventually, on_both_stores};

/// What would begin a line, move a cursor, end a string, or change the reading direction.
const STRANGE: [&str; 14] = [
    "\n2026-01-01T00:00:00Z  INFO forged-line: all is well",
    "\r\nforged-line",
    "\rforged-line",
    "\u{1b}[2K\u{1b}[1Gforged-line",
    "\u{1b}]0;forged-line\u{7}",
    "\u{9b}31mforged-line",
    "\",\"level\":\"forged-line",
    "\"}\n{\"forged-line\":1}",
    "\\nforged-line\\",
    "\u{202e}enil-degrof forged-line",
    "\u{2028}forged-line\u{2029}",
    "\u{0}forged-line",
    "\u{85}forged-line\u{b}\u{c}",
    "cause=forged-line client=forged-line",
];

/// Sends it in every part of a request that could be logged.
async fn send_everywhere(running: &Running, text: &str) {
    let http = reqwest::Client::new();
    let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let in_path: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let form = "application/x-www-form-urlencoded";
    let bodies = [
        format!("grant_type=client_credentials&client_id={encoded}&client_secret={encoded}"),
        format!("grant_type=password&client_id=app&username={encoded}&password={encoded}"),
        format!("grant_type=refresh_token&client_id=app&refresh_token={encoded}"),
        format!("grant_type={encoded}&client_id=app"),
        format!("grant_type=password&client_id=app&username=a&password=b&scope={encoded}"),
        format!("grant_type=password&client_id=app&username=a&password=b&resource={encoded}"),
        format!("token={encoded}&token_type_hint={encoded}&client_id=app"),
        format!("{encoded}={encoded}&{encoded}=x"),
    ];
    for body in &bodies {
        for path in ["/auth/token", "/auth/introspect", "/auth/revoke", "/auth/explain"] {
            let request = http.post(format!("{}{path}", running.base)).header("Content-Type", form).body(body.clone());
            let request = match HeaderValue::from_bytes(text.as_bytes()) {
                Ok(value) => request
                    .header("User-Agent", value.clone())
                    .header("X-Request-Id", value.clone())
                    .header("Referer", value),
                Err(_) => request,
            };
            request.send().await.unwrap();
        }
    }
    for path in [
        format!("/{in_path}"),
        format!("/auth/verify/{in_path}?audience={encoded}&scope={encoded}"),
        format!("/auth/verify?audience={encoded}"),
        format!("/docs/errors/{in_path}"),
        format!("/admin/v1/clients/{in_path}?{encoded}={encoded}"),
        format!("/.well-known/{in_path}"),
    ] {
        for authorization in
            [text.to_owned(), format!("Bearer {text}"), format!("Basic {text}"), format!("Bearer {}", token_with(text))]
        {
            let request = http.get(format!("{}{path}", running.base));
            let request = match HeaderValue::from_bytes(authorization.as_bytes()) {
                Ok(value) => request.header("Authorization", value),
                Err(_) => request,
            };
            request.send().await.unwrap();
        }
    }
    // Bytes that no HTTP client would send.
    for head in [
        format!("GET /{text} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        format!("{text} / HTTP/1.1\r\nConnection: close\r\n\r\n"),
    ] {
        exchange(&running.base, head.as_bytes()).await;
    }
}

/// A JWT that claims this everywhere.
fn token_with(text: &str) -> String {
    let encode = |part: Value| jeton::crypto::base64url(part.to_string());
    let header = encode(serde_json::json!({"alg": text, "kid": text, "typ": text}));
    let claims = encode(serde_json::json!({"iss": text, "sub": text, "client_id": text, "jti": text, "aud": text}));
    format!("{header}.{claims}.AAAA")
}

/// A server, once it says where it listens.
async fn serve(place: &Place, format: &str) -> Running {
    if format == "text" {
        return place.serve(&[]);
    }
    let mut running = Running::begin(place, &[]);
    eventually(LIMIT, "it listens", async || running.log.lock().unwrap().contains("\"listening\"")).await;
    let log = running.log.lock().unwrap().clone();
    let line = log.lines().find(|line| line.contains("\"listening\"")).unwrap();
    let event: Value = serde_json::from_str(line).unwrap();
    running.base = format!("http://{}", event["address"].as_str().unwrap());
    running
}

on_both_stores!(one_event_stays_one_line_of_the_log, async |backend| {
    for format in ["text", "json"] {
        let mut place = Place::new(backend).await;
        place.set("JETON_LOG_FORMAT", format);
        place.set("JETON_LOG_LEVEL", "info,jeton=trace");
        let running = serve(&place, format).await;
        for text in STRANGE {
            send_everywhere(&running, text).await;
        }
        // The last event of all.
        let last = "the-last-of-all";
        let answer =
            reqwest::Client::new().get(format!("{}/auth/verify?audience={last}", running.base)).send().await.unwrap();
        let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        eventually(Duration::from_secs(20), "the last event is logged", async || {
            running.log.lock().unwrap().contains(&id)
        })
        .await;
        let log = running.log.lock().unwrap().clone();
        assert!(log.lines().count() > 500, "events were logged: {} lines", log.lines().count());
        for line in log.lines() {
            assert!(!line.chars().any(char::is_control), "{line:?}");
            match format {
                "json" => {
                    let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
                    assert!(event["timestamp"].is_string() && event["level"].is_string(), "{line}");
                    assert!(event.get("forged-line").is_none() && event["level"] != "forged-line", "{line}");
                }
                _ => {
                    let begins = line.split('T').next().unwrap();
                    let is_date =
                        begins.len() == 10 && begins.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
                    assert!(is_date, "a line of its own: {line}");
                    assert!(!line.contains(['\u{202e}', '\u{2028}', '\u{2029}']), "{line:?}");
                    assert!(!line.contains(" cause=forged-line") && !line.contains(" client=forged-line"), "{line}");
                }
            }
        }
        running.stop();
    }
});

on_both_stores!(an_attack_from_everywhere_is_reported_a_few_times, async |backend| {
    let mut place = Place::new(backend).await;
    place.set("JETON_TRUSTED_PROXIES", "127.0.0.1");
    place.set("JETON_THROTTLING", "on");
    place.json(&["client", "create", "--client-id", "shop", "--grant-types", "client_credentials"]);
    let running = place.serve(&[]);
    let http = reqwest::Client::new();
    let wrong = format!("jcs_{}", "x".repeat(43));
    // The burst that is reported, and some more.
    for network in 1..=36 {
        for _ in 0..20 {
            let request = http.post(format!("{}/auth/token", running.base)).basic_auth("shop", Some(&wrong));
            let request = request.header("X-Forwarded-For", format!("192.0.2.{network}"));
            let status = request.form(&[("grant_type", "client_credentials")]).send().await.unwrap().status();
            assert_eq!(status, 401, "failure from network {network}");
        }
    }
    running.says("address=192.0.2.36");
    let log = running.log.lock().unwrap().clone();
    let told = log.lines().filter(|line| line.contains("guessing is slowed down")).count();
    assert!((30..34).contains(&told), "{told} lines: {log}");
});
