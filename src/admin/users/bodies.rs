//! The bodies of requests that create or change a user.

use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::admin::body::{Patch, not_null};
use crate::admin::schema::{Claims, Password, Profile, UserScope, Username};
use crate::protocol::claims::ExtraClaims;
use crate::protocol::role::Role;
use crate::protocol::scope::Scope;

/// A user to create.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// The name.
    #[schema(value_type = Username)]
    pub username: String,
    /// The `sub` of the user's tokens, for one who keeps it from elsewhere; never a `client_id`. The id if absent. It never
    /// changes.
    #[schema(min_length = 1, max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$")]
    pub sub: Option<String>,
    /// The password; without one the user cannot log in.
    #[schema(value_type = Option<Password>)]
    pub password: Option<SecretString>,
    /// The scopes that the user may be granted; if absent, whatever the client may.
    #[schema(value_type = Option<UserScope>)]
    pub scope: Option<Scope>,
    /// Claims that go into the user's tokens.
    #[schema(value_type = Option<Claims>)]
    pub claims: Option<ExtraClaims>,
    /// Claims of OpenID Connect (`name`, `email`…), which go into ID tokens and UserInfo, by scope.
    #[schema(value_type = Option<Profile>)]
    pub profile: Option<ExtraClaims>,
    /// Whether the user may log in; true if absent.
    #[schema(default = true)]
    pub enabled: Option<bool>,
    /// What the user may administer in the console. It needs `jeton:admin`.
    pub role: Option<Role>,
}

/// Changes to a user.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserPatch {
    /// A new name.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = Username, required = false)]
    pub username: Option<String>,
    /// A new password.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = Password, required = false)]
    pub password: Option<SecretString>,
    /// The scopes that the user may be granted; null: whatever the client may.
    #[serde(default)]
    #[schema(value_type = Option<UserScope>)]
    pub scope: Patch<Scope>,
    /// Claims that go into the user's tokens, merged member by member.
    #[serde(default)]
    #[schema(value_type = Option<Claims>)]
    pub claims: Patch<ExtraClaims>,
    /// Claims of OpenID Connect, merged member by member.
    #[serde(default)]
    #[schema(value_type = Option<Profile>)]
    pub profile: Patch<ExtraClaims>,
    /// Whether the user may log in.
    #[serde(default)]
    #[schema(value_type = Option<bool>, default = true)]
    pub enabled: Patch<bool>,
    /// What the user may administer in the console; null: nothing. It needs `jeton:admin`.
    #[serde(default)]
    #[schema(value_type = Option<Role>)]
    pub role: Patch<Role>,
}

/// A new password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    /// The password.
    #[schema(value_type = Password)]
    pub password: SecretString,
}
