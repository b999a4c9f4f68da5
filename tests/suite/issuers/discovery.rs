//! The keys of issuers: fetched by discovery or from `jwks_uri`, bounded, never from inside.

use std::time::{Duration, Instant};

use jeton::jose::algorithm::SigningAlgorithm;
use serde_json::{Value, json};

use super::{Idp, ask, key_set, new_key, worker};
use crate::support::receiver::{Authority, HANGS, Receiver};
use crate::support::{Setup, TestServer, on_both_stores};

const DISCOVERY: &str = "/.well-known/openid-configuration";

/// An issuer at a receiver, whose discovery document says where the keys are.
fn idp_at(receiver: &Receiver) -> Idp {
    let idp = Idp::new(&receiver.url(""));
    receiver.serves(DISCOVERY, "", &json!({"issuer": idp.name, "jwks_uri": receiver.url("/keys")}).to_string());
    receiver.serves("/keys", "", &key_set(&[(&idp.key, "own")]).to_string());
    idp
}

/// Members of an issuer whose keys are fetched, and which proves the client `worker`.
fn fetched(more: Value) -> Value {
    let rules = json!([{"client_id": "worker", "claims": {"sub": {"equals": "job"}}}]);
    let members = json!({"uses": ["client_assertion"], "rules": rules, "jwks": null});
    crate::conformance::jose::changed(&members, more)
}

on_both_stores!(keys_are_found_by_discovery_shared_kept_and_fetched_anew_for_an_unknown_name, async |backend| {
    let authority = Authority::new();
    let receiver = authority.receiver(404).await;
    let app = TestServer::start_with(backend, authority.setup(&[&receiver]).with_manual_clock()).await;
    let mut idp = idp_at(&receiver);
    worker(&app, "worker", &[&idp]).await;
    idp.register(&app, fetched(json!({}))).await;
    let token = |idp: &Idp, header: Value| idp.token(&app, "job", header, json!({}));
    let (one, other) = (token(&idp, json!({})), token(&idp, json!({})));
    let (first, second) = tokio::join!(ask(&app, "worker", &one), ask(&app, "worker", &other));
    first.assert_ok();
    second.assert_ok();
    let paths = |receiver: &Receiver| -> Vec<String> {
        let received = receiver.received();
        received.iter().map(|request| request.head.split(' ').nth(1).unwrap().to_owned()).collect()
    };
    assert_eq!(paths(&receiver), [DISCOVERY, "/keys"], "requests share a call");
    // Strangers who name keys that are not there cause no call each.
    for index in 0..5 {
        let unknown = token(&idp, json!({"kid": format!("unknown-{index}")}));
        ask(&app, "worker", &unknown).await.assert_error(401, "invalid_client");
    }
    assert_eq!(receiver.received().len(), 2);
    // The issuer changes to another key.
    idp.key = new_key(SigningAlgorithm::Es256);
    receiver.serves("/keys", "", &key_set(&[(&idp.key, "next")]).to_string());
    app.advance(10);
    ask(&app, "worker", &token(&idp, json!({"kid": "next"}))).await.assert_ok();
    assert_eq!(paths(&receiver)[2..], ["/keys"]);
});

on_both_stores!(keys_that_moved_are_found_where_the_issuer_says_by_now, async |backend| {
    let authority = Authority::new();
    let receiver = authority.receiver(404).await;
    let app = TestServer::start_with(backend, authority.setup(&[&receiver]).with_manual_clock()).await;
    let mut idp = idp_at(&receiver);
    worker(&app, "worker", &[&idp]).await;
    idp.register(&app, fetched(json!({}))).await;
    ask(&app, "worker", &idp.token(&app, "job", json!({}), json!({}))).await.assert_ok();
    idp.key = new_key(SigningAlgorithm::Es256);
    receiver.serves("/moved", "", &key_set(&[(&idp.key, "next")]).to_string());
    receiver.serves(DISCOVERY, "", &json!({"issuer": idp.name, "jwks_uri": receiver.url("/moved")}).to_string());
    // Not asked again within the pause.
    ask(&app, "worker", &idp.token(&app, "job", json!({"kid": "next"}), json!({})))
        .await
        .assert_error(401, "invalid_client");
    app.advance(10);
    ask(&app, "worker", &idp.token(&app, "job", json!({"kid": "next"}), json!({}))).await.assert_ok();
});

on_both_stores!(a_host_that_does_not_answer_is_no_refusal_and_makes_no_request_slow, async |backend| {
    let authority = Authority::new();
    let (failing, hanging) = (authority.receiver(503).await, authority.receiver(HANGS).await);
    let app = TestServer::start_with(backend, authority.setup(&[&failing, &hanging])).await;
    for receiver in [&failing, &hanging] {
        let idp = Idp::new(&receiver.url(""));
        let id = format!("worker-{}", receiver.port);
        worker(&app, &id, &[&idp]).await;
        let rules = json!([{"client_id": id, "claims": {"sub": {"equals": "job"}}}]);
        idp.register(&app, fetched(json!({"rules": rules}))).await;
        for limit in [8, 2, 2] {
            let begun = Instant::now();
            let answer = ask(&app, &id, &idp.token(&app, "job", json!({}), json!({}))).await;
            assert!(answer.is_unavailable(), "{answer:?}");
            assert!(begun.elapsed() < Duration::from_secs(limit), "{:?}", begun.elapsed());
        }
        assert_eq!(receiver.received().len(), 1);
        // What is wrong in itself is refused without a call.
        let expired = idp.token(&app, "job", json!({}), json!({"exp": 1}));
        ask(&app, &id, &expired).await.assert_error(401, "invalid_client");
    }
});

on_both_stores!(no_document_leads_inside_or_speaks_for_another_issuer, async |backend| {
    let authority = Authority::new();
    let (receiver, inside) = (authority.receiver(404).await, authority.receiver(200).await);
    let app = TestServer::start_with(backend, authority.setup(&[&receiver])).await;
    inside.serves("/keys", "", r#"{"keys":[]}"#);
    for (index, document) in [
        json!({"issuer": receiver.url("/0"), "jwks_uri": inside.url("/keys")}),
        json!({"issuer": receiver.url("/1"), "jwks_uri": "https://169.254.169.254/keys"}),
        json!({"issuer": receiver.url("/2"), "jwks_uri": format!("http://127.0.0.1:{}/keys", receiver.port)}),
        json!({"issuer": receiver.url("/3"), "jwks_uri": "file:///etc/passwd"}),
        json!({"issuer": receiver.url("/other"), "jwks_uri": receiver.url("/keys")}),
        json!({"issuer": receiver.url("/5")}),
        json!([]),
    ]
    .iter()
    .enumerate()
    {
        let idp = Idp::new(&receiver.url(&format!("/{index}")));
        receiver.serves("/keys", "", &key_set(&[(&idp.key, "own")]).to_string());
        receiver.serves(&format!("/{index}{DISCOVERY}"), "", &document.to_string());
        let id = format!("worker-{index}");
        worker(&app, &id, &[&idp]).await;
        let rules = json!([{"client_id": id, "claims": {"sub": {"equals": "job"}}}]);
        idp.register(&app, fetched(json!({"rules": rules}))).await;
        let answer = ask(&app, &id, &idp.token(&app, "job", json!({}), json!({}))).await;
        assert!(answer.is_unavailable(), "{document}: {answer:?}");
    }
    assert_eq!(inside.connections(), 0);
    // The same without the exceptions: the issuer itself is inside.
    let app = TestServer::start_with(backend, Setup::default()).await;
    let before = receiver.connections();
    let idp = idp_at(&receiver);
    worker(&app, "worker", &[&idp]).await;
    idp.register(&app, fetched(json!({}))).await;
    assert!(ask(&app, "worker", &idp.token(&app, "job", json!({}), json!({}))).await.is_unavailable());
    assert_eq!(receiver.connections(), before);
});

on_both_stores!(a_set_of_keys_with_others_gives_only_those_that_verify, async |backend| {
    let authority = Authority::new();
    let receiver = authority.receiver(404).await;
    let app = TestServer::start_with(backend, authority.setup(&[&receiver])).await;
    let idp = idp_at(&receiver);
    worker(&app, "worker", &[&idp]).await;
    idp.register(&app, fetched(json!({"jwks_uri": receiver.url("/mixed")}))).await;
    let own = serde_json::to_value(idp.key.public_jwk("own")).unwrap();
    let secret = json!({"kty": "oct", "k": "c2VjcmV0", "kid": "secret", "alg": "HS256"});
    receiver.serves("/mixed", "", &json!({"keys": [secret, 1, {"kty": "EC", "crv": "P-521"}, own]}).to_string());
    ask(&app, "worker", &idp.token(&app, "job", json!({}), json!({}))).await.assert_ok();
    let claims = idp.claims(&app, "job");
    let forged =
        crate::conformance::jose::sign_hmac("HS256", b"secret", &json!({"alg": "HS256", "kid": "secret"}), &claims);
    ask(&app, "worker", &forged).await.assert_error(401, "invalid_client");
    assert_eq!(receiver.received().len(), 1, "jwks_uri needs no discovery");
});
