//! Runs a server: listeners, background tasks, graceful stop.

mod accepted;
mod cleanup;
mod connection;
mod files;
mod http1;
mod http2;
mod listener;
mod lock;
mod slots;
#[cfg(test)]
mod tests;
mod tls;
mod unread_body;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::admin::Actor;
use crate::app::{App, StartError};
use crate::clock::Clock;
use crate::http::{self, Health};
use crate::settings::Settings;
use crate::state::Follower;
use crate::store::{Audited, Location, SchemaReport, Store};
use accepted::Served;
use listener::Limits;
use lock::ServerLock;
use tls::Certificates;
pub use tls::examine as examine_certificate;

/// The longest that a server tries to reach its database at start.
const REACH_DATABASE: Duration = Duration::from_secs(30);
/// The time between two writes of what was only noted.
const WRITE_NOTES: Duration = Duration::from_secs(10);

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    /// What every flow works with.
    pub app: Arc<App>,
    /// Where the public and admin API listens.
    pub address: SocketAddr,
    /// Where metrics and health listen.
    pub ops_address: SocketAddr,
    health: Health,
    stop: watch::Sender<bool>,
    connections: Vec<JoinHandle<()>>,
    tasks: Vec<JoinHandle<()>>,
    feed: Follower,
    lock: Option<ServerLock>,
}

impl Server {
    /// Starts a server.
    ///
    /// # Errors
    /// One sentence that says what is in the way and what to do.
    pub async fn start(mut settings: Settings, clock: Clock) -> Result<Self, StartError> {
        let tls = settings.tls.as_ref().map(Certificates::open).transpose()?;
        let config = tls.as_ref().map(|(certificates, _)| certificates.config()).transpose()?;
        // Listen first: a port that is taken is found before anything is written.
        let listener = bind("JETON_LISTEN", settings.listen).await?;
        let ops_listener = bind("JETON_OPS_LISTEN", settings.ops_listen).await?;
        let address = local_address(&listener)?;
        let ops_address = local_address(&ops_listener)?;
        settings.listens_on(address);
        let lock = settings.database.file().map(ServerLock::take).transpose()?;
        let settings = Arc::new(settings);
        let store = prepare_store(&settings).await?;
        let app = Arc::new(App::new(settings, clock, store));
        prepare_demo(&app).await?;
        if app.settings.issuer_follows_listen {
            app.store.set_dev_issuer(app.issuer.url()).await?;
        }
        app.load().await?;
        app.check_default_client().await?;
        let feed = app.follow_log().await?;
        let health = Health::new(Arc::clone(&app));
        let (stop, stopped) = watch::channel(false);
        let router = http::router(Arc::clone(&app));
        let connections = vec![
            tokio::spawn(listener::serve(
                listener,
                Served { router, tls: config, http2: true, stopped: stopped.clone() },
                Limits::for_slots(files::slots()),
            )),
            // For operators: HTTP/1.1 in clear, whatever the public listener speaks.
            tokio::spawn(listener::serve(
                ops_listener,
                Served { router: http::ops_router(health.clone()), tls: None, http2: false, stopped },
                Limits::for_slots(files::OPS_SLOTS),
            )),
        ];
        let mut tasks =
            vec![tokio::spawn(write_notes(Arc::clone(&app))), tokio::spawn(cleanup::keep_up(Arc::clone(&app)))];
        tasks.extend(tls.map(|(certificates, watched)| tokio::spawn(certificates.keep_current(watched))));
        Ok(Self { app, address, ops_address, health, stop, connections, tasks, feed, lock })
    }

    /// Stops gracefully: not ready from now on; connections are still served for as long as the drain delay, then the
    /// listeners are closed, requests in flight are finished, and what was noted is written.
    pub async fn stop(self) {
        self.health.stop();
        // Whoever distributes requests must notice first: what it sends to a closed port is lost.
        tokio::time::sleep(self.app.settings.drain_delay).await;
        self.stop.send_replace(true);
        for connections in self.connections {
            // A task that panicked has nothing left to finish.
            let _ = connections.await;
        }
        for task in self.tasks {
            task.abort();
        }
        drop(self.feed);
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

/// Connects to the database, waiting for one that is still starting.
///
/// # Errors
/// When it cannot be reached in time.
pub async fn reach_database(location: &Location) -> Result<Store, StartError> {
    let begun = Instant::now();
    loop {
        match Store::connect(location).await {
            Ok(store) => return Ok(store),
            Err(error) if location.file().is_some() || begun.elapsed() > REACH_DATABASE => {
                return Err(StartError(format!("JETON_DATABASE_URL: {location}: {error}")));
            }
            Err(error) => {
                let seconds = begun.elapsed().as_secs();
                tracing::warn!(%error, "waiting for {location}, {seconds} s of {}", REACH_DATABASE.as_secs());
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn prepare_store(settings: &Settings) -> Result<Store, StartError> {
    let store = reach_database(&settings.database).await?;
    let report = if settings.migrate { store.migrate().await? } else { store.schema().await? };
    check_schema(&report)?;
    if !report.newly_applied.is_empty() {
        tracing::info!(migrations = ?report.newly_applied, "schema migrations applied");
    }
    if report.applied > report.known {
        tracing::warn!(
            schema = report.applied,
            known = report.known,
            "the schema is newer than this program, which can work on it"
        );
    }
    Ok(store)
}

/// Whether this program can work on a schema.
///
/// # Errors
/// When the schema is too old or too new for it.
pub fn check_schema(report: &SchemaReport) -> Result<(), StartError> {
    if let Some(reason) = &report.foreign {
        return Err(StartError(reason.clone()));
    }
    if report.is_too_new() {
        let needed = report.oldest_program.clone().unwrap_or_default();
        let own = env!("CARGO_PKG_VERSION");
        return Err(StartError(format!(
            "the database needs Jeton {needed} or newer, and this is {own}: install the newer version"
        )));
    }
    if report.applied < report.known {
        return Err(StartError(
            "the database lacks schema migrations: run `jeton migrate`, or start the server with JETON_MIGRATE=on"
                .into(),
        ));
    }
    Ok(())
}

/// With `--dev`, makes the demo set; without, refuses well-known credentials.
async fn prepare_demo(app: &App) -> Result<(), StartError> {
    let failed = |error: crate::admin::AdminError| StartError(error.to_string());
    if app.settings.dev {
        let audited = Audited { actor: "server".into(), request_id: None, address: None, at: app.clock.now() };
        return app.demo_create(&Actor { audited, is_admin: true }).await.map_err(failed);
    }
    let mut found = app.demo_credentials().await.map_err(failed)?;
    if app.store.has_dev_mark().await? {
        found.insert(0, "the mark of a database for development".into());
    }
    if found.is_empty() {
        return Ok(());
    }
    Err(StartError(format!(
        "{} holds {}: start with --dev, or remove them with `jeton demo remove`",
        app.settings.database,
        found.join(", ")
    )))
}

async fn write_notes(app: Arc<App>) {
    loop {
        tokio::time::sleep(WRITE_NOTES).await;
        app.write_notes().await;
    }
}
