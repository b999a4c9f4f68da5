//! `jeton key`.

use std::path::PathBuf;

use clap::Subcommand;
use secrecy::ExposeSecret;
use serde_json::json;
use zeroize::Zeroizing;

use crate::admin::keys::RotateRequest;
use crate::cli::context::{actor, open};
use crate::cli::{Failed, Format, Global, Outcome, output, secrets};
use crate::jose::algorithm::SigningAlgorithm;
use crate::keys::keyring::KeyRing;
use crate::keys::master::MasterKey;
use crate::settings::{MasterKeySource, Needs};

#[derive(Debug, clap::Args)]
pub(super) struct KeyCommand {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the keys and their states
    List,
    /// Announce new keys; they become active once every resource server has had time to fetch them
    Rotate {
        /// Only the signing key of this algorithm, which may be a new one: ES256, EdDSA, RS256 or PS256
        #[arg(long)]
        alg: Option<SigningAlgorithm>,
    },
    /// Delete a key; everything made with it stops working at once
    Retire {
        /// The key's id
        #[arg(allow_hyphen_values = true)]
        kid: String,
    },
    /// Print a public key as PEM, for programs that cannot read the published key set
    Export {
        /// The key's id; the key that signs now if left out
        #[arg(allow_hyphen_values = true)]
        kid: Option<String>,
    },
    /// Print a new master key
    GenerateMaster,
    /// Wrap the keys with a new master key; issued tokens stay valid. With JETON_MASTER_KEY_OLD set, the new one is
    /// JETON_MASTER_KEY; otherwise it is read from a file, standard input or a prompt
    Rewrap {
        /// The file that holds the new master key
        #[arg(long, value_name = "FILE")]
        new_master_key_file: Option<PathBuf>,
    },
    /// After the loss of the master key: create new keys under JETON_MASTER_KEY, end everything that was issued and
    /// remove all second factors
    Reset {
        /// Confirm that everything ends
        #[arg(long, required = true)]
        yes: bool,
    },
}

const COLUMNS: [&str; 6] = ["kid", "use", "alg", "state", "activates_at", "over_at"];

pub(super) async fn run(global: &Global, command: KeyCommand) -> Outcome {
    let format = global.output;
    match command.command {
        Action::GenerateMaster => {
            let key = MasterKey::generate();
            match format {
                Format::Text => output::line(&key),
                Format::Json => output::item(format, &json!({"master_key": *key})),
            }
        }
        Action::List => {
            let app = open(global, Needs::NOTHING).await?;
            output::items(format, &app.key_list().await?, &COLUMNS)
        }
        Action::Rotate { alg } => {
            let app = open(global, Needs::MASTER_KEY).await?;
            let master = app.master_keys().await?;
            let made = app.key_rotate(&RotateRequest { alg }, &master, &actor()).await?;
            output::items(format, &made, &COLUMNS)
        }
        Action::Retire { kid } => {
            let app = open(global, Needs::NOTHING).await?;
            app.key_delete(&kid, &actor()).await?;
            output::done(format, &format!("key {kid} is deleted; what was made with it is no longer accepted"))
        }
        Action::Export { kid } => {
            let app = open(global, Needs::MASTER_KEY).await?;
            let records = app.store.key_list().await?;
            if records.is_empty() {
                return Err(Failed("there are no keys yet: the first `jeton serve` makes them".into()));
            }
            let masters = app.master_keys().await?;
            let ring = KeyRing::open(&records, &masters).map_err(|kid| {
                Failed(format!("JETON_MASTER_KEY does not open the key {kid}: set the one that wrapped it"))
            })?;
            let key = match &kid {
                Some(kid) => ring.signing_key(kid),
                None => ring.access_token_key(app.settings.signing_algorithm, app.clock.now()),
            };
            let missing = || {
                let which = kid.as_ref().map_or("that signs now".to_owned(), |kid| format!("{kid:?}"));
                Failed(format!("there is no signing key {which}: `jeton key list` shows them"))
            };
            let key = key.ok_or_else(missing)?;
            let pem = key.key.public_pem();
            match format {
                Format::Text => output::line(pem.trim_end()),
                Format::Json => {
                    output::item(format, &json!({"kid": key.kid, "alg": key.algorithm.name(), "public_key": pem}))
                }
            }
        }
        Action::Rewrap { new_master_key_file } => {
            let app = open(global, Needs::MASTER_KEY).await?;
            let masters = app.master_keys().await?;
            let text = match new_master_key_file {
                Some(path) => {
                    let text = std::fs::read_to_string(&path).map(Zeroizing::new);
                    text.map_err(|error| Failed(format!("{}: {error}", path.display())))?.as_str().into()
                }
                None if masters.old.is_some() => {
                    let count = app.key_rewrap(&masters, &masters.current, &actor()).await?;
                    let text = "keys are wrapped with JETON_MASTER_KEY (no other new key is read while JETON_MASTER_KEY_OLD is set): \
                                remove JETON_MASTER_KEY_OLD";
                    return output::done(format, &format!("{count} {text}"));
                }
                None => secrets::read("new master key")?,
            };
            let new = MasterKey::parse(text.expose_secret())
                .map_err(|problem| Failed(format!("the new master key {problem}")))?;
            let count = app.key_rewrap(&masters, &new, &actor()).await?;
            output::done(
                format,
                &format!("{count} keys are wrapped with the new master key: set it and restart the servers"),
            )
        }
        Action::Reset { yes: _ } => {
            let app = open(global, Needs::MASTER_KEY).await?;
            let MasterKeySource::Given(text) = &app.settings.master_keys.current else {
                return Err(Failed("JETON_MASTER_KEY is not set".into()));
            };
            let master = MasterKey::parse(text.expose_secret())
                .map_err(|problem| Failed(format!("JETON_MASTER_KEY {problem}")))?;
            // Stores the check value if there is none yet.
            app.store.master_key_check(master.check_value()).await?;
            let (made, second_factors) = app.key_reset(&master, &actor()).await?;
            output::items(format, &made, &COLUMNS)?;
            if second_factors == 0 {
                return Ok(());
            }
            output::note(&format!(
                "second factors removed, because their secrets cannot be read without the old master key: {second_factors}; their \
                 users can set them up again"
            ))
        }
    }
}
