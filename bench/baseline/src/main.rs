//! The baseline that Jeton is compared with, and load generators. Each mode serves, or prints one line of JSON.

mod argon2_rate;
mod open_loop;
mod server;
mod spin;

use std::process::ExitCode;

const USAGE: &str = "usage: jeton-bench-baseline serve PORT | argon2 THREADS SECONDS | spin THREADS SECONDS | \
    open-loop PORT RATE SECONDS CONNECTIONS | overload PORT RATE SECONDS CONNECTIONS \
    (these two with TARGET_PATH, AUTHORIZATION and BODY in the environment)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Option<Vec<u32>> = arguments.iter().skip(1).map(|argument| argument.parse().ok()).collect();
    let port = |number: u32| u16::try_from(number).unwrap_or(0);
    let outcome = match (arguments.first().map(String::as_str), numbers.as_deref()) {
        (Some("serve"), Some(&[number])) => server::run(port(number)),
        (Some("argon2"), Some(&[threads, seconds])) => argon2_rate::run(threads, seconds),
        (Some("spin"), Some(&[threads, seconds])) => {
            spin::run(threads, seconds);
            Ok(())
        }
        (Some("open-loop"), Some(&[number, rate, seconds, connections])) => {
            open_loop::run(port(number), rate, seconds, connections, false)
        }
        (Some("overload"), Some(&[number, rate, seconds, connections])) => {
            open_loop::run(port(number), rate, seconds, connections, true)
        }
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
