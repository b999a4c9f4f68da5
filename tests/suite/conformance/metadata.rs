//! Rows MET: server metadata (RFC 8414).

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use super::jose::verified;
use super::private_key_jwt::KeyClient;
use crate::support::scene::{ALICE, Scene, every_grant};
use crate::support::{FORM, Setup, TestClient, TestServer, on_both_stores};

const PLACE: &str = "/.well-known/oauth-authorization-server";
/// Where OpenID Connect has the same document.
const OPENID_PLACE: &str = "/.well-known/openid-configuration";
const ENDPOINTS: [&str; 4] = ["token_endpoint", "jwks_uri", "revocation_endpoint", "introspection_endpoint"];

async fn document(app: &TestServer) -> Value {
    app.get(PLACE).await.assert_ok().json.clone()
}

/// The strings of a list of the document; nothing if it is not there.
fn list(document: &Value, name: &str) -> BTreeSet<String> {
    let items = document.get(name).and_then(Value::as_array).into_iter().flatten();
    items.map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// The path of an advertised address, which must be below this issuer.
#[track_caller]
fn path_of<'a>(document: &'a Value, name: &str, origin: &str) -> &'a str {
    let address = document[name].as_str().unwrap_or_else(|| panic!("no {name}"));
    address.strip_prefix(origin).unwrap_or_else(|| panic!("{name}: {address} is not below {origin}"))
}

/// A client that authenticates in this way.
async fn client_by(app: &TestServer, method: &str) -> TestClient {
    if method == "none" {
        return app.public_client("by-none").await;
    }
    app.client(&format!("by-{method}"), every_grant(json!({"token_endpoint_auth_method": method}))).await
}

on_both_stores!(met_001_met_003_met_005_met_006_met_007_and_met_021_the_document_is_complete, async |backend| {
    let scene = Scene::start(backend).await;
    let app = &scene.app;
    let answer = app.get(PLACE).await;
    // MET-001
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let document = answer.assert_ok().json.as_object().expect("an object").clone();
    // MET-003
    let issuer = reqwest::Url::parse(document["issuer"].as_str().unwrap()).unwrap();
    assert_eq!((issuer.scheme(), issuer.query(), issuer.fragment()), ("https", None, None));
    for (name, value) in &document {
        // MET-007
        assert!(value != &json!([]), "{name} is empty");
        assert!(!value.is_null(), "{name} is null");
        // MET-021
        let is_address = name.ends_with("_endpoint") || name.ends_with("_uri") || name == "service_documentation";
        assert!(!is_address || !value.as_str().unwrap().contains('#'), "{name}");
    }
    // MET-006
    assert_eq!(document["response_types_supported"], json!(["code"]));
    // MET-005
    let document = Value::Object(document);
    for name in ENDPOINTS {
        let path = path_of(&document, name, app.issuer());
        let get = app.get(path).await;
        let post = app.raw(path, &[FORM], "").await;
        for answer in [&get, &post] {
            assert!(answer.status.as_u16() != 404 && answer.status.as_u16() < 500, "{name}: {answer:?}");
        }
        assert_eq!(get.status.as_u16(), if name == "jwks_uri" { 200 } else { 405 }, "{name}");
    }
});

on_both_stores!(met_002_and_met_004_the_issuer_is_the_configured_one_to_the_byte, async |backend| {
    for issuer in [
        "https://auth.example.com",
        "https://auth.example.com/",
        "https://auth.example.com/tenant",
        "https://auth.example.com/tenant/",
        "https://auth.example.com:8443/a/b",
        "http://127.0.0.1:8080",
    ] {
        let app = TestServer::start_with(backend, Setup::default().set("JETON_ISSUER", issuer)).await;
        let main = app.main_client("main").await;
        let url = reqwest::Url::parse(issuer).unwrap();
        let path = url.path().trim_end_matches('/');
        // MET-004: between host and path; an issuer without a path has it at the root.
        let answer = app.get(&format!("{PLACE}{path}")).await;
        assert_eq!(answer.assert_ok().json["issuer"], json!(issuer));
        let document = app.get(&format!("{PLACE}{path}")).await.json;
        // OID-011: appended to the path of the issuer; between host and path as well (RFC 8414 §5).
        for place in [format!("{path}{OPENID_PLACE}"), format!("{OPENID_PLACE}{path}")] {
            assert_eq!(app.get(&place).await.assert_ok().json, document, "{place}");
        }
        let origin = url.origin().ascii_serialization();
        for name in ENDPOINTS {
            let place = path_of(&document, name, &origin);
            assert!(place.starts_with(&format!("{path}/")) && !place.contains("//"), "{place}");
            let answer = app.raw(place, &[FORM, ("Authorization", &main.basic())], "").await;
            assert_eq!(answer.status.as_u16(), if name == "jwks_uri" { 405 } else { 400 }, "{place}: {answer:?}");
        }
        let answer = app.token(&main, &[("grant_type", "client_credentials")]).await;
        let claims = verified(&app, &answer.text("access_token")).await;
        assert_eq!(claims["iss"], json!(issuer));
    }
});

on_both_stores!(met_008_met_015_and_met_016_grants_and_scopes_are_those_in_use, async |backend| {
    let app = TestServer::start(backend).await;
    let before = document(&app).await;
    // MET-016: no password grant before a client has it.
    assert!(!list(&before, "grant_types_supported").contains("password"), "{before}");
    let cc = json!({"grant_types": ["client_credentials"], "scope": "read mail:send"});
    app.client("cc", cc).await;
    let document_now = document(&app).await;
    assert!(list(&document_now, "grant_types_supported").contains("client_credentials"));
    assert!(!list(&document_now, "grant_types_supported").contains("password"));
    app.main_client("main").await;
    let after = document(&app).await;
    // MET-008
    let grants = list(&after, "grant_types_supported");
    let device = "urn:ietf:params:oauth:grant-type:device_code";
    let expected = ["authorization_code", "client_credentials", "password", "refresh_token", device];
    assert_eq!(grants, BTreeSet::from(expected.map(str::to_owned)));
    // Token exchange is by permission.
    let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
    app.client("listed", json!({"grant_types": [exchange]})).await;
    assert!(!list(&document(&app).await, "grant_types_supported").contains(exchange));
    app.client("gateway", json!({"permissions": ["exchange"]})).await;
    assert!(list(&document(&app).await, "grant_types_supported").contains(exchange));
    // MET-015
    let scopes = list(&after, "scopes_supported");
    for scope in ["read", "write", "mail:send"] {
        assert!(scopes.contains(scope), "{scope}: {after}");
    }
    // MET-016
    for document in [&before, &after] {
        assert!(!list(document, "grant_types_supported").contains("implicit"));
        for response_type in list(document, "response_types_supported") {
            assert!(response_type.split(' ').all(|part| part != "token"), "{response_type}");
        }
    }
});

on_both_stores!(met_009_and_met_011_every_advertised_authentication_method_works, async |backend| {
    let scene = Scene::start(backend).await;
    let app = &scene.app;
    let document = document(app).await;
    let methods = list(&document, "token_endpoint_auth_methods_supported");
    let confidential = ["client_secret_basic", "client_secret_post", "private_key_jwt"].map(str::to_owned);
    let all: BTreeSet<String> = confidential.iter().cloned().chain(["none".to_owned()]).collect();
    assert_eq!(methods, all);
    // MET-011: without a list it would be Basic only.
    let revoking = list(&document, "revocation_endpoint_auth_methods_supported");
    let introspecting = list(&document, "introspection_endpoint_auth_methods_supported");
    assert_eq!(revoking, methods);
    assert_eq!(introspecting, BTreeSet::from(confidential));
    let by_key = KeyClient::register(app, "by-key", every_grant(json!({}))).await;
    let login = [("grant_type", "password"), ("username", ALICE.0), ("password", ALICE.1)];
    let token = by_key.send(app, "/auth/token", &login).await.assert_ok().text("access_token");
    by_key.send(app, "/auth/introspect", &[("token", &token)]).await.assert_active();
    by_key.send(app, "/auth/revoke", &[("token", &token)]).await.assert_ok();
    by_key.send(app, "/auth/introspect", &[("token", &token)]).await.assert_inactive();
    for method in methods.iter().filter(|method| *method != "private_key_jwt") {
        let client = client_by(app, method).await;
        let tokens = scene.login(&client).await;
        if introspecting.contains(method) {
            app.introspect(&client, &tokens.access).await.assert_active();
        }
        let tokens = scene.refresh(&client, &tokens.refresh).await;
        app.revoke(&client, &tokens.refresh).await.assert_ok();
        scene.assert_dead(&client, &tokens).await;
    }
});

on_both_stores!(met_010_met_012_and_met_017_only_strong_algorithms_are_advertised, async |backend| {
    let app = TestServer::start(backend).await;
    let document = document(&app).await;
    let names = document.as_object().unwrap().keys();
    // MET-017
    for name in names.filter(|name| name.ends_with("_alg_values_supported")) {
        let algorithms = list(&document, name);
        let weak = |algorithm: &String| algorithm.eq_ignore_ascii_case("none") || algorithm.starts_with("HS");
        let strong = name.ends_with("_auth_signing_alg_values_supported") || !algorithms.iter().any(weak);
        assert!(!algorithms.contains("none") && strong, "{name}: {algorithms:?}");
    }
    // MET-010
    for endpoint in ["token", "revocation", "introspection"] {
        let methods = list(&document, &format!("{endpoint}_endpoint_auth_methods_supported"));
        let signed = methods.contains("private_key_jwt") || methods.contains("client_secret_jwt");
        let algorithms = list(&document, &format!("{endpoint}_endpoint_auth_signing_alg_values_supported"));
        assert_eq!(signed, !algorithms.is_empty(), "{endpoint}");
    }
    // MET-012
    let challenges = list(&document, "code_challenge_methods_supported");
    assert_eq!(document.get("authorization_endpoint").is_some(), challenges.contains("S256"), "{document}");
    assert!(!challenges.contains("plain"));
});

on_both_stores!(met_013_and_met_014_every_request_gets_the_same_document, async |backend| {
    let scene = Scene::start(backend).await;
    let app = &scene.app;
    let plain = app.get(PLACE).await.body;
    assert!(plain.contains("https://auth.example.com/auth/token"));
    // MET-013
    for headers in [
        &[("Host", "evil.example")][..],
        &[("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "http"), ("X-Forwarded-Port", "1")],
        &[("X-Forwarded-Prefix", "/evil"), ("X-Forwarded-For", "203.0.113.9")],
        &[("Forwarded", "for=203.0.113.9;host=evil.example;proto=http")],
        &[("X-Original-URL", "/evil"), ("X-Rewrite-URL", "/evil"), ("X-Host", "evil.example")],
    ] {
        let answer = app.get_with(PLACE, headers).await;
        assert_eq!(answer.assert_ok().body, plain, "{headers:?}");
    }
    // MET-014
    assert_eq!(app.get(OPENID_PLACE).await.assert_ok().body, plain);
});

on_both_stores!(iss_003_oid_004_oid_010_and_oid_014_discovery_says_what_an_openid_client_needs, async |backend| {
    let app = TestServer::start(backend).await;
    app.client("cc", json!({"grant_types": ["client_credentials"], "scope": "read openid jeton:read"})).await;
    let document = app.get(OPENID_PLACE).await.assert_ok().json.clone();
    assert_eq!(document["subject_types_supported"], json!(["public"]));
    // OID-004
    assert_eq!(document["id_token_signing_alg_values_supported"], json!(["RS256", "PS256", "ES256", "EdDSA"]));
    assert_eq!(document["userinfo_endpoint"], json!("https://auth.example.com/auth/userinfo"));
    assert_eq!(document["authorization_endpoint"], json!("https://auth.example.com/auth/authorize"));
    let scopes = document["scopes_supported"].as_array().unwrap();
    assert_eq!(
        scopes[..6],
        ["openid", "profile", "email", "address", "phone", "offline_access"].map(|scope| json!(scope))
    );
    assert_eq!(scopes.iter().filter(|scope| **scope == "openid").count(), 1);
    assert!(scopes.contains(&json!("read")));
    let claims = list(&document, "claims_supported");
    for claim in ["sub", "iss", "auth_time", "nonce", "name", "email_verified", "preferred_username", "address"] {
        assert!(claims.contains(claim), "{claim}");
    }
    for (member, value) in [
        ("claims_parameter_supported", true),
        // OID-014
        ("backchannel_logout_supported", true),
        ("backchannel_logout_session_supported", true),
        ("authorization_response_iss_parameter_supported", true),
        ("request_parameter_supported", false),
        ("request_uri_parameter_supported", false),
    ] {
        assert_eq!(document[member], json!(value), "{member}");
    }
});

on_both_stores!(who_has_the_current_version_of_a_document_is_told_so, async |backend| {
    let app = TestServer::start(backend).await;
    for path in [PLACE, OPENID_PLACE, "/.well-known/jwks.json"] {
        let answer = app.get(path).await;
        let tag = answer.assert_ok().header("etag").unwrap().to_owned();
        for sent in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
            let same = app.get_with(path, &[("If-None-Match", &sent)]).await;
            assert_eq!((same.status.as_u16(), same.body.as_str()), (304, ""), "{sent}");
            assert_eq!(same.header("etag"), Some(tag.as_str()));
            assert_eq!(same.header("cache-control"), answer.header("cache-control"));
        }
        for sent in ["\"x\"", tag.trim_matches('"'), "", "é"] {
            assert_eq!(app.get_with(path, &[("If-None-Match", sent)]).await.assert_ok().body, answer.body, "{sent}");
        }
    }
    // What changes, changes its tag.
    let before = app.get(PLACE).await.header("etag").unwrap().to_owned();
    app.client("cc", json!({"grant_types": ["client_credentials"], "scope": "read"})).await;
    let after = app.get_with(PLACE, &[("If-None-Match", &before)]).await;
    assert!(after.assert_ok().json["scopes_supported"].as_array().unwrap().contains(&json!("read")));
    let before = app.get("/.well-known/jwks.json").await.header("etag").unwrap().to_owned();
    app.admin(Method::POST, "/admin/v1/keys/rotate", Some(json!({}))).await;
    let after = app.get_with("/.well-known/jwks.json", &[("If-None-Match", &before)]).await;
    assert_eq!(after.assert_ok().json["keys"].as_array().unwrap().len(), 2);
});

on_both_stores!(met_018_met_019_and_met_020_the_document_is_for_caches_and_browsers, async |backend| {
    let app = TestServer::start(backend).await;
    for path in [PLACE, "/.well-known/jwks.json"] {
        // MET-018
        let head = app.request(Method::HEAD, path, &[]).await;
        assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""), "{head:?}");
        let post = app.raw(path, &[FORM], "").await;
        assert!(matches!(post.status.as_u16(), 404 | 405), "{post:?}");
        // MET-019
        let answer = app.get_with(path, &[("Origin", "https://spa.example")]).await;
        let caching = answer.assert_ok().header("cache-control").unwrap_or_default();
        assert!(caching.contains("max-age=") && !caching.contains("no-store"), "{caching}");
        // MET-020
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{answer:?}");
        assert!(answer.header("access-control-allow-credentials").is_none());
        // A page that is a client of the Model Context Protocol asks first, because of a header of its own.
        let preflight = [
            ("Origin", "https://spa.example"),
            ("Access-Control-Request-Method", "GET"),
            ("Access-Control-Request-Headers", "mcp-protocol-version"),
        ];
        let preflight = app.request(Method::OPTIONS, path, &preflight).await;
        assert!(preflight.status.is_success(), "{preflight:?}");
        assert_eq!(preflight.header("access-control-allow-origin"), Some("*"), "{preflight:?}");
        let allowed = preflight.header("access-control-allow-headers").unwrap_or_default();
        assert!(allowed.eq_ignore_ascii_case("MCP-Protocol-Version"), "{preflight:?}");
    }
});
