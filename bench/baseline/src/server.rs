//! The baseline: a bare axum handler that parses a form and answers with 400 bytes of JSON. It accepts connections as Jeton
//! does, so the difference is what Jeton does with a request. With steps, it is the limit of requests that need these.

use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::routing::post;
use axum::{Form, Json, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use tokio::net::TcpListener;

use crate::inserts::Inserts;
use crate::work::Step;

/// The length of the answer, in bytes.
const ANSWER: usize = 400;

#[derive(Serialize)]
struct Answer {
    access_token: &'static str,
    token_type: &'static str,
    expires_in: u32,
    parameters: usize,
}

/// What is done for each request.
struct Work {
    steps: Vec<Step>,
    inserts: Option<Inserts>,
}

impl Work {
    async fn of_request(&self) -> Result<(), StatusCode> {
        self.steps.iter().for_each(Step::run);
        match &self.inserts {
            Some(inserts) => inserts.one().await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE),
            None => Ok(()),
        }
    }
}

#[tokio::main]
pub async fn run(port: u16, steps: &[&str]) -> Result<(), Box<dyn Error>> {
    let around = r#"{"access_token":"","token_type":"Bearer","expires_in":900,"parameters":1}"#.len();
    let token: &'static str = "x".repeat(ANSWER - around).leak();
    let steps = steps.iter().map(|name| Step::read(name)).collect::<Result<_, _>>()?;
    let inserts = match std::env::var("DATABASE_URL") {
        Ok(url) => Some(Inserts::open(&url).await?),
        Err(_) => None,
    };
    let work = Arc::new(Work { steps, inserts });
    let answer = async move |Form(parameters): Form<Vec<(String, String)>>| {
        work.of_request().await?;
        let parameters = parameters.len();
        Ok::<_, StatusCode>(Json(Answer { access_token: token, token_type: "Bearer", expires_in: 900, parameters }))
    };
    let service = TowerToHyperService::new(Router::new().route("/auth/token", post(answer.clone())).fallback(answer));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(30)).max_buf_size(128 * 1024);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service.clone()).into_owned();
        tokio::spawn(async move {
            // A client that disconnects does not matter here.
            let _ = connection.await;
        });
    }
}
