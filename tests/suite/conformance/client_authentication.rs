//! §3 CAU: client authentication.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::answers::{assert_alike, assert_one_of};
use crate::support::scene::{ALICE, Scene};
use crate::support::{Answer, FORM, TestClient, on_both_stores};

/// The possible answers to a client that failed to authenticate.
const REFUSALS: [(u16, &str); 3] = [(401, "invalid_client"), (400, "invalid_client"), (400, "invalid_request")];

/// `Basic` with these bytes, not form-encoded.
fn raw_basic(pair: impl AsRef<[u8]>) -> String {
    format!("Basic {}", STANDARD.encode(pair))
}

/// `T(client_credentials)` with the id and the secret in the body.
async fn in_body(scene: &Scene, client_id: &str, secret: &str) -> Answer {
    let client = TestClient { id: client_id.to_owned(), secret: Some(secret.to_owned()), in_body: true };
    scene.client_credentials(&client, &[]).await
}

on_both_stores!(cau_001_to_cau_004_basic_works_and_a_wrong_secret_is_like_an_unknown_client, async |backend| {
    let scene = Scene::start(backend).await;
    scene.client_credentials(&scene.main, &[]).await.assert_ok();
    let wrong = scene.client_credentials(&scene.main.with_secret("wrong"), &[]).await;
    wrong.assert_error(401, "invalid_client"); // CAU-002
    let challenge = wrong.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("Basic "), "{challenge}");
    let (_, realm) = challenge.split_once("realm=\"").expect("CAU-004: a realm");
    assert!(realm.contains('"') && !realm.contains("realm"), "CAU-004: {challenge}");
    assert_eq!(wrong.headers.get_all("www-authenticate").iter().count(), 1);
    let nobody = TestClient { id: "nobody".into(), ..scene.main.with_secret("wrong") };
    assert_alike(&wrong, &scene.client_credentials(&nobody, &[]).await); // CAU-003
    assert_alike(&in_body(&scene, "main", "wrong").await, &in_body(&scene, "nobody", "wrong").await);
});

on_both_stores!(cau_005_and_cau_006_the_secret_may_come_in_the_body, async |backend| {
    let scene = Scene::start(backend).await;
    let post = scene.post_client(None).await;
    scene.client_credentials(&post, &[]).await.assert_ok();
    let wrong = scene.client_credentials(&post.with_secret("wrong"), &[]).await;
    assert_one_of(&wrong, &REFUSALS[..2]); // CAU-006: and a challenge with a 401
});

on_both_stores!(cau_007_no_authentication_is_invalid_client, async |backend| {
    let scene = Scene::start(backend).await;
    let answer = scene.app.raw("/auth/token", &[FORM], "grant_type=client_credentials").await;
    assert_one_of(&answer, &REFUSALS[..2]);
});

on_both_stores!(cau_008_a_confidential_client_that_sends_only_its_id_is_refused, async |backend| {
    let scene = Scene::start(backend).await;
    let bare = scene.main.without_secret();
    assert_one_of(&scene.password(&bare, ALICE, &[]).await, &REFUSALS[..2]);
    let refresh_token = scene.password(&scene.main, ALICE, &[]).await.text("refresh_token");
    assert_one_of(&scene.app.refresh(&bare, &refresh_token).await, &REFUSALS[..2]);
    assert_one_of(&scene.client_credentials(&bare, &[]).await, &REFUSALS[..2]);
    scene.app.refresh(&scene.main, &refresh_token).await.assert_ok();
});

on_both_stores!(cau_009_to_cau_011_a_client_says_who_it_is_in_one_way, async |backend| {
    let scene = Scene::start(backend).await;
    let other = &scene.other;
    let secret = scene.main.secret.clone().unwrap();
    let both = scene.client_credentials(&scene.main, &[("client_id", "main"), ("client_secret", &secret)]).await;
    both.assert_error(400, "invalid_request");
    scene.client_credentials(&scene.main, &[("client_secret", &secret)]).await.assert_error(400, "invalid_request");
    scene.client_credentials(&scene.main, &[("client_id", "main")]).await.assert_ok(); // CAU-010
    let mixed = scene.client_credentials(&scene.main, &[("client_id", &other.id)]).await; // CAU-011
    assert_one_of(&mixed, &[(400, "invalid_request"), (400, "invalid_client"), (401, "invalid_client")]);
    assert_one_of(&scene.client_credentials(&scene.main, &[("client_id", "nobody")]).await, &REFUSALS);
});

on_both_stores!(cau_012_and_cau_013_both_halves_of_basic_are_form_decoded, async |backend| {
    let scene = Scene::start(backend).await;
    let weird = scene.weird_client().await;
    let secret = weird.secret.clone().unwrap();
    scene.client_credentials(&weird, &[]).await.assert_ok();
    // The other encoding of a space, and another equivalent one.
    let percent = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let header = raw_basic(format!("{}:{}", percent(&weird.id), percent(&secret)));
    scene.with_authorization(&[&header]).await.assert_ok();
    // CAU-013
    let raw = scene.with_authorization(&[&raw_basic(format!("{}:{secret}", weird.id))]).await;
    raw.assert_error(401, "invalid_client");
    let half = raw_basic(format!("{}:{secret}", percent(&weird.id)));
    scene.with_authorization(&[&half]).await.assert_error(401, "invalid_client");
});

on_both_stores!(cau_014_a_secret_in_the_body_is_decoded_once, async |backend| {
    let scene = Scene::start(backend).await;
    let post = scene.post_client(Some("a%41b+c%2Bd e")).await;
    scene.client_credentials(&post, &[]).await.assert_ok();
    for secret in ["aAb+c%2Bd e", "aAb c+d e", "a%41b+c+d e", "a%41b c%2Bd e", "a%2541b%2Bc%252Bd+e"] {
        assert_one_of(&scene.client_credentials(&post.with_secret(secret), &[]).await, &REFUSALS[..2]);
    }
});

on_both_stores!(cau_015_the_name_of_the_scheme_is_case_insensitive, async |backend| {
    let scene = Scene::start(backend).await;
    let basic = scene.main.basic();
    for scheme in ["basic", "BASIC", "bAsIc"] {
        scene.with_authorization(&[&format!("{scheme}{}", &basic[5..])]).await.assert_ok();
    }
});

on_both_stores!(cau_016_to_cau_018_headers_that_identify_nobody_are_refused, async |backend| {
    let scene = Scene::start(backend).await;
    let encoded = scene.main.basic()[6..].to_owned();
    for value in [
        "Basic !!!".to_owned(),
        "Basic bWFpbg==".into(), // no colon
        "Basic //79".into(),     // not UTF-8
        "Basic AAA6AAA=".into(), // NUL
        "Basic".into(),
        "Basic ".into(),
        "".into(),
        raw_basic("main:%00"),
        raw_basic("%ff:x"),
        raw_basic(":"),
        raw_basic(":x"),
        // CAU-018
        "Digest username=\"main\"".into(),
        "Bearer x".into(),
        format!("Bearer {encoded}"),
        format!("Basic,{encoded}"),
        encoded.clone(),
        format!("Digest x, Basic {encoded}"),
    ] {
        assert_one_of(&scene.with_authorization(&[&value]).await, &REFUSALS);
        // No other identity is assumed.
        let secret = scene.main.secret.as_deref().unwrap();
        let body = format!("grant_type=client_credentials&client_id=main&client_secret={secret}");
        assert_one_of(&scene.app.raw("/auth/token", &[FORM, ("Authorization", &value)], body).await, &REFUSALS);
    }
    // CAU-017: an empty secret
    for header in [raw_basic("main:"), raw_basic("main:%20")] {
        scene.with_authorization(&[&header]).await.assert_error(401, "invalid_client");
    }
    assert_one_of(&in_body(&scene, "main", "").await, &REFUSALS[..2]);
});

on_both_stores!(cau_019_and_cau_020_a_public_client_has_no_client_credentials_and_no_secret, async |backend| {
    let scene = Scene::start(backend).await;
    let answer = scene.client_credentials(&scene.public, &[]).await;
    assert_one_of(&answer, &[(400, "unauthorized_client"), (400, "invalid_client"), (401, "invalid_client")]);
    // CAU-020, in the body and in the header
    for with_secret in [TestClient { in_body: true, ..scene.public.with_secret("x") }, scene.public.with_secret("x")] {
        assert_one_of(&scene.password(&with_secret, ALICE, &[]).await, &REFUSALS[..2]);
    }
    scene.password(&scene.public, ALICE, &[]).await.assert_ok();
});

on_both_stores!(cau_021_secrets_are_compared_whole, async |backend| {
    let scene = Scene::start(backend).await;
    // Longer than the 72 bytes that bcrypt reads.
    let chosen = scene.post_client(Some(&"aB3-".repeat(30))).await;
    for client in [&scene.main, &chosen] {
        let secret = client.secret.clone().unwrap();
        scene.client_credentials(client, &[]).await.assert_ok();
        for other in [
            format!("{secret}x"),
            format!("{secret} "),
            format!(" {secret}"),
            format!("{secret}\0"),
            format!("{secret}\0x"),
            secret[..secret.len() - 1].to_owned(),
            secret[..secret.len().min(72)].to_owned(),
            secret.to_uppercase(),
            secret.to_lowercase(),
        ] {
            if other == secret {
                continue; // a short secret's first 72 bytes
            }
            let answer = scene.client_credentials(&client.with_secret(&other), &[]).await;
            assert_one_of(&answer, &REFUSALS[..2]);
        }
    }
});

on_both_stores!(cau_022_a_client_id_is_compared_exactly, async |backend| {
    let scene = Scene::start(backend).await;
    let secret = scene.main.secret.clone().unwrap();
    for id in ["MAIN", "Main", "main ", " main", "mai", "main\0", "main%"] {
        let client = TestClient { id: id.to_owned(), ..scene.main.clone() };
        assert_one_of(&scene.client_credentials(&client, &[]).await, &REFUSALS[..2]);
        assert_one_of(&in_body(&scene, id, &secret).await, &REFUSALS[..2]);
    }
});

on_both_stores!(cau_023_the_same_rules_hold_at_revocation_and_introspection, async |backend| {
    let scene = Scene::start(backend).await;
    let token = scene.client_credentials(&scene.main, &[]).await.text("access_token");
    let wrong = scene.main.with_secret("wrong");
    let secret = scene.main.secret.clone().unwrap();
    for path in ["/auth/revoke", "/auth/introspect"] {
        let send = async |client: &TestClient, more: &[(&str, &str)]| {
            scene.app.form(client, path, &[&[("token", token.as_str())], more].concat()).await
        };
        let refused = send(&wrong, &[]).await;
        refused.assert_error(401, "invalid_client");
        assert!(refused.header("www-authenticate").unwrap().starts_with("Basic realm=\""), "{refused:?}");
        send(&scene.main, &[("client_secret", &secret)]).await.assert_error(400, "invalid_request");
        assert_one_of(&send(&scene.main, &[("client_id", "nobody")]).await, &REFUSALS);
        assert_one_of(&send(&scene.main.without_secret(), &[]).await, &REFUSALS[..2]);
        assert_one_of(&scene.app.raw(path, &[FORM], format!("token={token}")).await, &REFUSALS);
        send(&TestClient { in_body: true, ..wrong.clone() }, &[]).await.assert_error(401, "invalid_client");
    }
    scene.app.introspect(&scene.main, &token).await.assert_active();
    scene.app.revoke(&TestClient { in_body: true, ..scene.main.clone() }, &token).await.assert_ok();
    scene.app.introspect(&scene.main, &token).await.assert_inactive();
});

on_both_stores!(cau_024_a_repeated_secret_or_two_ids_are_refused, async |backend| {
    let scene = Scene::start(backend).await;
    let secret = scene.main.secret.clone().unwrap();
    let accepted = [(400, "invalid_request"), (400, "invalid_client"), (401, "invalid_client")];
    for credentials in [
        format!("client_id=main&client_secret={secret}&client_secret={secret}"),
        format!("client_id=main&client_secret={secret}&client_secret=x"),
        format!("client_id=main&client_secret=x&client_secret={secret}"),
        format!("client_id=main&client_id=other&client_secret={secret}"),
        format!("client_id=other&client_id=main&client_secret={secret}"),
    ] {
        let body = format!("grant_type=client_credentials&{credentials}");
        assert_one_of(&scene.app.raw("/auth/token", &[FORM], body).await, &accepted);
    }
    assert_one_of(
        &scene.client_credentials(&scene.main, &[("client_id", "main"), ("client_id", "other")]).await,
        &accepted,
    );
});
