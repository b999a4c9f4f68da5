//! Tokens of the wrong kind: refresh tokens, ID tokens, client secrets, codes, registration access tokens.

use jeton::tokens::code::{Code, CodeKind};
use jeton::tokens::environment::Environment;
use serde_json::{Value, json};

use super::ask::{Case, Sheet, causes, examine, without};
use super::stage::{FOREIGN, Form, Jwt, Opaque, STAGING, Stage, elsewhere};
use crate::conformance::jose::{OWN_KEYS, sign};
use crate::support::on_both_stores;
use crate::support::scene::Tokens;

const REFRESH: &str = "refresh_token_as_access_token";

/// What happened to the refresh token, and the further causes. It is active only in the first row.
const REFRESH_TOKENS: [(&str, &[&str]); 6] = [
    ("nothing", &[]),
    ("its successor was used", &["superseded"]),
    ("it was revoked", &["session_revoked"]),
    ("it was used again", &["refresh_reuse_detected"]),
    ("its last character was changed", &["bad_signature"]),
    ("its session never was", &["never_issued"]),
];

async fn refresh_token(stage: &Stage, form: Form, deed: &str) -> String {
    let owner = stage.owner(form);
    let tokens = stage.login(owner).await;
    match deed {
        "nothing" => {}
        "its successor was used" => {
            let second = stage.refresh(owner, &tokens.refresh).await;
            stage.refresh(owner, &second.refresh).await;
        }
        "it was revoked" => _ = stage.app.revoke(owner, &tokens.refresh).await.assert_ok(),
        "it was used again" => {
            let second = stage.refresh(owner, &tokens.refresh).await;
            stage.refresh(owner, &second.refresh).await;
            stage.app.refresh(owner, &tokens.refresh).await.assert_error(400, "invalid_grant");
        }
        "its last character was changed" => {
            let (rest, last) = tokens.refresh.split_at(tokens.refresh.len() - 1);
            return format!("{rest}{}", if last == "A" { "B" } else { "A" });
        }
        "its session never was" => {
            // Only the server's key can make such a token; a restored database leaves some behind.
            let keys = stage.app.server.app.issuer.keys();
            let key = keys.ring.active_token_key(stage.app.clock.now()).unwrap();
            let session = uuid::Uuid::now_v7();
            let environment = stage.app.server.app.issuer.environment();
            return jeton::tokens::refresh::RefreshToken::first(session).write(environment, key);
        }
        _ => unreachable!("{deed}"),
    }
    tokens.refresh
}

on_both_stores!(a_refresh_token_is_named_as_one_whatever_its_state, async |backend| {
    let stage = Stage::start(backend).await;
    for form in [Jwt, Opaque] {
        for (deed, also) in REFRESH_TOKENS {
            let token = refresh_token(&stage, form, deed).await;
            let mut case = Case::new(format!("a refresh token ({form:?}): {deed}"), token, REFRESH).also(also);
            if deed == "nothing" {
                case = case.active_refresh_token();
            }
            let answer = examine(&stage, &case).await;
            assert!(deed != "nothing" || causes(&answer) == [REFRESH], "{answer:?}");
        }
    }
});

on_both_stores!(a_refresh_token_of_another_environment_is_a_refresh_token_first, async |backend| {
    let mut sheet = Sheet::default();
    let stage = Stage::start(backend).await;
    for (issuer, environment, also) in [(STAGING, "staging", "wrong_environment"), (FOREIGN, "other", "foreign_token")]
    {
        let (app, [main, _]) = elsewhere(backend, issuer, environment).await;
        let token = Tokens::of(&app.login(&main, "alice", "wonderland").await).refresh;
        sheet.case(&stage, &Case::new(environment, token, REFRESH).also(&[also])).await;
    }
    sheet.close();
});

/// An ID token (OpenID Connect Core §2) of an issuer for the client `main`.
fn id_token(issuer: &str, kid: &str, more: Value) -> String {
    let mut claims = json!({
        "iss": issuer, "sub": "248289761001", "aud": "main", "azp": "main", "nonce": "n-0S6_WzA2Mj",
        "iat": 1_800_000_000, "exp": 4_000_000_000_i64, "auth_time": 1_800_000_000, "at_hash": "77QmUPtjPfzWtF2AnpK9RQ",
    });
    claims.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    let (algorithm, key) = &OWN_KEYS[0];
    sign(key, &json!({"alg": algorithm.name(), "typ": "JWT", "kid": kid}), &claims)
}

on_both_stores!(an_id_token_is_named_as_one_whoever_issued_it, async |backend| {
    let mut sheet = Sheet::default();
    let stage = Stage::start(backend).await;
    let ours = stage.app.issuer().to_owned();
    let our_kid = crate::support::jwt_part(&stage.good(Jwt).await, 0)["kid"].as_str().unwrap().to_owned();
    let profile =
        json!({"email": "alice@example.com", "email_verified": true, "name": "Alice", "picture": "https://a.test/"});
    for (name, token, also) in [
        ("of this issuer", id_token(&ours, "other", json!({})), &[][..]),
        ("of this issuer, with its key id", id_token(&ours, &our_kid, json!({})), &[]),
        ("of a sibling environment", id_token(STAGING, "other", json!({})), &["wrong_environment"]),
        ("of somebody else", id_token("https://accounts.google.com", "other", profile), &["foreign_token"]),
    ] {
        sheet
            .case(&stage, &Case::new(format!("an ID token {name}"), token, "id_token_as_access_token").also(also))
            .await;
    }
    sheet.close();
});

on_both_stores!(a_code_is_named_as_one_and_its_session_is_told_to_who_may_know, async |backend| {
    let mut sheet = Sheet::default();
    let stage = Stage::start(backend).await;
    let environment = |name: &str| name.parse::<Environment>().unwrap();
    let keys = stage.app.server.app.issuer.keys();
    let key = keys.ring.active_token_key(stage.app.clock.now()).unwrap();
    let session = uuid::Uuid::now_v7();
    let (code, device) = (Code::new(CodeKind::Authorization, session), Code::new(CodeKind::Device, session));
    let cause = "code_as_token";
    for (name, text) in
        [("authorization", code.write(&environment("live"), key)), ("device", device.write(&environment("live"), key))]
    {
        sheet.case(&stage, &Case::new(format!("the {name} code"), text.clone(), cause)).await;
        let told = stage.explain(&stage.rs, &text).await;
        let fact = json!({"fact": "session", "value": session.to_string(), "verified": true});
        assert!(told.json["evidence"].as_array().unwrap().contains(&fact), "{told:?}");
        let limited = stage.explain(&stage.other, &text).await;
        assert!(!limited.body.contains(&session.to_string()), "{limited:?}");
        let (rest, last) = text.split_at(text.len() - 1);
        let changed = format!("{rest}{}", if last == "A" { "B" } else { "A" });
        let case = Case::new(format!("a changed {name} code"), changed.clone(), cause).also(&["bad_signature"]);
        sheet.case(&stage, &case).await;
        let of_changed = stage.explain(&stage.other, &changed).await;
        let unlike = ["request_id"];
        assert_eq!(without(&limited.json, &unlike), without(&of_changed.json, &unlike), "only who may know is told");
    }
    for (name, also) in [("staging", "wrong_environment"), ("other", "foreign_token")] {
        let text = code.write(&environment(name), key);
        sheet.case(&stage, &Case::new(format!("a code of {name}"), text, cause).also(&[also])).await;
    }
    sheet.close();
});

on_both_stores!(a_registration_access_token_is_named_as_one, async |backend| {
    let mut sheet = Sheet::default();
    let stage = Stage::start(backend).await;
    let token = stage.app.server.app.issuer.environment().generate_registration_token();
    sheet.case(&stage, &Case::new("a registration access token", token, "registration_token_as_token")).await;
    sheet.close();
});

on_both_stores!(a_client_secret_is_named_with_its_environment, async |backend| {
    let mut sheet = Sheet::default();
    let stage = Stage::start(backend).await;
    let cause = "client_secret_as_token";
    for client in [&stage.main, &stage.other, &stage.rs] {
        let secret = client.secret.clone().unwrap();
        sheet.case(&stage, &Case::new("a client secret", secret, cause)).await;
    }
    for (issuer, environment, also) in [(STAGING, "staging", "wrong_environment"), (FOREIGN, "other", "foreign_token")]
    {
        let (_app, [main, _]) = elsewhere(backend, issuer, environment).await;
        let secret = main.secret.unwrap();
        sheet.case(&stage, &Case::new(format!("a client secret of {environment}"), secret, cause).also(&[also])).await;
    }
    sheet.close();
});
