//! Logins: nobody takes the turns of others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;

use crate::support::{Backend, Setup, TestServer};

/// Connections on which one account logs in again and again.
const BUSY: usize = 40;
/// Other accounts, each of which logs in twice.
const OTHERS: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_account_on_forty_connections_does_not_stop_the_logins_of_others() {
    let app = TestServer::start_with(Backend::Sqlite, Setup::default().set("JETON_PASSWORD_THREADS", "1")).await;
    let app = Arc::new(app);
    let main = app.main_client("main").await;
    app.user("busy", "busy-password").await;
    for number in 0..OTHERS {
        app.user(&format!("user{number}"), "good-password").await;
    }
    let over = Arc::new(AtomicBool::new(false));
    let mut storm = JoinSet::new();
    for _ in 0..BUSY {
        let (app, main, over) = (Arc::clone(&app), main.clone(), Arc::clone(&over));
        storm.spawn(async move {
            let form = [("grant_type", "password"), ("username", "busy"), ("password", "busy-password")];
            let mut count = 0;
            while !over.load(Ordering::Relaxed) {
                let answer = app.token(&main, &form).await;
                assert!(answer.status == 200 || answer.is_unavailable(), "{answer:?}");
                count += usize::from(answer.status == 200);
            }
            count
        });
    }
    // From the network of the storm, where none of them is known at first.
    let mut good = 0;
    for _ in 0..2 {
        for number in 0..OTHERS {
            let username = format!("user{number}");
            let form = [("grant_type", "password"), ("username", &*username), ("password", "good-password")];
            good += usize::from(app.token(&main, &form).await.status == 200);
        }
    }
    over.store(true, Ordering::Relaxed);
    let of_the_storm: usize = storm.join_all().await.into_iter().sum();
    assert!(of_the_storm > 0, "there was a storm");
    assert!(good * 100 >= 2 * OTHERS * 95, "{good} of {} logins of others succeeded", 2 * OTHERS);
}
