//! §26 SEC: browsers, paths and what a stranger sees.

use std::time::Duration;

use reqwest::Method;

use crate::support::scene::{CLIENT_CREDENTIALS, Scene};
use crate::support::{Answer, Setup, on_both_stores, status_of};

const ENDPOINTS: [&str; 3] = ["/auth/token", "/auth/revoke", "/auth/introspect"];

/// A preflight and a simple request from a page of this origin.
async fn from_origin(scene: &Scene, path: &str, origin: &str) -> [Answer; 2] {
    let at = |method| scene.app.http.request(method, format!("{}{path}", scene.app.base)).header("Origin", origin);
    let preflight = at(Method::OPTIONS)
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "authorization,content-type");
    let simple = at(Method::POST).header("Authorization", scene.main.basic());
    [Answer::of(preflight).await, Answer::of(simple.form(&[CLIENT_CREDENTIALS, ("token", "x")])).await]
}

on_both_stores!(sec_004_and_sec_005_no_other_origin_may_read_the_answers, async |backend| {
    let spa = "https://spa.example";
    for setup in [Setup::default(), Setup::default().set("JETON_CORS_ORIGINS", spa)] {
        let configured = !setup.environment.is_empty();
        let scene = Scene::start_with(backend, setup).await;
        for path in ENDPOINTS {
            for origin in ["https://evil.example", "null", "https://spa.example.evil.example", "http://spa.example"] {
                for answer in from_origin(&scene, path, origin).await {
                    let allowed = answer.header("access-control-allow-origin");
                    assert!(allowed.is_none_or(|allowed| allowed != "*" && allowed != origin), "{origin}: {answer:?}");
                    // SEC-005
                    assert_ne!(answer.header("access-control-allow-credentials"), Some("true"), "{origin}: {answer:?}");
                    assert!(answer.status.as_u16() < 500, "{answer:?}");
                }
            }
        }
        for answer in from_origin(&scene, "/auth/token", spa).await {
            let expected = configured.then_some(spa);
            assert_eq!(answer.header("access-control-allow-origin"), expected, "{answer:?}");
            assert_ne!(answer.header("access-control-allow-credentials"), Some("true"), "{answer:?}");
        }
    }
});

on_both_stores!(sec_007_no_header_reveals_a_version, async |backend| {
    let scene = Scene::start(backend).await;
    for answer in [
        scene.client_credentials(&scene.main, &[]).await,
        scene.client_credentials(&scene.main, &[("scope", "nothing")]).await,
        scene.app.get("/.well-known/oauth-authorization-server").await,
        scene.app.get("/no-such-path").await,
        scene.app.get("/auth/token").await,
        Answer::of(scene.app.http.get(format!("{}/healthz", scene.app.ops))).await,
    ] {
        for name in ["server", "x-powered-by", "via", "x-version"] {
            let value = answer.header(name).unwrap_or_default();
            assert!(!value.contains(|char: char| char.is_ascii_digit()), "{name}: {value}");
        }
    }
});

on_both_stores!(sec_008_paths_of_operators_and_administrators_are_not_open, async |backend| {
    let scene = Scene::start(backend).await;
    for path in [
        "/metrics",
        "/healthz",
        "/readyz",
        "/debug",
        "/debug/pprof/",
        "/admin",
        "/admin/v1",
        "/admin/v1/clients",
        "/admin/v1/users",
        "/admin/v1/sessions",
        "/admin/v1/revocations",
        "/admin/v1/keys",
        "/admin/v1/audit",
        "/.env",
        "/.git/config",
        "/jeton.db",
        "/docs/../jeton.toml",
    ] {
        let answer = scene.odd_request("GET", path, "").await;
        assert!([401, 403, 404].contains(&status_of(&answer)), "{path}: {answer}");
    }
});

on_both_stores!(sec_009_path_tricks_reach_no_other_handler, async |backend| {
    let scene = Scene::start(backend).await;
    for target in [
        "//auth/token",
        "/auth//token",
        "/auth/../auth/token",
        "/./auth/token",
        "/auth/token/",
        "/auth/token;x",
        "/auth/token%2f",
        "/auth%2ftoken",
        "/auth/token%00",
        "/auth/token.json",
        "/AUTH/TOKEN",
        "/auth/toke%6e",
        "\\auth\\token",
        "auth/token",
        "*",
    ] {
        let answer = scene.odd_request("POST", target, "").await;
        // The handler itself, with its own checks, or nothing.
        let is_token = status_of(&answer) == 200 && answer.contains("access_token");
        assert!(is_token || [400, 404, 405].contains(&status_of(&answer)), "{target}: {answer}");
    }
    for target in [
        "/docs/../admin/v1/clients",
        "//admin/v1/clients",
        "/admin/v1//clients",
        "/admin/v1/clients/",
        "/admin/v1/clients;x",
        "/admin/v1/%63lients",
        "/ADMIN/V1/CLIENTS",
        "/.well-known/../admin/v1/clients",
        "/.well-known/%2e%2e/admin/v1/clients",
        "http://localhost/admin/v1/clients",
    ] {
        let answer = scene.odd_request("GET", target, "").await;
        assert!([400, 401, 404, 405].contains(&status_of(&answer)), "{target}: {answer}");
        assert!(!answer.contains("\"client_id\""), "{target}: {answer}");
    }
});

on_both_stores!(sec_010_an_unknown_path_is_answered_quickly_and_not_echoed, async |backend| {
    let scene = Scene::start(backend).await;
    for target in [
        "/no-such-<b>path</b>?x=<script>",
        "/no-such-%3Cb%3Epath%3C/b%3E?x=%3Cscript%3E",
        "/docs/errors/<b>path</b>?x=<script>",
        "/docs/errors/%3Cb%3Epath%3C%2Fb%3E?x=%3Cscript%3E",
    ] {
        let answer = tokio::time::timeout(Duration::from_secs(5), scene.odd_request("GET", target, "")).await;
        let answer = answer.expect("within 5 s");
        assert!([400, 404].contains(&status_of(&answer)), "{target}: {answer}");
        for echo in ["<b>", "<script>", "no-such", "%3C"] {
            assert!(!answer.contains(echo), "{echo} {target}: {answer}");
        }
    }
});
