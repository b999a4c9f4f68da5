//! The challenge of a resource server that refuses a request (RFC 6750 §3, RFC 9449 §7.1).

use std::fmt::{self, Write};

use crate::protocol::bearer::Scheme;
use crate::protocol::dpop::ALGORITHMS;

/// The value of `WWW-Authenticate`. Without an error it says nothing about one either (§3.1).
#[derive(Clone, Copy, Debug)]
pub struct Challenge<'a> {
    /// The scheme that the request should have used.
    pub scheme: Scheme,
    /// The code; `None` if there was no token at all.
    pub error: Option<&'static str>,
    /// What is wrong.
    pub description: &'a str,
    /// The URL of the page that says more.
    pub uri: &'a str,
    /// The required scope, if the token lacks it.
    pub scope: Option<&'a str>,
    /// Where the metadata of the resource is (RFC 9728 §5.1), which says where to get a token.
    pub resource_metadata: Option<&'a str>,
}

impl fmt::Display for Challenge<'_> {
    /// Leaves out characters that attribute values may not contain.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, algorithms) = match self.scheme {
            Scheme::Bearer => ("Bearer", None),
            Scheme::Dpop => ("DPoP", Some(ALGORITHMS)),
        };
        write!(formatter, "{scheme} realm=\"jeton\"")?;
        let of_error = |value| self.error.and(value);
        let attributes = [
            ("error", self.error),
            ("error_description", of_error(Some(self.description))),
            ("scope", of_error(self.scope)),
            ("error_uri", of_error(Some(self.uri))),
            ("resource_metadata", self.resource_metadata),
            ("algs", algorithms),
        ];
        for (name, value) in attributes {
            let Some(value) = value else { continue };
            write!(formatter, ", {name}=\"")?;
            for character in value.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')) {
                formatter.write_char(character)?;
            }
            formatter.write_char('"')?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_leave_its_quotes() {
        let text = Challenge {
            scheme: Scheme::Bearer,
            error: Some("invalid_token"),
            description: "a \"b\" \\ c\r\nX: é",
            uri: "https://auth.example/docs/errors/x",
            scope: None,
            resource_metadata: None,
        };
        assert_eq!(
            text.to_string(),
            "Bearer realm=\"jeton\", error=\"invalid_token\", error_description=\"a b  cX: \", \
             error_uri=\"https://auth.example/docs/errors/x\""
        );
        assert_eq!(Challenge { error: None, ..text }.to_string(), "Bearer realm=\"jeton\"");
    }

    #[test]
    fn dpo_012_a_challenge_for_a_proof_names_the_algorithms() {
        let (scheme, error) = (Scheme::Dpop, Some("invalid_token"));
        let text =
            Challenge { scheme, error, description: "d", uri: "u", scope: None, resource_metadata: None }.to_string();
        assert_eq!(
            text,
            "DPoP realm=\"jeton\", error=\"invalid_token\", error_description=\"d\", error_uri=\"u\", \
             algs=\"ES256 EdDSA Ed25519 RS256 PS256\""
        );
    }

    #[test]
    fn without_an_error_only_the_address_of_the_metadata_is_told() {
        let (description, uri, resource_metadata) = ("There is no token.", "x", Some("https://api.example/x"));
        let scheme = Scheme::Bearer;
        let text = Challenge { scheme, error: None, description, uri, scope: Some("read"), resource_metadata };
        assert_eq!(text.to_string(), "Bearer realm=\"jeton\", resource_metadata=\"https://api.example/x\"");
    }
}
