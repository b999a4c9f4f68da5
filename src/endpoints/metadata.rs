//! Server metadata (RFC 8414). Addresses follow the issuer, never the request.

use serde_json::{Value, json};

use crate::app::{App, Result};
use crate::issuer::Issuer;
use crate::protocol::client::{AuthMethod, GrantType};

/// The metadata document, which lists only what is in use.
pub async fn document(app: &App, issuer: &Issuer) -> Result<Value> {
    let in_use = app.state.clients_in_use().await?;
    let (grants, mut scopes) = match in_use.as_ref() {
        Some(in_use) => (in_use.grants.clone(), in_use.scopes.iter().cloned().collect::<Vec<_>>()),
        None => Default::default(),
    };
    let grants = GrantType::ALL.iter().filter(|grant| **grant != GrantType::Password || grants.contains(grant));
    let grants: Vec<&str> = grants.map(|grant| grant.name()).collect();
    let methods: Vec<&str> = AuthMethod::ALL.iter().map(|method| method.name()).collect();
    let confidential: Vec<&str> = methods.iter().copied().filter(|name| *name != AuthMethod::None.name()).collect();
    let at = |path: &str| issuer.endpoint(path);
    let mut document = json!({
        "issuer": issuer.url(),
        "token_endpoint": at("/auth/token"),
        "jwks_uri": at("/.well-known/jwks.json"),
        "revocation_endpoint": at("/auth/revoke"),
        "introspection_endpoint": at("/auth/introspect"),
        // Required by RFC 8414 §2, and empty because there is no authorization endpoint.
        "response_types_supported": [],
        "grant_types_supported": grants,
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": confidential,
        "service_documentation": at("/docs"),
    });
    if !scopes.is_empty() {
        scopes.sort();
        document["scopes_supported"] = json!(scopes);
    }
    Ok(document)
}
