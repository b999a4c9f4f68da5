//! §22 DPO: tokens that are bound to a key, and proofs of it (RFC 9449).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jeton::crypto::{base64url, sha256};
use jeton::jose::algorithm::SigningAlgorithm;
use jeton::jose::signing::SigningKey;
use reqwest::Method;
use serde_json::{Value, json};

use super::jose::{changed, pem, sign, sign_hmac, signing_input, spki};
use super::private_key_jwt::KeyClient;
use crate::support::browser::{Arrival, Browser, CALLBACK, VERIFIER, asking};
use crate::support::scene::{ALICE, API, CLIENT_CREDENTIALS, Scene, every_grant};
use crate::support::{Answer, Setup, TestClient, TestServer, jwt_part, on_both_stores};

/// Whoever has a key.
struct Holder {
    key: SigningKey,
}

impl Holder {
    fn new() -> Self {
        Self::with(SigningAlgorithm::Es256)
    }

    fn with(algorithm: SigningAlgorithm) -> Self {
        Self { key: SigningKey::parse(algorithm, &SigningKey::generate(algorithm)).unwrap() }
    }

    fn jwk(&self) -> Value {
        changed(
            &serde_json::to_value(self.key.public_jwk("any")).unwrap(),
            json!({"kid": null, "use": null, "alg": null}),
        )
    }

    /// The thumbprint, computed from the members that RFC 7638 names.
    fn thumbprint(&self) -> String {
        let jwk = self.jwk();
        let names: &[&str] = match jwk["kty"].as_str().unwrap() {
            "EC" => &["crv", "kty", "x", "y"],
            "OKP" => &["crv", "kty", "x"],
            _ => &["e", "kty", "n"],
        };
        let members: Vec<String> = names.iter().map(|name| format!("\"{name}\":{}", jwk[*name])).collect();
        base64url(sha256(format!("{{{}}}", members.join(",")).as_bytes()))
    }

    fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "alg": self.key.algorithm().name(), "jwk": self.jwk()})
    }

    /// A good proof, with members of its header and its claims changed.
    fn proof_with(&self, app: &TestServer, about: (&str, &str), header: Value, claims: Value) -> String {
        sign(&self.key, &changed(&self.header(), header), &changed(&self.claims(app, about), claims))
    }

    fn claims(&self, app: &TestServer, (method, path): (&str, &str)) -> Value {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let jti = format!("proof-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let htu = if path.starts_with('/') { format!("{}{path}", app.issuer()) } else { path.to_owned() };
        json!({"jti": jti, "htm": method, "htu": htu, "iat": app.clock.now().seconds()})
    }

    /// A proof for the token endpoint.
    fn proof(&self, app: &TestServer) -> String {
        self.proof_with(app, TOKEN, json!({}), json!({}))
    }

    /// A proof beside a token.
    fn proof_of(&self, app: &TestServer, about: (&str, &str), token: &str) -> String {
        self.proof_with(app, about, json!({}), json!({"ath": hash(token)}))
    }

    /// A request to the token endpoint with a new proof.
    async fn token(&self, app: &TestServer, client: &TestClient, parameters: &[(&str, &str)]) -> Answer {
        send(app, client, "/auth/token", parameters, &[&self.proof(app)]).await
    }

    /// A token that is bound to this key.
    async fn bound(&self, app: &TestServer, client: &TestClient) -> String {
        let answer = self.token(app, client, &[CLIENT_CREDENTIALS]).await;
        assert_eq!(answer.assert_ok().text("token_type"), "DPoP");
        answer.text("access_token")
    }

    async fn refresh(&self, app: &TestServer, client: &TestClient, refresh_token: &str) -> Answer {
        self.token(app, client, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
    }

    async fn redeem(&self, app: &TestServer, client: &TestClient, code: &str) -> Answer {
        let parameters = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        self.token(app, client, &parameters).await
    }
}

const TOKEN: (&str, &str) = ("POST", "/auth/token");
const USERINFO: (&str, &str) = ("GET", "/auth/userinfo");
const CLIENTS: (&str, &str) = ("GET", "/admin/v1/clients");

fn hash(token: &str) -> String {
    base64url(sha256(token.as_bytes()))
}

/// A form POST with these proofs.
async fn send(
    app: &TestServer,
    client: &TestClient,
    path: &str,
    parameters: &[(&str, &str)],
    proofs: &[&str],
) -> Answer {
    let mut request = app.http.post(format!("{}{path}", app.base));
    let mut all = parameters.to_vec();
    match client.secret {
        Some(_) => request = request.header("Authorization", client.basic()),
        None => all.push(("client_id", &client.id)),
    }
    for proof in proofs {
        request = request.header("DPoP", *proof);
    }
    Answer::of(request.form(&all)).await
}

/// A client credentials request with these proofs.
async fn ask(app: &TestServer, client: &TestClient, proofs: &[&str]) -> Answer {
    send(app, client, "/auth/token", &[CLIENT_CREDENTIALS], proofs).await
}

/// A request to a resource, with a token under this scheme and perhaps a proof.
async fn use_at(app: &TestServer, (method, path): (&str, &str), scheme: &str, token: &str, proof: &str) -> Answer {
    let authorization = format!("{scheme} {token}");
    let mut headers = vec![("Authorization", authorization.as_str())];
    if !proof.is_empty() {
        headers.push(("DPoP", proof));
    }
    app.request(method.parse().unwrap(), path, &headers).await
}

/// A 401 of a resource with the challenge for a proof, which names this error.
#[track_caller]
fn assert_challenged(answer: &Answer, error: &str) {
    assert_eq!(answer.status.as_u16(), 401, "{answer:?}");
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("DPoP "), "{challenge}");
    assert!(challenge.contains("algs=\"ES256 EdDSA Ed25519 RS256 PS256\""), "{challenge}");
    assert!(challenge.contains(&format!("error=\"{error}\"")), "{challenge}");
}

/// A counter of `/metrics`.
async fn refused(app: &TestServer, fault: &str) -> u64 {
    let text = app.http.get(format!("{}/metrics", app.ops)).send().await.unwrap().text().await.unwrap();
    let name = format!("jeton_dpop_proofs_refused_total{{fault=\"{fault}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
}

on_both_stores!(dpo_001_dpo_002_a_token_is_bound_to_the_key_of_the_proof, async |backend| {
    let scene = Scene::start(backend).await;
    let Scene { app, main, opaque, rs, .. } = &scene;
    for algorithm in SigningAlgorithm::ALL {
        let holder = Holder::with(algorithm);
        let token = holder.bound(app, main).await;
        assert_eq!(jwt_part(&token, 1)["cnf"], json!({"jkt": holder.thumbprint()}), "{algorithm}");
        for token in [token, holder.bound(app, opaque).await] {
            let introspected = app.introspect(rs, &token).await;
            introspected.assert_active();
            assert_eq!(introspected.json["cnf"], json!({"jkt": holder.thumbprint()}), "{algorithm}");
            assert_eq!(introspected.text("token_type"), "DPoP");
        }
    }
    // The name of RFC 9864.
    let holder = Holder::with(SigningAlgorithm::EdDsa);
    let proof = holder.proof_with(app, TOKEN, json!({"alg": "Ed25519"}), json!({}));
    let token = ask(app, main, &[&proof]).await.assert_ok().text("access_token");
    assert_eq!(jwt_part(&token, 1)["cnf"], json!({"jkt": holder.thumbprint()}));
    let plain = app.token(main, &[CLIENT_CREDENTIALS]).await;
    assert_eq!(plain.text("token_type"), "Bearer");
    assert!(jwt_part(&plain.text("access_token"), 1).get("cnf").is_none());
    assert!(app.introspect(rs, &plain.text("access_token")).await.json.get("cnf").is_none());
    // Nobody can claim to be bound by other means.
    let members = json!({"claims": {"cnf": {"jkt": "x"}}});
    let refused = app.admin(Method::PATCH, "/admin/v1/clients/main", Some(members)).await;
    assert_eq!(refused.status.as_u16(), 400, "{refused:?}");
});

on_both_stores!(dpo_003_each_broken_proof_is_refused_with_its_reason, async |backend| {
    let scene = Scene::start(backend).await;
    let Scene { app, main, .. } = &scene;
    let (holder, other) = (Holder::new(), Holder::new());
    let now = app.clock.now().seconds();
    let private = changed(&holder.jwk(), json!({"d": "AAAA"}));
    for (header, claims, fault) in [
        (json!({"typ": "JWT"}), json!({}), "proof_wrong_type"),
        (json!({"typ": null}), json!({}), "proof_wrong_type"),
        (json!({"alg": "none"}), json!({}), "proof_algorithm_not_allowed"),
        (json!({"alg": "HS256"}), json!({}), "proof_algorithm_not_allowed"),
        (json!({"alg": "RS256"}), json!({}), "proof_bad_key"),
        (json!({"jwk": null}), json!({}), "proof_bad_key"),
        (json!({"jwk": "x"}), json!({}), "proof_bad_key"),
        (json!({"jwk": ["EC", null, null]}), json!({}), "proof_bad_key"),
        (json!({"jwk": private}), json!({}), "proof_bad_key"),
        (json!({"jwk": {"kty": "oct", "k": "AAAA"}}), json!({}), "proof_bad_key"),
        (json!({"jwk": other.jwk()}), json!({}), "proof_bad_signature"),
        (json!({"crit": ["b64"]}), json!({}), "proof_malformed"),
        (json!({}), json!({"jti": null}), "proof_missing_claim"),
        (json!({}), json!({"htm": null}), "proof_missing_claim"),
        (json!({}), json!({"htu": null}), "proof_missing_claim"),
        (json!({}), json!({"iat": null}), "proof_missing_claim"),
        (json!({}), json!({"htm": "GET"}), "proof_wrong_method"),
        (json!({}), json!({"htu": format!("{}/auth/par", app.issuer())}), "proof_wrong_address"),
        (json!({}), json!({"htu": "https://other.example/auth/token"}), "proof_wrong_address"),
        (json!({}), json!({"htu": "http://auth.example.com/auth/token"}), "proof_wrong_address"),
        (json!({}), json!({"iat": now - 3600}), "proof_too_old"),
        (json!({}), json!({"iat": now + 3600}), "proof_in_future"),
        (json!({}), json!({"iat": "now"}), "proof_malformed"),
        (json!({}), json!({"nonce": "x"}), "proof_wrong_nonce"),
    ] {
        let before = refused(app, fault).await;
        let answer = ask(app, main, &[&holder.proof_with(app, TOKEN, header.clone(), claims.clone())]).await;
        let error = if fault == "proof_wrong_nonce" { "use_dpop_nonce" } else { "invalid_dpop_proof" };
        answer.assert_error(400, error);
        assert_eq!(refused(app, fault).await, before + 1, "{header} {claims}: {answer:?}");
        let page = app.http.get(answer.text("error_uri").replace(app.issuer(), &app.base)).send().await.unwrap();
        assert_eq!(page.status().as_u16(), 200, "{answer:?}");
    }
    let good = holder.proof(app);
    let parts: Vec<&str> = good.split('.').collect();
    let second = holder.proof(app);
    let later: Vec<&str> = second.split('.').collect();
    for broken in [
        "x".to_owned(),
        "a.b.c".to_owned(),
        format!("{good}.x"),
        format!("{}.{}", parts[0], parts[1]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}.{}", parts[0], later[1], parts[2]),
        format!("{}.{}.{}", parts[0], parts[1], later[2]),
        "x".repeat(9000),
    ] {
        ask(app, main, &[&broken]).await.assert_error(400, "invalid_dpop_proof");
    }
    // The key of the proof is no secret that others share.
    for secret in [pem(&spki(&holder.jwk())).into_bytes(), holder.jwk().to_string().into_bytes()] {
        for alg in ["HS256", "ES256"] {
            let header = changed(&holder.header(), json!({"alg": alg}));
            let forged = sign_hmac("HS256", &secret, &header, &holder.claims(app, TOKEN));
            ask(app, main, &[&forged]).await.assert_error(400, "invalid_dpop_proof");
        }
    }
    let unsigned = signing_input(&changed(&holder.header(), json!({"alg": "none"})), &holder.claims(app, TOKEN));
    ask(app, main, &[&format!("{unsigned}.")]).await.assert_error(400, "invalid_dpop_proof");
    ask(app, main, &[&good]).await.assert_ok();
});

on_both_stores!(dpo_003_a_refusal_says_what_is_off_and_spends_nothing, async |backend| {
    let scene = Scene::start(backend).await;
    let (app, holder) = (&scene.app, Holder::new());
    let now = app.clock.now().seconds();
    let said = async |claims: Value| {
        let answer = ask(app, &scene.main, &[&holder.proof_with(app, TOKEN, json!({}), claims)]).await;
        answer.text("error_description")
    };
    assert!(said(json!({"iat": now - 600})).await.contains(" s behind the time of this server"));
    assert!(said(json!({"iat": now + 600})).await.contains(" s ahead of the time of this server"));
    let htu = said(json!({"htu": "https://evil.example/auth/token"})).await;
    assert!(htu.contains("another host than") && !htu.contains("evil.example"), "{htu}");
    // A client assertion counts once: a proof that is refused must not spend it.
    let worker = KeyClient::register(app, "worker", every_grant(json!({}))).await;
    let assertion = worker.assertion(app, json!({}), json!({}));
    let send = async |proof: String| {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let form = [CLIENT_CREDENTIALS, ("client_assertion", &assertion), ("client_assertion_type", kind)];
        Answer::of(app.http.post(format!("{}/auth/token", app.base)).header("DPoP", proof).form(&form)).await
    };
    send(holder.proof_with(app, TOKEN, json!({}), json!({"htm": "GET"}))).await.assert_error(400, "invalid_dpop_proof");
    assert_eq!(send(holder.proof(app)).await.assert_ok().text("token_type"), "DPoP");
    // Nor a refresh token.
    let tokens = app.login(&scene.public, ALICE.0, ALICE.1).await;
    let refresh = tokens.text("refresh_token");
    let parameters = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
    let wrong = holder.proof_with(app, TOKEN, json!({}), json!({"iat": now - 600}));
    let answer = super::send(app, &scene.public, "/auth/token", &parameters, &[&wrong]).await;
    answer.assert_error(400, "invalid_dpop_proof");
    app.refresh(&scene.public, &refresh).await.assert_ok();
});

on_both_stores!(dpo_004_more_than_one_proof_is_refused, async |backend| {
    let scene = Scene::start(backend).await;
    let (app, holder) = (&scene.app, Holder::new());
    let (one, two) = (holder.proof(app), holder.proof(app));
    ask(app, &scene.main, &[&one, &two]).await.assert_error(400, "invalid_dpop_proof");
    ask(app, &scene.main, &[&one, &one]).await.assert_error(400, "invalid_dpop_proof");
    ask(app, &scene.main, &[&format!("{one}, {two}")]).await.assert_error(400, "invalid_dpop_proof");
    ask(app, &scene.main, &[&one]).await.assert_ok();
});

on_both_stores!(dpo_005_addresses_compare_without_query_after_normalisation, async |backend| {
    let scene = Scene::start(backend).await;
    let (app, holder) = (&scene.app, Holder::new());
    for htu in [
        "https://auth.example.com/auth/token?x=1#y",
        "HTTPS://AUTH.EXAMPLE.COM:443/auth/token",
        "https://auth.example.com/auth/x/../%74oken",
    ] {
        let proof = holder.proof_with(app, TOKEN, json!({}), json!({"htu": htu}));
        ask(app, &scene.main, &[&proof]).await.assert_ok();
    }
});

on_both_stores!(a_proof_may_name_the_address_for_clients_with_certificates, async |backend| {
    let scene = Scene::start_with(backend, Setup::default().set("JETON_MTLS_URL", "https://mtls.example.com/")).await;
    let (app, holder) = (&scene.app, Holder::new());
    let at = |path: &str| format!("https://mtls.example.com{path}");
    let token =
        ask(app, &scene.main, &[&holder.proof_with(app, ("POST", &at("/auth/token")), json!({}), json!({}))]).await;
    let token = token.assert_ok().text("access_token");
    let other = holder.proof_with(app, ("POST", &at("/auth/par")), json!({}), json!({}));
    ask(app, &scene.main, &[&other]).await.assert_error(400, "invalid_dpop_proof");
    // A token of no person gets past the proof, and no further.
    let userinfo = use_at(app, USERINFO, "DPoP", &token, &holder.proof_of(app, ("GET", &at(USERINFO.1)), &token)).await;
    assert_eq!(userinfo.status.as_u16(), 403, "{userinfo:?}");
    // A challenge names the scheme of the token.
    assert!(userinfo.header("www-authenticate").unwrap().starts_with("DPoP "), "{userinfo:?}");
});

on_both_stores!(dpo_006_a_proof_counts_once_also_after_a_restart, async |backend| {
    let scene = Scene::start(backend).await;
    let holder = Holder::new();
    let Scene { app, main, .. } = scene;
    let (first, second) = (holder.proof(&app), holder.proof(&app));
    ask(&app, &main, &[&first]).await.assert_ok();
    ask(&app, &main, &[&first]).await.assert_error(400, "invalid_dpop_proof");
    // The same jti in another proof of the same key.
    let claims = jwt_part(&first, 1);
    let again = holder.proof_with(&app, TOKEN, json!({}), json!({"jti": claims["jti"], "iat": claims["iat"], "x": 1}));
    ask(&app, &main, &[&again]).await.assert_error(400, "invalid_dpop_proof");
    // Of another key it is another one.
    let other = Holder::new().proof_with(&app, TOKEN, json!({}), json!({"jti": claims["jti"]}));
    ask(&app, &main, &[&other]).await.assert_ok();
    // One that was refused for something else did not count.
    ask(&app, &main.with_secret("wrong"), &[&second]).await.assert_error(401, "invalid_client");
    let app = app.restart(Setup::default()).await;
    ask(&app, &main, &[&first]).await.assert_error(400, "invalid_dpop_proof");
    ask(&app, &main, &[&second]).await.assert_ok();
    ask(&app, &main, &[&holder.proof(&app)]).await.assert_ok();
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dpo_006_another_node_refuses_a_proof_within_a_second() {
    let scene = Scene::start(crate::support::Backend::Postgres).await;
    let Scene { app, main, .. } = &scene;
    let other = TestServer::start_on(&app.database, &app.master_key, Setup::default()).await;
    let holder = Holder::new();
    for (one, two) in [(app, &other), (&other, app), (app, &other)] {
        let used = holder.proof(app);
        ask(one, main, &[&used]).await.assert_ok();
        let begun = Instant::now();
        tokio::time::sleep(Duration::from_millis(900)).await;
        let replayed = ask(two, main, &[&used]).await;
        assert!(begun.elapsed() < Duration::from_secs(2), "the machine is too slow for this test");
        replayed.assert_error(400, "invalid_dpop_proof");
        ask(two, main, &[&holder.proof(app)]).await.assert_ok();
    }
    // A node that begins later knows what counted before.
    let used = holder.proof(app);
    ask(app, main, &[&used]).await.assert_ok();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let third = TestServer::start_on(&app.database, &app.master_key, Setup::default()).await;
    ask(&third, main, &[&used]).await.assert_error(400, "invalid_dpop_proof");
}

on_both_stores!(dpo_007_the_refresh_token_of_a_public_client_is_bound, async |backend| {
    let scene = Scene::start(backend).await;
    let Scene { app, public, rs, .. } = &scene;
    let (holder, thief) = (Holder::new(), Holder::new());
    let login = [("grant_type", "password"), ("username", ALICE.0), ("password", ALICE.1)];
    let first = holder.token(app, public, &login).await;
    let refresh = first.assert_ok().text("refresh_token");
    // Nobody else can use it, and nobody else ends the session by trying.
    for _ in 0..2 {
        app.refresh(public, &refresh).await.assert_error(400, "invalid_grant");
        thief.refresh(app, public, &refresh).await.assert_error(400, "invalid_grant");
    }
    let narrowed = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str()), ("scope", "read")];
    app.token(public, &narrowed).await.assert_error(400, "invalid_grant");
    thief.token(app, public, &narrowed).await.assert_error(400, "invalid_grant");
    let second = holder.refresh(app, public, &refresh).await;
    assert_eq!(second.assert_ok().text("token_type"), "DPoP");
    assert_eq!(jwt_part(&second.text("access_token"), 1)["cnf"]["jkt"], holder.thumbprint());
    // The repeat of a refresh needs the proof as well.
    app.refresh(public, &refresh).await.assert_error(400, "invalid_grant");
    thief.refresh(app, public, &refresh).await.assert_error(400, "invalid_grant");
    let repeated = holder.refresh(app, public, &refresh).await;
    assert_eq!(repeated.assert_ok().text("refresh_token"), second.text("refresh_token"));
    thief.refresh(app, public, &second.text("refresh_token")).await.assert_error(400, "invalid_grant");
    let third = holder.refresh(app, public, &second.text("refresh_token")).await;
    let told = app.introspect(rs, &third.assert_ok().text("refresh_token")).await;
    assert_eq!(told.assert_active().json["cnf"]["jkt"], holder.thumbprint());
    // One that is not bound yet becomes so with the first proof.
    let plain = app.login(public, ALICE.0, ALICE.1).await.text("refresh_token");
    let bound = holder.refresh(app, public, &plain).await.assert_ok().text("refresh_token");
    app.refresh(public, &bound).await.assert_error(400, "invalid_grant");
    holder.refresh(app, public, &bound).await.assert_ok();
});

on_both_stores!(dpo_007_whoever_binds_a_stolen_refresh_token_is_found_out_by_its_owner, async |backend| {
    let scene = Scene::start(backend).await;
    let Scene { app, public, .. } = &scene;
    let (holder, thief) = (Holder::new(), Holder::new());
    // The thief binds the token to a key of his own; then its owner, who never proved anything, uses it.
    let plain = app.login(public, ALICE.0, ALICE.1).await.text("refresh_token");
    let stolen = thief.refresh(app, public, &plain).await.assert_ok().text("refresh_token");
    let next = thief.refresh(app, public, &stolen).await.assert_ok().text("refresh_token");
    app.refresh(public, &plain).await.assert_error(400, "invalid_grant");
    thief.refresh(app, public, &next).await.assert_error(400, "invalid_grant");
    // The same if its owner proves another key.
    let plain = app.login(public, ALICE.0, ALICE.1).await.text("refresh_token");
    let stolen = thief.refresh(app, public, &plain).await.assert_ok().text("refresh_token");
    holder.refresh(app, public, &plain).await.assert_error(400, "invalid_grant");
    thief.refresh(app, public, &stolen).await.assert_error(400, "invalid_grant");
    // An owner who lost the answer asks again with the same key.
    let plain = app.login(public, ALICE.0, ALICE.1).await.text("refresh_token");
    let bound = holder.refresh(app, public, &plain).await.assert_ok().text("refresh_token");
    assert_eq!(holder.refresh(app, public, &plain).await.assert_ok().text("refresh_token"), bound);
    // A token that is bound is worth nothing to others, who end nothing with it.
    thief.refresh(app, public, &bound).await.assert_error(400, "invalid_grant");
    app.refresh(public, &bound).await.assert_error(400, "invalid_grant");
    holder.refresh(app, public, &bound).await.assert_ok();
});

on_both_stores!(dpo_008_the_refresh_token_of_a_confidential_client_is_not_bound, async |backend| {
    let scene = Scene::start(backend).await;
    let Scene { app, main, .. } = &scene;
    let (one, two) = (Holder::new(), Holder::new());
    let login = [("grant_type", "password"), ("username", ALICE.0), ("password", ALICE.1)];
    let first = one.token(app, main, &login).await;
    let second = two.refresh(app, main, &first.assert_ok().text("refresh_token")).await;
    assert_eq!(jwt_part(&second.assert_ok().text("access_token"), 1)["cnf"]["jkt"], two.thumbprint());
    let third = app.refresh(main, &second.text("refresh_token")).await;
    assert_eq!(third.assert_ok().text("token_type"), "Bearer");
});

on_both_stores!(dpo_009_dpo_010_dpo_011_dpo_012_a_bound_token_needs_its_proof, async |backend| {
    let setup = Setup::default().set("JETON_TRUSTED_PROXIES", "127.0.0.1/32,::1/128");
    let scene = Scene::start_with(backend, setup).await;
    let (app, holder, other) = (&scene.app, Holder::new(), Holder::new());
    let login = [("grant_type", "password"), ("username", ALICE.0), ("password", ALICE.1), ("scope", "openid")];
    let person = app.client("person", every_grant(json!({"scope": "openid read write"}))).await;
    let about_person = holder.token(app, &person, &login).await.assert_ok().text("access_token");
    let administrator = app.client("ops", json!({"grant_types": ["client_credentials"], "scope": "jeton:admin"})).await;
    let of_admin = holder.bound(app, &administrator).await;
    for (about, token) in [(USERINFO, about_person.as_str()), (CLIENTS, of_admin.as_str())] {
        let used = holder.proof_of(app, about, token);
        use_at(app, about, "DPoP", token, &used).await.assert_ok();
        assert_challenged(&use_at(app, about, "DPoP", token, &used).await, "invalid_dpop_proof");
        for (proof, error) in [
            (String::new(), "invalid_token"),
            (holder.proof_with(app, about, json!({}), json!({})), "invalid_dpop_proof"),
            (holder.proof_of(app, about, &format!("{token}x")), "invalid_dpop_proof"),
            (holder.proof_of(app, ("DELETE", about.1), token), "invalid_dpop_proof"),
            (holder.proof_of(app, (about.0, "/auth/else"), token), "invalid_dpop_proof"),
            (other.proof_of(app, about, token), "invalid_token"),
        ] {
            assert_challenged(&use_at(app, about, "DPoP", token, &proof).await, error);
        }
        let unused = holder.proof_of(app, about, token);
        for proof in ["", unused.as_str()] {
            assert_challenged(&use_at(app, about, "Bearer", token, proof).await, "invalid_token");
        }
        use_at(app, about, "dpop", token, &unused).await.assert_ok();
    }
    // A body that is read after the proof counted.
    let create = ("POST", "/admin/v1/clients");
    let request = app.http.post(format!("{}{}", app.base, create.1)).json(&json!({"client_id": "made"}));
    let request = request.header("Authorization", format!("DPoP {of_admin}"));
    let made = Answer::of(request.header("DPoP", holder.proof_of(app, create, &of_admin))).await;
    assert_eq!(made.status.as_u16(), 201, "{made:?}");
});

on_both_stores!(dpo_009_dpo_010_dpo_011_a_proxy_asks_about_a_bound_token, async |backend| {
    let setup = Setup::default().set("JETON_TRUSTED_PROXIES", "127.0.0.1/32,::1/128");
    let scene = Scene::start_with(backend, setup).await;
    let (app, holder, other) = (&scene.app, Holder::new(), Holder::new());
    let token = holder.bound(app, &scene.main).await;
    let original = ("POST", "https://api.example.test/a/b");
    let verify = async |scheme: &str, proof: &str, more: &[(&str, &str)]| {
        let authorization = format!("{scheme} {token}");
        let mut headers = vec![("Authorization", authorization.as_str())];
        if !proof.is_empty() {
            headers.push(("DPoP", proof));
        }
        headers.extend(more);
        app.get_with(&format!("/auth/verify?audience={API}"), &headers).await
    };
    let described = [
        ("X-Forwarded-Method", "POST"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "api.example.test"),
        ("X-Forwarded-Uri", "/a/b?c=d"),
    ];
    let used = holder.proof_of(app, original, &token);
    verify("DPoP", &used, &described).await.assert_ok();
    assert_challenged(&verify("DPoP", &used, &described).await, "invalid_dpop_proof");
    assert_challenged(&verify("DPoP", "", &described).await, "invalid_token");
    assert_challenged(&verify("Bearer", "", &described).await, "invalid_token");
    assert_challenged(&verify("Bearer", &holder.proof_of(app, original, &token), &described).await, "invalid_token");
    assert_challenged(&verify("DPoP", &other.proof_of(app, original, &token), &described).await, "invalid_token");
    let elsewhere = holder.proof_of(app, ("POST", "https://api.example.test/a/c"), &token);
    assert_challenged(&verify("DPoP", &elsewhere, &described).await, "invalid_dpop_proof");
    let of_get = holder.proof_of(app, ("GET", original.1), &token);
    assert_challenged(&verify("DPoP", &of_get, &described).await, "invalid_dpop_proof");
    // The way of nginx.
    let nginx = [("X-Original-Method", "POST"), ("X-Original-URL", "https://api.example.test/a/b?c=d")];
    verify("DPoP", &holder.proof_of(app, original, &token), &nginx).await.assert_ok();
    // Without the method nothing is known of it: the subrequest is always GET.
    let of_get = holder.proof_of(app, ("GET", original.1), &token);
    let answer = verify("DPoP", &of_get, &[nginx[1]]).await;
    assert_challenged(&answer, "invalid_token");
    assert!(answer.text("error_uri").ends_with("/docs/errors/proof_missing"), "{answer:?}");
    // What a client adds, and the proxy passes on, makes the request unknown.
    let fresh = holder.proof_of(app, original, &token);
    let forged = [described.as_slice(), &[("X-Original-Method", "GET")]].concat();
    assert_challenged(&verify("DPoP", &fresh, &forged).await, "invalid_token");
    let forged = [described.as_slice(), &[("X-Original-URL", "https://api.example.test/a/c")]].concat();
    assert_challenged(&verify("DPoP", &fresh, &forged).await, "invalid_token");
    assert_challenged(&verify("DPoP", &fresh, &described[..3]).await, "invalid_token");
    assert_challenged(&verify("DPoP", &fresh, &[]).await, "invalid_token");
    verify("DPoP", &fresh, &described).await.assert_ok();
});

on_both_stores!(dpo_009_without_a_trusted_proxy_no_proof_can_be_checked, async |backend| {
    let scene = Scene::start(backend).await;
    let (app, holder) = (&scene.app, Holder::new());
    let token = holder.bound(app, &scene.main).await;
    let proof = holder.proof_of(app, ("GET", "https://api.example.test/a"), &token);
    let authorization = format!("DPoP {token}");
    let headers = [
        ("Authorization", authorization.as_str()),
        ("DPoP", &proof),
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "api.example.test"),
        ("X-Forwarded-Uri", "/a"),
    ];
    let answer = app.get_with(&format!("/auth/verify?audience={API}"), &headers).await;
    assert_challenged(&answer, "invalid_token");
    assert!(answer.text("error_uri").ends_with("/docs/errors/proof_missing"), "{answer:?}");
});

on_both_stores!(dpo_013_nonces_are_required_where_it_says_so, async |backend| {
    let setup = Setup::default().with_manual_clock().set("JETON_DPOP_NONCE", "required");
    let scene = Scene::start_with(backend, setup).await;
    let (app, holder) = (&scene.app, Holder::new());
    #[track_caller]
    fn nonce_of(answer: &Answer) -> String {
        let nonces: Vec<_> = answer.headers.get_all("dpop-nonce").iter().collect();
        assert_eq!(nonces.len(), 1, "{answer:?}");
        nonces[0].to_str().unwrap().to_owned()
    }
    let first = ask(app, &scene.main, &[&holder.proof(app)]).await;
    first.assert_error(400, "use_dpop_nonce");
    let nonce = nonce_of(&first);
    let with_nonce = |nonce: &str| holder.proof_with(app, TOKEN, json!({}), json!({"nonce": nonce}));
    let good = ask(app, &scene.main, &[&with_nonce(&nonce)]).await;
    let newer = nonce_of(good.assert_ok());
    ask(app, &scene.main, &[&with_nonce(&nonce)]).await.assert_ok();
    // At a resource: 401.
    let person = app.client("person", every_grant(json!({"scope": "openid read write"}))).await;
    let login = [("grant_type", "password"), ("username", ALICE.0), ("password", ALICE.1), ("scope", "openid")];
    let token =
        send(app, &person, "/auth/token", &login, &[&with_nonce(&newer)]).await.assert_ok().text("access_token");
    let refused = use_at(app, USERINFO, "DPoP", &token, &holder.proof_of(app, USERINFO, &token)).await;
    assert_challenged(&refused, "use_dpop_nonce");
    let claims = json!({"ath": hash(&token), "nonce": nonce_of(&refused)});
    let proof = holder.proof_with(app, USERINFO, json!({}), claims);
    nonce_of(use_at(app, USERINFO, "DPoP", &token, &proof).await.assert_ok());
    // An old one, a changed one, and none of this server.
    app.advance(301);
    for stale in [nonce.as_str(), "x", &format!("A{}", &nonce[1..]), &nonce[..nonce.len() - 1]] {
        let answer = ask(app, &scene.main, &[&with_nonce(stale)]).await;
        answer.assert_error(400, "use_dpop_nonce");
        ask(app, &scene.main, &[&with_nonce(&nonce_of(&answer))]).await.assert_ok();
    }
    // Requests without a proof are as before.
    assert!(app.token(&scene.main, &[CLIENT_CREDENTIALS]).await.assert_ok().header("dpop-nonce").is_none());
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dpo_013_a_nonce_of_one_node_holds_on_another() {
    let setup = Setup::default().set("JETON_DPOP_NONCE", "required");
    let scene = Scene::start_with(crate::support::Backend::Postgres, setup.clone()).await;
    let Scene { app, main, .. } = &scene;
    let other = TestServer::start_on(&app.database, &app.master_key, setup).await;
    let holder = Holder::new();
    let refused = ask(app, main, &[&holder.proof(app)]).await;
    let nonce = refused.header("dpop-nonce").unwrap();
    let proof = holder.proof_with(app, TOKEN, json!({}), json!({"nonce": nonce}));
    ask(&other, main, &[&proof]).await.assert_ok();
}

on_both_stores!(dpo_014_a_client_can_be_made_to_send_proofs, async |backend| {
    let scene = Scene::start(backend).await;
    let (app, holder) = (&scene.app, Holder::new());
    let strict = app.client("strict", every_grant(json!({"dpop_bound_access_tokens": true}))).await;
    let shown = app.admin(Method::GET, "/admin/v1/clients/strict", None).await;
    assert_eq!(shown.json["dpop_bound_access_tokens"], true);
    // What is missing is part of the request; `invalid_dpop_proof` is for a proof that is there (§5).
    app.token(&strict, &[CLIENT_CREDENTIALS]).await.assert_error(400, "invalid_request");
    let login = [("grant_type", "password"), ("username", ALICE.0), ("password", ALICE.1)];
    app.token(&strict, &login).await.assert_error(400, "invalid_request");
    let tokens = holder.token(app, &strict, &login).await;
    let refresh = tokens.assert_ok().text("refresh_token");
    app.refresh(&strict, &refresh).await.assert_error(400, "invalid_request");
    holder.refresh(app, &strict, &refresh).await.assert_ok();
    let patched =
        app.admin(Method::PATCH, "/admin/v1/clients/strict", Some(json!({"dpop_bound_access_tokens": null}))).await;
    assert_eq!(patched.json["dpop_bound_access_tokens"], false);
    app.token(&strict, &[CLIENT_CREDENTIALS]).await.assert_ok();
});

on_both_stores!(dpo_015_a_code_is_bound_to_the_key_that_its_request_named, async |backend| {
    let app = TestServer::start(backend).await;
    let (holder, thief) = (Holder::new(), Holder::new());
    app.user(ALICE.0, ALICE.1).await;
    let public = app.web_client("web", json!({"consent": "skip"})).await;
    let members = json!({"consent": "skip", "token_endpoint_auth_method": "client_secret_basic"});
    let confidential = app.web_client("server", members).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let thumbprint = holder.thumbprint();
    for client in [&public, &confidential] {
        let code = browser.agree(&app, ALICE, &asking(&client.id, &[("dpop_jkt", &thumbprint)])).await.code();
        // Whoever lacks the key changes nothing.
        let refused = app.redeem(client, &code).await;
        refused.assert_error(400, "invalid_grant");
        let description = "The authorization code is bound to a key: send a DPoP proof made with that key.";
        assert_eq!(refused.text("error_description"), description);
        thief.redeem(&app, client, &code).await.assert_error(400, "invalid_grant");
        let tokens = holder.redeem(&app, client, &code).await;
        assert_eq!(tokens.assert_ok().text("token_type"), "DPoP");
        let refresh = tokens.text("refresh_token");
        let of_thief = thief.refresh(&app, client, &refresh).await;
        assert_eq!(of_thief.status.as_u16() == 200, client.secret.is_some(), "{of_thief:?}");
        // A second use ends the session, as ever.
        holder.redeem(&app, client, &code).await.assert_error(400, "invalid_grant");
        holder.refresh(&app, client, &refresh).await.assert_error(400, "invalid_grant");
    }
    // Without it, the first key of a public client counts.
    let code = browser.agree(&app, ALICE, &asking("web", &[])).await.code();
    let refresh = holder.redeem(&app, &public, &code).await.assert_ok().text("refresh_token");
    thief.refresh(&app, &public, &refresh).await.assert_error(400, "invalid_grant");
    holder.refresh(&app, &public, &refresh).await.assert_ok();
    // A code that was given back is still bound.
    let code = browser.agree(&app, ALICE, &asking("server", &[("dpop_jkt", &thumbprint)])).await.code();
    let parameters = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("resource", "https://unknown.example"),
    ];
    holder.token(&app, &confidential, &parameters).await.assert_error(400, "invalid_target");
    thief.redeem(&app, &confidential, &code).await.assert_error(400, "invalid_grant");
    holder.redeem(&app, &confidential, &code).await.assert_ok();
    // One that a refused request bound is free again.
    let code = browser.agree(&app, ALICE, &asking("web", &[])).await.code();
    let parameters = parameters.map(|(name, value)| (name, if name == "code" { code.as_str() } else { value }));
    thief.token(&app, &public, &parameters).await.assert_error(400, "invalid_target");
    let refresh = holder.redeem(&app, &public, &code).await.assert_ok().text("refresh_token");
    holder.refresh(&app, &public, &refresh).await.assert_ok();
    for wrong in ["x", &thumbprint[1..], &format!("{thumbprint}=")] {
        let answer = browser.authorize(&app, &asking("web", &[("dpop_jkt", wrong)])).await;
        Arrival::of(&answer).assert_error(&app, "invalid_request");
    }
});

on_both_stores!(a_code_whose_tokens_are_bound_to_a_certificate_is_not_bound_to_a_key, async |backend| {
    let app = TestServer::start(backend).await;
    app.user(ALICE.0, ALICE.1).await;
    let members = json!({"consent": "skip", "tls_client_certificate_bound_access_tokens": true});
    let client = app.web_client("web", members).await;
    let (mut browser, holder) = (Browser::logged_in(&app, ALICE).await, Holder::new());
    let thumbprint = holder.thumbprint();
    let answer = browser.authorize(&app, &asking("web", &[("dpop_jkt", &thumbprint)])).await;
    Arrival::of(&answer).assert_error(&app, "invalid_request");
    let mut parameters = asking("web", &[]);
    parameters.retain(|(name, _)| *name != "client_id");
    let proof = holder.proof_with(&app, ("POST", "/auth/par"), json!({}), json!({}));
    send(&app, &client, "/auth/par", &parameters, &[&proof]).await.assert_error(400, "invalid_request");
    let pushed = send(&app, &client, "/auth/par", &parameters, &[]).await;
    assert_eq!(pushed.status.as_u16(), 201, "{pushed:?}");
});

on_both_stores!(dpo_016_a_pushed_request_binds_its_code_by_a_proof_or_by_name, async |backend| {
    let app = TestServer::start(backend).await;
    let (holder, thief) = (Holder::new(), Holder::new());
    app.user(ALICE.0, ALICE.1).await;
    let client = app.web_client("web", json!({"consent": "skip"})).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let thumbprint = holder.thumbprint();
    let proof = |holder: &Holder| holder.proof_with(&app, ("POST", "/auth/par"), json!({}), json!({}));
    let push = async |more: &[(&str, &str)], proofs: &[&str]| {
        let mut parameters = asking("web", more);
        parameters.retain(|(name, _)| *name != "client_id");
        send(&app, &client, "/auth/par", &parameters, proofs).await
    };
    let named = [("dpop_jkt", thumbprint.as_str())];
    let (mine, both) = (proof(&holder), proof(&holder));
    let pushed = [push(&[], &[&mine]).await, push(&named, &[]).await, push(&named, &[&both]).await];
    for pushed in pushed {
        assert_eq!(pushed.status.as_u16(), 201, "{pushed:?}");
        let uri = pushed.text("request_uri");
        let answer = browser.authorize(&app, &[("client_id", "web"), ("request_uri", &uri)]).await;
        let code = Arrival::of(&answer).code();
        app.redeem(&client, &code).await.assert_error(400, "invalid_grant");
        thief.redeem(&app, &client, &code).await.assert_error(400, "invalid_grant");
        holder.redeem(&app, &client, &code).await.assert_ok();
    }
    push(&named, &[&proof(&thief)]).await.assert_error(400, "invalid_dpop_proof");
    push(&[], &[&holder.proof(&app)]).await.assert_error(400, "invalid_dpop_proof");
    push(&[], &[&mine]).await.assert_error(400, "invalid_dpop_proof");
});

on_both_stores!(dpo_017_the_metadata_list_the_algorithms, async |backend| {
    let app = TestServer::start(backend).await;
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"] {
        let metadata = app.get(path).await;
        assert_eq!(
            metadata.json["dpop_signing_alg_values_supported"],
            json!(["ES256", "EdDSA", "Ed25519", "RS256", "PS256"])
        );
    }
});

on_both_stores!(dpo_018_pages_may_send_proofs_and_read_nonces, async |backend| {
    let spa = "https://spa.example";
    let app = TestServer::start_with(backend, Setup::default().set("JETON_CORS_ORIGINS", spa)).await;
    for path in ["/auth/token", "/auth/userinfo"] {
        let preflight = [
            ("Origin", spa),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "dpop,authorization"),
        ];
        let answer = app.request(Method::OPTIONS, path, &preflight).await;
        let allowed = answer.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
        assert!(allowed.split(',').any(|name| name.trim() == "dpop"), "{path}: {allowed}");
        let answer = app.request(Method::POST, path, &[("Origin", spa)]).await;
        let exposed = answer.header("access-control-expose-headers").unwrap().to_ascii_lowercase();
        for name in ["dpop-nonce", "www-authenticate"] {
            assert!(exposed.split(',').any(|exposed| exposed.trim() == name), "{path}: {exposed}");
        }
    }
});

on_both_stores!(dpo_019_a_bearer_token_is_refused_with_the_scheme_dpop, async |backend| {
    let scene = Scene::start(backend).await;
    let (app, holder) = (&scene.app, Holder::new());
    let token = app.admin_token().await;
    let answer = use_at(app, CLIENTS, "DPoP", &token, &holder.proof_of(app, CLIENTS, &token)).await;
    for answer in [answer, use_at(app, CLIENTS, "DPoP", &token, "").await] {
        assert_eq!(answer.status.as_u16(), 401, "{answer:?}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"jeton\""), "{answer:?}");
        assert!(answer.text("detail").contains("must be Bearer"), "{answer:?}");
    }
    use_at(app, CLIENTS, "Bearer", &token, "").await.assert_ok();
});

on_both_stores!(a_bound_token_is_explained_and_its_cause_is_named, async |backend| {
    let scene = Scene::start(backend).await;
    let Scene { app, main, rs, .. } = &scene;
    let holder = Holder::new();
    let token = holder.bound(app, main).await;
    let explained = app.form(rs, "/auth/explain", &[("token", &token)]).await;
    assert_eq!(explained.assert_ok().json["active"], true);
    assert_eq!(explained.json["expect"]["cnf"]["jkt"], holder.thumbprint());
    let facts = explained.json["evidence"].as_array().unwrap();
    let bound = facts.iter().find(|fact| fact["fact"] == "bound_to").unwrap();
    assert_eq!((&bound["value"], &bound["verified"]), (&json!(format!("jkt {}", holder.thumbprint())), &json!(true)));
    // Revoked as well: the missing proof comes first.
    app.revoke(main, &token).await.assert_ok();
    let admin = ("GET", "/admin/v1/clients");
    let answer = use_at(app, admin, "Bearer", &token, "").await;
    assert!(answer.text("type").ends_with("/invalid_token"), "{answer:?}");
    assert!(answer.header("www-authenticate").unwrap().contains("/docs/errors/proof_missing"), "{answer:?}");
});

on_both_stores!(an_administrator_with_a_bound_token_may_ask_for_explanations, async |backend| {
    let scene = Scene::start(backend).await;
    let (app, holder) = (&scene.app, Holder::new());
    let members = json!({"grant_types": ["client_credentials"], "scope": "jeton:read"});
    let reader = app.client("reader", members).await;
    let token = holder.bound(app, &reader).await;
    let explain = async |scheme: &str, proof: &str| {
        let request = app.http.post(format!("{}/auth/explain", app.base)).form(&[("token", "x")]);
        let request = request.header("Authorization", format!("{scheme} {token}"));
        Answer::of(if proof.is_empty() { request } else { request.header("DPoP", proof) }).await
    };
    let about = ("POST", "/auth/explain");
    let used = holder.proof_of(app, about, &token);
    explain("DPoP", &used).await.assert_ok();
    explain("DPoP", &used).await.assert_error(401, "invalid_token");
    explain("DPoP", "").await.assert_error(401, "invalid_token");
    explain("Bearer", "").await.assert_error(401, "invalid_token");
    // What it lacks is a scope, not a token of another kind.
    let create = ("POST", "/admin/v1/clients");
    let refused = use_at(app, create, "DPoP", &token, &holder.proof_of(app, create, &token)).await;
    assert_eq!(refused.status.as_u16(), 403, "{refused:?}");
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("DPoP ") && challenge.contains("insufficient_scope"), "{challenge}");
});

on_both_stores!(a_preview_of_a_client_whose_tokens_are_bound_agrees_with_its_token, async |backend| {
    let app = TestServer::start(backend).await;
    let members = json!({"grant_types": ["client_credentials"], "scope": "read", "dpop_bound_access_tokens": true});
    let strict = app.client("strict", members).await;
    let request = json!({"client_id": "strict", "grant_type": "client_credentials"});
    let shown = app.admin(Method::POST, "/admin/v1/preview", Some(request)).await.assert_ok().json.clone();
    let claims = shown["token"]["claims"].as_array().unwrap();
    let cnf = claims.iter().find(|claim| claim["claim"] == "cnf").unwrap();
    assert_eq!(cnf["varies"], true, "{cnf}");
    assert_eq!(cnf["from"], "the key of the DPoP proof (client strict: dpop_bound_access_tokens)");
    let token = Holder::new().bound(&app, &strict).await;
    assert_eq!(shown["token"]["size"], token.len(), "{shown} {token}");
});
