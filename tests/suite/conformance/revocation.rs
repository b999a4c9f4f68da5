//! Rows REV: revocation (RFC 7009).

use reqwest::Method;

use super::forgery::Forger;
use crate::support::scene::Scene;
use crate::support::{FORM, TestClient, on_both_stores};

/// The header of a client with a secret, and the form's type.
fn headers(client: &TestClient) -> [(&'static str, String); 2] {
    [("Authorization", client.basic()), (FORM.0, FORM.1.to_owned())]
}

/// A revocation with exactly this body.
macro_rules! raw {
    ($scene:expr, $path:expr, $body:expr) => {{
        let headers = headers(&$scene.main);
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        $scene.app.raw($path, &headers, $body).await
    }};
}

on_both_stores!(
    rev_001_rev_009_rev_015_rev_023_and_rev_024_a_revoked_access_token_is_inactive_at_once,
    async |backend| {
        let scene = Scene::start(backend).await;
        for client in scene.owners() {
            let tokens = scene.login(client).await;
            scene.assert_active(&tokens.access).await;
            for _ in 0..2 {
                // REV-009: the second time the same; REV-023: of either form; REV-015: of a public client.
                let answer = scene.app.revoke(client, &tokens.access).await;
                // REV-024
                assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "{}"), "{answer:?}");
                assert_eq!(answer.header("content-type"), Some("application/json"), "some clients read it as JSON");
                assert_eq!(answer.header("cache-control"), Some("no-store"));
                scene.assert_inactive(&tokens.access).await;
            }
            // Only this token: the session continues, as RFC 7009 §2.1 allows for access tokens.
            scene.refresh(client, &tokens.refresh).await;
        }
        // A token without a session.
        for client in [&scene.main, &scene.opaque] {
            let one = scene.client_credentials(client, &[]).await.text("access_token");
            let another = scene.client_credentials(client, &[]).await.text("access_token");
            scene.app.revoke(client, &one).await.assert_ok();
            scene.assert_inactive(&one).await;
            scene.assert_active(&another).await;
        }
    }
);

on_both_stores!(
    rev_002_rev_003_and_rev_004_a_revoked_refresh_token_takes_every_access_token_with_it,
    async |backend| {
        let scene = Scene::start(backend).await;
        for client in scene.owners() {
            let first = scene.login(client).await;
            scene.app.revoke(client, &first.refresh).await.assert_ok();
            scene.assert_dead(client, &first).await;
            // REV-004: those of later refreshes.
            let first = scene.login(client).await;
            let second = scene.refresh(client, &first.refresh).await;
            let third = scene.refresh(client, &second.refresh).await;
            for _ in 0..2 {
                scene.app.revoke(client, &third.refresh).await.assert_ok();
            }
            for tokens in [&third, &second, &first] {
                scene.assert_dead(client, tokens).await;
            }
        }
    }
);

on_both_stores!(rev_005_rev_006_and_rev_025_hints_and_unknown_parameters_change_nothing, async |backend| {
    let scene = Scene::start(backend).await;
    let more = [
        ("token_type_hint", "refresh_token"),
        ("token_type_hint", "access_token"),
        ("token_type_hint", "foo"),
        ("token_type_hint", ""),
        ("foo", "bar"),
    ];
    for client in scene.owners() {
        for more in more {
            let tokens = scene.login(client).await;
            scene.app.form(client, "/auth/revoke", &[("token", &tokens.access), more]).await.assert_ok();
            scene.assert_inactive(&tokens.access).await;
            let next = scene.refresh(client, &tokens.refresh).await;
            scene.app.form(client, "/auth/revoke", &[more, ("token", &next.refresh)]).await.assert_ok();
            scene.assert_dead(client, &next).await;
        }
    }
});

on_both_stores!(rev_007_and_rev_008_an_unknown_or_malformed_token_is_answered_like_a_valid_one, async |backend| {
    let scene = Scene::start(backend).await;
    let long = "x".repeat(10_000);
    for token in ["random", "a.b.c", "..", "\u{1f4a9}", "\0", "\r\n\u{1b}", "jrt_live_", "jat_live_AAAA", "{}", &long] {
        let answer = scene.app.revoke(&scene.main, token).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "{}"), "{token:.40}");
    }
    // What is not UTF-8 may be refused.
    let answer = raw!(scene, "/auth/revoke", "token=%FF%FE");
    assert!(matches!(answer.status.as_u16(), 200 | 400), "{answer:?}");
});

on_both_stores!(rev_010_rev_011_and_rev_022_a_missing_or_repeated_token_is_an_invalid_request, async |backend| {
    let scene = Scene::start(backend).await;
    let tokens = scene.login(&scene.main).await;
    let repeated = format!("token={}&token={}", tokens.access, tokens.refresh);
    let same = format!("token={0}&token={0}", tokens.access);
    for body in ["", "token=", "token_type_hint=access_token", &repeated, &same] {
        let answer = raw!(scene, "/auth/revoke", body.to_owned());
        answer.assert_error(400, "invalid_request");
        // REV-022
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.json["error_description"].is_string(), "{answer:?}");
    }
    scene.assert_active(&tokens.access).await;
    scene.refresh(&scene.main, &tokens.refresh).await;
});

on_both_stores!(rev_012_a_confidential_client_must_authenticate, async |backend| {
    let scene = Scene::start(backend).await;
    for client in [&scene.main, &scene.opaque] {
        let tokens = scene.login(client).await;
        for token in [&tokens.access, &tokens.refresh] {
            for pretender in [client.without_secret(), client.with_secret("wrong")] {
                scene.app.revoke(&pretender, token).await.assert_error(401, "invalid_client");
            }
            let answer = scene.app.raw("/auth/revoke", &[FORM], format!("token={token}")).await;
            answer.assert_error(401, "invalid_client");
        }
        scene.assert_active(&tokens.access).await;
        scene.refresh(client, &tokens.refresh).await;
    }
});

on_both_stores!(rev_013_rev_014_and_rev_016_the_tokens_of_another_client_stay_active, async |backend| {
    let scene = Scene::start(backend).await;
    let stranger = scene.app.public_client("stranger").await;
    for owner in scene.owners() {
        let tokens = scene.login(owner).await;
        // Even one that may introspect everything.
        for intruder in [&scene.other, &stranger, &scene.rs] {
            for token in [&tokens.access, &tokens.refresh] {
                scene.app.revoke(intruder, token).await.assert_ok();
            }
        }
        scene.assert_active(&tokens.access).await;
        scene.refresh(owner, &tokens.refresh).await;
    }
});

on_both_stores!(rev_017_a_forged_token_revokes_nothing, async |backend| {
    let scene = Scene::start(backend).await;
    let tokens = scene.login(&scene.main).await;
    let forger = Forger::of(&scene.app, &tokens.access).await;
    let forged = [
        forger.unsigned(),
        forger.without_signature(),
        forger.changed_claims(),
        forger.own_key_under_the_kid(),
        forger.other_spellings(),
    ];
    for (what, token) in forged.concat() {
        let answer = scene.app.revoke(&scene.main, &token).await;
        assert_eq!(answer.status.as_u16(), 200, "{what}: {answer:?}");
    }
    scene.assert_active(&tokens.access).await;
    scene.refresh(&scene.main, &tokens.refresh).await;
    // Nor does a changed opaque token or refresh token.
    let tokens = scene.login(&scene.opaque).await;
    for token in [&tokens.access, &tokens.refresh] {
        for at in ["jat_live_".len(), token.len() / 2, token.len() - 2] {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            scene.app.revoke(&scene.opaque, &String::from_utf8(bytes).unwrap()).await.assert_ok();
        }
    }
    scene.assert_active(&tokens.access).await;
    scene.refresh(&scene.opaque, &tokens.refresh).await;
});

on_both_stores!(rev_018_and_rev_019_a_token_in_the_url_is_ignored, async |backend| {
    let scene = Scene::start(backend).await;
    let tokens = scene.login(&scene.main).await;
    let basic = scene.main.basic();
    for token in [&tokens.access, &tokens.refresh] {
        let path = format!("/auth/revoke?token={token}");
        // REV-018
        let answer = scene.app.get_with(&path, &[("Authorization", &basic)]).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("POST")), "{answer:?}");
        for method in [Method::PUT, Method::DELETE, Method::PATCH] {
            let answer = scene.app.request(method, &path, &[("Authorization", &basic)]).await;
            assert_eq!(answer.status.as_u16(), 405, "{answer:?}");
        }
        // REV-019
        raw!(scene, &path, "").assert_error(400, "invalid_request");
    }
    scene.assert_active(&tokens.access).await;
    scene.refresh(&scene.main, &tokens.refresh).await;
});

on_both_stores!(rev_020_the_other_sessions_of_the_user_stay_active, async |backend| {
    let scene = Scene::start(backend).await;
    for client in scene.owners() {
        let (one, another, elsewhere) =
            (scene.login(client).await, scene.login(client).await, scene.login(&scene.other).await);
        scene.app.revoke(client, &one.refresh).await.assert_ok();
        scene.assert_dead(client, &one).await;
        for (client, tokens) in [(client, &another), (&scene.other, &elsewhere)] {
            scene.assert_active(&tokens.access).await;
            scene.refresh(client, &tokens.refresh).await;
        }
    }
});

on_both_stores!(rev_021_revoking_a_used_refresh_token_never_revives_anything, async |backend| {
    let scene = Scene::start(backend).await;
    for client in scene.owners() {
        let first = scene.login(client).await;
        let second = scene.refresh(client, &first.refresh).await;
        let third = scene.refresh(client, &second.refresh).await;
        scene.app.revoke(client, &first.refresh).await.assert_ok();
        // All of them end, or none.
        let alive: Vec<bool> = {
            let mut alive = Vec::new();
            for tokens in [&first, &second, &third] {
                alive.push(scene.app.introspect(&scene.rs, &tokens.access).await.json["active"] == true);
            }
            alive
        };
        let refreshed = scene.app.refresh(client, &third.refresh).await.status.as_u16() == 200;
        assert!(alive.iter().all(|alive| *alive == refreshed), "{alive:?} {refreshed}");
        scene.app.refresh(client, &first.refresh).await.assert_error(400, "invalid_grant");
        scene.assert_dead(client, &third).await;
    }
});
