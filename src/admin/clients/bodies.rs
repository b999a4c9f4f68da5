//! The bodies of requests that create or change a client.

use std::fmt;

use secrecy::SecretString;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::admin::Result;
use crate::admin::body::Patch;
use crate::admin::clients::validation::check;
use crate::admin::schema::{AudienceUri, Claims, IssuerName, RedirectUri};
use crate::protocol::claims::ExtraClaims;
use crate::protocol::client::{
    AccessTokenFormat, AccessTokenTyp, ApplicationType, AuthMethod, ClientSettings, Consent, GrantType,
    IdTokenAlgorithm, IdentityAssertionAudience, Jwks, Permission, SecurityProfile,
};
use crate::protocol::scope::Scope;
use crate::protocol::security_profile::{self, Unnamed};

/// A client to create. `null` counts as absent.
#[derive(Debug, Default, ToSchema)]
pub struct NewClient {
    /// Printable ASCII characters, no space at either end; not of the form of a UUID. Generated if absent.
    #[schema(min_length = 1, max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$")]
    pub client_id: Option<String>,
    /// Printable ASCII characters. Leave it out to have one generated.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 1024, pattern = "^[ -~]+$")]
    pub client_secret: Option<SecretString>,
    /// Everything that can be changed later.
    #[serde(flatten)]
    pub settings: ClientPatch,
}

/// What can be changed of a client. With `token_endpoint_auth_method` `none` it has no `client_credentials`, no
/// permissions, no `jeton:` scope, and its refresh tokens rotate.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientPatch {
    /// A display name, at most 255 bytes of UTF-8 without control characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 255, pattern = r"^[^\u0000-\u001F\u007F-\u009F]*$")]
    pub client_name: Patch<String>,
    /// How the client authenticates. A client with a secret may send it either way; one with `private_key_jwt` has keys of its own,
    /// by which it signs an assertion for each request; one with `tls_client_auth` or `self_signed_tls_client_auth` shows a
    /// certificate; `none` is a public client.
    #[serde(default)]
    #[schema(value_type = Option<AuthMethod>, default = "client_secret_basic")]
    pub token_endpoint_auth_method: Patch<AuthMethod>,
    /// The public keys of the client. Replaced as a whole.
    #[serde(default)]
    #[schema(value_type = Option<Jwks>)]
    pub jwks: Patch<Jwks>,
    /// Where the client publishes its public keys (https), instead of `jwks`. They are fetched when they are needed.
    #[serde(default)]
    #[schema(value_type = Option<RedirectUri>)]
    pub jwks_uri: Patch<String>,
    /// The subject that its certificate must have, as RFC 4514 writes it: `CN=worker,O=Example,C=FR`. With `tls_client_auth`,
    /// a client has exactly one of the five names, of at most 1024 bytes.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1)]
    pub tls_client_auth_subject_dn: Patch<String>,
    /// A DNS name that its certificate must have among its alternative names. Wildcards match nothing.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1)]
    pub tls_client_auth_san_dns: Patch<String>,
    /// A URI that its certificate must have, compared byte for byte.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1)]
    pub tls_client_auth_san_uri: Patch<String>,
    /// An address that its certificate must have.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1)]
    pub tls_client_auth_san_ip: Patch<String>,
    /// An email address that its certificate must have.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1)]
    pub tls_client_auth_san_email: Patch<String>,
    /// Whether its access tokens are bound to the certificate that it shows when it gets them; without one, it gets none.
    #[serde(default)]
    #[schema(value_type = Option<bool>, default = false)]
    pub tls_client_certificate_bound_access_tokens: Patch<bool>,
    /// The trusted issuers whose tokens it may present: to prove who it is (with `private_key_jwt`), or for tokens of their subjects
    /// (with the JWT bearer grant or by token exchange). Needs `jeton:admin`.
    #[serde(default)]
    #[schema(value_type = Option<Vec<IssuerName>>, max_items = 50)]
    pub issuers: Patch<Vec<String>>,
    /// The other authorization servers for which it may get identity assertions (ID-JAG) about people who logged in with it, each at
    /// most once. Replaced as a whole. Needs `jeton:admin`.
    #[serde(default)]
    #[schema(value_type = Option<Vec<IdentityAssertionAudience>>, max_items = 50)]
    pub identity_assertion_audiences: Patch<Vec<IdentityAssertionAudience>>,
    /// The grants that it may use.
    #[serde(default)]
    #[schema(value_type = Option<Vec<GrantType>>)]
    pub grant_types: Patch<Vec<GrantType>>,
    /// The scopes that it may be granted.
    #[serde(default)]
    #[schema(value_type = Option<Scope>)]
    pub scope: Patch<Scope>,
    /// The resources that its tokens may be for: absolute URIs without a fragment. The default audience if empty.
    #[serde(default)]
    #[schema(value_type = Option<Vec<AudienceUri>>, max_items = 50)]
    pub audiences: Patch<Vec<String>>,
    /// A signed JWT that anyone can verify, or a sealed text that only this server can read.
    #[serde(default)]
    #[schema(value_type = Option<AccessTokenFormat>, default = "jwt")]
    pub access_token_format: Patch<AccessTokenFormat>,
    /// The `typ` in the header of its JWTs: `at+jwt` (RFC 9068), or `JWT` for resource servers that accept no other.
    #[serde(default)]
    #[schema(value_type = Option<AccessTokenTyp>, default = "at+jwt")]
    pub access_token_typ: Patch<AccessTokenTyp>,
    /// The life of an access token in seconds; `JETON_ACCESS_TOKEN_TTL` unless set.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 86400)]
    pub access_token_ttl: Patch<i64>,
    /// How many seconds a session may stay unused; `JETON_REFRESH_TOKEN_TTL` unless set.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 34560000)]
    pub refresh_token_ttl: Patch<i64>,
    /// The longest life of a session in seconds; `JETON_SESSION_TTL` unless set.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 34560000)]
    pub session_ttl: Patch<i64>,
    /// Whether a refresh gives a new refresh token.
    #[serde(default)]
    #[schema(value_type = Option<bool>, default = true)]
    pub refresh_token_rotation: Patch<bool>,
    /// For how many seconds a repeated refresh gets the same successor; 30, or 10 for a public client, unless set.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 300)]
    pub retry_window: Patch<i64>,
    /// How many sessions a user may have with it; one more ends the session that was unused longest.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 1000000, default = 100)]
    pub max_sessions: Patch<i64>,
    /// What it may do besides asking for tokens.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Permission>>)]
    pub permissions: Patch<Vec<Permission>>,
    /// The audiences whose tokens it may introspect or explain: none if empty, all if null.
    #[serde(default)]
    #[schema(value_type = Option<Vec<AudienceUri>>, max_items = 50)]
    pub introspect_audiences: Patch<Vec<String>>,
    /// Where answers of the authorization endpoint may be sent: https, http of the person's own machine, or a private scheme with
    /// a dot. They are compared byte for byte, but for the port of `127.0.0.1`, `[::1]` and `localhost`.
    #[serde(default)]
    #[schema(value_type = Option<Vec<RedirectUri>>, max_items = 50)]
    pub redirect_uris: Patch<Vec<String>>,
    /// Where people may be sent after they logged out.
    #[serde(default)]
    #[schema(value_type = Option<Vec<RedirectUri>>, max_items = 50)]
    pub post_logout_redirect_uris: Patch<Vec<String>>,
    /// Where the client is told that a person logged out (https).
    #[serde(default)]
    #[schema(value_type = Option<RedirectUri>)]
    pub backchannel_logout_uri: Patch<String>,
    /// `web` clients get no freedom of ports.
    #[serde(default)]
    #[schema(value_type = Option<ApplicationType>)]
    pub application_type: Patch<ApplicationType>,
    /// When people are asked what it may have. `once` and `skip` do not apply to redirect URIs of the person's own machine and of
    /// private schemes, which any program may claim.
    #[serde(default)]
    #[schema(value_type = Option<Consent>, default = "required")]
    pub consent: Patch<Consent>,
    /// Whether an authorization request needs a PKCE challenge. A client without a secret cannot switch it off.
    #[serde(default)]
    #[schema(value_type = Option<bool>, default = true)]
    pub require_pkce: Patch<bool>,
    /// Whether its authorization requests must be pushed.
    #[serde(default)]
    #[schema(value_type = Option<bool>, default = false)]
    pub require_pushed_authorization_requests: Patch<bool>,
    /// Whether each of its token requests needs a DPoP proof (RFC 9449), to whose key its access tokens are bound.
    #[serde(default)]
    #[schema(value_type = Option<bool>, default = false)]
    pub dpop_bound_access_tokens: Patch<bool>,
    /// The algorithm that signs its ID tokens.
    #[serde(default)]
    #[schema(value_type = Option<IdTokenAlgorithm>, default = "RS256")]
    pub id_token_signed_response_alg: Patch<IdTokenAlgorithm>,
    /// `fapi2`: a client that falls short of the FAPI 2.0 Security Profile is refused, and so are its requests. What is not named of
    /// `require_pushed_authorization_requests`, `refresh_token_rotation` and `id_token_signed_response_alg` is set as it requires.
    #[serde(default)]
    #[schema(value_type = Option<SecurityProfile>)]
    pub security_profile: Patch<SecurityProfile>,
    /// The algorithm that signs the answers of introspection that it asks for as a JWT.
    #[serde(default)]
    #[schema(value_type = Option<IdTokenAlgorithm>, default = "RS256")]
    pub introspection_signed_response_alg: Patch<IdTokenAlgorithm>,
    /// Claims that go into its tokens, merged member by member.
    #[serde(default)]
    #[schema(value_type = Option<Claims>)]
    pub claims: Patch<ExtraClaims>,
    /// Whether it may authenticate.
    #[serde(default)]
    #[schema(value_type = Option<bool>, default = true)]
    pub enabled: Patch<bool>,
}

impl ClientPatch {
    /// The settings with this patch applied (RFC 7396).
    pub fn apply(self, mut settings: ClientSettings) -> Result<ClientSettings> {
        let default = ClientSettings::default();
        let unnamed = Unnamed {
            pushed: self.require_pushed_authorization_requests == Patch::Keep,
            rotation: self.refresh_token_rotation == Patch::Keep,
            id_token: self.id_token_signed_response_alg == Patch::Keep,
            introspection: self.introspection_signed_response_alg == Patch::Keep,
        };
        self.client_name.apply_to_option(&mut settings.client_name);
        self.token_endpoint_auth_method
            .apply(&mut settings.token_endpoint_auth_method, default.token_endpoint_auth_method);
        self.jwks.apply_to_option(&mut settings.jwks);
        self.jwks_uri.apply_to_option(&mut settings.jwks_uri);
        self.tls_client_auth_subject_dn.apply_to_option(&mut settings.tls_client_auth_subject_dn);
        self.tls_client_auth_san_dns.apply_to_option(&mut settings.tls_client_auth_san_dns);
        self.tls_client_auth_san_uri.apply_to_option(&mut settings.tls_client_auth_san_uri);
        self.tls_client_auth_san_ip.apply_to_option(&mut settings.tls_client_auth_san_ip);
        self.tls_client_auth_san_email.apply_to_option(&mut settings.tls_client_auth_san_email);
        self.tls_client_certificate_bound_access_tokens.apply(
            &mut settings.tls_client_certificate_bound_access_tokens,
            default.tls_client_certificate_bound_access_tokens,
        );
        self.issuers.apply(&mut settings.issuers, default.issuers);
        self.identity_assertion_audiences
            .apply(&mut settings.identity_assertion_audiences, default.identity_assertion_audiences);
        self.grant_types.apply(&mut settings.grant_types, default.grant_types);
        self.scope.apply(&mut settings.scope, default.scope);
        self.audiences.apply(&mut settings.audiences, default.audiences);
        self.access_token_format.apply(&mut settings.access_token_format, default.access_token_format);
        self.access_token_typ.apply(&mut settings.access_token_typ, default.access_token_typ);
        self.access_token_ttl.apply_to_option(&mut settings.access_token_ttl);
        self.refresh_token_ttl.apply_to_option(&mut settings.refresh_token_ttl);
        self.session_ttl.apply_to_option(&mut settings.session_ttl);
        self.refresh_token_rotation.apply(&mut settings.refresh_token_rotation, default.refresh_token_rotation);
        self.retry_window.apply_to_option(&mut settings.retry_window);
        self.max_sessions.apply(&mut settings.max_sessions, default.max_sessions);
        self.permissions.apply(&mut settings.permissions, default.permissions);
        self.introspect_audiences.apply_to_option(&mut settings.introspect_audiences);
        self.redirect_uris.apply(&mut settings.redirect_uris, default.redirect_uris);
        self.post_logout_redirect_uris
            .apply(&mut settings.post_logout_redirect_uris, default.post_logout_redirect_uris);
        self.backchannel_logout_uri.apply_to_option(&mut settings.backchannel_logout_uri);
        self.application_type.apply_to_option(&mut settings.application_type);
        self.consent.apply(&mut settings.consent, default.consent);
        self.require_pkce.apply(&mut settings.require_pkce, default.require_pkce);
        self.require_pushed_authorization_requests
            .apply(&mut settings.require_pushed_authorization_requests, default.require_pushed_authorization_requests);
        self.dpop_bound_access_tokens.apply(&mut settings.dpop_bound_access_tokens, default.dpop_bound_access_tokens);
        self.id_token_signed_response_alg
            .apply(&mut settings.id_token_signed_response_alg, default.id_token_signed_response_alg);
        self.introspection_signed_response_alg
            .apply(&mut settings.introspection_signed_response_alg, default.introspection_signed_response_alg);
        self.claims.merge_into(&mut settings.claims);
        self.enabled.apply(&mut settings.enabled, default.enabled);
        self.security_profile.apply_to_option(&mut settings.security_profile);
        security_profile::complete(&mut settings, unnamed);
        check(&settings)?;
        Ok(settings)
    }
}

impl<'de> Deserialize<'de> for NewClient {
    // serde's `flatten` would accept unknown members and lose the place of a wrong value.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = NewClient;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<NewClient, A::Error> {
                let (mut client_id, mut client_secret) = (None, None);
                let rest = SettingMembers { map, client_id: &mut client_id, client_secret: &mut client_secret };
                let settings = ClientPatch::deserialize(MapAccessDeserializer::new(rest))?;
                Ok(NewClient { client_id: client_id.flatten(), client_secret: client_secret.flatten(), settings })
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Reads a member that has not been there before, not even as `null`.
fn read_once<'de, A: MapAccess<'de>, T: Deserialize<'de>>(
    map: &mut A,
    name: &'static str,
    member: &mut Option<T>,
) -> std::result::Result<(), A::Error> {
    if member.replace(map.next_value()?).is_some() { Err(A::Error::duplicate_field(name)) } else { Ok(()) }
}

/// The members of a new client that are settings; its id and its secret are put aside.
struct SettingMembers<'a, A> {
    map: A,
    client_id: &'a mut Option<Option<String>>,
    client_secret: &'a mut Option<Option<SecretString>>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for SettingMembers<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> std::result::Result<Option<K::Value>, A::Error> {
        while let Some(name) = self.map.next_key::<String>()? {
            match name.as_str() {
                "client_id" => read_once(&mut self.map, "client_id", self.client_id)?,
                "client_secret" => read_once(&mut self.map, "client_secret", self.client_secret)?,
                _ => return seed.deserialize(name.into_deserializer()).map(Some),
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> std::result::Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use utoipa::PartialSchema;

    use super::*;
    use crate::admin::body::read;

    fn patch(members: &Value) -> Result<ClientPatch> {
        read(members.to_string().as_bytes())
    }

    #[test]
    fn a_patch_changes_what_it_names_and_null_restores_the_default() {
        let first = patch(
            &json!({"scope": "read", "max_sessions": 5, "claims": {"a": 1, "b": 2}, "grant_types": ["password"]}),
        );
        let first = first.unwrap().apply(ClientSettings::default()).unwrap();
        let second = patch(&json!({"max_sessions": null, "claims": {"a": null, "c": 3}, "enabled": false})).unwrap();
        let second = second.apply(first).unwrap();
        assert_eq!(second.scope.to_string(), "read");
        assert_eq!(second.max_sessions, 100);
        assert_eq!(Value::Object(second.claims), json!({"b": 2, "c": 3}));
        assert!(!second.enabled);
    }

    #[test]
    fn the_limits_that_are_described_are_those_that_are_checked() {
        let schema = serde_json::to_value(ClientPatch::schema()).unwrap();
        let mut count = 0;
        for (name, member) in schema["properties"].as_object().unwrap() {
            let accepts = |value: Value| {
                patch(&json!({ name: value })).and_then(|patch| patch.apply(ClientSettings::default())).is_ok()
            };
            for (limit, step) in [("minimum", -1), ("maximum", 1)] {
                if let Some(limit) = member[limit].as_i64() {
                    assert!(accepts(limit.into()) && !accepts((limit + step).into()), "{name}: {limit}");
                    count += 1;
                }
            }
            if let Some(most) = member["maxItems"].as_u64() {
                let one = |index| match name.as_str() {
                    "identity_assertion_audiences" => {
                        json!({"audience": format!("https://{index}.test"), "client_id": "x"})
                    }
                    _ => json!(format!("https://a.test/{index}")),
                };
                let list = |length: u64| (0..length).map(one).collect();
                assert!(accepts(list(most)) && !accepts(list(most + 1)), "{name}: {most}");
                count += 1;
            }
            if let Some(longest) = member["maxLength"].as_u64() {
                let text = |length: u64| "x".repeat(usize::try_from(length).unwrap());
                assert!(accepts(text(longest).into()) && !accepts(text(longest + 1).into()), "{name}: {longest}");
                count += 1;
            }
        }
        assert_eq!(count, 17);
    }

    #[test]
    fn an_error_names_the_member() {
        for (members, name) in [
            (json!({"colour": "red"}), "colour"),
            (json!({"scope": "a  b"}), "scope"),
            (json!({"scope": 1}), "scope"),
            (json!({"grant_types": ["implicit"]}), "grant_types"),
            (json!({"grant_types": ["password", "password"]}), "grant_types"),
            (json!({"permissions": ["introspect", "introspect"]}), "permissions"),
            (json!({"access_token_ttl": 0}), "access_token_ttl"),
            (json!({"audiences": ["/api"]}), "audiences"),
            (json!({"audiences": ["https://a.example/\u{0}"]}), "audiences"),
            (json!({"redirect_uris": ["https://a.example/#x"]}), "redirect_uris[0]"),
            (json!({"post_logout_redirect_uris": ["javascript:x"]}), "post_logout_redirect_uris[0]"),
            (json!({"backchannel_logout_uri": "http://127.0.0.1/x"}), "backchannel_logout_uri"),
            (json!({"application_type": "web", "redirect_uris": ["com.example:/x"]}), "application_type"),
            (json!({"token_endpoint_auth_method": "none", "require_pkce": false}), "require_pkce"),
            (json!({"claims": {"sub": "x"}}), "claims"),
            (json!({"jwks": []}), "jwks"),
            (json!({"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}}), "jwks: keys[0]: the key is not public"),
            (json!({"jwks_uri": "http://127.0.0.1/keys"}), "jwks_uri"),
            (json!({"jwks_uri": "keys"}), "jwks_uri"),
            (
                json!({"token_endpoint_auth_method": "private_key_jwt"}),
                "private_key_jwt needs jwks, jwks_uri or issuers",
            ),
            (json!({"issuers": ["http://idp.example"]}), "issuers[0]"),
            (json!({"issuers": ["https://idp.example", "https://idp.example"]}), "issuers"),
            (json!({"scope": "jeton:root"}), "jeton:root"),
            (
                json!({"token_endpoint_auth_method": "none", "grant_types": ["client_credentials"]}),
                "client_credentials",
            ),
        ] {
            let error =
                patch(&members).and_then(|patch| patch.apply(ClientSettings::default())).unwrap_err().to_string();
            assert!(error.contains(name), "{members}: {error}");
        }
    }
}
