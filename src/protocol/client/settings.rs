//! The settings of a client.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::protocol::claims::ExtraClaims;
use crate::protocol::client::values::{
    AccessTokenFormat, AccessTokenTyp, ApplicationType, AuthMethod, Consent, GrantType, IdTokenAlgorithm, Permission,
    RegisteredBy, SecurityProfile,
};
use crate::protocol::schema::describe;
use crate::protocol::scope::Scope;

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
