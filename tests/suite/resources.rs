//! Resources: their administration, what they do to tokens, their servers, and their metadata (RFC 9728).

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::scene::{ALICE, Scene, every_grant};
use crate::support::{Answer, Backend, Setup, TestClient, TestServer, jwt_part, on_both_stores};

const CHAT: &str = "https://chat.example.test";
const ONE: &str = "/admin/v1/resources/https%3A%2F%2Fchat.example.test";

async fn patch(app: &TestServer, members: Value) -> Answer {
    app.admin(Method::PATCH, ONE, Some(members)).await
}

/// A request to the admin API with a token of these scopes.
async fn by(app: &TestServer, scope: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
    let id = format!("holder of {scope}");
    let path_of_holder = format!("/admin/v1/clients/{}", id.replace(' ', "%20"));
    app.admin(Method::DELETE, &path_of_holder, None).await;
    let holder = app.client(&id, json!({"grant_types": ["client_credentials"], "scope": scope})).await;
    let token = app.token(&holder, &[("grant_type", "client_credentials")]).await.text("access_token");
    let mut request = app.http.request(method, format!("{}{path}", app.base)).bearer_auth(token);
    if let Some(body) = body {
        request = request.json(&body);
    }
    Answer::of(request).await
}

on_both_stores!(a_resource_is_created_shown_listed_changed_and_deleted, async |backend| {
    let app = TestServer::start(backend).await;
    app.main_client("chat-server").await;
    let members = json!({
        "resource": CHAT, "name": "Chat", "scopes": {"read": "Read your messages", "write": "Write in your name"},
        "access_token_format": "jwt", "access_token_typ": "JWT", "access_token_ttl": 300, "open_to": "registered",
        "serves": ["chat-server"], "claims": {"tenant": "blue"},
    });
    let made = app.resource(members.clone()).await.json;
    let mut expected = members;
    expected["created_at"] = made["created_at"].clone();
    assert_eq!(made, expected);
    assert_eq!(app.admin(Method::GET, ONE, None).await.assert_ok().json, made);
    app.resource(json!({"resource": "https://bare.example.test/a?b"})).await;
    let listed = app.admin(Method::GET, "/admin/v1/resources?limit=1", None).await.json;
    assert_eq!(listed["items"][0]["resource"], "https://bare.example.test/a?b");
    assert_eq!(listed["items"][0]["open_to"], "listed");
    let next = format!("/admin/v1/resources?limit=1&cursor={}", listed["next"].as_str().unwrap());
    assert_eq!(app.admin(Method::GET, &next, None).await.json, json!({"items": [made], "next": null}));

    let changed = patch(&app, json!({"scopes": {"write": null, "delete": "Delete"}, "access_token_ttl": null})).await;
    assert_eq!(changed.assert_ok().json["scopes"], json!({"delete": "Delete", "read": "Read your messages"}));
    assert_eq!((&changed.json["access_token_ttl"], &changed.json["name"]), (&Value::Null, &json!("Chat")));
    assert_eq!(app.admin(Method::DELETE, ONE, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(app.admin(Method::GET, ONE, None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(patch(&app, json!({})).await.status, StatusCode::NOT_FOUND);
    let trail = app.admin(Method::GET, "/admin/v1/audit", None).await.json;
    let of_chat = |record: &&Value| record["target"] == format!("resource {CHAT}");
    let actions: Vec<&Value> =
        trail["items"].as_array().unwrap().iter().filter(of_chat).map(|r| &r["action"]).collect();
    assert_eq!(actions.len(), 3, "{trail}");
    for action in ["resource.create", "resource.update", "resource.delete"] {
        assert!(actions.contains(&&json!(action)), "{actions:?}");
    }
});

on_both_stores!(a_bad_resource_gets_a_clear_error_and_changes_nothing, async |backend| {
    let app = TestServer::start(backend).await;
    app.client("https://client.example.test/", json!({})).await;
    let admin = format!("{}/admin/v1", app.issuer());
    let long = format!("https://a.example.test/{}", "x".repeat(1100));
    for (status, members, named) in [
        (400, json!({}), "resource"),
        (400, json!({"resource": 1}), "resource"),
        (400, json!({"resource": ""}), "absolute URI"),
        (400, json!({"resource": "/api"}), "absolute URI"),
        (400, json!({"resource": "https://a.example.test/#x"}), "fragment"),
        (400, json!({"resource": "https://a.example.test/ä"}), "characters"),
        (400, json!({"resource": long}), "too long"),
        (400, json!({"resource": admin}), "admin API"),
        (400, json!({"resource": CHAT, "serves": ["nobody"]}), "serves: there is no client nobody"),
        (400, json!({"resource": CHAT, "scopes": {"a b": ""}}), "scopes"),
        (400, json!({"resource": CHAT, "client_id": "x"}), "client_id"),
        (409, json!({"resource": "https://client.example.test/"}), "client_id"),
    ] {
        let refused = app.admin(Method::POST, "/admin/v1/resources", Some(members.clone())).await;
        assert_eq!(refused.status.as_u16(), status, "{members}: {refused:?}");
        assert!(refused.text("detail").contains(named), "{members}: {refused:?}");
    }
    assert_eq!(app.admin(Method::GET, "/admin/v1/resources", None).await.json["items"], json!([]));
    app.resource(json!({"resource": CHAT})).await;
    for members in [json!({"open_to": "nobody"}), json!({"resource": "urn:x"}), json!({"serves": ["nobody"]})] {
        assert_eq!(patch(&app, members.clone()).await.status, 400, "{members}");
    }
    for (path, status) in [("%00", 404), ("%FF", 400), ("x", 404), ("https%3A%2F%2Fchat.example.test%2F", 404)] {
        let answer = app.admin(Method::GET, &format!("/admin/v1/resources/{path}"), None).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {answer:?}");
    }
    // Neither may a client take the name of a resource, or have a client as its audience.
    let taken = app.admin(Method::POST, "/admin/v1/clients", Some(json!({"client_id": CHAT}))).await;
    assert_eq!(taken.status, StatusCode::CONFLICT, "{taken:?}");
    let members = json!({"audiences": ["https://client.example.test/"]});
    let refused = app.admin(Method::POST, "/admin/v1/clients", Some(members)).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");
});

on_both_stores!(who_may_administer_a_resource_follows_from_whom_it_is_open_to, async |backend| {
    let app = TestServer::start(backend).await;
    let all = "/admin/v1/resources";
    let new = |open_to: &str| Some(json!({"resource": CHAT, "open_to": open_to}));
    for scope in ["jeton:read", "jeton:users", "jeton:revoke"] {
        assert_eq!(by(&app, scope, Method::POST, all, new("listed")).await.status, StatusCode::FORBIDDEN, "{scope}");
    }
    assert_eq!(by(&app, "jeton:clients", Method::POST, all, new("anybody")).await.status, StatusCode::FORBIDDEN);
    assert_eq!(by(&app, "jeton:clients", Method::POST, all, new("registered")).await.status, StatusCode::CREATED);
    by(&app, "jeton:read", Method::GET, ONE, None).await.assert_ok();
    assert_eq!(by(&app, "jeton:read", Method::DELETE, ONE, None).await.status, StatusCode::FORBIDDEN);
    let opened = Some(json!({"open_to": "anybody"}));
    let refused = by(&app, "jeton:clients", Method::PATCH, ONE, opened.clone()).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.header("www-authenticate").unwrap().contains("scope=\"jeton:admin\""), "{refused:?}");
    by(&app, "jeton:admin", Method::PATCH, ONE, opened).await.assert_ok();
    for method in [Method::PATCH, Method::DELETE] {
        let body = (method == Method::PATCH).then(|| json!({"open_to": "listed"}));
        assert_eq!(by(&app, "jeton:clients", method, ONE, body).await.status, StatusCode::FORBIDDEN);
    }
    by(&app, "jeton:admin", Method::PATCH, ONE, Some(json!({"open_to": "listed"}))).await.assert_ok();
    assert_eq!(by(&app, "jeton:clients", Method::DELETE, ONE, None).await.status, StatusCode::NO_CONTENT);
});

on_both_stores!(an_open_resource_may_be_named_and_its_access_goes_when_it_is_closed_or_deleted, async |backend| {
    let scene = Scene::start(backend).await;
    let (app, client) = (&scene.app, &scene.main);
    let named = [("resource", CHAT)];
    scene.client_credentials(client, &named).await.assert_error(400, "invalid_target");
    app.resource(json!({"resource": CHAT})).await;
    scene.client_credentials(client, &named).await.assert_error(400, "invalid_target");
    for open_to in ["registered", "anybody"] {
        patch(app, json!({"open_to": open_to})).await.assert_ok();
        for named in [CHAT, "https://chat.example.test/"] {
            let granted = scene.client_credentials(client, &[("resource", named)]).await;
            assert_eq!(jwt_part(&granted.assert_ok().text("access_token"), 1)["aud"], CHAT);
        }
        // A public client with the default audience may name it as well.
        let login = scene.login_with(&scene.public, &named).await;
        scene.refresh(&scene.public, &login.refresh).await;
    }
    let only_chat = scene.login_with(client, &named).await;
    let api = crate::support::scene::API;
    let both = scene.login_with(client, &[("resource", CHAT), ("resource", api)]).await;
    assert_eq!(app.admin(Method::DELETE, ONE, None).await.status, StatusCode::NO_CONTENT);
    scene.client_credentials(client, &named).await.assert_error(400, "invalid_target");
    app.refresh(client, &only_chat.refresh).await.assert_error(400, "invalid_target");
    scene.refresh_with(client, &both.refresh, &named).await.assert_error(400, "invalid_target");
    let left = scene.refresh(client, &both.refresh).await;
    assert_eq!(jwt_part(&left.access, 1)["aud"], api);
    // The refusals spent nothing: a resource that comes back is there again.
    app.resource(json!({"resource": CHAT, "open_to": "registered"})).await;
    assert_eq!(jwt_part(&scene.refresh(client, &only_chat.refresh).await.access, 1)["aud"], CHAT);
});

on_both_stores!(a_resource_decides_on_the_form_life_and_claims_of_its_tokens, async |backend| {
    let app = TestServer::start(backend).await;
    app.user(ALICE.0, ALICE.1).await;
    let (chat, files) = ("https://chat.example.test/", "https://files.example.test/");
    let settings = json!({
        "audiences": [chat, files], "access_token_ttl": 500, "claims": {"plan": "free", "region": "eu"},
    });
    let client = app.client("both", every_grant(settings)).await;
    app.resource(json!({
        "resource": chat, "access_token_format": "opaque", "access_token_ttl": 700, "claims": {"plan": "paid"},
    }))
    .await;
    app.resource(json!({"resource": files, "access_token_typ": "JWT", "access_token_ttl": 60})).await;
    let get = async |resource: &str| {
        app.token(&client, &[("grant_type", "client_credentials"), ("resource", resource)]).await
    };
    let opaque = get(chat).await;
    assert!(opaque.text("access_token").starts_with("jat_"), "{opaque:?}");
    assert_eq!(opaque.json["expires_in"], 700);
    let told = app.introspect(&client, &opaque.text("access_token")).await.json;
    assert_eq!((&told["plan"], &told["region"]), (&json!("paid"), &json!("eu")));
    let jwt = get(files).await;
    let token = jwt.text("access_token");
    assert_eq!((&jwt_part(&token, 0)["typ"], &jwt.json["expires_in"]), (&json!("JWT"), &json!(60)));
    assert_eq!(jwt_part(&token, 1)["plan"], "free");
    app.introspect(&client, &token).await.assert_active();
    // A token for both would have to have two forms. A session may be for both, and each refresh names one.
    get("").await.assert_error(400, "invalid_target");
    let login = [("grant_type", "password"), ("username", ALICE.0), ("password", ALICE.1)];
    app.token(&client, &login).await.assert_error(400, "invalid_target");
    let path = "/admin/v1/resources/https%3A%2F%2Fchat.example.test%2F";
    let as_jwt = json!({"access_token_format": null, "access_token_typ": "JWT"});
    app.admin(Method::PATCH, path, Some(as_jwt)).await.assert_ok();
    let both = app.token(&client, &login).await;
    assert_eq!(both.assert_ok().json["expires_in"], 60, "the shortest life wins");
    app.admin(Method::PATCH, path, Some(json!({"access_token_format": "opaque"}))).await.assert_ok();
    let refresh = both.text("refresh_token");
    app.refresh(&client, &refresh).await.assert_error(400, "invalid_target");
    let narrowed = [("grant_type", "refresh_token"), ("refresh_token", &refresh), ("resource", chat)];
    assert!(app.token(&client, &narrowed).await.assert_ok().text("access_token").starts_with("jat_"));
});

on_both_stores!(a_client_sees_the_tokens_for_a_resource_that_it_serves_and_no_others, async |backend| {
    let app = TestServer::start(backend).await;
    let chat_server = app.client("chat-server", json!({})).await;
    let stranger = app.client("stranger", json!({})).await;
    app.resource(json!({"resource": CHAT, "open_to": "registered", "serves": ["chat-server"]})).await;
    let main = app.main_client("main").await;
    let get = async |resource: &str| {
        let asked = [("grant_type", "client_credentials"), ("resource", resource)];
        app.token(&main, &asked).await.text("access_token")
    };
    let (for_chat, for_others) = (get(CHAT).await, get("").await);
    let explained = async |client: &TestClient, token: &str| {
        app.form(client, "/auth/explain", &[("token", token)]).await.assert_ok().json["limited"] != json!(true)
    };
    app.introspect(&chat_server, &for_chat).await.assert_active();
    app.introspect(&chat_server, &for_others).await.assert_inactive();
    app.introspect(&stranger, &for_chat).await.assert_inactive();
    assert!(explained(&chat_server, &for_chat).await && !explained(&chat_server, &for_others).await);
    assert!(!explained(&stranger, &for_chat).await);
    patch(&app, json!({"serves": []})).await.assert_ok();
    app.introspect(&chat_server, &for_chat).await.assert_inactive();
    // A client that gets the id of a deleted server is another one.
    patch(&app, json!({"serves": ["chat-server"]})).await.assert_ok();
    app.admin(Method::DELETE, "/admin/v1/clients/chat-server", None).await;
    let heir = app.client("chat-server", json!({})).await;
    app.introspect(&heir, &for_chat).await.assert_inactive();
});

on_both_stores!(the_metadata_of_a_resource_is_there_for_everybody, async |backend| {
    let app = TestServer::start(backend).await;
    app.resource(json!({"resource": CHAT, "name": "Chat", "scopes": {"write": "Write", "read": "Read"}})).await;
    app.resource(json!({"resource": "urn:example:bare"})).await;
    let at = |query: &str| format!("/auth/resource-metadata{query}");
    for spelling in ["https%3A%2F%2Fchat.example.test", "https://chat.example.test", "https://chat.example.test/"] {
        let answer = app.get_with(&at(&format!("?resource={spelling}")), &[("Origin", "https://other.test")]).await;
        let expected = json!({
            "resource": CHAT, "authorization_servers": ["https://auth.example.com"],
            "bearer_methods_supported": ["header"], "scopes_supported": ["read", "write"], "resource_name": "Chat",
        });
        assert_eq!(answer.assert_ok().json, expected);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    }
    let bare = app.get(&at("?resource=urn:example:bare&unknown=1")).await;
    let members: Vec<&String> = bare.assert_ok().json.as_object().unwrap().keys().collect();
    assert_eq!(members, ["resource", "authorization_servers", "bearer_methods_supported"]);
    for (query, status) in [
        ("", 400),
        ("?resource=", 400),
        ("?resource=urn:a&resource=urn:b", 400),
        ("?resource=%zz", 400),
        ("?resource=%FF", 400),
        ("?resource=%00", 404),
        ("?resource=https://unknown.example.test", 404),
        ("?resource=https://chat.example.test/x", 404),
    ] {
        let answer = app.get(&at(query)).await;
        assert_eq!(answer.status.as_u16(), status, "{query}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{query}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{query}");
        assert_eq!(answer.json["status"], status, "{query}");
    }
    let posted = app.raw(&at("?resource=urn:example:bare"), &[], "").await;
    assert_eq!(posted.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(posted.header("content-type"), Some("application/problem+json"));
});

on_both_stores!(a_refused_request_for_a_resource_learns_where_its_metadata_is, async |backend| {
    let app = TestServer::start(backend).await;
    let mcp = "https://chat.example.test/mcp";
    app.resource(json!({"resource": mcp, "open_to": "registered"})).await;
    let main = app.main_client("main").await;
    let token = app.token(&main, &[("grant_type", "client_credentials"), ("resource", mcp)]).await;
    let bearer = format!("Bearer {}", token.text("access_token"));
    let verify = async |query: &str, authorization: &[(&str, &str)]| {
        let answer = app.get_with(&format!("/auth/verify?audience={query}"), authorization).await;
        (answer.status.as_u16(), answer.header("www-authenticate").unwrap_or_default().to_owned())
    };
    let metadata = "resource_metadata=\"https://chat.example.test/.well-known/oauth-protected-resource/mcp\"";
    let good = [("Authorization", bearer.as_str())];
    assert_eq!(verify(mcp, &good).await, (200, String::new()));
    assert_eq!(verify(mcp, &[]).await, (401, format!("Bearer realm=\"jeton\", {metadata}")));
    for (query, authorization, status, error) in [
        (mcp.to_owned(), ("Authorization", "Bearer nonsense"), 401, "invalid_token"),
        (format!("{mcp}&scope=delete"), good[0], 403, "insufficient_scope"),
        (format!("{mcp}&access_token=x"), good[0], 400, "invalid_request"),
    ] {
        let (answered, challenge) = verify(&query, &[authorization]).await;
        assert_eq!(answered, status, "{challenge}");
        assert!(challenge.starts_with(&format!("Bearer realm=\"jeton\", error=\"{error}\"")), "{challenge}");
        assert!(challenge.ends_with(metadata), "{challenge}");
    }
    for other in ["https://unknown.example.test", "https://chat.example.test/mcp/"] {
        let (status, challenge) = verify(other, &good).await;
        assert!(status == 401 && !challenge.contains("resource_metadata"), "{challenge}");
    }
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_that_another_node_just_created_can_be_named_at_once() {
    let first = TestServer::start(Backend::Postgres).await;
    let slow = Setup::default().set("JETON_POLL_INTERVAL", "10s").set("JETON_MAX_STALENESS", "1m");
    let second = TestServer::start_on(&first.database, &first.master_key, slow).await;
    let main = first.main_client("main").await;
    let named = [("grant_type", "client_credentials"), ("resource", CHAT)];
    second.token(&main, &named).await.assert_error(400, "invalid_target");
    first.resource(json!({"resource": CHAT, "open_to": "registered", "scopes": {"read": ""}})).await;
    assert_eq!(second.token(&main, &named).await.assert_ok().text("scope"), "read");
    first.resource(json!({"resource": "urn:other"})).await;
    second.get("/auth/resource-metadata?resource=urn:other").await.assert_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_resource_forbids_is_forbidden_on_another_node_within_the_bound() {
    let first = TestServer::start(Backend::Postgres).await;
    let second = TestServer::start_on(&first.database, &first.master_key, Setup::default()).await;
    let main = first.main_client("main").await;
    first.resource(json!({"resource": CHAT, "open_to": "registered"})).await;
    let named = [("grant_type", "client_credentials"), ("resource", CHAT)];
    second.token(&main, &named).await.assert_ok();
    assert_eq!(first.admin(Method::DELETE, ONE, None).await.status, StatusCode::NO_CONTENT);
    first.token(&main, &named).await.assert_error(400, "invalid_target");
    let limit = std::time::Duration::from_secs(5);
    let refuses = async || second.token(&main, &named).await.status == StatusCode::BAD_REQUEST;
    crate::support::eventually(limit, "the other node to refuse the resource", refuses).await;
}
