//! The operators' listener: metrics and health. Clients have no business here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use crate::app::App;
use crate::clock::{LARGEST_OFFSET, offset_in_words};
use crate::http::envelope;

/// The health of a server.
#[derive(Clone, Debug)]
pub struct Health {
    app: Arc<App>,
    stopping: Arc<AtomicBool>,
}

impl Health {
    /// Health of a server that is not stopping.
    pub fn new(app: Arc<App>) -> Self {
        Self { app, stopping: Arc::default() }
    }

    /// Makes the server unready: it is about to stop.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.stopping.load(Ordering::Acquire) {
            problems.push("the server is stopping".to_owned());
        }
        problems.extend(self.app.state.why_stale());
        let offset = self.app.clock.offset_millis();
        if offset.abs() > LARGEST_OFFSET {
            problems.push(format!("the clock of this machine is {} that of the database", offset_in_words(offset)));
        }
        problems
    }
}

/// `/metrics`, `/healthz`, `/readyz`.
pub fn router(health: Health) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { Json(json!({"status": "alive"})) }))
        .route("/readyz", get(ready))
        .with_state(health)
        .layer(axum::middleware::from_fn(envelope::mark))
}

async fn ready(State(health): State<Health>) -> Response {
    let problems = health.problems();
    if problems.is_empty() {
        Json(json!({"status": "ready"})).into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"status": "not ready", "problems": problems}))).into_response()
    }
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floats in the exposition format")]
async fn metrics(State(health): State<Health>) -> Response {
    let state = &health.app.state;
    let gauges = [
        ("view_age_seconds", "Time since the change log was last read", state.age().as_secs_f64()),
        ("view_revocations", "Revocations in force, held in memory", state.revocations_held() as f64),
        ("dpop_proofs_held", "DPoP proofs that counted a short while ago, held in memory", state.proofs_held() as f64),
        ("view_applied_number", "Sequence number of the last change that this node applied", state.applied() as f64),
        (
            "clock_offset_seconds",
            "How far the clock of this machine is behind that of the database; negative: ahead",
            health.app.clock.offset_millis() as f64 / 1000.0,
        ),
        ("event_streams", "Open streams of events", health.app.event_streams.count() as f64),
        ("console_streams", "Pages of the console that are kept current", health.app.console_streams.count() as f64),
    ];
    let text = health.app.metrics.text(&state.measures, &health.app.passwords, &gauges);
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], text).into_response()
}
