//! The pages on which people set up their second factor (RFC 6238).

use std::fmt::Write;

use axum::http::StatusCode;
use axum::response::Response;
use qrcode::{Color, QrCode};
use zeroize::Zeroizing;

use crate::http::pages::look::Look;
use crate::http::pages::policy::Policy;
use crate::http::pages::{answer, shown_by};

/// The quiet zone around a QR code, in modules (ISO/IEC 18004).
const QUIET: usize = 4;

/// Shows the secret for an authenticator app, and asks for the first code. Posts `action` (`confirm`), `setup`, `code` and `proof`
/// to `/account/second-factor`; during a login, with `request` and `password_proof`, to `/login`.
pub(crate) struct SecondFactorPage<'a> {
    /// The secret that the form confirms, sealed.
    pub(crate) setup: &'a str,
    /// The proof that this server showed the form.
    pub(crate) proof: &'a str,
    /// The `otpauth:` address.
    pub(crate) address: &'a str,
    /// The secret, to be typed (base32).
    pub(crate) secret: &'a str,
    /// Whether the last code was wrong.
    pub(crate) is_wrong: bool,
    /// What stands for the password, sealed, if this is part of a login.
    pub(crate) password_proof: Option<&'a str>,
    /// The sealed authorization request that the login is for.
    pub(crate) request: Option<&'a str>,
}

shown_by!(SecondFactorPage, "pages/second_factor.html");

impl SecondFactorPage<'_> {
    /// The address as a picture; `None` if it is too long for one.
    fn picture(&self) -> Option<Picture> {
        let code = QrCode::new(self.address).ok()?;
        let width = code.width();
        let mut path = String::new();
        for (index, _) in code.to_colors().iter().enumerate().filter(|(_, color)| **color == Color::Dark) {
            // Writing to a string does not fail.
            let _ = write!(path, "M{} {}h1v1h-1z", index % width + QUIET, index / width + QUIET);
        }
        Some(Picture { path, width: width + 2 * QUIET })
    }

    /// The secret in groups of four.
    fn grouped(&self) -> String {
        let groups: Vec<&str> =
            self.secret.as_bytes().chunks(4).filter_map(|group| std::str::from_utf8(group).ok()).collect();
        groups.join(" ")
    }
}

/// A QR code as the path of an SVG.
struct Picture {
    path: String,
    width: usize,
}

/// Shows the recovery codes, once.
pub(crate) struct RecoveryCodesPage<'a> {
    /// The codes.
    pub(crate) codes: &'a [Zeroizing<String>],
    /// Where the person goes on.
    pub(crate) next: &'a str,
}

shown_by!(RecoveryCodesPage, "pages/recovery_codes.html");
