//! `jeton migrate`.

use crate::cli::context::{resolve, settings};
use crate::cli::{Failed, Global, Outcome, output};
use crate::serve::{check_schema, reach_database};
use crate::settings::Needs;
use crate::store::SchemaReport;

pub(super) async fn run(global: &Global) -> Outcome {
    let text = match apply(global, Needs::NOTHING).await?.newly_applied.as_slice() {
        [] => "the schema is up to date".to_owned(),
        applied => format!("applied: {}", applied.join(", ")),
    };
    output::done(global.output, &text)
}

/// Applies what is missing, to a database that may still be starting.
pub(super) async fn apply(global: &Global, needs: Needs) -> Result<SchemaReport, Failed> {
    let settings = settings(&resolve(global, Default::default()), needs)?;
    let store = reach_database(&settings.database).await?;
    let report = store.migrate().await?;
    check_schema(&report)?;
    Ok(report)
}
