//! Pages that are kept current: who gets a stream, what it says, and when it ends.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::{PASSWORD, assert_status, person, setup, start};
use crate::support::browser::Browser;
use crate::support::scene::CLIENT_CREDENTIALS;
use crate::support::{Backend, TestServer, eventually, on_both_stores};

/// How long a test waits for what comes within a few seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// A stream for a page.
struct Stream {
    response: Response,
    text: String,
}

async fn ask(app: &TestServer, browser: &Browser, query: &str) -> Response {
    let cookies: Vec<String> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let request = app.http.get(format!("{}/console/live{query}", app.base));
    request.header("Cookie", cookies.join("; ")).send().await.unwrap()
}

impl Stream {
    async fn open(app: &TestServer, browser: &Browser, query: &str) -> Self {
        let response = ask(app, browser, query).await;
        assert_eq!(response.status(), StatusCode::OK, "{response:?}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self { response, text: String::new() }
    }

    /// The next event and its data; `None` at the end of the stream.
    async fn event(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let line = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let event = line("event: ").zip(line("data: "));
                self.text = rest.to_owned();
                match event {
                    Some((name, data)) => return Some((name, serde_json::from_str(&data).unwrap())),
                    None => continue,
                }
            }
            let part = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("the stream says something");
            match part.expect("the stream does not break") {
                Some(part) => self.text.push_str(std::str::from_utf8(&part).unwrap()),
                None => return None,
            }
        }
    }

    /// The parts of the next event.
    async fn parts(&mut self) -> Value {
        let (name, data) = self.event().await.expect("the stream goes on");
        assert_eq!(name, "parts", "{data}");
        data
    }

    /// Why the stream ends, which it then does, and whether it may begin again.
    async fn end(mut self) -> (String, bool) {
        loop {
            let (name, data) = self.event().await.expect("it says why it ends");
            if name == "end" {
                assert!(self.event().await.is_none(), "nothing follows");
                return (data["reason"].as_str().unwrap().to_owned(), data["again"].as_bool().unwrap());
            }
        }
    }
}

on_both_stores!(the_overview_is_kept_current_by_a_script_that_the_page_does_without, async |backend| {
    let app = start(backend).await;
    let main = app.main_client("main").await;
    let (_, mut ada) = person(&app, "ada", "admin").await;
    let page = ada.get(&app, "/console").await;
    let script = page.body.split("<script src=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(page.body.contains("data-live=\"/console/live\"") && page.body.contains("data-part=\"nodes\""), "{page:?}");
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self'; connect-src 'self';") && !policy.contains("unsafe"), "{policy}");
    // Browsers keep the script, which is the same for everybody; another one has another address.
    let file = Browser::default().get(&app, &script).await;
    assert_eq!(file.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(file.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
    assert!(file.assert_ok().body.contains("EventSource") && file.body.len() < 20 * 1024, "{file:?}");
    assert_status(&ada.get(&app, "/console/live-AAAAAAAAAAAAAAAA.js").await, 404);
    // The first word has every part as it stands in the page.
    let mut stream = Stream::open(&app, &ada, "").await;
    let first = stream.parts().await;
    assert!(first["nodes"].as_str().unwrap().contains("(this one)"), "{first}");
    assert!(!first["lately"].as_str().unwrap().contains("<code>password</code>"), "{first}");
    app.user("paul", PASSWORD).await;
    app.login(&main, "paul", PASSWORD).await;
    loop {
        let parts = stream.parts().await;
        if parts["lately"].as_str().is_some_and(|html| html.contains("<code>password</code>")) {
            break;
        }
    }
    // What a role may not see on the page is in no stream for it.
    let (_, clara) = person(&app, "clara", "clients").await;
    let parts = Stream::open(&app, &clara, "").await.parts().await;
    assert!(parts["lately"].is_string() && parts["nodes"].is_null(), "{parts}");
});

on_both_stores!(receipts_of_a_revocation_fill_up, async |backend| {
    let app = start(backend).await;
    app.main_client("main").await;
    let revoked = app.admin(Method::POST, "/admin/v1/revocations", Some(json!({"client": "main"}))).await;
    let number = revoked.json["number"].to_string();
    let (_, rita) = person(&app, "rita", "revoke").await;
    let query = format!("?revocation={number}");
    let mut stream = Stream::open(&app, &rita, &query).await;
    let mut last = Value::Null;
    let reason = loop {
        let (name, data) = stream.event().await.unwrap();
        match name.as_str() {
            "parts" => last = data,
            _ => break data,
        }
    };
    assert_eq!(reason, json!({"reason": "Every live node has seen it.", "again": false}));
    assert!(last["receipts"].as_str().unwrap().contains("has seen it"), "{last}");
    assert!(stream.event().await.is_none());
    // For those who may see the page only, and only if there is one.
    let (_, clara) = person(&app, "clara", "clients").await;
    assert_eq!(ask(&app, &clara, &query).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(ask(&app, &rita, "?revocation=1").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(ask(&app, &rita, "?revocation=x%00").await.status(), StatusCode::BAD_REQUEST);
});

on_both_stores!(a_stream_ends_with_the_login, async |backend| {
    let app = start(backend).await;
    let (id, ruth) = person(&app, "ruth", "read").await;
    let mut stream = Stream::open(&app, &ruth, "").await;
    stream.parts().await;
    // Another role ends the login.
    app.admin(Method::PATCH, &format!("/admin/v1/users/{id}"), Some(json!({"role": "clients"}))).await.assert_ok();
    assert_eq!(stream.end().await, ("You are logged out.".to_owned(), false));
    // Nobody who is not logged in gets one, and browsers need not ask again.
    for browser in [&ruth, &Browser::default()] {
        let stream = Stream::open(&app, browser, "").await;
        assert_eq!(stream.end().await, ("You are logged out.".to_owned(), false));
    }
    // Who has no role gets none.
    app.user("paul", PASSWORD).await;
    let paul = Browser::logged_in(&app, ("paul", PASSWORD)).await;
    assert_eq!(ask(&app, &paul, "").await.status(), StatusCode::FORBIDDEN);
    // The stop of the server ends the others.
    let again = Browser::logged_in(&app, ("ruth", PASSWORD)).await;
    let stream = Stream::open(&app, &again, "").await;
    let (end, ()) = tokio::join!(stream.end(), app.stop());
    assert_eq!(end, ("The server stops.".to_owned(), true));
});

on_both_stores!(a_page_that_stays_open_keeps_nobody_logged_in, async |backend| {
    let setup = setup().with_manual_clock().set("JETON_BROWSER_SESSION_IDLE", "1h");
    let app = TestServer::start_with(backend, setup).await;
    let (_, mut ruth) = person(&app, "ruth", "read").await;
    app.advance(3000);
    let mut stream = Stream::open(&app, &ruth, "").await;
    stream.parts().await;
    app.advance(601);
    assert_eq!(stream.end().await, ("You are logged out.".to_owned(), false));
    assert!(ruth.get(&app, "/console").await.body.contains("name=\"password\""));
});

on_both_stores!(streams_are_bounded_for_each_person_and_places_come_back, async |backend| {
    let app = start(backend).await;
    let (_, ada) = person(&app, "ada", "admin").await;
    let (_, ruth) = person(&app, "ruth", "read").await;
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(Stream::open(&app, &ada, "").await);
    }
    // Another login of the same person has no places of its own.
    let elsewhere = Browser::logged_in(&app, ("ada", PASSWORD)).await;
    for browser in [&ada, &elsewhere] {
        assert_eq!(ask(&app, browser, "").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    Stream::open(&app, &ruth, "").await.parts().await;
    let metrics = reqwest::get(format!("{}/metrics", app.ops)).await.unwrap().text().await.unwrap();
    let streams = metrics.lines().find_map(|line| line.strip_prefix("jeton_console_streams ")).unwrap();
    assert!(["8.0", "9.0"].contains(&streams), "{streams}");
    open.clear();
    eventually(Duration::from_secs(40), "a place is free", async || {
        ask(&app, &ada, "").await.status() == StatusCode::OK
    })
    .await;
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_overview_tells_what_all_nodes_counted() {
    let app = start(Backend::Postgres).await;
    let other = TestServer::start_on(&app.database, &app.master_key, setup()).await;
    let main = app.main_client("main").await;
    for node in [&app, &other] {
        node.token(&main, &[CLIENT_CREDENTIALS]).await.assert_ok();
        node.server.app.write_figures().await;
    }
    other.server.app.tell_figures().await;
    let (_, mut ada) = person(&app, "ada", "admin").await;
    let page = ada.get(&app, "/console").await;
    let lately = page.body.split("data-part=\"lately\"").nth(1).unwrap().split("data-part=").next().unwrap();
    let issued = lately.split("<code>client_credentials</code>").nth(1).unwrap().split("</tr>").next().unwrap();
    // The token of the administrator is one as well.
    assert!(lately.contains("on 2 nodes") && issued.contains(">3<"), "{lately}");
    other.stop().await;
}
