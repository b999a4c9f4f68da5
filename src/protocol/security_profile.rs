//! Security profiles (`security_profile`): rules that bind a client more tightly than the standards do.
//!
//! Most rules are about settings, so a client that has the profile cannot be without them; the others are about requests. Codes
//! live for 60 seconds, `iss` is in every answer, and PKCE knows `S256` alone, for every client.

use crate::protocol::client::{AuthMethod, ClientSettings, GrantType, IdTokenAlgorithm};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::names::names;

names! {
    /// A rule of a profile. A refusal names it.
    Rule {
        /// FAPI 2.0 §5.3.2.1: the client proves itself by a key or a certificate.
        ClientAuthentication "client_authentication",
        /// FAPI 2.0 §5.3.2.1: nobody else can use its access tokens.
        SenderConstrainedTokens "sender_constrained_tokens",
        /// FAPI 2.0 §5.3.2.2: its authorization requests are pushed.
        PushedAuthorizationRequests "pushed_authorization_requests",
        /// FAPI 2.0 §5.3.2.2: its authorization requests have a PKCE challenge.
        Pkce "pkce",
        /// FAPI 2.0 §5.3.2.1: its refresh tokens do not change.
        RefreshTokens "refresh_tokens",
        /// FAPI 2.0 §5.3.2.1: it never sees a password.
        Grants "grants",
        /// FAPI 2.0 §5.4.1.
        SigningAlgorithms "signing_algorithms",
        /// FAPI 2.0 §5.3.2.1: its assertions are for nobody else.
        AssertionAudience "client_assertion_audience",
    }
}

impl Rule {
    const fn text(self) -> &'static str {
        match self {
            Self::ClientAuthentication => {
                "token_endpoint_auth_method is private_key_jwt without issuers, or mutual TLS"
            }
            Self::SenderConstrainedTokens => "access tokens are bound to a key or a certificate",
            Self::PushedAuthorizationRequests => {
                "authorization requests are pushed (require_pushed_authorization_requests)"
            }
            Self::Pkce => "authorization requests have a PKCE challenge (require_pkce)",
            Self::RefreshTokens => "refresh tokens do not rotate (refresh_token_rotation)",
            Self::Grants => "the grant password is not used",
            Self::SigningAlgorithms => "signatures are PS256, ES256 or EdDSA",
            Self::AssertionAudience => "the aud of a client assertion is the issuer alone, as a string",
        }
    }

    /// The rule in one sentence, without a full stop.
    pub fn sentence(self) -> String {
        format!("security_profile fapi2, rule {}: {}", self.name(), self.text())
    }

    /// The refusal of a request that falls short of it.
    pub fn refusal(self, code: ErrorCode) -> Refusal {
        Refusal::naming(code, format!("The client has {}.", self.sentence()))
    }
}

/// Which of the settings that a profile decides a change leaves alone.
#[derive(Clone, Copy, Debug)]
pub struct Unnamed {
    /// `require_pushed_authorization_requests`.
    pub pushed: bool,
    /// `refresh_token_rotation`.
    pub rotation: bool,
    /// `id_token_signed_response_alg`.
    pub id_token: bool,
    /// `introspection_signed_response_alg`.
    pub introspection: bool,
}

/// Sets what the profile of a client decides and nobody named. What was named is kept, and checked.
pub fn complete(settings: &mut ClientSettings, unnamed: Unnamed) {
    if settings.security_profile.is_none() {
        return;
    }
    settings.require_pushed_authorization_requests |= unnamed.pushed;
    settings.refresh_token_rotation &= !unnamed.rotation;
    if unnamed.id_token && settings.id_token_signed_response_alg == IdTokenAlgorithm::Rs256 {
        settings.id_token_signed_response_alg = IdTokenAlgorithm::Ps256;
    }
    if unnamed.introspection && settings.introspection_signed_response_alg == IdTokenAlgorithm::Rs256 {
        settings.introspection_signed_response_alg = IdTokenAlgorithm::Ps256;
    }
}

/// Checks the settings of a client by its profile.
///
/// # Errors
/// The first rule that they break.
pub fn check_settings(settings: &ClientSettings) -> Result<(), String> {
    if settings.security_profile.is_none() {
        return Ok(());
    }
    let rules = [
        (Rule::ClientAuthentication, proves_itself_by_a_key(settings)),
        (Rule::SenderConstrainedTokens, settings.binds_access_tokens()),
        (Rule::PushedAuthorizationRequests, settings.require_pushed_authorization_requests),
        (Rule::Pkce, settings.require_pkce),
        (Rule::RefreshTokens, !settings.refresh_token_rotation),
        (Rule::Grants, !settings.grant_types.contains(&GrantType::Password)),
        (Rule::SigningAlgorithms, settings.id_token_signed_response_alg != IdTokenAlgorithm::Rs256),
        (Rule::SigningAlgorithms, settings.introspection_signed_response_alg != IdTokenAlgorithm::Rs256),
    ];
    rules.into_iter().find(|(_, holds)| !holds).map_or(Ok(()), |(rule, _)| Err(rule.sentence()))
}

/// Whether a client proves itself by a key of its own alone. The token of another issuer may be used more than once, by whoever has it.
const fn proves_itself_by_a_key(settings: &ClientSettings) -> bool {
    match settings.token_endpoint_auth_method {
        AuthMethod::PrivateKeyJwt => settings.issuers.is_empty(),
        AuthMethod::TlsClientAuth | AuthMethod::SelfSignedTlsClientAuth => true,
        AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost | AuthMethod::None => false,
    }
}

/// Checks a token request of a client, by whether its token would be bound.
///
/// # Errors
/// `invalid_request` with the name of the rule.
pub fn check_token_request(settings: &ClientSettings, is_bound: bool) -> Result<(), Refusal> {
    if settings.security_profile.is_none() || is_bound {
        return Ok(());
    }
    Err(Rule::SenderConstrainedTokens.refusal(ErrorCode::InvalidRequest))
}

/// Checks the algorithm of the DPoP proof of a client's request, if it has one.
///
/// # Errors
/// `invalid_dpop_proof` with the name of the rule.
pub fn check_proof(settings: &ClientSettings, algorithm: Option<&str>) -> Result<(), Refusal> {
    match algorithm {
        Some(name) if !allows_algorithm(settings, name) => {
            Err(Rule::SigningAlgorithms.refusal(ErrorCode::InvalidDpopProof))
        }
        _ => Ok(()),
    }
}

/// Whether an algorithm, by its name, is one that a profile allows.
pub fn allows_algorithm(settings: &ClientSettings, name: &str) -> bool {
    settings.security_profile.is_none() || ["PS256", "ES256", "EdDSA", "Ed25519"].contains(&name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn settings(changes: Value) -> ClientSettings {
        let mut members = json!({
            "security_profile": "fapi2", "token_endpoint_auth_method": "private_key_jwt", "dpop_bound_access_tokens": true,
            "require_pushed_authorization_requests": true, "refresh_token_rotation": false,
            "id_token_signed_response_alg": "PS256", "introspection_signed_response_alg": "PS256",
            "grant_types": ["authorization_code", "refresh_token"],
        });
        members.as_object_mut().unwrap().extend(changes.as_object().cloned().unwrap());
        serde_json::from_value(members).unwrap()
    }

    #[test]
    fn each_rule_for_settings_refuses_what_breaks_it_by_its_name() {
        let by_certificate = json!({
            "token_endpoint_auth_method": "tls_client_auth", "dpop_bound_access_tokens": false,
            "tls_client_certificate_bound_access_tokens": true,
        });
        for good in [json!({}), by_certificate] {
            assert_eq!(check_settings(&settings(good)), Ok(()));
        }
        for (changes, rule) in [
            (json!({"token_endpoint_auth_method": "client_secret_basic"}), "client_authentication"),
            (json!({"token_endpoint_auth_method": "client_secret_post"}), "client_authentication"),
            (json!({"token_endpoint_auth_method": "none"}), "client_authentication"),
            (json!({"issuers": ["https://idp.example"]}), "client_authentication"),
            (json!({"dpop_bound_access_tokens": false}), "sender_constrained_tokens"),
            (json!({"require_pushed_authorization_requests": false}), "pushed_authorization_requests"),
            (json!({"require_pkce": false}), "pkce"),
            (json!({"refresh_token_rotation": true}), "refresh_tokens"),
            (json!({"grant_types": ["password"]}), "grants"),
            (json!({"id_token_signed_response_alg": "RS256"}), "signing_algorithms"),
            (json!({"introspection_signed_response_alg": "RS256"}), "signing_algorithms"),
        ] {
            let problem = check_settings(&settings(changes.clone())).unwrap_err();
            assert!(problem.starts_with(&format!("security_profile fapi2, rule {rule}: ")), "{changes}: {problem}");
            let mut free = changes;
            free["security_profile"] = Value::Null;
            assert_eq!(check_settings(&settings(free)), Ok(()));
        }
    }

    #[test]
    fn what_nobody_named_is_set_and_what_was_named_is_kept() {
        let bare = json!({
            "require_pushed_authorization_requests": false, "refresh_token_rotation": true, "id_token_signed_response_alg": "RS256",
            "introspection_signed_response_alg": "RS256",
        });
        let all = Unnamed { pushed: true, rotation: true, id_token: true, introspection: true };
        let none = Unnamed { pushed: false, rotation: false, id_token: false, introspection: false };
        let completed = |changes: &Value, unnamed| {
            let mut settings = settings(changes.clone());
            complete(&mut settings, unnamed);
            settings
        };
        assert_eq!(completed(&bare, all), settings(json!({})));
        assert_eq!(completed(&bare, none), settings(bare.clone()));
        let es256 = json!({"id_token_signed_response_alg": "ES256", "introspection_signed_response_alg": "EdDSA"});
        assert_eq!(completed(&es256, all), settings(es256));
        let mut free = bare;
        free["security_profile"] = Value::Null;
        assert_eq!(completed(&free, all), settings(free));
    }

    #[test]
    fn a_token_request_without_a_proof_and_rs256_fall_short() {
        let (bound, free) = (settings(json!({})), settings(json!({"security_profile": null})));
        let refusal = check_token_request(&bound, false).unwrap_err();
        assert!(refusal.description.contains("rule sender_constrained_tokens"), "{refusal:?}");
        assert!(check_token_request(&bound, true).is_ok() && check_token_request(&free, false).is_ok());
        assert!(check_proof(&bound, None).is_ok());
        for (name, allowed) in
            [("PS256", true), ("ES256", true), ("EdDSA", true), ("Ed25519", true), ("RS256", false), ("RS512", false)]
        {
            assert_eq!(allows_algorithm(&bound, name), allowed, "{name}");
            let refused = check_proof(&bound, Some(name)).map_err(|refusal| refusal.code);
            assert_eq!(refused, if allowed { Ok(()) } else { Err(ErrorCode::InvalidDpopProof) }, "{name}");
            assert!(check_proof(&free, Some(name)).is_ok());
            assert!(allows_algorithm(&free, name));
        }
    }
}
