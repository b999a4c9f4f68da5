//! §2 TOK: answers of the token endpoint, and which grant is meant.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Value, json};

use super::answers::assert_one_of;
use crate::support::scene::{ALICE, CLIENT_CREDENTIALS, Scene};
use crate::support::{Answer, FORM, Setup, TestServer, jwt_part, on_both_stores};

/// A JSON object without null or repeated members.
struct Clean;

impl<'de> Deserialize<'de> for Clean {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Clean;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Clean, A::Error> {
                let mut names = std::collections::BTreeSet::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if value.is_null() || !names.insert(name.clone()) {
                        return Err(A::Error::custom(format!("{name} is null or repeated")));
                    }
                }
                Ok(Clean)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

on_both_stores!(tok_001_to_tok_006_a_success_has_the_members_of_rfc_6749, async |backend| {
    let scene = Scene::start(backend).await;
    let scopeless = scene.app.client("scopeless", json!({"grant_types": ["client_credentials"]})).await;
    for answer in [
        scene.client_credentials(&scene.main, &[]).await,
        scene.client_credentials(&scene.opaque, &[]).await,
        scene.client_credentials(&scopeless, &[]).await,
        scene.password(&scene.main, ALICE, &[]).await,
    ] {
        assert!(answer.assert_ok().header("content-type").unwrap().starts_with("application/json"), "{answer:?}");
        assert!(answer.text("token_type").eq_ignore_ascii_case("Bearer")); // TOK-002
        let seconds = answer.json["expires_in"].as_u64().expect("TOK-003: an integer");
        assert!((1..=3600).contains(&seconds), "TOK-004: {seconds}");
        serde_json::from_str::<Clean>(&answer.body).map(|Clean| ()).expect("TOK-005");
        let token = answer.text("access_token");
        let body = token.trim_end_matches('=');
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
        assert!(!body.is_empty() && body.bytes().all(legal), "TOK-006: {token}");
    }
    assert!(
        serde_json::from_str::<Clean>(r#"{"a":1,"a":2}"#).is_err()
            && serde_json::from_str::<Clean>(r#"{"a":null}"#).is_err()
    );
});

on_both_stores!(tok_007_a_refresh_token_is_printable_long_and_random, async |backend| {
    let scene = Scene::start(backend).await;
    let one = scene.password(&scene.main, ALICE, &[]).await.text("refresh_token");
    let other = scene.password(&scene.main, ALICE, &[]).await.text("refresh_token");
    for token in [&one, &other] {
        assert!(token.len() >= 22 && token.bytes().all(|byte| (0x20..=0x7E).contains(&byte)), "{token}");
    }
    // What two of them share at the same position is not secret: at least 128 bits (22 characters) are left.
    let differing = one.bytes().zip(other.bytes()).filter(|(one, other)| one != other).count();
    assert!(differing >= 22, "{one} {other}");
});

on_both_stores!(tok_008_every_issue_gives_a_new_access_token, async |backend| {
    let scene = Scene::start_with(backend, Setup::default().with_manual_clock()).await;
    let one = scene.client_credentials(&scene.main, &[]).await.text("access_token");
    let other = scene.client_credentials(&scene.main, &[]).await.text("access_token");
    assert_ne!(one, other);
    let (one, other) = (jwt_part(&one, 1), jwt_part(&other, 1));
    assert_eq!(one["iat"], other["iat"]);
    assert!(one["jti"].is_string());
    assert_ne!(one["jti"], other["jti"]);
});

on_both_stores!(tok_009_to_tok_012_and_tok_015_grants_are_matched_exactly, async |backend| {
    let scene = Scene::start(backend).await;
    let by_grant = async |grant: &str| scene.app.token(&scene.main, &[("grant_type", grant)]).await;
    for grant in ["foo", "urn:x:y", "implicit", "token"] {
        by_grant(grant).await.assert_error(400, "unsupported_grant_type"); // TOK-009, TOK-012
    }
    let none: [(&str, &str); 0] = [];
    scene.app.token(&scene.main, &none).await.assert_error(400, "invalid_request"); // TOK-010
    for grant in ["Client_Credentials", " client_credentials", "client_credentials ", "client_credentials\0"] {
        let accepted = [(400, "unsupported_grant_type"), (400, "invalid_request")];
        assert_one_of(&by_grant(grant).await, &accepted); // TOK-011
    }
    // TOK-015
    scene.client_credentials(&scene.main, &[("scope", "nothing")]).await.assert_error(400, "invalid_scope");
    scene.password(&scene.main, ("nobody", "x"), &[]).await.assert_error(400, "invalid_grant");
    scene.app.refresh(&scene.main, "nonsense").await.assert_error(400, "invalid_grant");
});

on_both_stores!(tok_010_a_missing_grant_type_means_password_only_with_a_default_client, async |backend| {
    let app = TestServer::start(backend).await;
    let public = app.public_client("app").await;
    app.user(ALICE.0, ALICE.1).await;
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("username", ALICE.0), ("password", ALICE.1)])
        .finish();
    let send = async |app: &TestServer, body: &str| app.raw("/auth/token", &[FORM], body.to_owned()).await;
    let refusals = [(400, "invalid_request"), (400, "invalid_client"), (401, "invalid_client")];
    assert_one_of(&send(&app, &body).await, &refusals);
    app.server.stop().await;
    let setup = Setup::default().set("JETON_DEFAULT_CLIENT", "app");
    let second = TestServer::start_on(&app.database, &app.master_key, setup).await;
    let login = send(&second, &body).await;
    assert_eq!(jwt_part(&login.assert_ok().text("access_token"), 1)["client_id"], "app");
    let refresh = format!("grant_type=refresh_token&refresh_token={}", login.text("refresh_token"));
    send(&second, &refresh).await.assert_ok();
    // Only without a client, and only for these grants.
    let named = second.token(&public, &[("username", ALICE.0), ("password", ALICE.1)]).await;
    named.assert_error(400, "invalid_request");
    for body in ["username=alice", "password=x", "", "grant_type=client_credentials", &refresh[25..]] {
        assert_one_of(&send(&second, body).await, &refusals);
    }
});

on_both_stores!(tok_013_a_grant_that_the_client_may_not_use_is_unauthorized_client, async |backend| {
    let scene = Scene::start(backend).await;
    let cc = scene.machine_client().await;
    scene.password(&cc, ALICE, &[]).await.assert_error(400, "unauthorized_client");
    scene.app.refresh(&cc, "x").await.assert_error(400, "unauthorized_client");
});

on_both_stores!(tok_014_the_client_is_authenticated_before_anything_else_is_revealed, async |backend| {
    let scene = Scene::start(backend).await;
    let wrong = scene.main.with_secret("wrong");
    let none: [(&str, &str); 0] = [];
    for parameters in [&[("grant_type", "foo")][..], &[CLIENT_CREDENTIALS, ("scope", "nothing")], &none] {
        scene.app.token(&wrong, parameters).await.assert_error(401, "invalid_client");
    }
});

on_both_stores!(tok_016_the_lifetime_agrees_with_the_token, async |backend| {
    let scene = Scene::start(backend).await;
    let members =
        json!({"grant_types": ["client_credentials"], "access_token_format": "opaque", "access_token_ttl": 77});
    let opaque = scene.app.client("short-lived", members).await;
    for client in [&scene.main, &opaque] {
        let answer = scene.client_credentials(client, &[]).await;
        let introspected = scene.app.introspect(client, &answer.text("access_token")).await;
        let number = |name: &str| introspected.assert_active().json[name].as_i64().unwrap();
        let promised = answer.json["expires_in"].as_i64().unwrap();
        assert!((number("exp") - number("iat")).abs_diff(promised) <= 2, "{answer:?} {introspected:?}");
    }
    assert_eq!(scene.client_credentials(&opaque, &[]).await.json["expires_in"], 77);
});

on_both_stores!(tok_017_no_answer_contains_the_password_or_the_secret, async |backend| {
    let scene = Scene::start(backend).await;
    let secret = scene.main.secret.clone().unwrap();
    let post = scene.post_client(None).await;
    let post_secret = post.secret.clone().unwrap();
    for answer in [
        scene.password(&scene.main, ALICE, &[]).await,
        scene.password(&scene.main, (ALICE.1, ALICE.1), &[]).await,
        scene.password(&scene.main, ALICE, &[("scope", ALICE.1)]).await,
        scene.app.token(&scene.main, &[("grant_type", ALICE.1)]).await,
        scene.app.token(&scene.main, &[("grant_type", &secret)]).await,
        scene.client_credentials(&post, &[]).await,
        scene.app.token(&post, &[CLIENT_CREDENTIALS, ("client_secret", &post_secret)]).await,
    ] {
        let whole = format!("{:?} {}", answer.headers, answer.body);
        for hidden in [ALICE.1, &secret, &post_secret, &scene.main.basic()[6..]] {
            assert!(!whole.contains(hidden), "{answer:?}");
        }
    }
});

on_both_stores!(tok_018_the_metadata_lists_exactly_the_grants_that_can_be_used, async |backend| {
    let app = TestServer::start(backend).await;
    let cc = app.client("cc", json!({"grant_types": ["client_credentials", "refresh_token"]})).await;
    let listed = async || -> Vec<String> {
        let metadata = app.get("/.well-known/oauth-authorization-server").await;
        serde_json::from_value(metadata.json["grant_types_supported"].clone()).unwrap()
    };
    for password_is_on in [false, true] {
        if password_is_on {
            app.main_client("main").await;
        }
        let listed = listed().await;
        assert_eq!(listed.iter().any(|grant| grant == "password"), password_is_on);
        for grant in [
            "client_credentials",
            "password",
            "refresh_token",
            "authorization_code",
            "implicit",
            "urn:ietf:params:oauth:grant-type:device_code",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ] {
            let answer: Answer = app.token(&cc, &[("grant_type", grant)]).await;
            let reachable = answer.json["error"] != "unsupported_grant_type";
            assert_eq!(reachable, listed.iter().any(|other| other == grant), "{grant}: {listed:?} {answer:?}");
        }
    }
});

on_both_stores!(tok_019_parameters_of_another_grant_are_ignored, async |backend| {
    let scene = Scene::start(backend).await;
    let foreign = [("username", ALICE.0), ("password", ALICE.1), ("code", "z"), ("refresh_token", "x")];
    let answer = scene.client_credentials(&scene.main, &foreign).await;
    let claims = jwt_part(&answer.assert_ok().text("access_token"), 1);
    assert_eq!((&claims["sub"], &claims["sid"]), (&json!("main"), &Value::Null));
    assert!(answer.json.get("refresh_token").is_none(), "{answer:?}");
    let introspected = scene.app.introspect(&scene.main, &answer.text("access_token")).await;
    assert!(introspected.assert_active().json.get("username").is_none(), "{introspected:?}");
});
