//! `docs/metrics.md` has every metric.

use std::collections::BTreeSet;

use reqwest::StatusCode;

use crate::support::{Answer, Backend, Setup, TestServer};

const GUIDE: &str = include_str!("../../../docs/metrics.md");

/// What `/metrics` shows once every metric with labels has been counted; before that, such a metric is missing.
pub(crate) async fn shown() -> String {
    let app = TestServer::start_with(Backend::Sqlite, Setup::default().set("JETON_THROTTLING", "on")).await;
    let client = app.main_client("main").await;
    let grant = [("grant_type", "client_credentials")];
    app.token(&client, &grant).await.assert_ok();
    let guesser = client.with_secret("wrong");
    while app.token(&guesser, &grant).await.status != StatusCode::TOO_MANY_REQUESTS {}
    Answer::of(app.http.get(format!("{}/metrics", app.ops))).await.assert_ok().body.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guide_to_metrics_has_every_metric() {
    let rows = GUIDE.lines().filter_map(|line| line.strip_prefix("| `"));
    let named: BTreeSet<String> = rows.map(|row| row.split('`').next().unwrap().to_owned()).collect();
    let shown = shown().await;
    let families = shown.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    // A counter is scraped by this name.
    let sample = |(name, kind)| if kind == "counter" { format!("{name}_total") } else { String::from(name) };
    assert_eq!(named, families.map(sample).collect(), "{shown}");
}
