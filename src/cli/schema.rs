//! `jeton schema`.

use crate::admin::apply::file_schema;
use crate::cli::{Failed, Outcome, output};

pub(super) fn run() -> Outcome {
    output::line(&serde_json::to_string_pretty(&file_schema()).map_err(|error| Failed(error.to_string()))?)
}
