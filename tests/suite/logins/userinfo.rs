//! UserInfo (OpenID Connect Core §5.3).

use reqwest::Method;
use serde_json::{Value, json};

use super::{Logins, redeem_at, request, web_client};
use crate::conformance::bearer::challenge_attributes;
use crate::support::scene::ALICE;
use crate::support::{Answer, FORM, Setup, TestServer, jwt_part, on_both_stores};

const PATH: &str = "/auth/userinfo";

async fn get(app: &TestServer, token: &str) -> Answer {
    app.get_with(PATH, &[("Authorization", &format!("Bearer {token}"))]).await
}

/// What anybody may learn of a refused token.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, error: Option<&str>) {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    let challenge = challenge_attributes(answer.header("www-authenticate").expect("a challenge"));
    assert_eq!(challenge.get("error").map(String::as_str), error, "{answer:?}");
    assert!(answer.json.get("sub").is_none(), "{answer:?}");
}

on_both_stores!(oid_007_get_and_post_tell_the_sub_of_the_id_token, async |backend| {
    let logins = Logins::start(backend).await;
    let opaque = web_client(json!({"access_token_format": "opaque"}));
    let opaque = logins.app().client("opaque-web", opaque).await;
    for client in [&logins.web, &opaque] {
        let code = logins.code_of(&request(client, "openid read")).await;
        let answer = redeem_at(logins.app(), client, &code, &[]).await;
        let (token, sub) = (answer.text("access_token"), jwt_part(&answer.text("id_token"), 1)["sub"].clone());
        let bearer = format!("Bearer {token}");
        let form = format!("access_token={token}");
        for answer in [
            get(logins.app(), &token).await,
            logins.app().request(Method::POST, PATH, &[("Authorization", &bearer)]).await,
            logins.app().raw(PATH, &[FORM, ("Authorization", &bearer)], "").await,
            logins.app().raw(PATH, &[("Content-Type", "application/json"), ("Authorization", &bearer)], "{}").await,
            logins.app().raw(PATH, &[FORM], form).await,
        ] {
            assert_eq!(answer.assert_ok().json, json!({"sub": sub}));
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    }
});

on_both_stores!(the_scope_and_the_names_that_were_asked_for_select_what_is_told, async |backend| {
    let logins = Logins::start(backend).await;
    let profile = json!({
        "name": "Alice Liddell", "email": "alice@example.com", "email_verified": true, "updated_at": 1,
        "phone_number": "+44 1", "address": {"country": "England"},
    });
    let path = format!("/admin/v1/users/{}", logins.scene.alice);
    logins.app().admin(Method::PATCH, &path, Some(json!({"profile": profile}))).await.assert_ok();
    let told = async |scope: &str, named: &[&str]| -> Value {
        let mut asked = request(&logins.web, scope);
        asked.claims.userinfo = named.iter().map(|name| (*name).to_owned()).collect();
        let answer = logins.redeem(&logins.code_of(&asked).await).await;
        let mut claims = get(logins.app(), &answer.text("access_token")).await.assert_ok().json.clone();
        assert_eq!(claims.as_object_mut().unwrap().remove("sub"), Some(json!(logins.scene.alice)));
        claims
    };
    assert_eq!(told("openid read", &[]).await, json!({}));
    assert_eq!(
        told("openid profile", &[]).await,
        json!({"name": "Alice Liddell", "preferred_username": ALICE.0, "updated_at": 1})
    );
    assert_eq!(
        told("openid email phone address", &[]).await,
        json!({
            "email": "alice@example.com", "email_verified": true, "phone_number": "+44 1",
            "address": {"country": "England"},
        })
    );
    let named = told("openid", &["name", "email_verified", "birthdate", "sub", "password"]).await;
    assert_eq!(named, json!({"name": "Alice Liddell", "email_verified": true}));
});

on_both_stores!(a_changed_profile_is_told_at_once, async |backend| {
    let logins = Logins::start(backend).await;
    let token = logins.tokens("openid profile").await.text("access_token");
    let path = format!("/admin/v1/users/{}", logins.scene.alice);
    for name in ["Alice", "Alice Liddell"] {
        let change = json!({"profile": {"name": name}});
        logins.app().admin(Method::PATCH, &path, Some(change)).await.assert_ok();
        assert_eq!(get(logins.app(), &token).await.assert_ok().json["name"], name);
    }
});

on_both_stores!(oid_008_refusals_are_those_of_bearer_tokens, async |backend| {
    let logins = Logins::start_with(backend, Setup::default().with_manual_clock()).await;
    let app = logins.app();
    let answer = logins.tokens("openid read").await;
    let token = answer.text("access_token");
    let bearer = format!("Bearer {token}");
    let form = format!("access_token={token}");
    // No token.
    assert_refused(&app.get(PATH).await, 401, None);
    assert_refused(&app.request(Method::POST, PATH, &[]).await, 401, None);
    assert_refused(&app.raw(PATH, &[FORM], "access_token=").await, 401, None);
    // Not in JSON, and not in the body of a GET.
    let json = ("Content-Type", "application/json");
    assert_refused(&app.raw(PATH, &[json], json!({"access_token": token}).to_string()).await, 401, None);
    let with_body = app.http.get(format!("{}{PATH}", app.base)).header(FORM.0, FORM.1).body(form.clone());
    assert_refused(&Answer::of(with_body).await, 401, None);
    // In two places, or in a wrong one.
    let query = format!("{PATH}?{form}");
    assert_refused(
        &app.raw(PATH, &[FORM, ("Authorization", &bearer)], form.clone()).await,
        400,
        Some("invalid_request"),
    );
    assert_refused(&app.raw(PATH, &[FORM], format!("{form}&{form}")).await, 400, Some("invalid_request"));
    assert_refused(&app.raw(&query, &[FORM], form.clone()).await, 400, Some("invalid_request"));
    assert_refused(&app.get_with(&query, &[("Authorization", &bearer)]).await, 400, Some("invalid_request"));
    assert_refused(&app.get(&query).await, 400, Some("invalid_request"));
    // Not an access token.
    for text in ["x", "a.b.c", &answer.text("refresh_token"), &answer.text("id_token")] {
        assert_refused(&get(app, text).await, 401, Some("invalid_token"));
        let answer = app.raw(PATH, &[FORM], format!("access_token={text}")).await;
        assert_refused(&answer, 401, Some("invalid_token"));
        assert!(!answer.body.contains(text) || text == "x", "{answer:?}");
    }
    // Revoked, expired.
    let revoked = logins.tokens("openid").await.text("access_token");
    app.revoke(&logins.web, &revoked).await.assert_ok();
    assert_refused(&get(app, &revoked).await, 401, Some("invalid_token"));
    get(app, &token).await.assert_ok();
    app.advance(901);
    assert_refused(&get(app, &token).await, 401, Some("invalid_token"));
});

on_both_stores!(oid_009_a_token_without_openid_or_without_a_person_is_forbidden, async |backend| {
    let logins = Logins::start(backend).await;
    let app = logins.app();
    let assert_forbidden = |answer: Answer| {
        assert_refused(&answer, 403, Some("insufficient_scope"));
        let challenge = challenge_attributes(answer.header("www-authenticate").unwrap());
        assert_eq!(challenge["scope"], "openid");
    };
    assert_forbidden(get(app, &logins.tokens("profile read").await.text("access_token")).await);
    let machine = json!({"grant_types": ["client_credentials"], "scope": "openid read"});
    let machine = app.client("machine-2", machine).await;
    for scope in ["", "openid"] {
        let answer = app.token(&machine, &[("grant_type", "client_credentials"), ("scope", scope)]).await;
        assert_forbidden(get(app, &answer.text("access_token")).await);
    }
});

on_both_stores!(pages_of_configured_origins_may_read_it, async |backend| {
    let setup = Setup::default().set("JETON_CORS_ORIGINS", "https://spa.example");
    let logins = Logins::start_with(backend, setup).await;
    let token = format!("Bearer {}", logins.tokens("openid").await.text("access_token"));
    for (origin, allowed) in [("https://spa.example", Some("https://spa.example")), ("https://evil.example", None)] {
        let answer = logins.app().get_with(PATH, &[("Origin", origin), ("Authorization", &token)]).await;
        assert_eq!(answer.assert_ok().header("access-control-allow-origin"), allowed);
        assert!(answer.header("access-control-allow-credentials").is_none());
        let preflight = [
            ("Origin", origin),
            ("Access-Control-Request-Method", "GET"),
            ("Access-Control-Request-Headers", "authorization"),
        ];
        let preflight = logins.app().request(Method::OPTIONS, PATH, &preflight).await;
        assert_eq!(preflight.header("access-control-allow-origin"), allowed);
    }
});
