//! §21 PKJ: clients that authenticate by a key of their own (RFC 7523).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use jeton::jose::algorithm::SigningAlgorithm;
use jeton::jose::signing::SigningKey;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::answers::assert_alike;
use super::jose::{changed, pem, sign, sign_hmac, signing_input, spki};
use crate::support::browser::{CALLBACK, asking};
use crate::support::receiver::{Authority, HANGS};
use crate::support::scene::{ALICE, CLIENT_CREDENTIALS, every_grant};
use crate::support::{Answer, Backend, Setup, TestClient, TestServer, eventually, jwt_part, on_both_stores};

const TYPE: (&str, &str) = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
/// What a client is told whose assertion breaks no rule and proves nothing.
const NOT_PROVED: &str = "Client authentication failed: check the client_id";

/// One key of each algorithm.
static KEYS: LazyLock<[Arc<SigningKey>; 4]> = LazyLock::new(|| SigningAlgorithm::ALL.map(new_key));

fn new_key(algorithm: SigningAlgorithm) -> Arc<SigningKey> {
    Arc::new(SigningKey::parse(algorithm, &SigningKey::generate(algorithm)).unwrap())
}

fn public(key: &SigningKey, kid: &str) -> Value {
    serde_json::to_value(key.public_jwk(kid)).unwrap()
}

/// A client with a key.
pub(crate) struct KeyClient {
    pub(crate) id: String,
    key: Arc<SigningKey>,
}

impl KeyClient {
    /// Registers a client with a new key.
    pub(crate) async fn register(app: &TestServer, id: &str, members: Value) -> Self {
        let key = new_key(SigningAlgorithm::Es256);
        let keys = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [public(&key, "own")]}});
        app.client(id, changed(&members, keys)).await;
        Self { id: id.to_owned(), key }
    }

    /// A client with every grant.
    async fn with_every_grant(app: &TestServer, id: &str) -> Self {
        Self::register(app, id, every_grant(json!({}))).await
    }

    fn header(&self) -> Value {
        json!({"alg": self.key.algorithm().name(), "kid": "own"})
    }

    fn claims(&self, app: &TestServer) -> Value {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let now = app.clock.now().seconds();
        let jti = format!("{}-{}", self.id, NUMBER.fetch_add(1, Ordering::Relaxed));
        json!({"iss": self.id, "sub": self.id, "aud": app.issuer(), "jti": jti, "iat": now, "exp": now + 60})
    }

    /// A good assertion, with members of its header and its claims changed.
    pub(crate) fn assertion(&self, app: &TestServer, header: Value, claims: Value) -> String {
        sign(&self.key, &changed(&self.header(), header), &changed(&self.claims(app), claims))
    }

    /// A POST with a new assertion.
    pub(crate) async fn send(&self, app: &TestServer, path: &str, parameters: &[(&str, &str)]) -> Answer {
        send(app, path, parameters, &self.assertion(app, json!({}), json!({}))).await
    }
}

/// A POST with this assertion.
async fn send(app: &TestServer, path: &str, parameters: &[(&str, &str)], assertion: &str) -> Answer {
    let more = [("client_assertion", assertion), TYPE];
    Answer::of(app.http.post(format!("{}{path}", app.base)).form(&[parameters, &more].concat())).await
}

/// A client credentials request with this assertion.
async fn ask(app: &TestServer, assertion: &str) -> Answer {
    send(app, "/auth/token", &[CLIENT_CREDENTIALS], assertion).await
}

/// A refusal of the client, whose description begins like this.
#[track_caller]
fn assert_refused(answer: &Answer, description: &str) {
    answer.assert_error(401, "invalid_client");
    let found = answer.text("error_description");
    assert!(found.starts_with(description), "{found} is not {description}");
}

/// A counter of `/metrics`.
async fn refusals(app: &TestServer, cause: &str) -> u64 {
    let text = app.http.get(format!("{}/metrics", app.ops)).send().await.unwrap().text().await.unwrap();
    let name = format!("jeton_refusals_total{{endpoint=\"token\",cause=\"{cause}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
}

on_both_stores!(pkj_001_pkj_007_pkj_008_a_right_assertion_authenticates, async |backend| {
    let app = TestServer::start(backend).await;
    let keys: Vec<Value> = KEYS.iter().map(|key| public(key, key.algorithm().name())).collect();
    let members = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": keys}});
    app.client("worker", every_grant(members)).await;
    for key in &*KEYS {
        let algorithm = key.algorithm().name();
        let header = json!({"alg": algorithm, "kid": algorithm});
        let worker = KeyClient { id: "worker".into(), key: Arc::clone(key) };
        for (what, header, claims) in [
            ("usual", header.clone(), json!({})),
            ("without kid", json!({"alg": algorithm}), json!({})),
            ("JWT", changed(&header, json!({"typ": "JWT"})), json!({})),
            ("its own type", changed(&header, json!({"typ": "client-authentication+jwt"})), json!({})),
            ("token endpoint", header.clone(), json!({"aud": format!("{}/auth/token", app.issuer())})),
            ("PAR endpoint", header.clone(), json!({"aud": format!("{}/auth/par", app.issuer())})),
            ("a list", header.clone(), json!({"aud": [app.issuer()]})),
            ("no iat", header.clone(), json!({"iat": null})),
        ] {
            let assertion = sign(key, &header, &changed(&worker.claims(&app), claims.clone()));
            ask(&app, &assertion).await.assert_ok();
            let assertion = sign(key, &header, &changed(&worker.claims(&app), claims));
            let named = send(&app, "/auth/token", &[CLIENT_CREDENTIALS, ("client_id", "worker")], &assertion).await;
            assert_eq!(named.status.as_u16(), 200, "{algorithm}, {what}: {named:?}");
        }
    }
});

on_both_stores!(pkj_002_pkj_009_pkj_012_each_bad_assertion_is_refused_with_its_reason, async |backend| {
    let app = TestServer::start(backend).await;
    let worker = KeyClient::with_every_grant(&app, "worker").await;
    let now = app.clock.now().seconds();
    for (header, claims, cause, description) in [
        (json!({}), json!({"exp": now - 1}), "assertion_expired", "The client_assertion has expired"),
        (json!({}), json!({"exp": null}), "assertion_no_expiry", "The client_assertion has no exp"),
        (json!({}), json!({"exp": now + 86_400}), "assertion_lives_too_long", "The client_assertion is valid for more"),
        (json!({}), json!({"iat": now + 120, "exp": now + 150}), "assertion_not_yet_valid", "The iat or nbf"),
        (json!({}), json!({"nbf": now + 120}), "assertion_not_yet_valid", "The iat or nbf"),
        (json!({}), json!({"aud": "https://other.example"}), "assertion_wrong_audience", "The aud"),
        (json!({}), json!({"aud": format!("{}/", app.issuer())}), "assertion_wrong_audience", "The aud"),
        (json!({}), json!({"aud": [app.issuer(), "https://other.example"]}), "assertion_wrong_audience", "The aud"),
        (json!({}), json!({"aud": null}), "assertion_wrong_audience", "The aud"),
        (json!({}), json!({"iss": "other"}), "assertion_wrong_subject", "The iss and the sub"),
        (json!({}), json!({"sub": "other"}), "assertion_wrong_subject", "The iss and the sub"),
        (json!({}), json!({"iss": null}), "assertion_wrong_subject", "The iss and the sub"),
        (json!({}), json!({"jti": null}), "assertion_no_jti", "The client_assertion has no jti"),
        (json!({}), json!({"jti": 7}), "assertion_malformed", "The client_assertion is not a signed JWT"),
        (json!({"typ": "at+jwt"}), json!({}), "assertion_wrong_type", "The typ"),
        (json!({"alg": "none"}), json!({}), "assertion_algorithm_not_allowed", "The alg"),
        (json!({"crit": ["exp"]}), json!({}), "assertion_malformed", "The client_assertion is not a signed JWT"),
        (json!({"kid": "other"}), json!({}), "assertion_unknown_key", NOT_PROVED),
        (json!({"alg": "RS256"}), json!({}), "assertion_unknown_key", NOT_PROVED),
    ] {
        let before = refusals(&app, cause).await;
        assert_refused(&ask(&app, &worker.assertion(&app, header.clone(), claims.clone())).await, description);
        assert_eq!(refusals(&app, cause).await, before + 1, "{header} {claims}");
    }
    let good = worker.assertion(&app, json!({}), json!({}));
    let parts: Vec<&str> = good.split('.').collect();
    let other = worker.assertion(&app, json!({}), json!({"scope": "more"}));
    let other: Vec<&str> = other.split('.').collect();
    let changed_bytes = [
        format!("{}.{}.{}", parts[0], other[1], parts[2]),
        format!("{}.{}.{}", parts[0], parts[1], other[2]),
        format!("{}.{}.", parts[0], parts[1]),
    ];
    for forged in &changed_bytes {
        assert_refused(&ask(&app, forged).await, NOT_PROVED);
    }
    for broken in ["x", "a.b.c", &format!("{good}.x"), &format!("{}.{}", parts[0], parts[1]), &"x".repeat(20_000)] {
        assert_refused(&ask(&app, broken).await, "The client_assertion is not a signed JWT");
    }
    ask(&app, &good).await.assert_ok();
});

on_both_stores!(pkj_002_no_symmetric_algorithm_is_confused_with_the_key, async |backend| {
    let app = TestServer::start(backend).await;
    for key in &*KEYS {
        let id = format!("by-{}", key.algorithm().name());
        let jwk = public(key, "own");
        let members = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [jwk]}});
        app.client(&id, every_grant(members)).await;
        let worker = KeyClient { id, key: Arc::clone(key) };
        let der = spki(&jwk);
        for secret in [pem(&der).into_bytes(), der, jwk.to_string().into_bytes(), vec![]] {
            for alg in ["HS256", "HS384", "HS512"] {
                for named in [alg, key.algorithm().name()] {
                    let header = json!({"alg": named, "kid": "own"});
                    let answer = ask(&app, &sign_hmac(alg, &secret, &header, &worker.claims(&app))).await;
                    answer.assert_error(401, "invalid_client");
                }
            }
        }
        let unsigned = format!("{}.", signing_input(&json!({"alg": "none"}), &worker.claims(&app)));
        assert_refused(&ask(&app, &unsigned).await, "The alg");
        let right = sign(key, &json!({"alg": key.algorithm().name()}), &worker.claims(&app));
        ask(&app, &right).await.assert_ok();
    }
});

on_both_stores!(pkj_003_an_assertion_is_for_the_client_that_it_names, async |backend| {
    let app = TestServer::start(backend).await;
    let (one, other) =
        (KeyClient::with_every_grant(&app, "one").await, KeyClient::with_every_grant(&app, "other").await);
    let good = one.assertion(&app, json!({}), json!({}));
    let named = send(&app, "/auth/token", &[CLIENT_CREDENTIALS, ("client_id", "other")], &good).await;
    named.assert_error(400, "invalid_request");
    // Signed by one, and about the other.
    let about = one.assertion(&app, json!({}), json!({"iss": "other", "sub": "other"}));
    assert_refused(&ask(&app, &about).await, NOT_PROVED);
    let about = one.assertion(&app, json!({}), json!({"iss": "other"}));
    assert_refused(&ask(&app, &about).await, "The iss and the sub");
    ask(&app, &good).await.assert_ok();
    other.send(&app, "/auth/token", &[CLIENT_CREDENTIALS]).await.assert_ok();
});

on_both_stores!(pkj_004_the_type_of_the_assertion_is_exact_and_required, async |backend| {
    let app = TestServer::start(backend).await;
    let worker = KeyClient::with_every_grant(&app, "worker").await;
    let assertion = worker.assertion(&app, json!({}), json!({}));
    let with = async |parameters: &[(&str, &str)]| {
        let form = [&[CLIENT_CREDENTIALS], parameters].concat();
        Answer::of(app.http.post(format!("{}/auth/token", app.base)).form(&form)).await
    };
    with(&[("client_assertion", &assertion)]).await.assert_error(400, "invalid_request");
    with(&[("client_id", "worker"), TYPE]).await.assert_error(400, "invalid_request");
    for other in [
        "urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        &TYPE.1.to_uppercase(),
        "jwt-bearer",
    ] {
        let answer = with(&[("client_assertion", &assertion), ("client_assertion_type", other)]).await;
        assert_refused(&answer, "This server supports one client_assertion_type");
    }
    with(&[("client_assertion", &assertion), TYPE, TYPE]).await.assert_error(400, "invalid_request");
    with(&[("client_assertion", &assertion), ("client_assertion", &assertion), TYPE])
        .await
        .assert_error(400, "invalid_request");
    ask(&app, &assertion).await.assert_ok();
});

on_both_stores!(pkj_005_an_assertion_counts_once_also_after_a_restart_and_at_once, async |backend| {
    let app = TestServer::start(backend).await;
    let worker = KeyClient::with_every_grant(&app, "worker").await;
    let assertion = worker.assertion(&app, json!({}), json!({}));
    ask(&app, &assertion).await.assert_ok();
    let before = refusals(&app, "assertion_used_before").await;
    assert_refused(&ask(&app, &assertion).await, "The client_assertion was used before");
    assert_eq!(refusals(&app, "assertion_used_before").await, before + 1);
    // The jti counts, not the text.
    let claims = jwt_part(&assertion, 1);
    let same = worker.assertion(&app, json!({}), json!({"jti": claims["jti"], "iat": null}));
    assert_refused(&ask(&app, &same).await, "The client_assertion was used before");
    send(&app, "/auth/introspect", &[("token", "x")], &assertion).await.assert_error(401, "invalid_client");
    // Another client may use the same.
    let other = KeyClient::with_every_grant(&app, "other").await;
    let same = other.assertion(&app, json!({}), json!({"jti": claims["jti"]}));
    ask(&app, &same).await.assert_ok();
    // Of many at once, one counts.
    let assertion = worker.assertion(&app, json!({}), json!({}));
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let request = app.http.post(format!("{}/auth/token", app.base));
        let request = request.form(&vec![CLIENT_CREDENTIALS, TYPE, ("client_assertion", assertion.as_str())]);
        tasks.spawn(Answer::of(request));
    }
    let statuses: Vec<u16> = tasks.join_all().await.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 19, "{statuses:?}");
    let app = app.restart(Setup::default()).await;
    assert_refused(&ask(&app, &assertion).await, "The client_assertion was used before");
    worker.send(&app, "/auth/token", &[CLIENT_CREDENTIALS]).await.assert_ok();
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pkj_005_an_assertion_counts_once_on_all_nodes() {
    let first = TestServer::start(Backend::Postgres).await;
    let second = TestServer::start_on(&first.database, &first.master_key, Setup::default()).await;
    let worker = KeyClient::with_every_grant(&first, "worker").await;
    let assertion = worker.assertion(&first, json!({}), json!({}));
    ask(&first, &assertion).await.assert_ok();
    assert_refused(&ask(&second, &assertion).await, "The client_assertion was used before");
    for _ in 0..10 {
        let assertion = worker.assertion(&first, json!({}), json!({}));
        let (one, other) = tokio::join!(ask(&first, &assertion), ask(&second, &assertion));
        let mut statuses = [one.status.as_u16(), other.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401]);
    }
}

on_both_stores!(pkj_006_an_assertion_and_a_secret_at_once_are_refused, async |backend| {
    let app = TestServer::start(backend).await;
    let worker = KeyClient::with_every_grant(&app, "worker").await;
    let main = app.main_client("main").await;
    let (assertion, secret) = (worker.assertion(&app, json!({}), json!({})), main.secret.clone().unwrap());
    let with_secret = [CLIENT_CREDENTIALS, ("client_id", "worker"), ("client_secret", secret.as_str())];
    send(&app, "/auth/token", &with_secret, &assertion).await.assert_error(400, "invalid_request");
    for authorization in [main.basic(), format!("Bearer {}", app.admin_token().await)] {
        for path in ["/auth/token", "/auth/introspect", "/auth/revoke", "/auth/explain", "/auth/par", "/auth/device"] {
            let form = vec![CLIENT_CREDENTIALS, TYPE, ("client_assertion", assertion.as_str()), ("token", "x")];
            let request = app.http.post(format!("{}{path}", app.base)).header("Authorization", &authorization);
            Answer::of(request.form(&form)).await.assert_error(400, "invalid_request");
        }
    }
    // No method stands for another.
    let by_key = main_by_key(&app, &worker).await;
    assert_refused(&by_key, NOT_PROVED);
    let client = TestClient { id: "worker".into(), secret: Some(secret), in_body: false };
    app.token(&client, &[CLIENT_CREDENTIALS]).await.assert_error(401, "invalid_client");
    app.token(&client.without_secret(), &[CLIENT_CREDENTIALS]).await.assert_error(401, "invalid_client");
    // A public client has nothing to prove, and is not proved by a key.
    app.public_client("open").await;
    let open = worker.assertion(&app, json!({}), json!({"iss": "open", "sub": "open"}));
    assert_refused(&send(&app, "/auth/token", &[("grant_type", "refresh_token")], &open).await, NOT_PROVED);
    ask(&app, &assertion).await.assert_ok();
});

/// An assertion about a client that has the key, and is registered for a secret.
async fn main_by_key(app: &TestServer, worker: &KeyClient) -> Answer {
    let jwks = json!({"jwks": {"keys": [public(&worker.key, "own")]}});
    let patched = app.admin(Method::PATCH, "/admin/v1/clients/main", Some(jwks)).await;
    assert!(patched.assert_ok().json["warnings"].to_string().contains("has keys"), "{patched:?}");
    ask(app, &worker.assertion(app, json!({}), json!({"iss": "main", "sub": "main"}))).await
}

on_both_stores!(pkj_010_no_other_key_authenticates_and_nobody_learns_which_clients_exist, async |backend| {
    let app = TestServer::start(backend).await;
    let worker = KeyClient::with_every_grant(&app, "worker").await;
    app.main_client("by-secret").await;
    let thief = KeyClient { id: "worker".into(), key: new_key(SigningAlgorithm::Es256) };
    let own = public(&thief.key, "own");
    for header in [
        json!({}),
        json!({"kid": null}),
        json!({"kid": "unknown"}),
        json!({"jwk": own}),
        json!({"kid": null, "jwk": own}),
        json!({"jku": "https://thief.example/keys", "kid": "unknown"}),
        json!({"x5u": "https://thief.example/chain"}),
        json!({"x5c": ["MIIB"], "kid": null}),
    ] {
        let refused = ask(&app, &thief.assertion(&app, header.clone(), json!({}))).await;
        assert_refused(&refused, NOT_PROVED);
        for id in ["nobody", "by-secret", "WORKER"] {
            let other = thief.assertion(&app, header.clone(), json!({"iss": id, "sub": id}));
            assert_alike(&refused, &ask(&app, &other).await);
        }
    }
    // What the bytes show is the same for each client, too.
    let expired = |id: &str| worker.assertion(&app, json!({}), json!({"iss": id, "sub": id, "exp": 1}));
    assert_alike(&ask(&app, &expired("worker")).await, &ask(&app, &expired("nobody")).await);
    worker.send(&app, "/auth/token", &[CLIENT_CREDENTIALS]).await.assert_ok();
    let disable = app.admin(Method::PATCH, "/admin/v1/clients/worker", Some(json!({"enabled": false}))).await;
    disable.assert_ok();
    assert_refused(&worker.send(&app, "/auth/token", &[CLIENT_CREDENTIALS]).await, NOT_PROVED);
});

on_both_stores!(pkj_011_a_key_that_names_an_algorithm_verifies_no_other, async |backend| {
    let app = TestServer::start(backend).await;
    let pkcs8 = SigningKey::generate(SigningAlgorithm::Rs256);
    let [rs256, ps256] = [SigningAlgorithm::Rs256, SigningAlgorithm::Ps256]
        .map(|algorithm| Arc::new(SigningKey::parse(algorithm, &pkcs8).unwrap()));
    let register = async |id: &str, jwk: Value| {
        let members = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [jwk]}});
        app.client(id, every_grant(members)).await;
    };
    register("rs256", public(&rs256, "own")).await;
    register("either", changed(&public(&rs256, "own"), json!({"alg": null}))).await;
    let with = async |id: &str, key: &Arc<SigningKey>| {
        let client = KeyClient { id: id.into(), key: Arc::clone(key) };
        let header = json!({"alg": key.algorithm().name(), "kid": "own"});
        ask(&app, &sign(key, &header, &client.claims(&app))).await
    };
    with("rs256", &rs256).await.assert_ok();
    assert_refused(&with("rs256", &ps256).await, NOT_PROVED);
    with("either", &rs256).await.assert_ok();
    with("either", &ps256).await.assert_ok();
});

on_both_stores!(a_key_authenticates_at_every_endpoint_where_clients_do, async |backend| {
    let app = TestServer::start(backend).await;
    app.user(ALICE.0, ALICE.1).await;
    let device = "urn:ietf:params:oauth:grant-type:device_code";
    let members = json!({
        "grant_types": ["password", "client_credentials", "refresh_token", "authorization_code", device],
        "scope": "openid read write", "redirect_uris": [CALLBACK], "permissions": ["introspect", "explain"],
    });
    let worker = KeyClient::register(&app, "worker", members).await;
    let login = [("grant_type", "password"), ("username", ALICE.0), ("password", ALICE.1)];
    let tokens = worker.send(&app, "/auth/token", &login).await;
    let (access, refresh) = (tokens.assert_ok().text("access_token"), tokens.text("refresh_token"));
    worker.send(&app, "/auth/introspect", &[("token", &access)]).await.assert_active();
    let explained = worker.send(&app, "/auth/explain", &[("token", &access)]).await;
    assert_eq!(explained.assert_ok().json["active"], true, "{explained:?}");
    let parameters = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
    let refreshed = worker.send(&app, "/auth/token", &parameters).await.assert_ok().text("refresh_token");
    let mut request = asking("worker", &[]);
    request.retain(|(name, _)| *name != "client_id");
    assert_eq!(worker.send(&app, "/auth/par", &request).await.status.as_u16(), 201);
    worker.send(&app, "/auth/device", &[("scope", "read")]).await.assert_ok();
    worker.send(&app, "/auth/revoke", &[("token", &refreshed)]).await.assert_ok();
    worker.send(&app, "/auth/introspect", &[("token", &access)]).await.assert_inactive();
    // And at each of them the assertion is judged, and counts once.
    let used = worker.assertion(&app, json!({}), json!({}));
    ask(&app, &used).await.assert_ok();
    for path in ["/auth/token", "/auth/introspect", "/auth/revoke", "/auth/explain", "/auth/par", "/auth/device"] {
        let parameters = [CLIENT_CREDENTIALS, ("token", "x")];
        assert_refused(&send(&app, path, &parameters, &used).await, "The client_assertion was used before");
        let expired = worker.assertion(&app, json!({}), json!({"exp": 1}));
        assert_refused(&send(&app, path, &parameters, &expired).await, "The client_assertion has expired");
    }
});

on_both_stores!(registered_keys_change_without_a_pause_on_every_node, async |backend| {
    let app = TestServer::start(backend).await;
    let worker = KeyClient::with_every_grant(&app, "worker").await;
    let next = KeyClient { id: "worker".into(), key: new_key(SigningAlgorithm::Es256) };
    let (old, new) = (public(&worker.key, "own"), public(&next.key, "own"));
    let set = async |keys: Value| {
        let patch = json!({"jwks": {"keys": keys}});
        app.admin(Method::PATCH, "/admin/v1/clients/worker", Some(patch)).await.assert_ok();
    };
    worker.send(&app, "/auth/token", &[CLIENT_CREDENTIALS]).await.assert_ok();
    set(json!([changed(&old, json!({"kid": "old"})), new])).await;
    next.send(&app, "/auth/token", &[CLIENT_CREDENTIALS]).await.assert_ok();
    let still = worker.assertion(&app, json!({"kid": "old"}), json!({}));
    ask(&app, &still).await.assert_ok();
    set(json!([new])).await;
    assert_refused(&worker.send(&app, "/auth/token", &[CLIENT_CREDENTIALS]).await, NOT_PROVED);
    next.send(&app, "/auth/token", &[CLIENT_CREDENTIALS]).await.assert_ok();
    if backend == Backend::Postgres {
        let second = TestServer::start_on(&app.database, &app.master_key, Setup::default()).await;
        next.send(&second, "/auth/token", &[CLIENT_CREDENTIALS]).await.assert_ok();
        set(json!([old])).await;
        // The database is asked before the new key is refused.
        worker.send(&second, "/auth/token", &[CLIENT_CREDENTIALS]).await.assert_ok();
        let refused = async || next.send(&second, "/auth/token", &[CLIENT_CREDENTIALS]).await.status.as_u16() == 401;
        eventually(Duration::from_secs(5), "the old key is refused", refused).await;
    }
});

on_both_stores!(malformed_keys_are_refused_with_the_reason, async |backend| {
    let app = TestServer::start(backend).await;
    let [es256, _, rs256, _] = &*KEYS;
    let (ec, rsa) = (public(es256, "own"), public(rs256, "own"));
    let method = "private_key_jwt";
    for (members, reason) in [
        (json!({}), "private_key_jwt needs jwks, jwks_uri or issuers"),
        (json!({"jwks": {}}), "jwks: it has no list of keys"),
        (json!({"jwks": {"keys": []}}), "jwks: keys has 0 entries"),
        (json!({"jwks": [ec]}), "jwks: expected an object"),
        (json!({"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}}), "jwks: keys[0]: the key is not public"),
        (json!({"jwks": {"keys": [changed(&ec, json!({"d": "AAAA"}))]}}), "jwks: keys[0]: the key is not public"),
        (json!({"jwks": {"keys": [changed(&ec, json!({"x": "AAAA"}))]}}), "jwks: keys[0]: the parameters"),
        (json!({"jwks": {"keys": [changed(&ec, json!({"y": ec["x"]}))]}}), "jwks: keys[0]: the parameters"),
        (json!({"jwks": {"keys": [changed(&ec, json!({"crv": "secp256k1"}))]}}), "jwks: keys[0]: only P-256"),
        (json!({"jwks": {"keys": [ec, changed(&rsa, json!({"n": "AQAB"}))]}}), "jwks: keys[1]: the RSA modulus"),
        (json!({"jwks": {"keys": [changed(&rsa, json!({"e": "Aw"}))]}}), "jwks: keys[0]: the RSA exponent"),
        (json!({"jwks": {"keys": [ec, ec]}}), "jwks: keys[1]: another key has the same kid"),
        (json!({"jwks": {"keys": vec![ec.clone(); 9]}}), "jwks: keys has 9 entries"),
        (json!({"jwks": {"keys": [ec]}, "jwks_uri": "https://a.example/"}), "jwks and jwks_uri"),
        (json!({"jwks_uri": "http://127.0.0.1/keys"}), "jwks_uri: its scheme must be https"),
        (json!({"jwks_uri": "keys"}), "jwks_uri: it is not an absolute URI"),
    ] {
        let members = changed(&members, json!({"client_id": "worker", "token_endpoint_auth_method": method}));
        let answer = app.admin(Method::POST, "/admin/v1/clients", Some(members.clone())).await;
        assert_eq!(answer.status.as_u16(), 400, "{members}: {answer:?}");
        let detail = answer.text("detail");
        assert!(detail.contains(reason) && !detail.contains("c2VjcmV0"), "{members}: {detail}");
    }
    let answer = app.admin(Method::GET, "/admin/v1/clients/worker", None).await;
    assert_eq!(answer.status.as_u16(), 404, "nothing was written");
});

on_both_stores!(keys_are_fetched_from_the_address_of_the_client_once_and_anew_for_an_unknown_one, async |backend| {
    let authority = Authority::new();
    let receiver = authority.receiver(200).await;
    let setup = authority.setup(&[&receiver]).with_manual_clock();
    let app = TestServer::start_with(backend, setup).await;
    let worker = KeyClient { id: "worker".into(), key: new_key(SigningAlgorithm::Es256) };
    let next = KeyClient { id: "worker".into(), key: new_key(SigningAlgorithm::Es256) };
    let members = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": receiver.url("/keys?a=b")});
    app.client("worker", every_grant(members)).await;
    receiver.says(&json!({"keys": [public(&worker.key, "own")]}).to_string());
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let assertion = worker.assertion(&app, json!({}), json!({}));
        let request = app.http.post(format!("{}/auth/token", app.base));
        let request = request.form(&vec![CLIENT_CREDENTIALS, TYPE, ("client_assertion", assertion.as_str())]);
        tasks.spawn(Answer::of(request));
    }
    for answer in tasks.join_all().await {
        answer.assert_ok();
    }
    assert_eq!(receiver.received().len(), 1, "they share one call");
    let head = receiver.received()[0].head.to_ascii_lowercase();
    assert!(head.starts_with("get /keys?a=b http/1.1\r\n") && !head.contains("authorization"), "{head}");
    // The client changes to another key.
    receiver.says(&json!({"keys": [public(&worker.key, "own"), public(&next.key, "next")]}).to_string());
    app.advance(10);
    let by_next = |app: &TestServer| next.assertion(app, json!({"kid": "next"}), json!({}));
    ask(&app, &by_next(&app)).await.assert_ok();
    worker.send(&app, "/auth/token", &[CLIENT_CREDENTIALS]).await.assert_ok();
    assert_eq!(receiver.received().len(), 2);
    // Strangers who name keys that are not there cause no call each.
    for index in 0..10 {
        let unknown = next.assertion(&app, json!({"kid": format!("unknown-{index}")}), json!({}));
        assert_refused(&ask(&app, &unknown).await, NOT_PROVED);
        let nameless = KeyClient { id: "worker".into(), key: new_key(SigningAlgorithm::Es256) };
        assert_refused(&ask(&app, &nameless.assertion(&app, json!({"kid": null}), json!({}))).await, NOT_PROVED);
    }
    assert_eq!(receiver.received().len(), 2);
    // A key that was removed is refused once the keys are no longer fresh.
    receiver.says(&json!({"keys": [public(&next.key, "next")]}).to_string());
    app.advance(300);
    ask(&app, &by_next(&app)).await.assert_ok();
    assert_refused(&worker.send(&app, "/auth/token", &[CLIENT_CREDENTIALS]).await, NOT_PROVED);
});

on_both_stores!(a_host_that_cannot_be_reached_is_no_refusal_and_makes_no_request_slow, async |backend| {
    let authority = Authority::new();
    let (failing, hanging) = (authority.receiver(503).await, authority.receiver(HANGS).await);
    let app = TestServer::start_with(backend, authority.setup(&[&failing, &hanging])).await;
    for (id, receiver) in [("failing", &failing), ("hanging", &hanging)] {
        let client = KeyClient { id: id.into(), key: new_key(SigningAlgorithm::Es256) };
        let members = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": receiver.url("/keys")});
        app.client(id, every_grant(members)).await;
        let begun = Instant::now();
        let answer = client.send(&app, "/auth/token", &[CLIENT_CREDENTIALS]).await;
        assert!(answer.is_unavailable(), "{id}: {answer:?}");
        assert!(begun.elapsed() < Duration::from_secs(8), "{id}: {:?}", begun.elapsed());
        let begun = Instant::now();
        for _ in 0..5 {
            let answer = client.send(&app, "/auth/token", &[CLIENT_CREDENTIALS]).await;
            assert!(answer.is_unavailable(), "{id}: {answer:?}");
        }
        assert!(begun.elapsed() < Duration::from_secs(2), "{id}: {:?}", begun.elapsed());
        assert_eq!(receiver.received().len(), 1, "{id}");
    }
    // Others do not notice.
    let worker = KeyClient::with_every_grant(&app, "worker").await;
    worker.send(&app, "/auth/token", &[CLIENT_CREDENTIALS]).await.assert_ok();
});

on_both_stores!(no_address_inside_is_called_for_keys, async |backend| {
    let authority = Authority::new();
    let receiver = authority.receiver(200).await;
    let app = TestServer::start(backend).await;
    let inside = ["https://169.254.169.254/keys".to_owned(), "https://[::1]/keys".into(), receiver.url("/keys")];
    for (index, address) in inside.iter().enumerate() {
        let client = KeyClient { id: format!("client-{index}"), key: new_key(SigningAlgorithm::Es256) };
        let members = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": address});
        app.client(&client.id, every_grant(members)).await;
        let answer = client.send(&app, "/auth/token", &[CLIENT_CREDENTIALS]).await;
        assert!(answer.is_unavailable(), "{address}: {answer:?}");
    }
    assert_eq!(receiver.connections(), 0);
});
