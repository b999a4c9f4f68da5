//! `jeton migrate`.

use crate::cli::context::{resolve, settings};
use crate::cli::{Global, Outcome, output};
use crate::serve::{check_schema, reach_database};
use crate::settings::Needs;

pub(super) async fn run(global: &Global) -> Outcome {
    let settings = settings(&resolve(global, Default::default()), Needs::NOTHING)?;
    let store = reach_database(&settings.database).await?;
    let report = store.migrate().await?;
    check_schema(&report)?;
    let text = match report.newly_applied.as_slice() {
        [] => "the schema is up to date".to_owned(),
        applied => format!("applied: {}", applied.join(", ")),
    };
    output::done(global.output, &text)
}
