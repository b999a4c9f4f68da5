//! The listener for operators.

use std::time::Duration;

use crate::support::{Answer, Backend, Setup, TestServer, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_off_makes_a_node_not_ready_and_the_reason_says_in_which_direction() {
    // A server on SQLite uses the clock of its own machine, and never corrects what is measured here.
    let app = TestServer::start(Backend::Sqlite).await;
    let ready = async || Answer::of(app.http.get(format!("{}/readyz", app.ops))).await;
    ready().await.assert_ok();
    for (seconds, side) in [(7, "behind"), (-7, "ahead of")] {
        let right = jeton::clock::Clock::system().now();
        app.clock.measured(app.clock.read(), right.plus_seconds(seconds).millis());
        let answer = ready().await;
        assert_eq!(answer.status, 503, "{answer:?}");
        let problems = answer.json["problems"].as_array().unwrap().iter();
        let told: Vec<&str> = problems.filter_map(|text| text.as_str()).filter(|text| text.contains("clock")).collect();
        let [text] = told[..] else { panic!("{answer:?}") };
        let words: Vec<&str> = text.split(' ').collect();
        let millis: i64 = words.iter().find_map(|word| word.parse().ok()).unwrap();
        assert!((6900..=7100).contains(&millis), "{text}");
        assert_eq!(text, format!("the clock of this machine is {millis} ms {side} that of the database"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_told_to_stop_is_not_ready_first_and_serves_until_its_drain_delay_is_over() {
    let app = TestServer::start_with(Backend::Sqlite, Setup::default().set("JETON_DRAIN_DELAY", "3s")).await;
    let TestServer { server, base, ops, http, .. } = app;
    // No connection from before is used: it would outlive the listener.
    let get = async |address: String| Answer::if_any(reqwest::Client::new().get(address)).await;
    let stopping = tokio::spawn(server.stop());
    eventually(Duration::from_secs(3), "it is not ready", async || {
        get(format!("{ops}/readyz")).await.is_ok_and(|answer| answer.status == 503)
    })
    .await;
    let answer = Answer::of(http.get(format!("{base}/.well-known/jwks.json"))).await;
    assert!(!stopping.is_finished());
    answer.assert_ok();
    get(format!("{base}/.well-known/jwks.json")).await.unwrap().assert_ok();
    stopping.await.unwrap();
    assert!(get(format!("{base}/.well-known/jwks.json")).await.is_err(), "its port is closed");
}
