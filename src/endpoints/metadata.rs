//! Server metadata (RFC 8414, OpenID Connect Discovery): one document in two places. Addresses follow the issuer, never the request.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use crate::app::document::Document;
use crate::app::{App, Failure, Result};
use crate::endpoints::register;
use crate::grants;
use crate::issuer::Issuer;
use crate::jose::algorithm::SigningAlgorithm;
use crate::protocol::client::{AuthMethod, GrantType, IdTokenAlgorithm};
use crate::protocol::trusted_issuer::{IssuerUse, TrustedIssuers};
use crate::protocol::{exchange, profile};
use crate::settings::Registration;
use crate::store::ClientsInUse;

/// The claims of ID tokens besides those of a profile.
const CLAIMS: [&str; 10] = ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "sid", "amr"];

/// Identity assertions are accepted by the JWT bearer grant (draft-ietf-oauth-identity-assertion-authz-grant §7).
const ID_JAG_PROFILE: &str = "urn:ietf:params:oauth:grant-profile:id-jag";

/// The metadata document, which lists only what is in use. It is written anew when clients have changed.
pub(crate) async fn document(app: &App, issuer: &Issuer) -> Result<Document> {
    let in_use = app.state.clients_in_use().await?;
    let trusted = app.state.trusted_issuers().await?;
    match app.metadata.get(|(clients, issuers)| Arc::ptr_eq(clients, &in_use) && Arc::ptr_eq(issuers, &trusted)) {
        Some(document) => Ok(document),
        None => {
            let has_keys = ensure_keys(app, issuer, &in_use).await;
            let document = written(&content(app, issuer, &in_use, &trusted))?;
            // What is kept asks for no key any more.
            Ok(if has_keys { app.metadata.keep((in_use, trusted), document) } else { document })
        }
    }
}

/// Makes the signing keys that the ID tokens of clients will need. A client may read metadata and keys when it starts, and not again
/// at its first login: the key that the first ID token names has to be among them (OpenID Connect Core §10.1). Returns whether all are there.
async fn ensure_keys(app: &App, issuer: &Issuer, in_use: &Option<ClientsInUse>) -> bool {
    let algorithms = in_use.iter().flat_map(|in_use| &in_use.id_token_algorithms);
    let algorithms: Vec<SigningAlgorithm> = algorithms.map(|algorithm| SigningAlgorithm::from(*algorithm)).collect();
    app.ensure_signing_keys(issuer, &algorithms).await
}

/// The published keys (RFC 7517 §5), written anew when they have changed.
pub(crate) fn key_set(app: &App, issuer: &Issuer) -> Result<Document> {
    let keys = issuer.keys();
    match app.key_set.get(|generation| *generation == keys.generation()) {
        Some(document) => Ok(document),
        None => Ok(app.key_set.keep(keys.generation(), written(&keys.ring.jwks())?)),
    }
}

fn written(content: &impl Serialize) -> Result<Document> {
    Document::new(content).map_err(|error| Failure::Unavailable(error.to_string()))
}

fn content(app: &App, issuer: &Issuer, in_use: &Option<ClientsInUse>, trusted: &TrustedIssuers) -> Value {
    let grants: Vec<&GrantType> = GrantType::ALL.iter().filter(|grant| grants::is_supported(**grant, in_use)).collect();
    let methods: Vec<&AuthMethod> = AuthMethod::ALL.iter().filter(|method| app.settings.offers(**method)).collect();
    let confidential: Vec<&AuthMethod> = methods.iter().copied().filter(|method| !method.is_public()).collect();
    let algorithms: Vec<&str> =
        IdTokenAlgorithm::ALL.iter().map(|algorithm| SigningAlgorithm::from(*algorithm).name()).collect();
    let by_clients = SigningAlgorithm::VERIFIED;
    let at = |path: &str| issuer.endpoint(path);
    let mut content = json!({
        "issuer": issuer.url(),
        "authorization_endpoint": at("/auth/authorize"),
        "token_endpoint": at("/auth/token"),
        "userinfo_endpoint": at("/auth/userinfo"),
        "jwks_uri": at("/.well-known/jwks.json"),
        "revocation_endpoint": at("/auth/revoke"),
        "introspection_endpoint": at("/auth/introspect"),
        "end_session_endpoint": at("/auth/logout"),
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "pushed_authorization_request_endpoint": at("/auth/par"),
        "require_pushed_authorization_requests": false,
        "device_authorization_endpoint": at("/auth/device"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": grants,
        "scopes_supported": scopes(in_use),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": algorithms,
        "claims_supported": CLAIMS.into_iter().chain(profile::names()).collect::<Vec<_>>(),
        "claims_parameter_supported": true,
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "authorization_response_iss_parameter_supported": true,
        "request_parameter_supported": false,
        // The default is true (Discovery §3). Those of pushed requests are allowed all the same (RFC 9126 §5).
        "request_uri_parameter_supported": false,
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": by_clients,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": by_clients,
        "introspection_endpoint_auth_methods_supported": confidential,
        "introspection_endpoint_auth_signing_alg_values_supported": by_clients,
        "dpop_signing_alg_values_supported": by_clients,
        "introspection_signing_alg_values_supported": algorithms,
        "ui_locales_supported": ["en", "fr"],
        "service_documentation": at("/docs"),
    });
    if app.settings.registration != Registration::Off {
        content["registration_endpoint"] = json!(at(register::PATH));
    }
    if app.settings.has_client_certificates() {
        content["tls_client_certificate_bound_access_tokens"] = json!(true);
        content["mtls_endpoint_aliases"] = aliases(app, issuer);
    }
    if grants::is_supported(GrantType::JwtBearer, in_use) && trusted.has_use(IssuerUse::IdentityAssertion) {
        content["authorization_grant_profiles_supported"] = json!([ID_JAG_PROFILE]);
    }
    if in_use.as_ref().is_some_and(|in_use| in_use.has_identity_assertions) {
        content["identity_chaining_requested_token_types_supported"] = json!([exchange::ID_JAG_TOKEN_TYPE]);
    }
    if app.settings.cimd {
        content["client_id_metadata_document_supported"] = json!(true);
    }
    content
}

/// The endpoints for clients with certificates (RFC 8705 §5): the same ones, at another address if there is one.
fn aliases(app: &App, issuer: &Issuer) -> Value {
    let at = |path: &str| match &app.settings.mtls_url {
        Some(url) => format!("{url}{path}"),
        None => issuer.endpoint(path),
    };
    json!({
        "token_endpoint": at("/auth/token"),
        "revocation_endpoint": at("/auth/revoke"),
        "introspection_endpoint": at("/auth/introspect"),
        "pushed_authorization_request_endpoint": at("/auth/par"),
        "device_authorization_endpoint": at("/auth/device"),
        "userinfo_endpoint": at("/auth/userinfo"),
    })
}

/// The scopes about identity, which every client may be given, and those that some enabled client may have.
fn scopes(in_use: &Option<ClientsInUse>) -> Vec<&str> {
    let mut scopes: Vec<&str> = profile::scopes().collect();
    let own = in_use.iter().flat_map(|in_use| &in_use.scopes);
    scopes.extend(own.map(String::as_str).filter(|scope| !profile::is_about_identity(scope)));
    scopes
}
