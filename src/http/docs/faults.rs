//! The texts of the faults, kind by kind.

use crate::diagnosis::advice::Advice as Text;
use crate::http::docs::{assertions, codes, logins, requests};
use crate::protocol::fault::Fault;

/// The headings of the list of faults.
pub(super) const HEADINGS: [&str; 4] = [
    "What can be wrong with a client assertion",
    "What can be wrong with an authorization code or a device code",
    "What can be wrong with an authorization request",
    "How a login can end without an answer",
];

/// Under which of the [headings](HEADINGS) a fault is.
pub(super) const fn heading(fault: Fault) -> usize {
    match fault {
        Fault::Assertion(_) => 0,
        Fault::Code(_) | Fault::DeviceCode(_) => 1,
        Fault::Request(_) => 2,
        Fault::Login(_) => 3,
    }
}

/// The title and the text of a fault.
pub(super) const fn about(fault: Fault) -> (&'static str, Text) {
    match fault {
        Fault::Assertion(fault) => assertions::about(fault),
        Fault::Code(fault) => codes::about(fault),
        Fault::DeviceCode(fault) => codes::about_device_code(fault),
        Fault::Request(fault) => requests::about(fault),
        Fault::Login(fault) => logins::about(fault),
    }
}
