//! Features that an older program does not know: settings that restrict a client, new forms of tokens, second factors.
//!
//! An older node would ignore such a setting or refuse such a token. So the database records which features are in
//! use: one may be used only once every live node knows it, and a program that does not know it answers no
//! requests from then on. Both compare *levels*: how many entries of [`FEATURES`] a program knows.

use crate::protocol::client::{
    AccessTokenFormat, AccessTokenTyp, AuthMethod, ClientSettings, GrantType, IdTokenAlgorithm,
};

/// A feature.
pub struct Feature {
    /// The member of a client's settings that uses it, or its name where no client does.
    pub member: &'static str,
    /// Whether these settings use it.
    pub is_used: fn(&ClientSettings) -> bool,
}

/// Every feature, the oldest first. Append only: the place of a feature says which programs know it.
pub const FEATURES: &[Feature] = &[
    Feature {
        member: "access_token_format",
        is_used: |settings| settings.access_token_format == AccessTokenFormat::Opaque,
    },
    Feature { member: "introspect_audiences", is_used: |settings| settings.introspect_audiences.is_some() },
    Feature { member: "access_token_typ", is_used: |settings| settings.access_token_typ == AccessTokenTyp::Jwt },
    Feature { member: "grant_types", is_used: |settings| settings.grant_types.contains(&GrantType::AuthorizationCode) },
    // In use once there is one.
    Feature { member: SECOND_FACTORS, is_used: |_| false },
    Feature { member: RESOURCES, is_used: |_| false },
    Feature { member: "grant_types", is_used: |settings| settings.grant_types.contains(&GrantType::DeviceCode) },
    Feature { member: "registered_by", is_used: ClientSettings::is_self_registered },
    Feature {
        member: "token_endpoint_auth_method",
        is_used: |settings| settings.token_endpoint_auth_method == AuthMethod::PrivateKeyJwt,
    },
    Feature { member: BOUND_TOKENS, is_used: ClientSettings::binds_access_tokens },
    Feature {
        member: "token_endpoint_auth_method",
        is_used: |settings| settings.token_endpoint_auth_method.uses_certificate(),
    },
    // An older node would not revoke an exchanged token with the one that it comes of.
    Feature {
        member: "permissions",
        is_used: |settings| {
            settings.permissions.iter().any(|permission| permission.exchanges())
                || settings.grant_types.contains(&GrantType::TokenExchange)
        },
    },
    Feature {
        member: "introspection_signed_response_alg",
        is_used: |settings| settings.introspection_signed_response_alg != IdTokenAlgorithm::default(),
    },
    Feature { member: "security_profile", is_used: |settings| settings.security_profile.is_some() },
    Feature { member: "issuers", is_used: |settings| !settings.issuers.is_empty() },
    Feature { member: "grant_types", is_used: |settings| settings.grant_types.contains(&GrantType::JwtBearer) },
    // In use once there is one.
    Feature { member: TRUSTED_ISSUERS, is_used: |_| false },
    Feature { member: ROLES, is_used: |_| false },
    Feature {
        member: "identity_assertion_audiences",
        is_used: |settings| !settings.identity_assertion_audiences.is_empty(),
    },
    // An older node would not end what came of a token of an issuer with the trust in it.
    Feature { member: FOREIGN_EXCHANGE, is_used: |settings| settings.exchanges() && !settings.issuers.is_empty() },
];

/// Users may have second factors. An older node would log them in without, and cannot read the key that encrypts their
/// secrets.
pub const SECOND_FACTORS: &str = "second factors";

/// Users may have roles. An older node would let any administrator of users change those who have one.
pub const ROLES: &str = "roles of users";

/// Resources limit the scopes of tokens and decide on their form.
pub const RESOURCES: &str = "resources";

/// Tokens and sessions are bound to keys. An older node would refuse such tokens, and refresh such sessions for anybody who has the
/// refresh token.
pub const BOUND_TOKENS: &str = "bound tokens";
/// Tokens of other issuers prove clients, and tokens are about subjects of other issuers.
pub const TRUSTED_ISSUERS: &str = "trusted issuers";

/// Tokens of other issuers are exchanged. A client may have had the settings for that before any program did it, so it is also in use
/// from the first exchange on.
pub const FOREIGN_EXCHANGE: &str = "the exchange of tokens of other issuers";

/// The level of this program.
#[expect(clippy::cast_possible_wrap, reason = "the list is short")]
pub const LEVEL: i64 = FEATURES.len() as i64;

/// The level that a program needs for these settings, and the newest feature that they use, if any.
pub fn needed_by(settings: &ClientSettings) -> Option<(i64, &'static Feature)> {
    (1..).zip(FEATURES).filter(|(_, feature)| (feature.is_used)(settings)).last()
}

/// The level that a program needs for a feature of this name, and that feature.
pub fn named(name: &str) -> Option<(i64, &'static Feature)> {
    (1..).zip(FEATURES).find(|(_, feature)| feature.member == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_need_the_level_of_the_newest_feature_that_they_use() {
        let needed = |settings: &ClientSettings| needed_by(settings).map(|(level, feature)| (level, feature.member));
        let mut settings = ClientSettings::default();
        assert_eq!(needed(&settings), None);
        settings.introspect_audiences = Some(vec!["https://api.example.test/".into()]);
        assert_eq!(needed(&settings), Some((2, "introspect_audiences")));
        settings.access_token_format = AccessTokenFormat::Opaque;
        assert_eq!(needed(&settings), Some((2, "introspect_audiences")));
        settings.introspect_audiences = None;
        assert_eq!(needed(&settings), Some((1, "access_token_format")));
        settings.token_endpoint_auth_method = AuthMethod::PrivateKeyJwt;
        assert_eq!(needed(&settings), Some((9, "token_endpoint_auth_method")));
    }
}
