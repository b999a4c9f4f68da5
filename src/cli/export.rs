//! `jeton export`.

use serde_json::Value;

use crate::admin::apply::Exported;
use crate::cli::backend::{Backend, ServerOptions};
use crate::cli::{Failed, Format, Global, Outcome, output};
use crate::protocol::object::Kind;

#[derive(Debug, clap::Args)]
pub(super) struct Export {
    #[command(flatten)]
    server: ServerOptions,
}

pub(super) async fn run(global: &Global, command: Export) -> Outcome {
    let backend = Backend::open(global, command.server).await?;
    let mut exported = Exported::default();
    for kind in Kind::ALL {
        let mut cursor = None;
        loop {
            let page = backend.list(*kind, cursor.as_deref()).await?;
            page.items.iter().for_each(|shown| exported.add(*kind, shown));
            match page.next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
    }
    let file = Value::Object(exported.into_file());
    let exports_roles = file.get(Kind::Role.list()).is_some();
    match global.output {
        Format::Json => output::item(global.output, &file),
        Format::Text => {
            output::line("# Secrets are not part of this file. Members that are not named have their defaults.")?;
            if exports_roles {
                output::line("# Users under `roles` who are not there are created without a password, by `sub`.")?;
            }
            let text = serde_yaml_ng::to_string(&file).map_err(|error| Failed(error.to_string()))?;
            output::line(text.trim_end())
        }
    }
}
