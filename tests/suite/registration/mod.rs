//! Clients that register themselves (RFC 7591, 7592).

mod limits;
mod management;
mod metadata;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::browser::CALLBACK;
use crate::support::{Answer, Setup, TestClient, TestServer};

const PATH: &str = "/auth/register";

fn open() -> Setup {
    Setup::default().set("JETON_REGISTRATION", "open")
}

/// The metadata of a public client, with these members besides or in place of the usual ones.
fn metadata(more: Value) -> Value {
    let mut members = json!({
        "client_name": "Agent", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
    });
    members.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    members
}

async fn register(app: &TestServer, metadata: Value) -> Answer {
    Answer::of(app.http.post(format!("{}{PATH}", app.base)).json(&metadata)).await
}

/// A client that registered itself, and its registration access token.
async fn registered(app: &TestServer, more: Value) -> (TestClient, String) {
    let answer = register(app, metadata(more)).await;
    assert_eq!(answer.status.as_u16(), 201, "{answer:?}");
    let client = TestClient {
        id: answer.text("client_id"),
        secret: answer.json["client_secret"].as_str().map(str::to_owned),
        in_body: answer.json["token_endpoint_auth_method"] == "client_secret_post",
    };
    (client, answer.text("registration_access_token"))
}

async fn manage(app: &TestServer, method: Method, id: &str, token: &str, body: Option<Value>) -> Answer {
    let request = app.http.request(method, format!("{}{PATH}/{id}", app.base)).bearer_auth(token);
    Answer::of(match body {
        Some(body) => request.json(&body),
        None => request,
    })
    .await
}
