//! §4 PWD: the resource owner password grant.

use std::time::Duration;

use serde_json::json;

use super::answers::{assert_alike, assert_one_of, scope_tokens};
use crate::support::scene::{ALICE, BOB, Scene};
use crate::support::{jwt_part, on_both_stores};

on_both_stores!(pwd_001_to_pwd_003_right_credentials_give_tokens_and_wrong_ones_say_nothing, async |backend| {
    let scene = Scene::start(backend).await;
    let login = scene.password(&scene.main, ALICE, &[]).await;
    assert!(login.assert_ok().json["refresh_token"].is_string(), "{login:?}");
    let members = json!({"grant_types": ["password"], "scope": "read"});
    let without_refresh = scene.app.client("without-refresh", members).await;
    let login = scene.password(&without_refresh, ALICE, &[]).await;
    assert!(login.assert_ok().json.get("refresh_token").is_none(), "{login:?}");
    let wrong = scene.password(&scene.main, (ALICE.0, "wrong"), &[]).await;
    wrong.assert_error(400, "invalid_grant"); // PWD-002
    assert_alike(&wrong, &scene.password(&scene.main, ("nobody", "wrong"), &[]).await); // PWD-003
});

on_both_stores!(pwd_004_and_pwd_005_username_and_password_are_needed_once_each, async |backend| {
    let scene = Scene::start(backend).await;
    let (username, password) = (format!("username={}", ALICE.0), format!("password={}", ALICE.1));
    scene.token_body(format!("grant_type=password&{username}&{password}")).await.assert_ok();
    for body in [
        username.clone(),
        password.clone(),
        format!("{username}&password="),
        format!("username=&{password}"),
        String::new(),
        // PWD-005
        format!("{username}&{password}&password=wrong"),
        format!("{username}&password=wrong&{password}"),
        format!("{username}&username=nobody&{password}"),
        format!("username=nobody&{username}&{password}"),
        format!("{username}&{username}&{password}"),
    ] {
        scene.token_body(format!("grant_type=password&{body}")).await.assert_error(400, "invalid_request");
    }
});

on_both_stores!(pwd_006_form_decoding_is_exact, async |backend| {
    let scene = Scene::start(backend).await;
    scene.app.user(BOB.0, BOB.1).await;
    scene.password(&scene.main, BOB, &[]).await.assert_ok();
    let percent = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let body = |password: &str| format!("grant_type=password&username={}&password={password}", percent(BOB.0));
    scene.token_body(body(&percent(BOB.1))).await.assert_ok();
    // Decoded twice, it is a different password.
    let twice = form_urlencoded::byte_serialize(percent(BOB.1).as_bytes()).collect::<String>();
    scene.token_body(body(&twice)).await.assert_error(400, "invalid_grant");
    scene.token_body(body(&percent(&BOB.1.replace('+', " ")))).await.assert_error(400, "invalid_grant");
});

on_both_stores!(pwd_007_and_pwd_008_passwords_are_compared_whole_and_hold_no_control_characters, async |backend| {
    let scene = Scene::start(backend).await;
    let long = ("lewis", "aB3-".repeat(30));
    scene.app.user(long.0, &long.1).await;
    for (username, password) in [ALICE, (long.0, &long.1)] {
        scene.password(&scene.main, (username, password), &[]).await.assert_ok();
        for other in [
            format!("{password} "),
            format!(" {password}"),
            password.to_uppercase(),
            password.to_lowercase(),
            password[..password.len() - 1].to_owned(),
            password[..password.len().min(72) - 1].to_owned(),
            format!("{password}x"),
            format!("{password}\0"),
            format!("{password}\0rest"),
            format!("{password}\r\n"),
        ] {
            let answer = scene.password(&scene.main, (username, &other), &[]).await;
            assert_one_of(&answer, &[(400, "invalid_grant"), (400, "invalid_request")]);
        }
    }
    for username in ["alice\r\n", "alice\n", "\ralice", "alice\0", "ali\r\nce"] {
        // PWD-008
        let answer = scene.password(&scene.main, (username, ALICE.1), &[]).await;
        assert_one_of(&answer, &[(400, "invalid_request"), (400, "invalid_grant")]);
    }
});

on_both_stores!(pwd_009_injection_strings_are_unknown_users, async |backend| {
    let scene = Scene::start(backend).await;
    for text in [
        "' OR '1'='1",
        "*)(uid=*",
        "admin'--",
        "alice'--",
        "alice' AND '1'='1",
        "${jndi:ldap://127.0.0.1/a}",
        "%",
        "a_ice",
        "al%",
        "$1",
        "alice\"; DELETE FROM users; --",
        "{\"$ne\":null}",
    ] {
        scene.password(&scene.main, (text, ALICE.1), &[]).await.assert_error(400, "invalid_grant");
        scene.password(&scene.main, (ALICE.0, text), &[]).await.assert_error(400, "invalid_grant");
    }
    scene.password(&scene.main, ALICE, &[]).await.assert_ok();
});

on_both_stores!(pwd_010_a_very_long_password_is_answered_fast, async |backend| {
    let scene = Scene::start(backend).await;
    for length in [2_000, 60_000, 100_000] {
        let password = "x".repeat(length);
        let login = scene.password(&scene.main, (ALICE.0, &password), &[]);
        let answer = tokio::time::timeout(Duration::from_secs(3), login).await.expect("within 3 s");
        assert_one_of(&answer, &[(400, "invalid_request"), (400, "invalid_grant"), (413, "invalid_request")]);
    }
});

on_both_stores!(pwd_011_and_pwd_012_the_client_is_judged_before_the_password, async |backend| {
    let scene = Scene::start(backend).await;
    let cc = scene.machine_client().await;
    for (client, status, error) in
        [(&scene.main.with_secret("wrong"), 401, "invalid_client"), (&cc, 400, "unauthorized_client")]
    {
        let right = scene.password(client, ALICE, &[]).await;
        right.assert_error(status, error);
        assert_alike(&right, &scene.password(client, (ALICE.0, "wrong"), &[]).await);
        assert_alike(&right, &scene.password(client, ("nobody", "wrong"), &[]).await);
    }
    // Nor does a forbidden scope reveal anything about the password.
    let beyond = [("scope", "nothing")];
    let right = scene.password(&scene.main, ALICE, &beyond).await;
    assert_alike(&right, &scene.password(&scene.main, (ALICE.0, "wrong"), &beyond).await);
});

on_both_stores!(pwd_013_the_token_names_the_user, async |backend| {
    let scene = Scene::start(backend).await;
    let (alice, bob) = (scene.alice.clone(), scene.app.user(BOB.0, BOB.1).await);
    for (user, id) in [(ALICE, &alice), (ALICE, &alice), (BOB, &bob)] {
        let token = scene.password(&scene.main, user, &[]).await.text("access_token");
        assert_eq!(jwt_part(&token, 1)["sub"], json!(id));
        let introspected = scene.app.introspect(&scene.main, &token).await;
        assert_eq!(introspected.assert_active().json["sub"], json!(id));
        assert_eq!(introspected.json["username"], user.0);
    }
    assert_ne!(alice, bob);
});

on_both_stores!(pwd_014_scope_that_the_client_may_not_have_is_not_granted, async |backend| {
    let scene = Scene::start(backend).await;
    for asked in ["admin", "read admin", "jeton:admin", "read jeton:read"] {
        let answer = scene.password(&scene.main, ALICE, &[("scope", asked)]).await;
        if answer.status == 200 {
            let granted = scope_tokens(&answer.json["scope"]);
            assert!(granted.iter().all(|token| ["read", "write"].contains(&token.as_str())), "{asked}: {answer:?}");
        } else {
            answer.assert_error(400, "invalid_scope");
        }
    }
});
