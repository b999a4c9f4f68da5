//! A running server, from start to graceful stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::{App, StartError};
use crate::clock::Clock;
use crate::http::{self, Health};
use crate::serve::accepted::Served;
use crate::serve::listener::{self, Limits};
use crate::serve::lock::ServerLock;
use crate::serve::prepare::{prepare_demo, prepare_store};
use crate::serve::tls::Certificates;
use crate::serve::{cleanup, client_blocks, events, files, logout_notices, webhooks};
use crate::settings::Settings;
use crate::state::Follower;
use crate::telemetry::trace_export::TraceExport;

/// The time between two marks of the counters, which are then written to the database.
const BETWEEN_MARKS: Duration = Duration::from_secs(60);
/// The longest time that writing figures may go on at a stop.
const END_FIGURES: Duration = Duration::from_secs(1);
/// The time between two attempts to read what all clients use.
const READ_CLIENTS_AGAIN: Duration = Duration::from_secs(1);
/// The time between two writes of when secrets were last used.
const WRITE_USED_SECRETS: Duration = Duration::from_secs(10);

/// A running server.
#[derive(Debug)]
pub struct Server {
    /// The context that use cases work with.
    pub app: Arc<App>,
    /// Where the public and admin API listens.
    pub address: SocketAddr,
    /// Where metrics and health listen.
    pub ops_address: SocketAddr,
    health: Health,
    stop: watch::Sender<bool>,
    connections: Vec<JoinHandle<()>>,
    tasks: Vec<JoinHandle<()>>,
    figures: JoinHandle<()>,
    traces: Option<TraceExport>,
    follower: Follower,
    lock: Option<ServerLock>,
}

impl Server {
    /// Starts a server.
    // Boxed here, so that the tests, which start many, need not compile it anew.
    pub fn start(settings: Settings, clock: Clock) -> BoxFuture<'static, Result<Self, StartError>> {
        Box::pin(Self::begin(settings, clock))
    }

    async fn begin(mut settings: Settings, clock: Clock) -> Result<Self, StartError> {
        let tls = settings.tls.as_ref().map(Certificates::open).transpose()?;
        let config = tls.as_ref().map(|(certificates, _)| certificates.config()).transpose()?;
        // Listen first, so that a port in use is noticed before anything is written.
        let listener = bind("JETON_LISTEN", settings.listen).await?;
        let ops_listener = bind("JETON_OPS_LISTEN", settings.ops_listen).await?;
        let address = local_address(&listener)?;
        let ops_address = local_address(&ops_listener)?;
        settings.listens_on(address);
        let lock = settings.database.file().map(ServerLock::take).transpose()?;
        // Their texts go as soon as they were read.
        let master_keys = std::mem::take(&mut settings.master_keys);
        let settings = Arc::new(settings);
        let store = prepare_store(&settings).await?;
        let app = Arc::new(App::new(settings, clock, store));
        prepare_demo(&app).await?;
        if app.settings.issuer_follows_listen {
            app.store.set_dev_issuer(app.issuer.url()).await?;
        }
        app.load_with(&master_keys).await?;
        drop(master_keys);
        app.check_default_client().await?;
        let follower = app.follow_log().await?;
        app.mark_figures();
        let traces = app.export_traces();
        let health = Health::new(Arc::clone(&app));
        let (stop, stopped) = watch::channel(false);
        let router = http::router(Arc::clone(&app));
        let connections = vec![
            tokio::spawn(listener::serve(
                listener,
                Served { router, tls: config, http2: true, stopped: stopped.clone() },
                Limits::for_slots(files::slots()),
            )),
            // For operators: plain HTTP/1.1, whatever the public listener speaks.
            tokio::spawn(listener::serve(
                ops_listener,
                Served { router: http::ops_router(health.clone()), tls: None, http2: false, stopped: stopped.clone() },
                Limits::for_slots(files::OPS_SLOTS),
            )),
        ];
        let mut tasks = vec![
            tokio::spawn(write_used_secrets(Arc::clone(&app))),
            tokio::spawn(read_clients_in_use(Arc::clone(&app))),
            tokio::spawn(cleanup::run(Arc::clone(&app))),
            tokio::spawn(client_blocks::run(Arc::clone(&app))),
            tokio::spawn(logout_notices::run(Arc::clone(&app))),
            tokio::spawn(events::run(Arc::clone(&app))),
            tokio::spawn(webhooks::run(Arc::clone(&app))),
        ];
        tasks.extend(tls.map(|(certificates, watched)| tokio::spawn(certificates.keep_current(watched))));
        let figures = tokio::spawn(keep_figures(Arc::clone(&app), stopped));
        Ok(Self { app, address, ops_address, health, stop, connections, tasks, figures, traces, follower, lock })
    }

    /// Stops gracefully. Readiness fails at once; connections are still served during the drain delay; then the
    /// listeners close and requests in flight finish.
    pub async fn stop(mut self) {
        self.health.stop();
        // The load balancer must notice first: what it sends to a closed port is lost.
        tokio::time::sleep(self.app.settings.drain_delay).await;
        // They would never end by themselves.
        self.app.event_streams.close();
        self.app.console_streams.close();
        self.stop.send_replace(true);
        for connections in self.connections {
            // A task that panicked has nothing left to finish.
            let _ = connections.await;
        }
        for task in self.tasks {
            task.abort();
        }
        if let Some(traces) = self.traces {
            traces.stop().await;
        }
        // It has ended by now, or writes. Cut off before it knows that it wrote, it would have the same counted twice.
        let _ = tokio::time::timeout(END_FIGURES, &mut self.figures).await;
        self.figures.abort();
        drop(self.follower);
        self.app.leave().await;
        drop(self.lock);
    }
}

async fn bind(setting: &str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| {
        StartError(format!("{setting}: cannot listen on {address}: {error}; is another program using this port?"))
    })
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|error| StartError(error.to_string()))
}

async fn keep_figures(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    // What is counted from the stop on is written when the server leaves.
    while tokio::time::timeout(BETWEEN_MARKS, stopped.wait_for(|is_stopped| *is_stopped)).await.is_err() {
        app.mark_figures();
        app.write_figures().await;
        app.tell_figures().await;
    }
}

async fn write_used_secrets(app: Arc<App>) {
    loop {
        tokio::time::sleep(WRITE_USED_SECRETS).await;
        app.write_used_secrets().await;
    }
}

/// Reads what all clients use, before somebody asks who would wait for it.
async fn read_clients_in_use(app: Arc<App>) {
    while app.state.clients_in_use().await.is_err() {
        // Each attempt goes on where the one before ended.
        tokio::time::sleep(READ_CLIENTS_AGAIN).await;
    }
}
