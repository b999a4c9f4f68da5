//! Authorization codes at the token endpoint (RFC 6749 §4.1.3, RFC 7636, RFC 9700).

use jeton::authorization::code::Issued;
use reqwest::Method;
use serde_json::json;

use super::{Logins, REDIRECT_URI, VERIFIER, issue, issue_to, log_in, redeem_at, request, web_client};
use crate::support::scene::{API, FILES, Tokens};
use crate::support::{Setup, jwt_part, on_both_stores};

on_both_stores!(aut_020_a_code_is_exchanged_for_tokens_that_can_be_refreshed, async |backend| {
    let logins = Logins::start(backend).await;
    let answer = logins.redeem(&logins.code("openid read").await).await;
    assert_eq!(answer.assert_ok().json["scope"], "openid read");
    assert!(answer.json["id_token"].is_string() && answer.json["token_type"] == "Bearer");
    let claims = logins.scene.assert_active(&answer.text("access_token")).await;
    assert_eq!(
        (&claims["sub"], &claims["client_id"], &claims["aud"]),
        (&json!(logins.scene.alice), &json!("web"), &json!(API))
    );
    let refreshed = logins.scene.refresh(&logins.web, &answer.text("refresh_token")).await;
    assert_eq!(logins.scene.assert_active(&refreshed.access).await["sid"], claims["sid"]);
    assert_eq!(
        logins.app().introspect(&logins.web, &refreshed.refresh).await.assert_active().json["sub"],
        claims["sub"]
    );
});

on_both_stores!(aut_021_and_aut_022_a_second_use_of_a_code_ends_what_the_first_gave, async |backend| {
    let logins = Logins::start_with(backend, Setup::default().with_manual_clock()).await;
    let code = logins.code("openid read").await;
    let first = Tokens::of(&logins.redeem(&code).await);
    logins.redeem(&code).await.assert_error(400, "invalid_grant");
    logins.scene.assert_dead(&logins.web, &first).await;
    // After ten minutes a second use is only refused.
    let code = logins.code("openid read").await;
    let first = Tokens::of(&logins.redeem(&code).await);
    logins.app().advance(601);
    logins.redeem(&code).await.assert_error(400, "invalid_grant");
    logins.scene.refresh(&logins.web, &first.refresh).await;
});

on_both_stores!(aut_023_a_foreign_client_changes_nothing, async |backend| {
    let logins = Logins::start(backend).await;
    let other = logins.app().client("web-2", web_client(json!({}))).await;
    let code = logins.code("openid read").await;
    for _ in 0..2 {
        redeem_at(logins.app(), &other, &code, &[]).await.assert_error(400, "invalid_grant");
    }
    let first = Tokens::of(&logins.redeem(&code).await);
    redeem_at(logins.app(), &other, &code, &[]).await.assert_error(400, "invalid_grant");
    logins.scene.assert_active(&first.access).await;
    // A client that may not use codes at all is told so.
    redeem_at(logins.app(), &logins.scene.other, &code, &[]).await.assert_error(400, "unauthorized_client");
});

on_both_stores!(
    aut_024_aut_026_aut_027_aut_033_and_aut_037_a_wrong_proof_is_refused_and_spends_the_code,
    async |backend| {
        let logins = Logins::start(backend).await;
        let another_verifier = "z".repeat(43);
        for change in [
            ("redirect_uri", "https://app.example/cb/"),
            ("redirect_uri", ""),
            ("code_verifier", another_verifier.as_str()),
            ("code_verifier", ""),
        ] {
            let code = logins.code("openid read").await;
            logins.redeem_with(&code, &[change]).await.assert_error(400, "invalid_grant");
            logins.redeem(&code).await.assert_error(400, "invalid_grant");
        }
    }
);

on_both_stores!(a_redirect_uri_that_the_request_did_not_name_need_not_be_repeated, async |backend| {
    let logins = Logins::start(backend).await;
    for (uri, is_good) in [("", true), (REDIRECT_URI, true), ("https://app.example/cb/", false)] {
        let mut asked = request(&logins.web, "read");
        asked.sent_redirect_uri = false;
        let code = logins.code_of(&asked).await;
        let answer = logins.redeem_with(&code, &[("redirect_uri", uri)]).await;
        assert_eq!(answer.status.is_success(), is_good, "{uri}: {answer:?}");
    }
});

on_both_stores!(aut_028_a_verifier_without_a_challenge_is_refused, async |backend| {
    let logins = Logins::start(backend).await;
    let mut asked = request(&logins.web, "read");
    asked.code_challenge = None;
    let code = logins.code_of(&asked).await;
    logins.redeem(&code).await.assert_error(400, "invalid_grant");
    asked.session = uuid::Uuid::now_v7();
    let code = logins.code_of(&asked).await;
    logins.redeem_with(&code, &[("code_verifier", "")]).await.assert_ok();
});

on_both_stores!(aut_031_a_request_in_the_wrong_form_leaves_the_code_as_it_was, async |backend| {
    let logins = Logins::start(backend).await;
    let code = logins.code("openid read").await;
    let (short, long) = ("a".repeat(42), "a".repeat(129));
    for verifier in [short.as_str(), &long, &format!("{short}é"), &format!("{short}="), &format!("{VERIFIER} ")] {
        logins.redeem_with(&code, &[("code_verifier", verifier)]).await.assert_error(400, "invalid_request");
    }
    logins.redeem_with(&code, &[("code", "")]).await.assert_error(400, "invalid_request");
    for (name, value) in [("code", code.as_str()), ("code_verifier", VERIFIER), ("redirect_uri", REDIRECT_URI)] {
        let twice =
            [("code", code.as_str()), ("code_verifier", VERIFIER), ("redirect_uri", REDIRECT_URI), (name, value)];
        logins.redeem_with(&code, &twice).await.assert_error(400, "invalid_request");
    }
    logins.redeem(&code).await.assert_ok();
});

on_both_stores!(aut_025_a_code_lives_for_sixty_seconds, async |backend| {
    let logins = Logins::start_with(backend, Setup::default().with_manual_clock()).await;
    let (early, late) = (logins.code("read").await, logins.code("read").await);
    logins.app().advance(59);
    let tokens = Tokens::of(&logins.redeem(&early).await);
    logins.app().advance(1);
    logins.redeem(&late).await.assert_error(400, "invalid_grant");
    logins.scene.refresh(&logins.web, &tokens.refresh).await;
});

on_both_stores!(aut_034_codes_are_unlike_each_other_and_unlike_refresh_tokens, async |backend| {
    let logins = Logins::start(backend).await;
    let (one, other) = (logins.code("read").await, logins.code("read").await);
    assert!(one.starts_with("jac_live_") && one.len() > 100 && one != other);
    // The key, which is the same, stands at the beginning.
    let common = one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count();
    assert!(common < 32, "{common}");
    let as_refresh_token = one.replacen("jac_", "jrt_", 1);
    for text in [&one, &as_refresh_token] {
        logins.app().refresh(&logins.web, text).await.assert_error(400, "invalid_grant");
    }
    let tokens = Tokens::of(&logins.redeem(&one).await);
    let as_code = tokens.refresh.replacen("jrt_", "jac_", 1);
    for text in [tokens.refresh.as_str(), &as_code, &tokens.access, "jac_live_", "x", "é"] {
        logins.redeem_with(&other, &[("code", text)]).await.assert_error(400, "invalid_grant");
    }
    logins.redeem(&other).await.assert_ok();
    logins.scene.refresh(&logins.web, &tokens.refresh).await;
});

on_both_stores!(res_007_the_token_request_may_narrow_what_was_authorized_and_not_widen_it, async |backend| {
    let logins = Logins::start(backend).await;
    let mut asked = request(&logins.web, "openid read write");
    asked.audiences = vec![API.into()];
    let code = logins.code_of(&asked).await;
    logins.redeem_with(&code, &[("resource", FILES)]).await.assert_error(400, "invalid_target");
    logins.redeem_with(&code, &[("scope", "read profile")]).await.assert_error(400, "invalid_scope");
    let narrow = [("resource", API), ("scope", "read")];
    let answer = logins.redeem_with(&code, &narrow).await;
    assert_eq!((answer.assert_ok().json["scope"].as_str(), answer.json.get("id_token")), (Some("read"), None));
    let again = logins.app().refresh(&logins.web, &answer.text("refresh_token")).await;
    assert_eq!(again.assert_ok().json["scope"], "openid read write", "the session has what was authorized");
});

on_both_stores!(what_is_revoked_between_a_code_and_its_redemption_covers_it, async |backend| {
    let logins = Logins::start(backend).await;
    let alice = format!("/admin/v1/users/{}", logins.scene.alice);
    for (target, id) in [("user", logins.scene.alice.as_str()), ("client", "web")] {
        let code = logins.code("openid read").await;
        let body = json!({target: id});
        let revoked = logins.app().admin(Method::POST, "/admin/v1/revocations", Some(body)).await;
        assert!(revoked.status.is_success(), "{revoked:?}");
        logins.redeem(&code).await.assert_error(400, "invalid_grant");
        logins.redeem(&logins.code("openid read").await).await.assert_ok();
    }
    let code = logins.code("openid read").await;
    let disabled = logins.app().admin(Method::PATCH, &alice, Some(json!({"enabled": false}))).await;
    disabled.assert_ok();
    logins.redeem(&code).await.assert_error(400, "invalid_grant");
});

on_both_stores!(a_scope_that_was_taken_away_is_not_redeemed, async |backend| {
    let logins = Logins::start(backend).await;
    let code = logins.code("openid read write").await;
    let alice = format!("/admin/v1/users/{}", logins.scene.alice);
    logins.app().admin(Method::PATCH, &alice, Some(json!({"scope": "read"}))).await.assert_ok();
    let answer = logins.redeem(&code).await;
    assert_eq!(answer.assert_ok().json["scope"], "openid read", "no user's scope limits who the user is");
});

on_both_stores!(a_client_without_refresh_tokens_gets_a_session_that_ends_with_its_access_token, async |backend| {
    let logins = Logins::start_with(backend, Setup::default().with_manual_clock()).await;
    let members = web_client(json!({"grant_types": ["authorization_code"], "access_token_ttl": 1200}));
    let web = logins.app().client("short", members).await;
    let answer = redeem_at(logins.app(), &web, &logins.code_of(&request(&web, "openid read")).await, &[]).await;
    assert_eq!((answer.assert_ok().json.get("refresh_token"), &answer.json["expires_in"]), (None, &json!(1200)));
    logins.app().advance(1199);
    logins.scene.assert_active(&answer.text("access_token")).await;
    logins.app().advance(1);
    logins.scene.assert_inactive(&answer.text("access_token")).await;
});

on_both_stores!(opaque_access_tokens_and_public_clients_use_codes_too, async |backend| {
    let logins = Logins::start(backend).await;
    for (name, members) in [
        ("opaque-web", json!({"access_token_format": "opaque"})),
        ("public-web", json!({"token_endpoint_auth_method": "none"})),
    ] {
        let web = logins.app().client(name, web_client(members)).await;
        let answer = redeem_at(logins.app(), &web, &logins.code_of(&request(&web, "openid read")).await, &[]).await;
        let tokens = Tokens::of(&answer);
        logins.scene.assert_active(&tokens.access).await;
        assert_eq!(jwt_part(&answer.text("id_token"), 1)["aud"], json!(name));
        logins.scene.refresh(&web, &tokens.refresh).await;
    }
});

on_both_stores!(a_request_is_answered_with_a_code_once, async |backend| {
    let logins = Logins::start(backend).await;
    let asked = request(&logins.web, "openid read");
    let code = logins.code_of(&asked).await;
    assert!(matches!(issue(logins.app(), &asked).await, Issued::AlreadyAnswered));
    let tokens = Tokens::of(&logins.redeem(&code).await);
    assert!(matches!(issue(logins.app(), &asked).await, Issued::AlreadyAnswered));
    logins.scene.assert_active(&tokens.access).await;
});

on_both_stores!(no_code_is_issued_by_a_browser_session_that_was_ended_meanwhile, async |backend| {
    let logins = Logins::start(backend).await;
    let person = log_in(logins.app()).await;
    let alice = &logins.scene.alice;
    let password = json!({"password": "Another-Wonderland-1871"});
    let path = format!("/admin/v1/users/{alice}/password");
    let changed = logins.app().admin(Method::PUT, &path, Some(password)).await;
    assert!(changed.status.is_success(), "{changed:?}");
    let asked = request(&logins.web, "read");
    assert!(matches!(issue_to(logins.app(), &asked, &person).await, Issued::Outdated));
});

on_both_stores!(codes_begin_no_more_sessions_than_a_user_may_have, async |backend| {
    let logins = Logins::start(backend).await;
    let web = logins.app().client("two", web_client(json!({"max_sessions": 2}))).await;
    let person = log_in(logins.app()).await;
    let mut codes = Vec::new();
    for _ in 0..8 {
        match issue_to(logins.app(), &request(&web, "openid read"), &person).await {
            Issued::Code(code) => codes.push(code),
            other => panic!("{other:?}"),
        }
    }
    let mut begun = Vec::new();
    for code in &codes {
        let answer = redeem_at(logins.app(), &web, code, &[]).await;
        answer.assert_ok();
        begun.push(Tokens::of(&answer));
    }
    for (index, tokens) in begun.iter().enumerate() {
        match index < 6 {
            true => logins.scene.assert_dead(&web, tokens).await,
            false => drop(logins.scene.refresh(&web, &tokens.refresh).await),
        }
    }
});
