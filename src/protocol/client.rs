//! Clients (RFC 6749 §2, metadata names of RFC 7591 §2).

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::protocol::claims::ExtraClaims;
use crate::protocol::names::names;
use crate::protocol::schema::describe;
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;

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

/// A set of public keys as it was registered (RFC 7517 §5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Jwks(pub Map<String, Value>);

describe!(Jwks {
    "description": "A JSON Web Key Set (RFC 7517 §5) of at most 8 public keys: P-256, Ed25519, or RSA of 2048 to 4096 bits. \
        A key with `alg` verifies that algorithm only.",
    "type": "object",
    "required": ["keys"],
    "properties": {"keys": {"type": "array", "minItems": 1, "maxItems": 8, "items": {"type": "object"}}},
    "additionalProperties": true,
});

/// Another authorization server for which a client may get identity assertions (ID-JAG).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityAssertionAudience {
    /// The issuer of that server, an https URL, as it writes it itself.
    #[schema(min_length = 1, max_length = 255)]
    pub audience: String,
    /// The id of the client at that server.
    #[schema(min_length = 1, max_length = 255)]
    pub client_id: String,
    /// The scopes of that server that it may ask for. Without it, that server alone decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
}

/// How many sessions a user may have with one client, unless the client says otherwise.
pub const DEFAULT_MAX_SESSIONS: i64 = 100;

/// The configuration of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ClientSettings {
    /// A display name.
    #[schema(required)]
    pub client_name: Option<String>,
    /// How it authenticates.
    #[schema(required)]
    pub token_endpoint_auth_method: AuthMethod,
    /// Its public keys (RFC 7591 §2).
    #[schema(required)]
    pub jwks: Option<Jwks>,
    /// Where its public keys are published, instead of `jwks`.
    #[schema(required)]
    pub jwks_uri: Option<String>,
    /// The subject of its certificate (RFC 8705 §2.1.2), as RFC 4514 writes it.
    #[schema(required)]
    pub tls_client_auth_subject_dn: Option<String>,
    /// A DNS name in its certificate.
    #[schema(required)]
    pub tls_client_auth_san_dns: Option<String>,
    /// A URI in its certificate.
    #[schema(required)]
    pub tls_client_auth_san_uri: Option<String>,
    /// An address in its certificate.
    #[schema(required)]
    pub tls_client_auth_san_ip: Option<String>,
    /// An email address in its certificate.
    #[schema(required)]
    pub tls_client_auth_san_email: Option<String>,
    /// Whether its access tokens are bound to the certificate that it shows when it gets them (RFC 8705 §3.4).
    #[schema(required)]
    pub tls_client_certificate_bound_access_tokens: bool,
    /// The trusted issuers whose tokens it presents: to prove who it is, with `private_key_jwt`, or to be granted tokens of their
    /// subjects.
    #[schema(required)]
    pub issuers: Vec<String>,
    /// The other authorization servers for which it may get identity assertions about people who logged in with it.
    #[schema(required)]
    pub identity_assertion_audiences: Vec<IdentityAssertionAudience>,
    /// The grants that it may use.
    #[schema(required)]
    pub grant_types: Vec<GrantType>,
    /// What it may be granted.
    #[schema(required)]
    pub scope: Scope,
    /// The resources that its tokens may be for; the default audience if empty.
    #[schema(required)]
    pub audiences: Vec<String>,
    /// The form of its access tokens.
    #[schema(required)]
    pub access_token_format: AccessTokenFormat,
    /// The `typ` in the header of its JWTs.
    #[schema(required)]
    pub access_token_typ: AccessTokenTyp,
    /// The lifetime of an access token, in seconds; the server's default if null.
    #[schema(required)]
    pub access_token_ttl: Option<i64>,
    /// How long a session may stay unused, in seconds; the server's default if null.
    #[schema(required)]
    pub refresh_token_ttl: Option<i64>,
    /// The longest lifetime of a session, in seconds; the server's default if null.
    #[schema(required)]
    pub session_ttl: Option<i64>,
    /// Whether a refresh returns a new refresh token; it always does for a public client.
    #[schema(required)]
    pub refresh_token_rotation: bool,
    /// For how many seconds a repeated refresh returns the same successor; a default if null.
    #[schema(required)]
    pub retry_window: Option<i64>,
    /// How many sessions a user may have with it.
    #[schema(required)]
    pub max_sessions: i64,
    /// What it may do besides requesting tokens.
    #[schema(required)]
    pub permissions: Vec<Permission>,
    /// The audiences whose tokens it may introspect or explain. All if null.
    #[schema(required)]
    pub introspect_audiences: Option<Vec<String>>,
    /// Where answers of the authorization endpoint may be sent.
    #[schema(required)]
    pub redirect_uris: Vec<String>,
    /// Where people may be sent after they logged out.
    #[schema(required)]
    pub post_logout_redirect_uris: Vec<String>,
    /// Where it is told that a person logged out (OpenID Connect Back-Channel Logout §2.2).
    #[schema(required)]
    pub backchannel_logout_uri: Option<String>,
    /// `web` or `native`; if null, redirect URIs of the person's own machine match on any port.
    #[schema(required)]
    pub application_type: Option<ApplicationType>,
    /// When people are asked what it may have.
    #[schema(required)]
    pub consent: Consent,
    /// Whether an authorization request needs a PKCE challenge; a public client's always does.
    #[schema(required)]
    pub require_pkce: bool,
    /// Whether its authorization requests must be pushed (RFC 9126 §6).
    #[schema(required)]
    pub require_pushed_authorization_requests: bool,
    /// Whether each of its token requests needs a DPoP proof, to whose key the tokens are bound (RFC 9449 §5.2).
    #[schema(required)]
    pub dpop_bound_access_tokens: bool,
    /// The algorithm that signs its ID tokens.
    #[schema(required)]
    pub id_token_signed_response_alg: IdTokenAlgorithm,
    /// The algorithm that signs the answers of introspection that it wants signed (RFC 9701 §6).
    #[schema(required)]
    pub introspection_signed_response_alg: IdTokenAlgorithm,
    /// A security profile whose rules bind it.
    #[schema(required)]
    pub security_profile: Option<SecurityProfile>,
    /// Claims that go into its tokens.
    #[schema(required, value_type = Object)]
    pub claims: ExtraClaims,
    /// Whether it may authenticate.
    #[schema(required)]
    pub enabled: bool,
    /// Who registered it. This never changes.
    #[schema(required)]
    pub registered_by: RegisteredBy,
    /// What else a client said of itself when it registered, such as `client_uri`. Nothing of it is checked or fetched.
    #[schema(required, value_type = Object)]
    pub metadata: Map<String, Value>,
    /// Members that a newer program wrote; they survive a change by this one.
    #[serde(flatten)]
    #[schema(ignore)]
    pub unknown: Map<String, Value>,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            client_name: None,
            token_endpoint_auth_method: AuthMethod::default(),
            jwks: None,
            jwks_uri: None,
            tls_client_auth_subject_dn: None,
            tls_client_auth_san_dns: None,
            tls_client_auth_san_uri: None,
            tls_client_auth_san_ip: None,
            tls_client_auth_san_email: None,
            tls_client_certificate_bound_access_tokens: false,
            issuers: Vec::new(),
            identity_assertion_audiences: Vec::new(),
            grant_types: Vec::new(),
            scope: Scope::default(),
            audiences: Vec::new(),
            access_token_format: AccessTokenFormat::default(),
            access_token_typ: AccessTokenTyp::default(),
            access_token_ttl: None,
            refresh_token_ttl: None,
            session_ttl: None,
            refresh_token_rotation: true,
            retry_window: None,
            max_sessions: DEFAULT_MAX_SESSIONS,
            permissions: Vec::new(),
            introspect_audiences: None,
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            backchannel_logout_uri: None,
            application_type: None,
            consent: Consent::default(),
            require_pkce: true,
            require_pushed_authorization_requests: false,
            dpop_bound_access_tokens: false,
            id_token_signed_response_alg: IdTokenAlgorithm::default(),
            introspection_signed_response_alg: IdTokenAlgorithm::default(),
            security_profile: None,
            claims: ExtraClaims::new(),
            enabled: true,
            registered_by: RegisteredBy::default(),
            metadata: Map::new(),
            unknown: Map::new(),
        }
    }
}

impl ClientSettings {
    /// Whether nobody vouches for the client: it registered itself, or is known by its metadata document alone.
    pub fn is_self_registered(&self) -> bool {
        match self.registered_by {
            RegisteredBy::Administrator => false,
            RegisteredBy::Itself | RegisteredBy::Document => true,
        }
    }

    /// Whether nobody registered the client: it is known by the metadata document at the URL that is its id.
    pub fn is_of_document(&self) -> bool {
        self.registered_by == RegisteredBy::Document
    }

    /// Whether every access token of the client is bound to a key or a certificate (RFC 9449 §5, RFC 8705 §3). Each setting that binds
    /// them has its place here.
    pub const fn binds_access_tokens(&self) -> bool {
        self.dpop_bound_access_tokens || self.tls_client_certificate_bound_access_tokens
    }

    /// The names that its certificate must have, of which there should be one at most: their members and their texts.
    pub fn tls_client_auth_subjects(&self) -> Vec<(&'static str, &str)> {
        let members = [
            ("tls_client_auth_subject_dn", &self.tls_client_auth_subject_dn),
            ("tls_client_auth_san_dns", &self.tls_client_auth_san_dns),
            ("tls_client_auth_san_uri", &self.tls_client_auth_san_uri),
            ("tls_client_auth_san_ip", &self.tls_client_auth_san_ip),
            ("tls_client_auth_san_email", &self.tls_client_auth_san_email),
        ];
        members.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?))).collect()
    }

    /// Whether it may exchange tokens for access tokens.
    pub fn exchanges(&self) -> bool {
        self.permissions.iter().any(|permission| permission.exchanges())
    }

    /// Whether it may use the grant of token exchange, for whatever comes of it.
    pub fn uses_token_exchange(&self) -> bool {
        self.exchanges() || !self.identity_assertion_audiences.is_empty()
    }

    /// Whether its permissions reach the tokens of every resource, or those for the admin API.
    pub fn sees_beyond_resources(&self, admin: &str) -> bool {
        let is_named = |limits: &Vec<String>| limits.iter().any(|audience| audience == admin);
        let sees = self.permissions.iter().any(|permission| permission.shows_tokens());
        sees && self.introspect_audiences.as_ref().is_none_or(is_named)
    }
}

/// The stored form of a secret, never the secret itself.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretDigest {
    /// SHA-256 of a generated secret of 256 random bits.
    Generated([u8; 32]),
    /// Argon2id (PHC string) of a secret that somebody chose.
    Chosen(String),
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretDigest")
    }
}

/// One of the at most two secrets of a client.
#[derive(Clone, Debug)]
pub struct ClientSecret {
    /// Its id.
    pub id: Uuid,
    /// What is compared.
    pub digest: SecretDigest,
    /// When it was made.
    pub created_at: Timestamp,
    /// Roughly when it was last accepted.
    pub last_used_at: Option<Timestamp>,
}

/// How many secrets a client may have at a time.
pub const MOST_SECRETS: usize = 2;

/// A client as it is stored.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its id in the protocol, compared exactly.
    pub client_id: String,
    /// Its configuration.
    pub settings: ClientSettings,
    /// Its secrets.
    pub secrets: Vec<ClientSecret>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Counts its changes.
    pub version: i64,
}

impl Client {
    /// Whether nothing proves who it is (RFC 6749 §2.1).
    pub const fn is_public(&self) -> bool {
        self.settings.token_endpoint_auth_method.is_public()
    }

    /// Whether it may use a grant. For token exchange, it needs no entry in `grant_types`.
    pub fn may_use(&self, grant: GrantType) -> bool {
        match grant {
            GrantType::TokenExchange => self.settings.uses_token_exchange(),
            _ => self.settings.grant_types.contains(&grant),
        }
    }

    /// Whether its refresh tokens rotate: a public client's always do (RFC 9700 §4.14.2).
    pub fn rotates(&self) -> bool {
        self.is_public() || self.settings.refresh_token_rotation
    }

    /// For how many milliseconds a repeated refresh returns the same successor.
    pub fn retry_window_millis(&self) -> i64 {
        let default = if self.is_public() { 10 } else { 30 };
        self.settings.retry_window.unwrap_or(default) * 1000
    }
}

/// Checks a display name.
///
/// # Errors
/// What is wrong with it.
pub fn check_client_name(name: &str) -> Result<(), String> {
    if name.len() > 255 || name.chars().any(char::is_control) {
        return Err("client_name is at most 255 bytes without control characters".into());
    }
    Ok(())
}

/// Checks a `client_id`: at most 255 VSCHARs (RFC 6749 appendix A.1), and not in the form of a user id, so that the
/// subject of a client's token is never taken for a user (RFC 9700 §4.15).
pub fn check_client_id(client_id: &str) -> Result<(), String> {
    if client_id.is_empty() || client_id.len() > 255 || !client_id.bytes().all(|byte| (0x20..=0x7E).contains(&byte)) {
        return Err("client_id must be 1 to 255 printable ASCII characters".into());
    }
    if client_id.trim() != client_id {
        return Err("client_id must not begin or end with a space".into());
    }
    if Uuid::try_parse(client_id).is_ok() {
        return Err("client_id must not have the form of a user id (a UUID)".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ccr_004_a_client_id_in_the_form_of_a_user_id_is_refused() {
        for id in [
            "018f4d2e-0000-7000-8000-000000000000",
            "{018f4d2e-0000-7000-8000-000000000000}",
            "urn:uuid:018f4d2e-0000-7000-8000-000000000000",
            "018f4d2e000070008000000000000000",
        ] {
            assert!(check_client_id(id).is_err(), "{id}");
        }
    }

    #[test]
    fn a_client_id_is_printable_ascii() {
        assert!(check_client_id("% + : space \" \\ &").is_ok());
        for id in ["", "é", "a\nb", "\0", " a", "a "] {
            assert!(check_client_id(id).is_err(), "{id:?}");
        }
    }
}
