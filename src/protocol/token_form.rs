//! The form of an access token: what its resources require, and its client where they say nothing.

use crate::protocol::claims::ExtraClaims;
use crate::protocol::client::{AccessTokenFormat, AccessTokenTyp, ClientSettings};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::resource::{ResourceSettings, Resources};

/// The form of an access token for certain audiences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenForm {
    /// JWT or opaque.
    pub format: AccessTokenFormat,
    /// The `typ` of a JWT.
    pub typ: AccessTokenTyp,
    /// Its lifetime, in seconds.
    pub ttl: i64,
    /// The claims of client and resources.
    pub claims: ExtraClaims,
}

impl TokenForm {
    /// The form that the audiences require and, where they say nothing, the client; the shortest life wins.
    ///
    /// # Errors
    /// `invalid_target` if they require different forms.
    pub fn of(
        client: &ClientSettings,
        default_ttl: i64,
        audiences: &[String],
        resources: &Resources,
    ) -> Result<Self, Refusal> {
        let form = |resource: Option<&ResourceSettings>| {
            let format = resource.and_then(|settings| settings.access_token_format);
            let typ = resource.and_then(|settings| settings.access_token_typ);
            let ttl = resource.and_then(|settings| settings.access_token_ttl);
            Self {
                format: format.unwrap_or(client.access_token_format),
                typ: typ.unwrap_or(client.access_token_typ),
                ttl: ttl.or(client.access_token_ttl).unwrap_or(default_ttl),
                claims: ExtraClaims::new(),
            }
        };
        let mut settings = audiences.iter().map(|audience| resources.get(audience).map(|found| &found.settings));
        let first = settings.next().flatten();
        let mut whole = Self { claims: client.claims.clone(), ..form(first) };
        whole.claims.extend(first.into_iter().flat_map(|settings| settings.claims.clone()));
        for settings in settings {
            let next = form(settings);
            if next.format != whole.format || (next.format == AccessTokenFormat::Jwt && next.typ != whole.typ) {
                let text = "The resources need tokens of different forms: ask for one of them at a time.";
                return Err(Refusal::new(ErrorCode::InvalidTarget, text));
            }
            whole.ttl = whole.ttl.min(next.ttl);
            whole.claims.extend(settings.into_iter().flat_map(|settings| settings.claims.clone()));
        }
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::resource::tests::resources;

    const A: &str = "https://a.example/";
    const B: &str = "https://b.example/";

    fn form(client: Value, settings: &Value, audiences: &[&str]) -> Result<TokenForm, Refusal> {
        let client: ClientSettings = serde_json::from_value(client).unwrap();
        let audiences: Vec<String> = audiences.iter().map(ToString::to_string).collect();
        TokenForm::of(&client, 900, &audiences, &resources(settings))
    }

    #[test]
    fn a_resource_decides_before_the_client_and_the_client_before_the_server() {
        let client = json!({"access_token_ttl": 300, "claims": {"tenant": "blue", "plan": "free"}});
        let bare = form(client.clone(), &json!({}), &[A]).unwrap();
        assert_eq!((bare.format, bare.typ, bare.ttl), (AccessTokenFormat::Jwt, AccessTokenTyp::AtJwt, 300));
        assert_eq!(Value::Object(bare.claims), json!({"tenant": "blue", "plan": "free"}));
        let settings = json!({
            A: {"access_token_format": "opaque", "access_token_typ": "JWT", "access_token_ttl": 600, "claims": {"plan": "paid"}},
        });
        let own = form(client, &settings, &[A]).unwrap();
        assert_eq!((own.format, own.typ, own.ttl), (AccessTokenFormat::Opaque, AccessTokenTyp::Jwt, 600));
        assert_eq!(Value::Object(own.claims), json!({"tenant": "blue", "plan": "paid"}));
        assert_eq!(form(json!({}), &json!({}), &[A, B]).unwrap().ttl, 900);
    }

    #[test]
    fn the_shortest_life_of_several_resources_wins() {
        let settings = json!({A: {"access_token_ttl": 600}, B: {"access_token_ttl": 60}});
        assert_eq!(form(json!({}), &settings, &[A, B]).unwrap().ttl, 60);
        assert_eq!(form(json!({}), &settings, &[A]).unwrap().ttl, 600);
        let other = "https://other.example/";
        assert_eq!(form(json!({"access_token_ttl": 300}), &settings, &[A, other]).unwrap().ttl, 300);
    }

    #[test]
    fn several_resources_with_different_forms_are_refused() {
        let opaque = json!({"access_token_format": "opaque"});
        for (settings, client, agree) in [
            (json!({A: opaque, B: {"access_token_format": "jwt"}}), json!({}), false),
            (json!({A: opaque}), json!({}), false),
            (json!({A: opaque}), opaque.clone(), true),
            (json!({A: opaque, B: opaque}), json!({}), true),
            (json!({A: {"access_token_typ": "JWT"}}), json!({}), false),
            (json!({A: {"access_token_typ": "JWT"}}), json!({"access_token_typ": "JWT"}), true),
            (json!({A: {"access_token_typ": "JWT"}}), opaque.clone(), true),
        ] {
            let code = form(client.clone(), &settings, &[A, B]).map_err(|refusal| refusal.code);
            let expected = if agree { None } else { Some(ErrorCode::InvalidTarget) };
            assert_eq!(code.err(), expected, "{settings} {client}");
        }
    }
}
