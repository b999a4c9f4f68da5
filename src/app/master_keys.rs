//! The configured master keys, and the first keys that they wrap.

use std::path::Path;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::app::{App, Failure, StartError};
use crate::issuer::Issuer;
use crate::keys::dev_key::read_or_create;
use crate::keys::keyring::ReadyDataKey;
use crate::keys::master::{MasterKey, MasterKeys};
use crate::keys::record::{KeyRecord, KeyUse};
use crate::settings::{MasterKeySettings, MasterKeySource};
use crate::store::{Added, Audited, Store};

/// The master key in the settings, and the old one if it is set; `read_file` reads the file of a development server.
pub(crate) fn configured(
    settings: &MasterKeySettings,
    read_file: impl FnOnce(&Path) -> std::io::Result<Zeroizing<String>>,
) -> Result<MasterKeys, String> {
    let text = match &settings.current {
        MasterKeySource::Given(text) => text.clone(),
        MasterKeySource::DevFile(path) => read_file(path)
            .map(|text| SecretString::from(text.as_str()))
            .map_err(|error| format!("the master key file {}: {error}", path.display()))?,
        MasterKeySource::Missing => {
            return Err(
                "JETON_MASTER_KEY is not set: `jeton key generate-master` prints one; keep it safe, it is needed at every \
                 start"
                    .into(),
            );
        }
    };
    let parse = |name: &str, text: &SecretString| {
        MasterKey::parse(text.expose_secret()).map_err(|problem| format!("{name} {problem}"))
    };
    let current = parse("JETON_MASTER_KEY", &text)?;
    let old = settings.old.as_ref().map(|text| parse("JETON_MASTER_KEY_OLD", text)).transpose()?;
    Ok(MasterKeys { current, old })
}

/// The configured master keys, once compared with the one that the database was written with.
pub(super) async fn open(settings: &MasterKeySettings, store: &Store) -> Result<MasterKeys, StartError> {
    let masters = configured(settings, read_or_create).map_err(StartError)?;
    let check_value = store.master_key_check(masters.current.check_value()).await?;
    if masters.of(&check_value).is_some() { Ok(masters) } else { Err(another_master_key(&masters)) }
}

/// Creates the first keys. Of nodes that start at the same time, one does it.
pub(super) async fn create_first_keys(app: &App, masters: &MasterKeys) -> Result<(), StartError> {
    let now = app.clock.now();
    let audited = Audited { actor: "server".into(), request_id: None, address: None, at: now };
    loop {
        let check_value = app.store.master_key_check(masters.current.check_value()).await?;
        let Some(master) = masters.of(&check_value) else { return Err(another_master_key(masters)) };
        let first = [KeyUse::Signing, KeyUse::Token]
            .map(|key_use| KeyRecord::generate(key_use, app.settings.signing_algorithm, master, now, now));
        let created = app.state.honour(app.store.key_create_first(&first, &check_value, &audited)).await?;
        if created != Added::OtherMasterKey {
            return Ok(());
        }
    }
}

impl App {
    /// The key that encrypts what the database keeps, made if there is none yet.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] if it cannot be read, or cannot be made while an older node runs that would not know it.
    pub(crate) async fn data_key(&self, issuer: &Issuer, audited: &Audited) -> Result<Arc<ReadyDataKey>, Failure> {
        if let Some(key) = issuer.keys().ring.data_key() {
            return Ok(Arc::clone(key));
        }
        let unavailable = |error: StartError| Failure::Unavailable(error.to_string());
        let masters = self.master_keys().await.map_err(unavailable)?;
        loop {
            let check_value = self.store.master_key_check(masters.current.check_value()).await?;
            let master = masters.of(&check_value).ok_or_else(|| unavailable(another_master_key(&masters)))?;
            let (algorithm, now) = (self.settings.signing_algorithm, self.clock.now());
            let record = KeyRecord::generate(KeyUse::Data, algorithm, master, now, now);
            match self.state.honour(self.store.key_create(&record, &check_value, audited)).await? {
                Added::Yes => break,
                // Another node made it, and this one has not heard of it yet.
                Added::ThereAreSome => break self.state.catch_up().await?,
                // It was changed in the same moment, perhaps to the other one that is at hand.
                Added::OtherMasterKey => {}
            }
        }
        let unreadable = || Failure::Unavailable("the data key cannot be read with this master key".into());
        issuer.keys().ring.data_key().cloned().ok_or_else(unreadable)
    }
}

fn another_master_key(masters: &MasterKeys) -> StartError {
    let names = if masters.old.is_some() {
        "neither JETON_MASTER_KEY nor JETON_MASTER_KEY_OLD is"
    } else {
        "JETON_MASTER_KEY is not"
    };
    StartError(format!(
        "{names} the one that this database was written with: set the right one, or, if it is lost, `jeton key reset` \
         makes new keys and ends all sessions"
    ))
}
