//! Who may ask, and who learns what.

use serde_json::json;

use super::ask::{Case, assert_told, causes, without};
use super::stage::{ACCESS, Jwt, Opaque, Stage};
use crate::support::scene::{API, FILES};
use crate::support::{Answer, Setup, on_both_stores};

/// Refused, and nothing said about the token.
#[track_caller]
fn assert_nothing_told(answer: &Answer, statuses: &[u16]) {
    assert!(statuses.contains(&answer.status.as_u16()), "{answer:?}");
    for member in ["active", "cause", "all_causes", "evidence", "damage", "expect", "limited", "detail", "fix"] {
        assert!(answer.json.get(member).is_none(), "{member}: {answer:?}");
    }
}

on_both_stores!(without_credentials_a_caller_learns_nothing, async |backend| {
    let stage = Stage::start(backend).await;
    let good = stage.good(Jwt).await;
    let revoked = stage.good(Opaque).await;
    stage.app.revoke(&stage.opaque, &revoked).await.assert_ok();
    let public = stage.login(&stage.public).await.access;
    let texts =
        [&*good, &revoked, &public, "undefined", " x ", "jat_live_AAAA", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"];
    let mut answers: [Vec<Answer>; 5] = Default::default();
    for text in texts {
        let parameters = [("token", text)];
        let asked = [
            stage.explain_as(None, &parameters).await,
            // A public client has no credentials: not even for its own tokens.
            stage.explain(&stage.public, text).await,
            stage.explain(&stage.rs.without_secret(), text).await,
            stage.explain(&stage.rs.with_secret("wrong"), text).await,
            stage.explain_as(Some("Bearer undefined"), &parameters).await,
        ];
        for (kept, answer) in answers.iter_mut().zip(asked) {
            assert_nothing_told(&answer, &[401]);
            kept.push(answer);
        }
    }
    // Nor by what differs between the answers.
    for answers in answers {
        for answer in &answers {
            assert_eq!(without(&answer.json, &["request_id"]), without(&answers[0].json, &["request_id"]));
        }
    }
});

on_both_stores!(only_an_administrators_token_opens_explain, async |backend| {
    let stage = Stage::start(backend).await;
    let good = stage.good(Jwt).await;
    let parameters = [("token", good.as_str())];
    for scope in ["jeton:clients", "jeton:users", "jeton:revoke"] {
        let members = json!({"grant_types": ["client_credentials"], "scope": scope});
        let client = stage.app.client(&scope.replace(':', "-"), members).await;
        let token = stage.app.token(&client, &[("grant_type", "client_credentials")]).await.text("access_token");
        let answer = stage.explain_as(Some(&format!("Bearer {token}")), &parameters).await;
        assert_nothing_told(&answer, &[401, 403]);
    }
    // A token of the client that has the permission is not the client.
    for token in [&good, &stage.login(&stage.opaque).await.access] {
        let answer = stage.explain_as(Some(&format!("Bearer {token}")), &parameters).await;
        assert_nothing_told(&answer, &[401, 403]);
    }
    let admin = stage.admin_token().await;
    stage.explain_as(Some(&format!("Bearer {admin}")), &parameters).await.assert_active();
    // But not when it was revoked.
    stage.admin(reqwest::Method::POST, "revocations", Some(json!({"token": admin}))).await;
    assert_nothing_told(&stage.explain_as(Some(&format!("Bearer {admin}")), &parameters).await, &[401]);
});

on_both_stores!(authenticating_in_two_ways_at_once_is_refused, async |backend| {
    let stage = Stage::start(backend).await;
    let good = stage.good(Jwt).await;
    let secret = stage.rs.secret.clone().unwrap();
    let both = [("token", &*good), ("client_id", "rs"), ("client_secret", &secret)];
    let admin = format!("Bearer {}", stage.admin_token().await);
    for authorization in [stage.rs.basic(), admin] {
        let answer = stage.explain_as(Some(&authorization), &both).await;
        assert_ne!(answer.status.as_u16(), 200, "{:.8} beside a secret in the body: {answer:?}", authorization);
        assert_nothing_told(&answer, &[400, 401]);
    }
});

on_both_stores!(the_permission_to_introspect_is_not_the_one_to_explain, async |backend| {
    let stage = Stage::start(backend).await;
    let introspector = stage.app.client("introspector", json!({"permissions": ["introspect"]})).await;
    let explainer = stage.app.client("explainer", json!({"permissions": ["explain"]})).await;
    for form in ACCESS {
        let token = stage.good(*form).await;
        stage.app.introspect(&introspector, &token).await.assert_active();
        stage.app.introspect(&explainer, &token).await.assert_inactive();
        stage.explain(&explainer, &token).await.assert_active();
        let to_stranger = stage.explain(&introspector, &token).await;
        let as_to_other = stage.explain(&stage.other, &token).await;
        assert_eq!(without(&to_stranger.json, &["request_id"]), without(&as_to_other.json, &["request_id"]));
        assert_eq!(to_stranger.json["limited"], json!(true), "{to_stranger:?}");
    }
});

on_both_stores!(the_permission_may_be_limited_to_audiences, async |backend| {
    let stage = Stage::start(backend).await;
    let members = json!({"permissions": ["introspect", "explain"], "introspect_audiences": [FILES]});
    let limited = stage.app.client("limited", members).await;
    for form in ACCESS {
        for (resource, sees) in [(FILES, true), (API, false)] {
            let owner = stage.owner(*form);
            let token = stage.client_credentials(owner, &[("resource", resource)]).await.text("access_token");
            let answer = stage.explain(&limited, &token).await;
            assert_eq!(answer.assert_ok().json["active"], json!(sees), "{answer:?}");
            stage.app.revoke(owner, &token).await.assert_ok();
            let answer = stage.explain(&limited, &token).await;
            assert_eq!(causes_or_none(&answer).contains(&"token_revoked".to_owned()), sees, "{answer:?}");
            assert_eq!(answer.json["limited"] == true, !sees, "{answer:?}");
        }
    }
});

fn causes_or_none(answer: &Answer) -> Vec<String> {
    if answer.json["all_causes"].is_array() { causes(answer) } else { vec![] }
}

on_both_stores!(a_client_learns_everything_about_its_own_tokens_and_nothing_about_others, async |backend| {
    let stage = Stage::start_with(backend, Setup::default().with_manual_clock()).await;
    for form in ACCESS {
        let owner = stage.owner(*form);
        let token = stage.good(*form).await;
        stage.explain(owner, &token).await.assert_active();
        stage.app.revoke(owner, &token).await.assert_ok();
        let revoked = Case::new("revoked", token.clone(), "token_revoked");
        assert_told(&revoked, &stage.explain(owner, &token).await);
        // Damaged, the token is still the client's own: the repair proves it.
        let quoted = Case::new("quoted", format!("\"{token}\""), "quoted").made_from(&token).also(&["token_revoked"]);
        assert_told(&quoted, &stage.explain(owner, &quoted.text).await);
        let to_stranger = stage.explain(&stage.other, &quoted.text).await;
        assert_eq!(causes(&to_stranger), ["quoted"], "{to_stranger:?}");
        // A token that only claims to be its own is not.
        if *form == Jwt {
            use crate::conformance::jose::{OWN_KEYS, sign};
            use crate::support::jwt_part;
            let forged = sign(&OWN_KEYS[0].1, &jwt_part(&token, 0), &jwt_part(&token, 1));
            let to_owner = stage.explain(owner, &forged).await;
            let to_stranger = stage.explain(&stage.other, &forged).await;
            assert_eq!(without(&to_owner.json, &["request_id"]), without(&to_stranger.json, &["request_id"]));
        }
    }
});
