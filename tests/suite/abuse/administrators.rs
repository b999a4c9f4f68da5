//! An administrator's token is judged when the request is whole, and what it may do is bounded.

use jeton::crypto;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::scene::{self, CLIENT_CREDENTIALS, Scene};
use crate::support::{Answer, Backend, Setup, TestServer, on_both_stores, status_of};

/// A client with these scopes of the admin API, and its token.
async fn administrator(app: &TestServer, client_id: &str, scope: &str) -> String {
    let members = json!({"grant_types": ["client_credentials"], "scope": scope});
    let client = app.client(client_id, members).await;
    app.token(&client, &[CLIENT_CREDENTIALS]).await.text("access_token")
}

/// A request to create a client, whose body the server is waiting for: it has judged the token, or nobody would wait.
struct Begun {
    stream: TcpStream,
    body: String,
}

impl Begun {
    async fn creates(app: &TestServer, token: &str, client_id: &str) -> Self {
        let body = json!({"client_id": client_id}).to_string();
        let mut stream = TcpStream::connect(app.base.strip_prefix("http://").unwrap()).await.unwrap();
        let head = format!(
            "POST /admin/v1/clients HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: \
             application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 25];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
        Self { stream, body }
    }

    async fn finish(mut self) -> String {
        self.stream.write_all(self.body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

async fn audit(app: &TestServer, filter: &str) -> Vec<Value> {
    let answer = app.admin(Method::GET, &format!("/admin/v1/audit?{filter}"), None).await;
    answer.assert_ok().json["items"].as_array().unwrap().clone()
}

on_both_stores!(a_token_that_is_revoked_while_the_body_arrives_changes_nothing, async |backend| {
    let app = TestServer::start(backend).await;
    let token = administrator(&app, "deputy", "jeton:admin").await;
    let begun = Begun::creates(&app, &token, "backdoor").await;
    let revocation = app.admin(Method::POST, "/admin/v1/revocations", Some(json!({"token": token}))).await;
    assert_eq!(revocation.status, 201, "{revocation:?}");
    let answer = begun.finish().await;
    assert_eq!(status_of(&answer), 401, "{answer}");
    assert_eq!(app.admin(Method::GET, "/admin/v1/clients/backdoor", None).await.status, 404);
});

on_both_stores!(a_client_that_loses_its_scope_while_the_body_arrives_changes_nothing, async |backend| {
    let app = TestServer::start(backend).await;
    let token = administrator(&app, "deputy", "jeton:clients").await;
    let begun = Begun::creates(&app, &token, "backdoor").await;
    let lost = Some(json!({"scope": "jeton:read"}));
    app.admin(Method::PATCH, "/admin/v1/clients/deputy", lost).await.assert_ok();
    let answer = begun.finish().await;
    assert_eq!(status_of(&answer), 403, "{answer}");
    assert_eq!(app.admin(Method::GET, "/admin/v1/clients/backdoor", None).await.status, 404);
});

on_both_stores!(the_audit_trail_has_the_time_of_the_write_and_not_that_of_the_head, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    let token = administrator(&app, "deputy", "jeton:clients").await;
    let begun = Begun::creates(&app, &token, "late").await;
    app.advance(5);
    let written = app.clock.now().to_string();
    assert_eq!(status_of(&begun.finish().await), 201);
    let record = &audit(&app, "actor=client%20deputy").await[0];
    assert_eq!((&record["action"], &record["at"]), (&json!("client.create"), &json!(written)));
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_refused_before_the_body_is_asked_for() {
    let app = TestServer::start(Backend::Sqlite).await;
    let mut stream = TcpStream::connect(app.base.strip_prefix("http://").unwrap()).await.unwrap();
    let head = "POST /admin/v1/clients HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\nContent-Type: \
                application/json\r\nContent-Length: 60000\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
}

on_both_stores!(who_may_only_revoke_cannot_lock_out_an_administrator, async |backend| {
    let app = TestServer::start(backend).await;
    let token = administrator(&app, "guard", "jeton:revoke").await;
    let revoke = async |body: Value| {
        Answer::of(app.http.post(format!("{}/admin/v1/revocations", app.base)).bearer_auth(&token).json(&body)).await
    };
    // An administrator, and a client that administers and has users, too.
    let administrators = administrator(&app, "deputy", "jeton:admin").await;
    let mixed = app.client("mixed", scene::every_grant(json!({"scope": "read jeton:users"}))).await;
    app.user("alice", "wonderland").await;
    let login = app.login(&mixed, "alice", "wonderland").await;
    let session = app.admin(Method::GET, "/admin/v1/sessions", None).await.json["items"][0]["id"].clone();
    for target in [
        json!({"client": "deputy"}),
        json!({"client": "mixed"}),
        json!({"token": administrators}),
        json!({"token": login.text("access_token")}),
        json!({"token": login.text("refresh_token")}),
        json!({"session": session}),
    ] {
        let answer = revoke(target.clone()).await;
        assert_eq!((answer.status.as_u16(), &answer.json["status"]), (403, &json!(403)), "{target}: {answer:?}");
    }
    let ended = app.http.delete(format!("{}/admin/v1/sessions/{}", app.base, session.as_str().unwrap()));
    assert_eq!(Answer::of(ended.bearer_auth(&token)).await.status, 403);
    app.refresh(&mixed, &login.text("refresh_token")).await.assert_ok();
    let list = app.http.get(format!("{}/admin/v1/clients", app.base)).bearer_auth(&administrators);
    Answer::of(list).await.assert_ok();
    // The tokens of everybody else, it may.
    let main = app.main_client("main").await;
    let login = app.login(&main, "alice", "wonderland").await;
    for target in [
        json!({"token": login.text("access_token")}),
        json!({"token": login.text("refresh_token")}),
        json!({"client": "main"}),
        json!({"user": "alice"}),
    ] {
        let answer = revoke(target.clone()).await;
        assert_eq!(answer.status, 201, "{target}: {answer:?}");
    }
    // An administrator may revoke those of an administrator.
    let answer = app.admin(Method::POST, "/admin/v1/revocations", Some(json!({"token": administrators}))).await;
    assert_eq!(answer.status, 201, "{answer:?}");
});

on_both_stores!(a_forged_cursor_is_refused_by_every_list, async |backend| {
    let app = TestServer::start(backend).await;
    for list in ["clients", "resources", "users", "sessions", "revocations", "audit"] {
        for key in ["a\0b", "\0"] {
            // Its checksum is no secret.
            let checksum = &crypto::sha256(format!("cursor of {list}: {key}").as_bytes())[..8];
            let cursor = crypto::base64url([checksum, key.as_bytes()].concat());
            let answer = app.admin(Method::GET, &format!("/admin/v1/{list}?cursor={cursor}"), None).await;
            assert_eq!(answer.status, 400, "{list}: {answer:?}");
        }
    }
});

on_both_stores!(an_empty_list_of_audiences_opens_nothing_and_none_opens_everything, async |backend| {
    let scene = Scene::start(backend).await;
    let (app, rs) = (&scene.app, &scene.rs);
    let tokens = [scene.login(&scene.main).await.access, app.admin_token().await];
    let sees = async || {
        let mut seen = vec![];
        for token in &tokens {
            seen.push(app.introspect(rs, token).await.assert_ok().json["active"] == json!(true));
            let explained = app.form(rs, "/auth/explain", &[("token", token)]).await;
            assert_eq!(explained.assert_ok().json["active"] == json!(true), seen[seen.len() - 1], "{explained:?}");
        }
        seen
    };
    let set = async |audiences: Value| {
        let path = format!("/admin/v1/clients/{}", rs.id);
        let changed = app.admin(Method::PATCH, &path, Some(json!({"introspect_audiences": audiences}))).await;
        assert_eq!(changed.assert_ok().json["introspect_audiences"], audiences);
    };
    let admin = format!("{}/admin/v1", app.issuer());
    for (audiences, expected) in [
        (json!(null), [true, true]),
        (json!([]), [false, false]),
        (json!([scene::FILES]), [true, false]),
        (json!([admin]), [false, true]),
        (json!(null), [true, true]),
    ] {
        set(audiences.clone()).await;
        assert_eq!(sees().await, expected, "{audiences}");
    }
});

on_both_stores!(who_may_only_manage_clients_makes_none_that_sees_every_token, async |backend| {
    let app = TestServer::start(backend).await;
    let rs = app.resource_server("rs").await;
    let token = administrator(&app, "manager", "jeton:clients").await;
    let ask = async |method: Method, path: &str, body: Value| {
        let request = app.http.request(method, format!("{}/admin/v1/clients{path}", app.base)).bearer_auth(&token);
        Answer::of(request.json(&body)).await.status.as_u16()
    };
    let admin = format!("{}/admin/v1", app.issuer());
    let create = async |members: Value| ask(Method::POST, "", members).await;
    for permission in ["introspect", "explain"] {
        assert_eq!(create(json!({"permissions": [permission]})).await, 403);
        assert_eq!(
            create(json!({"permissions": [permission], "introspect_audiences": [scene::API, admin]})).await,
            403
        );
        for audiences in [json!([]), json!([scene::API])] {
            let members = json!({"permissions": [permission], "introspect_audiences": audiences});
            assert_eq!(create(members.clone()).await, 201, "{members}");
        }
    }
    assert_eq!(create(json!({"client_id": "plain"})).await, 201);
    assert_eq!(ask(Method::PATCH, "/plain", json!({"permissions": ["introspect"]})).await, 403);
    let limited = json!({"permissions": ["introspect"], "introspect_audiences": [scene::API]});
    assert_eq!(ask(Method::PATCH, "/plain", limited).await, 200);
    assert_eq!(ask(Method::PATCH, "/plain", json!({"introspect_audiences": null})).await, 403);
    // Nor does it get into one that is there.
    let path = format!("/{}", rs.id);
    assert_eq!(ask(Method::POST, &format!("{path}/secrets"), json!({})).await, 403);
    assert_eq!(ask(Method::PATCH, &path, json!({"client_name": "mine"})).await, 403);
    assert_eq!(ask(Method::DELETE, &path, json!({})).await, 403);
});
