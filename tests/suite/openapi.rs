//! openapi.yaml describes what the server does.

mod answers;
mod document;
mod forms;
mod operations;
mod parameters;
mod schemas;
mod tidy;
mod yaml;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jeton::protocol::cause::Cause;
use jeton::protocol::error::ErrorCode;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, FORM, Setup, TestServer, on_both_stores};

const METHODS: [&str; 7] = ["GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH"];

#[test]
fn the_committed_description_is_what_the_code_gives() {
    let generated = document::generated();
    if std::env::var_os("JETON_WRITE_OPENAPI").is_some() {
        std::fs::write(path_of("openapi.yaml"), &generated).unwrap();
    }
    let committed = read("openapi.yaml");
    let line = committed.lines().zip(generated.lines()).position(|(committed, generated)| committed != generated);
    assert!(
        committed == generated,
        "openapi.yaml differs from the code, first after line {}. Write it with:\n    \
         JETON_WRITE_OPENAPI=1 cargo test --test suite -- openapi::the_committed_description",
        line.unwrap_or_default(),
    );
}

fn path_of(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn read(file: &str) -> String {
    std::fs::read_to_string(path_of(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The description, as the server gives it.
async fn description(app: &TestServer) -> Value {
    let answer = app.get("/openapi.yaml").await;
    answer.assert_ok();
    assert_eq!(answer.header("content-type"), Some("application/yaml"));
    let mut document: serde_yaml_ng::Value = serde_yaml_ng::from_str(&answer.body).unwrap();
    document.apply_merge().unwrap();
    serde_json::to_value(document).unwrap()
}

/// What a local reference leads to.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(path) => document.pointer(path.strip_prefix('#').unwrap()).unwrap_or_else(|| panic!("nothing at {path}")),
        None => value,
    }
}

fn every_reference<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|value| every_reference(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| every_reference(value, found)),
        _ => {}
    }
}

fn names(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

on_both_stores!(every_route_and_method_is_described_and_nothing_else, async |backend| {
    let app = TestServer::start(backend).await;
    let document = description(&app).await;
    let real: BTreeSet<(String, String)> = jeton::http::routes()
        .iter()
        .flat_map(|route| route.methods.iter().map(|method| (route.path.replace("{*", "{"), (*method).to_owned())))
        .collect();
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in METHODS {
            if item.get(method.to_lowercase()).is_some() {
                described.insert((path.clone(), method.to_owned()));
            }
        }
    }
    assert_eq!(described, real);
    for (path, method) in real {
        let item = &document["paths"][&path];
        let operation = &item[method.to_lowercase()];
        let mut parameters: BTreeSet<&str> = BTreeSet::new();
        for holder in [item, operation] {
            for parameter in holder["parameters"].as_array().into_iter().flatten() {
                let parameter = resolve(&document, parameter);
                if parameter["in"] == "path" {
                    parameters.insert(parameter["name"].as_str().unwrap());
                }
            }
        }
        let in_path: BTreeSet<&str> =
            path.split(['{', '}']).enumerate().filter(|(index, _)| index % 2 == 1).map(|(_, name)| name).collect();
        assert_eq!(parameters, in_path, "{method} {path}");
    }
});

on_both_stores!(the_admin_api_takes_the_parameters_that_are_described_and_no_others, async |backend| {
    let app = TestServer::start(backend).await;
    let document = description(&app).await;
    let mut requests = 0;
    for (path, item) in document["paths"].as_object().unwrap().iter().filter(|(path, _)| path.starts_with("/admin/")) {
        for method in METHODS.iter().filter(|method| item.get(method.to_lowercase()).is_some()) {
            let lists = [&item["parameters"], &item[method.to_lowercase()]["parameters"]];
            let described = lists.into_iter().filter_map(Value::as_array).flatten().map(|one| resolve(&document, one));
            let described = described.filter(|one| one["in"] == "query").map(|one| one["name"].as_str().unwrap());
            let described: BTreeSet<&str> = described.collect();
            let at = format!("{}?surprise=1", path.replace(['{', '}'], ""));
            let answer = app.admin(method.parse().unwrap(), &at, None).await;
            assert_eq!(answer.status.as_u16(), 400, "{method} {at}: {answer:?}");
            let detail = answer.json["detail"].as_str().unwrap();
            let known = detail.strip_prefix(r#""surprise" is no parameter of this request; it has "#);
            let known = known.unwrap_or_else(|| panic!("{method} {at}: {detail}"));
            let known: BTreeSet<&str> = known.split(", ").filter(|name| *name != "none").collect();
            assert_eq!(known, described, "{method} {path}");
            requests += 1;
        }
    }
    assert!(requests > 15);
});

on_both_stores!(every_method_that_is_not_described_is_refused, async |backend| {
    let app = TestServer::start(backend).await;
    let document = description(&app).await;
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path.replace(['{', '}'], "");
        for method in ["GET", "PUT", "POST", "DELETE", "PATCH"] {
            if item.get(method.to_lowercase()).is_none() {
                let request = app.http.request(method.parse::<Method>().unwrap(), format!("{}{path}", app.base));
                let answer = Answer::of(request).await;
                assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
                assert!(answer.header("allow").is_some(), "{method} {path}");
            }
        }
    }
});

on_both_stores!(references_and_names_exist, async |backend| {
    let app = TestServer::start(backend).await;
    let document = description(&app).await;
    let mut references = Vec::new();
    every_reference(&document, &mut references);
    assert!(references.len() > 100);
    let mut used = BTreeSet::new();
    for reference in references {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
        used.insert(reference.split('/').take(4).collect::<Vec<_>>().join("/"));
    }
    for kind in ["parameters", "headers", "responses", "schemas"] {
        for name in document["components"][kind].as_object().unwrap().keys() {
            let reference = format!("#/components/{kind}/{name}");
            assert!(used.contains(&reference), "{reference} is not used");
        }
    }
    let schemas = &document["components"]["schemas"];
    let causes: Vec<&str> = Cause::ALL.iter().map(|cause| cause.name()).collect();
    assert_eq!(names(&schemas["Cause"]["enum"]), causes);
    let errors: Vec<&str> = ErrorCode::ALL.iter().map(|error| error.name()).collect();
    assert_eq!(names(&schemas["ErrorCode"]["enum"]), errors);
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
});

/// A request and the operation that it is one of.
struct Call {
    method: Method,
    /// As the description writes it.
    path: &'static str,
    /// As it is sent.
    at: String,
    body: Option<Value>,
    status: u16,
}

fn call(method: Method, path: &'static str, at: impl Into<String>, body: Option<Value>, status: u16) -> Call {
    Call { method, path, at: at.into(), body, status }
}

/// The answer has a status, the headers, the type and the members that the description names.
fn hold_to_description(document: &Value, method: &Method, path: &str, answer: &Answer) {
    let place = format!("{method} {path}: {answer:?}");
    let operation = &document["paths"][path][method.as_str().to_lowercase()];
    let described = &operation["responses"][answer.status.as_str()];
    assert!(described.is_object(), "no such status, {place}");
    let described = resolve(document, described);
    for (name, header) in described["headers"].as_object().unwrap() {
        let header = resolve(document, header);
        let sent = answer.header(name);
        assert!(sent.is_some() || header["required"] != true, "no {name}, {place}");
        if let (Some(sent), Some(fixed)) = (sent, header["schema"]["const"].as_str()) {
            assert_eq!(sent, fixed, "{name}, {place}");
        }
    }
    let Some(content) = described["content"].as_object() else {
        assert_eq!(answer.body, "", "{place}");
        return;
    };
    let sent = answer.header("content-type").unwrap_or_default();
    let schema = content.get(sent).map(|content| resolve(document, &content["schema"]));
    let schema = schema.unwrap_or_else(|| panic!("no such type, {place}"));
    hold_to_schema(document, schema, &answer.json, &place);
}

/// Objects have the members that are required, and no others where others are excluded.
fn hold_to_schema(document: &Value, schema: &Value, value: &Value, place: &str) {
    let schema = resolve(document, schema);
    if let Some(items) = value.as_array() {
        items.iter().for_each(|item| hold_to_schema(document, &schema["items"], item, place));
    }
    let Some(members) = value.as_object() else { return };
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(members.contains_key(name.as_str().unwrap()), "no {name}, {place}");
    }
    for (name, value) in members {
        let member = &schema["properties"][name];
        assert!(!member.is_null() || schema["additionalProperties"] != false, "{name} is not described, {place}");
        if !member.is_null() {
            hold_to_schema(document, member, value, place);
        }
    }
}

on_both_stores!(the_responses_of_the_admin_api_are_described, async |backend| {
    let app = TestServer::start(backend).await;
    let document = description(&app).await;
    let main = app.main_client("main").await;
    let user = app.user("alice", "wonderland").await;
    let login = app.login(&main, "alice", "wonderland").await;
    let session = crate::support::jwt_part(&login.text("access_token"), 1)["sid"].as_str().unwrap().to_owned();
    let kid = app.admin(Method::GET, "/admin/v1/keys", None).await.json["items"][0]["kid"].as_str().unwrap().to_owned();
    let clients = "/admin/v1/clients";
    let client = "/admin/v1/clients/{client_id}";
    let (resources, one_resource) = ("/admin/v1/resources", "/admin/v1/resources/{resource}");
    let a = "/admin/v1/resources/https%3A%2F%2Fa.example";
    let (issuers, one_issuer) = ("/admin/v1/issuers", "/admin/v1/issuers/{issuer}");
    let idp = "/admin/v1/issuers/https%3A%2F%2Fidp.example";
    let rules = json!([{"client_id": "main", "claims": {"sub": {"prefix": "repo:octo/app:"}}}]);
    let new_issuer = json!({
        "issuer": "https://idp.example", "audience": ["https://auth.example.com"], "uses": ["client_assertion"], "rules": rules,
        "jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]},
    });
    let part = |json: &str| jeton::crypto::base64url(json);
    let claims = r#"{"iss":"https://idp.example","sub":"repo:octo/other:ref","exp":1}"#;
    let token = format!("{}.{}.c2ln", part(r#"{"alg":"EdDSA"}"#), part(claims));
    let users = "/admin/v1/users";
    let one_user = "/admin/v1/users/{user}";
    let password = "/admin/v1/users/{user}/password";
    let one_session = "/admin/v1/sessions/{session}";
    let revocations = "/admin/v1/revocations";
    let rotate = "/admin/v1/keys/rotate";
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let with_key = json!({
        "client_id": "keyed", "token_endpoint_auth_method": "private_key_jwt", "grant_types": ["client_credentials"],
        "jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "a"}], "note": "of the client"},
    });
    let elsewhere = json!({"jwks": null, "jwks_uri": "https://a.example/keys"});
    let calls = [
        call(Method::GET, clients, clients, None, 200),
        call(Method::GET, clients, "/admin/v1/clients?limit=1", None, 200),
        call(Method::GET, clients, "/admin/v1/clients?limit=0", None, 400),
        call(Method::GET, clients, "/admin/v1/clients?access_token=x", None, 400),
        call(Method::POST, clients, clients, Some(json!({"client_id": "other"})), 201),
        call(Method::POST, clients, clients, Some(json!({"client_id": "other"})), 409),
        call(Method::POST, clients, clients, Some(json!({"colour": "red"})), 400),
        call(Method::POST, clients, clients, Some(with_key), 201),
        call(Method::GET, client, "/admin/v1/clients/keyed", None, 200),
        call(Method::PATCH, client, "/admin/v1/clients/keyed", Some(elsewhere), 200),
        call(Method::GET, client, "/admin/v1/clients/other", None, 200),
        call(Method::GET, client, "/admin/v1/clients/%FF", None, 400),
        call(Method::PATCH, client, "/admin/v1/clients/other", Some(json!({"scope": "read"})), 200),
        call(Method::POST, "/admin/v1/clients/{client_id}/secrets", "/admin/v1/clients/other/secrets", None, 201),
        call(Method::POST, "/admin/v1/clients/{client_id}/secrets", "/admin/v1/clients/other/secrets", None, 409),
        call(
            Method::DELETE,
            "/admin/v1/clients/{client_id}/secrets/{secret_id}",
            "/admin/v1/clients/other/secrets/none",
            None,
            404,
        ),
        call(Method::DELETE, client, "/admin/v1/clients/other", None, 204),
        call(Method::DELETE, client, "/admin/v1/clients/other", None, 404),
        call(
            Method::POST,
            resources,
            resources,
            Some(json!({"resource": "https://a.example", "serves": ["main"]})),
            201,
        ),
        call(Method::POST, resources, resources, Some(json!({"resource": "https://a.example/"})), 409),
        call(Method::POST, resources, resources, Some(json!({"resource": "/a"})), 400),
        call(Method::GET, resources, "/admin/v1/resources?resource=https://a.example", None, 200),
        call(Method::GET, one_resource, a, None, 200),
        call(Method::PATCH, one_resource, a, Some(json!({"scopes": {"read": "Read", "write": null}})), 200),
        call(Method::DELETE, one_resource, a, None, 204),
        call(Method::GET, one_resource, a, None, 404),
        call(Method::POST, issuers, issuers, Some(new_issuer.clone()), 201),
        call(Method::POST, issuers, issuers, Some(new_issuer), 409),
        call(Method::POST, issuers, issuers, Some(json!({"issuer": "idp"})), 400),
        call(Method::GET, issuers, issuers, None, 200),
        call(Method::POST, "/admin/v1/issuers/test", "/admin/v1/issuers/test", Some(json!({"token": token})), 200),
        call(Method::POST, "/admin/v1/issuers/test", "/admin/v1/issuers/test", Some(json!({"token": "x"})), 200),
        call(Method::POST, "/admin/v1/issuers/test", "/admin/v1/issuers/test", Some(json!({})), 400),
        call(Method::GET, one_issuer, idp, None, 200),
        call(Method::PATCH, one_issuer, idp, Some(json!({"max_age": 60})), 200),
        call(Method::PUT, one_issuer, idp, Some(json!({"audience": ["a"], "uses": ["jwt_bearer"]})), 200),
        call(Method::PUT, one_issuer, idp, Some(json!({})), 400),
        call(Method::DELETE, one_issuer, idp, None, 204),
        call(Method::GET, one_issuer, idp, None, 404),
        call(Method::POST, users, users, Some(json!({"username": "bob"})), 201),
        call(Method::GET, users, "/admin/v1/users?username=BOB", None, 200),
        call(Method::GET, one_user, "/admin/v1/users/bob", None, 200),
        call(Method::PATCH, one_user, "/admin/v1/users/bob", Some(json!({"scope": "read"})), 200),
        call(Method::PUT, password, "/admin/v1/users/bob/password", Some(json!({"password": "x"})), 204),
        call(Method::DELETE, one_user, "/admin/v1/users/bob", None, 204),
        call(Method::GET, "/admin/v1/sessions", format!("/admin/v1/sessions?user={user}"), None, 200),
        call(Method::GET, "/admin/v1/sessions", "/admin/v1/sessions?user=nobody", None, 404),
        call(Method::DELETE, one_session, format!("/admin/v1/sessions/{session}"), None, 204),
        call(Method::GET, one_session, format!("/admin/v1/sessions/{session}"), None, 200),
        call(Method::POST, revocations, revocations, Some(json!({"user": "alice", "reason": "test"})), 201),
        call(Method::POST, revocations, revocations, Some(json!({"token": "x"})), 400),
        call(Method::GET, revocations, revocations, None, 200),
        call(Method::GET, "/admin/v1/revocations/{number}", "/admin/v1/revocations/none", None, 404),
        call(Method::GET, "/admin/v1/keys", "/admin/v1/keys", None, 200),
        call(Method::DELETE, "/admin/v1/keys/{kid}", format!("/admin/v1/keys/{kid}"), None, 409),
        call(Method::POST, rotate, rotate, None, 201),
        call(Method::POST, rotate, rotate, None, 409),
        call(Method::POST, rotate, rotate, Some(json!({"alg": "RS256"})), 201),
        call(Method::POST, rotate, rotate, Some(json!({"alg": "HS256"})), 400),
        call(Method::GET, "/admin/v1/audit", "/admin/v1/audit?from=2020-01-01T00:00:00Z", None, 200),
    ];
    for Call { method, path, at, body, status } in calls {
        let answer = app.admin(method.clone(), &at, body).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {at}: {answer:?}");
        hold_to_description(&document, &method, path, &answer);
    }
    let numbered = app.admin(Method::GET, revocations, None).await.json["items"][0]["number"].clone();
    let answer = app.admin(Method::GET, &format!("/admin/v1/revocations/{numbered}"), None).await;
    answer.assert_ok();
    hold_to_description(&document, &Method::GET, "/admin/v1/revocations/{number}", &answer);

    let (webhooks, one_webhook) = ("/admin/v1/webhooks", "/admin/v1/webhooks/{webhook}");
    let (secrets, one_secret) =
        ("/admin/v1/webhooks/{webhook}/secrets", "/admin/v1/webhooks/{webhook}/secrets/{secret_id}");
    let made = app.admin(Method::POST, webhooks, Some(json!({"url": "https://siem.example/"}))).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    hold_to_description(&document, &Method::POST, webhooks, &made);
    let (at, secret) = (format!("{webhooks}/{}", made.text("id")), made.json["secrets"][0]["id"].as_str().unwrap());
    let calls = [
        call(Method::POST, webhooks, webhooks, Some(json!({"url": "http://siem.example/"})), 400),
        call(Method::GET, webhooks, webhooks, None, 200),
        call(Method::GET, one_webhook, &*at, None, 200),
        call(Method::GET, one_webhook, format!("{webhooks}/none"), None, 404),
        call(Method::PATCH, one_webhook, &*at, Some(json!({"types": ["login"], "description": null})), 200),
        call(Method::DELETE, one_secret, format!("{at}/secrets/{secret}"), None, 409),
        call(Method::POST, secrets, format!("{at}/secrets"), None, 201),
        call(Method::POST, secrets, format!("{at}/secrets"), None, 409),
        call(Method::DELETE, one_secret, format!("{at}/secrets/{secret}"), None, 204),
        call(Method::DELETE, one_secret, format!("{at}/secrets/{secret}"), None, 404),
        call(Method::DELETE, one_webhook, &*at, None, 204),
        call(Method::GET, "/admin/v1/events", "/admin/v1/events?after=x", None, 400),
    ];
    for Call { method, path, at, body, status } in calls {
        let answer = app.admin(method.clone(), &at, body).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {at}: {answer:?}");
        hold_to_description(&document, &method, path, &answer);
    }

    let reader = app.client("reader", json!({"grant_types": ["client_credentials"], "scope": "jeton:read"})).await;
    let token = app.token(&reader, &[("grant_type", "client_credentials")]).await.text("access_token");
    let ask = |method: Method, token: &str| {
        Answer::of(app.http.request(method, format!("{}{users}", app.base)).bearer_auth(token))
    };
    for (method, answer, status) in [
        (Method::GET, app.get(users).await, 401),
        (Method::GET, ask(Method::GET, "nonsense").await, 401),
        (Method::POST, ask(Method::POST, &token).await, 403),
    ] {
        assert_eq!(answer.status.as_u16(), status, "{answer:?}");
        hold_to_description(&document, &method, users, &answer);
    }
});

on_both_stores!(the_responses_of_registration_are_described, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().set("JETON_REGISTRATION", "open")).await;
    let document = description(&app).await;
    let (path, one) = ("/auth/register", "/auth/register/{client_id}");
    let post = |body: Value| Answer::of(app.http.post(format!("{}{path}", app.base)).json(&body));
    let made = post(json!({"redirect_uris": ["https://app.example.test/cb"]})).await;
    let (id, token) = (made.text("client_id"), made.text("registration_access_token"));
    let manage = async |method: &Method, token: &str, body: Value| {
        let request = app.http.request(method.clone(), format!("{}{path}/{id}", app.base)).bearer_auth(token);
        Answer::of(if *method == Method::PUT { request.json(&body) } else { request }).await
    };
    hold_to_description(&document, &Method::POST, path, &made);
    hold_to_description(&document, &Method::POST, path, &post(json!({})).await);
    let redirect_uris = ["https://app.example.test/new"];
    for (method, token, body, status) in [
        (Method::GET, token.as_str(), json!({}), 200),
        (Method::GET, "wrong", json!({}), 401),
        (Method::PUT, &token, json!({"client_id": id, "redirect_uris": redirect_uris}), 200),
        (Method::PUT, &token, json!({"redirect_uris": redirect_uris}), 400),
        (Method::DELETE, &token, json!({}), 204),
        (Method::DELETE, &token, json!({}), 401),
    ] {
        let answer = manage(&method, token, body).await;
        assert_eq!(answer.status.as_u16(), status, "{method}: {answer:?}");
        hold_to_description(&document, &method, one, &answer);
    }
    let off = TestServer::start(backend).await;
    let answer = off.raw(path, &[("Content-Type", "application/json")], "{}").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    hold_to_description(&document, &Method::POST, path, &answer);
});

on_both_stores!(the_responses_of_the_oauth_endpoints_are_described, async |backend| {
    let app = TestServer::start(backend).await;
    let document = description(&app).await;
    let main = app.main_client("main").await;
    app.user("alice", "wonderland").await;
    let login = app.login(&main, "alice", "wonderland").await;
    let (access, refresh) = (login.text("access_token"), login.text("refresh_token"));
    let large = "x".repeat(100_000);
    let compressed = [FORM, ("Content-Encoding", "gzip")];
    let answers = [
        ("/auth/token", login, 200),
        ("/auth/token", app.refresh(&main, "nonsense").await, 400),
        ("/auth/token", app.refresh(&main.with_secret("wrong"), &refresh).await, 401),
        ("/auth/token", app.raw("/auth/token", &[FORM], large).await, 413),
        ("/auth/token", app.raw("/auth/token", &compressed, "x").await, 415),
        ("/auth/introspect", app.introspect(&main, &access).await, 200),
        ("/auth/introspect", app.introspect(&main, &refresh).await, 200),
        ("/auth/introspect", app.introspect(&main, "nonsense").await, 200),
        ("/auth/introspect", app.introspect(&main.without_secret(), &access).await, 401),
        ("/auth/introspect", app.form(&main, "/auth/introspect", &[]).await, 400),
        ("/auth/revoke", app.revoke(&main, &access).await, 200),
        ("/auth/revoke", app.revoke(&main.with_secret("wrong"), &access).await, 401),
        ("/auth/revoke", app.form(&main, "/auth/revoke", &[]).await, 400),
    ];
    for (path, answer, status) in answers {
        assert_eq!(answer.status.as_u16(), status, "{path}: {answer:?}");
        hold_to_description(&document, &Method::POST, path, &answer);
    }
    let api = "audience=https://api.example.test/";
    let own = app.token(&main, &[("grant_type", "client_credentials")]).await.text("access_token");
    let answers = [
        (api.to_owned(), own.as_str(), 200),
        (api.to_owned(), "nonsense", 401),
        (api.to_owned(), "", 401),
        (format!("{api}&scope=more"), &own, 403),
        (format!("{api}&access_token=x"), &own, 400),
        (String::new(), &own, 400),
    ];
    for (query, token, status) in answers {
        for (method, path, at) in [
            (Method::GET, "/auth/verify", "/auth/verify"),
            (Method::POST, "/auth/verify", "/auth/verify"),
            (Method::OPTIONS, "/auth/verify/{path}", "/auth/verify/data"),
        ] {
            let request = app.http.request(method.clone(), format!("{}{at}?{query}", app.base)).bearer_auth(token);
            let answer = Answer::of(request).await;
            assert_eq!(answer.status.as_u16(), status, "{method} {at}?{query}: {answer:?}");
            hold_to_description(&document, &method, path, &answer);
        }
    }
    let metadata = "/.well-known/oauth-authorization-server";
    for path in [metadata, "/.well-known/jwks.json", "/openapi.yaml", "/docs"] {
        let answer = app.get(path).await;
        answer.assert_ok();
        hold_to_description(&document, &Method::GET, path, &answer);
    }
    for (path, status) in [("/docs/errors/invalid_grant", 200), ("/docs/errors/none", 404)] {
        let answer = app.get(path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        hold_to_description(&document, &Method::GET, "/docs/errors/{code}", &answer);
    }
});
