//! Authentic tokens that are not valid: revoked, of a deleted user or client, expired, for another audience, without
//! the scope. A row is what was done after the token was issued.

use reqwest::Method;
use serde_json::{Value, json};

use super::ask::{Case, Sheet, causes, examine};
use super::signature::assert_indistinguishable;
use super::stage::{ACCESS, Form, Jwt, Opaque, Stage};
use crate::conformance::forgery::signed_by_the_server;
use crate::support::scene::{API, FILES, Tokens, every_grant};
use crate::support::{Backend, Setup, TestClient, jwt_part, on_both_stores};

/// What is done after a token was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Its client revokes the access token.
    RevokeToken,
    /// An administrator revokes the access token.
    RevokeTokenAsAdmin,
    /// Its client revokes the refresh token.
    RevokeRefreshToken,
    /// An administrator ends the session.
    DeleteSession,
    /// An administrator revokes the session.
    RevokeSession,
    /// The first refresh token is used again after its successor was.
    ReuseRefreshToken,
    /// The user logs in once more than the client allows.
    LoginAgain,
    RevokeUser,
    /// The user gets another password.
    ChangePassword,
    RevokeClient,
    /// The client's secret is retired together with everything issued to the client.
    RetireSecret,
    RevokeAll,
    DisableUser,
    DisableClient,
    DeleteUser,
    DeleteClient,
    /// This many seconds pass.
    Wait(u64),
}

/// A token of a session of alice, and whom it was issued to: a client that allows one session.
pub(super) struct Subject {
    pub(super) owner: TestClient,
    pub(super) tokens: Tokens,
}

impl Subject {
    pub(super) async fn new(stage: &Stage, form: Form) -> Self {
        let format = if form == Opaque { "opaque" } else { "jwt" };
        let owner = every_grant(json!({"access_token_format": format, "max_sessions": 1}));
        let owner = stage.app.client("subject", owner).await;
        Self { tokens: stage.login(&owner).await, owner }
    }

    async fn session(&self, stage: &Stage) -> String {
        let sessions = stage.admin(Method::GET, &format!("sessions?client={}", self.owner.id), None).await;
        sessions.json["items"][0]["id"].as_str().unwrap().to_owned()
    }

    pub(super) async fn suffer(&self, stage: &Stage, deed: Deed) {
        let owner = &self.owner;
        let revocation = async |body: Value| {
            stage.admin(Method::POST, "revocations", Some(body)).await;
        };
        let admin = async |method, path: &str, body| {
            stage.admin(method, path, body).await;
        };
        match deed {
            Deed::RevokeToken => _ = stage.app.revoke(owner, &self.tokens.access).await.assert_ok(),
            Deed::RevokeTokenAsAdmin => revocation(json!({"token": self.tokens.access, "reason": "leaked"})).await,
            Deed::RevokeRefreshToken => _ = stage.app.revoke(owner, &self.tokens.refresh).await.assert_ok(),
            Deed::DeleteSession => {
                admin(Method::DELETE, &format!("sessions/{}", self.session(stage).await), None).await;
            }
            Deed::RevokeSession => revocation(json!({"session": self.session(stage).await})).await,
            Deed::ReuseRefreshToken => {
                let second = stage.refresh(owner, &self.tokens.refresh).await;
                stage.refresh(owner, &second.refresh).await;
                stage.app.refresh(owner, &self.tokens.refresh).await.assert_error(400, "invalid_grant");
            }
            Deed::LoginAgain => _ = stage.login(owner).await,
            Deed::RevokeUser => revocation(json!({"user": "alice"})).await,
            Deed::ChangePassword => {
                admin(Method::PUT, "users/alice/password", Some(json!({"password": "looking-glass"}))).await;
            }
            Deed::RevokeClient => revocation(json!({"client": owner.id})).await,
            Deed::RetireSecret => {
                let shown = stage.admin(Method::GET, "clients/subject", None).await;
                let secret = shown.json["secrets"][0]["id"].as_str().unwrap().to_owned();
                admin(Method::DELETE, &format!("clients/subject/secrets/{secret}?revoke=true"), None).await;
            }
            Deed::RevokeAll => revocation(json!({"all": true, "reason": "a drill"})).await,
            Deed::DisableUser => admin(Method::PATCH, "users/alice", Some(json!({"enabled": false}))).await,
            Deed::DisableClient => admin(Method::PATCH, "clients/subject", Some(json!({"enabled": false}))).await,
            Deed::DeleteUser => admin(Method::DELETE, "users/alice", None).await,
            Deed::DeleteClient => admin(Method::DELETE, "clients/subject", None).await,
            Deed::Wait(seconds) => stage.app.advance(seconds),
        }
    }

    /// Whether its client can still ask for itself.
    fn owner_is_there(deeds: &[Deed]) -> bool {
        !deeds.iter().any(|deed| matches!(deed, Deed::RetireSecret | Deed::DisableClient | Deed::DeleteClient))
    }
}

/// What was done, one after the other; the first cause; what holds besides.
pub(super) type Row = (&'static [Deed], &'static str, &'static [&'static str]);

#[rustfmt::skip]
const TABLE: &[Row] = &[
    (&[Deed::RevokeToken],        "token_revoked",          &[]),
    (&[Deed::RevokeTokenAsAdmin], "token_revoked",          &[]),
    (&[Deed::RevokeRefreshToken], "session_revoked",        &[]),
    (&[Deed::DeleteSession],      "session_revoked",        &[]),
    (&[Deed::RevokeSession],      "session_revoked",        &[]),
    (&[Deed::ReuseRefreshToken],  "refresh_reuse_detected", &[]),
    (&[Deed::LoginAgain],         "superseded",             &[]),
    (&[Deed::RevokeUser],         "user_revoked",           &[]),
    (&[Deed::ChangePassword],     "user_revoked",           &[]),
    (&[Deed::RevokeClient],       "client_revoked",         &[]),
    (&[Deed::RetireSecret],       "client_revoked",         &[]),
    (&[Deed::RevokeAll],          "all_revoked",            &[]),
    (&[Deed::DisableUser],        "user_disabled",          &[]),
    (&[Deed::DisableClient],      "client_disabled",        &[]),
    (&[Deed::DeleteUser],         "user_deleted",           &[]),
    (&[Deed::DeleteClient],       "client_deleted",         &[]),
    (&[Deed::Wait(900)],          "expired",                &[]),
    (&[Deed::Wait(86_400)],       "expired",                &[]),
];

/// One row: what permitted callers learn, and that no other caller sees a difference.
pub(super) async fn play(backend: Backend, form: Form, (deeds, cause, also): &Row) {
    let stage = Stage::start_with(backend, Setup::default().with_manual_clock()).await;
    let subject = Subject::new(&stage, form).await;
    let token = &subject.tokens.access;
    let (mut waited, mut before) = (false, stage.explain(&stage.other, token).await);
    for deed in *deeds {
        subject.suffer(&stage, *deed).await;
        if matches!(deed, Deed::Wait(_)) {
            (waited, before) = (true, stage.explain(&stage.other, token).await);
        }
    }
    let name = format!("{deeds:?} ({form:?})");
    // A JWT shows that it has expired; an opaque token does not.
    let case = Case::new(&name, token.clone(), cause).also(also);
    let case = if waited { case.perhaps_hidden() } else { case.hidden() };
    let answer = examine(&stage, &case).await;
    if deeds.len() == 1 {
        assert_eq!(causes(&answer), [*cause], "{name}: nothing else was done: {answer:?}");
    }
    let after = stage.explain(&stage.other, token).await;
    if !waited || form == Opaque {
        assert_indistinguishable(&[before, after]);
    }
    // The client that it was issued to may know.
    if Subject::owner_is_there(deeds) {
        let told = stage.explain(&subject.owner, token).await;
        assert_eq!((told.text("cause"), causes(&told)), (answer.text("cause"), causes(&answer)), "{name}: {told:?}");
    }
}

on_both_stores!(whatever_invalidates_a_jwt_is_explained_to_those_who_may_know, async |backend| {
    let mut sheet = Sheet::default();
    for row in TABLE {
        sheet.row(format!("{:?}", row.0), play(backend, Jwt, row)).await;
    }
    sheet.close();
});

on_both_stores!(whatever_invalidates_an_opaque_token_is_explained_to_those_who_may_know, async |backend| {
    let mut sheet = Sheet::default();
    for row in TABLE {
        sheet.row(format!("{:?}", row.0), play(backend, Opaque, row)).await;
    }
    sheet.close();
});

on_both_stores!(a_revocation_is_explained_with_its_time_actor_and_reason, async |backend| {
    let stage = Stage::start_with(backend, Setup::default().with_manual_clock()).await;
    let subject = Subject::new(&stage, Jwt).await;
    subject.suffer(&stage, Deed::RevokeTokenAsAdmin).await;
    let answer = stage.explain(&stage.rs, &subject.tokens.access).await;
    for told in ["ops", "leaked"] {
        assert!(answer.assert_ok().body.contains(told), "{told}: {answer:?}");
    }
    // A proxy, which anyone may ask, learns neither.
    let verified = stage.verify(&subject.tokens.access, None, None).await;
    let shown = format!("{:?} {}", verified.headers, verified.body);
    assert!(!shown.contains("leaked") && !shown.contains("ops"), "{verified:?}");
});

/// Expired, early, or beyond the log: only the server's own key can make such tokens.
#[rustfmt::skip]
const SIGNED: [(&str, &str, &[&str]); 6] = [
    (r#"{"iat": 1800003600, "exp": 1800007200}"#,                    "not_yet_valid", &[]),
    (r#"{"nbf": 1800003600, "exp": 1800007200}"#,                    "not_yet_valid", &[]),
    (r#"{"nbf": 1800003600, "exp": 1799999000}"#,                    "expired",       &["not_yet_valid"]),
    (r#"{"exp": 1799999999}"#,                                       "expired",       &[]),
    (r#"{"exp": -1, "iat": -2}"#,                                    "expired",       &[]),
    (r#"{"log": 4000000000000}"#,                                    "never_issued",  &[]),
];

on_both_stores!(a_token_outside_its_lifetime_or_beyond_the_log_is_named, async |backend| {
    let mut sheet = Sheet::default();
    let stage = Stage::start_with(backend, Setup::default().with_manual_clock()).await;
    let good = stage.good(Jwt).await;
    for (claims, cause, also) in SIGNED {
        let token = signed_by_the_server(&stage.app, &good, json!({}), serde_json::from_str(claims).unwrap());
        let case = Case::new(claims, token, cause).made_from(&good).also(also);
        sheet.case(&stage, &if cause == "never_issued" { case.hidden() } else { case.perhaps_hidden() }).await;
    }
    sheet.close();
});

/// The scope and the audience that are expected, the first cause, and what holds besides.
type Expected = (Option<&'static str>, Option<&'static str>, &'static str, &'static [&'static str]);

/// What is expected of a token with `read write` for two audiences.
#[rustfmt::skip]
const EXPECTED: [Expected; 6] = [
    (None,                    Some("https://else.example.test/"),  "wrong_audience",     &[]),
    (None,                    Some("https://api.example.test"),    "wrong_audience",     &[]),
    (Some("admin"),           None,                                "insufficient_scope", &[]),
    (Some("read admin"),      Some(API),                           "insufficient_scope", &[]),
    (Some("READ"),            None,                                "insufficient_scope", &[]),
    (Some("admin"),           Some("https://else.example.test/"),  "wrong_audience",     &["insufficient_scope"]),
];

on_both_stores!(a_wrong_audience_or_insufficient_scope_is_named, async |backend| {
    let stage = Stage::start(backend).await;
    for form in ACCESS {
        let good = stage.good(*form).await;
        for (scope, audience, cause, also) in EXPECTED {
            let case = Case::new(format!("{scope:?} at {audience:?} ({form:?})"), good.clone(), cause);
            let case = case.also(also).expecting(scope, audience).perhaps_hidden();
            let answer = examine(&stage, &case).await;
            if cause == "insufficient_scope" {
                let challenge = answer.text("www_authenticate");
                assert!(challenge.contains(&format!("scope=\"{}\"", scope.unwrap())), "what is needed: {answer:?}");
            }
        }
        for (scope, audience) in [("read", API), ("write read", FILES), ("read write", API)] {
            let answer = stage.explain_with(&stage.rs, &good, &[("scope", scope), ("audience", audience)]).await;
            answer.assert_active();
            stage.verify(&good, Some(scope), Some(audience)).await.assert_ok();
        }
    }
    assert_eq!(jwt_part(&stage.good(Jwt).await, 1)["aud"], json!([API, FILES]));
});
