//! What tokens of trusted issuers must not prove.

use reqwest::Method;
use serde_json::{Value, json};

use super::{ASSERTION_TYPE, Idp, ask, exchange, key_set, portal, refusals, worker};
use crate::conformance::jose::{pem, sign, sign_hmac, signing_input, spki};
use crate::support::{Answer, Setup, TestServer, jwt_part, on_both_stores};

/// What the sender is told that proved nothing.
const PROVES_NOTHING: &str = "The assertion proves nothing here";

#[track_caller]
fn assert_refused(answer: &Answer, description: &str) {
    answer.assert_error(401, "invalid_client");
    let found = answer.text("error_description");
    assert!(found.starts_with(description), "{found} is not {description}");
}

/// An issuer with a rule for the client `worker`.
async fn scene(app: &TestServer, more: Value) -> Idp {
    let idp = Idp::new("https://idp.example.test");
    worker(app, "worker", &[&idp]).await;
    let rules = json!([{"client_id": "worker", "claims": {"sub": {"prefix": "repo:octo/app:"}}}]);
    let members = json!({"uses": ["client_assertion"], "rules": rules});
    idp.register(app, crate::conformance::jose::changed(&members, more)).await;
    idp
}

const SUB: &str = "repo:octo/app:ref:refs/heads/main";

on_both_stores!(a_token_proves_the_client_that_names_its_issuer_and_that_a_rule_names, async |backend| {
    let app = TestServer::start(backend).await;
    let idp = scene(&app, json!({})).await;
    let other = Idp::new("https://other.example.test");
    other
        .register(
            &app,
            json!({"uses": ["client_assertion", "jwt_bearer"], "rules": [
                {"client_id": "worker", "claims": {"sub": {"equals": "x"}}},
            ]}),
        )
        .await;
    worker(&app, "second", &[&idp, &other]).await;
    let good = || idp.token(&app, SUB, json!({}), json!({}));
    let answer = ask(&app, "worker", &good()).await;
    answer.assert_ok();
    assert_eq!(jwt_part(&answer.text("access_token"), 1)["sub"], "worker");
    // The same token may be used again until it is over.
    let again = good();
    for _ in 0..3 {
        ask(&app, "worker", &again).await.assert_ok();
    }
    // At every endpoint where clients authenticate.
    for path in ["/auth/introspect", "/auth/revoke"] {
        let form = [("client_id", "worker"), ("token", "x"), ("client_assertion", &again), ASSERTION_TYPE];
        Answer::of(app.http.post(format!("{}{path}", app.base)).form(&form)).await.assert_ok();
    }
    for (what, client, token, description) in [
        ("another client", "second", good(), "The assertion meets the conditions of no rule"),
        ("nobody", "nobody", good(), PROVES_NOTHING),
        ("an issuer that it does not name", "worker", other.token(&app, "x", json!({}), json!({})), PROVES_NOTHING),
        ("no client", "", good(), "The iss and the sub"),
        (
            "another subject",
            "worker",
            idp.token(&app, "repo:octo/app-evil:ref", json!({}), json!({})),
            "The assertion meets",
        ),
        (
            "the beginning alone",
            "worker",
            idp.token(&app, "repo:octo/app:", json!({}), json!({})),
            "The assertion meets",
        ),
    ] {
        let answer = ask(&app, client, &token).await;
        assert_refused(&answer, description);
        assert!(answer.body.len() < 1000, "{what}: {answer:?}");
    }
    // A client that is registered for another method, or disabled, is not proved either.
    app.main_client("main").await;
    let named = json!({"issuers": [idp.name]});
    app.admin(Method::PATCH, "/admin/v1/clients/main", Some(named)).await.assert_ok();
    let rules = json!([{"client_id": "main", "claims": {"sub": {"equals": "main-job"}}}]);
    idp.patch(&app, json!({"rules": rules})).await.assert_ok();
    let token = idp.token(&app, "main-job", json!({}), json!({}));
    assert_refused(&ask(&app, "main", &token).await, PROVES_NOTHING);
    assert_refused(&ask(&app, "worker", &again).await, "The assertion meets the conditions of no rule");
});

on_both_stores!(each_change_to_a_good_token_is_refused_with_its_cause, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    let idp = scene(&app, json!({"max_age": 600})).await;
    let now = app.clock.now().seconds();
    for (header, claims, cause) in [
        (json!({}), json!({"aud": "https://auth.example.com/"}), "assertion_wrong_audience"),
        (json!({}), json!({"aud": ["https://auth.example.com", "https://else.example"]}), "assertion_wrong_audience"),
        (json!({}), json!({"aud": null}), "assertion_wrong_audience"),
        (json!({}), json!({"exp": now}), "assertion_expired"),
        (json!({}), json!({"exp": null}), "assertion_no_expiry"),
        (json!({}), json!({"exp": now + 366 * 86_400}), "assertion_lives_too_long"),
        (json!({}), json!({"iat": now - 601}), "assertion_too_old"),
        (json!({}), json!({"iat": null, "exp": now + 601}), "assertion_lives_too_long"),
        (json!({}), json!({"nbf": now + 61}), "assertion_not_yet_valid"),
        (json!({}), json!({"iss": "https://idp.example.test/"}), "assertion_untrusted_issuer"),
        (json!({}), json!({"iss": null}), "assertion_untrusted_issuer"),
        (json!({}), json!({"sub": "repo:octo/other:ref"}), "assertion_condition_failed"),
        (json!({"kid": "other"}), json!({}), "assertion_unknown_key"),
        (json!({"alg": "RS256"}), json!({}), "assertion_unknown_key"),
        (json!({"alg": "HS256"}), json!({}), "assertion_algorithm_not_allowed"),
        (json!({"alg": "none"}), json!({}), "assertion_algorithm_not_allowed"),
        (json!({"typ": "at+jwt"}), json!({}), "assertion_wrong_type"),
        (json!({"typ": "oauth-id-jag+jwt"}), json!({}), "assertion_wrong_type"),
        (json!({"typ": "JOSE"}), json!({}), "assertion_wrong_type"),
    ] {
        let before = refusals(&app, cause).await;
        let token = idp.token(&app, SUB, header.clone(), claims.clone());
        ask(&app, "worker", &token).await.assert_error(401, "invalid_client");
        assert_eq!(refusals(&app, cause).await, before + 1, "{header} {claims}: {cause}");
    }
    let lasting = idp.token(&app, SUB, json!({}), json!({"exp": now + 3600}));
    app.advance(600);
    ask(&app, "worker", &lasting).await.assert_ok();
    app.advance(1);
    ask(&app, "worker", &lasting).await.assert_error(401, "invalid_client");
    idp.patch(&app, json!({"enabled": false})).await.assert_ok();
    let token = || idp.token(&app, SUB, json!({}), json!({}));
    ask(&app, "worker", &token()).await.assert_error(401, "invalid_client");
    idp.patch(&app, json!({"enabled": true, "uses": ["jwt_bearer"]})).await.assert_ok();
    ask(&app, "worker", &token()).await.assert_error(401, "invalid_client");
    idp.patch(&app, json!({"uses": ["client_assertion"], "single_use": true})).await.assert_ok();
    let once = token();
    ask(&app, "worker", &once).await.assert_ok();
    assert_refused(&ask(&app, "worker", &once).await, "The assertion was used before");
});

on_both_stores!(a_token_that_several_rules_fit_is_nobody, async |backend| {
    let app = TestServer::start(backend).await;
    let idp = scene(&app, json!({})).await;
    worker(&app, "other", &[&idp]).await;
    for client in ["other", "worker"] {
        let rules = json!([
            {"client_id": "worker", "claims": {"sub": {"prefix": "repo:octo/app:"}}},
            {"client_id": client, "claims": {"sub": {"glob": "repo:octo/*:ref:refs/heads/*"}}},
        ]);
        idp.patch(&app, json!({"rules": rules})).await.assert_ok();
        let before = refusals(&app, "assertion_several_rules").await;
        let answer = ask(&app, "worker", &idp.token(&app, SUB, json!({}), json!({}))).await;
        assert_refused(&answer, "The assertion meets the conditions of several rules");
        assert_eq!(refusals(&app, "assertion_several_rules").await, before + 1);
        ask(&app, "worker", &idp.token(&app, "repo:octo/app:environment:x", json!({}), json!({}))).await.assert_ok();
    }
});

on_both_stores!(no_key_but_those_of_the_issuer_verifies, async |backend| {
    let app = TestServer::start(backend).await;
    let idp = scene(&app, json!({})).await;
    let other = Idp::new("https://other.example.test");
    // Both have a key with the same name.
    other.register(&app, json!({"uses": ["client_assertion"], "rules": []})).await;
    let claims = idp.claims(&app, SUB);
    let jwk = other.key.public_jwk("own");
    for header in [
        json!({"alg": "ES256", "kid": "own"}),
        json!({"alg": "ES256"}),
        json!({"alg": "ES256", "kid": "own", "jwk": jwk}),
        json!({"alg": "ES256", "kid": "own", "jku": "https://other.example.test/keys", "x5u": "https://other.example.test/"}),
    ] {
        assert_refused(&ask(&app, "worker", &sign(&other.key, &header, &claims)).await, PROVES_NOTHING);
    }
    // The keys of this server and those of the client are none of the issuer.
    let own = key_set(&[(&other.key, "own")]);
    app.admin(Method::PATCH, "/admin/v1/clients/worker", Some(json!({"jwks": own}))).await.assert_ok();
    let by_client = sign(&other.key, &json!({"alg": "ES256", "kid": "own"}), &claims);
    assert_refused(&ask(&app, "worker", &by_client).await, PROVES_NOTHING);
    // No symmetric algorithm is confused with the key.
    let jwk = serde_json::to_value(idp.key.public_jwk("own")).unwrap();
    let der = spki(&jwk);
    for secret in [pem(&der).into_bytes(), der, jwk.to_string().into_bytes(), vec![]] {
        for named in ["HS256", "ES256"] {
            let forged = sign_hmac("HS256", &secret, &json!({"alg": named, "kid": "own"}), &claims);
            ask(&app, "worker", &forged).await.assert_error(401, "invalid_client");
        }
    }
    let unsigned = format!("{}.", signing_input(&json!({"alg": "none"}), &claims));
    ask(&app, "worker", &unsigned).await.assert_error(401, "invalid_client");
    ask(&app, "worker", &"x".repeat(20_000)).await.assert_error(401, "invalid_client");
    let large = idp.token(&app, SUB, json!({}), json!({"padding": "x".repeat(17_000)}));
    ask(&app, "worker", &large).await.assert_error(401, "invalid_client");
    ask(&app, "worker", &idp.token(&app, SUB, json!({}), json!({}))).await.assert_ok();
});

on_both_stores!(an_assertion_comes_alone, async |backend| {
    let app = TestServer::start(backend).await;
    let idp = scene(&app, json!({})).await;
    let token = idp.token(&app, SUB, json!({}), json!({}));
    let form =
        [("grant_type", "client_credentials"), ("client_id", "worker"), ("client_assertion", &token), ASSERTION_TYPE];
    let request = || app.http.post(format!("{}/auth/token", app.base));
    let with_secret = [&form[..], &[("client_secret", "x")]].concat();
    Answer::of(request().form(&with_secret)).await.assert_error(400, "invalid_request");
    Answer::of(request().basic_auth("worker", Some("x")).form(&form)).await.assert_error(400, "invalid_request");
    let two = [&form[..], &[("client_assertion", token.as_str())]].concat();
    Answer::of(request().form(&two)).await.assert_error(400, "invalid_request");
    let grant_type = ("client_assertion_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let typed = [&form[..3], &[grant_type]].concat();
    Answer::of(request().form(&typed)).await.assert_error(401, "invalid_client");
    Answer::of(request().form(&form)).await.assert_ok();
});

on_both_stores!(a_subject_is_never_taken_for_a_user_or_a_client_of_this_server, async |backend| {
    let app = TestServer::start(backend).await;
    let idp = Idp::new("https://idp.example.test");
    let client = portal(&app, "portal", &[&idp], json!({})).await;
    let rs = app.resource_server("rs").await;
    let alice = app.user("alice", "Wonderland-1865").await;
    let rules = json!([{"claims": {"sub": {"one_of": ["anna", alice, "portal", "a\u{e9}"]}}}]);
    idp.register(&app, json!({"uses": ["jwt_bearer"], "rules": rules})).await;
    for (sub, cause) in [
        (alice.as_str(), "assertion_no_such_subject"),
        ("portal", "assertion_no_such_subject"),
        ("a\u{e9}", "assertion_wrong_subject"),
    ] {
        let before = refusals(&app, cause).await;
        let answer = exchange(&app, &client, &idp.token(&app, sub, json!({}), json!({}))).await;
        answer.assert_error(400, "invalid_grant");
        assert_eq!(refusals(&app, cause).await, before + 1, "{sub}");
    }
    let token = exchange(&app, &client, &idp.token(&app, "anna", json!({}), json!({}))).await.text("access_token");
    let shown = app.introspect(&rs, &token).await;
    assert_eq!((&shown.assert_active().json["sub"], &shown.json["sub_iss"]), (&json!("anna"), &json!(idp.name)));
    assert!(shown.json["username"].is_null());
    // Whoever is made with this name later is somebody else: ending its tokens does not end these, nor the other way round.
    let later = json!({"username": "anna", "sub": "anna"});
    assert_eq!(app.admin(Method::POST, "/admin/v1/users", Some(later)).await.status, 201);
    let ended = app.admin(Method::POST, "/admin/v1/revocations", Some(json!({"user": "anna"}))).await;
    assert_eq!(ended.status, 201, "{ended:?}");
    app.introspect(&rs, &token).await.assert_active();
    app.admin(Method::POST, "/admin/v1/revocations", Some(json!({"client": "portal"}))).await;
    app.introspect(&rs, &token).await.assert_inactive();
});

on_both_stores!(only_users_without_power_are_subjects_of_another_issuer, async |backend| {
    let app = TestServer::start(backend).await;
    let idp = Idp::new("https://idp.example.test");
    let client = portal(&app, "portal", &[&idp], json!({})).await;
    let rs = app.resource_server("rs").await;
    let user = json!({"username": "anna@corp.example", "sub": "00u1", "password": "Wonderland-1865", "scope": "read"});
    app.admin(Method::POST, "/admin/v1/users", Some(user)).await;
    let rules = json!([{"claims": {"sub": {"one_of": ["00u1", "00u2", "00u9"]}}}]);
    idp.register(&app, json!({"uses": ["jwt_bearer"], "rules": rules, "local_users": "sub"})).await;
    let with = async |sub: &str, claims: Value| exchange(&app, &client, &idp.token(&app, sub, json!({}), claims)).await;
    let answer = with("00u1", json!({})).await;
    let claims = jwt_part(&answer.assert_ok().text("access_token"), 1);
    assert_eq!((&claims["sub"], &claims["sub_iss"], &claims["scope"]), (&json!("00u1"), &Value::Null, &json!("read")));
    with("00u2", json!({})).await.assert_error(400, "invalid_grant");
    // By the address, if the issuer verified it.
    idp.patch(&app, json!({"local_users": "email"})).await.assert_ok();
    let email = |address: &str, verified: Value| json!({"email": address, "email_verified": verified});
    let token = with("00u9", email("Anna@corp.example", json!(true))).await.text("access_token");
    assert_eq!(jwt_part(&token, 1)["sub"], "00u1");
    for claims in [
        json!({}),
        email("anna@corp.example", json!(false)),
        email("anna@corp.example", Value::Null),
        email("ben@corp.example", json!(true)),
        email("\u{ff41}nna@corp.example", json!(true)),
        email("00u1", json!(true)),
    ] {
        with("00u1", claims.clone()).await.assert_error(400, "invalid_grant");
    }
    app.introspect(&rs, &token).await.assert_active();
    app.admin(Method::PATCH, "/admin/v1/users/00u1", Some(json!({"enabled": false}))).await;
    app.introspect(&rs, &token).await.assert_inactive();
    with("00u9", email("anna@corp.example", json!(true))).await.assert_error(400, "invalid_grant");
    // Nor one who may administer in the console, until that is over.
    app.admin(Method::PATCH, "/admin/v1/users/00u1", Some(json!({"enabled": true, "role": "read"}))).await.assert_ok();
    with("00u9", email("anna@corp.example", json!(true))).await.assert_error(400, "invalid_grant");
    app.admin(Method::PATCH, "/admin/v1/users/00u1", Some(json!({"role": null}))).await.assert_ok();
    with("00u9", email("anna@corp.example", json!(true))).await.assert_ok();
});
