//! Previews, and the tokens that are issued after them.

use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::support::browser::{Browser, asking};
use crate::support::scene::{ALICE, BOB};
use crate::support::{Answer, Backend, Setup, TestClient, TestServer, jwt_part, on_both_stores};

const RESOURCES: [&str; 3] = ["https://a.example.test", "https://b.example.test", "https://c.example.test"];

async fn preview(app: &TestServer, request: Value) -> Value {
    app.admin(Method::POST, "/admin/v1/preview", Some(request)).await.assert_ok().json.clone()
}

/// The claims of a preview that are the same in each token, with the life.
fn steady_claims(preview: &Value) -> Map<String, Value> {
    let claims = preview["token"]["claims"].as_array().unwrap();
    let steady = claims.iter().filter(|claim| claim["varies"] == false);
    let mut steady: Map<String, Value> =
        steady.map(|claim| (claim["claim"].as_str().unwrap().to_owned(), claim["value"].clone())).collect();
    steady.insert("life".into(), preview["token"]["expires_in"].clone());
    steady
}

/// The same of a token, which only introspection can read if it is opaque.
async fn claims_of(app: &TestServer, rs: &TestClient, token: &str) -> Map<String, Value> {
    let mut claims = if token.starts_with("jat_") {
        let mut shown = app.introspect(rs, token).await.assert_active().json.clone();
        for name in ["active", "token_type", "username"] {
            shown.as_object_mut().unwrap().remove(name);
        }
        shown
    } else {
        jwt_part(token, 1)
    };
    let claims = claims.as_object_mut().unwrap();
    let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    for name in ["iat", "exp", "jti", "sid", "log"] {
        claims.remove(name);
    }
    claims.insert("life".into(), life.into());
    claims.clone()
}

/// What was previewed is what came.
async fn assert_agree(app: &TestServer, rs: &TestClient, preview: &Value, answer: &Answer, what: &str) {
    if answer.status == StatusCode::OK {
        assert_eq!(preview["refused"], Value::Null, "{what}: {preview} {answer:?}");
        let token = answer.text("access_token");
        assert_eq!(steady_claims(preview), claims_of(app, rs, &token).await, "{what}: {preview}");
        assert_eq!(preview["token"]["size"], token.len(), "{what}: {preview} {token}");
        let has = |name: &str| Value::Bool(answer.json[name].is_string());
        assert_eq!(
            (&preview["token"]["refresh_token"], &preview["token"]["id_token"]),
            (&has("refresh_token"), &has("id_token")),
            "{what}: {preview}"
        );
    } else {
        assert_eq!(preview["token"], Value::Null, "{what}: {preview} {answer:?}");
        assert_eq!(preview["refused"]["error"], answer.json["error"], "{what}: {preview} {answer:?}");
        assert_eq!(preview["refused"]["error_description"], answer.json["error_description"], "{what}: {preview}");
    }
}

/// Chooses by chance, the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % count as u64).unwrap()
    }

    fn one<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    fn some<T: Clone>(&mut self, from: &[T]) -> Vec<T> {
        from.iter().filter(|_| self.below(2) == 0).cloned().collect()
    }
}

async fn make_resources(app: &TestServer) {
    app.resource(json!({
        "resource": RESOURCES[0], "scopes": {"read": "Read", "write": "Write"}, "open_to": "registered",
        "access_token_ttl": 120, "claims": {"plan": "a", "tenant": "of a"},
    }))
    .await;
    app.resource(json!({
        "resource": RESOURCES[1], "scopes": {"read": "Read"}, "access_token_format": "opaque", "claims": {"plan": "b"},
    }))
    .await;
    app.resource(json!({"resource": RESOURCES[2], "access_token_typ": "JWT"})).await;
}

async fn make_users(app: &TestServer) {
    app.user(ALICE.0, ALICE.1).await;
    let bob =
        json!({"username": BOB.0, "password": BOB.1, "scope": "read", "claims": {"tenant": "of bob", "vip": true}});
    assert_eq!(app.admin(Method::POST, "/admin/v1/users", Some(bob)).await.status, StatusCode::CREATED);
}

/// The members of a client that chance makes.
fn client(chance: &mut Chance) -> Value {
    let all = vec!["password", "client_credentials", "refresh_token"];
    let grants = [all.clone(), all.clone(), all, vec!["password"], vec!["client_credentials"], vec![]];
    let audiences = [
        vec![],
        vec![RESOURCES[0]],
        vec![RESOURCES[1]],
        vec![RESOURCES[2]],
        RESOURCES.to_vec(),
        vec![RESOURCES[0], "urn:x"],
    ];
    let mut members = json!({
        "grant_types": chance.one(&grants),
        "scope": chance.one(&["read", "read write", "openid read write other", "read jeton:read", "jeton:read", ""]),
        "audiences": chance.one(&audiences),
        "access_token_format": chance.one(&["jwt", "jwt", "opaque"]),
        "access_token_typ": chance.one(&["at+jwt", "at+jwt", "JWT"]),
    });
    for (name, value) in [
        ("access_token_ttl", json!(300)),
        ("session_ttl", json!(100)),
        ("claims", json!({"tenant": "of client", "extra": [1, {"x": "y"}]})),
    ] {
        if chance.below(2) == 0 {
            members[name] = value;
        }
    }
    members
}

on_both_stores!(a_preview_and_the_token_that_is_issued_next_agree, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    make_resources(&app).await;
    make_users(&app).await;
    let rs = app.resource_server("rs").await;
    let seed = uuid::Uuid::new_v4().as_u64_pair().0 | 1;
    eprintln!("the seed is {seed}");
    let mut chance = Chance(seed);
    let (mut granted, mut refused) = (0, 0);
    for number in 0..60 {
        let members = client(&mut chance);
        let asker = app.client(&format!("c{number}"), members.clone()).await;
        for _ in 0..3 {
            let scope =
                chance.one(&["", "", "", "", "read", "read", "read write", "openid read", "jeton:read", "unknown"]);
            let resources = if chance.below(3) > 0 { vec![] } else { chance.some(&RESOURCES) };
            let user = chance.one(&[None, Some(ALICE), Some(BOB)]);
            let grant = if user.is_some() { "password" } else { "client_credentials" };
            let mut request = json!({"client_id": asker.id, "grant_type": grant, "resource": resources});
            let mut parameters = vec![("grant_type", grant)];
            if !scope.is_empty() {
                request["scope"] = json!(scope);
                parameters.push(("scope", scope));
            }
            parameters.extend(resources.iter().map(|resource| ("resource", *resource)));
            if let Some((username, password)) = user {
                request["user"] = json!(username);
                parameters.extend([("username", username), ("password", password)]);
            }
            let shown = preview(&app, request.clone()).await;
            let answer = app.token(&asker, &parameters).await;
            assert_agree(&app, &rs, &shown, &answer, &format!("seed {seed}: {members} {request}")).await;
            if answer.status == StatusCode::OK { granted += 1 } else { refused += 1 }
        }
    }
    assert!(granted > 20 && refused > 20, "{granted} granted, {refused} refused");
});

on_both_stores!(a_preview_of_a_login_at_a_browser_agrees_with_its_token, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    make_resources(&app).await;
    make_users(&app).await;
    let rs = app.resource_server("rs").await;
    for (number, members) in [
        json!({}),
        json!({"audiences": [RESOURCES[0]], "claims": {"tenant": "of client"}}),
        json!({"audiences": [RESOURCES[1]], "grant_types": ["authorization_code"]}),
        json!({"access_token_ttl": 600, "session_ttl": 200, "consent": "skip"}),
    ]
    .into_iter()
    .enumerate()
    {
        let web = app.web_client(&format!("web{number}"), members.clone()).await;
        for user in [ALICE, BOB] {
            for scope in ["openid read", "openid email read", "read offline_access", ""] {
                let mut browser = Browser::default();
                let arrival = browser.agree(&app, user, &asking(&web.id, &[("scope", scope)])).await;
                let mut request = json!({"client_id": web.id, "grant_type": "authorization_code", "user": user.0});
                if !scope.is_empty() {
                    request["scope"] = json!(scope);
                }
                let shown = preview(&app, request.clone()).await;
                match arrival.get("code") {
                    Some(code) => {
                        let answer = app.redeem(&web, code).await;
                        assert_agree(&app, &rs, &shown, &answer, &format!("{members} {request}")).await;
                    }
                    None => assert_eq!(shown["refused"]["error"].as_str(), arrival.get("error"), "{members} {request}"),
                }
            }
        }
    }
});

on_both_stores!(a_preview_says_where_each_claim_comes_from_and_what_is_left_out, async |backend| {
    let app = TestServer::start(backend).await;
    make_resources(&app).await;
    make_users(&app).await;
    let members = json!({
        "grant_types": ["password", "client_credentials"], "scope": "openid read write other jeton:read",
        "claims": {"tenant": "of client", "own": 1}, "access_token_ttl": 60,
    });
    app.client("c", members).await;
    let request = json!({"client_id": "c", "grant_type": "password", "user": BOB.0, "resource": [RESOURCES[0]]});
    let shown = preview(&app, request).await;
    let from = |name: &str| {
        let claims = shown["token"]["claims"].as_array().unwrap();
        let claim = claims.iter().find(|claim| claim["claim"] == name).unwrap_or_else(|| panic!("{name}: {shown}"));
        claim["from"].as_str().unwrap().to_owned()
    };
    let (bob, a) = (BOB.0, RESOURCES[0]);
    for (claim, source) in [
        ("iss", "JETON_ISSUER".to_owned()),
        ("sub", format!("user {bob}: sub")),
        ("aud", "request: resource".into()),
        ("scope", "client c: scope".into()),
        ("exp", format!("resource {a}: access_token_ttl")),
        ("tenant", format!("user {bob}: claims")),
        ("vip", format!("user {bob}: claims")),
        ("plan", format!("resource {a}: claims")),
        ("own", "client c: claims".into()),
    ] {
        assert_eq!(from(claim), source, "{claim}");
    }
    let left_out = shown["left_out"].as_array().unwrap();
    let why = |scope: &str| {
        let found = left_out.iter().find(|left_out| left_out["scope"] == scope);
        found.unwrap_or_else(|| panic!("{scope}: {shown}"))["why"].as_str().unwrap().to_owned()
    };
    assert!(why("openid").contains("only when they are asked for"));
    assert!(why("jeton:read").contains("for itself only"));
    assert!(why("write").contains(&format!("user {bob}: scope")));
    assert_eq!(left_out.len(), 4, "{shown}");
});

on_both_stores!(a_preview_issues_and_writes_nothing_and_needs_a_scope, async |backend| {
    let app = TestServer::start(backend).await;
    make_users(&app).await;
    let main = app.main_client("main").await;
    let records = async || {
        let all = app.admin(Method::GET, "/admin/v1/audit?limit=200", None).await.json;
        all["items"].as_array().unwrap().len()
    };
    let before = records().await;
    let request = json!({"client_id": "main", "grant_type": "password", "user": ALICE.0});
    let shown = preview(&app, request.clone()).await;
    assert_eq!(shown["refused"], Value::Null, "{shown}");
    assert_eq!(records().await, before);
    let sessions = app.admin(Method::GET, "/admin/v1/sessions", None).await.json;
    assert_eq!(sessions["items"], json!([]));
    for (request, status, word) in [
        (json!({"client_id": "nobody", "grant_type": "password"}), 404, "nobody"),
        (json!({"client_id": "main", "grant_type": "password", "user": "nobody"}), 404, "nobody"),
        (json!({"client_id": "main", "grant_type": "implicit"}), 400, "grant_type"),
        (json!({"client_id": "main"}), 400, "grant_type"),
        (json!({"client_id": "main", "grant_type": "password", "password": "x"}), 400, "password"),
    ] {
        let answer = app.admin(Method::POST, "/admin/v1/preview", Some(request)).await;
        assert_eq!(answer.status.as_u16(), status, "{answer:?}");
        assert!(answer.json["detail"].as_str().unwrap().contains(word), "{answer:?}");
    }
    for (request, error) in [
        (json!({"client_id": "main", "grant_type": "password"}), "invalid_request"),
        (json!({"client_id": "main", "grant_type": "client_credentials", "user": ALICE.0}), "invalid_request"),
        (json!({"client_id": "main", "grant_type": "refresh_token", "user": ALICE.0}), "invalid_request"),
        (json!({"client_id": "main", "grant_type": "authorization_code", "user": ALICE.0}), "unauthorized_client"),
    ] {
        assert_eq!(preview(&app, request).await["refused"]["error"], error);
    }
    for (path, members, error) in [
        ("/admin/v1/users/alice", json!({"enabled": false}), "invalid_grant"),
        ("/admin/v1/clients/main", json!({"enabled": false}), "invalid_client"),
    ] {
        app.admin(Method::PATCH, path, Some(members)).await.assert_ok();
        assert_eq!(preview(&app, request.clone()).await["refused"]["error"], error);
    }
    let token = app.token(&main, &[("grant_type", "client_credentials")]).await;
    assert_eq!(token.status, StatusCode::UNAUTHORIZED);
    let clients = app.client("clients", json!({"grant_types": ["client_credentials"], "scope": "jeton:clients"})).await;
    let token = app.token(&clients, &[("grant_type", "client_credentials")]).await.text("access_token");
    let asked = app.http.post(format!("{}/admin/v1/preview", app.base)).bearer_auth(token).json(&request);
    assert_eq!(Answer::of(asked).await.status, StatusCode::FORBIDDEN);
});

/// The command says the same as the API.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_previews_too() {
    use crate::support::program::Place;
    let place = Place::new(Backend::Sqlite).await;
    let create = ["client", "create", "c", "--grant-types", "client_credentials", "--scope", "read"];
    place.json(&create);
    let preview = ["token", "preview", "--client-id", "c", "--grant-type", "client_credentials"];
    let shown = place.json(&preview);
    assert_eq!(shown["token"]["format"], "jwt");
    let text = place.run(&preview).ok();
    assert!(text.contains("a JWT (typ at+jwt)") && text.contains("(client c: scope)"), "{text}");
    let refused = place.run(&[&preview[..], &["--scope", "write"]].concat());
    assert_eq!(refused.code, Some(1));
    assert!(refused.out.contains("(invalid_scope)") && refused.out.contains("write"), "{refused:?}");
    place.run(&["token", "preview", "--client-id", "c", "--grant-type", "implicit"]).refused(&["--grant-type"]);
    place.run(&["token", "preview", "--client-id", "x", "--grant-type", "password"]).refused(&["no client"]);
}
