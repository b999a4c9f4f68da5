//! Simultaneous requests, on one server and on two nodes of one database.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jeton::issuer::Issuer;
use jeton::state::NodeState;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::sync::Barrier;

use crate::support::{Answer, Backend, Setup, TestClient, TestServer, on_both_stores};

/// Simultaneous requests in each race.
const MANY: usize = 12;

/// The nodes of one database: two on Postgres, one on SQLite, which admits only one.
struct Nodes(Vec<Arc<TestServer>>);

impl Nodes {
    async fn start(backend: Backend) -> Self {
        let first = TestServer::start(backend).await;
        let mut nodes = vec![];
        if backend == Backend::Postgres {
            nodes.push(Arc::new(TestServer::start_on(&first.database, &first.master_key, Setup::default()).await));
        }
        nodes.insert(0, Arc::new(first));
        Self(nodes)
    }

    fn first(&self) -> &Arc<TestServer> {
        &self.0[0]
    }

    fn last(&self) -> &Arc<TestServer> {
        self.0.last().unwrap()
    }

    fn any(&self, index: usize) -> Arc<TestServer> {
        Arc::clone(&self.0[index % self.0.len()])
    }

    /// Makes every node poll the log.
    async fn catch_up(&self) {
        for node in &self.0 {
            node.server.app.state.catch_up().await.unwrap();
        }
    }

    /// Does the same thing many times at once, spread over the nodes.
    async fn at_once<F>(&self, count: usize, work: impl Fn(Arc<TestServer>, usize) -> F) -> Vec<Answer>
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let barrier = Arc::new(Barrier::new(count));
        let start = |index| {
            let (work, barrier) = (work(self.any(index), index), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                work.await
            })
        };
        let tasks: Vec<_> = (0..count).map(start).collect();
        let mut answers = Vec::new();
        for task in tasks {
            answers.push(task.await.unwrap());
        }
        answers
    }
}

#[track_caller]
fn assert_no_outage(answers: &[Answer]) {
    for answer in answers {
        assert!(answer.status.as_u16() < 500, "{answer:?}");
    }
}

/// The distinct refresh tokens that were given.
fn successors(answers: &[Answer]) -> BTreeSet<String> {
    answers.iter().filter_map(|answer| answer.json["refresh_token"].as_str()).map(str::to_owned).collect()
}

/// Refreshes this token as often at once.
async fn refresh_at_once(nodes: &Nodes, client: &TestClient, token: &str, count: usize) -> Vec<Answer> {
    let answers = nodes
        .at_once(count, |node, _| {
            let (client, token) = (client.clone(), token.to_owned());
            async move { node.refresh(&client, &token).await }
        })
        .await;
    assert_no_outage(&answers);
    for answer in answers.iter().filter(|answer| answer.status != StatusCode::OK) {
        answer.assert_error(400, "invalid_grant");
    }
    answers
}

on_both_stores!(simultaneous_refreshes_of_one_token_leave_at_most_one_active_chain, async |backend| {
    let nodes = Nodes::start(backend).await;
    let main = nodes.first().main_client("main").await;
    nodes.first().user("alice", "wonderland").await;
    for count in [2, 4, MANY] {
        for _ in 0..3 {
            let first = nodes.first().login(&main, "alice", "wonderland").await.text("refresh_token");
            let answers = refresh_at_once(&nodes, &main, &first, count).await;
            let successors = successors(&answers);
            assert_eq!(successors.len(), 1, "one got through, and whoever else did got the same: {answers:?}");
            let granted = answers.iter().filter(|answer| answer.status == StatusCode::OK).count();
            assert!(granted <= 4, "one refresh and three repeats: {granted}");
            nodes.catch_up().await;
            // More than four of a kind is reuse, which ends the session. Otherwise the one chain stays active.
            let next = nodes.last().refresh(&main, successors.first().unwrap()).await;
            if count <= 4 {
                next.assert_ok();
            } else {
                next.assert_error(400, "invalid_grant");
                for answer in answers.iter().filter(|answer| answer.status == StatusCode::OK) {
                    nodes.last().introspect(&main, &answer.text("access_token")).await.assert_inactive();
                }
            }
        }
    }
});

on_both_stores!(without_a_retry_window_one_refresh_gets_through_and_the_rest_is_reuse, async |backend| {
    let nodes = Nodes::start(backend).await;
    let members = json!({"grant_types": ["password", "refresh_token"], "scope": "read", "retry_window": 0});
    let strict = nodes.first().client("strict", members).await;
    nodes.first().user("alice", "wonderland").await;
    for _ in 0..4 {
        let first = nodes.first().login(&strict, "alice", "wonderland").await.text("refresh_token");
        let answers = refresh_at_once(&nodes, &strict, &first, MANY).await;
        let granted: Vec<_> = answers.iter().filter(|answer| answer.status == StatusCode::OK).collect();
        assert_eq!(granted.len(), 1, "{answers:?}");
        nodes.catch_up().await;
        nodes.last().refresh(&strict, &granted[0].text("refresh_token")).await.assert_error(400, "invalid_grant");
        nodes.last().introspect(&strict, &granted[0].text("access_token")).await.assert_inactive();
    }
});

on_both_stores!(a_chain_under_constant_repeats_never_forks, async |backend| {
    let nodes = Nodes::start(backend).await;
    let main = nodes.first().main_client("main").await;
    nodes.first().user("alice", "wonderland").await;
    let mut token = nodes.first().login(&main, "alice", "wonderland").await.text("refresh_token");
    // Two repeats each: twelve, the most within an hour.
    for generation in 0..6 {
        let answers = refresh_at_once(&nodes, &main, &token, 3).await;
        assert!(answers.iter().all(|answer| answer.status == StatusCode::OK), "{generation}: {answers:?}");
        let mut next = successors(&answers);
        assert_eq!(next.len(), 1, "generation {generation}: {answers:?}");
        token = next.pop_first().unwrap();
    }
});

on_both_stores!(concurrent_refreshes_without_rotation_all_succeed, async |backend| {
    let nodes = Nodes::start(backend).await;
    let grants = ["password", "refresh_token"];
    let members = json!({"grant_types": grants, "scope": "read", "refresh_token_rotation": false});
    let fixed = nodes.first().client("fixed", members).await;
    nodes.first().user("alice", "wonderland").await;
    let token = nodes.first().login(&fixed, "alice", "wonderland").await.text("refresh_token");
    let answers = refresh_at_once(&nodes, &fixed, &token, MANY).await;
    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK), "{answers:?}");
    assert_eq!(successors(&answers), BTreeSet::from([token]));
});

on_both_stores!(a_login_that_overlaps_a_password_change_never_leaves_an_active_session, async |backend| {
    let nodes = Nodes::start(backend).await;
    let main = nodes.first().main_client("main").await;
    let plain = json!({"grant_types": ["password"], "scope": "read"});
    let plain = nodes.first().client("plain", plain).await;
    let id = nodes.first().user("alice", "password 0").await;
    nodes.first().admin_token().await;
    let mut got_in = 0;
    for round in 0..6 {
        let old = format!("password {round}");
        let new = format!("password {}", round + 1);
        let answers = nodes
            .at_once(5, |node, index| {
                let (main, plain, id) = (main.clone(), plain.clone(), id.clone());
                let (old, new, first) = (old.clone(), new.clone(), Arc::clone(nodes.first()));
                async move {
                    if index == 0 {
                        let path = format!("/admin/v1/users/{id}/password");
                        return first.admin(Method::PUT, &path, Some(json!({"password": new}))).await;
                    }
                    let client = if index == 1 { plain } else { main };
                    let form = [("grant_type", "password"), ("username", "alice"), ("password", &old)];
                    node.token(&client, &form).await
                }
            })
            .await;
        assert_no_outage(&answers);
        assert!(answers[0].status.is_success(), "{:?}", answers[0]);
        nodes.catch_up().await;
        for (index, answer) in answers.iter().enumerate().skip(1) {
            if answer.status != StatusCode::OK {
                answer.assert_error(400, "invalid_grant");
                continue;
            }
            got_in += 1;
            let client = if index == 1 { &plain } else { &main };
            for node in &nodes.0 {
                node.introspect(client, &answer.text("access_token")).await.assert_inactive();
                if let Some(refresh) = answer.json["refresh_token"].as_str() {
                    node.refresh(client, refresh).await.assert_error(400, "invalid_grant");
                }
            }
        }
        let form = [("grant_type", "password"), ("username", "alice"), ("password", new.as_str())];
        let answer = nodes.last().token(&main, &form).await;
        let token = answer.assert_ok().text("access_token");
        nodes.last().introspect(&main, &token).await.assert_active();
    }
    assert!(got_in > 0, "no login overlapped a change, so nothing was shown");
});

on_both_stores!(a_login_that_overlaps_the_end_of_its_user_or_client_leaves_nothing, async |backend| {
    let nodes = Nodes::start(backend).await;
    let watcher = nodes.first().resource_server("watcher").await;
    for round in 0..4 {
        let (name, client_id) = (format!("user-{round}"), format!("client-{round}"));
        let main = nodes.first().main_client(&client_id).await;
        let id = nodes.first().user(&name, "wonderland").await;
        let (method, path, body) = match round {
            0 => (Method::DELETE, format!("/admin/v1/users/{id}"), None),
            1 => (Method::PATCH, format!("/admin/v1/users/{id}"), Some(json!({"enabled": false}))),
            2 => (Method::DELETE, format!("/admin/v1/clients/{client_id}"), None),
            _ => (Method::PATCH, format!("/admin/v1/clients/{client_id}"), Some(json!({"enabled": false}))),
        };
        let answers = nodes
            .at_once(5, |node, index| {
                let (main, name, first) = (main.clone(), name.clone(), Arc::clone(nodes.first()));
                let (method, path, body) = (method.clone(), path.clone(), body.clone());
                async move {
                    if index == 0 {
                        return first.admin(method, &path, body).await;
                    }
                    node.token(&main, &[("grant_type", "password"), ("username", &name), ("password", "wonderland")])
                        .await
                }
            })
            .await;
        assert_no_outage(&answers);
        assert!(answers[0].status.is_success(), "{:?}", answers[0]);
        nodes.catch_up().await;
        for answer in answers[1..].iter().filter(|answer| answer.status == StatusCode::OK) {
            for node in &nodes.0 {
                node.introspect(&watcher, &answer.text("access_token")).await.assert_inactive();
                node.introspect(&watcher, &answer.text("refresh_token")).await.assert_inactive();
            }
        }
    }
});

on_both_stores!(a_revocation_takes_effect_at_once_on_its_node_and_elsewhere_after_a_poll, async |backend| {
    let nodes = Nodes::start(backend).await;
    let (main, watcher) = (nodes.first().main_client("main").await, nodes.first().resource_server("watcher").await);
    let id = nodes.first().user("alice", "wonderland").await;
    for round in 0..6 {
        let tokens = nodes.last().login(&main, "alice", "wonderland").await;
        let (access, refresh) = (tokens.text("access_token"), tokens.text("refresh_token"));
        let (taker, other) = (nodes.any(round), nodes.any(round + 1));
        for node in [&taker, &other] {
            node.introspect(&watcher, &access).await.assert_active();
        }
        let body = match round {
            0 => json!({"user": "alice"}),
            1 => json!({"client": "main"}),
            2 => json!({"session": other.introspect(&watcher, &access).await.text("sid")}),
            3 => json!({"token": access}),
            4 => json!({"user": id}),
            _ => json!({"all": true}),
        };
        if round == 5 {
            // It revokes the administrator's own token too, so only the first one requests it.
            let answer = nodes.first().admin(Method::POST, "/admin/v1/revocations", Some(body)).await;
            assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
            nodes.first().introspect(&watcher, &access).await.assert_inactive();
            nodes.catch_up().await;
            nodes.last().introspect(&watcher, &access).await.assert_inactive();
            continue;
        }
        let token = nodes.first().admin_token().await;
        let request = taker.http.post(format!("{}/admin/v1/revocations", taker.base)).bearer_auth(token).json(&body);
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        taker.introspect(&watcher, &access).await.assert_inactive();
        other.server.app.state.catch_up().await.unwrap();
        other.introspect(&watcher, &access).await.assert_inactive();
        if round != 3 {
            for node in [&other, &taker] {
                node.refresh(&main, &refresh).await.assert_error(400, "invalid_grant");
            }
        }
    }
});

on_both_stores!(many_revocations_at_once_are_all_seen_on_every_node, async |backend| {
    let nodes = Nodes::start(backend).await;
    let main = nodes.first().main_client("main").await;
    nodes.first().user("alice", "wonderland").await;
    let mut tokens = Vec::new();
    for _ in 0..MANY {
        tokens.push(nodes.first().login(&main, "alice", "wonderland").await);
    }
    let spared = nodes.first().login(&main, "alice", "wonderland").await.text("access_token");
    let answers = nodes
        .at_once(MANY, |node, index| {
            let name = if index % 2 == 0 { "access_token" } else { "refresh_token" };
            let (main, token, access) = (main.clone(), tokens[index].text(name), tokens[index].text("access_token"));
            async move {
                node.revoke(&main, &token).await.assert_ok();
                // Acknowledged, so the node that took it knows.
                node.introspect(&main, &access).await
            }
        })
        .await;
    for answer in &answers {
        answer.assert_inactive();
    }
    nodes.catch_up().await;
    for node in &nodes.0 {
        for token in &tokens {
            node.introspect(&main, &token.text("access_token")).await.assert_inactive();
        }
        node.introspect(&main, &spared).await.assert_active();
    }
});

on_both_stores!(a_refresh_that_overlaps_a_revocation_leaves_no_active_token, async |backend| {
    let nodes = Nodes::start(backend).await;
    let main = nodes.first().main_client("main").await;
    nodes.first().user("alice", "wonderland").await;
    nodes.first().admin_token().await;
    for round in 0..8 {
        let token = nodes.first().login(&main, "alice", "wonderland").await.text("refresh_token");
        let answers = nodes
            .at_once(4, |node, index| {
                let (main, token, first) = (main.clone(), token.clone(), Arc::clone(nodes.first()));
                async move {
                    match (index, round % 2) {
                        (0, 0) => first.revoke(&main, &token).await,
                        (0, _) => {
                            let body = json!({"user": "alice"});
                            first.admin(Method::POST, "/admin/v1/revocations", Some(body)).await
                        }
                        _ => node.refresh(&main, &token).await,
                    }
                }
            })
            .await;
        assert_no_outage(&answers);
        assert!(answers[0].status.is_success(), "{:?}", answers[0]);
        nodes.catch_up().await;
        for answer in answers[1..].iter().filter(|answer| answer.status == StatusCode::OK) {
            for node in &nodes.0 {
                node.introspect(&main, &answer.text("access_token")).await.assert_inactive();
                node.refresh(&main, &answer.text("refresh_token")).await.assert_error(400, "invalid_grant");
            }
        }
    }
});

// A machine that was asleep or cut off for longer than notices are kept must not keep outdated memory forever.
// Revocations are kept longer than notices, so what is gone may lie anywhere between them.
on_both_stores!(a_node_that_was_away_longer_than_notices_are_kept_reloads_everything, async |backend| {
    let server = TestServer::start(backend).await;
    server.user("alice", "wonderland").await;
    server.resource_server("other").await;
    let app = &server.server.app;
    for (round, (before, after)) in [(0, 0), (1, 0), (0, 1), (1, 1)].into_iter().enumerate() {
        let id = format!("main-{round}");
        server.main_client(&id).await;
        let issuer = Arc::new(Issuer::new(app.settings.issuer.clone()));
        let away = NodeState::new(app.store.clone(), app.clock.clone(), issuer, Duration::from_secs(5));
        away.load(app.master_keys().await.unwrap()).await.unwrap();
        let scope = async || away.client(&id).await.unwrap().unwrap().settings.scope.to_string();
        assert_eq!(scope().await, "read write");
        let revoke = async |count: usize| {
            for _ in 0..count {
                let body = json!({"client": "other"});
                let answer = server.admin(Method::POST, "/admin/v1/revocations", Some(body)).await;
                assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
            }
        };
        revoke(before).await;
        server
            .admin(Method::PATCH, &format!("/admin/v1/clients/{id}"), Some(json!({"scope": "read"})))
            .await
            .assert_ok();
        revoke(after).await;
        let later = app.clock.now().plus_seconds(25 * 3600);
        let mut round = jeton::store::Round::new(later, app.settings.history);
        while app.store.sweep(&mut round).await.unwrap() {}
        away.catch_up().await.unwrap();
        assert_eq!(scope().await, "read", "the notice between {before} and {after} revocations is gone");
    }
});
