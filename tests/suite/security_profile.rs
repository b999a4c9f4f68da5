//! Clients with `security_profile` `fapi2`: each rule refuses what falls short of it, by its name.

use jeton::crypto::random;
use jeton::jose::algorithm::SigningAlgorithm;
use jeton::jose::signing::SigningKey;
use reqwest::Method;
use serde_json::{Value, json};

use crate::conformance::jose::{changed, sign};
use crate::conformance::private_key_jwt::KeyClient;
use crate::support::browser::{Arrival, Browser, CALLBACK, VERIFIER, asking};
use crate::support::scene::{ALICE, CLIENT_CREDENTIALS};
use crate::support::{Answer, Setup, TestServer, jwt_part, on_both_stores};

/// What a client needs besides its keys.
fn members(more: Value) -> Value {
    let members = json!({
        "security_profile": "fapi2", "dpop_bound_access_tokens": true, "scope": "openid read", "consent": "skip",
        "grant_types": ["client_credentials", "authorization_code", "refresh_token"], "redirect_uris": [CALLBACK],
    });
    changed(&members, more)
}

/// A key for DPoP.
struct Holder(SigningKey);

impl Holder {
    fn new() -> Self {
        let algorithm = SigningAlgorithm::Es256;
        Self(SigningKey::parse(algorithm, &SigningKey::generate(algorithm)).unwrap())
    }

    /// A proof for the token endpoint.
    fn proof(&self, app: &TestServer) -> String {
        let mut jwk = serde_json::to_value(self.0.public_jwk("k")).unwrap();
        jwk.as_object_mut().unwrap().retain(|name, _| ["kty", "crv", "x", "y"].contains(&name.as_str()));
        let jti = jeton::crypto::base64url(random::<16>());
        let htu = format!("{}/auth/token", app.issuer());
        let claims = json!({"jti": jti, "htm": "POST", "htu": htu, "iat": app.clock.now().seconds()});
        sign(&self.0, &json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk}), &claims)
    }
}

/// A token request with a proof.
async fn ask(app: &TestServer, holder: &Holder, parameters: &[(&str, &str)], assertion: &str) -> Answer {
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let more = [("client_assertion", assertion), ("client_assertion_type", kind)];
    let request = app.http.post(format!("{}/auth/token", app.base)).header("DPoP", holder.proof(app));
    Answer::of(request.form(&[parameters, &more].concat())).await
}

on_both_stores!(settings_that_fall_short_are_refused_by_the_name_of_the_rule, async |backend| {
    let app = TestServer::start(backend).await;
    let client = KeyClient::register(&app, "bank", members(json!({}))).await;
    let shown = app.admin(Method::GET, "/admin/v1/clients/bank", None).await.json;
    for (name, value) in [
        ("security_profile", json!("fapi2")),
        ("require_pushed_authorization_requests", json!(true)),
        ("refresh_token_rotation", json!(false)),
        ("id_token_signed_response_alg", json!("PS256")),
    ] {
        assert_eq!(shown[name], value, "{name} is set as the profile requires");
    }
    for (change, rule) in [
        (json!({"token_endpoint_auth_method": "client_secret_basic"}), "client_authentication"),
        (json!({"dpop_bound_access_tokens": false}), "sender_constrained_tokens"),
        (json!({"require_pushed_authorization_requests": false}), "pushed_authorization_requests"),
        (json!({"require_pkce": false}), "pkce"),
        (json!({"refresh_token_rotation": true}), "refresh_tokens"),
        (json!({"grant_types": ["password"]}), "grants"),
        (json!({"id_token_signed_response_alg": "RS256"}), "signing_algorithms"),
    ] {
        let expected = format!("security_profile fapi2, rule {rule}: ");
        let answer = app.admin(Method::PATCH, "/admin/v1/clients/bank", Some(change.clone())).await;
        assert_eq!(answer.status.as_u16(), 400, "{change}: {answer:?}");
        assert!(answer.text("detail").contains(&expected), "{change}: {answer:?}");
    }
    let without_keys = members(json!({"client_id": "other"}));
    let answer = app.admin(Method::POST, "/admin/v1/clients", Some(without_keys)).await;
    assert!(answer.text("detail").contains("rule client_authentication"), "{answer:?}");
    // It may be taken off, and then its rules are gone.
    let free = json!({"security_profile": null, "refresh_token_rotation": true});
    app.admin(Method::PATCH, "/admin/v1/clients/bank", Some(free)).await.assert_ok();
    let other = json!({"aud": [app.issuer()]});
    ask(&app, &Holder::new(), &[CLIENT_CREDENTIALS], &client.assertion(&app, json!({}), other)).await.assert_ok();
});

on_both_stores!(token_requests_that_fall_short_are_refused_by_the_name_of_the_rule, async |backend| {
    let app = TestServer::start(backend).await;
    let client = KeyClient::register(&app, "bank", members(json!({}))).await;
    let holder = Holder::new();
    let good = client.assertion(&app, json!({}), json!({}));
    let answer = ask(&app, &holder, &[CLIENT_CREDENTIALS], &good).await;
    assert_eq!(answer.assert_ok().json["token_type"], "DPoP");
    // No proof. That one is missing is an error of the request, not of a proof.
    let bare = client.send(&app, "/auth/token", &[CLIENT_CREDENTIALS]).await;
    bare.assert_error(400, "invalid_request");
    assert!(bare.text("error_description").contains("rule sender_constrained_tokens"), "{bare:?}");
    // Assertions for an endpoint, or in a list.
    for aud in [json!(format!("{}/auth/token", app.issuer())), json!([app.issuer()])] {
        let assertion = client.assertion(&app, json!({}), json!({"aud": aud}));
        let answer = ask(&app, &holder, &[CLIENT_CREDENTIALS], &assertion).await;
        answer.assert_error(401, "invalid_client");
        assert!(answer.text("error_description").contains("rule client_assertion_audience"), "{answer:?}");
    }
    // RS256, with a key of the client that would do for PS256.
    let rsa = SigningKey::parse(SigningAlgorithm::Rs256, &SigningKey::generate(SigningAlgorithm::Rs256)).unwrap();
    let mut jwk = serde_json::to_value(rsa.public_jwk("rsa")).unwrap();
    jwk.as_object_mut().unwrap().remove("alg");
    let keys = Some(json!({"jwks": {"keys": [jwk]}}));
    app.admin(Method::PATCH, "/admin/v1/clients/bank", keys).await.assert_ok();
    let now = app.clock.now().seconds();
    let claims =
        json!({"iss": "bank", "sub": "bank", "aud": app.issuer(), "jti": "rs256", "iat": now, "exp": now + 60});
    let assertion = sign(&rsa, &json!({"alg": "RS256", "kid": "rsa"}), &claims);
    let answer = ask(&app, &holder, &[CLIENT_CREDENTIALS], &assertion).await;
    answer.assert_error(401, "invalid_client");
    assert!(answer.text("error_description").contains("rule signing_algorithms"), "{answer:?}");
});

on_both_stores!(a_login_is_pushed_and_its_refresh_token_stays, async |backend| {
    let app = TestServer::start(backend).await;
    let client = KeyClient::register(&app, "bank", members(json!({}))).await;
    let holder = Holder::new();
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let plain = asking("bank", &[("scope", "openid read")]);
    let arrival = Arrival::of(&browser.authorize(&app, &plain).await);
    assert_eq!(arrival.get("error"), Some("invalid_request"), "{arrival:?}");
    assert!(arrival.get("error_description").unwrap().contains("rule pushed_authorization_requests"), "{arrival:?}");
    let pushed = client.send(&app, "/auth/par", &plain).await;
    assert_eq!(pushed.status.as_u16(), 201, "{pushed:?}");
    let uri = pushed.text("request_uri");
    let arrival = Arrival::of(&browser.authorize(&app, &[("client_id", "bank"), ("request_uri", &uri)]).await);
    assert_eq!(arrival.get("iss"), Some(app.issuer()));
    let code = arrival.code();
    let redeem = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let answer = ask(&app, &holder, &redeem, &client.assertion(&app, json!({}), json!({}))).await;
    assert_eq!(answer.assert_ok().json["token_type"], "DPoP");
    assert_eq!(jwt_part(&answer.text("id_token"), 0)["alg"], "PS256");
    let refresh_token = answer.text("refresh_token");
    for _ in 0..2 {
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str())];
        let answer = ask(&app, &holder, &refresh, &client.assertion(&app, json!({}), json!({}))).await;
        assert_eq!(answer.assert_ok().json["refresh_token"], refresh_token);
    }
});

on_both_stores!(no_token_is_signed_by_rs256_for_such_a_client, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().set("JETON_SIGNING_ALG", "RS256")).await;
    let client = KeyClient::register(&app, "bank", members(json!({}))).await;
    let holder = Holder::new();
    let answer = ask(&app, &holder, &[CLIENT_CREDENTIALS], &client.assertion(&app, json!({}), json!({}))).await;
    answer.assert_error(400, "invalid_request");
    assert!(answer.text("error_description").contains("rule signing_algorithms"), "{answer:?}");
    let opaque = Some(json!({"access_token_format": "opaque"}));
    app.admin(Method::PATCH, "/admin/v1/clients/bank", opaque).await.assert_ok();
    ask(&app, &holder, &[CLIENT_CREDENTIALS], &client.assertion(&app, json!({}), json!({}))).await.assert_ok();
});

on_both_stores!(a_preview_refuses_what_is_refused_by_the_same_rule_and_says_what_it_assumes, async |backend| {
    let app = TestServer::start(backend).await;
    let client = KeyClient::register(&app, "bank", members(json!({}))).await;
    app.user(ALICE.0, ALICE.1).await;
    let preview = async |more: Value| {
        let request = changed(&json!({"client_id": "bank"}), more);
        app.admin(Method::POST, "/admin/v1/preview", Some(request)).await.assert_ok().json.clone()
    };
    // Without a proof.
    let answer = client.send(&app, "/auth/token", &[CLIENT_CREDENTIALS]).await;
    let itself = json!({"grant_type": "client_credentials", "sender_constrained": false});
    let shown = preview(itself.clone()).await;
    for name in ["error", "error_description"] {
        assert_eq!(shown["refused"][name], answer.json[name], "{shown}");
    }
    // Without being pushed.
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let arrival = Arrival::of(&browser.authorize(&app, &asking("bank", &[])).await);
    let login = json!({"grant_type": "authorization_code", "user": ALICE.0});
    let shown = preview(changed(&login, json!({"pushed": false}))).await;
    for name in ["error", "error_description"] {
        assert_eq!(shown["refused"][name].as_str(), arrival.get(name), "{shown}");
    }
    let shown = preview(changed(&login, json!({"pushed": true, "sender_constrained": false}))).await;
    assert_eq!(shown["refused"]["error"], "invalid_request", "the code cannot be redeemed: {shown}");
    // Nobody knows yet, so it is taken to be right.
    let due =
        ["dpop_bound_access_tokens", "require_pushed_authorization_requests", "require_pkce", "signing_algorithms"];
    for (request, expected) in [
        (changed(&itself, json!({"sender_constrained": null})), vec![due[0], due[3]]),
        (changed(&itself, json!({"sender_constrained": true})), vec![due[3]]),
        (login.clone(), due.to_vec()),
        (changed(&login, json!({"pushed": true})), vec![due[0], due[2], due[3]]),
    ] {
        let shown = preview(request).await;
        assert_eq!(shown["refused"], Value::Null, "{shown}");
        let assumed = shown["assumed"].as_array().unwrap();
        assert_eq!(assumed.len(), expected.len(), "{shown}");
        for (text, name) in assumed.iter().zip(expected) {
            assert!(text.as_str().unwrap().contains(name), "{name}: {shown}");
        }
    }
    // A client that need not prove anything may.
    app.client("free", json!({"grant_types": ["client_credentials"], "scope": "read"})).await;
    for (constrained, has_cnf) in [(json!(true), true), (json!(false), false), (Value::Null, false)] {
        let request =
            json!({"client_id": "free", "grant_type": "client_credentials", "sender_constrained": constrained});
        let shown = preview(request).await;
        let claims = shown["token"]["claims"].as_array().unwrap();
        assert_eq!(claims.iter().any(|claim| claim["claim"] == "cnf"), has_cnf, "{shown}");
        assert_eq!(shown["assumed"], json!([]));
    }
});
