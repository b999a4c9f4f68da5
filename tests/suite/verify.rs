//! `/auth/verify`: may a request pass? The rows of the table of refusals, and what a forger or a stranger may learn.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jeton::jose::algorithm::SigningAlgorithm;
use jeton::jose::signing::SigningKey;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::proxy::Proxy;
use crate::support::{
    Answer, Backend, Setup, TestClient, TestServer, eventually, fresh_database, jwt_part, on_both_stores,
};

const API: &str = "https://api.example.test/";
const VERIFY: &str = "/auth/verify?audience=https://api.example.test/";
const X_AUTH: [&str; 4] = ["x-auth-subject", "x-auth-client", "x-auth-scope", "x-auth-session"];

async fn ask(app: &TestServer, path: &str, headers: &[(&str, &str)]) -> Answer {
    send(app, Method::GET, path, headers).await
}

async fn send(app: &TestServer, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = app.http.request(method, format!("{}{path}", app.base));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request).await
}

async fn with_token(app: &TestServer, path: &str, token: &str) -> Answer {
    ask(app, path, &[("Authorization", &format!("Bearer {token}"))]).await
}

/// A token of the client's own.
async fn token_of(app: &TestServer, client: &TestClient, more: &[(&str, &str)]) -> String {
    let mut parameters = vec![("grant_type", "client_credentials")];
    parameters.extend(more);
    app.token(client, &parameters).await.text("access_token")
}

/// The request may pass; returns what the service behind the proxy learns.
#[track_caller]
fn assert_passes(answer: &Answer) -> [String; 4] {
    answer.assert_ok();
    assert_eq!(answer.body, "");
    assert!(answer.header("www-authenticate").is_none());
    X_AUTH.map(|name| {
        assert_eq!(answer.headers.get_all(name).iter().count(), 1, "{name}: {answer:?}");
        answer.header(name).unwrap().to_owned()
    })
}

/// A refusal, in the body and the challenge alike; returns its description.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, error: &str, page: &str) -> String {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    let members: Vec<&String> = answer.json.as_object().unwrap().keys().collect();
    assert_eq!(members, ["error", "error_description", "error_uri"]);
    let (uri, description) = (answer.text("error_uri"), answer.text("error_description"));
    assert_eq!(uri, format!("https://auth.example.com/docs/errors/{page}"));
    assert_eq!(answer.text("error"), error);
    let challenge = answer.header("www-authenticate").unwrap();
    let begins = format!("Bearer realm=\"jeton\", error=\"{error}\", error_description=\"{description}\"");
    assert!(challenge.starts_with(&begins) && challenge.ends_with(&format!(", error_uri=\"{uri}\"")), "{challenge}");
    assert_not_let_in(answer);
    description
}

/// 401 without an error code (RFC 6750 §3.1).
#[track_caller]
fn assert_no_token(answer: &Answer, page: &str) {
    assert_eq!(answer.status.as_u16(), 401, "{answer:?}");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"jeton\""));
    let members: Vec<&String> = answer.json.as_object().unwrap().keys().collect();
    assert_eq!(members, ["error_description", "error_uri"]);
    assert!(answer.text("error_uri").ends_with(&format!("/docs/errors/{page}")), "{answer:?}");
    assert_not_let_in(answer);
}

#[track_caller]
fn assert_not_let_in(answer: &Answer) {
    assert!(X_AUTH.iter().all(|name| answer.header(name).is_none()), "{answer:?}");
}

on_both_stores!(a_valid_token_passes_and_the_service_learns_whose_it_is, async |backend| {
    let app = TestServer::start(backend).await;
    let alice = app.user("alice", "wonderland").await;
    let grants = json!(["password", "client_credentials", "refresh_token"]);
    let opaque =
        json!({"grant_types": grants, "scope": "read write", "audiences": [API], "access_token_format": "opaque"});
    for client in [app.main_client("main").await, app.client("opaque", opaque).await] {
        let login = app.login(&client, "alice", "wonderland").await.text("access_token");
        let introspected = app.introspect(&client, &login).await;
        let [subject, of_client, scope, session] = assert_passes(&with_token(&app, VERIFY, &login).await);
        assert_eq!([subject, of_client, scope], [alice.clone(), client.id.clone(), "read write".to_owned()]);
        assert_eq!(session, introspected.text("sid"));
        let own = token_of(&app, &client, &[("scope", "read")]).await;
        let told = assert_passes(&with_token(&app, VERIFY, &own).await);
        assert_eq!(told, [client.id.as_str(), &client.id, "read", ""]);
    }
    // Nothing is granted: the header is empty but present.
    let bare = app.client("bare", json!({"grant_types": ["client_credentials"], "audiences": [API]})).await;
    let own = token_of(&app, &bare, &[]).await;
    assert_eq!(assert_passes(&with_token(&app, VERIFY, &own).await), ["bare", "bare", "", ""]);
});

on_both_stores!(every_method_and_every_path_below_is_answered_alike_and_no_body_is_read, async |backend| {
    let app = TestServer::start(backend).await;
    let main = app.main_client("main").await;
    let token = token_of(&app, &main, &[]).await;
    let bearer = format!("Bearer {token}");
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "PROPFIND"] {
        let method: Method = method.parse().unwrap();
        for path in ["", "/", "/data", "/a/b//c", "/%FF/../x"] {
            let path = format!("/auth/verify{path}?audience={API}");
            let headers = [("Authorization", bearer.as_str()), ("Access-Control-Request-Method", "PUT")];
            assert_passes(&send(&app, method.clone(), &path, &headers).await);
            let refused = send(&app, method.clone(), &path, &headers[1..]).await;
            assert_eq!(refused.status, 401, "{method} {path}");
            assert_eq!(refused.body.is_empty(), method == Method::HEAD);
        }
    }
    let form = [("Content-Type", "application/x-www-form-urlencoded"), ("Authorization", &bearer)];
    assert_passes(&app.raw(VERIFY, &form, format!("access_token={token}")).await);
    assert_passes(&app.raw(VERIFY, &form, vec![0xFF; 200_000]).await);
    // It does not wait for a body that never comes.
    let host = app.base.strip_prefix("http://").unwrap().to_owned();
    let request =
        format!("POST {VERIFY} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {bearer}\r\nContent-Length: 99\r\n\r\n");
    let answer = tokio::task::spawn_blocking(move || {
        let mut connection = TcpStream::connect(host).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        connection.write_all(request.as_bytes()).unwrap();
        let mut begun = [0; 12];
        connection.read_exact(&mut begun).unwrap();
        String::from_utf8_lossy(&begun).into_owned()
    });
    assert_eq!(answer.await.unwrap(), "HTTP/1.1 200");
});

on_both_stores!(the_presentation_of_a_token_is_judged_first, async |backend| {
    let app = TestServer::start(backend).await;
    let main = app.main_client("main").await;
    let token = token_of(&app, &main, &[]).await;
    let bearer = format!("Bearer {token}");
    assert_no_token(&ask(&app, VERIFY, &[]).await, "missing");
    assert_no_token(&ask(&app, VERIFY, &[("Authorization", "Bearer")]).await, "missing");
    assert_no_token(&ask(&app, VERIFY, &[("Cookie", &format!("access_token={token}"))]).await, "missing");
    for value in ["Basic dTpw".to_owned(), token.clone(), format!("Token {token}"), format!("Bearer  {token}")] {
        let answer = ask(&app, VERIFY, &[("Authorization", &value)]).await;
        assert_no_token(&answer, "wrong_scheme");
        assert!(!answer.body.contains(&token));
    }
    let twice = ask(&app, VERIFY, &[("Authorization", &bearer), ("Authorization", &bearer)]).await;
    assert_refused(&twice, 400, "invalid_request", "sent_twice");
    let merged = ask(&app, VERIFY, &[("Authorization", &format!("{bearer}, {bearer}"))]).await;
    assert_refused(&merged, 400, "invalid_request", "sent_twice");
    for path in
        [format!("{VERIFY}&access_token={token}"), format!("/auth/verify/data?audience={API}&access%5Ftoken={token}")]
    {
        assert_refused(&ask(&app, &path, &[]).await, 400, "invalid_request", "in_query_string");
        let both = ask(&app, &path, &[("Authorization", &bearer)]).await;
        assert_refused(&both, 400, "invalid_request", "sent_twice");
    }
});

on_both_stores!(the_original_url_is_taken_from_a_trusted_proxy, async |backend| {
    let trusting = Setup::default().set("JETON_TRUSTED_PROXIES", "127.0.0.0/8");
    let app = TestServer::start_with(backend, trusting).await;
    let main = app.main_client("main").await;
    let token = token_of(&app, &main, &[]).await;
    let bearer = format!("Bearer {token}");
    let address = format!("/data?a=b&access_token={token}");
    for name in ["X-Original-URI", "X-Forwarded-Uri"] {
        let answer = ask(&app, VERIFY, &[(name, &address)]).await;
        assert_refused(&answer, 400, "invalid_request", "in_query_string");
        let answer = ask(&app, VERIFY, &[("Authorization", &bearer), (name, &address)]).await;
        assert_refused(&answer, 400, "invalid_request", "sent_twice");
        assert_passes(&ask(&app, VERIFY, &[("Authorization", &bearer), (name, "/data?token=x")]).await);
    }
});

on_both_stores!(forwarding_headers_of_an_untrusted_peer_change_nothing, async |backend| {
    let elsewhere = Setup::default().set("JETON_TRUSTED_PROXIES", "192.0.2.0/24");
    let app = TestServer::start_with(backend, elsewhere).await;
    let main = app.main_client("main").await;
    let bearer = format!("Bearer {}", token_of(&app, &main, &[]).await);
    // Whom a peer names in X-Forwarded-For does not make it trusted.
    let forged = ("X-Forwarded-For", "192.0.2.1");
    for name in ["X-Original-URI", "X-Forwarded-Uri"] {
        for address in ["/data?access_token=x", "/auth/verify?audience=else", "\u{ff}?%"] {
            assert_passes(&ask(&app, VERIFY, &[("Authorization", &bearer), (name, address), forged]).await);
            assert_no_token(&ask(&app, VERIFY, &[(name, address), forged]).await, "missing");
        }
    }
});

on_both_stores!(an_audience_must_be_named_or_configured, async |backend| {
    let app = TestServer::start(backend).await;
    let main = app.main_client("main").await;
    let token = token_of(&app, &main, &[("resource", API)]).await;
    for query in ["", "?scope=read", "?audience=", &format!("?audience={API}&audience={API}")] {
        for path in ["/auth/verify", "/auth/verify/x"] {
            let answer = with_token(&app, &format!("{path}{query}"), &token).await;
            assert_refused(&answer, 400, "invalid_request", "invalid_request");
        }
    }
    for query in ["&scope=a&scope=b", "&scope=a++b", "&scope=%22"] {
        let answer = with_token(&app, &format!("{VERIFY}{query}"), &token).await;
        assert_refused(&answer, 400, "invalid_request", "invalid_request");
    }
    for other in ["https://files.example.test/", "https://api.example.test", "x"] {
        let answer = with_token(&app, &format!("/auth/verify?audience={other}"), &token).await;
        assert_refused(&answer, 401, "invalid_token", "wrong_audience");
    }
    assert_passes(&with_token(&app, &format!("{VERIFY}&colour=red&colour=blue&x=%zz"), &token).await);
});

on_both_stores!(a_configured_audience_cannot_be_changed_by_an_appended_query, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().set("JETON_VERIFY_AUDIENCE", API)).await;
    let main = app.main_client("main").await;
    let ours = token_of(&app, &main, &[("resource", API)]).await;
    let theirs = token_of(&app, &main, &[("resource", "https://files.example.test/")]).await;
    let files = "?audience=https://files.example.test/";
    assert_passes(&with_token(&app, "/auth/verify", &ours).await);
    // The proxy's own words.
    assert_passes(&with_token(&app, &format!("/auth/verify{files}"), &theirs).await);
    // Perhaps the client's words.
    for path in ["/auth/verify/", "/auth/verify/data"] {
        assert_passes(&with_token(&app, &format!("{path}{files}"), &ours).await);
        let answer = with_token(&app, &format!("{path}{files}"), &theirs).await;
        assert_refused(&answer, 401, "invalid_token", "wrong_audience");
        let answer = with_token(&app, &format!("{path}?scope=more"), &ours).await;
        assert_refused(&answer, 403, "insufficient_scope", "insufficient_scope");
    }
});

on_both_stores!(insufficient_scope_is_forbidden_and_the_challenge_names_the_required_scope, async |backend| {
    let app = TestServer::start(backend).await;
    let main = app.main_client("main").await;
    let token = token_of(&app, &main, &[("scope", "read")]).await;
    for scope in ["read", "read+read", ""] {
        assert_passes(&with_token(&app, &format!("{VERIFY}&scope={scope}"), &token).await);
    }
    for (query, needed) in [("write", "write"), ("read+write", "read write"), ("READ", "READ"), ("x%5B%26y", "x[&y")] {
        let answer = with_token(&app, &format!("{VERIFY}&scope={query}"), &token).await;
        assert_refused(&answer, 403, "insufficient_scope", "insufficient_scope");
        assert!(answer.header("www-authenticate").unwrap().contains(&format!(", scope=\"{needed}\", ")), "{answer:?}");
    }
    // The audience is judged before the scope.
    let answer = with_token(&app, "/auth/verify?audience=x&scope=write", &token).await;
    assert_refused(&answer, 401, "invalid_token", "wrong_audience");
});

on_both_stores!(a_revoked_token_is_refused_with_its_cause_but_not_by_whom_or_why, async |backend| {
    let app = TestServer::start(backend).await;
    let alice = app.user("alice", "wonderland").await;
    let reason = "caught-stealing-apples";
    let main = app.main_client("main").await;
    let login = async || app.login(&main, "alice", "wonderland").await.text("access_token");
    let tokens = [login().await, login().await, login().await, token_of(&app, &main, &[]).await];
    let session = jwt_part(&tokens[1], 1)["sid"].clone();
    let targets: [(Value, &str); 4] = [
        (json!({"token": tokens[0]}), "token_revoked"),
        (json!({"session": session}), "session_revoked"),
        (json!({"user": alice}), "user_revoked"),
        (json!({"client": "main"}), "client_revoked"),
    ];
    for (index, (mut target, cause)) in targets.into_iter().enumerate() {
        assert_passes(&with_token(&app, VERIFY, &tokens[index]).await);
        target["reason"] = json!(reason);
        assert_eq!(app.admin(Method::POST, "/admin/v1/revocations", Some(target)).await.status, 201);
        let answer = with_token(&app, VERIFY, &tokens[index]).await;
        assert_refused(&answer, 401, "invalid_token", cause);
        let shown = format!("{answer:?}");
        assert!(!shown.contains(reason) && !shown.contains("test-admin"), "{shown}");
    }
});

on_both_stores!(an_expired_token_is_refused_with_its_expiry_time, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    let main = app.main_client("main").await;
    let token = token_of(&app, &main, &[]).await;
    app.advance(899);
    assert_passes(&with_token(&app, VERIFY, &token).await);
    app.advance(1);
    let description = assert_refused(&with_token(&app, VERIFY, &token).await, 401, "invalid_token", "expired");
    assert_eq!(description, "The token has expired (2027-01-15T08:15:00.000Z).");
});

on_both_stores!(other_kinds_of_tokens_are_refused, async |backend| {
    let app = TestServer::start(backend).await;
    app.user("alice", "wonderland").await;
    let main = app.main_client("main").await;
    let refresh = app.login(&main, "alice", "wonderland").await.text("refresh_token");
    let answer = with_token(&app, VERIFY, &refresh).await;
    assert_refused(&answer, 401, "invalid_token", "refresh_token_as_access_token");
    let answer = with_token(&app, VERIFY, main.secret.as_deref().unwrap()).await;
    assert_refused(&answer, 401, "invalid_token", "client_secret_as_token");
    // A token for the admin API is not accepted elsewhere.
    let admin = app.admin_token().await;
    assert_refused(&with_token(&app, VERIFY, &admin).await, 401, "invalid_token", "wrong_audience");
    let own = format!("/auth/verify?audience={}/admin/v1&scope=jeton:admin", app.issuer());
    assert_eq!(assert_passes(&with_token(&app, &own, &admin).await)[2], "jeton:admin");
});

/// The same claims and header, with changes, signed by another key.
fn forged(good: &str, change: impl Fn(&mut Value, &mut Value)) -> String {
    let (mut header, mut claims) = (jwt_part(good, 0), jwt_part(good, 1));
    change(&mut header, &mut claims);
    let algorithm = SigningAlgorithm::Es256;
    let key = SigningKey::parse(algorithm, &SigningKey::generate(algorithm)).unwrap();
    let input = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let signature = URL_SAFE_NO_PAD.encode(key.sign(input.as_bytes()));
    format!("{input}.{signature}")
}

on_both_stores!(a_stranger_learns_nothing_from_a_forged_token, async |backend| {
    let sisters = "staging=https://staging.example.com";
    let app = TestServer::start_with(backend, Setup::default().set("JETON_KNOWN_ISSUERS", sisters)).await;
    let main = app.main_client("main").await;
    let grants = json!(["client_credentials"]);
    let opaque = json!({"grant_types": grants, "audiences": [API], "access_token_format": "opaque"});
    let opaque = app.client("opaque", opaque).await;
    let good = token_of(&app, &main, &[]).await;
    let sealed = token_of(&app, &opaque, &[]).await;
    let body = sealed.strip_prefix("jat_live_").unwrap();
    let resealed = |at: usize| {
        let mut bytes = URL_SAFE_NO_PAD.decode(body).unwrap();
        bytes[at] ^= 1;
        format!("jat_live_{}", URL_SAFE_NO_PAD.encode(bytes))
    };
    let texts = [
        ("the kid of a key, another signature", forged(&good, |_, _| {})),
        ("a kid that never was", forged(&good, |header, _| header["kid"] = json!("none"))),
        ("expired, if it were true", forged(&good, |_, claims| claims["exp"] = json!(1))),
        ("a user who does not exist", forged(&good, |_, claims| claims["sub"] = json!("nobody"))),
        ("a token key that never was", resealed(1)),
        ("sealed contents that were changed", resealed(body.len() / 2)),
        ("another algorithm of ours", forged(&good, |header, _| header["alg"] = json!("EdDSA"))),
    ];
    alike(&app, &texts, "This server cannot verify the token.").await;
    // The answer says what the bytes show, but not whether the sibling is known here.
    let of_others = [
        ("another issuer", forged(&good, |_, claims| claims["iss"] = json!("https://else.example.com"))),
        ("a sibling", forged(&good, |_, claims| claims["iss"] = json!("https://staging.example.com"))),
        ("another environment", sealed.replacen("jat_live_", "jat_else_", 1)),
        ("a sibling's environment", sealed.replacen("jat_live_", "jat_staging_", 1)),
    ];
    alike(&app, &of_others, "The token names an issuer or environment other than this server's.").await;
    let unsigned = forged(&good, |header, _| header["alg"] = json!("HS256"));
    assert_refused(&with_token(&app, VERIFY, &unsigned).await, 401, "invalid_token", "algorithm_not_allowed");
    // The admin API tells no more.
    let admin = "/admin/v1/clients";
    let details = [
        with_token(&app, admin, &forged(&good, |_, _| {})).await.text("detail"),
        with_token(&app, admin, &forged(&good, |header, _| header["kid"] = json!("none"))).await.text("detail"),
    ];
    assert_eq!(details, ["This server cannot verify the token."; 2]);
});

/// Each text gets the same answer, except for the request id.
async fn alike(app: &TestServer, texts: &[(&str, String)], expected: &str) {
    let mut answers = Vec::new();
    for (what, text) in texts {
        let answer = with_token(app, VERIFY, text).await;
        let description = assert_refused(&answer, 401, "invalid_token", "invalid_token");
        assert_eq!(description, expected, "{what}");
        let mut headers = answer.headers.clone();
        assert!(headers.remove("x-request-id").is_some());
        headers.remove("date");
        answers.push((what, headers, answer.body));
    }
    for (what, headers, body) in &answers {
        assert_eq!((headers, body), (&answers[0].1, &answers[0].2), "{what}");
    }
}

on_both_stores!(refusals_are_counted_by_their_cause, async |backend| {
    let app = TestServer::start(backend).await;
    let main = app.main_client("main").await;
    let good = token_of(&app, &main, &[]).await;
    ask(&app, VERIFY, &[]).await;
    with_token(&app, VERIFY, &forged(&good, |_, _| {})).await;
    with_token(&app, VERIFY, &forged(&good, |header, _| header["kid"] = json!("none"))).await;
    with_token(&app, &format!("{VERIFY}&scope=more"), &good).await;
    with_token(&app, "/auth/verify", &good).await;
    with_token(&app, "/admin/v1/clients", &good).await;
    let metrics = Answer::of(app.http.get(format!("{}/metrics", app.ops))).await.body;
    for (endpoint, cause) in [
        ("verify", "missing"),
        ("verify", "bad_signature"),
        ("verify", "unknown_key"),
        ("verify", "insufficient_scope"),
        ("verify", "invalid_request"),
        ("admin", "wrong_audience"),
    ] {
        let line = format!("jeton_refusals_total{{endpoint=\"{endpoint}\",cause=\"{cause}\"}} 1");
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_never_a_refusal() {
    let (database, _folder) = fresh_database(Backend::Postgres).await;
    let proxy = Proxy::to(&database).await;
    let key = jeton::keys::master::MasterKey::generate().to_string();
    let setup = Setup::default().set("JETON_MAX_STALENESS", "1s");
    let app = TestServer::start_on(&proxy.address_of(&database), &key, setup).await;
    let main = app.main_client("main").await;
    let good = token_of(&app, &main, &[]).await;
    let unknown = forged(&good, |header, _| header["kid"] = json!("none"));
    assert_passes(&with_token(&app, VERIFY, &good).await);
    proxy.cut();
    eventually(Duration::from_secs(10), "the node is behind", async || {
        let answer = with_token(&app, VERIFY, &good).await;
        assert!(answer.status == 200 || answer.is_unavailable(), "{answer:?}");
        answer.is_unavailable()
    })
    .await;
    for token in [&good, &unknown] {
        let answer = with_token(&app, VERIFY, token).await;
        assert!(answer.is_unavailable(), "{answer:?}");
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_not_let_in(&answer);
    }
    // What needs no database is still answered.
    assert_no_token(&ask(&app, VERIFY, &[]).await, "missing");
    proxy.heal();
    eventually(Duration::from_secs(10), "the node serves again", async || {
        with_token(&app, VERIFY, &good).await.status == 200
    })
    .await;
    assert_eq!(with_token(&app, VERIFY, &unknown).await.status, 401);
}
