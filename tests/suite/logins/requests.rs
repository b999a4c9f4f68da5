//! Authorization requests that are refused: by a page, or by an answer to the client.

use serde_json::{Value, json};

use crate::support::browser::{Arrival, Browser, CALLBACK, CHALLENGE, address, asking};
use crate::support::scene::ALICE;
use crate::support::{Answer, TestServer, on_both_stores};

/// Refused by a page that leads nowhere.
#[track_caller]
fn assert_page(answer: &Answer, parameter: &str) {
    assert_eq!((answer.status.as_u16(), answer.header("location")), (400, None), "{answer:?}");
    assert!(answer.header("content-type").unwrap().starts_with("text/html"));
    assert!(answer.body.contains(parameter), "{parameter}: {answer:?}");
}

on_both_stores!(aut_001_an_unknown_client_is_refused_by_a_page, async |backend| {
    let app = TestServer::start(backend).await;
    app.web_client("web", json!({})).await;
    app.web_client("disabled", json!({"enabled": false})).await;
    let mut browser = Browser::default();
    for client in ["nobody", "", "disabled", "\u{e9}", "a\0b", &"x".repeat(10_000)] {
        let answer = browser.authorize(&app, &asking(client, &[])).await;
        assert_page(&answer, "client_id");
    }
});

on_both_stores!(aut_002_aut_003_a_redirect_uri_that_is_not_registered_is_refused_by_a_page, async |backend| {
    let app = TestServer::start(backend).await;
    let native = ["http://127.0.0.1/cb", "http://[::1]/cb"];
    app.web_client("web", json!({})).await;
    app.web_client("native", json!({"redirect_uris": native})).await;
    let mut browser = Browser::default();
    for uri in [
        "https://evil.example/cb",
        "cb",
        "//evil.example",
        "javascript:alert(1)",
        "https://evil@app.example.test/cb",
        "https://app.example.test/cb/",
        "https://app.example.test/cb?x",
        "https://app.example.test/cb#f",
        "https://app.example.test/CB",
        "https://app.example.test:8443/cb",
        "http://app.example.test/cb",
        "https://app.example.test/%63b",
        "https://app.example.test/cb\r\nX: y",
        " https://app.example.test/cb",
        "https://app.example.test/cb\\@evil.example",
        &"x".repeat(10_000),
    ] {
        for mode in ["", "form_post"] {
            let answer =
                browser.authorize(&app, &asking("web", &[("redirect_uri", uri), ("response_mode", mode)])).await;
            assert_page(&answer, "redirect_uri");
        }
    }
    // AUT-004.
    for (uri, status) in [
        ("http://127.0.0.1:49152/cb", 200),
        ("http://[::1]:49152/cb", 200),
        ("http://127.0.0.1:49152/cbx", 400),
        ("http://localhost:49152/cb", 400),
    ] {
        let answer = browser.authorize(&app, &asking("native", &[("redirect_uri", uri)])).await;
        assert_eq!(answer.status.as_u16(), status, "{uri}: {answer:?}");
    }
    // Missing: of several, none is meant; OpenID Connect always needs it.
    let plain = |client| asking(client, &[("redirect_uri", ""), ("scope", "read")]);
    assert_page(&browser.authorize(&app, &plain("native")).await, "redirect_uri");
    assert_eq!(browser.authorize(&app, &plain("web")).await.status.as_u16(), 200);
    assert_page(&browser.authorize(&app, &asking("web", &[("redirect_uri", "")])).await, "redirect_uri");
});

on_both_stores!(a_redirect_uri_that_was_left_out_may_be_left_out_of_the_token_request, async |backend| {
    let app = TestServer::start(backend).await;
    let client = app.web_client("web", json!({"consent": "skip"})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let answer = browser.authorize(&app, &asking("web", &[("redirect_uri", ""), ("scope", "read")])).await;
    let arrival = Arrival::of(&answer);
    assert_eq!(arrival.uri, CALLBACK);
    let verifier = crate::support::browser::VERIFIER;
    let parameters = [("grant_type", "authorization_code"), ("code", &arrival.code()), ("code_verifier", verifier)];
    app.token(&client, &parameters).await.assert_ok();
});

on_both_stores!(aut_006_iss_002_other_errors_go_to_the_client_with_state_and_iss, async |backend| {
    let app = TestServer::start(backend).await;
    app.web_client("web", json!({})).await;
    app.web_client("no-code", json!({"grant_types": ["refresh_token"]})).await;
    app.web_client("pushes", json!({"require_pushed_authorization_requests": true})).await;
    let confidential = json!({"token_endpoint_auth_method": "client_secret_basic"});
    app.web_client("confidential", confidential).await;
    // AUT-007, AUT-008, AUT-029, AUT-030, AUT-031.
    let long = "x".repeat(20_000);
    let standard = format!("{}=", CHALLENGE.replace('-', "+"));
    let mut browser = Browser::default();
    for (client, more, error) in [
        ("web", ("response_type", ""), "invalid_request"),
        ("web", ("response_type", "nonsense"), "unsupported_response_type"),
        ("web", ("response_type", "token"), "unsupported_response_type"),
        ("web", ("response_type", "code token"), "unsupported_response_type"),
        ("web", ("response_mode", "fragment"), "invalid_request"),
        ("web", ("scope", "openid admin"), "invalid_scope"),
        ("web", ("scope", "jeton:admin"), "invalid_scope"),
        ("web", ("scope", "a  b"), "invalid_scope"),
        ("web", ("scope", "é"), "invalid_scope"),
        ("web", ("scope", &long), "invalid_scope"),
        ("web", ("resource", "https://elsewhere.example"), "invalid_target"),
        ("web", ("code_challenge", ""), "invalid_request"),
        ("web", ("code_challenge_method", ""), "invalid_request"),
        ("web", ("code_challenge_method", "plain"), "invalid_request"),
        ("web", ("code_challenge", &CHALLENGE[1..]), "invalid_request"),
        ("web", ("code_challenge", &standard), "invalid_request"),
        ("web", ("code_challenge", &long), "invalid_request"),
        ("web", ("prompt", "none login"), "invalid_request"),
        ("web", ("prompt", &long), "invalid_request"),
        ("web", ("max_age", "-1"), "invalid_request"),
        ("web", ("max_age", "soon"), "invalid_request"),
        ("web", ("nonce", &long), "invalid_request"),
        ("web", ("login_hint", &long), "invalid_request"),
        ("web", ("claims", "[]"), "invalid_request"),
        ("web", ("claims", &long), "invalid_request"),
        ("web", ("id_token_hint", &long), "invalid_request"),
        ("web", ("dpop_jkt", &standard), "invalid_request"),
        ("web", ("request", "eyJhbGciOiJub25lIn0.e30."), "request_not_supported"),
        ("web", ("request_uri", "https://app.example.test/request"), "request_uri_not_supported"),
        ("no-code", ("nonce", "n"), "unauthorized_client"),
        ("pushes", ("nonce", "n"), "invalid_request"),
        ("confidential", ("code_challenge", ""), "invalid_request"),
    ] {
        let parameters = asking(client, &[more]);
        let answer = browser.authorize(&app, &parameters).await;
        assert_eq!(answer.status.as_u16(), 302, "{more:?}: {answer:?}");
        let arrival = Arrival::of(&answer);
        assert_eq!(arrival.uri, CALLBACK, "{more:?}");
        arrival.assert_error(&app, error);
        assert!(arrival.get("error_description").is_some_and(|text| text.is_ascii() && !text.contains(['"', '\\'])));
        if parameters.iter().map(|(_, value)| value.len()).sum::<usize>() < 8000 {
            let posted = browser.post(&app, "/auth/authorize", &parameters).await;
            assert_eq!(posted.status.as_u16(), 303, "{more:?}: {posted:?}");
            Arrival::of(&posted).assert_error(&app, error);
        }
    }
});

on_both_stores!(aut_028_pkce_is_optional_only_where_the_registration_says_so_and_always_checked, async |backend| {
    let app = TestServer::start(backend).await;
    let settings =
        json!({"consent": "skip", "token_endpoint_auth_method": "client_secret_basic", "require_pkce": false});
    let client = app.web_client("web", settings).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let without = asking("web", &[("code_challenge", ""), ("code_challenge_method", "")]);
    let mut code = async || Arrival::of(&browser.authorize(&app, &without).await).code();
    let base = [("grant_type", "authorization_code"), ("redirect_uri", CALLBACK)];
    let first = code().await;
    app.token(&client, &[&base[..], &[("code", first.as_str())]].concat()).await.assert_ok();
    app.redeem(&client, &code().await).await.assert_error(400, "invalid_grant");
});

on_both_stores!(aut_009_a_repeated_parameter_is_refused, async |backend| {
    let app = TestServer::start(backend).await;
    app.web_client("web", json!({})).await;
    let mut browser = Browser::default();
    for name in ["client_id", "redirect_uri"] {
        let mut parameters = asking("web", &[]);
        parameters.push((name, "https://evil.example/cb"));
        assert_page(&browser.authorize(&app, &parameters).await, name);
        parameters.reverse();
        assert_page(&browser.authorize(&app, &parameters).await, name);
        parameters.retain(|(_, value)| *value != "https://evil.example/cb");
        let same = parameters.iter().find(|(own, _)| *own == name).copied().unwrap();
        parameters.push(same);
        assert_page(&browser.authorize(&app, &parameters).await, name);
    }
    for name in [
        "response_type",
        "scope",
        "code_challenge",
        "code_challenge_method",
        "nonce",
        "prompt",
        "max_age",
        "claims",
        "login_hint",
        "id_token_hint",
        "dpop_jkt",
        "response_mode",
        "request",
    ] {
        let mut parameters = asking("web", &[]);
        parameters.retain(|(own, _)| *own != name);
        parameters.extend([(name, "query"), (name, "query")]);
        Arrival::of(&browser.authorize(&app, &parameters).await).assert_error(&app, "invalid_request");
    }
    let mut parameters = asking("web", &[]);
    parameters.push(("state", "other"));
    let arrival = Arrival::of(&browser.authorize(&app, &parameters).await);
    assert_eq!((arrival.get("error"), arrival.get("state")), (Some("invalid_request"), None));
    // Unknown ones may repeat.
    let parameters = [asking("web", &[]), vec![("ui_locales", "fr"), ("x", "1"), ("x", "2")]].concat();
    assert_eq!(browser.authorize(&app, &parameters).await.status.as_u16(), 200);
});

on_both_stores!(aut_010_iss_004_state_comes_back_exactly_and_iss_is_that_of_the_server, async |backend| {
    let app = TestServer::start(backend).await;
    app.web_client("web", json!({"consent": "skip"})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let long = "é".repeat(2048);
    for state in ["a b&c=é%2F+", "\"><script>", "\0\r\n", " ", "{\"x\":[1]}", &long] {
        for more in [("state", state), ("scope", "nothing")].chunks(2).flat_map(|pair| [vec![pair[0]], pair.to_vec()]) {
            let parameters = [asking("web", &more), vec![("iss", "https://evil.example")]].concat();
            let request = app.http.get(format!("{}{}", app.base, address(&parameters))).header("Host", "evil.example");
            let cookies: Vec<String> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let arrival = Arrival::of(&Answer::of(request.header("Cookie", cookies.join("; "))).await);
            assert_eq!((arrival.get("state"), arrival.get("iss")), (Some(state), Some(app.issuer())));
        }
    }
    for too_long in [format!("{long}x"), "\0".repeat(683)] {
        let answer = browser.authorize(&app, &asking("web", &[("state", &too_long)])).await;
        let arrival = Arrival::of(&answer);
        assert_eq!((arrival.get("error"), arrival.get("state")), (Some("invalid_request"), None));
    }
});

on_both_stores!(aut_017_no_other_site_may_read_the_answers, async |backend| {
    let app = TestServer::start_with(
        backend,
        crate::support::Setup::default().set("JETON_CORS_ORIGINS", "https://spa.example.test"),
    )
    .await;
    app.web_client("web", json!({})).await;
    for path in [address(&asking("web", &[])), "/login".into()] {
        let answer = app.get_with(&path, &[("Origin", "https://spa.example.test")]).await;
        assert_eq!(answer.status.as_u16(), 200);
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")), "{answer:?}");
    }
});

on_both_stores!(aut_018_aut_019_nothing_redirects_elsewhere_and_what_is_repeated_is_escaped, async |backend| {
    let app = TestServer::start(backend).await;
    app.web_client("web", json!({"client_name": "<img src=x onerror=alert(1)>"})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::default();
    let attack = "\"><script>alert(1)</script>";
    for parameters in [
        asking(attack, &[]),
        asking("web", &[("redirect_uri", attack)]),
        asking("web", &[("state", attack), ("login_hint", attack), ("nonce", attack)]),
    ] {
        let page = browser.authorize(&app, &parameters).await;
        assert!(!page.body.contains("<script>alert") && !page.body.contains("<img src=x"), "{page:?}");
    }
    for next in ["https://evil.example", "//evil", "/\\evil"] {
        for name in ["next", "return_to", "redirect", "post_logout_redirect_uri"] {
            let query: String = form_urlencoded::Serializer::new(String::new()).append_pair(name, next).finish();
            let mut browser = Browser::logged_in(&app, ALICE).await;
            for path in [format!("/login?{query}"), format!("/auth/authorize?{query}")] {
                let location = browser.get(&app, &path).await.header("location").map(str::to_owned);
                assert!(location.is_none_or(|location| location == "/account"), "{path}");
            }
        }
    }
});

on_both_stores!(a_request_uri_works_for_its_client_only, async |backend| {
    let app = TestServer::start(backend).await;
    app.web_client("web", json!({})).await;
    app.web_client("other", json!({})).await;
    let posted = Browser::default().post(&app, "/auth/authorize", &asking("web", &[])).await;
    let address = posted.header("location").unwrap().to_owned();
    let mut browser = Browser::default();
    assert_eq!(browser.get(&app, &address).await.status.as_u16(), 200);
    for wrong in [
        address.replace("client_id=web", "client_id=other"),
        address[..address.len() - 2].to_owned(),
        "/auth/authorize?client_id=web&request_uri=urn:ietf:params:oauth:request_uri:x".to_owned(),
        "/auth/authorize?client_id=web&request_uri=urn:ietf:params:oauth:request_uri:".to_owned(),
    ] {
        let answer = browser.get(&app, &wrong).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (400, None), "{answer:?}");
    }
    assert_eq!(Value::Null, app.get(&address).await.json, "a page");
});
