//! Every page, in both languages and with hostile data.

use crate::http::pages::{Brand, Look};

pub(super) fn look(language: &'static str) -> Look<'static> {
    Look::new(Brand { name: "Jeton", logo: None, color: None }, "", &[language.as_bytes()])
}
