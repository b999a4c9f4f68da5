//! The `jeton` binary: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = jeton::cli::Cli::read();
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(jeton::cli::run(cli)),
        Err(_) => ExitCode::FAILURE,
    }
}
