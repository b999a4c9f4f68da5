//! Prepares the database for a server: connects, migrates, checks for demo credentials.

use std::time::{Duration, Instant};

use crate::admin::{Actor, AdminError};
use crate::app::{App, StartError};
use crate::protocol::feature;
use crate::settings::Settings;
use crate::store::{Location, SchemaReport, Store};

/// How long a server tries to reach its database at start.
const REACH_DATABASE: Duration = Duration::from_secs(30);

/// Connects to the database, and waits for one that is still starting.
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

pub(super) async fn prepare_store(settings: &Settings) -> Result<Store, StartError> {
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
            "the schema is newer than this program but still compatible"
        );
    }
    Ok(store)
}

/// Checks that this program can work on a schema: that it is neither too old nor too new for it.
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
    if report.feature_level > feature::LEVEL {
        let own = env!("CARGO_PKG_VERSION");
        return Err(StartError(format!(
            "clients in the database use features that this version of Jeton, {own}, does not know: install the version \
             of the nodes that know them"
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

/// With `--dev`, creates the demo set; without, refuses well-known credentials.
pub(super) async fn prepare_demo(app: &App) -> Result<(), StartError> {
    let failed = |error: AdminError| StartError(error.to_string());
    if app.settings.dev {
        return app.demo_create(&Actor::on_the_database("server")).await.map_err(failed);
    }
    let mut found = app.demo_credentials().await.map_err(failed)?;
    if app.store.has_dev_mark().await? {
        found.insert(0, "the mark of a development database".into());
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
