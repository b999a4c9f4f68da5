//! `/admin/v1/issuers` and `jeton issuer`.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Idp, JWT_BEARER, ask, exchange, key_set, new_key, portal, worker};
use crate::support::program::Place;
use crate::support::{Answer, Backend, TestServer, on_both_stores};

const ALL: &str = "/admin/v1/issuers";

fn rule(client_id: &str, sub: &str) -> Value {
    json!({"client_id": client_id, "claims": {"sub": {"equals": sub}}})
}

on_both_stores!(an_issuer_is_created_shown_listed_changed_replaced_and_deleted, async |backend| {
    let app = TestServer::start(backend).await;
    let idp = Idp::new("https://idp.example.test");
    worker(&app, "worker", &[&idp]).await;
    let members = idp.members(json!({
        "name": "Platform", "uses": ["client_assertion"], "max_age": 600, "single_use": true, "local_users": "never",
        "rules": [rule("worker", "job")], "enabled": true, "jwks_uri": null,
    }));
    let made = app.admin(Method::POST, ALL, Some(members.clone())).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let mut expected = members;
    expected["jwks_uri"] = Value::Null;
    expected["created_at"] = made.json["created_at"].clone();
    assert_eq!(made.json, expected);
    assert_eq!(app.admin(Method::GET, &idp.path(), None).await.assert_ok().json, expected);
    Idp::new("https://bare.example.test").register(&app, json!({"uses": ["jwt_bearer"]})).await;
    let listed = app.admin(Method::GET, &format!("{ALL}?limit=1"), None).await.json;
    assert_eq!(listed["items"][0]["issuer"], "https://bare.example.test");
    assert_eq!((&listed["items"][0]["max_age"], &listed["items"][0]["single_use"]), (&json!(3600), &Value::Null));
    let next = format!("{ALL}?limit=1&cursor={}", listed["next"].as_str().unwrap());
    assert_eq!(app.admin(Method::GET, &next, None).await.json, json!({"items": [expected], "next": null}));
    let only = format!("{ALL}?issuer=https://idp.example.test");
    assert_eq!(app.admin(Method::GET, &only, None).await.json["items"], json!([expected]));

    let changed = idp.patch(&app, json!({"max_age": null, "name": null, "rules": []})).await;
    assert_eq!((&changed.assert_ok().json["max_age"], &changed.json["rules"]), (&json!(3600), &json!([])));
    assert_eq!(changed.json["single_use"], true);
    let whole = json!({"audience": ["b"], "uses": ["jwt_bearer"], "jwks_uri": "https://idp.example.test/keys"});
    let replaced = app.admin(Method::PUT, &idp.path(), Some(whole)).await;
    assert_eq!(replaced.assert_ok().json["single_use"], Value::Null);
    assert_eq!(replaced.json["jwks"], Value::Null);
    assert_eq!(app.admin(Method::PUT, &idp.path(), Some(json!({"uses": ["jwt_bearer"]}))).await.status, 400);
    assert_eq!(app.admin(Method::DELETE, &idp.path(), None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(app.admin(Method::GET, &idp.path(), None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(idp.patch(&app, json!({})).await.status, StatusCode::NOT_FOUND);
    let trail = app.admin(Method::GET, "/admin/v1/audit", None).await.json;
    let of_it = |record: &&Value| record["target"] == "issuer https://idp.example.test";
    let actions: Vec<&Value> = trail["items"].as_array().unwrap().iter().filter(of_it).map(|r| &r["action"]).collect();
    assert_eq!(actions.len(), 4, "{trail}");
});

on_both_stores!(a_bad_issuer_gets_a_clear_error_and_changes_nothing, async |backend| {
    let app = TestServer::start(backend).await;
    let idp = Idp::new("https://idp.example.test");
    let usual = idp.members(json!({"uses": ["client_assertion"]}));
    let with = |more: Value| crate::conformance::jose::changed(&usual, more);
    for (members, named) in [
        (with(json!({"issuer": null})), "issuer"),
        (with(json!({"issuer": app.issuer()})), "this server"),
        (with(json!({"issuer": format!("{}/", app.issuer())})), "this server"),
        (with(json!({"issuer": "http://idp.example.test"})), "https URL"),
        (with(json!({"issuer": "https://idp.example.test/?x"})), "query"),
        (with(json!({"issuer": "spiffe://td.example", "jwks": null})), "discovery"),
        (with(json!({"audience": null})), "audience"),
        (with(json!({"audience": []})), "audience"),
        (with(json!({"uses": []})), "uses"),
        (with(json!({"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}})), "the key is not public"),
        (with(json!({"jwks_uri": "https://idp.example.test/keys"})), "one of them"),
        (with(json!({"rules": [rule("nobody", "job")]})), "rules: there is no client nobody"),
        (with(json!({"rules": [{"claims": {"ref": {"equals": "main"}}}]})), "rules[0]: claims must have"),
        (with(json!({"rules": [{"claims": {"sub": {"prefix": "repo:"}}}]})), "first two levels"),
        (with(json!({"rules": [{"claims": {"sub": {"prefix": "repo:octo/app"}}}]})), "must end with"),
        (with(json!({"rules": [{"claims": {"sub": {"glob": "*"}}}]})), "use equals or one_of"),
        (with(json!({"colour": "red"})), "colour"),
    ] {
        let refused = app.admin(Method::POST, ALL, Some(members.clone())).await;
        assert_eq!(refused.status.as_u16(), 400, "{members}: {refused:?}");
        assert!(refused.text("detail").contains(named), "{members}: {refused:?}");
    }
    assert_eq!(app.admin(Method::GET, ALL, None).await.json["items"], json!([]));
    idp.register(&app, json!({"uses": ["client_assertion"]})).await;
    let again = app.admin(Method::POST, ALL, Some(with(json!({})))).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "{again:?}");
    for (path, status) in [("%00", 404), ("x", 404), ("https%3A%2F%2Fidp.example.test%2F", 404)] {
        let answer = app.admin(Method::GET, &format!("{ALL}/{path}"), None).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {answer:?}");
    }
});

/// A request to the admin API with a token of this scope.
async fn by(app: &TestServer, scope: &str, method: Method, path: &str, body: Value) -> StatusCode {
    let id = format!("holder-of-{}", scope.replace(':', "-"));
    app.admin(Method::DELETE, &format!("/admin/v1/clients/{id}"), None).await;
    let holder = app.client(&id, json!({"grant_types": ["client_credentials"], "scope": scope})).await;
    let token = app.token(&holder, &[("grant_type", "client_credentials")]).await.text("access_token");
    let mut request = app.http.request(method, format!("{}{path}", app.base)).bearer_auth(token);
    if !body.is_null() {
        request = request.json(&body);
    }
    Answer::of(request).await.status
}

on_both_stores!(only_administrators_of_everything_trust_issuers_and_let_clients_name_them, async |backend| {
    let app = TestServer::start(backend).await;
    let idp = Idp::new("https://idp.example.test");
    let members = idp.members(json!({"uses": ["client_assertion"]}));
    for scope in ["jeton:clients", "jeton:read", "jeton:users"] {
        assert_eq!(by(&app, scope, Method::POST, ALL, members.clone()).await, StatusCode::FORBIDDEN, "{scope}");
    }
    assert_eq!(by(&app, "jeton:admin", Method::POST, ALL, members).await, StatusCode::CREATED);
    for scope in ["jeton:clients", "jeton:read"] {
        assert_eq!(by(&app, scope, Method::GET, &idp.path(), Value::Null).await, StatusCode::OK);
        assert_eq!(by(&app, scope, Method::PATCH, &idp.path(), json!({})).await, StatusCode::FORBIDDEN);
        assert_eq!(by(&app, scope, Method::DELETE, &idp.path(), Value::Null).await, StatusCode::FORBIDDEN);
        let test = json!({"token": "x"});
        assert_eq!(by(&app, scope, Method::POST, &format!("{ALL}/test"), test).await, StatusCode::OK);
    }
    app.main_client("main").await;
    let named = json!({"issuers": [idp.name]});
    let one = "/admin/v1/clients/main";
    assert_eq!(by(&app, "jeton:clients", Method::PATCH, one, named.clone()).await, StatusCode::FORBIDDEN);
    assert_eq!(by(&app, "jeton:admin", Method::PATCH, one, named).await, StatusCode::OK);
    // Nor may others change such a client, or give it a secret.
    for change in [json!({"client_name": "x"}), json!({"scope": "more"}), json!({"issuers": []})] {
        assert_eq!(by(&app, "jeton:clients", Method::PATCH, one, change).await, StatusCode::FORBIDDEN);
    }
    let secrets = format!("{one}/secrets");
    assert_eq!(by(&app, "jeton:clients", Method::POST, &secrets, Value::Null).await, StatusCode::FORBIDDEN);
    assert_eq!(by(&app, "jeton:admin", Method::PATCH, one, json!({"issuers": []})).await, StatusCode::OK);
    assert_eq!(by(&app, "jeton:clients", Method::PATCH, one, json!({"client_name": "x"})).await, StatusCode::OK);
});

on_both_stores!(a_test_of_a_token_says_which_condition_fails_with_which_value, async |backend| {
    let app = TestServer::start(backend).await;
    let idp = Idp::new("https://idp.example.test");
    worker(&app, "worker", &[&idp]).await;
    let rules = json!([{"name": "main", "client_id": "worker", "claims": {
        "sub": {"prefix": "repo:octo/app:"}, "event_name": {"one_of": ["push", "release"]},
    }}]);
    idp.register(&app, json!({"uses": ["client_assertion"], "single_use": true, "rules": rules})).await;
    let test = async |token: &str| {
        let answer = app.admin(Method::POST, &format!("{ALL}/test"), Some(json!({"token": token}))).await;
        answer.assert_ok();
        answer.json
    };
    let good = idp.token(&app, "repo:octo/app:ref:refs/heads/main", json!({}), json!({"event_name": "push"}));
    let report = test(&good).await;
    assert_eq!((&report["accepted"], &report["client_id"]), (&json!(true), &json!("worker")), "{report}");
    assert_eq!(report["problems"], json!([]));
    let report = test(&idp.token(&app, "repo:octo/other:ref", json!({}), json!({"event_name": "push"}))).await;
    assert_eq!(report["accepted"], false);
    assert_eq!(report["problems"][0]["cause"], "assertion_condition_failed", "{report}");
    let conditions = &report["rules"][0]["conditions"];
    assert_eq!(
        conditions[0],
        json!({
            "claim": "event_name", "condition": {"one_of": ["push", "release"]}, "found": ["push"], "holds": true,
        })
    );
    assert_eq!(
        conditions[1],
        json!({
            "claim": "sub", "condition": {"prefix": "repo:octo/app:"}, "found": ["repo:octo/other:ref"], "holds": false,
        })
    );
    // Everything that speaks against it.
    let now = app.clock.now().seconds();
    let bad = json!({"event_name": "pull_request", "aud": "https://else.example", "exp": now - 5});
    let report = test(&idp.token(&app, "repo:octo/app:x", json!({"kid": "other"}), bad)).await;
    let causes: Vec<&Value> = report["problems"].as_array().unwrap().iter().map(|problem| &problem["cause"]).collect();
    let expected =
        ["assertion_unknown_key", "assertion_expired", "assertion_wrong_audience", "assertion_condition_failed"];
    assert_eq!(causes, expected, "{report}");
    for (text, cause) in [
        ("x".to_owned(), "assertion_malformed"),
        (Idp::new("https://else.example").token(&app, "a", json!({}), json!({})), "assertion_untrusted_issuer"),
    ] {
        assert_eq!(test(&text).await["problems"][0]["cause"], cause);
    }
    // The client has to name the issuer.
    app.admin(
        Method::PATCH,
        "/admin/v1/clients/worker",
        Some(json!({"jwks_uri": "https://a.example/", "issuers": []})),
    )
    .await
    .assert_ok();
    assert_eq!(test(&good).await["problems"][0]["cause"], "assertion_untrusted_issuer");
    app.admin(Method::PATCH, "/admin/v1/clients/worker", Some(json!({"issuers": [idp.name]}))).await.assert_ok();
    // No test used it up.
    ask(&app, "worker", &good).await.assert_ok();
    ask(&app, "worker", &good).await.assert_error(401, "invalid_client");
});

on_both_stores!(a_test_judges_the_type_of_a_token_by_its_use, async |backend| {
    let app = TestServer::start(backend).await;
    let idp = Idp::new("https://idp.example.test");
    let rules = json!([{"claims": {"sub": {"equals": "anna"}}}]);
    idp.register(&app, json!({"uses": ["client_assertion", "jwt_bearer"], "rules": rules})).await;
    for (typ, used_for, is_right) in [
        (json!("at+jwt"), "jwt_bearer", true),
        (json!("JWT"), "jwt_bearer", true),
        (json!("JOSE"), "jwt_bearer", false),
        (json!("oauth-id-jag+jwt"), "jwt_bearer", false),
        (json!("at+jwt"), "client_assertion", false),
        (json!("JWT"), "client_assertion", true),
    ] {
        let token = idp.token(&app, "anna", json!({"typ": typ}), json!({}));
        let test = json!({"token": token, "used_for": used_for});
        let report = app.admin(Method::POST, &format!("{ALL}/test"), Some(test)).await.assert_ok().json.clone();
        let problems = report["problems"].as_array().unwrap();
        let is_refused = problems.iter().any(|problem| problem["cause"] == "assertion_wrong_type");
        assert_eq!(is_refused, !is_right, "{typ} {used_for}: {report}");
    }
    let access = idp.token(&app, "anna", json!({"typ": "at+jwt"}), json!({}));
    let report = app.admin(Method::POST, &format!("{ALL}/test"), Some(json!({"token": access}))).await;
    assert_eq!(report.assert_ok().json["accepted"], true, "{report:?}");
});

on_both_stores!(a_client_that_is_created_again_is_not_the_one_that_rules_named, async |backend| {
    let app = TestServer::start(backend).await;
    let idp = Idp::new("https://idp.example.test");
    worker(&app, "worker", &[&idp]).await;
    worker(&app, "other", &[&idp]).await;
    let rules = json!([rule("worker", "job"), rule("other", "task")]);
    idp.register(&app, json!({"uses": ["client_assertion"], "rules": rules})).await;
    let token = idp.token(&app, "job", json!({}), json!({}));
    ask(&app, "worker", &token).await.assert_ok();
    assert_eq!(app.admin(Method::DELETE, "/admin/v1/clients/worker", None).await.status, StatusCode::NO_CONTENT);
    worker(&app, "worker", &[&idp]).await;
    ask(&app, "worker", &token).await.assert_error(401, "invalid_client");
    let left = app.admin(Method::GET, &idp.path(), None).await.json;
    assert_eq!(left["rules"], json!([rule("other", "task")]));
    ask(&app, "other", &idp.token(&app, "task", json!({}), json!({}))).await.assert_ok();
});

on_both_stores!(what_an_administrator_changes_counts_at_once_on_all_nodes, async |backend| {
    if matches!(backend, Backend::Sqlite) {
        // A SQLite file admits one server.
        return;
    }
    let first = TestServer::start(backend).await;
    let second = TestServer::start_on(&first.database, &first.master_key, Default::default()).await;
    let idp = Idp::new("https://idp.example.test");
    let client = portal(&first, "portal", &[], json!({})).await;
    let token = || idp.token(&first, "anna", json!({}), json!({}));
    exchange(&second, &client, &token()).await.assert_error(400, "invalid_grant");
    let rules = json!([{"claims": {"sub": {"equals": "anna"}}}]);
    idp.register(&first, json!({"uses": ["jwt_bearer"], "rules": rules})).await;
    let named = json!({"issuers": [idp.name]});
    first.admin(Method::PATCH, "/admin/v1/clients/portal", Some(named)).await.assert_ok();
    exchange(&second, &client, &token()).await.assert_ok();
    // A token counts once on all nodes.
    let once = token();
    exchange(&first, &client, &once).await.assert_ok();
    exchange(&second, &client, &once).await.assert_error(400, "invalid_grant");
});

on_both_stores!(the_command_line_trusts_shows_changes_and_tests, async |backend| {
    let mut place = Place::new(backend).await;
    place.set("JETON_ISSUER", "https://auth.example.com");
    let key = new_key(jeton::jose::algorithm::SigningAlgorithm::EdDsa);
    std::fs::write(place.path("keys.json"), key_set(&[(&key, "own")]).to_string()).unwrap();
    let name = "https://idp.example.test";
    place.json(&[
        "client",
        "create",
        "worker",
        "--token-endpoint-auth-method",
        "private_key_jwt",
        "--issuers",
        name,
        "--grant-types",
        &format!("client_credentials,{JWT_BEARER}"),
        "--scope",
        "read",
    ]);
    let rules = json!([rule("worker", "job")]).to_string();
    let keys = place.path("keys.json");
    let made = place.json(&[
        "issuer",
        "create",
        name,
        "--audience",
        "https://auth.example.com",
        "--uses",
        "client_assertion,jwt_bearer",
        "--rules",
        &rules,
        "--jwks",
        keys.to_str().unwrap(),
        "--max-age",
        "10m",
        "--name",
        "Platform",
    ]);
    assert_eq!((&made["max_age"], &made["rules"][0]["client_id"]), (&json!(600), &json!("worker")), "{made}");
    assert_eq!(place.json(&["issuer", "show", "--issuer", name]), made);
    assert_eq!(place.json(&["issuer", "list"]), json!([made]));
    std::fs::write(place.path("rules.json"), json!([rule("worker", "task")]).to_string()).unwrap();
    let file = place.path("rules.json");
    let changed = place.json(&["issuer", "update", name, "--rules", file.to_str().unwrap(), "--single-use", "true"]);
    assert_eq!(
        (&changed["rules"][0]["claims"]["sub"]["equals"], &changed["single_use"]),
        (&json!("task"), &json!(true))
    );
    #[expect(clippy::disallowed_methods, reason = "the real program goes by the real clock")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let token = |sub: &str| {
        let claims = json!({"iss": name, "sub": sub, "aud": "https://auth.example.com", "exp": now + 300, "iat": now});
        crate::conformance::jose::sign(&key, &json!({"alg": "EdDSA", "kid": "own"}), &claims)
    };
    let good = place.run(&["issuer", "test", &token("task"), "--used-for", "client_assertion"]);
    assert!(good.out.contains("The token is accepted") && good.out.contains("worker"), "{good:?}");
    let bad =
        place.run_with(&["issuer", "test", "-", "--used-for", "client_assertion"], &format!("{}\n", token("job")));
    assert_eq!(bad.code, Some(1), "{bad:?}");
    assert!(bad.out.contains("- sub must be \"task\"; it is [\"job\"]"), "{bad:?}");
    assert!(bad.out.contains("assertion_condition_failed"), "{bad:?}");
    place.run(&["issuer", "test", "x", "--used-for", "anything"]).refused(&["--used-for"]);
    place.run(&["issuer", "update", name]).refused(&["nothing to change"]);
    place.run(&["issuer", "update", name, "--rules", "[{]"]).refused(&["rules", "not JSON"]);
    place.run(&["issuer", "update", name, "--rules", "/no/such/file"]).refused(&["rules", "cannot be read"]);
    assert!(place.run(&["issuer", "delete", name]).ok().contains("deleted"));
    place.run(&["issuer", "show", name]).refused(&["no issuer"]);
});
