//! The baseline that Jeton is compared with, the limits of single kinds of requests, load generators, and what makes their
//! requests. Each mode serves, or prints its result: one line of JSON, or the requests' parts.

mod argon2_rate;
mod forge;
mod inserts;
mod key;
mod open_loop;
mod server;
mod spin;
mod work;

use std::error::Error;
use std::process::ExitCode;

const USAGE: &str = "usage: jeton-bench-baseline serve PORT [STEP…] (with DATABASE_URL in the environment, it inserts) | \
    argon2 THREADS SECONDS | rate STEP THREADS SECONDS | spin THREADS SECONDS | key ALG FILE | \
    tokens ALG FILE COUNT (with HEADER and CLAIMS in the environment) | \
    open-loop PORT RATE SECONDS CONNECTIONS | overload PORT RATE SECONDS CONNECTIONS \
    (these two with TARGET_PATH, AUTHORIZATION and BODY in the environment); a STEP is hash, sign-ALG or verify-ALG";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    match arguments {
        ["serve", port, steps @ ..] => server::run(port.parse()?, steps),
        ["argon2", threads, seconds] => argon2_rate::run(threads.parse()?, seconds.parse()?),
        ["rate", step, threads, seconds] => work::rate(step, threads.parse()?, seconds.parse()?),
        ["spin", threads, seconds] => {
            spin::run(threads.parse()?, seconds.parse()?);
            Ok(())
        }
        ["key", alg, file] => forge::key(alg, file),
        ["tokens", alg, file, count] => forge::tokens(alg, file, count.parse()?),
        [mode @ ("open-loop" | "overload"), port, rate, seconds, connections] => {
            open_loop::run(port.parse()?, rate.parse()?, seconds.parse()?, connections.parse()?, *mode == "overload")
        }
        _ => Err(USAGE.into()),
    }
}
