//! `jeton config`.

use serde::Serialize;

use crate::cli::context::{resolve, settings};
use crate::cli::{Global, Outcome, output};
use crate::issuer::Issuer;
use crate::settings::{MasterKeySource, Needs, TABLE};

#[derive(Serialize)]
struct Shown {
    name: String,
    value: String,
    source: String,
    help: &'static str,
}

pub(super) fn run(global: &Global) -> Outcome {
    let resolved = resolve(global, Default::default());
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
                    Issuer::new(settings.issuer.clone()).default_audience().to_owned()
                }
                ("password_threads", Ok(settings)) => settings.password_threads.to_string(),
                ("master_key", Ok(settings)) => match &settings.master_keys.current {
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
