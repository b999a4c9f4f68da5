//! §6 SCP: scope.

use std::time::Duration;

use super::answers::{assert_one_of, scope_tokens};
use crate::support::scene::{ALICE, CLIENT_CREDENTIALS, Scene};
use crate::support::{Answer, jwt_part, on_both_stores};

/// Refused, or granted without anything that is not `read` or `write`, and the answer says so.
#[track_caller]
fn assert_nothing_else_granted(asked: &str, answer: &Answer) {
    if answer.status != 200 {
        return assert_one_of(answer, &[(400, "invalid_scope"), (400, "invalid_request")]);
    }
    let granted = scope_tokens(&answer.json["scope"]);
    assert!(granted.iter().all(|token| ["read", "write"].contains(&token.as_str())), "{asked:?}: {answer:?}");
    assert_eq!(scope_tokens(&jwt_part(&answer.text("access_token"), 1)["scope"]), granted, "{asked:?}");
}

on_both_stores!(scp_001_and_scp_002_the_answer_names_the_granted_scope, async |backend| {
    let scene = Scene::start(backend).await;
    assert_nothing_else_granted(
        "read unknown",
        &scene.client_credentials(&scene.main, &[("scope", "read unknown")]).await,
    );
    // SCP-002: the answer names the default.
    let answer = scene.client_credentials(&scene.main, &[]).await;
    assert_eq!(scope_tokens(&answer.assert_ok().json["scope"]), ["read", "write"]);
    let answer = scene.password(&scene.main, ALICE, &[]).await;
    assert_eq!(scope_tokens(&answer.assert_ok().json["scope"]), ["read", "write"]);
});

on_both_stores!(scp_003_characters_outside_the_grammar_are_invalid_scope, async |backend| {
    let scene = Scene::start(backend).await;
    for scope in ["re\"ad", "re\\ad", "réad", "read\twrite", "read\n", "read\0", "\0", "read\u{7f}", "read\u{a0}write"]
    {
        let answer = scene.client_credentials(&scene.main, &[("scope", scope)]).await;
        assert_one_of(&answer, &[(400, "invalid_scope"), (400, "invalid_request")]);
    }
});

on_both_stores!(scp_004_to_scp_006_and_scp_010_scope_tokens_are_compared_exactly, async |backend| {
    let scene = Scene::start(backend).await;
    for scope in [
        "READ", // SCP-004
        "Read",
        "rea",
        "readx",
        "read,write", // SCP-006
        "read+write",
        "read;write",
        "__proto__", // SCP-010
        "constructor",
        "*",
        "%",
        "read*",
        "%72ead",
        "'",
    ] {
        let answer = scene.client_credentials(&scene.main, &[("scope", scope)]).await;
        assert_nothing_else_granted(scope, &answer);
        let granted = answer.json["scope"].as_str().unwrap_or_default().to_owned();
        assert!(answer.status != 200 || scope != "READ" || granted != "read", "SCP-004: {answer:?}");
    }
    for scope in ["read write", "write read", "write read read", "read read write write"] {
        let answer = scene.client_credentials(&scene.main, &[("scope", scope)]).await; // SCP-005
        assert_eq!(scope_tokens(&answer.assert_ok().json["scope"]), ["read", "write"], "{scope}");
        let token = jwt_part(&answer.text("access_token"), 1);
        assert_eq!(scope_tokens(&token["scope"]), ["read", "write"], "{scope}");
    }
});

on_both_stores!(scp_007_extra_spaces_never_grant_nothing_or_more, async |backend| {
    let scene = Scene::start(backend).await;
    for scope in [" read", "read ", "read  write", " ", "   "] {
        let answer = scene.client_credentials(&scene.main, &[("scope", scope)]).await;
        assert_nothing_else_granted(scope, &answer);
    }
});

on_both_stores!(scp_008_and_scp_009_every_answer_says_the_same_scope_in_one_text, async |backend| {
    let scene = Scene::start(backend).await;
    for client in [&scene.main, &scene.opaque] {
        for scope in ["read", "write read", ""] {
            let asked = [("scope", scope)];
            let login = scene.password(client, ALICE, &asked).await;
            let refreshed = scene.app.refresh(client, &login.text("refresh_token")).await;
            let own = scene.app.token(client, &[CLIENT_CREDENTIALS, asked[0]]).await;
            let expected = if scope == "read" { vec!["read"] } else { vec!["read", "write"] };
            for answer in [login, refreshed, own] {
                let token = answer.assert_ok().text("access_token");
                // It panics if the scope is not a string.
                assert_eq!(scope_tokens(&answer.json["scope"]), expected);
                let introspected = scene.app.introspect(client, &token).await;
                assert_eq!(scope_tokens(&introspected.assert_active().json["scope"]), expected);
                if client.id == "main" {
                    assert_eq!(scope_tokens(&jwt_part(&token, 1)["scope"]), expected);
                }
            }
        }
    }
});

on_both_stores!(scp_011_thousands_of_scope_tokens_are_refused_fast, async |backend| {
    let scene = Scene::start(backend).await;
    let different: Vec<String> = (0..5_000).map(|number| format!("s{number}")).collect();
    for scope in [different.join(" "), "read ".repeat(5_000).trim_end().to_owned()] {
        let asked = [("scope", scope.as_str())];
        let answer = tokio::time::timeout(Duration::from_secs(3), scene.client_credentials(&scene.main, &asked)).await;
        let answer = answer.expect("within 3 s");
        assert!(answer.status == 200 || answer.status.is_client_error(), "{answer:?}");
    }
    scene.assert_still_works().await;
});

on_both_stores!(scp_012_narrowing_grants_exactly_the_subset, async |backend| {
    let scene = Scene::start(backend).await;
    for scope in ["read", "write"] {
        let answer = scene.password(&scene.main, ALICE, &[("scope", scope)]).await;
        assert_eq!(scope_tokens(&jwt_part(&answer.assert_ok().text("access_token"), 1)["scope"]), [scope]);
        // A refresh does not restore what was left out.
        let refreshed = scene.app.refresh(&scene.main, &answer.text("refresh_token")).await;
        assert_eq!(scope_tokens(&jwt_part(&refreshed.assert_ok().text("access_token"), 1)["scope"]), [scope]);
    }
});
