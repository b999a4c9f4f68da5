//! What commands work with: the settings, the database, and the person at the keyboard.

use std::collections::BTreeMap;
use std::sync::Arc;

use zeroize::Zeroize;

use crate::admin::Actor;
use crate::app::App;
use crate::cli::{Failed, Global};
use crate::clock::Clock;
use crate::serve::check_schema;
use crate::settings::{Needs, Resolved, Settings, Sources};
use crate::store::Store;

/// Reads flags, environment and file.
pub(super) fn resolve(global: &Global, flags: BTreeMap<&'static str, String>) -> Resolved {
    let mut sources = Sources {
        dev: global.dev,
        flags,
        // Settings are Unicode, so other variables are skipped.
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        config: global.config.clone(),
    };
    if let Some(url) = &global.database_url {
        sources.flags.insert("database_url", url.clone());
    }
    let resolved = Resolved::read(&sources);
    // Any of them may be a secret.
    sources.environment.values_mut().for_each(Zeroize::zeroize);
    resolved
}

/// Checks the settings.
pub(super) fn settings(resolved: &Resolved, needs: Needs) -> Result<Settings, Failed> {
    Settings::check(resolved, needs).map_err(|problems| {
        let lines: String = problems.iter().map(|problem| format!("\n  {problem}")).collect();
        let plural = if problems.len() == 1 { "" } else { "s" };
        Failed(format!("{} problem{plural} in the configuration:{lines}", problems.len()))
    })
}

/// Opens the database for a command.
pub(super) async fn open(global: &Global, needs: Needs) -> Result<App, Failed> {
    let mut settings = settings(&resolve(global, Default::default()), needs)?;
    if let Some(file) = settings.database.file()
        && !file.exists()
    {
        let file = file.display();
        return Err(Failed(if global.dev {
            format!("there is no database {file}: `jeton serve --dev` creates one")
        } else {
            format!("there is no database {file}: `jeton migrate` creates one, or set JETON_DATABASE_URL")
        }));
    }
    let store = connect(&settings).await?;
    check_schema(&store.schema().await?)?;
    if settings.issuer_follows_listen
        && let Some(issuer) = store.dev_issuer().await?
    {
        settings.issuer.url = issuer;
    }
    let clock = Clock::system();
    let before = clock.read();
    if let Some(millis) = store.database_clock().await? {
        clock.measured(before, millis);
    }
    Ok(App::new(Arc::new(settings), clock, store))
}

/// Connects to the database.
pub(super) async fn connect(settings: &Settings) -> Result<Store, Failed> {
    let location = &settings.database;
    Store::connect(location).await.map_err(|error| Failed(format!("JETON_DATABASE_URL: {location}: {error}")))
}

/// The actor of a command: anyone who can reach the database is an administrator.
pub(super) fn actor() -> Actor {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "unknown".into());
    Actor::on_the_database(format!("command line, user {user}"))
}
