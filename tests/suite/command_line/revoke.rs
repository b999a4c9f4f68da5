//! `jeton revoke`.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Place, Running, field, make_client};
use crate::support::{eventually, on_both_stores};

/// A running server with the client `app` and the user `alice`.
struct Scene {
    place: Place,
    server: Running,
    secret: String,
}

impl Scene {
    async fn new(backend: crate::support::Backend) -> Self {
        let place = Place::new(backend).await;
        let secret = make_client(&place, "app");
        place.run_with(&["user", "create", "alice"], "wonderland\n").ok();
        let server = place.serve(&[]);
        Self { place, server, secret }
    }

    fn app(&self) -> Option<(&str, &str)> {
        Some(("app", &self.secret))
    }

    async fn login(&self) -> Value {
        let form = [("grant_type", "password"), ("username", "alice"), ("password", "wonderland")];
        let (status, tokens) = self.server.form("/auth/token", self.app(), &form).await;
        assert_eq!(status, 200, "{tokens}");
        tokens
    }

    async fn is_active(&self, token: &Value) -> bool {
        let form = [("token", token.as_str().unwrap())];
        let (status, answer) = self.server.form("/auth/introspect", self.app(), &form).await;
        assert_eq!(status, 200, "{answer}");
        answer["active"] == json!(true)
    }

    /// The running server sees the revocation within a second.
    async fn assert_ends(&self, token: &Value) {
        eventually(Duration::from_secs(1), "the revocation is seen", async || !self.is_active(token).await).await;
    }
}

on_both_stores!(a_token_is_revoked_alone_and_a_refresh_token_with_its_session, async |backend| {
    let scene = Scene::new(backend).await;
    let (one, two) = (scene.login().await, scene.login().await);
    let access = one["access_token"].as_str().unwrap();
    let done =
        scene.place.run_with(&["revoke", "--token", "-", "--reason", "lost laptop"], &format!("{access}\n")).ok();
    assert!(!done.contains(access), "{done}");
    assert_eq!((field(&done, "cause"), field(&done, "reason")), ("token_revoked".into(), "lost laptop".into()));
    scene.assert_ends(&one["access_token"]).await;
    assert!(scene.is_active(&one["refresh_token"]).await, "that token alone");
    let done = scene.place.json(&["revoke", "--token", one["refresh_token"].as_str().unwrap()]);
    assert_eq!(done["target"]["kind"], "session");
    assert!(done["number"].is_i64() && done["actor"].as_str().unwrap().starts_with("command line"), "{done}");
    scene.assert_ends(&one["refresh_token"]).await;
    assert!(scene.is_active(&two["access_token"]).await && scene.is_active(&two["refresh_token"]).await);
    for nonsense in ["nonsense", "", "eyJhbGciOiJub25lIn0.e30.", &"x".repeat(5000)] {
        let refused = scene.place.run_with(&["revoke", "--token", "-"], &format!("{nonsense}\n")).refused(&["token"]);
        assert!(nonsense.is_empty() || !refused.contains(nonsense), "{refused}");
    }
});

on_both_stores!(a_session_a_user_a_client_or_everything_is_revoked, async |backend| {
    let scene = Scene::new(backend).await;
    let session = scene.login().await;
    let shown = scene
        .server
        .form("/auth/introspect", scene.app(), &[("token", session["access_token"].as_str().unwrap())])
        .await
        .1;
    let sid = shown["sid"].as_str().unwrap();
    for (arguments, kind) in [
        (&["revoke", "--session", sid][..], "session"),
        (&["revoke", "--user", "ALICE"], "user"),
        (&["revoke", "--user", shown["sub"].as_str().unwrap()], "user"),
        (&["revoke", "--client", "app"], "client"),
        (&["revoke", "--all", "--yes"], "all"),
    ] {
        let tokens = if kind == "session" { session.clone() } else { scene.login().await };
        assert!(scene.is_active(&tokens["access_token"]).await);
        let done = scene.place.json(&[arguments, &["--reason", "because"]].concat());
        assert_eq!((&done["target"]["kind"], &done["reason"]), (&json!(kind), &json!("because")));
        scene.assert_ends(&tokens["access_token"]).await;
        scene.assert_ends(&tokens["refresh_token"]).await;
        let later = scene.login().await;
        assert!(scene.is_active(&later["access_token"]).await, "{kind}: what comes after is not covered");
    }
    let before = scene.place.json(&["revoke", "--all", "--dry-run"]);
    assert_eq!(
        (&before["target"]["kind"], &before["sessions"], &before["or_more"]),
        (&json!("all"), &json!(1), &json!(false))
    );
    let text = scene.place.run(&["revoke", "--all", "--yes"]).ok();
    assert_eq!(field(&text, "cause"), "all_revoked");
    assert_eq!(scene.place.json(&["revoke", "--all", "--dry-run"])["sessions"], 0);
});

on_both_stores!(exactly_one_target_is_named_and_it_exists, async |backend| {
    let place = Place::new(backend).await;
    for arguments in [
        &["revoke"][..],
        &["revoke", "--all"],
        &["revoke", "--user", "a", "--client", "b"],
        &["revoke", "--token", "a", "--all", "--yes"],
        &["revoke", "--yes"],
        &["revoke", "--everything"],
    ] {
        place.run(arguments).usage();
    }
    let nobody = "018f4d2e-0000-7000-8000-000000000000";
    for (flag, value, word) in [
        ("--user", "nobody", "no user \"nobody\""),
        ("--client", "nothing", "no client \"nothing\""),
        ("--session", nobody, nobody),
        ("--session", "x", "no session \"x\""),
    ] {
        place.run(&["revoke", flag, value]).refused(&[word]);
    }
    place.run(&["revoke", "--all", "--yes", "--reason", "a\nb"]).refused(&["reason", "control characters"]);
    place.run(&["revoke", "--all", "--yes", "--reason", &"x".repeat(501)]).refused(&["reason", "500"]);
});
