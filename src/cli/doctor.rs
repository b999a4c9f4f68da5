//! `jeton doctor`.

use std::path::Path;

use zeroize::Zeroizing;

use crate::admin::AdminError;
use crate::admin::findings::{self, Check, NODES};
use crate::app::{App, master_keys};
use crate::cli::context::{connect, resolve, settings};
use crate::cli::{Failed, Global, Outcome, health, output};
use crate::clock::Clock;
use crate::keys::master::MasterKeys;
use crate::serve::check_schema;
use crate::settings::{Needs, Settings};
use crate::store::Store;

pub(super) async fn run(global: &Global) -> Outcome {
    let resolved = resolve(global, Default::default());
    let mut checks = Vec::new();
    let mut note = |check: Check| {
        let ok = check.ok;
        checks.push(check);
        ok
    };
    match settings(&resolved, Needs::ALL) {
        Err(Failed(problem)) => {
            note(Check::new("configuration", Err(problem)));
        }
        Ok(settings) => {
            note(Check::new("configuration", Ok("every setting is valid".into())));
            note(Check::new("issuer", Ok(settings.issuer.url.clone())));
            examine(settings, &mut note).await;
        }
    }
    output::items(global.output, &checks, &["check", "ok", "finding"])?;
    match checks.iter().filter(|check| !check.ok).count() {
        0 => Ok(()),
        count => Err(Failed(format!("{count} of {} checks failed", checks.len()))),
    }
}

async fn examine(settings: Settings, note: &mut impl FnMut(Check) -> bool) {
    note(Check::new("proxies", proxies(&settings).await));
    for check in findings::of_settings(&settings, Clock::system().now()) {
        note(check);
    }
    let missing = settings.database.file().filter(|file| !file.exists());
    let connected = match missing {
        Some(file) => Err(Failed(format!("there is no file {}", file.display()))),
        None => connect(&settings).await,
    };
    let store = match connected {
        Ok(store) => store,
        Err(Failed(problem)) => {
            note(Check::new("database", Err(problem)));
            return;
        }
    };
    note(Check::new("database", Ok(settings.database.to_string())));
    let schema = match store.schema().await {
        Ok(report) => {
            check_schema(&report).map(|()| format!("at {}", report.applied)).map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    };
    if !note(Check::new("schema", schema)) {
        return;
    }
    note(Check::new("clock", clock(&store).await));
    // Unlike a server, `doctor` creates no key.
    let read_file = |path: &Path| std::fs::read_to_string(path).map(Zeroizing::new);
    let masters = master_keys::configured(&settings.master_keys, read_file);
    let is_dev = settings.dev;
    let app = App::new(settings.into(), Clock::system(), store);
    match of_database(&app, masters.as_ref()).await {
        Ok(checks) => {
            for check in checks {
                note(check);
            }
        }
        Err(error) => {
            note(Check::new("records", Err(error.to_string())));
        }
    }
    let demo = match app.demo_credentials().await {
        Ok(found) if found.is_empty() => Ok("none".into()),
        Ok(_) if is_dev => Ok("allowed in development".into()),
        Ok(found) => Err(format!("{}: remove them with `jeton demo remove`", found.join(", "))),
        Err(error) => Err(error.to_string()),
    };
    note(Check::new("demo credentials", demo));
}

async fn of_database(app: &App, masters: Result<&MasterKeys, &String>) -> Result<Vec<Check>, AdminError> {
    let in_use = app.store.clients_in_use().await?;
    let mut checks = app.findings_of_database(masters, &in_use.without_pkce).await?;
    // A node that was restarted without coming to its end is on the list for another hour: no reason to fail.
    checks.iter_mut().filter(|check| check.check == NODES).for_each(|check| check.ok = true);
    Ok(checks)
}

/// Asks the running server whether a proxy in front of it is missing from the trusted ones.
async fn proxies(settings: &Settings) -> Result<String, String> {
    let metrics = match health::ask(settings, "/metrics").await {
        Ok((true, metrics)) => metrics,
        Ok((false, _)) => return Ok("not known: what answers for operators is not Jeton".into()),
        Err(Failed(reason)) => return Ok(format!("not known: {reason}")),
    };
    let ignored = |peer: &str| {
        let name = format!("jeton_forwarding_ignored_total{{peer=\"{peer}\"}} ");
        let count = metrics.lines().find_map(|line| line.strip_prefix(&name));
        count.and_then(|count| count.parse().ok()).unwrap_or(0)
    };
    findings::proxies(ignored("private"), ignored("public"))
}

async fn clock(store: &Store) -> Result<String, String> {
    let clock = Clock::system();
    let before = clock.read();
    match store.database_clock().await {
        Ok(Some(millis)) => {
            clock.measured(before, millis);
            findings::clock(clock.offset_millis())
        }
        Ok(None) => Ok("the database uses the clock of this machine".into()),
        Err(error) => Err(error.to_string()),
    }
}
