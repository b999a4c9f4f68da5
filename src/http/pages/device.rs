//! The pages on which people let a device in (RFC 8628 §3.3).

use axum::http::StatusCode;
use axum::response::Response;

use crate::endpoints::reply::AskedAccess;
use crate::http::pages::look::Look;
use crate::http::pages::policy::Policy;
use crate::http::pages::{answer, shown_by};
use crate::protocol::time::Timestamp;

/// Asks for the code that a device shows. Posts `user_code` and `proof` to `/device`.
#[derive(Debug)]
pub(crate) struct DeviceCodePage<'a> {
    /// The proof that this server showed the form.
    pub(crate) proof: &'a str,
    /// The code, as far as it is known.
    pub(crate) user_code: Option<&'a str>,
    /// What was wrong with the last attempt.
    pub(crate) problem: Option<DeviceProblem>,
}

/// Why a code is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeviceProblem {
    /// It is wrong, used or too old.
    Unknown,
    /// Too many attempts failed.
    Throttled {
        /// The time to wait.
        seconds: u64,
    },
}

impl DeviceCodePage<'_> {
    fn problem(&self, look: &Look<'_>) -> Option<String> {
        Some(match self.problem? {
            DeviceProblem::Unknown => look
                .say(
                    "No device is waiting with this code. Compare it with the one on your device; it may have expired.",
                    "Aucun appareil n’attend avec ce code. Comparez-le avec celui de votre appareil ; il a peut-être expiré.",
                )
                .into_owned(),
            DeviceProblem::Throttled { seconds } => look.too_many_attempts(seconds),
        })
    }
}

shown_by!(DeviceCodePage, "pages/device_code.html");

/// Asks whether a device may come in. Posts `request`, `proof` and `action` (`allow`, `deny`) to `/device`.
#[derive(Debug)]
pub(crate) struct DeviceConfirmPage<'a> {
    /// What the answer is for.
    pub(crate) request: &'a str,
    /// The proof that this server showed the form.
    pub(crate) proof: &'a str,
    /// Who is logged in.
    pub(crate) username: &'a str,
    /// The client.
    pub(crate) client_name: &'a str,
    /// Whether nobody registered it by hand.
    pub(crate) is_unknown: bool,
    /// The code, to be compared.
    pub(crate) user_code: &'a str,
    /// When the device asked.
    pub(crate) requested_at: Timestamp,
    /// The network from which it asked.
    pub(crate) network: &'a str,
    /// What the device would be allowed.
    pub(crate) access: &'a AskedAccess,
    /// The present.
    pub(crate) now: Timestamp,
}

shown_by!(DeviceConfirmPage, "pages/device_confirm.html");

/// Says that the device was let in, or not.
#[derive(Debug)]
pub(crate) struct DeviceDonePage<'a> {
    /// Whether it was.
    pub(crate) allowed: bool,
    /// The client.
    pub(crate) client_name: &'a str,
}

shown_by!(DeviceDonePage, "pages/device_done.html");
