//! Sessions: what one user may do in a loop, and a stolen refresh token that is used beside its owner.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::scene::{Scene, Tokens};
use crate::support::{Answer, FORM, Setup, TestClient, TestServer, on_both_stores};

/// Repeats within an hour that lost answers may explain.
const REPEATS: usize = 12;
/// Access tokens of one session that may be revoked one by one within an hour.
const REVOCATIONS: usize = 100;

async fn audit(app: &TestServer, filter: &str) -> Vec<Value> {
    let answer = app.admin(Method::GET, &format!("/admin/v1/audit?{filter}"), None).await;
    answer.assert_ok().json["items"].as_array().unwrap().clone()
}

/// A refresh by a client at this address.
async fn refresh_from(app: &TestServer, client: &TestClient, refresh_token: &str, address: &str) -> Answer {
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let basic = client.basic();
    app.raw("/auth/token", &[FORM, ("Authorization", &basic), ("X-Forwarded-For", address)], body).await
}

on_both_stores!(a_stolen_refresh_token_used_beside_its_owner_ends_the_session_within_an_hour, async |backend| {
    let scene = Scene::start_with(backend, Setup::default().with_manual_clock()).await;
    let (app, main) = (&scene.app, &scene.main);
    let mut newest = scene.login(main).await;
    for _ in 0..2 {
        for _ in 0..REPEATS {
            let of_the_owner = scene.refresh(main, &newest.refresh).await;
            app.advance(5);
            let of_the_thief = scene.refresh(main, &newest.refresh).await;
            assert_eq!(of_the_thief.refresh, of_the_owner.refresh, "as if the answer had been lost");
            newest = of_the_owner;
            app.advance(60);
        }
        app.advance(3600 - 60 * 12);
    }
    for _ in 0..REPEATS {
        let next = scene.refresh(main, &newest.refresh).await;
        scene.refresh(main, &newest.refresh).await;
        newest = next;
    }
    let next = scene.refresh(main, &newest.refresh).await;
    app.refresh(main, &newest.refresh).await.assert_error(400, "invalid_grant");
    scene.assert_dead(main, &next).await;
    app.forget_admin_token().await;
    let revocations = app.admin(Method::GET, "/admin/v1/revocations", None).await;
    let is_reuse = |item: &Value| item["cause"] == json!("refresh_reuse_detected");
    assert!(revocations.json["items"].as_array().unwrap().iter().any(is_reuse), "{revocations:?}");
});

on_both_stores!(a_repeat_from_another_network_is_counted_and_audited_and_not_refused, async |backend| {
    let scene = Scene::start_with(backend, Setup::default().set("JETON_TRUSTED_PROXIES", "127.0.0.0/8")).await;
    let (app, main) = (&scene.app, &scene.main);
    let first = scene.login(main).await;
    let second = Tokens::of(&refresh_from(app, main, &first.refresh, "192.0.2.7").await);
    let repeated = Tokens::of(&refresh_from(app, main, &first.refresh, "192.0.2.7").await);
    let elsewhere = Tokens::of(&refresh_from(app, main, &first.refresh, "2001:db8::1").await);
    assert_eq!([&repeated.refresh, &elsewhere.refresh], [&second.refresh; 2]);
    let records = audit(app, "action=session.refresh.repeat").await;
    let details: Vec<&str> = records.iter().map(|record| record["detail"].as_str().unwrap()).collect();
    assert_eq!(
        details,
        [
            "repeat 2 of generation 1 from 2001:db8::/64, which was first asked for from 192.0.2.7",
            "repeat 1 of generation 1"
        ]
    );
    let metrics = Answer::of(app.http.get(format!("{}/metrics", app.ops))).await.body;
    for network in ["same", "other"] {
        let line = format!("jeton_refresh_repeats_total{{network=\"{network}\"}} 1");
        assert!(metrics.lines().any(|shown| shown == line), "{line}: {metrics}");
    }
});

on_both_stores!(a_user_who_refreshes_and_revokes_in_a_loop_is_stopped_and_leaves_no_audit_records, async |backend| {
    let setup = Setup::default().with_manual_clock().set("JETON_THROTTLING", "on");
    let scene = Scene::start_with(backend, setup).await;
    let (app, public) = (&scene.app, &scene.public);
    let mut tokens = scene.login(public).await;
    let before = audit(app, "limit=200").await;
    for _ in 0..REVOCATIONS {
        app.revoke(public, &tokens.access).await.assert_ok();
        // The second time there is nothing to do, so it does not count.
        app.revoke(public, &tokens.access).await.assert_ok();
        tokens = scene.refresh(public, &tokens.refresh).await;
    }
    let refused = app.revoke(public, &tokens.access).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, Some("36")), "{refused:?}");
    scene.assert_active(&tokens.access).await;
    // Nobody else waits, and who waits as told succeeds.
    let other = scene.login(public).await;
    app.revoke(public, &other.access).await.assert_ok();
    let machine = scene.client_credentials(&scene.main, &[]).await.text("access_token");
    app.revoke(&scene.main, &machine).await.assert_ok();
    app.advance(36);
    app.revoke(public, &tokens.access).await.assert_ok();
    scene.assert_inactive(&tokens.access).await;
    assert_eq!(audit(app, "limit=200").await, before, "who returns a token of their own changes nothing for others");
    // The session can be ended at any time; that is told.
    tokens = scene.refresh(public, &tokens.refresh).await;
    app.revoke(public, &tokens.refresh).await.assert_ok();
    scene.assert_dead(public, &tokens).await;
    assert_eq!(audit(app, "limit=200").await.len(), before.len() + 1);
});

on_both_stores!(a_refused_refresh_does_not_prolong_the_session, async |backend| {
    let scene = Scene::start_with(backend, Setup::default().with_manual_clock()).await;
    let (app, main) = (&scene.app, &scene.main);
    let tokens = scene.login(main).await;
    let shown = async || app.admin(Method::GET, "/admin/v1/sessions", None).await.json["items"][0].clone();
    let before = shown().await;
    let set_scope = async |scope: &str| {
        app.admin(Method::PATCH, "/admin/v1/clients/main", Some(json!({"scope": scope}))).await.assert_ok();
    };
    set_scope("something").await;
    app.advance(100);
    app.refresh(main, &tokens.refresh).await.assert_error(400, "invalid_scope");
    assert_eq!(shown().await, before);
    set_scope("read write").await;
    scene.refresh(main, &tokens.refresh).await;
    assert_ne!(shown().await["expires_at"], before["expires_at"]);
});
