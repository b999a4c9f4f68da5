//! Simultaneous requests with one code or one authorization request; on Postgres spread over two nodes.

use std::sync::Arc;

use jeton::authorization::code::Issued;
use reqwest::StatusCode;
use serde_json::json;
use tokio::sync::Barrier;
use uuid::Uuid;

use super::{Logins, issue_to, log_in, redeem_at, request, web_client};
use crate::support::{Answer, Backend, Setup, TestClient, TestServer, on_both_stores};

/// Simultaneous requests in each race.
const MANY: usize = 8;

/// Another node of the same database; on SQLite, which admits one server, the same node.
async fn nodes(logins: Logins, backend: Backend) -> (Arc<Logins>, Option<Arc<TestServer>>) {
    let app = logins.app();
    let second = match backend {
        Backend::Postgres => {
            Some(Arc::new(TestServer::start_on(&app.database, &app.master_key, Setup::default()).await))
        }
        Backend::Sqlite => None,
    };
    (Arc::new(logins), second)
}

/// Does the same thing many times at once, on each node in turn.
async fn at_once<T: Send + 'static, F>(
    (logins, second): &(Arc<Logins>, Option<Arc<TestServer>>),
    work: impl Fn(Arc<Logins>, Option<Arc<TestServer>>) -> F,
) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(MANY));
    let start = |index: usize| {
        let node = second.clone().filter(|_| index % 2 == 1);
        let (work, barrier) = (work(Arc::clone(logins), node), Arc::clone(&barrier));
        tokio::spawn(async move {
            barrier.wait().await;
            work.await
        })
    };
    let tasks: Vec<_> = (0..MANY).map(start).collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}

fn granted(answers: &[Answer]) -> Vec<&Answer> {
    for answer in answers.iter().filter(|answer| answer.status != StatusCode::OK) {
        answer.assert_error(400, "invalid_grant");
    }
    answers.iter().filter(|answer| answer.status == StatusCode::OK).collect()
}

on_both_stores!(of_simultaneous_redemptions_one_succeeds_and_the_others_end_its_session, async |backend| {
    let nodes = nodes(Logins::start(backend).await, backend).await;
    for _ in 0..3 {
        let code = nodes.0.code("openid read").await;
        let answers = at_once(&nodes, |logins, node| {
            let code = code.clone();
            async move { redeem_at(node.as_deref().unwrap_or(logins.app()), &logins.web, &code, &[]).await }
        })
        .await;
        let granted = granted(&answers);
        assert_eq!(granted.len(), 1, "{answers:?}");
        for node in [Some(nodes.0.app()), nodes.1.as_deref()].into_iter().flatten() {
            node.server.app.state.catch_up().await.unwrap();
            node.introspect(&nodes.0.scene.rs, &granted[0].text("access_token")).await.assert_inactive();
            node.refresh(&nodes.0.web, &granted[0].text("refresh_token")).await.assert_error(400, "invalid_grant");
        }
    }
});

on_both_stores!(of_simultaneous_answers_to_one_request_one_has_a_code, async |backend| {
    let nodes = nodes(Logins::start(backend).await, backend).await;
    let (asked, person) = (request(&nodes.0.web, "openid read"), log_in(nodes.0.app()).await);
    let outcomes = at_once(&nodes, |logins, node| {
        let (asked, person) = (asked.clone(), person.clone());
        async move { issue_to(node.as_deref().unwrap_or(logins.app()), &asked, &person).await }
    })
    .await;
    let codes = outcomes.iter().filter(|outcome| matches!(outcome, Issued::Code(_))).count();
    assert_eq!(codes, 1, "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Issued::Code(_) | Issued::AlreadyAnswered)));
});

on_both_stores!(of_nodes_that_first_need_an_rs256_key_one_makes_it, async |backend| {
    let nodes = nodes(Logins::start(backend).await, backend).await;
    let (before, person) = (nodes.0.app().published_keys().await.len(), log_in(nodes.0.app()).await);
    let answers = at_once(&nodes, |logins, node| {
        let (person, client) = (person.clone(), logins.web.clone());
        async move {
            let asked = request(&client, "openid");
            let Issued::Code(code) = issue_to(logins.app(), &asked, &person).await else { panic!("no code") };
            redeem_at(node.as_deref().unwrap_or(logins.app()), &client, &code, &[]).await
        }
    })
    .await;
    assert_eq!(granted(&answers).len(), MANY, "{answers:?}");
    for node in [Some(nodes.0.app()), nodes.1.as_deref()].into_iter().flatten() {
        node.server.app.state.catch_up().await.unwrap();
        assert_eq!(node.published_keys().await.len(), before + 1);
    }
});

on_both_stores!(a_code_and_its_tokens_work_on_any_node, async |backend| {
    let nodes = nodes(Logins::start(backend).await, backend).await;
    let second = nodes.1.as_deref().unwrap_or(nodes.0.app());
    let members = json!({"token_endpoint_auth_method": "none"});
    let web: TestClient = nodes.0.app().client("spa", web_client(members)).await;
    let mut asked = request(&web, "openid profile read");
    asked.session = Uuid::now_v7();
    let answer = redeem_at(second, &web, &nodes.0.code_of(&asked).await, &[]).await;
    let bearer = format!("Bearer {}", answer.assert_ok().json["access_token"].as_str().unwrap());
    let told = nodes.0.app().get_with("/auth/userinfo", &[("Authorization", &bearer)]).await;
    assert_eq!(told.assert_ok().json["preferred_username"], json!("alice"));
    let again = nodes.0.app().refresh(&web, &answer.text("refresh_token")).await;
    second.refresh(&web, &again.text("refresh_token")).await.assert_ok();
});
