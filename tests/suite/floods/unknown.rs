//! Floods of unknown names: client ids, secrets, key ids.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, StatusCode};
use tokio::task::JoinSet;

use super::LIMIT;
use super::passwords::hashes;
use crate::support::proxy::Proxy;
use crate::support::{
    Answer, Backend, Setup, TestClient, TestServer, eventually, fresh_database, jwt_part, on_both_stores,
};

/// Requests in each of four floods.
const MANY: usize = 500;
/// Tasks that send them.
const TASKS: usize = 64;
/// How long an answer of the database takes: as if it were in the next building.
const WAY: Duration = Duration::from_millis(2);
/// The least time between two statements for names that anyone may send.
const BETWEEN: Duration = Duration::from_millis(10);
/// Whether lookups of unknown key ids are that far apart too.
const PACED_KEY_IDS: bool = false;
/// Statements that the server sends meanwhile for itself.
const OWN: u64 = 60;

const GRANT: [(&str, &str); 1] = [("grant_type", "client_credentials")];

/// A server that rarely polls the log; on Postgres it connects through a proxy that counts.
async fn start(backend: Backend) -> (Arc<TestServer>, Option<Proxy>) {
    let seldom = Setup::default().set("JETON_POLL_INTERVAL", "10s").set("JETON_MAX_STALENESS", "5m");
    if backend == Backend::Sqlite {
        return (Arc::new(TestServer::start_with(backend, seldom).await), None);
    }
    let (database, _) = fresh_database(backend).await;
    let proxy = Proxy::far_from(&database, WAY).await;
    let key = jeton::keys::master::MasterKey::generate().to_string();
    (Arc::new(TestServer::start_on(&proxy.address_of(&database), &key, seldom).await), Some(proxy))
}

/// An unknown client.
fn stranger(id: &str) -> TestClient {
    TestClient { id: id.to_owned(), secret: Some("jcs_live_wrong".into()), in_body: false }
}

/// A token like those of this server, but made with a key that it never had.
fn of_unknown_key(token: &str, index: usize) -> String {
    let mut header = jwt_part(token, 0);
    header["kid"] = format!("kid{index:05}").into();
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

/// Sends this many requests from many tasks and returns the answers.
async fn flood<F>(count: usize, request: impl Fn(usize) -> F + Send + Sync + 'static) -> Vec<Answer>
where
    F: Future<Output = Answer> + Send,
{
    let (request, next) = (Arc::new(request), Arc::new(AtomicUsize::new(0)));
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (request, next) = (Arc::clone(&request), Arc::clone(&next));
        tasks.spawn(async move {
            let mut answers = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return answers;
                }
                answers.push(request(index).await);
            }
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

on_both_stores!(a_flood_of_unknown_names_costs_few_statements_and_does_not_affect_known_ones, async |backend| {
    let (app, proxy) = start(backend).await;
    let known = app.main_client("known").await;
    let good = app.token(&known, &GRANT).await.text("access_token");
    let (over, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut beside = JoinSet::new();
    for _ in 0..2 {
        let (app, known, good) = (Arc::clone(&app), known.clone(), good.clone());
        let (over, served) = (Arc::clone(&over), Arc::clone(&served));
        beside.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                app.token(&known, &GRANT).await.assert_ok();
                app.introspect(&known, &good).await.assert_active();
                served.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for kind in ["distinct clients", "one client", "wrong secrets", "distinct keys"] {
        let (sender, client, token) = (Arc::clone(&app), known.clone(), good.clone());
        let (begun, before) = (Instant::now(), proxy.as_ref().map_or(0, Proxy::statements));
        let answers = flood(MANY, move |index| {
            let (app, known, token) = (Arc::clone(&sender), client.clone(), of_unknown_key(&token, index));
            async move {
                match kind {
                    "distinct clients" => app.token(&stranger(&format!("stranger-{index}")), &GRANT).await,
                    "one client" => app.token(&stranger("stranger"), &GRANT).await,
                    "wrong secrets" => app.token(&known.with_secret(&format!("jcs_live_{index}")), &GRANT).await,
                    _ => app.introspect(&known, &token).await,
                }
            }
        })
        .await;
        assert_eq!(answers.len(), MANY);
        let (later, decided): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.is_unavailable());
        for answer in &decided {
            if kind == "distinct keys" { answer.assert_inactive() } else { answer.assert_error(401, "invalid_client") }
        }
        assert!(later.len() < MANY / 2, "{kind}: it could not be decided {} times", later.len());
        if let Some(proxy) = &proxy {
            let (sent, most) = (proxy.statements() - before, begun.elapsed().as_millis() / BETWEEN.as_millis());
            assert!(sent > 0, "{kind}: nothing was asked of the database");
            if kind != "distinct keys" || PACED_KEY_IDS {
                assert!(u128::from(sent) <= most + u128::from(OWN), "{kind}: {sent} statements, not {most}");
            }
            assert!(sent < MANY as u64 / 2 + OWN, "{kind}: {sent} statements for {MANY} requests");
        }
    }
    over.store(true, Ordering::Relaxed);
    beside.join_all().await;
    assert!(served.load(Ordering::Relaxed) > 20, "the known client was served meanwhile");
});

// CAU-026: not measured times, but the work that takes them.
on_both_stores!(an_unknown_client_and_a_wrong_secret_cost_the_same_work, async |backend| {
    let (app, proxy) = start(backend).await;
    let known = app.main_client("known").await;
    app.token(&known, &GRANT).await.assert_ok();
    let before = hashes(&app).await;
    let work_of = async |impostor: &dyn Fn(usize) -> TestClient| {
        let mut least = u64::MAX;
        for index in 0..8 {
            let before = proxy.as_ref().map_or(0, Proxy::statements);
            app.token(&impostor(index), &GRANT).await.assert_error(401, "invalid_client");
            // The server's own occasional queries only add to it.
            least = least.min(proxy.as_ref().map_or(0, Proxy::statements) - before);
        }
        least
    };
    let unknown = work_of(&|index| stranger(&format!("stranger-{index}"))).await;
    let wrong = work_of(&|index| known.with_secret(&format!("jcs_live_{index}"))).await;
    assert_eq!(unknown, wrong, "statements for one that is unknown, and for a wrong secret");
    assert_eq!(unknown > 0, proxy.is_some(), "the database is asked before anybody is refused");
    assert_eq!(hashes(&app).await, before, "no secret of this kind is hashed as passwords are");
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_node_just_created_works_at_once_even_during_a_flood() {
    let first = TestServer::start(Backend::Postgres).await;
    let seldom = Setup::default().set("JETON_POLL_INTERVAL", "10s").set("JETON_MAX_STALENESS", "5m");
    let second = Arc::new(TestServer::start_on(&first.database, &first.master_key, seldom).await);
    let main = first.main_client("main").await;
    second.token(&main, &GRANT).await.assert_ok();
    let over = Arc::new(AtomicBool::new(false));
    let mut crowd = JoinSet::new();
    for index in 0..16 {
        let (second, over, main) = (Arc::clone(&second), Arc::clone(&over), main.clone());
        crowd.spawn(async move {
            let impostor = if index % 2 == 0 { stranger("late") } else { main.with_secret("jcs_live_guessed") };
            while !over.load(Ordering::Relaxed) {
                let answer = second.token(&impostor, &GRANT).await;
                if !answer.is_unavailable() {
                    answer.assert_error(401, "invalid_client");
                }
            }
        });
    }
    // Acknowledged by the first node, so the second may answer 503 but never refuse.
    let assert_good = async |client: &TestClient| {
        eventually(LIMIT, "it is good", async || {
            let answer = second.token(client, &GRANT).await;
            !answer.is_unavailable() && answer.assert_ok().status == StatusCode::OK
        })
        .await;
    };
    for _ in 0..6 {
        let late = first.main_client("late").await;
        assert_good(&late).await;
        let added = first.admin(Method::POST, "/admin/v1/clients/main/secrets", None).await;
        assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
        assert_good(&main.with_secret(&added.text("client_secret"))).await;
        let secret = format!("/admin/v1/clients/main/secrets/{}", added.text("id"));
        assert_eq!(first.admin(Method::DELETE, &secret, None).await.status, StatusCode::NO_CONTENT);
        assert_eq!(first.admin(Method::DELETE, "/admin/v1/clients/late", None).await.status, StatusCode::NO_CONTENT);
    }
    over.store(true, Ordering::Relaxed);
    crowd.join_all().await;
}

on_both_stores!(an_outage_is_never_answered_as_a_refusal, async |backend| {
    let (app, proxy) = start(backend).await;
    let known = app.main_client("known").await;
    let good = app.token(&known, &GRANT).await.text("access_token");
    // On Postgres the database is silent; on SQLite, which is a part of the process, it has lost tables.
    let tables = ["clients", "change_head"];
    let outage = async |on: bool| match &proxy {
        Some(proxy) if on => proxy.silence(),
        Some(proxy) => proxy.heal(),
        None => {
            for table in tables {
                let (from, to) =
                    if on { (table, format!("{table}_away")) } else { (&*format!("{table}_away"), table.to_owned()) };
                let sql = format!("PRAGMA legacy_alter_table = ON; ALTER TABLE {from} RENAME TO {to}");
                crate::store_contract::execute(&app.database, &sql).await;
            }
        }
    };
    outage(true).await;
    let (sender, client, token) = (Arc::clone(&app), known.clone(), good.clone());
    let answers = flood(TASKS * 3, move |index| {
        let (app, known, token) = (Arc::clone(&sender), client.clone(), of_unknown_key(&token, index));
        async move {
            match index % 3 {
                0 => app.token(&stranger(&format!("stranger-{index}")), &GRANT).await,
                1 => app.token(&known.with_secret("jcs_live_wrong"), &GRANT).await,
                _ => app.introspect(&known, &token).await,
            }
        }
    })
    .await;
    for answer in &answers {
        assert!(answer.is_unavailable(), "nothing is known, so nothing is refused: {answer:?}");
    }
    app.token(&known, &GRANT).await.assert_ok();
    app.introspect(&known, &good).await.assert_active();
    outage(false).await;
    eventually(LIMIT, "a stranger is refused again", async || {
        let answer = app.token(&stranger("stranger"), &GRANT).await;
        !answer.is_unavailable() && answer.status == StatusCode::UNAUTHORIZED
    })
    .await;
    eventually(LIMIT, "an unknown key is refused again", async || {
        let answer = app.introspect(&known, &of_unknown_key(&good, 0)).await;
        !answer.is_unavailable() && answer.json["active"] == false
    })
    .await;
});
