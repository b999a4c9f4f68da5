//! What a setting of a client can be, where a standard or this server names the choices.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::protocol::names::names;

names! {
    /// A grant of the token endpoint (`grant_type`).
    GrantType {
        /// RFC 6749 §4.3.
        Password "password",
        /// RFC 6749 §4.4.
        ClientCredentials "client_credentials",
        /// RFC 6749 §6.
        RefreshToken "refresh_token",
        /// RFC 6749 §4.1.
        AuthorizationCode "authorization_code",
        /// RFC 8628 §3.4.
        DeviceCode "urn:ietf:params:oauth:grant-type:device_code",
        /// RFC 8693 §2.1.
        TokenExchange "urn:ietf:params:oauth:grant-type:token-exchange",
        /// RFC 7523 §2.1.
        JwtBearer "urn:ietf:params:oauth:grant-type:jwt-bearer",
    }
}

names! {
    /// How a client authenticates (RFC 7591 §2, `token_endpoint_auth_method`).
    #[derive(Default)]
    AuthMethod {
        /// Secret in the `Authorization: Basic` header, or in the body.
        #[default]
        ClientSecretBasic "client_secret_basic",
        /// Secret in the body, or in the `Authorization: Basic` header.
        ClientSecretPost "client_secret_post",
        /// An assertion that the client signs with a key of its own (RFC 7523 §2.2).
        PrivateKeyJwt "private_key_jwt",
        /// A certificate of an authority that this server trusts, with the registered name (RFC 8705 §2.1).
        TlsClientAuth "tls_client_auth",
        /// A certificate, of whatever issuer, with a registered key (RFC 8705 §2.2).
        SelfSignedTlsClientAuth "self_signed_tls_client_auth",
        /// A public client: no secret.
        None "none",
    }
}

impl AuthMethod {
    /// Whether a secret of the client proves it: such clients have secrets, others have none.
    pub const fn uses_secret(self) -> bool {
        match self {
            Self::ClientSecretBasic | Self::ClientSecretPost => true,
            Self::PrivateKeyJwt | Self::TlsClientAuth | Self::SelfSignedTlsClientAuth | Self::None => false,
        }
    }

    /// Whether it proves nothing: such clients are public, others confidential (RFC 6749 §2.1).
    pub const fn is_public(self) -> bool {
        match self {
            Self::ClientSecretBasic
            | Self::ClientSecretPost
            | Self::PrivateKeyJwt
            | Self::TlsClientAuth
            | Self::SelfSignedTlsClientAuth => false,
            Self::None => true,
        }
    }

    /// Whether a certificate of the client proves it (RFC 8705 §2).
    pub const fn uses_certificate(self) -> bool {
        match self {
            Self::TlsClientAuth | Self::SelfSignedTlsClientAuth => true,
            Self::ClientSecretBasic | Self::ClientSecretPost | Self::PrivateKeyJwt | Self::None => false,
        }
    }

    /// Whether registered keys of the client prove it.
    pub const fn uses_registered_keys(self) -> bool {
        matches!(self, Self::PrivateKeyJwt | Self::SelfSignedTlsClientAuth)
    }
}

impl GrantType {
    /// Whether a person at a browser allows it, so that there may be an ID token.
    pub const fn begins_at_browser(self) -> bool {
        matches!(self, Self::AuthorizationCode | Self::DeviceCode)
    }
}

impl fmt::Display for GrantType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The form of a client's access tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessTokenFormat {
    /// A signed JWT (RFC 9068), which anyone can verify with the published keys.
    #[default]
    Jwt,
    /// Claims sealed with a key of this server, which only this server can read.
    Opaque,
}

names! {
    /// The `typ` in the header of a client's JWTs.
    #[derive(Default)]
    AccessTokenTyp {
        /// RFC 9068 §2.1.
        #[default]
        AtJwt "at+jwt",
        /// For libraries of resource servers that accept no other.
        Jwt "JWT",
    }
}

names! {
    /// What kind of program a client is (OpenID Connect Registration §2).
    ApplicationType {
        /// It runs on a server: its redirect URIs are compared byte for byte.
        Web "web",
        /// It runs on a device: any port of the device will do.
        Native "native",
    }
}

names! {
    /// When people are asked what a client may have.
    #[derive(Default)]
    Consent {
        /// Each time.
        #[default]
        Required "required",
        /// Once for the same scopes, resources and redirect URI.
        Once "once",
        /// Never: the client belongs to whoever runs this server.
        Skip "skip",
    }
}

names! {
    /// The algorithm that signs what a client is told: ID tokens (OpenID Connect Registration §2), and introspection (RFC 9701 §6).
    #[derive(Default)]
    IdTokenAlgorithm {
        /// RFC 7518 §3.3.
        #[default]
        Rs256 "RS256",
        /// RFC 7518 §3.5.
        Ps256 "PS256",
        /// RFC 7518 §3.4.
        Es256 "ES256",
        /// RFC 8037 §3.1.
        EdDsa "EdDSA",
    }
}

names! {
    /// Rules that bind a client more tightly than the standards do.
    SecurityProfile {
        /// FAPI 2.0 Security Profile.
        Fapi2 "fapi2",
    }
}

names! {
    /// Who registered a client.
    #[derive(Default)]
    RegisteredBy {
        /// An administrator.
        #[default]
        Administrator "administrator",
        /// The client, for which nobody vouches (RFC 7591).
        Itself "itself",
        /// Nobody: the metadata document at the URL that is its id says what it is, and nobody vouches for that either.
        Document "document",
    }
}

/// What a client may do besides requesting tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Introspect tokens of other clients.
    Introspect,
    /// Ask why tokens of other clients are refused.
    Explain,
    /// Exchange its own tokens, and those for a resource that it serves, for tokens in which it acts for their subject.
    Exchange,
    /// The same without being named in the token.
    Impersonate,
}

impl Permission {
    /// Whether it shows tokens of other clients.
    pub const fn shows_tokens(self) -> bool {
        match self {
            Self::Introspect | Self::Explain => true,
            Self::Exchange | Self::Impersonate => false,
        }
    }

    /// Whether it allows token exchange.
    pub const fn exchanges(self) -> bool {
        match self {
            Self::Exchange | Self::Impersonate => true,
            Self::Introspect | Self::Explain => false,
        }
    }
}
