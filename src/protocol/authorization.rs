//! Authorization requests (RFC 6749 §4.1, OpenID Connect Core §3.1.2), and what a login leaves behind.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::protocol::confirmation::KeyThumbprint;
use crate::protocol::scope::Scope;

/// Seconds for which an authorization code can be redeemed.
pub const CODE_LIFE: i64 = 60;
/// Seconds after the creation of a code in which a second use of it ends its session.
pub const CODE_REUSE_ENDS_SESSION_FOR: i64 = 600;

/// How the answer reaches the client (OAuth 2.0 Multiple Response Types §2.1, Form Post Response Mode).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// In the query of the redirect URI.
    #[default]
    Query,
    /// In a form that the browser posts to the redirect URI.
    FormPost,
}

/// What a client wants people to be asked (OpenID Connect Core §3.1.2.1, `prompt`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Prompt {
    /// Nothing: answer at once.
    pub none: bool,
    /// To log in again.
    pub login: bool,
    /// To consent again.
    pub consent: bool,
    /// Who they are.
    pub select_account: bool,
}

/// The claims that a client asks for by name (OpenID Connect Core §5.5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClaimsRequest {
    /// Of UserInfo.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub userinfo: Vec<String>,
    /// Of the ID token.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub id_token: Vec<String>,
    /// The `sub` that the user must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
}

/// An authorization request that was found good. It is sealed into the forms that a person sees until its code is issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// The session that it begins: no request begins two.
    pub session: Uuid,
    /// When it came, in milliseconds since the epoch.
    pub received_at: i64,
    /// A login from then on counts as new, in milliseconds since the epoch.
    pub begun_at: i64,
    /// The client.
    pub client_id: String,
    /// Where the answer goes.
    pub redirect_uri: String,
    /// Whether the request named it; if not, it was the only one registered.
    pub sent_redirect_uri: bool,
    /// How the answer gets there.
    #[serde(default)]
    pub response_mode: ResponseMode,
    /// Returned with the answer, unchanged.
    #[serde(default)]
    pub state: Option<String>,
    /// What the client asks for, as far as it may have it.
    pub scope: Scope,
    /// Whether the request named scopes.
    pub sent_scope: bool,
    /// The audiences of the resources asked for; the client's own if it named none.
    pub audiences: Vec<String>,
    /// Goes into the ID token.
    #[serde(default)]
    pub nonce: Option<String>,
    /// What people are to be asked.
    #[serde(default)]
    pub prompt: Prompt,
    /// The longest time since the login, in seconds.
    #[serde(default)]
    pub max_age: Option<i64>,
    /// The username to begin with.
    #[serde(default)]
    pub login_hint: Option<String>,
    /// The `sub` in `id_token_hint`: only this user will do.
    #[serde(default)]
    pub hinted_sub: Option<String>,
    /// The claims that are asked for by name.
    #[serde(default)]
    pub claims: ClaimsRequest,
    /// The PKCE challenge (`S256`).
    #[serde(default)]
    pub code_challenge: Option<String>,
    /// The key that the code is bound to (RFC 9449 §10).
    #[serde(default)]
    pub dpop_jkt: Option<KeyThumbprint>,
}

/// What a session knows of the login at the browser that began it, for its code, its ID tokens and UserInfo.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Login {
    /// Where its code was sent.
    pub redirect_uri: String,
    /// Whether the token request has to repeat it (RFC 6749 §4.1.3).
    pub sent_redirect_uri: bool,
    /// The PKCE challenge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_challenge: Option<String>,
    /// Goes into the first ID token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// When the person logged in, in seconds since the epoch.
    pub auth_time: i64,
    /// How (RFC 8176): `pwd`, `otp`.
    pub amr: Vec<String>,
    /// The claims that were asked for by name.
    pub claims: ClaimsRequest,
}
