//! `jeton demo`.

use clap::Subcommand;

use crate::cli::context::{actor, open};
use crate::cli::{Global, Outcome, output};
use crate::settings::Needs;

#[derive(Debug, clap::Args)]
pub(super) struct DemoCommand {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Remove the demo clients, the demo users and the mark of a development database
    Remove,
}

pub(super) async fn run(global: &Global, command: &DemoCommand) -> Outcome {
    let Action::Remove = command.command;
    let app = open(global, Needs::NOTHING).await?;
    let removed = app.demo_remove(&actor()).await?;
    if removed.is_empty() {
        return output::done(global.output, "nothing of the demo set is left");
    }
    output::done(global.output, &format!("removed {}", removed.join(", ")))
}
