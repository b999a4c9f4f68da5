//! `jeton doctor`.

use std::path::Path;

use zeroize::Zeroizing;

use crate::admin::findings::{self, Check, Finding};
use crate::app::{App, master_keys};
use crate::cli::context::{connect, resolve, settings};
use crate::cli::{Failed, Global, Outcome, health, output};
use crate::clock::Clock;
use crate::keys::keyring::KeyRing;
use crate::protocol::client::{Client, GrantType};
use crate::serve::{check_schema, examine_certificate};
use crate::settings::{MasterKeySource, Needs, Settings};
use crate::store::{Page, Store};

pub(super) async fn run(global: &Global) -> Outcome {
    let resolved = resolve(global, Default::default());
    let mut checks = Vec::new();
    let mut note = |check: &'static str, finding: Finding| {
        let ok = finding.is_ok();
        checks.push(Check::new(check, finding));
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

async fn examine(settings: Settings, note: &mut impl FnMut(&'static str, Finding) -> bool) {
    note("permissions", permissions(&settings));
    note("proxies", proxies(&settings).await);
    note("calling out", Ok(findings::calling_out(&settings)));
    note("unregistered clients", Ok(findings::unregistered_clients(&settings)));
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
            Ok(_) => Ok(findings::wrapped_keys(&records, &masters)),
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
