//! Checks that predict problems: `jeton doctor` and the console both tell what they find.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::Serialize;

use crate::admin::Result;
use crate::app::{App, Failure};
use crate::certificates::own;
use crate::clock::{LARGEST_OFFSET, offset_in_words};
use crate::keys::keyring::KeyRing;
use crate::keys::lifecycle::KeyState;
use crate::keys::master::MasterKeys;
use crate::keys::record::KeyRecord;
use crate::protocol::time::Timestamp;
use crate::settings::{MasterKeySource, Registration, RequireSecondFactor, Settings};

/// What a check found.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What was checked.
    pub check: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was found.
    pub finding: String,
}

/// The check of the other nodes.
pub const NODES: &str = "nodes";
/// The most clients that a finding names.
const MOST_CLIENTS: usize = 10;

/// What was found: as it should be, or not.
pub type Finding = std::result::Result<String, String>;

impl Check {
    /// A check with its outcome.
    pub fn new(check: &'static str, finding: Finding) -> Self {
        Self { check, ok: finding.is_ok(), finding: finding.unwrap_or_else(|problem| problem) }
    }
}

/// Whether the clock of this machine fits that of the database, from which it is off by so many milliseconds.
pub fn clock(offset: i64) -> Finding {
    let text = format!("{} the database", offset_in_words(offset));
    if offset.abs() > LARGEST_OFFSET { Err(format!("{text}: set the clock of this machine by NTP")) } else { Ok(text) }
}

/// Whether a proxy in front of the server is missing from the trusted ones: by how many requests had forwarding headers of a peer in a
/// private network, and in a public one, that were ignored.
pub fn proxies(private: u64, public: u64) -> Finding {
    match (private, public) {
        (0, 0) => Ok("no forwarding header was ignored".into()),
        (0, count) => Ok(format!(
            "{count} requests had X-Forwarded-For from a peer that is not in JETON_TRUSTED_PROXIES: it is forged, unless a \
             proxy at a public address is yours (the server's log has its address)"
        )),
        (count, _) => Err(format!(
            "{count} requests had X-Forwarded-For from a peer in a private network that is not in JETON_TRUSTED_PROXIES: if it \
             is your proxy (the server's log has its address), all its users share one address; add it"
        )),
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

/// Which clients there may be that nobody registered by hand.
fn unregistered_clients(settings: &Settings) -> String {
    let registration = match settings.registration {
        Registration::Off => None,
        Registration::WithToken(_) => Some("those that register themselves with the initial access token"),
        Registration::Open => Some("those that register themselves"),
    };
    let documents = settings.cimd.then_some("those with a metadata document anywhere");
    let allowed: Vec<&str> = registration.into_iter().chain(documents).collect();
    if allowed.is_empty() { "none".into() } else { allowed.join(", and ") }
}

/// What the settings, and the files that they name, tell by themselves.
pub fn of_settings(settings: &Settings, now: Timestamp) -> Vec<Check> {
    let mut checks = vec![
        Check::new("permissions", permissions(settings)),
        Check::new("calling out", Ok(calling_out(settings))),
        Check::new("unregistered clients", Ok(unregistered_clients(settings))),
    ];
    if let Some(files) = &settings.tls {
        let issuer = url::Url::parse(&settings.issuer.url).ok();
        let host = issuer.as_ref().and_then(url::Url::host_str);
        checks.push(Check::new("certificate", own::examine(files, host, now)));
    }
    checks
}

/// Whether files with secrets are open to everybody.
fn permissions(settings: &Settings) -> Finding {
    let mut files = Vec::new();
    files.extend(settings.database.file().map(Path::to_path_buf));
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

/// Whether the keys can be read, and under which master key they are.
fn keys(records: &[KeyRecord], masters: &MasterKeys) -> Finding {
    if let Err(kid) = KeyRing::open(records, masters) {
        return Err(format!("JETON_MASTER_KEY is not the one that wraps the key {kid} of this database"));
    }
    let by_old = records.iter().filter(|record| !record.is_wrapped_by(&masters.current)).count();
    Ok(match (by_old, &masters.old) {
        (0, None) => format!("{} keys, all readable", records.len()),
        (0, Some(_)) => "all keys are under JETON_MASTER_KEY: JETON_MASTER_KEY_OLD can be removed".into(),
        _ => format!("{by_old} keys are under JETON_MASTER_KEY_OLD: run `jeton key rewrap` next"),
    })
}

/// Which clients may send authorization requests without PKCE.
fn pkce(without: &BTreeSet<String>) -> String {
    let named: Vec<&str> = without.iter().take(MOST_CLIENTS).map(String::as_str).collect();
    match without.len().saturating_sub(named.len()) {
        _ if named.is_empty() => "required of all clients".into(),
        0 => format!("not required of {}", named.join(", ")),
        more => format!("not required of {}, and of {more} more clients", named.join(", ")),
    }
}

impl App {
    /// What a running server finds, as far as it costs little, however many clients and users there are.
    pub async fn findings(&self) -> Result<Vec<Check>> {
        let [private, public] = self.metrics.forwarding_ignored_so_far();
        let mut checks = vec![
            Check::new("memory", self.state.why_stale().map_or_else(|| Ok("follows the change log".into()), Err)),
            Check::new("clock", clock(self.clock.offset_millis())),
            Check::new("proxies", proxies(private, public)),
        ];
        checks.extend(of_settings(&self.settings, self.clock.now()));
        let masters = self.state.master_keys().ok_or("this node has not loaded its keys yet".to_owned());
        let in_use = self.state.clients_in_use().await.map_err(Failure::from)?;
        let without_pkce = in_use.iter().flat_map(|in_use| &in_use.without_pkce).cloned().collect();
        checks.extend(self.findings_of_database(masters.as_deref(), &without_pkce).await?);
        let is_marked = !self.settings.dev && self.store.has_dev_mark().await?;
        let demo = match is_marked {
            true => {
                Err("this database was made for development: remove its well-known secrets with `jeton demo remove`"
                    .into())
            }
            false if self.settings.dev => Ok("allowed in development".into()),
            false => Ok("none".into()),
        };
        checks.push(Check::new("demo credentials", demo));
        Ok(checks)
    }

    /// What the database tells: with the master keys, or why there are none, and the clients that may do without PKCE.
    pub async fn findings_of_database(
        &self,
        masters: std::result::Result<&MasterKeys, &String>,
        without_pkce: &BTreeSet<String>,
    ) -> Result<Vec<Check>> {
        let records = self.store.key_list().await?;
        let mut checks = vec![Check::new("keys", masters.map_err(String::clone).and_then(|it| keys(&records, it)))];
        let announced = self.key_list().await?.into_iter().filter(|key| key.state == KeyState::Announced);
        if let Some(next) = announced.map(|key| key.activates_at).min() {
            checks.push(Check::new("key rotation", Ok(format!("the next key becomes active at {next}"))));
        }
        checks.push(Check::new(NODES, self.check_nodes().await?));
        checks.push(Check::new("second factors", self.check_second_factors().await?));
        checks.push(Check::new("PKCE", Ok(pkce(without_pkce))));
        Ok(checks)
    }

    async fn check_nodes(&self) -> Result<Finding> {
        let nodes = self.node_list().await?;
        let (live, silent): (Vec<_>, Vec<_>) = nodes.into_iter().partition(|node| node.is_live);
        let mut versions: Vec<&str> = live.iter().map(|node| node.version.as_str()).collect();
        versions.sort_unstable();
        versions.dedup();
        Ok(if !silent.is_empty() {
            let names: Vec<&str> = silent.iter().map(|node| node.name.as_str()).collect();
            Err(format!("not heard from lately: {}", names.join("; ")))
        } else if versions.len() > 1 {
            Err(format!("they run different versions: {}", versions.join(", ")))
        } else {
            Ok(format!("{} live", live.len()))
        })
    }

    async fn check_second_factors(&self) -> Result<Finding> {
        let is_off = self.settings.require_second_factor == RequireSecondFactor::Off && !self.settings.dev;
        Ok(if is_off && self.store.has_roles().await? {
            Err("people with a role need no second factor: set JETON_REQUIRE_SECOND_FACTOR to roles".into())
        } else {
            Ok("as the settings say".into())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_and_a_proxy_that_is_not_trusted_are_problems() {
        assert!(clock(LARGEST_OFFSET).is_ok() && clock(-LARGEST_OFFSET - 1).is_err());
        assert!(proxies(0, 0).is_ok() && proxies(0, 3).is_ok() && proxies(1, 3).is_err());
    }

    #[test]
    fn of_many_clients_without_pkce_some_are_named() {
        let clients = |count: usize| (0..count).map(|number| format!("c{number}")).collect();
        assert_eq!(pkce(&clients(0)), "required of all clients");
        assert_eq!(pkce(&clients(2)), "not required of c0, c1");
        assert!(pkce(&clients(12)).ends_with("c7, and of 2 more clients"), "{}", pkce(&clients(12)));
    }
}
