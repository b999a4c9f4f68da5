//! `jeton completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::{Cli, Outcome, output};

#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(command: &Completions) -> Outcome {
    let mut script = Vec::new();
    // Not from the pages, which hide options that every command understands.
    clap_complete::generate(command.shell, &mut Cli::command(), "jeton", &mut script);
    output::line(String::from_utf8_lossy(&script).trim_end())
}
