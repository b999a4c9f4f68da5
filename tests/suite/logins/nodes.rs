//! Two nodes on one database: each step of a login may reach another one.

use serde_json::json;

use crate::support::browser::{Arrival, Browser, Form, asking};
use crate::support::scene::ALICE;
use crate::support::{Backend, Setup, TestServer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_may_reach_another_node() {
    let one = TestServer::start(Backend::Postgres).await;
    let two = TestServer::start_on(&one.database, &one.master_key, Setup::default()).await;
    let client = one.web_client("web", json!({})).await;
    one.user(ALICE.0, ALICE.1).await;
    for (first, second) in [(&one, &two), (&two, &one)] {
        let mut browser = Browser::default();
        let login = browser.authorize(first, &asking("web", &[])).await;
        let answer = browser.send(second, Form::of(&login).filled_in_by(ALICE)).await;
        let consent = browser.follow(first, answer).await;
        let answer = browser.send(second, Form::of(&consent).with("action", "allow")).await;
        let code = Arrival::of(&answer).code();
        let tokens = first.redeem(&client, &code).await;
        tokens.assert_ok();
        second.refresh(&client, &tokens.text("refresh_token")).await.assert_ok();
        // The code was redeemed, whichever node is asked.
        second.redeem(&client, &code).await.assert_error(400, "invalid_grant");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_redirect_uri_counts_at_once_at_every_node_and_a_removed_one_never_longer_than_the_memory() {
    let one = TestServer::start(Backend::Postgres).await;
    let two = TestServer::start_on(&one.database, &one.master_key, Setup::default()).await;
    one.web_client("web", json!({"consent": "skip"})).await;
    let mut browser = Browser::default();
    let asked = asking("web", &[("redirect_uri", "https://new.example.test/cb")]);
    assert_eq!(browser.authorize(&two, &asked).await.status.as_u16(), 400);
    let changed = json!({"redirect_uris": ["https://new.example.test/cb"]});
    one.admin("PATCH".parse().unwrap(), "/admin/v1/clients/web", Some(changed)).await.assert_ok();
    assert_eq!(browser.authorize(&two, &asked).await.status.as_u16(), 200);
}
