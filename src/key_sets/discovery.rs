//! The discovery document of an issuer (OpenID Connect Discovery §3, RFC 8414 §2), as far as it says where keys are.

use serde::Deserialize;

use crate::key_sets::Content;

/// What a discovery document says.
#[derive(Debug, Deserialize)]
pub(super) struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Content for Discovery {
    const WHAT: &'static str = "the discovery document";

    fn read(body: &[u8]) -> Result<Self, String> {
        let is_object = body.trim_ascii_start().starts_with(b"{");
        let read = if is_object { serde_json::from_slice(body).ok() } else { None };
        read.ok_or_else(|| "its answer is no document with issuer and jwks_uri".to_owned())
    }
}

impl Discovery {
    /// Where the keys are, if the document is that of this issuer (Discovery §4.3). Whether that address may be called, the guard of
    /// all calls decides.
    pub(super) fn keys_of(&self, issuer: &str) -> Result<&str, String> {
        if self.issuer == issuer { Ok(&self.jwks_uri) } else { Err("it is that of another issuer".to_owned()) }
    }
}

/// Where the document of an issuer is.
pub(super) fn address(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_counts_for_the_issuer_that_it_names_only() {
        let read = |text: &str| Discovery::read(text.as_bytes());
        let found = read(r#"{"issuer":"https://a.example","jwks_uri":"https://keys.example/","more":1}"#).unwrap();
        assert_eq!(found.keys_of("https://a.example"), Ok("https://keys.example/"));
        assert!(found.keys_of("https://a.example/").is_err() && found.keys_of("https://b.example").is_err());
        for text in
            ["", "[]", "{}", r#"{"issuer":"https://a.example"}"#, r#"["https://a.example","https://b"]"#, "<html>"]
        {
            assert!(read(text).is_err(), "{text}");
        }
        let expected = "https://sts.windows.net/8e/.well-known/openid-configuration";
        assert_eq!(address("https://sts.windows.net/8e/"), expected);
        assert_eq!(address("https://sts.windows.net/8e"), expected);
    }
}
