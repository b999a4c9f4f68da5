//! Why a text is no code of this server, for the log. The client learns only that it is none.

use std::borrow::Cow;

use crate::crypto::from_base64url;
use crate::issuer::Issuer;
use crate::tokens::environment::{self, PREFIXES};
use crate::tokens::refresh;
use crate::tokens::verify::VerifyError;

/// What is wrong with a text that was sent as a code, and how exactly.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It is something else, or not whole.
    Malformed(Cow<'static, str>),
    /// It is of another environment.
    WrongEnvironment(String),
    /// It names a key that this server never had.
    UnknownKey,
    /// It is not as a key of this server made it.
    Changed,
}

impl Unreadable {
    /// Finds out why a text with which a code of this prefix was meant could not be read.
    pub(super) fn of(text: &str, prefix: &str, issuer: &Issuer, error: &VerifyError) -> Self {
        let Some(rest) = text.strip_prefix(prefix) else {
            let other = PREFIXES.iter().find(|(prefix, _)| text.starts_with(prefix));
            return Self::Malformed(other.map_or_else(
                || format!("it does not begin with {prefix}").into(),
                |(prefix, kind)| format!("it begins with {prefix}: it is {kind}").into(),
            ));
        };
        let Some((environment, body)) = environment::split(rest) else {
            return Self::Malformed("no environment follows its prefix".into());
        };
        if environment != *issuer.environment() {
            return Self::WrongEnvironment(format!("it is of the environment {environment}"));
        }
        if from_base64url(body).is_none_or(|bytes| bytes.len() != refresh::LENGTH) {
            let (has, due) = (body.chars().count(), refresh::LENGTH / 3 * 4);
            return Self::Malformed(format!("{has} characters follow its environment, and should be {due}").into());
        }
        if *error == VerifyError::UnknownKey { Self::UnknownKey } else { Self::Changed }
    }

    /// The exact reason.
    pub(super) fn reason(self) -> Cow<'static, str> {
        match self {
            Self::Malformed(reason) => reason,
            Self::WrongEnvironment(reason) => reason.into(),
            Self::UnknownKey => "it names a key that this server never had".into(),
            Self::Changed => "it was changed or forged, or its key was deleted".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::IssuerConfig;
    use crate::tokens::environment::AUTHORIZATION_CODE_PREFIX;

    #[test]
    fn the_bytes_say_what_is_wrong_with_a_text_that_was_meant_to_be_a_code() {
        let issuer = Issuer::new(IssuerConfig {
            url: "https://auth.example".into(),
            environment: "live".parse().unwrap(),
            siblings: vec![],
            default_audience: None,
        });
        let of = |text: &str, error| Unreadable::of(text, AUTHORIZATION_CODE_PREFIX, &issuer, &error);
        let body = "A".repeat(100);
        for text in
            ["", "x", "jac_", "jac_live", "jac_live_", "jac_LIVE_x", &format!("jac_live_{}", &body[1..]), "JAC_live_x"]
        {
            let found = of(text, VerifyError::NotOurs);
            assert!(matches!(found, Unreadable::Malformed(_)), "{text}: {found:?}");
        }
        let other = of(&format!("jrt_live_{body}"), VerifyError::NotOurs).reason();
        assert_eq!(other, "it begins with jrt_: it is a refresh token");
        let staging = of(&format!("jac_staging_{body}"), VerifyError::NotOurs);
        assert_eq!(staging, Unreadable::WrongEnvironment("it is of the environment staging".into()));
        let whole = format!("jac_live_{body}");
        assert_eq!(of(&whole, VerifyError::UnknownKey), Unreadable::UnknownKey);
        assert_eq!(of(&whole, VerifyError::NotOurs), Unreadable::Changed);
    }
}
