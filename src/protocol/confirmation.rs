//! What a token is bound to (`cnf`, RFC 7800 §3.1): whoever uses it proves to hold that.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize, Serializer};

/// The length of a thumbprint, a SHA-256 hash.
const LENGTH: usize = 32;

/// Defines a thumbprint: 32 bytes that are 43 characters of base64url wherever they are read or shown.
macro_rules! thumbprint {
    ($(#[$about:meta])* $name:ident) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name([u8; LENGTH]);

        impl $name {
            /// The thumbprint with these bytes.
            pub const fn new(bytes: [u8; LENGTH]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            pub const fn bytes(&self) -> &[u8; LENGTH] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&URL_SAFE_NO_PAD.encode(self.0))
            }
        }

        impl FromStr for $name {
            type Err = &'static str;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
                bytes.map(Self).ok_or("is not the base64url form of a SHA-256 hash: 43 characters without padding")
            }
        }

        impl TryFrom<String> for $name {
            type Error = &'static str;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

thumbprint! {
    /// The thumbprint of a public key (RFC 7638), as of DPoP keys (RFC 9449 §6.1).
    KeyThumbprint
}

thumbprint! {
    /// The SHA-256 hash of a certificate (RFC 8705 §3.1).
    CertificateThumbprint
}

/// What a token is bound to. A member that is not known here would be a condition that nobody checks, so it is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Confirmation {
    /// The key of DPoP proofs (RFC 9449 §6.1).
    #[serde(rename = "jkt")]
    Key(KeyThumbprint),
    /// The certificate of a TLS connection (RFC 8705 §3.1).
    #[serde(rename = "x5t#S256")]
    Certificate(CertificateThumbprint),
}

impl Confirmation {
    /// The `token_type` of an access token that is bound to this (RFC 9449 §5, RFC 8705 §3).
    pub const fn token_type(this: Option<&Self>) -> &'static str {
        match this {
            Some(Self::Key(_)) => DPOP,
            Some(Self::Certificate(_)) | None => BEARER,
        }
    }
}

/// The `token_type` of tokens that need a proof of their key (RFC 9449 §5).
pub const DPOP: &str = "DPoP";
/// The `token_type` of others (RFC 6750 §6.1.1).
pub const BEARER: &str = "Bearer";

impl fmt::Display for Confirmation {
    /// As the database has it: the member and the thumbprint.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(formatter, "jkt {key}"),
            Self::Certificate(certificate) => write!(formatter, "x5t#S256 {certificate}"),
        }
    }
}

impl FromStr for Confirmation {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(' ') {
            Some(("jkt", key)) => key.parse().map(Self::Key),
            Some(("x5t#S256", certificate)) => certificate.parse().map(Self::Certificate),
            _ => Err("is not a confirmation that is known here"),
        }
    }
}

/// What the sender of a request proved about itself, besides which client it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// The key that signed the DPoP proof of the request.
    pub key: Option<KeyThumbprint>,
    /// The certificate of its TLS connection.
    pub certificate: Option<CertificateThumbprint>,
}

impl Sender {
    /// Whether it proved to hold what something is bound to.
    pub fn holds(&self, confirmation: &Confirmation) -> bool {
        match confirmation {
            Confirmation::Key(key) => self.key.as_ref() == Some(key),
            Confirmation::Certificate(certificate) => self.certificate.as_ref() == Some(certificate),
        }
    }

    /// Whether it proved to hold something of that kind, the right one or another.
    pub const fn has_one_like(&self, confirmation: &Confirmation) -> bool {
        match confirmation {
            Confirmation::Key(_) => self.key.is_some(),
            Confirmation::Certificate(_) => self.certificate.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const THUMBPRINT: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";

    fn read(value: Value) -> Option<Confirmation> {
        serde_json::from_value(value).ok()
    }

    #[test]
    fn a_confirmation_has_one_member_and_no_other() {
        let key = read(json!({"jkt": THUMBPRINT})).unwrap();
        assert_eq!(key, Confirmation::Key(THUMBPRINT.parse().unwrap()));
        assert_eq!(serde_json::to_value(key).unwrap(), json!({"jkt": THUMBPRINT}));
        let certificate = read(json!({"x5t#S256": THUMBPRINT})).unwrap();
        assert_eq!(serde_json::to_value(certificate).unwrap(), json!({"x5t#S256": THUMBPRINT}));
        for other in [
            json!({}),
            json!({"jkt": THUMBPRINT, "x5t#S256": THUMBPRINT}),
            json!({"jwk": {}}),
            json!({"jkt": format!("{THUMBPRINT}=")}),
            json!({"jkt": &THUMBPRINT[1..]}),
            json!({"jkt": null}),
            json!(null),
        ] {
            assert_eq!(read(other.clone()), None, "{other}");
        }
    }

    #[test]
    fn the_form_of_the_database_reads_back() {
        for confirmation in [
            Confirmation::Key(KeyThumbprint::new([1; LENGTH])),
            Confirmation::Certificate(CertificateThumbprint::new([1; LENGTH])),
        ] {
            assert_eq!(confirmation.to_string().parse(), Ok(confirmation));
        }
        for other in ["", "jkt", "jkt ", "jwk x", THUMBPRINT] {
            assert!(other.parse::<Confirmation>().is_err(), "{other}");
        }
    }

    #[test]
    fn a_sender_holds_only_what_it_proved() {
        let (key, certificate) = (KeyThumbprint::new([1; LENGTH]), CertificateThumbprint::new([1; LENGTH]));
        let (of_key, of_certificate) = (Confirmation::Key(key), Confirmation::Certificate(certificate));
        let nobody = Sender::default();
        let with_key = Sender { key: Some(key), certificate: None };
        assert!(with_key.holds(&of_key) && !with_key.holds(&of_certificate));
        assert!(!with_key.holds(&Confirmation::Key(KeyThumbprint::new([2; LENGTH]))));
        assert!(!nobody.holds(&of_key) && !nobody.holds(&of_certificate));
    }
}
