//! Rows BEA: Bearer tokens at a protected resource (RFC 6750), which here is the admin API.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::json;

use crate::support::scene::{API, Scene};
use crate::support::{Answer, FORM, TestServer, on_both_stores};

/// The protected resource.
pub(super) const RESOURCE: &str = "/admin/v1/clients";

/// Asks for the resource with a Bearer token.
pub(super) async fn with_bearer(app: &TestServer, token: &str) -> Answer {
    app.get_with(RESOURCE, &[("Authorization", &format!("Bearer {token}"))]).await
}

/// 401 with `invalid_token`.
#[track_caller]
pub(super) fn assert_refused(answer: &Answer) {
    let challenge = assert_challenge(answer, 401);
    assert_eq!(challenge.get("error").map(String::as_str), Some("invalid_token"), "{answer:?}");
}

/// BEA-011: the attributes of the one Bearer challenge, which must be well-formed (RFC 6750 §3).
#[track_caller]
pub(super) fn assert_challenge(answer: &Answer, status: u16) -> BTreeMap<String, String> {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    assert_eq!(answer.headers.get_all("www-authenticate").iter().count(), 1, "{answer:?}");
    challenge_attributes(answer.header("www-authenticate").expect("a challenge of visible characters"))
}

/// The attributes of a well-formed Bearer challenge.
#[track_caller]
pub(crate) fn challenge_attributes(text: &str) -> BTreeMap<String, String> {
    let mut rest = text.strip_prefix("Bearer ").unwrap_or_else(|| panic!("no Bearer challenge: {text}"));
    let mut attributes = BTreeMap::new();
    loop {
        let (name, value_on) = rest.split_once("=\"").unwrap_or_else(|| panic!("no quoted value: {text}"));
        let (value, after) = value_on.split_once('"').unwrap_or_else(|| panic!("no closing quote: {text}"));
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(is_name, "{text}");
        assert!(value.bytes().all(|byte| matches!(byte, 0x20..=0x7E) && byte != b'\\'), "{text}");
        assert!(attributes.insert(name.to_owned(), value.to_owned()).is_none(), "{name} is repeated: {text}");
        if after.is_empty() {
            break;
        }
        rest = after.strip_prefix(", ").unwrap_or_else(|| panic!("no comma: {text}"));
    }
    assert!(!attributes.is_empty());
    attributes
}

/// The code of a problem document is the last part of its type.
#[track_caller]
fn assert_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    assert!(answer.text("type").ends_with(&format!("/{code}")), "{answer:?}");
}

on_both_stores!(bea_001_without_a_token_the_challenge_has_no_error, async |backend| {
    let app = TestServer::start(backend).await;
    for path in [RESOURCE, "/admin/v1/users", "/admin/v1/keys", "/admin/v1/audit", "/admin/v1/clients/x"] {
        let challenge = assert_challenge(&app.get(path).await, 401);
        assert!(!challenge.contains_key("error") && !challenge.contains_key("error_description"), "{challenge:?}");
    }
    let answer = app.raw(RESOURCE, &[("Content-Type", "application/json")], "{}").await;
    assert!(!assert_challenge(&answer, 401).contains_key("error"));
});

on_both_stores!(bea_002_and_bea_003_a_valid_token_passes_however_the_scheme_is_written, async |backend| {
    let app = TestServer::start(backend).await;
    let token = app.admin_token().await;
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let answer = app.get_with(RESOURCE, &[("Authorization", &format!("{scheme} {token}"))]).await;
        assert!(answer.assert_ok().json["items"].is_array(), "{scheme}");
        assert!(answer.header("www-authenticate").is_none());
    }
    // A resource accepts opaque tokens too.
    let grants = json!(["client_credentials"]);
    let ops = json!({"grant_types": grants, "scope": "jeton:admin", "access_token_format": "opaque"});
    let ops = app.client("ops", ops).await;
    let token = app.token(&ops, &[("grant_type", "client_credentials")]).await.text("access_token");
    with_bearer(&app, &token).await.assert_ok();
});

on_both_stores!(bea_004_bea_010_and_bea_019_a_malformed_token_is_refused_and_not_echoed, async |backend| {
    let app = TestServer::start(backend).await;
    let token = app.admin_token().await;
    let damaged = format!("{}AAAA", &token[..token.len() - 4]);
    let long = "junkjunk".repeat(1200);
    let junk = ["junk-x", "a.b.c", "junk.junk.junk", "undefined", "jat_live_AAAA", "jrt_live_AAAA", &damaged, &long];
    for junk in junk {
        let answer = with_bearer(&app, junk).await;
        assert_refused(&answer);
        // BEA-019
        let shown = [answer.header("www-authenticate").unwrap(), &answer.body].concat();
        assert!(junk.len() < 6 || !shown.contains(junk), "{answer:?}");
    }
    // BEA-010
    for value in ["Bearer", "Bearer ", "Bearer  ", "Bearer a b", "Bearer ,", "Bearer \"\"", "Bearer=x", "Bearer\tx"] {
        let answer = app.get_with(RESOURCE, &[("Authorization", value)]).await;
        assert!(matches!(answer.status.as_u16(), 400 | 401), "{value}: {answer:?}");
        assert_challenge(&answer, answer.status.as_u16());
    }
    let two_words = format!("Bearer {token} {token}");
    let answer = app.get_with(RESOURCE, &[("Authorization", &two_words)]).await;
    assert!(matches!(answer.status.as_u16(), 400 | 401), "{answer:?}");
    assert_challenge(&answer, answer.status.as_u16());
});

on_both_stores!(bea_005_a_revoked_token_is_refused, async |backend| {
    let app = TestServer::start(backend).await;
    for format in ["jwt", "opaque"] {
        let members = json!({
            "grant_types": ["client_credentials"], "scope": "jeton:admin", "access_token_format": format,
        });
        let ops = app.client(format, members).await;
        let token = app.token(&ops, &[("grant_type", "client_credentials")]).await.text("access_token");
        with_bearer(&app, &token).await.assert_ok();
        app.revoke(&ops, &token).await.assert_ok();
        assert_refused(&with_bearer(&app, &token).await);
    }
});

on_both_stores!(bea_006_insufficient_scope_is_forbidden_and_the_challenge_names_the_required_scope, async |backend| {
    let app = TestServer::start(backend).await;
    let members = json!({"grant_types": ["client_credentials"], "scope": "jeton:users"});
    let ops = app.client("ops", members).await;
    let token = app.token(&ops, &[("grant_type", "client_credentials")]).await.text("access_token");
    app.get_with("/admin/v1/users", &[("Authorization", &format!("Bearer {token}"))]).await.assert_ok();
    let answer = with_bearer(&app, &token).await;
    let challenge = assert_challenge(&answer, 403);
    assert_eq!(challenge["error"], "insufficient_scope");
    // The named scope is enough.
    let enough =
        app.client("enough", json!({"grant_types": ["client_credentials"], "scope": challenge["scope"]})).await;
    let token = app.token(&enough, &[("grant_type", "client_credentials")]).await.text("access_token");
    with_bearer(&app, &token).await.assert_ok();
});

on_both_stores!(bea_007_bea_008_and_bea_018_a_token_in_the_url_or_a_second_one_is_refused, async |backend| {
    let app = TestServer::start(backend).await;
    let token = app.admin_token().await;
    let bearer = format!("Bearer {token}");
    let in_address = format!("{RESOURCE}?access_token={token}");
    // BEA-007
    let answer = app.get_with(&in_address, &[("Authorization", &bearer)]).await;
    assert_problem(&answer, 400, "invalid_request");
    assert_eq!(assert_challenge(&answer, 400)["error"], "invalid_request");
    let form = format!("access_token={token}");
    let answer = app.raw(RESOURCE, &[FORM, ("Authorization", &bearer)], form).await;
    assert_problem(&answer, 400, "invalid_request");
    // BEA-008 and BEA-018
    for path in [&in_address, &format!("{RESOURCE}?limit=1&access%5Ftoken={token}")] {
        let answer = app.get(path).await;
        assert!(matches!(answer.status.as_u16(), 400 | 401), "{answer:?}");
        let challenge = assert_challenge(&answer, answer.status.as_u16());
        assert!(answer.status.as_u16() == 400 || !challenge.contains_key("error"), "{answer:?}");
    }
});

on_both_stores!(bea_009_a_token_in_a_body_is_not_read, async |backend| {
    let app = TestServer::start(backend).await;
    let token = app.admin_token().await;
    for method in [Method::GET, Method::POST] {
        let mut request = app.http.request(method.clone(), format!("{}{RESOURCE}", app.base));
        request = request.header(FORM.0, FORM.1).body(format!("access_token={token}"));
        let answer = Answer::of(request).await;
        assert!(!assert_challenge(&answer, 401).contains_key("error"), "{method}");
    }
    let body = json!({"access_token": token, "client_id": "new"}).to_string();
    assert_challenge(&app.raw(RESOURCE, &[("Content-Type", "application/json")], body).await, 401);
});

on_both_stores!(bea_012_bea_013_and_bea_014_only_one_bearer_header_is_a_credential, async |backend| {
    let scene = Scene::start(backend).await;
    let app = &scene.app;
    let token = app.admin_token().await;
    let bearer = format!("Bearer {token}");
    // BEA-012
    for value in ["Basic dTpw", &scene.main.basic(), &format!("Token {token}"), &format!("DPoP {token}"), &token] {
        let answer = app.get_with(RESOURCE, &[("Authorization", value)]).await;
        assert!(!assert_challenge(&answer, 401).contains_key("error"), "{value:.20}");
    }
    // BEA-013
    for values in [[bearer.as_str(), "Bearer x"], ["Bearer x", &bearer], [&bearer, &bearer], [&bearer, "Basic dTpw"]] {
        let headers = values.map(|value| ("Authorization", value));
        let answer = app.get_with(RESOURCE, &headers).await;
        assert!(matches!(answer.status.as_u16(), 400 | 401), "{answer:?}");
        assert_challenge(&answer, answer.status.as_u16());
    }
    let answer = app.get_with(RESOURCE, &[("Authorization", &format!("{bearer}, Bearer x"))]).await;
    assert_eq!(assert_challenge(&answer, 400)["error"], "invalid_request");
    // BEA-014
    for name in ["access_token", "token", "Authorization"] {
        let answer = app.get_with(RESOURCE, &[("Cookie", &format!("{name}={token}"))]).await;
        assert!(!assert_challenge(&answer, 401).contains_key("error"), "{name}");
    }
    let answer = app.get_with(RESOURCE, &[("X-Authorization", &bearer), ("Proxy-Authorization", &bearer)]).await;
    assert_challenge(&answer, 401);
});

on_both_stores!(bea_015_and_bea_016_refresh_tokens_and_tokens_for_others_are_refused, async |backend| {
    let scene = Scene::start(backend).await;
    let secret = scene.main.secret.clone().unwrap();
    assert_refused(&with_bearer(&scene.app, &secret).await);
    for client in scene.owners() {
        let tokens = scene.login(client).await;
        // BEA-015
        assert_refused(&with_bearer(&scene.app, &tokens.refresh).await);
        // BEA-016: for another audience, of a user and of a client, on every path.
        assert_refused(&with_bearer(&scene.app, &tokens.access).await);
        for path in ["/admin/v1/users", "/admin/v1/audit"] {
            let bearer = format!("Bearer {}", tokens.access);
            assert_refused(&scene.app.request(Method::GET, path, &[("Authorization", &bearer)]).await);
        }
    }
    let own = scene.client_credentials(&scene.main, &[("resource", API)]).await.text("access_token");
    assert_refused(&with_bearer(&scene.app, &own).await);
});
