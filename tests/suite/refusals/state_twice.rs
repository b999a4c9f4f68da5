//! Two neighbouring causes at once, from the server's records: the earlier one is the first cause, and both are
//! reported.

use serde_json::json;

use super::ask::{Case, Sheet, examine};
use super::signature::{delete_key_of, rotate_keys};
use super::stage::{Jwt, Opaque, Stage};
use super::state::{Deed, Row, play};
use crate::conformance::forgery::signed_by_the_server;
use crate::support::{Setup, on_both_stores};

#[rustfmt::skip]
const TABLE: &[Row] = &[
    (&[Deed::RevokeToken, Deed::RevokeRefreshToken],      "token_revoked",          &["session_revoked"]),
    (&[Deed::RevokeRefreshToken, Deed::RevokeTokenAsAdmin], "token_revoked",        &["session_revoked"]),
    (&[Deed::ReuseRefreshToken, Deed::RevokeSession],     "session_revoked",        &["refresh_reuse_detected"]),
    (&[Deed::ReuseRefreshToken, Deed::RevokeUser],        "refresh_reuse_detected", &["user_revoked"]),
    (&[Deed::LoginAgain, Deed::RevokeSession],            "session_revoked",    &["superseded"]),
    (&[Deed::LoginAgain, Deed::RevokeUser],               "superseded",             &["user_revoked"]),
    (&[Deed::RevokeClient, Deed::RevokeUser],             "user_revoked",           &["client_revoked"]),
    (&[Deed::RevokeClient, Deed::RevokeAll],              "client_revoked",         &["all_revoked"]),
    (&[Deed::DisableUser, Deed::RevokeAll],               "all_revoked",            &["user_disabled"]),
    (&[Deed::DisableClient, Deed::DisableUser],           "user_disabled",          &["client_disabled"]),
    (&[Deed::DeleteUser, Deed::DisableClient],            "client_disabled",        &["user_deleted"]),
    (&[Deed::DeleteClient, Deed::DeleteUser],             "user_deleted",           &["client_deleted"]),
    (&[Deed::DeleteClient, Deed::Wait(900)],              "client_deleted",         &["expired"]),
    (&[Deed::RevokeToken, Deed::Wait(900)],               "token_revoked",          &["expired"]),
    (&[Deed::RevokeAll, Deed::Wait(86_400)],              "all_revoked",            &["expired"]),
    (&[Deed::RevokeToken, Deed::RevokeRefreshToken, Deed::RevokeUser, Deed::RevokeClient, Deed::RevokeAll, Deed::Wait(900)],
        "token_revoked", &["session_revoked", "user_revoked", "client_revoked", "all_revoked", "expired"]),
];

on_both_stores!(of_two_reasons_against_a_jwt_the_first_in_order_is_the_cause_and_both_are_reported, async |backend| {
    let mut sheet = Sheet::default();
    for row in TABLE {
        sheet.row(format!("{:?}", row.0), play(backend, Jwt, row)).await;
    }
    sheet.close();
});

on_both_stores!(
    of_two_ends_of_an_opaque_token_the_first_in_the_order_is_the_cause_and_both_are_told,
    async |backend| {
        let mut sheet = Sheet::default();
        for row in TABLE {
            sheet.row(format!("{:?}", row.0), play(backend, Opaque, row)).await;
        }
        sheet.close();
    }
);

/// Claims under the server's own key, the scope and the audience that are expected, what is said first and what
/// besides.
type Signed = (&'static str, Option<&'static str>, Option<&'static str>, &'static str, &'static str);

/// Neighbours from expiry to never issued.
#[rustfmt::skip]
const SIGNED: [Signed; 4] = [
    (r#"{"nbf": 1800003600, "exp": 1799999000}"#, None, None,                        "expired",            "not_yet_valid"),
    (r#"{"nbf": 1800003600, "exp": 1800007200}"#, None, Some("https://else.test/"),  "not_yet_valid",      "wrong_audience"),
    (r#"{"scope": "read"}"#, Some("write"), Some("https://else.test/"),              "wrong_audience",     "insufficient_scope"),
    (r#"{"log": 4000000000000}"#,                 Some("admin"), None,               "insufficient_scope", "never_issued"),
];

on_both_stores!(expiry_audience_scope_and_never_issued_come_in_this_order, async |backend| {
    let mut sheet = Sheet::default();
    let stage = Stage::start_with(backend, Setup::default().with_manual_clock()).await;
    let good = stage.good(Jwt).await;
    for (claims, scope, audience, first, second) in SIGNED {
        let token = signed_by_the_server(&stage.app, &good, json!({}), serde_json::from_str(claims).unwrap());
        let case = Case::new(format!("{first} and {second}"), token, first).made_from(&good).also(&[second]);
        sheet.case(&stage, &case.expecting(scope, audience).perhaps_hidden()).await;
    }
    sheet.close();
});

// Without the key, an opaque token cannot be read, and a JWT only claims things.
on_both_stores!(nothing_about_a_token_of_a_deleted_key_is_called_verified, async |backend| {
    for form in [Jwt, Opaque] {
        let stage = Stage::start_with(backend, Setup::default().with_manual_clock()).await;
        let good = stage.good(form).await;
        stage.app.revoke(stage.owner(form), &good).await.assert_ok();
        rotate_keys(&stage).await;
        delete_key_of(&stage, &good).await;
        let answer = examine(&stage, &Case::new(format!("{form:?}"), good, "retired_key").hidden()).await;
        let verified = answer.json["evidence"].as_array().unwrap().iter().filter(|fact| fact["verified"] == true);
        let verified = verified.map(ToString::to_string).collect::<String>();
        assert!(!verified.contains("read write"), "what the token says of itself is not proved: {answer:?}");
    }
});
