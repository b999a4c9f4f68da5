//! Server metadata (RFC 8414). Addresses follow the issuer, never the request.

use serde_json::{Value, json};

use crate::app::{App, Result};
use crate::grants;
use crate::issuer::Issuer;
use crate::protocol::client::{AuthMethod, GrantType};
use crate::settings::Registration;

/// The metadata document, which lists only what is in use.
pub async fn document(app: &App, issuer: &Issuer) -> Result<Value> {
    let in_use = app.state.clients_in_use().await?;
    let mut scopes: Vec<&String> = in_use.iter().flat_map(|in_use| &in_use.scopes).collect();
    let mut supported = Vec::new();
    for grant in GrantType::ALL {
        if grants::is_supported(app, *grant).await? {
            supported.push(grant);
        }
    }
    let methods = AuthMethod::ALL;
    let confidential: Vec<&AuthMethod> = methods.iter().filter(|method| !method.is_public()).collect();
    let at = |path: &str| issuer.endpoint(path);
    let mut document = json!({
        "issuer": issuer.url(),
        "token_endpoint": at("/auth/token"),
        "jwks_uri": at("/.well-known/jwks.json"),
        "revocation_endpoint": at("/auth/revoke"),
        "introspection_endpoint": at("/auth/introspect"),
        // Required by RFC 8414 §2, and empty because there is no authorization endpoint.
        "response_types_supported": [],
        "grant_types_supported": supported,
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": confidential,
        "service_documentation": at("/docs"),
    });
    if app.settings.registration != Registration::Off {
        document["registration_endpoint"] = json!(at("/auth/register"));
    }
    if !scopes.is_empty() {
        scopes.sort();
        document["scopes_supported"] = json!(scopes);
    }
    Ok(document)
}
