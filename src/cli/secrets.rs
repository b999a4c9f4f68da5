//! Secrets come from standard input or a prompt, never from arguments.

use std::io::{BufRead, IsTerminal};

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::cli::Failed;

/// Reads one line: hidden behind a prompt at a terminal, else from standard input.
pub(super) fn read(what: &str) -> Result<SecretString, Failed> {
    let text = if std::io::stdin().is_terminal() {
        Zeroizing::new(rpassword::prompt_password(format!("{what}: "))?)
    } else {
        let mut text = Zeroizing::new(String::new());
        std::io::stdin().lock().read_line(&mut text)?;
        text
    };
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(Failed(format!("the {what} is empty: give it on standard input or at the prompt")));
    }
    Ok(SecretString::from(text))
}

/// The value of an argument, or standard input for `-`.
pub(super) fn argument_or_input(argument: &str, what: &str) -> Result<SecretString, Failed> {
    if argument == "-" { read(what) } else { Ok(SecretString::from(argument)) }
}
