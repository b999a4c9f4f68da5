//! Clients that register themselves (RFC 7591 §2, OpenID Connect Registration §2): what they may say of themselves, and what
//! becomes of it.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use url::Url;

use crate::protocol::client::{ClientSettings, Consent, GrantType, RegisteredBy, check_client_name};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::resource::Resources;
use crate::protocol::scope::Scope;
use crate::protocol::{profile, redirect};

/// Seconds within which somebody has to log in with a client that registered itself; otherwise it is removed.
pub const UNUSED_LIFE: i64 = 3600;
/// Seconds for which a client that registered itself is kept after its last session is gone. Then it has to register again.
pub const DORMANT_LIFE: i64 = 90 * 86_400;
/// How many clients with which nobody has logged in yet there may be at a time.
pub const MOST_UNUSED: i64 = 10_000;
/// The grants of a client that registered itself, of which it has those that it asks for. Others begin without a person who is
/// asked.
pub const GRANTS: [GrantType; 3] = [GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::DeviceCode];

/// The only response type, for clients with the code grant.
const RESPONSE_TYPE: &str = "code";
/// The most bytes of JSON that the settings of such a client take in the database, besides its scope.
const LARGEST: usize = 16 * 1024;
/// The most levels of arrays and objects in a member. A key set has three.
const DEEPEST: usize = 8;
/// Members that are kept as they were sent, for people to read. No rule depends on them, and nothing is fetched.
const KEPT_URIS: [&str; 5] = ["client_uri", "logo_uri", "tos_uri", "policy_uri", JWKS_URI];
const KEPT_TEXTS: [&str; 2] = ["software_id", "software_version"];
/// The keys of such a client are kept for people to read, too.
const BY_A_KEY: &str = "token_endpoint_auth_method: a client that registered itself authenticates neither by private_key_jwt nor by \
                        self_signed_tls_client_auth";
const JWKS: &str = "jwks";
const JWKS_URI: &str = "jwks_uri";

/// Checks that a client which registered itself has nothing for which somebody would have to vouch; not even an administrator
/// gives it that.
///
/// # Errors
/// What it has.
pub fn check_limits(settings: &ClientSettings) -> Result<(), String> {
    if !settings.is_self_registered() {
        return Ok(());
    }
    let wrong = if settings.grant_types.iter().any(|grant| !GRANTS.contains(grant)) {
        "grant_types: a client that registered itself has the grants for codes, devices and refresh tokens only"
    } else if settings.scope.has_reserved() {
        "scope: a client that registered itself has no jeton: scope"
    } else if !settings.permissions.is_empty() {
        "permissions: a client that registered itself has none"
    } else if settings.consent != Consent::Required {
        "consent: people are always asked about a client that registered itself"
    } else if !settings.require_pkce {
        "require_pkce cannot be off for a client that registered itself"
    } else if settings.token_endpoint_auth_method.uses_registered_keys() {
        BY_A_KEY
    } else {
        return Ok(());
    };
    Err(wrong.into())
}

/// What a client says of itself in a request to register or to change its registration.
#[derive(Debug)]
pub struct Metadata(Map<String, Value>);

impl Metadata {
    /// Reads the body of a request. Members that are `null` count as absent (RFC 7592 §2.2).
    ///
    /// # Errors
    /// `invalid_client_metadata` if it is no JSON object; `unapproved_software_statement` for any software statement, since none
    /// is trusted here.
    pub fn parse(document: &[u8]) -> Result<Self, Refusal> {
        let members: Map<String, Value> =
            serde_json::from_slice(document).map_err(|_| invalid("The body is not a JSON object.".into()))?;
        let members: Map<String, Value> = members.into_iter().filter(|(_, value)| !value.is_null()).collect();
        if members.contains_key("software_statement") {
            let description = "This server trusts no software statements: register without one.";
            return Err(Refusal::new(ErrorCode::UnapprovedSoftwareStatement, description));
        }
        Ok(Self(members))
    }

    /// The same from a document that was read already.
    pub(super) fn of(members: Map<String, Value>) -> Self {
        Self(members.into_iter().filter(|(_, value)| !value.is_null()).collect())
    }

    /// A member as it was sent.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The settings of the client: what it says replaces what it said `before`, and what it leaves out is deleted. What
    /// only administrators set stays. Grants, response types and scopes that it cannot have are left out; of the scopes, it may have
    /// those that say who a person is, and those of the resources that are open to anybody.
    ///
    /// # Errors
    /// `invalid_redirect_uri` or `invalid_client_metadata`.
    pub fn apply(mut self, before: ClientSettings, resources: &Resources) -> Result<ClientSettings, Refusal> {
        let grant_types = self.grant_types()?;
        self.check_response_types(&grant_types)?;
        let settings = ClientSettings {
            client_name: self.take("client_name", "a string")?,
            token_endpoint_auth_method: self
                .take("token_endpoint_auth_method", "none, client_secret_basic, client_secret_post or tls_client_auth")?
                .unwrap_or(before.token_endpoint_auth_method),
            grant_types,
            scope: self.scope(resources)?,
            redirect_uris: self.take("redirect_uris", "a list of strings")?.unwrap_or_default(),
            post_logout_redirect_uris: self.take("post_logout_redirect_uris", "a list of strings")?.unwrap_or_default(),
            backchannel_logout_uri: self.take("backchannel_logout_uri", "a string")?,
            application_type: self.take("application_type", "web or native")?,
            require_pushed_authorization_requests: self
                .take("require_pushed_authorization_requests", "true or false")?
                .unwrap_or_default(),
            dpop_bound_access_tokens: self.take("dpop_bound_access_tokens", "true or false")?.unwrap_or_default(),
            id_token_signed_response_alg: self
                .take("id_token_signed_response_alg", "RS256, PS256, ES256 or EdDSA")?
                .unwrap_or_default(),
            tls_client_auth_subject_dn: self.take("tls_client_auth_subject_dn", "a string")?,
            tls_client_auth_san_dns: self.take("tls_client_auth_san_dns", "a string")?,
            tls_client_auth_san_uri: self.take("tls_client_auth_san_uri", "a string")?,
            tls_client_auth_san_ip: self.take("tls_client_auth_san_ip", "a string")?,
            tls_client_auth_san_email: self.take("tls_client_auth_san_email", "a string")?,
            tls_client_certificate_bound_access_tokens: self
                .take("tls_client_certificate_bound_access_tokens", "true or false")?
                .unwrap_or_default(),
            metadata: self.kept()?,
            registered_by: RegisteredBy::Itself,
            ..before
        };
        check(&settings)?;
        Ok(settings)
    }

    /// Takes a member out, in the type that it must have.
    fn take<T: DeserializeOwned>(&mut self, name: &str, expected: &str) -> Result<Option<T>, Refusal> {
        let Some(value) = self.0.remove(name) else { return Ok(None) };
        serde_json::from_value(value).map(Some).map_err(|_| invalid(format!("{name} must be {expected}.")))
    }

    fn grant_types(&mut self) -> Result<Vec<GrantType>, Refusal> {
        let Some(names) = self.take::<Vec<String>>("grant_types", "a list of strings")? else {
            return Ok(vec![GrantType::AuthorizationCode]);
        };
        let has = |grant: &GrantType| names.iter().any(|name| name == grant.name());
        let grants: Vec<GrantType> = GRANTS.into_iter().filter(has).collect();
        // A refresh token comes of another grant only (RFC 7591 §2.1).
        if !grants.iter().any(|grant| *grant != GrantType::RefreshToken) {
            let [code, device] = [GrantType::AuthorizationCode, GrantType::DeviceCode].map(GrantType::name);
            let text =
                format!("grant_types must have {code} or {device}: for others, clients cannot register themselves.");
            return Err(invalid(text));
        }
        Ok(grants)
    }

    fn check_response_types(&mut self, grants: &[GrantType]) -> Result<(), Refusal> {
        match self.take::<Vec<String>>("response_types", "a list of strings")? {
            Some(types) if has_code(grants) && !types.iter().any(|name| name == RESPONSE_TYPE) => {
                Err(invalid("response_types must have code, which alone this server supports.".into()))
            }
            _ => Ok(()),
        }
    }

    fn scope(&mut self, resources: &Resources) -> Result<Scope, Refusal> {
        let open = resources.scopes_for_anybody();
        let Some(text) = self.take::<String>("scope", "a string")? else {
            let mut names: Vec<&str> = profile::scopes().collect();
            names.extend(open.into_iter().filter(|name| !profile::is_about_identity(name)));
            return Ok(Scope::of_first(names));
        };
        let scope = Scope::parse(&text);
        let scope = scope.map_err(|_| invalid("scope must be a list of names separated by single spaces.".into()))?;
        Ok(scope.split_by(|name| profile::is_about_identity(name) || open.contains(name)).0)
    }

    fn kept(&mut self) -> Result<Map<String, Value>, Refusal> {
        if self.0.contains_key(JWKS) && self.0.contains_key(JWKS_URI) {
            return Err(invalid("jwks and jwks_uri must not be sent together.".into()));
        }
        let mut kept = Map::new();
        for name in KEPT_URIS {
            if let Some(uri) = self.take::<String>(name, "a string")? {
                if !is_web_address(&uri) {
                    return Err(invalid(format!("{name} must be a web address that begins with https:// or http://.")));
                }
                kept.insert(name.to_owned(), uri.into());
            }
        }
        for name in KEPT_TEXTS {
            kept.extend(self.take::<String>(name, "a string")?.map(|text| (name.to_owned(), text.into())));
        }
        let contacts = self.take::<Vec<String>>("contacts", "a list of strings")?;
        kept.extend(contacts.map(|contacts| ("contacts".to_owned(), contacts.into())));
        let jwks = self.take::<Map<String, Value>>(JWKS, "a JSON object")?;
        kept.extend(jwks.map(|jwks| (JWKS.to_owned(), jwks.into())));
        match kept.iter().find(|(_, value)| !is_plain(value, DEEPEST)) {
            Some((name, _)) => Err(invalid(format!("{name} has control characters, or is nested too deeply."))),
            None => Ok(kept),
        }
    }
}

/// The metadata of a client as it is shown to it, with what it did not say itself (RFC 7591 §3.2.1).
pub fn shown(settings: &ClientSettings) -> Map<String, Value> {
    let mut shown = settings.metadata.clone();
    let mut show = |name: &str, value: Value| shown.insert(name.to_owned(), value);
    show("redirect_uris", json!(settings.redirect_uris));
    show("token_endpoint_auth_method", json!(settings.token_endpoint_auth_method));
    show("grant_types", json!(settings.grant_types));
    let types = if has_code(&settings.grant_types) { vec![RESPONSE_TYPE] } else { vec![] };
    show("response_types", json!(types));
    show("scope", json!(settings.scope));
    show("id_token_signed_response_alg", json!(settings.id_token_signed_response_alg));
    show("require_pushed_authorization_requests", json!(settings.require_pushed_authorization_requests));
    show("dpop_bound_access_tokens", json!(settings.dpop_bound_access_tokens));
    for (name, value) in [
        ("client_name", settings.client_name.as_ref().map(|name| json!(name))),
        ("backchannel_logout_uri", settings.backchannel_logout_uri.as_ref().map(|uri| json!(uri))),
        ("application_type", settings.application_type.map(|kind| json!(kind))),
    ] {
        if let Some(value) = value {
            show(name, value);
        }
    }
    for (name, text) in settings.tls_client_auth_subjects() {
        show(name, json!(text));
    }
    show("tls_client_certificate_bound_access_tokens", json!(settings.tls_client_certificate_bound_access_tokens));
    if !settings.post_logout_redirect_uris.is_empty() {
        show("post_logout_redirect_uris", json!(settings.post_logout_redirect_uris));
    }
    shown
}

fn check(settings: &ClientSettings) -> Result<(), Refusal> {
    let redirect_uri = |problem: String| Refusal::naming(ErrorCode::InvalidRedirectUri, problem);
    if settings.redirect_uris.is_empty() && has_code(&settings.grant_types) {
        return Err(redirect_uri("redirect_uris must have at least one URI.".into()));
    }
    redirect::check_all(settings).map_err(|(member, problem)| {
        let text = format!("{problem}.");
        if member == "redirect_uris" { redirect_uri(text) } else { invalid(text) }
    })?;
    if settings.token_endpoint_auth_method.uses_registered_keys() {
        return Err(invalid(format!("{BY_A_KEY}.")));
    }
    if let Some(name) = &settings.client_name {
        check_client_name(name).map_err(|problem| invalid(format!("{problem}.")))?;
        if name.chars().any(is_invisible) {
            return Err(invalid("client_name has invisible characters.".into()));
        }
        if name.chars().all(|character| character.is_whitespace() || matches!(character, '\u{FE00}'..='\u{FE0F}')) {
            return Err(invalid("client_name shows nothing: leave it out.".into()));
        }
    }
    // Its scopes are those of resources, which have limits of their own.
    let settings = ClientSettings { scope: Scope::default(), ..settings.clone() };
    let size = serde_json::to_string(&settings).map_or(usize::MAX, |text| text.len());
    if size > LARGEST {
        return Err(invalid(format!("The metadata is too large: {LARGEST} bytes are the limit.")));
    }
    Ok(())
}

/// Whether a value has no more than this many levels, and no control characters: PostgreSQL's JSON has no NUL.
fn is_plain(value: &Value, levels: usize) -> bool {
    let is_text = |text: &str| !text.contains(char::is_control);
    match value {
        Value::String(text) => is_text(text),
        Value::Array(items) => levels > 0 && items.iter().all(|item| is_plain(item, levels - 1)),
        Value::Object(members) => {
            levels > 0 && members.iter().all(|(name, value)| is_text(name) && is_plain(value, levels - 1))
        }
        _ => true,
    }
}

/// Whether answers are sent to the client by a browser.
fn has_code(grants: &[GrantType]) -> bool {
    grants.contains(&GrantType::AuthorizationCode)
}

/// Whether a character shows nothing or turns the text around, so that a name would seem to be another.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}'
            | '\u{FEFF}' | '\u{FFA0}' | '\u{E0000}'..='\u{E0FFF}'
    )
}

fn is_web_address(uri: &str) -> bool {
    let is_plain = uri.len() <= redirect::LONGEST && uri.bytes().all(|byte| (0x21..=0x7E).contains(&byte));
    is_plain && Url::parse(uri).is_ok_and(|url| matches!(url.scheme(), "https" | "http") && url.host().is_some())
}

fn invalid(description: String) -> Refusal {
    Refusal::naming(ErrorCode::InvalidClientMetadata, description)
}
