//! The `jeton` binary: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    jeton::cli::main()
}
