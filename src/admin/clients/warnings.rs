//! Warnings about clients that are legal and of little use.

use secrecy::{ExposeSecret, SecretString};

use crate::protocol::client::{AuthMethod, ClientSettings, GrantType};

/// What whoever made such a client should know.
pub(in crate::admin) fn about(settings: &ClientSettings) -> Vec<&'static str> {
    let may_use = |grant| settings.grant_types.contains(&grant);
    let (others, reserved) = settings.scope.split_reserved();
    let rules = [
        (
            settings.grant_types.is_empty()
                && settings.permissions.is_empty()
                && settings.identity_assertion_audiences.is_empty(),
            "The client has neither grant_types nor permissions, so it can do nothing.",
        ),
        (
            may_use(GrantType::Password) && others.is_empty(),
            "grant_types has password, but scope has nothing that a user can be granted: the tokens allow nothing.",
        ),
        (
            may_use(GrantType::Password) && !may_use(GrantType::RefreshToken),
            "grant_types has password without refresh_token: users log in again whenever an access token expires.",
        ),
        (
            may_use(GrantType::TokenExchange) && !settings.uses_token_exchange(),
            "grant_types has token exchange, but permissions has neither exchange nor impersonate, without which it is refused.",
        ),
        (
            may_use(GrantType::RefreshToken)
                && !may_use(GrantType::Password)
                && !settings.grant_types.iter().any(|grant| grant.begins_at_browser()),
            "grant_types has refresh_token, but no grant that gives a refresh token, such as authorization_code.",
        ),
        (
            may_use(GrantType::AuthorizationCode) && settings.redirect_uris.is_empty(),
            "grant_types has authorization_code, but there are no redirect_uris, so every authorization request is refused.",
        ),
        (
            !settings.redirect_uris.is_empty() && !may_use(GrantType::AuthorizationCode),
            "There are redirect_uris, but grant_types lacks authorization_code, so nobody is sent there.",
        ),
        (
            may_use(GrantType::AuthorizationCode) && !settings.require_pkce,
            "require_pkce is off: a code of this client that leaks can be redeemed without a verifier. Turn it on if the library \
             can do PKCE.",
        ),
        (
            !reserved.is_empty() && !may_use(GrantType::ClientCredentials),
            "scope has a jeton: scope, but grant_types lacks client_credentials, which alone grants those.",
        ),
        (
            (settings.jwks.is_some() || settings.jwks_uri.is_some())
                && !settings.token_endpoint_auth_method.uses_registered_keys(),
            "The client has keys, but token_endpoint_auth_method is neither private_key_jwt nor self_signed_tls_client_auth, so \
             they are not used.",
        ),
        (
            !settings.tls_client_auth_subjects().is_empty()
                && settings.token_endpoint_auth_method != AuthMethod::TlsClientAuth,
            "There is a name for the certificate of the client, but token_endpoint_auth_method is not tls_client_auth, so it is not \
             compared.",
        ),
        (
            !settings.issuers.is_empty()
                && settings.token_endpoint_auth_method != AuthMethod::PrivateKeyJwt
                && !may_use(GrantType::JwtBearer)
                && !settings.exchanges(),
            "The client names issuers, but its token_endpoint_auth_method is not private_key_jwt and it may use neither the JWT \
             bearer grant nor token exchange, so their tokens are not used.",
        ),
        (
            !settings.identity_assertion_audiences.is_empty()
                && !settings.grant_types.iter().any(|grant| grant.begins_at_browser()),
            "There are identity_assertion_audiences, but no grant that gives an ID token, such as authorization_code: the client \
             has nothing to exchange for an identity assertion.",
        ),
        (
            may_use(GrantType::JwtBearer) && settings.issuers.is_empty(),
            "grant_types has the JWT bearer grant, but there are no issuers, so every assertion is refused.",
        ),
    ];
    rules.into_iter().filter_map(|(applies, text)| applies.then_some(text)).collect()
}

/// What whoever chose such a secret should know.
pub(in crate::admin) fn about_secret(secret: &SecretString) -> Option<&'static str> {
    secret.expose_secret().contains(['+', '%', ':']).then_some(
        "The secret has +, % or :, which many clients fail to encode for HTTP Basic (RFC 6749 section 2.3.1): if one is \
         refused, let it send the secret in the body.",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_client_that_can_do_something_has_no_warning_and_any_other_has_one() {
        for (members, expected) in [
            (json!({"grant_types": ["client_credentials"]}), &[][..]),
            (json!({"grant_types": ["password", "refresh_token"], "scope": "read"}), &[]),
            (json!({"permissions": ["introspect"]}), &[]),
            (json!({"grant_types": ["client_credentials"], "scope": "jeton:admin"}), &[]),
            (json!({"scope": "read"}), &["can do nothing"]),
            (json!({"permissions": ["introspect"], "jwks_uri": "https://a/"}), &["has keys"]),
            (
                json!({"permissions": ["introspect"], "jwks_uri": "https://a/", "token_endpoint_auth_method": "private_key_jwt"}),
                &[],
            ),
            (json!({"permissions": ["introspect"], "issuers": ["https://a"]}), &["names issuers"]),
            (json!({"permissions": ["exchange"], "issuers": ["https://a"]}), &[]),
            (
                json!({"identity_assertion_audiences": [{"audience": "https://a", "client_id": "c"}]}),
                &["nothing to exchange"],
            ),
            (
                json!({"permissions": ["introspect"], "issuers": ["https://a"], "token_endpoint_auth_method": "private_key_jwt"}),
                &[],
            ),
            (json!({"grant_types": ["urn:ietf:params:oauth:grant-type:jwt-bearer"], "issuers": ["https://a"]}), &[]),
            (json!({"grant_types": ["urn:ietf:params:oauth:grant-type:jwt-bearer"]}), &["no issuers"]),
            (json!({"grant_types": ["password", "refresh_token"]}), &["tokens allow nothing"]),
            (json!({"grant_types": ["password"], "scope": "read"}), &["without refresh_token"]),
            (json!({"grant_types": ["refresh_token"], "scope": "read"}), &["no grant that gives"]),
            (json!({"grant_types": ["authorization_code", "refresh_token"], "redirect_uris": ["https://a/"]}), &[]),
            (json!({"grant_types": ["authorization_code"]}), &["no redirect_uris"]),
            (
                json!({"grant_types": ["authorization_code"], "redirect_uris": ["https://a/"], "require_pkce": false}),
                &["require_pkce is off"],
            ),
            (
                json!({"grant_types": ["client_credentials"], "redirect_uris": ["https://a/"]}),
                &["lacks authorization_code"],
            ),
            (
                json!({"grant_types": ["password", "refresh_token"], "scope": "jeton:admin"}),
                &["tokens allow nothing", "lacks client_credentials"],
            ),
        ] {
            let found = about(&serde_json::from_value(members.clone()).unwrap());
            assert_eq!(found.len(), expected.len(), "{members}: {found:?}");
            assert!(found.iter().zip(expected).all(|(text, part)| text.contains(part)), "{members}: {found:?}");
        }
    }
}
