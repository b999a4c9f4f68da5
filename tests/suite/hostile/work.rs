//! What a request may cost: no text keeps a thread from serving others.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustix::thread::ClockId;
use rustix::time::clock_gettime;
use std::time::Duration;

use crate::support::{Answer, Backend, TestClient, TestServer};

/// How much more a hostile token may cost than a usual bad one, on the thread that serves requests.
const TIMES: f64 = 25.0;

/// Texts that make the examination of a token slow: JSON in base64, behind words that are taken off only when a token follows
/// them, with encodings that are undone one by one.
fn hostile() -> Vec<String> {
    let wide = |length: usize| {
        let members: Vec<String> = (0..length / 9).map(|number| format!("\"{number:04}\":0")).collect();
        URL_SAFE_NO_PAD.encode(format!(" {{{}}}", members.join(",")))
    };
    let nested = |length: usize| {
        let maps = r#"{"a":0},"#.repeat(length / 8);
        URL_SAFE_NO_PAD.encode(format!(" {{\"a\":[{}0]}}", maps))
    };
    let encoded = |times: usize| format!("%{}2E", "25".repeat(times));
    let mut texts = vec![];
    for length in [2_000, 8_000, 20_000, 48_000] {
        for object in [wide(length), nested(length)] {
            for tail in [format!(".{object}.{}", encoded(30)), format!(".{}...", encoded(30)), ".a.b,".to_owned()] {
                texts.push(format!("authorizationbearer{object}{tail}"));
                texts.push(format!("\"<{object}{tail}>\""));
            }
        }
        texts.push("(".repeat(length) + &encoded(30));
        texts.push("eyJhIjp7".repeat(length / 8) + "." + &encoded(30));
        texts.push("\u{200b}\u{200c}".repeat(length / 6) + &encoded(30));
        texts.push("a_".repeat(length / 2) + &encoded(30));
        texts.push(format!("[{}]", vec!["\"eyJ\""; length / 6].join(",")));
    }
    texts.retain(|text| text.len() < 72 * 1024);
    texts
}

/// The time that this thread has worked.
fn worked() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}

/// Where strangers, and clients with a token of any kind, may send a text.
async fn send(app: &TestServer, client: &TestClient, place: &str, text: &str) -> Answer {
    match place {
        "refresh" => app.refresh(client, text).await,
        "explain" => {
            let request = app.http.post(format!("{}/auth/explain", app.base)).header("Authorization", client.basic());
            Answer::of(request.form(&[("token", text)])).await
        }
        path => {
            Answer::of(
                app.http
                    .get(format!("{}{path}", app.base))
                    .header("Authorization", format!("Bearer {text}").as_bytes()),
            )
            .await
        }
    }
}

/// How many times as much as the usual text a hostile one costs, measured again while that is beyond the limit. Shared processors
/// make some measurements too long, and none too short; so both are measured at the same time.
async fn ratio(app: &TestServer, client: &TestClient, place: &str, usual: &str, hostile: &str) -> f64 {
    let mut least = f64::MAX;
    for _ in 0..11 {
        let usual = cost(app, client, place, usual).await;
        let hostile = cost(app, client, place, hostile).await;
        least = least.min(hostile.as_secs_f64() / usual.as_secs_f64());
        if least < TIMES {
            break;
        }
    }
    least
}

/// How long this thread worked for a request, at its best: it serves requests and asks them, and nothing else.
async fn cost(app: &TestServer, client: &TestClient, place: &str, text: &str) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let before = worked();
        let answer = send(app, client, place, text).await;
        best = best.min(worked() - before);
        assert!(answer.status.as_u16() < 500, "{place}: {answer:?}");
    }
    best
}

// One thread: whatever is done apart is done by another one.
#[tokio::test(flavor = "current_thread")]
async fn no_token_costs_a_thread_that_serves_requests_much_more_than_any_other_bad_token() {
    let app = TestServer::start(Backend::Sqlite).await;
    let client = app.main_client("main").await;
    let good = app.token(&client, &[("grant_type", "client_credentials")]).await.text("access_token").to_owned();
    let usual = format!("{}A", &good[..good.len() - 1]);
    for place in ["/auth/verify?audience=https://api.example.test/", "/admin/v1/clients", "refresh", "explain"] {
        for text in hostile() {
            let ratio = ratio(&app, &client, place, &usual, &text).await;
            let what: String = text.chars().take(60).collect();
            assert!(ratio < TIMES, "{place}: {ratio} times as much for {} bytes: {what}", text.len());
        }
    }
}
