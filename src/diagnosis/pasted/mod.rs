//! Reads a request that someone pasted, a curl command or a block of headers, and finds what is wrong with the request
//! itself. Pure: nothing is sent or expanded. Every sentence is fixed, so no token is ever repeated.

mod curl;
mod headers;
mod judge;
mod misplaced;
mod options;
mod request;
mod shell;

pub use request::{Pasted, Problem};

/// A text that is neither a curl command nor a block of headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is neither a curl command nor a block of request headers: paste the whole command, or all lines of the request"
)]
pub struct NotARequest;

/// Reads what was pasted and judges it.
pub fn read(text: &str) -> Result<Pasted, NotARequest> {
    let draft = headers::read(text).or_else(|| curl::read(text)).ok_or(NotARequest)?;
    Ok(judge::judge(draft))
}

#[cfg(test)]
mod tests;
