//! The console: who may see and do what, and that its pages and forms are safe.

mod clients;
mod doctor;
mod figures;
mod forms;
mod issuers;
mod live;
mod new_user;
mod overwritten;
mod pages;
mod preview;
mod resources;
mod roles;
mod snippets;
mod verdicts;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::browser::Browser;
use crate::support::{Answer, Backend, Setup, TestServer};

const PASSWORD: &str = "correct horse battery";

/// A server on which people with a role log in by a password alone.
fn setup() -> Setup {
    Setup::default().set("JETON_REQUIRE_SECOND_FACTOR", "off")
}

async fn start(backend: Backend) -> TestServer {
    TestServer::start_with(backend, setup()).await
}

/// A user with a role; its id.
async fn user_with_role(app: &TestServer, username: &str, role: Option<&str>) -> String {
    let members = json!({"username": username, "password": PASSWORD, "role": role});
    let answer = app.admin(Method::POST, "/admin/v1/users", Some(members)).await;
    assert_eq!((answer.status, &answer.json["role"]), (StatusCode::CREATED, &json!(role)), "{answer:?}");
    answer.text("id")
}

/// A person with a role who is logged in at a browser, and the id.
async fn person(app: &TestServer, username: &str, role: &str) -> (String, Browser) {
    let id = user_with_role(app, username, Some(role)).await;
    (id, Browser::logged_in(app, (username, PASSWORD)).await)
}

#[track_caller]
fn assert_status(answer: &Answer, status: u16) {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
}

/// What is said to be wrong with a field of a form; `id` names both.
#[track_caller]
fn problem<'a>(page: &'a Answer, id: &str) -> &'a str {
    let rest = page.body.split(&format!("id=\"{id}-problem\"")).nth(1).unwrap_or_else(|| panic!("{id}: {page:?}"));
    rest.split("</p>").next().unwrap()
}

/// An answer that leads to this address.
#[track_caller]
fn assert_leads(answer: &Answer, address: &str) {
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some(address)), "{answer:?}");
}
