//! What a client says of itself, and what becomes of it.

use reqwest::Method;
use serde_json::{Value, json};

use super::{PATH, metadata, open, register};
use crate::support::browser::CALLBACK;
use crate::support::{TestServer, on_both_stores};

on_both_stores!(reg_001_reg_002_reg_003_reg_008_a_client_learns_all_that_was_registered, async |backend| {
    let app = TestServer::start_with(backend, open()).await;
    let sent = json!({
        "client_name": "Agent", "redirect_uris": [CALLBACK, "http://127.0.0.1/cb"], "application_type": "native",
        "token_endpoint_auth_method": "client_secret_post", "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"], "scope": "openid email", "client_uri": "https://app.example.test",
        "logo_uri": "https://app.example.test/logo.png", "tos_uri": "https://app.example.test/tos",
        "policy_uri": "https://app.example.test/policy", "contacts": ["a@app.example.test"],
        "software_id": "agent", "software_version": "1.0", "jwks_uri": "https://app.example.test/keys",
        "post_logout_redirect_uris": ["https://app.example.test/bye"], "id_token_signed_response_alg": "ES256",
    });
    let mut more = sent.clone();
    let chosen = "chosen-by-the-client";
    more.as_object_mut().unwrap().extend(
        json!({"x_unknown": "y", "client_id": chosen, "client_secret": chosen, "tos_uri#fr": 1, "client_name#fr": null})
            .as_object()
            .cloned()
            .unwrap(),
    );
    let answer = register(&app, more).await;
    assert_eq!(answer.status.as_u16(), 201, "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    for (name, value) in sent.as_object().unwrap() {
        assert_eq!(answer.json[name], *value, "{name}");
    }
    assert!(!answer.body.contains("x_unknown") && !answer.body.contains(chosen), "{answer:?}");
    assert_eq!(answer.json["client_secret_expires_at"], 0);
    assert!(answer.text("client_secret").starts_with("jcs_live_"));
    assert!(answer.text("registration_access_token").starts_with("jrg_live_"));
    let id = answer.text("client_id");
    assert_eq!(answer.text("registration_client_uri"), format!("{}{PATH}/{id}", app.issuer()));

    // Defaults. Without a secret there is nothing that could expire.
    let answer = register(&app, json!({"redirect_uris": [CALLBACK]})).await;
    assert_eq!(answer.json["token_endpoint_auth_method"], "client_secret_basic");
    assert_eq!(answer.json["grant_types"], json!(["authorization_code"]));
    assert_eq!(answer.json["response_types"], json!(["code"]));
    assert_eq!(answer.json["scope"], "openid profile email address phone offline_access");
    let answer = register(&app, metadata(json!({}))).await;
    for name in ["client_secret", "client_secret_expires_at"] {
        assert!(answer.json.get(name).is_none(), "{answer:?}");
    }
});

on_both_stores!(reg_004_to_reg_007_reg_018_bad_metadata_are_refused, async |backend| {
    let app = TestServer::start_with(backend, open()).await;
    let before = app.admin(Method::GET, "/admin/v1/clients", None).await.json["items"].as_array().unwrap().len();
    for uri in [
        "http://app.example.test/cb",
        "https://app.example.test/cb#f",
        "javascript:alert(1)",
        "data:text/html,x",
        "/cb",
        "cb",
        "",
        "myapp:/cb",
        "https://user@app.example.test/cb",
    ] {
        let answer = register(&app, metadata(json!({"redirect_uris": [CALLBACK, uri]}))).await;
        answer.assert_error(400, "invalid_redirect_uri");
        assert!(answer.text("error_description").starts_with("redirect_uris[1]: "), "{answer:?}");
    }
    for uris in [json!([]), Value::Null, json!([CALLBACK, CALLBACK]), json!(vec![CALLBACK; 51])] {
        register(&app, metadata(json!({"redirect_uris": uris}))).await.assert_error(400, "invalid_redirect_uri");
    }
    // REG-005 among them.
    for (name, value) in [
        ("redirect_uris", json!(1)),
        ("redirect_uris", json!(CALLBACK)),
        ("redirect_uris", json!([1])),
        ("grant_types", json!(["client_credentials"])),
        ("grant_types", json!(["refresh_token"])),
        ("grant_types", json!([])),
        ("grant_types", json!("authorization_code")),
        ("response_types", json!(["token"])),
        ("response_types", json!([])),
        ("token_endpoint_auth_method", json!("private_key_jwt")),
        ("token_endpoint_auth_method", json!(["none"])),
        ("id_token_signed_response_alg", json!("none")),
        ("id_token_signed_response_alg", json!("HS256")),
        ("application_type", json!("browser")),
        ("client_name", json!("x".repeat(256))),
        ("client_name", json!("a\nb")),
        ("client_name", json!("Bank\u{202E}knaB")),
        ("client_name", json!({"x": 1})),
        ("client_name", json!(" ")),
        ("client_name", json!("\u{3164}")),
        ("software_id", json!("a\0b")),
        ("contacts", json!(["a\0b"])),
        ("jwks", json!({"keys": [{"kid": "a\0b"}]})),
        ("jwks", (0..100).fold(json!({}), |inner, _| json!({"x": inner}))),
        ("scope", json!(["openid"])),
        ("scope", json!("a  b")),
        ("client_uri", json!("javascript:alert(1)")),
        ("logo_uri", json!("data:image/png;base64,")),
        ("jwks_uri", json!("file:///etc/passwd")),
        ("contacts", json!("a@app.example.test")),
        ("contacts", json!(vec!["x".repeat(1000); 20])),
        ("jwks", json!([])),
        ("backchannel_logout_uri", json!("http://127.0.0.1/logout")),
        ("post_logout_redirect_uris", json!(["javascript:x"])),
        ("require_pushed_authorization_requests", json!("yes")),
    ] {
        let answer = register(&app, metadata(json!({name: value}))).await;
        answer.assert_error(400, "invalid_client_metadata");
        let description = answer.text("error_description");
        assert!(description.starts_with(name) || description.contains("too large"), "{name}: {description}");
    }
    // REG-006.
    let both = json!({"jwks": {"keys": []}, "jwks_uri": "https://app.example.test/keys"});
    register(&app, metadata(both)).await.assert_error(400, "invalid_client_metadata");
    for statement in ["eyJhbGciOiJub25lIn0.e30.", ""] {
        let answer = register(&app, metadata(json!({"software_statement": statement}))).await;
        answer.assert_error(400, "unapproved_software_statement");
    }
    let json_type = ("Content-Type", "application/json");
    for body in
        [&b""[..], b"{", b"[]", b"null", b"\"x\"", b"1", b"\xFF\xFE", b"{\"redirect_uris\":1}", &b"[".repeat(60_000)]
    {
        app.raw(PATH, &[json_type], body.to_vec()).await.assert_error(400, "invalid_client_metadata");
    }
    let good = metadata(json!({})).to_string();
    for headers in [&[][..], &[crate::support::FORM], &[("Content-Type", "text/plain")]] {
        app.raw(PATH, headers, good.clone()).await.assert_error(400, "invalid_client_metadata");
    }
    app.raw(PATH, &[json_type], "x".repeat(100_000)).await.assert_error(413, "invalid_request");
    let after = app.admin(Method::GET, "/admin/v1/clients", None).await.json["items"].as_array().unwrap().len();
    assert_eq!(before, after, "nothing was registered");
});

on_both_stores!(reg_016_what_others_vouch_for_cannot_be_registered, async |backend| {
    let app = TestServer::start_with(backend, open()).await;
    let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
    let asked = json!({
        "grant_types": ["authorization_code", "password", "client_credentials", "implicit", exchange],
        "response_types": ["code", "token"], "scope": "openid admin jeton:admin read",
        "permissions": ["introspect"], "consent": "skip", "require_pkce": false, "audiences": ["https://a.example"],
        "registered_by": "administrator", "claims": {"admin": true}, "enabled": false, "max_sessions": 1,
    });
    let answer = register(&app, metadata(asked)).await;
    assert_eq!(answer.json["grant_types"], json!(["authorization_code"]));
    assert_eq!(answer.json["response_types"], json!(["code"]));
    assert_eq!(answer.json["scope"], "openid");
    let path = format!("/admin/v1/clients/{}", answer.text("client_id"));
    let stored = app.admin(Method::GET, &path, None).await.json;
    for (name, value) in [
        ("permissions", json!([])),
        ("consent", json!("required")),
        ("require_pkce", json!(true)),
        ("audiences", json!([])),
        ("registered_by", json!("itself")),
        ("claims", json!({})),
        ("enabled", json!(true)),
        ("max_sessions", json!(100)),
    ] {
        assert_eq!(stored[name], value, "{name}");
    }
    // An administrator does not give it that either.
    for patch in [
        json!({"grant_types": ["authorization_code", "password"]}),
        json!({"grant_types": ["client_credentials"]}),
        json!({"scope": "jeton:read", "token_endpoint_auth_method": "client_secret_basic"}),
        json!({"permissions": ["introspect"], "token_endpoint_auth_method": "client_secret_basic"}),
        json!({"consent": "once"}),
        json!({"consent": "skip"}),
        json!({"registered_by": "administrator"}),
    ] {
        let answer = app.admin(Method::PATCH, &path, Some(patch.clone())).await;
        assert_eq!(answer.status.as_u16(), 400, "{patch}: {answer:?}");
    }
    let new = json!({"client_id": "x", "registered_by": "itself"});
    assert_eq!(app.admin(Method::POST, "/admin/v1/clients", Some(new)).await.status.as_u16(), 400);
});
