//! §21 JBG: tokens of other issuers as grants (RFC 7523 §2.1), and identity assertions (ID-JAG).

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::jose::{changed, sign_hmac, signing_input};
use crate::issuers::{Idp, JWT_BEARER, exchange, portal, refusals};
use crate::support::scene::{API, FILES};
use crate::support::{Answer, Setup, TestClient, TestServer, jwt_part, on_both_stores};

/// That of some key or certificate.
const THUMBPRINT: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";

/// A server with an issuer of this use, whose subjects anna and ben are trusted, and a client.
async fn scene(app: &TestServer, used_for: &str, more: Value) -> (Idp, TestClient) {
    let idp = Idp::new("https://idp.example.test");
    let client = portal(app, "portal", &[&idp], json!({})).await;
    let rules = json!([{"claims": {"sub": {"one_of": ["anna", "ben"]}}}]);
    idp.register(app, changed(&json!({"uses": [used_for], "rules": rules}), more)).await;
    (idp, client)
}

on_both_stores!(jbg_001_an_assertion_of_a_trusted_issuer_gives_a_token_of_its_subject, async |backend| {
    let app = TestServer::start(backend).await;
    let (idp, client) = scene(&app, "jwt_bearer", json!({})).await;
    let rs = app.resource_server("rs").await;
    for format in ["jwt", "opaque"] {
        let form = json!({"access_token_format": format});
        app.admin(Method::PATCH, "/admin/v1/clients/portal", Some(form)).await.assert_ok();
        let answer = exchange(&app, &client, &idp.token(&app, "anna", json!({}), json!({}))).await;
        answer.assert_ok();
        assert_eq!((&answer.json["token_type"], &answer.json["scope"]), (&json!("Bearer"), &json!("read write")));
        assert!(answer.json["refresh_token"].is_null() && answer.json["id_token"].is_null(), "{answer:?}");
        let token = answer.text("access_token");
        let shown = app.introspect(&rs, &token).await;
        shown.assert_active();
        for (name, value) in [("sub", "anna"), ("sub_iss", &idp.name), ("client_id", "portal"), ("aud", API)] {
            assert_eq!(shown.json[name], value, "{format}: {name}");
        }
        if format == "jwt" {
            assert_eq!(jwt_part(&token, 1)["sub_iss"], json!(idp.name));
        }
        // Of such a subject this server knows nothing.
        let told = app.get_with("/auth/userinfo", &[("authorization", &format!("Bearer {token}"))]).await;
        assert!(told.status.is_client_error(), "{told:?}");
        app.revoke(&client, &token).await.assert_ok();
        app.introspect(&rs, &token).await.assert_inactive();
    }
    let with = async |parameters: &[(&str, &str)]| {
        let token = idp.token(&app, "anna", json!({}), json!({}));
        let form = [&[("grant_type", JWT_BEARER), ("assertion", &token)], parameters].concat();
        app.token(&client, &form).await
    };
    assert_eq!(with(&[("scope", "read")]).await.assert_ok().json["scope"], "read");
    with(&[("scope", "read admin")]).await.assert_error(400, "invalid_scope");
    with(&[("scope", "openid")]).await.assert_error(400, "invalid_scope");
    with(&[("scope", "jeton:admin")]).await.assert_error(400, "invalid_scope");
    with(&[("resource", API)]).await.assert_ok();
    with(&[("resource", "https://else.example/")]).await.assert_error(400, "invalid_target");
    // The metadata say so once a client may use it, and not before.
    let metadata = app.get("/.well-known/oauth-authorization-server").await.json;
    assert!(metadata["grant_types_supported"].as_array().unwrap().contains(&json!(JWT_BEARER)));
    // The same of identity assertions, once an issuer is trusted for them.
    let profiles = async || {
        let metadata = app.get("/.well-known/oauth-authorization-server").await.json;
        metadata["authorization_grant_profiles_supported"].clone()
    };
    assert_eq!(profiles().await, Value::Null);
    idp.patch(&app, json!({"uses": ["jwt_bearer", "identity_assertion"]})).await.assert_ok();
    assert_eq!(profiles().await, json!(["urn:ietf:params:oauth:grant-profile:id-jag"]));
    idp.patch(&app, json!({"enabled": false})).await.assert_ok();
    assert_eq!(profiles().await, Value::Null);
    idp.patch(&app, json!({"enabled": true})).await.assert_ok();
    app.admin(Method::DELETE, "/admin/v1/clients/portal", None).await;
    let metadata = app.get("/.well-known/oauth-authorization-server").await.json;
    assert!(!metadata["grant_types_supported"].as_array().unwrap().contains(&json!(JWT_BEARER)));
    assert!(metadata["authorization_grant_profiles_supported"].is_null());
});

on_both_stores!(jbg_002_each_missing_claim_is_invalid_grant, async |backend| {
    let app = TestServer::start(backend).await;
    let (idp, client) = scene(&app, "jwt_bearer", json!({})).await;
    for claim in ["iss", "sub", "aud", "exp"] {
        let token = idp.token(&app, "anna", json!({}), json!({ claim: null }));
        exchange(&app, &client, &token).await.assert_error(400, "invalid_grant");
    }
    for claim in ["iat", "nbf", "jti"] {
        let token = idp.token(&app, "anna", json!({}), json!({ claim: null }));
        exchange(&app, &client, &token).await.assert_ok();
    }
});

on_both_stores!(jbg_003_each_change_to_a_good_assertion_is_invalid_grant_with_its_cause, async |backend| {
    let app = TestServer::start(backend).await;
    let (idp, client) = scene(&app, "jwt_bearer", json!({})).await;
    let now = app.clock.now().seconds();
    for (header, claims, cause) in [
        (json!({}), json!({"aud": "https://else.example"}), "assertion_wrong_audience"),
        (json!({}), json!({"aud": ["https://auth.example.com", "https://else.example"]}), "assertion_wrong_audience"),
        (json!({}), json!({"exp": now - 1}), "assertion_expired"),
        (json!({}), json!({"nbf": now + 120}), "assertion_not_yet_valid"),
        (json!({}), json!({"iat": now + 120}), "assertion_not_yet_valid"),
        (json!({}), json!({"iat": now - 3700}), "assertion_too_old"),
        (json!({}), json!({"iss": "https://else.example"}), "assertion_untrusted_issuer"),
        (json!({}), json!({"sub": "carl"}), "assertion_condition_failed"),
        (json!({}), json!({"exp": "soon"}), "assertion_malformed"),
        (json!({"alg": "none"}), json!({}), "assertion_algorithm_not_allowed"),
        (json!({"alg": "HS256"}), json!({}), "assertion_algorithm_not_allowed"),
        (json!({"kid": "other"}), json!({}), "assertion_unknown_key"),
        (json!({"typ": "at+jwt"}), json!({}), "assertion_wrong_type"),
        (json!({"typ": "oauth-id-jag+jwt"}), json!({}), "assertion_untrusted_issuer"),
        // Bound to what the sender does not hold, or to what nobody can prove to.
        (json!({}), json!({"cnf": {"jkt": THUMBPRINT}}), "assertion_not_held"),
        (json!({}), json!({"cnf": {"x5t#S256": THUMBPRINT}}), "assertion_not_held"),
        (json!({}), json!({"cnf": {"kid": "a"}}), "assertion_not_held"),
        (json!({}), json!({"cnf": "a"}), "assertion_not_held"),
    ] {
        let before = refusals(&app, cause).await;
        let answer = exchange(&app, &client, &idp.token(&app, "anna", header.clone(), claims.clone())).await;
        answer.assert_error(400, "invalid_grant");
        assert_eq!(refusals(&app, cause).await, before + 1, "{header} {claims}: {cause}");
    }
    let claims = idp.claims(&app, "anna");
    let unsigned = format!("{}.", signing_input(&json!({"alg": "none"}), &claims));
    exchange(&app, &client, &unsigned).await.assert_error(400, "invalid_grant");
    let forged = sign_hmac("HS256", b"", &json!({"alg": "HS256"}), &claims);
    exchange(&app, &client, &forged).await.assert_error(400, "invalid_grant");
    let good = idp.token(&app, "anna", json!({}), json!({}));
    let other = idp.token(&app, "ben", json!({}), json!({}));
    let (signed, _) = good.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    exchange(&app, &client, &format!("{signed}.{signature}")).await.assert_error(400, "invalid_grant");
    // An access token of this server is no assertion.
    let own = exchange(&app, &client, &good).await.assert_ok().text("access_token");
    exchange(&app, &client, &own).await.assert_error(400, "invalid_grant");
});

on_both_stores!(jbg_004_two_assertions_or_none_are_refused, async |backend| {
    let app = TestServer::start(backend).await;
    let (idp, client) = scene(&app, "jwt_bearer", json!({})).await;
    let token = || idp.token(&app, "anna", json!({}), json!({}));
    app.token(&client, &[("grant_type", JWT_BEARER)]).await.assert_error(400, "invalid_request");
    app.token(&client, &[("grant_type", JWT_BEARER), ("assertion", "")]).await.assert_error(400, "invalid_request");
    let (one, other) = (token(), token());
    let two = [("grant_type", JWT_BEARER), ("assertion", one.as_str()), ("assertion", other.as_str())];
    app.token(&client, &two).await.assert_error(400, "invalid_request");
    for between in [" ", ",", "\n", ""] {
        exchange(&app, &client, &format!("{one}{between}{other}")).await.assert_error(400, "invalid_grant");
    }
    exchange(&app, &client, &one).await.assert_ok();
});

on_both_stores!(jbg_005_an_assertion_counts_once_unless_the_issuer_says_otherwise, async |backend| {
    let app = TestServer::start(backend).await;
    let (idp, client) = scene(&app, "jwt_bearer", json!({})).await;
    let other = Idp { name: "https://other.example.test".into(), key: idp.key.clone() };
    let rules = json!([{"claims": {"sub": {"equals": "anna"}}}]);
    other.register(&app, json!({"uses": ["jwt_bearer"], "rules": rules})).await;
    let names = json!({"issuers": [idp.name, other.name]});
    app.admin(Method::PATCH, "/admin/v1/clients/portal", Some(names)).await.assert_ok();
    for jti in [json!("one"), Value::Null] {
        let token = idp.token(&app, "anna", json!({}), json!({"jti": jti}));
        exchange(&app, &client, &token).await.assert_ok();
        let before = refusals(&app, "assertion_used_before").await;
        exchange(&app, &client, &token).await.assert_error(400, "invalid_grant");
        assert_eq!(refusals(&app, "assertion_used_before").await, before + 1);
    }
    // The jti counts, not the text, and each issuer has its own.
    let same = idp.token(&app, "ben", json!({}), json!({"jti": "one"}));
    exchange(&app, &client, &same).await.assert_error(400, "invalid_grant");
    let same = other.token(&app, "anna", json!({}), json!({"jti": "one"}));
    exchange(&app, &client, &same).await.assert_ok();
    // What is refused for another reason is not used up.
    let token = idp.token(&app, "anna", json!({}), json!({}));
    let asked = [("grant_type", JWT_BEARER), ("assertion", token.as_str()), ("scope", "admin")];
    app.token(&client, &asked).await.assert_error(400, "invalid_scope");
    exchange(&app, &client, &token).await.assert_ok();
    // Of many at once, one counts.
    let token = idp.token(&app, "anna", json!({}), json!({}));
    let mut tasks = JoinSet::new();
    for _ in 0..10 {
        let form = [("grant_type", JWT_BEARER), ("assertion", token.as_str())];
        let request = app.http.post(format!("{}/auth/token", app.base)).header("Authorization", client.basic());
        tasks.spawn(Answer::of(request.form(&form)));
    }
    let statuses: Vec<u16> = tasks.join_all().await.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 9, "{statuses:?}");
    idp.patch(&app, json!({"single_use": false})).await.assert_ok();
    let token = idp.token(&app, "anna", json!({}), json!({}));
    for _ in 0..3 {
        exchange(&app, &client, &token).await.assert_ok();
    }
});

on_both_stores!(jbg_006_the_client_is_authenticated_and_has_to_name_the_issuer, async |backend| {
    let app = TestServer::start(backend).await;
    let (idp, client) = scene(&app, "jwt_bearer", json!({})).await;
    let stranger = portal(&app, "stranger", &[], json!({})).await;
    let main = app.main_client("main").await;
    let token = || idp.token(&app, "anna", json!({}), json!({}));
    exchange(&app, &client.with_secret("wrong"), &token()).await.assert_error(401, "invalid_client");
    exchange(&app, &client.without_secret(), &token()).await.assert_error(401, "invalid_client");
    let form = [("grant_type", JWT_BEARER), ("assertion", &token())];
    Answer::of(app.http.post(format!("{}/auth/token", app.base)).form(&form)).await.assert_error(401, "invalid_client");
    exchange(&app, &stranger, &token()).await.assert_error(400, "invalid_grant");
    exchange(&app, &main, &token()).await.assert_error(400, "unauthorized_client");
    // Rules with a client say nothing about subjects.
    let rules = json!([{"client_id": "portal", "claims": {"sub": {"equals": "anna"}}}]);
    idp.patch(&app, json!({"rules": rules})).await.assert_ok();
    exchange(&app, &client, &token()).await.assert_error(400, "invalid_grant");
});

on_both_stores!(jbg_007_an_assertion_that_lives_too_long_is_refused, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    let (idp, client) = scene(&app, "jwt_bearer", json!({"max_age": 90_000})).await;
    let now = app.clock.now().seconds();
    for (life, is_good) in [(25 * 3600, true), (25 * 3600 + 1, false), (365 * 86_400, false)] {
        let token = idp.token(&app, "anna", json!({}), json!({"exp": now + life}));
        let answer = exchange(&app, &client, &token).await;
        assert_eq!(answer.status.is_success(), is_good, "{life}: {answer:?}");
        if !is_good {
            answer.assert_error(400, "invalid_grant");
        }
    }
});

on_both_stores!(an_identity_assertion_gives_the_client_that_it_names_what_it_names_once, async |backend| {
    let app = TestServer::start(backend).await;
    let (idp, client) = scene(&app, "identity_assertion", json!({"single_use": false})).await;
    let audiences = json!({"audiences": [API, FILES]});
    app.admin(Method::PATCH, "/admin/v1/clients/portal", Some(audiences)).await.assert_ok();
    let with = async |claims: Value, parameters: &[(&str, &str)]| {
        let token = idp.identity_assertion(&app, "portal", "anna", claims);
        let form = [&[("grant_type", JWT_BEARER), ("assertion", &token)], parameters].concat();
        app.token(&client, &form).await
    };
    let answer = with(json!({"scope": "read", "resource": API}), &[]).await;
    let claims = jwt_part(&answer.assert_ok().text("access_token"), 1);
    let expected = json!({"sub": "anna", "sub_iss": idp.name, "client_id": "portal", "scope": "read", "aud": API});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(claims[name], *value, "{name}");
    }
    assert!(answer.json["refresh_token"].is_null());
    // It limits what may be asked for.
    with(json!({"scope": "read"}), &[("scope", "read")]).await.assert_ok();
    with(json!({"scope": "read"}), &[("scope", "write")]).await.assert_error(400, "invalid_scope");
    with(json!({"scope": "admin"}), &[]).await.assert_error(400, "invalid_scope");
    with(json!({"resource": [API]}), &[("resource", FILES)]).await.assert_error(400, "invalid_target");
    with(json!({"resource": "https://else.example/"}), &[]).await.assert_error(400, "invalid_target");
    let both = with(json!({}), &[]).await;
    assert_eq!(jwt_part(&both.assert_ok().text("access_token"), 1)["aud"], json!([API, FILES]));
    // It is for this client at this server, and once.
    for (claims, cause) in [
        (json!({"client_id": "other"}), "assertion_wrong_client"),
        (json!({"client_id": null}), "assertion_wrong_client"),
        (json!({"aud": "https://else.example"}), "assertion_wrong_audience"),
        (json!({"aud": [app.issuer(), "https://else.example"]}), "assertion_wrong_audience"),
        (json!({"jti": null}), "assertion_no_jti"),
        (json!({"scope": 1}), "assertion_malformed"),
        (json!({"resource": {}}), "assertion_malformed"),
        (json!({"sub": "carl"}), "assertion_condition_failed"),
    ] {
        let before = refusals(&app, cause).await;
        with(claims.clone(), &[]).await.assert_error(400, "invalid_grant");
        assert_eq!(refusals(&app, cause).await, before + 1, "{claims}");
    }
    let once = idp.identity_assertion(&app, "portal", "anna", json!({}));
    exchange(&app, &client, &once).await.assert_ok();
    exchange(&app, &client, &once).await.assert_error(400, "invalid_grant");
    // A JWT of another type is none, and a public client cannot present one.
    let plain = idp.token(&app, "anna", json!({}), json!({"client_id": "portal"}));
    exchange(&app, &client, &plain).await.assert_error(400, "invalid_grant");
    let public = portal(&app, "public", &[&idp], json!({"token_endpoint_auth_method": "none"})).await;
    let token = idp.identity_assertion(&app, "public", "anna", json!({}));
    exchange(&app, &public, &token).await.assert_error(400, "unauthorized_client");
    let form = [
        ("client_id", "portal"),
        ("grant_type", "client_credentials"),
        ("client_assertion", &token),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
    ];
    Answer::of(app.http.post(format!("{}/auth/token", app.base)).form(&form)).await.assert_error(401, "invalid_client");
});
