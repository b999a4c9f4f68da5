//! `jeton doctor`.

use std::path::Path;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::app::{App, master_keys};
use crate::cli::context::{connect, resolve, settings};
use crate::cli::{Failed, Global, Outcome, health, output};
use crate::clock::{Clock, LARGEST_OFFSET, offset_in_words};
use crate::keys::keyring::KeyRing;
use crate::protocol::client::{Client, GrantType};
use crate::serve::{check_schema, examine_certificate};
use crate::settings::{MasterKeySource, Needs, Settings};
use crate::store::{Page, Store};

#[derive(Serialize)]
struct Check {
    check: &'static str,
    ok: bool,
    finding: String,
}

pub(super) async fn run(global: &Global) -> Outcome {
    let resolved = resolve(global, Default::default());
    let mut checks = Vec::new();
    let mut note = |check: &'static str, finding: Result<String, String>| {
        let ok = finding.is_ok();
        checks.push(Check { check, ok, finding: finding.unwrap_or_else(|problem| problem) });
        ok
    };
    match settings(&resolved, Needs::ALL) {
        Err(Failed(problem)) => {
            note("configuration", Err(problem));
        }
        Ok(settings) => {
            note("configuration", Ok("every setting is valid".into()));
            note("issuer", Ok(settings.issuer.url.clone()));
            examine(settings, &mut note).await;
        }
    }
    output::items(global.output, &checks, &["check", "ok", "finding"])?;
    match checks.iter().filter(|check| !check.ok).count() {
        0 => Ok(()),
        count => Err(Failed(format!("{count} of {} checks failed", checks.len()))),
    }
}

async fn examine(settings: Settings, note: &mut impl FnMut(&'static str, Result<String, String>) -> bool) {
    note("permissions", permissions(&settings));
    note("proxies", proxies(&settings).await);
    note("calling out", Ok(calling_out(&settings)));
    if let Some(files) = &settings.tls {
        let issuer = url::Url::parse(&settings.issuer.url).ok();
        let host = issuer.as_ref().and_then(url::Url::host_str);
        note("certificate", examine_certificate(files, host, Clock::system().now()));
    }
    let missing = settings.database.file().filter(|file| !file.exists());
    let connected = match missing {
        Some(file) => Err(Failed(format!("there is no file {}", file.display()))),
        None => connect(&settings).await,
    };
    let store = match connected {
        Ok(store) => store,
        Err(Failed(problem)) => {
            note("database", Err(problem));
            return;
        }
    };
    note("database", Ok(settings.database.to_string()));
    let schema = match store.schema().await {
        Ok(report) => {
            check_schema(&report).map(|()| format!("at {}", report.applied)).map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    };
    if !note("schema", schema) {
        return;
    }
    note("clock", clock(&store).await);
    // Unlike a server, `doctor` creates no key.
    let read_file = |path: &Path| std::fs::read_to_string(path).map(Zeroizing::new);
    let keys = match (master_keys::configured(&settings.master_keys, read_file), store.key_list().await) {
        (Ok(masters), Ok(records)) => match KeyRing::open(&records, &masters) {
            Ok(_) => {
                let by_old = records.iter().filter(|record| !record.is_wrapped_by(&masters.current)).count();
                Ok(match (by_old, &masters.old) {
                    (0, None) => format!("{} keys, all readable", records.len()),
                    (0, Some(_)) => "all keys are under JETON_MASTER_KEY: JETON_MASTER_KEY_OLD can be removed".into(),
                    _ => format!("{by_old} keys are under JETON_MASTER_KEY_OLD: run `jeton key rewrap` next"),
                })
            }
            Err(kid) => Err(format!("JETON_MASTER_KEY is not the one that wraps the key {kid} of this database")),
        },
        (Err(problem), _) => Err(problem),
        (_, Err(error)) => Err(error.to_string()),
    };
    note("keys", keys);
    note("PKCE", pkce(&store).await);
    let is_dev = settings.dev;
    let app = App::new(settings.into(), Clock::system(), store);
    let demo = match app.demo_credentials().await {
        Ok(found) if found.is_empty() => Ok("none".into()),
        Ok(_) if is_dev => Ok("allowed in development".into()),
        Ok(found) => Err(format!("{}: remove them with `jeton demo remove`", found.join(", "))),
        Err(error) => Err(error.to_string()),
    };
    note("demo credentials", demo);
}

/// The clients that may send authorization requests without PKCE.
async fn pkce(store: &Store) -> Result<String, String> {
    let (mut without, mut after) = (Vec::new(), None);
    loop {
        let page = Page { after, limit: 1000 };
        let clients = store.client_list(None, &page).await.map_err(|error| error.to_string())?;
        let Some(last) = clients.last().map(|client| client.client_id.clone()) else { break };
        let may_omit = |client: &Client| client.may_use(GrantType::AuthorizationCode) && !client.settings.require_pkce;
        without.extend(clients.into_iter().filter(may_omit).map(|client| client.client_id));
        after = Some(last);
    }
    Ok(match without.is_empty() {
        true => "required of all clients".into(),
        false => format!("not required of {}", without.join(", ")),
    })
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
        metrics.lines().find_map(|line| line.strip_prefix(&name)).filter(|count| *count != "0").map(str::to_owned)
    };
    match (ignored("private"), ignored("public")) {
        (Some(count), _) => Err(format!(
            "{count} requests had X-Forwarded-For from a peer in a private network that is not in JETON_TRUSTED_PROXIES: if it \
             is your proxy (the server's log has its address), all its users share one address; add it"
        )),
        (None, Some(count)) => Ok(format!(
            "{count} requests had X-Forwarded-For from a peer that is not in JETON_TRUSTED_PROXIES: it is forged, unless a \
             proxy at a public address is yours (the server's log has its address)"
        )),
        (None, None) => Ok("no forwarding header was ignored".into()),
    }
}

/// Which networks this server may call. The settings were checked.
fn calling_out(settings: &Settings) -> String {
    let networks: Vec<String> = settings.fetch.networks.iter().map(ToString::to_string).collect();
    match networks.is_empty() {
        true => "to port 443 of public addresses only".into(),
        false => format!("to port 443 of public addresses, and to {}", networks.join(", ")),
    }
}

async fn clock(store: &Store) -> Result<String, String> {
    let clock = Clock::system();
    let before = clock.read();
    match store.database_clock().await {
        Ok(Some(millis)) => {
            clock.measured(before, millis);
            let offset = clock.offset_millis();
            let text = format!("{} the database", offset_in_words(offset));
            if offset.abs() > LARGEST_OFFSET {
                Err(format!("{text}: set the clock of this machine by NTP"))
            } else {
                Ok(text)
            }
        }
        Ok(None) => Ok("the database uses the clock of this machine".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// Checks that files with secrets are not open to everybody.
fn permissions(settings: &Settings) -> Result<String, String> {
    use std::os::unix::fs::PermissionsExt;
    let mut files = Vec::new();
    files.extend(settings.database.file().map(std::path::Path::to_path_buf));
    if let MasterKeySource::DevFile(path) = &settings.master_keys.current {
        files.push(path.clone());
    }
    files.extend(settings.tls.iter().map(|tls| tls.key.clone()));
    let mut open = Vec::new();
    for file in &files {
        let Ok(metadata) = std::fs::metadata(file) else { continue };
        if metadata.permissions().mode() & 0o007 != 0 {
            open.push(file.display().to_string());
        }
    }
    if open.is_empty() {
        Ok("no file that holds secrets is open to everybody".into())
    } else {
        Err(format!("open to everybody: {}; run chmod o= on them", open.join(", ")))
    }
}
