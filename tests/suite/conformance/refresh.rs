//! Rows RFR: the refresh token grant (RFC 6749 §6, RFC 9700 §4.14).

use std::collections::BTreeSet;

use serde_json::json;

use super::bearer::{assert_refused, with_bearer};
use crate::support::scene::{Scene, Tokens, every_grant};
use crate::support::{Answer, FORM, Setup, TestClient, TestServer, on_both_stores};

const INVALID_GRANT: (u16, &str) = (400, "invalid_grant");

#[track_caller]
fn refused(answer: &Answer) {
    answer.assert_error(INVALID_GRANT.0, INVALID_GRANT.1);
}

/// As many refreshes at the same time.
async fn at_once(app: &TestServer, client: &TestClient, token: &str, count: usize) -> Vec<Answer> {
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..count {
        let request = app.http.post(format!("{}/auth/token", app.base)).header("Authorization", client.basic());
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        all.spawn(Answer::of(request.form(&form)));
    }
    all.join_all().await
}

on_both_stores!(rfr_001_rfr_002_rfr_022_rfr_023_and_rfr_028_a_long_chain_of_refreshes_works, async |backend| {
    let scene = Scene::start(backend).await;
    for client in scene.owners() {
        let first = scene.login(client).await;
        let before = scene.assert_active(&first.access).await;
        let mut tokens = first.clone();
        let mut seen = BTreeSet::from([first.access.clone(), first.refresh.clone()]);
        for _ in 0..6 {
            let answer = scene.app.refresh(client, &tokens.refresh).await;
            tokens = Tokens::of(&answer);
            // RFR-001 and RFR-002: both are new.
            assert!(seen.insert(tokens.access.clone()) && seen.insert(tokens.refresh.clone()), "{answer:?}");
            let now = scene.assert_active(&tokens.access).await;
            // RFR-022
            for name in ["sub", "client_id", "sid", "aud", "scope", "iss", "username"] {
                assert_eq!(now[name], before[name], "{name}");
                assert!(now[name].is_string() || name == "aud", "{now}");
            }
            assert_eq!((&now["sub"], &now["client_id"]), (&json!(scene.alice), &json!(client.id)));
            // RFR-028
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(answer.header("pragma"), Some("no-cache"));
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert_eq!(answer.json["token_type"].as_str().map(str::to_ascii_lowercase).as_deref(), Some("bearer"));
            assert_eq!(answer.json["expires_in"], json!(900), "{answer:?}");
            assert_eq!(answer.json["scope"], before["scope"]);
        }
    }
});

on_both_stores!(rfr_003_to_rfr_006_reusing_a_token_ends_the_session_once_its_successor_was_used, async |backend| {
    let scene = Scene::start_with(backend, Setup::default().with_manual_clock()).await;
    for client in scene.owners() {
        let bystander = scene.login(client).await;
        let first = scene.login(client).await;
        let second = scene.refresh(client, &first.refresh).await;
        let third = scene.refresh(client, &second.refresh).await;
        // RFR-003; RFR-006 for the confidential ones.
        refused(&scene.app.refresh(client, &first.refresh).await);
        // RFR-004 and RFR-005
        scene.assert_dead(client, &third).await;
        for tokens in [&first, &second] {
            scene.assert_dead(client, tokens).await;
        }
        scene.refresh(client, &bystander.refresh).await;
    }
});

on_both_stores!(rfr_003_to_rfr_006_reusing_a_token_ends_the_session_after_the_retry_window, async |backend| {
    let scene = Scene::start_with(backend, Setup::default().with_manual_clock()).await;
    for (client, window) in [(&scene.main, 30), (&scene.opaque, 30), (&scene.public, 10)] {
        let first = scene.login(client).await;
        let second = scene.refresh(client, &first.refresh).await;
        scene.app.advance(window - 1);
        let repeat = scene.refresh(client, &first.refresh).await;
        assert_eq!(repeat.refresh, second.refresh, "within the window it is a retry");
        assert_ne!(repeat.access, second.access);
        scene.app.advance(1);
        refused(&scene.app.refresh(client, &first.refresh).await);
        scene.assert_dead(client, &second).await;
        scene.assert_dead(client, &repeat).await;
    }
});

on_both_stores!(rfr_003_without_a_retry_window_the_first_repeat_is_reuse, async |backend| {
    let scene = Scene::start(backend).await;
    let strict = scene.app.client("strict", every_grant(json!({"retry_window": 0}))).await;
    let first = scene.login(&strict).await;
    let second = scene.refresh(&strict, &first.refresh).await;
    refused(&scene.app.refresh(&strict, &first.refresh).await);
    scene.assert_dead(&strict, &second).await;
});

on_both_stores!(
    rfr_007_to_rfr_011_only_its_own_client_can_use_a_refresh_token_and_nobody_else_hurts_it,
    async |backend| {
        let scene = Scene::start(backend).await;
        let app = &scene.app;
        let stranger = app.public_client("stranger").await;
        for owner in scene.owners() {
            let tokens = scene.login(owner).await;
            // RFR-007
            refused(&app.refresh(&scene.other, &tokens.refresh).await);
            // RFR-011, and a public client with the token of a confidential one.
            refused(&app.refresh(&stranger, &tokens.refresh).await);
            let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
            let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
            app.raw("/auth/token", &[FORM], body).await.assert_error(401, "invalid_client");
            if owner.secret.is_some() {
                // RFR-009
                app.refresh(&owner.without_secret(), &tokens.refresh).await.assert_error(401, "invalid_client");
                // RFR-010
                app.refresh(&owner.with_secret("wrong"), &tokens.refresh).await.assert_error(401, "invalid_client");
            }
            // RFR-008
            let next = scene.refresh(owner, &tokens.refresh).await;
            refused(&app.refresh(&scene.other, &tokens.refresh).await);
            scene.assert_active(&next.access).await;
            scene.refresh(owner, &next.refresh).await;
        }
    }
);

on_both_stores!(rfr_012_to_rfr_014_narrowing_does_not_narrow_the_new_refresh_token, async |backend| {
    let scene = Scene::start(backend).await;
    for client in scene.owners() {
        let tokens = scene.login_with(client, &[("scope", "read write")]).await;
        // RFR-012
        let same = scene.app.refresh(client, &tokens.refresh).await;
        assert_eq!(same.json["scope"], json!("read write"));
        assert_eq!(scene.assert_active(&same.text("access_token")).await["scope"], json!("read write"));
        // RFR-013
        let narrow = scene.refresh_with(client, &same.text("refresh_token"), &[("scope", "read")]).await;
        assert_eq!(narrow.assert_ok().json["scope"], json!("read"));
        assert_eq!(scene.assert_active(&narrow.text("access_token")).await["scope"], json!("read"));
        // RFR-014
        let full = scene.app.refresh(client, &narrow.text("refresh_token")).await;
        assert_eq!(full.json["scope"], json!("read write"), "{full:?}");
        assert_eq!(scene.assert_active(&full.text("access_token")).await["scope"], json!("read write"));
    }
});

on_both_stores!(rfr_015_and_rfr_016_asking_for_more_is_refused_and_spends_nothing, async |backend| {
    let scene = Scene::start_with(backend, Setup::default().with_manual_clock()).await;
    for client in scene.owners() {
        let tokens = scene.login_with(client, &[("scope", "read")]).await;
        for scope in ["read write", "write", "admin", "read  write", "\"", "jeton:admin"] {
            let answer = scene.refresh_with(client, &tokens.refresh, &[("scope", scope)]).await;
            answer.assert_error(400, "invalid_scope");
        }
        let next = scene.app.refresh(client, &tokens.refresh).await;
        assert_eq!(next.assert_ok().json["scope"], json!("read"));
        // Nor does a retry get more than the session has.
        let retry = scene.refresh_with(client, &tokens.refresh, &[("scope", "read write")]).await;
        retry.assert_error(400, "invalid_scope");
        scene.refresh(client, &next.text("refresh_token")).await;
    }
});

on_both_stores!(rfr_017_a_damaged_or_unknown_refresh_token_is_refused_and_does_no_harm, async |backend| {
    let scene = Scene::start(backend).await;
    let main = &scene.main;
    let good = scene.login(main).await.refresh;
    let swapped = good.chars().map(|letter| match letter {
        'a'..='z' => letter.to_ascii_uppercase(),
        _ => letter.to_ascii_lowercase(),
    });
    let mut damaged = vec![
        "random".to_owned(),
        "jrt_live_AAAA".to_owned(),
        "jrt_live_".to_owned(),
        good.replacen("jrt_", "jat_", 1),
        good.replacen("_live_", "_test_", 1),
        swapped.collect(),
        format!("{good}x"),
        format!("{good}="),
        format!(" {good}"),
        format!("{good}\n"),
        good[..good.len() - 1].to_owned(),
        format!("{good}{good}"),
        "\u{1f4a9}".to_owned(),
        "\0".to_owned(),
        "x".repeat(50_000),
    ];
    for at in "jrt_live_".len()..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        damaged.push(String::from_utf8(bytes).unwrap());
    }
    for token in damaged {
        assert_ne!(token, good);
        let answer = scene.app.refresh(main, &token).await;
        assert_eq!((answer.status.as_u16(), &answer.json["error"]), (400, &json!("invalid_grant")), "{token:.100}");
        refused(&answer);
    }
    let huge = scene.app.refresh(main, &"x".repeat(100_000)).await;
    assert!(matches!(huge.status.as_u16(), 400 | 413), "{huge:?}");
    scene.refresh(main, &good).await;
});

on_both_stores!(rfr_018_to_rfr_021_a_missing_revoked_or_access_token_is_refused_as_refresh_token, async |backend| {
    let scene = Scene::start(backend).await;
    for client in scene.owners() {
        let tokens = scene.login(client).await;
        // RFR-018
        scene.app.token(client, &[("grant_type", "refresh_token")]).await.assert_error(400, "invalid_request");
        scene.app.refresh(client, "").await.assert_error(400, "invalid_request");
        // RFR-019
        refused(&scene.app.refresh(client, &tokens.access).await);
        // RFR-020
        assert_refused(&with_bearer(&scene.app, &tokens.refresh).await);
        // RFR-021
        let next = scene.refresh(client, &tokens.refresh).await;
        scene.app.revoke(client, &next.refresh).await.assert_ok();
        scene.assert_dead(client, &next).await;
    }
});

on_both_stores!(rfr_024_parallel_refreshes_give_one_successor, async |backend| {
    let scene = Scene::start(backend).await;
    let strict = scene.app.client("strict", every_grant(json!({"retry_window": 0}))).await;
    for (client, count, good) in [(&scene.main, 3, 3), (&scene.main, 5, 4), (&strict, 5, 1)] {
        let first = scene.login(client).await.refresh;
        let answers = at_once(&scene.app, client, &first, count).await;
        let mut successors = BTreeSet::new();
        for answer in &answers {
            if answer.status.as_u16() == 200 {
                successors.insert(answer.text("refresh_token"));
            } else {
                refused(answer);
            }
        }
        let granted = answers.iter().filter(|answer| answer.status.as_u16() == 200).count();
        assert!((1..=good).contains(&granted), "{granted} of {count}");
        assert_eq!(successors.len(), 1, "{answers:?}");
        let successor = successors.first().unwrap();
        let after = scene.app.refresh(client, successor).await;
        // Repeats that lost answers explain are all accepted; more are reuse and end the session.
        assert!(granted == count || count > good, "{granted} of {count}");
        assert_eq!(after.status.as_u16() == 200, granted == count, "{after:?}");
    }
});

on_both_stores!(rfr_025_a_client_without_the_grant_is_told_so, async |backend| {
    let scene = Scene::start(backend).await;
    let cc = scene.app.client("cc", json!({"grant_types": ["client_credentials"], "scope": "read"})).await;
    let tokens = scene.login(&scene.main).await;
    for token in [tokens.refresh.as_str(), "random"] {
        scene.app.refresh(&cc, token).await.assert_error(400, "unauthorized_client");
    }
    scene.refresh(&scene.main, &tokens.refresh).await;
});

on_both_stores!(rfr_027_another_client_cannot_tell_why_a_refresh_token_is_refused, async |backend| {
    let scene = Scene::start_with(backend, Setup::default().with_manual_clock()).await;
    let (app, main, other) = (&scene.app, &scene.main, &scene.other);
    let short = app.client("short", every_grant(json!({"refresh_token_ttl": 5}))).await;
    let expired = scene.login(&short).await.refresh;
    app.advance(10);
    let alive = scene.login(main).await.refresh;
    let revoked = scene.login(main).await.refresh;
    app.revoke(main, &revoked).await.assert_ok();
    let reused = scene.login(main).await.refresh;
    let successor = scene.refresh(main, &reused).await.refresh;
    scene.refresh(main, &successor).await;
    refused(&app.refresh(main, &reused).await);
    let of_deleted = scene.login(&app.main_client("gone").await).await.refresh;
    let damaged = format!("{}AAAA", &alive[..alive.len() - 4]);
    app.admin(reqwest::Method::DELETE, "/admin/v1/clients/gone", None).await;
    let mut bodies = BTreeSet::new();
    for token in ["random", &damaged, &alive, &expired, &revoked, &reused, &successor, &of_deleted] {
        let answer = app.refresh(other, token).await;
        refused(&answer);
        bodies.insert(answer.body);
    }
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    // The session's own client learns which, from the description (RFC 6749 §5.2): it may know that much.
    let description = async |client, token: &str| app.refresh(client, token).await.text("error_description");
    let told =
        [description(main, &revoked).await, description(main, &reused).await, description(&short, &expired).await];
    assert_eq!(BTreeSet::from(told).len(), 3);
});
