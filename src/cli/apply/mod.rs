//! `jeton apply`.

mod difference;
mod files;
mod location;
mod secret_files;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::admin::apply::{Applied, ApplyRequest, ChangeAction};
use crate::cli::backend::{Backend, ServerOptions};
use crate::cli::{Failed, Format, Global, Outcome, output};
use crate::protocol::object::Kind;
use files::Files;
use secret_files::{Secret, Written};

#[derive(Debug, clap::Args)]
pub(super) struct Apply {
    /// YAML files; - is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The name of the set: objects belong to the set that applied them
    #[arg(long, value_name = "NAME")]
    set: String,
    /// Show what would change and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Delete what this set applied before and the files do not have any more
    #[arg(long)]
    prune: bool,
    /// Take objects from other sets
    #[arg(long)]
    take_over: bool,
    /// Folder for the secrets of new clients that name no client_secret_file
    #[arg(long, value_name = "FOLDER", conflicts_with = "without_secrets")]
    secrets: Option<PathBuf>,
    /// Create clients without secrets; they cannot authenticate until they get one
    #[arg(long)]
    without_secrets: bool,
    #[command(flatten)]
    server: ServerOptions,
}

pub(super) async fn run(global: &Global, command: Apply) -> Outcome {
    let files = Files::read(&command.files)?;
    let backend = Backend::open(global, command.server).await?;
    let mut request = ApplyRequest {
        set: command.set,
        dry_run: true,
        prune: command.prune,
        take_over: command.take_over,
        without_secrets: command.without_secrets,
        ..ApplyRequest::default()
    };
    files.fill(&mut request);
    let asked = backend.apply(&request).await;
    let mut applied = asked.map_err(|error| Failed(files.located(&error.text)))?;
    let mut written = Written::default();
    if !command.dry_run {
        request.dry_run = false;
        // Secrets are on disk before anything else is.
        let ready = put_secrets(&mut request, &applied, &files, command.secrets.as_deref(), &mut written);
        if let Err(failed) = ready {
            written.keep(|_| false);
            return Err(failed);
        }
        applied = match backend.apply(&request).await {
            Ok(applied) => applied,
            Err(error) if error.is_uncertain => {
                written.tell()?;
                let text = files.located(&error.text);
                return Err(Failed(format!("{text}\nIt is not known whether the set was applied: apply it again.")));
            }
            Err(error) => {
                written.keep(|_| false);
                return Err(Failed(files.located(&error.text)));
            }
        };
        let is_created = |id: &str| {
            applied
                .changes
                .iter()
                .any(|change| change.action == ChangeAction::Create && change.kind == Kind::Client && change.id == id)
        };
        written.keep(is_created);
    }
    match global.output {
        Format::Json => output::item(global.output, &applied)?,
        Format::Text => difference::print(&applied)?,
    }
    written.tell()
}

/// Gives each new client that needs one its secret.
fn put_secrets(
    request: &mut ApplyRequest,
    planned: &Applied,
    files: &Files,
    folder: Option<&Path>,
    written: &mut Written,
) -> Outcome {
    if request.without_secrets {
        return Ok(());
    }
    let mut paths: BTreeMap<&str, PathBuf> = BTreeMap::new();
    for change in planned.changes.iter().filter(|change| change.needs_secret) {
        let id = change.id.as_str();
        let path = match (files.secret_file(id), folder) {
            (Some(named), _) => named.to_owned(),
            (None, Some(folder)) => secret_files::in_folder(folder, id),
            (None, None) => {
                return Err(Failed(format!(
                    "the client {id} needs a secret: say where it goes by --secrets FOLDER or its client_secret_file, or create it \
                     --without-secrets"
                )));
            }
        };
        paths.insert(id, path);
    }
    written.lock(paths.values())?;
    let mut secrets: BTreeMap<&str, Secret> = BTreeMap::new();
    for (id, path) in &paths {
        secrets.insert(id, written.secret(id, path, &planned.secret_prefix)?);
    }
    written.sync()?;
    for client in request.objects_mut(Kind::Client) {
        let id = client.get(Kind::Client.id_member()).and_then(Value::as_str);
        if let Some(secret) = id.and_then(|id| secrets.get(id)) {
            secret_files::put(secret, client);
        }
    }
    Ok(())
}
