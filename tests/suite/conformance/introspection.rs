//! Rows INT: introspection (RFC 7662).

use std::net::TcpListener;

use serde_json::{Value, json};

use super::forgery::{Forged, Forger, critical, signed_by_the_server};
use crate::support::scene::{ALICE, API, FILES, Scene, every_grant};
use crate::support::{Answer, Backend, FORM, Setup, TestServer, jwt_part, on_both_stores};

/// An introspection by the resource server with exactly this body.
async fn raw(scene: &Scene, body: &str) -> Answer {
    scene.app.raw("/auth/introspect", &[FORM, ("Authorization", &scene.rs.basic())], body.to_owned()).await
}

/// Every forgery of a good token is inactive, with each signing algorithm.
async fn assert_forgeries_inactive(backend: Backend, forge: impl AsyncFn(&Scene, &Forger) -> Forged) {
    for algorithm in ["ES256", "EdDSA", "RS256"] {
        let scene = Scene::start_with(backend, Setup::default().set("JETON_SIGNING_ALG", algorithm)).await;
        let good = scene.login(&scene.main).await.access;
        assert_eq!(jwt_part(&good, 0)["alg"], json!(algorithm));
        let forged = forge(&scene, &Forger::of(&scene.app, &good).await).await;
        assert!(!forged.is_empty());
        for (what, forged) in forged {
            let answer = scene.app.introspect(&scene.rs, &forged).await;
            let seen = (answer.status.as_u16(), answer.body.as_str());
            assert_eq!(seen, (200, r#"{"active":false}"#), "{algorithm}, {what}");
        }
        scene.assert_active(&good).await;
    }
}

on_both_stores!(int_001_int_002_int_018_int_019_and_int_038_an_active_token_is_described, async |backend| {
    let scene = Scene::start(backend).await;
    for client in scene.owners() {
        let tokens = scene.login_with(client, &[("scope", "read")]).await;
        let answer = scene.app.introspect(&scene.rs, &tokens.access).await;
        let seen = &answer.assert_active().json;
        let now = scene.app.clock.now().seconds();
        let time = |name: &str| seen[name].as_i64().unwrap_or_else(|| panic!("{name} is no integer: {seen}"));
        assert!(time("iat") <= now && now <= time("exp") && time("exp") - time("iat") == 900, "{seen}");
        let expected = json!({
            "client_id": client.id, "sub": scene.alice, "scope": "read", "iss": scene.app.issuer(),
            "token_type": "Bearer", "username": "alice",
        });
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&seen[name], value, "{name}");
        }
        assert!(seen["jti"].is_string() && !seen["aud"].is_null() && seen["sid"].is_string(), "{seen}");
        // INT-002 and INT-038: what the JWT says itself.
        if client.id != scene.opaque.id {
            let claims = jwt_part(&tokens.access, 1);
            for name in ["client_id", "sub", "scope", "exp", "iat", "iss", "jti", "aud", "sid", "nbf", "cnf"] {
                assert_eq!(seen.get(name), claims.get(name), "{name}");
            }
        }
        // INT-018 and INT-019
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    for client in [&scene.main, &scene.opaque] {
        let token = scene.client_credentials(client, &[]).await.text("access_token");
        let seen = scene.assert_active(&token).await;
        assert_eq!((&seen["sub"], &seen["client_id"]), (&json!(client.id), &json!(client.id)));
        assert!(seen.get("username").is_none() && seen.get("sid").is_none(), "{seen}");
    }
});

on_both_stores!(int_003_int_004_int_005_and_int_034_the_caller_must_authenticate, async |backend| {
    let scene = Scene::start(backend).await;
    let tokens = scene.login(&scene.main).await;
    let own = scene.login(&scene.public).await;
    for token in [&tokens.access, &tokens.refresh, &own.access] {
        // INT-003
        let nobody = scene.app.raw("/auth/introspect", &[FORM], format!("token={token}")).await;
        // INT-005: not even its own tokens.
        let public = scene.app.introspect(&scene.public, token).await;
        let id_alone = scene.app.introspect(&scene.rs.without_secret(), token).await;
        // INT-034: a token does not authenticate the caller here, valid or not.
        let scene = &scene;
        let bearer = |value: String| {
            let body = format!("token={token}");
            async move { scene.app.raw("/auth/introspect", &[FORM, ("Authorization", value.as_str())], body).await }
        };
        let (bad, good) = (bearer("Bearer x".into()).await, bearer(format!("Bearer {}", tokens.access)).await);
        for answer in [nobody, public, id_alone, bad, good] {
            assert!(matches!(answer.status.as_u16(), 400 | 401), "{answer:?}");
            answer.assert_error(answer.status.as_u16(), "invalid_client");
            assert!(answer.json.get("active").is_none(), "{answer:?}");
        }
        // INT-004
        let wrong = scene.app.introspect(&scene.rs.with_secret("wrong"), token).await;
        wrong.assert_error(401, "invalid_client");
        assert!(wrong.header("www-authenticate").unwrap().starts_with("Basic realm="), "{wrong:?}");
    }
});

on_both_stores!(int_006_int_007_and_int_033_a_text_that_is_not_a_token_is_inactive_and_nothing_more, async |backend| {
    let scene = Scene::start(backend).await;
    let long = "x".repeat(10_000);
    let secret = scene.main.secret.clone().unwrap();
    let texts = ["random", "a.b.c", "..", "\0", "\u{1f4a9}", "{}", "jat_live_AAAA", "jrt_live_AAAA", &long];
    // INT-033
    let secrets = [ALICE.1, &secret, scene.rs.secret.as_deref().unwrap(), &scene.alice, "alice", "main"];
    for text in texts.into_iter().chain(secrets) {
        let answer = scene.app.introspect(&scene.rs, text).await;
        answer.assert_inactive();
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
});

on_both_stores!(int_008_int_009_and_int_012_a_refresh_token_is_active_until_it_is_revoked_or_spent, async |backend| {
    let scene = Scene::start(backend).await;
    for client in [&scene.main, &scene.opaque] {
        let first = scene.login(client).await;
        let answer = scene.app.introspect(client, &first.refresh).await;
        let seen = &answer.assert_active().json;
        // INT-012
        assert_ne!(seen["token_type"].as_str().map(str::to_ascii_lowercase).as_deref(), Some("bearer"), "{seen}");
        assert_eq!((&seen["client_id"], &seen["sub"]), (&json!(client.id), &json!(scene.alice)));
        // INT-008
        scene.app.revoke(client, &first.access).await.assert_ok();
        for caller in [client, &scene.rs] {
            scene.app.introspect(caller, &first.access).await.assert_inactive();
        }
        // INT-009
        let second = scene.refresh(client, &first.refresh).await;
        scene.app.introspect(client, &first.refresh).await.assert_inactive();
        scene.app.introspect(client, &second.refresh).await.assert_active();
        scene.app.revoke(client, &second.refresh).await.assert_ok();
        for token in [&first.refresh, &second.refresh, &second.access] {
            for caller in [client, &scene.rs] {
                scene.app.introspect(caller, token).await.assert_inactive();
            }
        }
    }
});

on_both_stores!(int_010_an_expired_token_is_inactive, async |backend| {
    let scene = Scene::start_with(backend, Setup::default().with_manual_clock()).await;
    for format in ["jwt", "opaque"] {
        let members = json!({"access_token_ttl": 60, "refresh_token_ttl": 90, "access_token_format": format});
        let short = scene.app.client(&format!("short-{format}"), every_grant(members)).await;
        let tokens = scene.login(&short).await;
        scene.app.advance(59);
        scene.assert_active(&tokens.access).await;
        scene.app.advance(1);
        scene.assert_inactive(&tokens.access).await;
        scene.app.introspect(&short, &tokens.refresh).await.assert_active();
        scene.app.advance(30);
        scene.app.introspect(&short, &tokens.refresh).await.assert_inactive();
    }
});

on_both_stores!(int_011_and_int_036_a_client_without_the_permission_sees_only_its_own_tokens, async |backend| {
    let scene = Scene::start(backend).await;
    let limited = json!({"permissions": ["introspect"], "introspect_audiences": [FILES]});
    let limited = scene.app.client("limited", limited).await;
    for owner in scene.owners() {
        let tokens = scene.login(owner).await;
        for token in [&tokens.access, &tokens.refresh] {
            scene.app.introspect(&scene.other, token).await.assert_inactive();
            scene.app.introspect(&scene.rs, token).await.assert_active();
            if owner.secret.is_some() {
                scene.app.introspect(owner, token).await.assert_active();
            }
        }
    }
    // Nobody else sees a refresh token by chance, so that no resource server takes one for an access token.
    for owner in scene.owners() {
        let refresh = scene.login(owner).await.refresh;
        for hint in ["", "access_token", "foo", "Refresh_Token"] {
            let ask = [("token", refresh.as_str()), ("token_type_hint", hint)];
            scene.app.form(&scene.rs, "/auth/introspect", &ask).await.assert_inactive();
            if owner.secret.is_some() {
                scene.app.form(owner, "/auth/introspect", &ask).await.assert_active();
            }
        }
        let ask = [("token", refresh.as_str()), ("token_type_hint", "refresh_token")];
        scene.app.form(&scene.rs, "/auth/introspect", &ask).await.assert_active();
    }
    // INT-037: the permission may be limited to tokens for some audiences.
    for owner in [&scene.main, &scene.opaque] {
        for (resource, active) in [(FILES, true), (API, false)] {
            let token = scene.client_credentials(owner, &[("resource", resource)]).await.text("access_token");
            let answer = scene.app.introspect(&limited, &token).await;
            if active { _ = answer.assert_active() } else { answer.assert_inactive() }
        }
    }
});

on_both_stores!(int_013_and_int_014_a_hint_hides_nothing, async |backend| {
    let scene = Scene::start(backend).await;
    for client in [&scene.main, &scene.opaque] {
        let tokens = scene.login(client).await;
        for hint in ["refresh_token", "access_token", "foo", ""] {
            for token in [&tokens.access, &tokens.refresh] {
                let parameters = [("token_type_hint", hint), ("token", token.as_str())];
                scene.app.form(client, "/auth/introspect", &parameters).await.assert_active();
            }
        }
    }
});

on_both_stores!(int_015_int_016_and_int_017_a_missing_or_repeated_token_is_an_invalid_request, async |backend| {
    let scene = Scene::start(backend).await;
    let token = scene.login(&scene.main).await.access;
    for body in ["", "token=", "foo=bar", &format!("token={token}&token={token}"), &format!("token=x&token={token}")] {
        raw(&scene, body).await.assert_error(400, "invalid_request");
    }
    // INT-017
    let path = format!("/auth/introspect?token={token}");
    let answer = scene.app.get_with(&path, &[("Authorization", &scene.rs.basic())]).await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("POST")), "{answer:?}");
    assert!(answer.json.get("active").is_none());
    let answer = scene.app.raw(&path, &[FORM, ("Authorization", &scene.rs.basic())], "").await;
    answer.assert_error(400, "invalid_request");
});

on_both_stores!(int_020_and_int_023_a_token_without_a_signature_is_inactive, async |backend| {
    assert_forgeries_inactive(backend, async |_, forger| [forger.unsigned(), forger.without_signature()].concat())
        .await;
});

on_both_stores!(int_021_a_mac_with_the_public_key_is_inactive, async |backend| {
    assert_forgeries_inactive(backend, async |_, forger| forger.hmac_with_the_public_key()).await;
});

on_both_stores!(int_022_a_changed_payload_is_inactive, async |backend| {
    assert_forgeries_inactive(backend, async |_, forger| forger.changed_claims()).await;
});

on_both_stores!(int_024_a_key_from_the_token_is_never_used_or_fetched, async |backend| {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    assert_forgeries_inactive(backend, async |_, forger| forger.own_key_embedded(&address)).await;
    assert!(listener.accept().is_err(), "nobody asked for the key");
});

on_both_stores!(int_025_a_strange_kid_is_inactive, async |backend| {
    assert_forgeries_inactive(backend, async |_, forger| forger.strange_kids()).await;
});

on_both_stores!(int_026_and_int_028_another_key_or_no_key_at_all_is_inactive, async |backend| {
    let forge = async |_: &Scene, forger: &Forger| [forger.own_key_under_the_kid(), forger.zero_signatures()].concat();
    assert_forgeries_inactive(backend, forge).await;
});

on_both_stores!(int_027_a_critical_header_that_nobody_understands_is_inactive, async |backend| {
    assert_forgeries_inactive(backend, async |scene, forger| {
        let mut forged = forger.critical_headers();
        // Even signed by the server's own key.
        for change in critical() {
            let token = signed_by_the_server(&scene.app, &forger.good, change.clone(), json!({}));
            forged.push((format!("the server's key, {change}"), token));
        }
        forged
    })
    .await;
});

on_both_stores!(int_029_another_spelling_of_a_valid_token_is_inactive, async |backend| {
    assert_forgeries_inactive(backend, async |scene, forger| {
        let mut forged = forger.other_spellings();
        let opaque = scene.login(&scene.opaque).await.access;
        scene.assert_active(&opaque).await;
        for text in [format!("{opaque}="), format!("{opaque}\n"), format!(" {opaque}"), format!("{opaque}A")] {
            forged.push(("opaque".to_owned(), text));
        }
        forged.push(("opaque in capitals".to_owned(), opaque.to_ascii_uppercase()));
        forged
    })
    .await;
});

on_both_stores!(int_031_a_token_of_another_issuer_is_inactive, async |backend| {
    let scene = Scene::start(backend).await;
    // An unknown issuer under its own name, and one under this server's name.
    for issuer in ["https://auth.example.net", scene.app.issuer()] {
        let foreign = TestServer::start_with(backend, Setup::default().set("JETON_ISSUER", issuer)).await;
        for format in ["jwt", "opaque"] {
            let main = foreign.client(format, every_grant(json!({"access_token_format": format}))).await;
            let token = foreign.token(&main, &[("grant_type", "client_credentials")]).await.text("access_token");
            foreign.introspect(&main, &token).await.assert_active();
            scene.assert_inactive(&token).await;
        }
        foreign.user("alice", "wonderland").await;
        let main = foreign.main_client("main").await;
        let refresh = foreign.login(&main, "alice", "wonderland").await.text("refresh_token");
        scene.app.introspect(&scene.main, &refresh).await.assert_inactive();
    }
});

on_both_stores!(int_032_introspection_changes_nothing, async |backend| {
    let scene = Scene::start(backend).await;
    for client in [&scene.main, &scene.opaque] {
        let tokens = scene.login(client).await;
        for token in [&tokens.access, &tokens.refresh] {
            let first: Value = scene.app.introspect(client, token).await.assert_active().json.clone();
            for _ in 0..3 {
                assert_eq!(scene.app.introspect(client, token).await.json, first);
            }
        }
        let next = scene.refresh(client, &tokens.refresh).await;
        scene.refresh(client, &next.refresh).await;
    }
});
