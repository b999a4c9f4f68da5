//! `jeton migrate`, `config`, `doctor` and `health`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::json;
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use crate::app::App;
use crate::cli::context::{connect, resolve, settings};
use crate::cli::{Failed, Global, Outcome, output};
use crate::clock::{Clock, LARGEST_OFFSET, offset_in_words};
use crate::issuer::Issuer;
use crate::keys::keyring::KeyRing;
use crate::keys::master::{MasterKey, MasterKeys};
use crate::serve::{check_schema, examine_certificate, reach_database};
use crate::settings::{MasterKeySource, Needs, Settings, TABLE};

/// How long `jeton health` waits for an answer.
const HEALTH_LIMIT: Duration = Duration::from_secs(3);

pub(crate) async fn migrate(global: &Global) -> Outcome {
    let settings = settings(&resolve(global, &[]), Needs::NOTHING)?;
    let store = reach_database(&settings.database).await?;
    let report = store.migrate().await?;
    check_schema(&report)?;
    let text = match report.newly_applied.as_slice() {
        [] => "the schema is up to date".to_owned(),
        applied => format!("applied: {}", applied.join(", ")),
    };
    output::done(global.output, &text)
}

#[derive(Serialize)]
struct Shown {
    name: String,
    value: String,
    source: String,
    help: &'static str,
}

pub(crate) fn config(global: &Global) -> Outcome {
    let resolved = resolve(global, &[]);
    let checked = settings(&resolved, Needs::ALL);
    let shown: Vec<Shown> = TABLE
        .iter()
        .map(|definition| {
            let value = resolved.values.get(definition.name);
            let text = value.map_or("", |value| value.text.as_str());
            let value_shown = match (definition.name, &checked) {
                ("database_url", Ok(settings)) => settings.database.to_string(),
                ("issuer", Ok(settings)) => settings.issuer.url.clone(),
                ("default_audience", Ok(settings)) => {
                    Issuer::new(settings.issuer.clone()).audiences().default.to_owned()
                }
                ("password_threads", Ok(settings)) => settings.password_threads.to_string(),
                ("master_key", Ok(settings)) => match &settings.master_key {
                    MasterKeySource::DevFile(path) => format!("(file {})", path.display()),
                    _ => "(hidden)".to_owned(),
                },
                // Somebody may have set a key where its path belongs.
                _ if (definition.secret || text.contains("-----BEGIN")) && !text.is_empty() => "(hidden)".to_owned(),
                _ => text.to_owned(),
            };
            let source = value.map_or_else(String::new, |value| value.source.to_string());
            Shown { name: definition.variable(), value: value_shown, source, help: definition.help }
        })
        .collect();
    output::items(global.output, &shown, &["name", "value", "source"])?;
    for warning in &resolved.warnings {
        output::failure(global.output, warning);
    }
    checked.map(drop)
}

#[derive(Serialize)]
struct Check {
    check: &'static str,
    ok: bool,
    finding: String,
}

pub(crate) async fn doctor(global: &Global) -> Outcome {
    let resolved = resolve(global, &[]);
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
            note("configuration", Ok("every setting is legal".into()));
            note("issuer", Ok(settings.issuer.url.clone()));
            examine(settings, &mut note).await;
        }
    }
    output::items(global.output, &checks, &["check", "ok", "finding"])?;
    match checks.iter().filter(|check| !check.ok).count() {
        0 => Ok(()),
        count => Err(Failed(format!("{count} of {} checks found trouble", checks.len()))),
    }
}

async fn examine(settings: Settings, note: &mut impl FnMut(&'static str, Result<String, String>) -> bool) {
    note("permissions", permissions(&settings));
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
    let keys = match (master_key(&settings), store.key_list().await) {
        (Ok(masters), Ok(records)) => match KeyRing::open(&records, &masters) {
            Ok(_) => {
                let by_old = records.iter().filter(|record| !record.is_wrapped_by(&masters.current)).count();
                Ok(match (by_old, &masters.old) {
                    (0, None) => format!("{} keys, all readable", records.len()),
                    (0, Some(_)) => {
                        "all keys are under JETON_MASTER_KEY: JETON_MASTER_KEY_OLD can be taken away".into()
                    }
                    _ => format!("{by_old} keys are under JETON_MASTER_KEY_OLD: `jeton key rewrap` comes next"),
                })
            }
            Err(kid) => Err(format!("JETON_MASTER_KEY is not the one that wraps the key {kid} of this database")),
        },
        (Err(problem), _) => Err(problem),
        (_, Err(error)) => Err(error.to_string()),
    };
    note("keys", keys);
    let is_dev = settings.dev;
    let app = App::new(settings.into(), Clock::system(), store);
    let demo = match app.demo_credentials().await {
        Ok(found) if found.is_empty() || is_dev => Ok("none that a production server must not have".into()),
        Ok(found) => Err(format!("{}: remove them with `jeton demo remove`", found.join(", "))),
        Err(error) => Err(error.to_string()),
    };
    note("demo credentials", demo);
}

/// The master key as it is configured; nothing is made and nothing is kept.
fn master_key(settings: &Settings) -> Result<MasterKeys, String> {
    let text = match &settings.master_key {
        MasterKeySource::Given(text) => text.clone(),
        MasterKeySource::DevFile(path) => Zeroizing::new(
            std::fs::read_to_string(path).map_err(|error| format!("the file {}: {error}", path.display()))?,
        )
        .as_str()
        .into(),
        MasterKeySource::Missing => return Err("JETON_MASTER_KEY is not set".into()),
    };
    let parse = |name: &str, text: &SecretString| {
        MasterKey::parse(text.expose_secret()).map_err(|problem| format!("{name} {problem}"))
    };
    let current = parse("JETON_MASTER_KEY", &text)?;
    let old = settings.master_key_old.as_ref().map(|text| parse("JETON_MASTER_KEY_OLD", text)).transpose()?;
    Ok(MasterKeys { current, old })
}

async fn clock(store: &crate::store::Store) -> Result<String, String> {
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

/// Files that hold secrets are for their owner only.
fn permissions(settings: &Settings) -> Result<String, String> {
    use std::os::unix::fs::PermissionsExt;
    let mut files = Vec::new();
    files.extend(settings.database.file().map(std::path::Path::to_path_buf));
    if let MasterKeySource::DevFile(path) = &settings.master_key {
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
        Ok("no file with secrets is open to everybody".into())
    } else {
        Err(format!("open to everybody: {}; use chmod o= on them", open.join(", ")))
    }
}

pub(crate) async fn health(global: &Global) -> Outcome {
    let settings = settings(&resolve(global, &[]), Needs::NOTHING)?;
    let address = reachable(settings.ops_listen);
    let asked = tokio::time::timeout(HEALTH_LIMIT, ask(address)).await;
    let (ready, body) = match asked {
        Ok(Ok(answer)) => answer,
        Ok(Err(Failed(error))) => return Err(Failed(format!("no server answers at {address}: {error}"))),
        Err(_) => return Err(Failed(format!("the server at {address} did not answer in time"))),
    };
    if ready {
        output::item(global.output, &json!({"status": "ready"}))
    } else {
        Err(Failed(format!("the server at {address} is not ready: {body}")))
    }
}

/// An address to connect to, for one to listen on.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(address) if address.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(address) if address.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        address => address,
    };
    SocketAddr::new(ip, listen.port())
}

async fn ask(address: SocketAddr) -> Result<(bool, String), Failed> {
    let failed = |error: &dyn std::fmt::Display| Failed(error.to_string());
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    tokio::spawn(connection);
    let request = hyper::Request::get("/readyz")
        .header(hyper::header::HOST, address.to_string())
        .body(Empty::<bytes::Bytes>::new())
        .map_err(|error| failed(&error))?;
    let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
    let ready = response.status().is_success();
    let body = response.into_body().collect().await.map_err(|error| failed(&error))?.to_bytes();
    Ok((ready, String::from_utf8_lossy(&body).into_owned()))
}
