//! What a client would get for a request, and which setting each claim comes from.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::admin::Result;
use crate::app::{App, Failure};
use crate::grants::preview::{self, Previewed, PreviewedToken};
use crate::protocol::client::{AccessTokenFormat, AccessTokenTyp, Client, GrantType};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::parameters::Parameters;
use crate::protocol::profile;
use crate::protocol::resource::Resources;
use crate::protocol::scope::{Scope, is_reserved};
use crate::protocol::user::User;

/// A token of more bytes does not fit into the headers that many servers take.
const LARGE: usize = 4096;

/// A request to preview.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewRequest {
    /// The client.
    #[schema(min_length = 1)]
    pub client_id: String,
    /// By which grant it asks: the one that begins the session, not `refresh_token`.
    pub grant_type: GrantType,
    /// The user who logs in, by id, `sub` or name. The client asks for itself if absent.
    pub user: Option<String>,
    /// The scope that it asks for; what the client has if absent.
    pub scope: Option<String>,
    /// The resources that it asks for.
    #[schema(max_items = 50)]
    pub resource: Option<Vec<String>>,
    /// Whether the token request comes with what its token is bound to: the client's certificate if it has
    /// `tls_client_certificate_bound_access_tokens`, else a DPoP proof. As the client must send it if absent.
    pub sender_constrained: Option<bool>,
    /// Whether the authorization request is pushed. As the client must send it if absent.
    pub pushed: Option<bool>,
}

/// What the request would get.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Preview {
    /// The access token; null if the request would be refused.
    #[schema(required)]
    pub token: Option<PreviewToken>,
    /// Why it would be refused; null if it would not be.
    #[schema(required)]
    pub refused: Option<PreviewRefusal>,
    /// Scopes of the client that the token would not have.
    pub left_out: Vec<LeftOut>,
    /// What may be a mistake.
    pub notes: Vec<String>,
    /// What the client must send that is not known here, and is taken to be right.
    pub assumed: Vec<String>,
}

/// An access token that would be issued.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PreviewToken {
    /// Its format.
    pub format: AccessTokenFormat,
    /// The `typ` of a JWT; null for an opaque token.
    #[schema(required)]
    pub typ: Option<AccessTokenTyp>,
    /// Its length, in bytes.
    pub size: usize,
    /// Seconds until it expires.
    pub expires_in: i64,
    /// Whether there is a refresh token too.
    pub refresh_token: bool,
    /// Whether there is an ID token too.
    pub id_token: bool,
    /// Its claims.
    pub claims: Vec<PreviewClaim>,
}

/// A claim, and where it comes from.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PreviewClaim {
    /// Its name.
    pub claim: String,
    /// Its value.
    #[schema(value_type = Value)]
    pub value: Value,
    /// The setting that it comes from.
    pub from: String,
    /// Whether it is another one for each token.
    pub varies: bool,
}

/// Why the request would be refused.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PreviewRefusal {
    /// The `error` of the answer.
    pub error: ErrorCode,
    /// The `error_description` of the answer.
    pub error_description: String,
    /// What the log would say.
    pub reason: String,
}

/// A scope of the client that the token would not have.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LeftOut {
    /// The scope.
    pub scope: String,
    /// Why.
    pub why: String,
}

impl App {
    /// Says what a request would get. Nothing is issued, signed or written.
    pub async fn preview(&self, request: &PreviewRequest) -> Result<Preview> {
        let client = self.find_client(&request.client_id).await?;
        let user = match request.user.as_deref().filter(|name| !name.is_empty()) {
            Some(name) => Some(self.find_user(name).await?),
            None => None,
        };
        let asked = parameters(request).map_err(Failure::from)?;
        let previewed = Previewed {
            client: &client,
            grant: request.grant_type,
            user: user.as_ref(),
            asked: &asked,
            sender_constrained: request.sender_constrained,
            pushed: request.pushed,
        };
        let outcome = preview::preview(self, &self.issuer, &previewed).await;
        let resources = self.state.resources().await.map_err(Failure::from)?;
        let about = About { client: &client, user: user.as_ref(), request, resources: &resources };
        match outcome {
            Ok(token) => Ok(about.token(self, token)),
            Err(Failure::Refused(Refusal { code, description, reason, .. })) => Ok(Preview {
                token: None,
                refused: Some(PreviewRefusal {
                    error: code,
                    error_description: description.into(),
                    reason: reason.into(),
                }),
                left_out: vec![],
                notes: vec![],
                assumed: vec![],
            }),
            Err(failure) => Err(failure.into()),
        }
    }
}

/// The parameters of the request, in the form in which they are sent.
fn parameters(request: &PreviewRequest) -> std::result::Result<Parameters, Refusal> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    if let Some(scope) = &request.scope {
        form.append_pair("scope", scope);
    }
    for resource in request.resource.iter().flatten() {
        form.append_pair("resource", resource);
    }
    Parameters::from_form(form.finish().as_bytes())
}

/// What the claims are explained by.
struct About<'a> {
    client: &'a Client,
    user: Option<&'a User>,
    request: &'a PreviewRequest,
    resources: &'a Resources,
}

impl About<'_> {
    fn token(&self, app: &App, token: PreviewedToken) -> Preview {
        let PreviewedToken { claims, format, typ, length, .. } = &token;
        let members = match serde_json::to_value(claims) {
            Ok(Value::Object(members)) => members,
            _ => Default::default(),
        };
        let shown = members.into_iter().map(|(claim, value)| {
            let (from, varies) = self.source(app, &token, &claim);
            PreviewClaim { claim, value, from, varies }
        });
        let granted = claims.scope.clone().unwrap_or_default();
        let mut notes = Vec::new();
        if *length > LARGE {
            notes.push(format!("The token has {length} bytes; many servers take no header of more than {LARGE}."));
        }
        Preview {
            refused: None,
            left_out: self.left_out(&granted, claims.aud.all()),
            notes,
            assumed: self.assumed(),
            token: Some(PreviewToken {
                format: *format,
                typ: (*format == AccessTokenFormat::Jwt).then_some(*typ),
                size: *length,
                expires_in: (claims.exp - claims.iat).max(1),
                refresh_token: token.has_refresh_token,
                id_token: token.has_id_token,
                claims: shown.collect(),
            }),
        }
    }

    /// What only the request itself can show.
    fn assumed(&self) -> Vec<String> {
        let settings = &self.client.settings;
        let at_browser = self.request.grant_type == GrantType::AuthorizationCode;
        let proves = self.request.sender_constrained.is_none();
        let assumed = [
            (
                proves && settings.dpop_bound_access_tokens,
                "The token request has a good DPoP proof (dpop_bound_access_tokens).",
            ),
            (
                proves && settings.tls_client_certificate_bound_access_tokens,
                "The token request comes with the client's certificate (tls_client_certificate_bound_access_tokens).",
            ),
            (
                at_browser && self.request.pushed.is_none() && settings.require_pushed_authorization_requests,
                "The authorization request is pushed (require_pushed_authorization_requests).",
            ),
            (
                at_browser && settings.require_pkce,
                "The authorization request has a PKCE challenge, and the token request its verifier (require_pkce).",
            ),
            (
                settings.security_profile.is_some(),
                "What the client signs keeps to its security_profile: the rules signing_algorithms and client_assertion_audience.",
            ),
        ];
        assumed.into_iter().filter(|(is_due, _)| *is_due).map(|(_, text)| text.to_owned()).collect()
    }

    /// The setting that a claim comes from, and whether the claim is another one for each token.
    fn source(&self, app: &App, token: &PreviewedToken, claim: &str) -> (String, bool) {
        let client = &self.client.client_id;
        let fixed = |from: String| (from, false);
        let audiences = token.claims.aud.all();
        match claim {
            "iss" => fixed("JETON_ISSUER".into()),
            "sub" => fixed(match self.user {
                Some(user) => format!("user {}: sub", user.username),
                None => format!("client {client}: client_id"),
            }),
            "client_id" => fixed(format!("client {client}: client_id")),
            "aud" => fixed(self.source_of_audiences(app, audiences)),
            "scope" => {
                fixed(if self.asks_for_scope() { "request: scope".into() } else { format!("client {client}: scope") })
            }
            "iat" => ("the time of the request".into(), true),
            "exp" => (self.source_of_life(token, audiences), true),
            "jti" => ("new for each token".into(), true),
            "sid" => ("the session that begins with the login".into(), true),
            "cnf" => (self.source_of_confirmation(), true),
            "log" => ("the newest entry of the change log".into(), true),
            name => fixed(self.source_of_extra(name, audiences)),
        }
    }

    fn source_of_confirmation(&self) -> String {
        let client = &self.client.client_id;
        if self.client.settings.tls_client_certificate_bound_access_tokens {
            return format!("the certificate (client {client}: tls_client_certificate_bound_access_tokens)");
        }
        if !self.client.settings.dpop_bound_access_tokens {
            return "the key of the DPoP proof (request: sender_constrained)".into();
        }
        format!("the key of the DPoP proof (client {client}: dpop_bound_access_tokens)")
    }

    fn asks_for_scope(&self) -> bool {
        self.request.scope.as_deref().is_some_and(|scope| !scope.is_empty())
    }

    fn source_of_audiences(&self, app: &App, audiences: &[String]) -> String {
        if self.request.resource.iter().flatten().any(|resource| !resource.is_empty()) {
            return "request: resource".into();
        }
        let client = &self.client.client_id;
        if audiences == [app.issuer.admin_audience().to_owned()] {
            return "the admin API, because of a jeton: scope".into();
        }
        if !self.client.settings.audiences.is_empty() {
            return format!("client {client}: audiences");
        }
        if self.client.settings.is_self_registered() {
            return "UserInfo, because the client registered itself and has no audiences".into();
        }
        "JETON_DEFAULT_AUDIENCE, because the client has no audiences".into()
    }

    /// The setting that decides how long the token lives: the shortest life wins.
    fn source_of_life(&self, token: &PreviewedToken, audiences: &[String]) -> String {
        let client = &self.client.client_id;
        if token.is_cut_by_session {
            return format!("the end of the session (client {client}: refresh_token_ttl, session_ttl)");
        }
        let life = token.claims.exp - token.claims.iat;
        let of_resource = audiences.iter().find(|audience| {
            let found = self.resources.get(audience);
            found.is_some_and(|resource| resource.settings.access_token_ttl == Some(life))
        });
        match of_resource {
            Some(resource) => format!("resource {resource}: access_token_ttl"),
            None if self.client.settings.access_token_ttl.is_some() => format!("client {client}: access_token_ttl"),
            None => "JETON_ACCESS_TOKEN_TTL".into(),
        }
    }

    /// Claims of the user replace those of resources, the last of which replace those of the others and of the client.
    fn source_of_extra(&self, name: &str, audiences: &[String]) -> String {
        if let Some(user) = self.user.filter(|user| user.claims.contains_key(name)) {
            return format!("user {}: claims", user.username);
        }
        let of_resource = audiences.iter().rev().find(|audience| {
            self.resources.get(audience).is_some_and(|resource| resource.settings.claims.contains_key(name))
        });
        match of_resource {
            Some(resource) => format!("resource {resource}: claims"),
            None if self.client.settings.claims.contains_key(name) => {
                format!("client {}: claims", self.client.client_id)
            }
            None => "this server".into(),
        }
    }

    /// What the client may have, and this token not. Whatever was asked for and may not be granted is refused instead.
    fn left_out(&self, granted: &Scope, audiences: &[String]) -> Vec<LeftOut> {
        if self.asks_for_scope() {
            return vec![];
        }
        let allowed = &self.client.settings.scope;
        let missing = allowed.tokens().filter(|name| !granted.contains(name));
        missing.map(|name| LeftOut { scope: name.to_owned(), why: self.why_not(name, audiences) }).collect()
    }

    fn why_not(&self, name: &str, audiences: &[String]) -> String {
        if is_reserved(name) {
            return "jeton: scopes are granted to a client for itself only, and with no others".into();
        }
        if profile::is_about_identity(name) {
            return "scopes about identity are granted only when they are asked for".into();
        }
        if let Some(user) = self.user
            && user.scope.as_ref().is_some_and(|scope| !scope.contains(name))
        {
            return format!("user {}: scope does not have it", user.username);
        }
        let named: Vec<String> = audiences.iter().map(|audience| json!(audience).to_string()).collect();
        format!("none of these has it among its scopes: {}", named.join(", "))
    }
}
