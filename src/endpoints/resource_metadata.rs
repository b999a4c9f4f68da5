//! The metadata of a resource (RFC 9728), for a proxy in front of it to publish.

use serde_json::{Value, json};

use crate::app::document::Document;
use crate::app::{App, Failure, Result};
use crate::issuer::Issuer;
use crate::protocol::resource::Resource;

/// The metadata document of the resource with this URI, if there is one. The database is asked before it is said that there
/// is none.
pub(crate) async fn document(app: &App, issuer: &Issuer, uri: &str) -> Result<Option<Document>> {
    let mut found = app.state.resources().await?.get(uri).cloned();
    if found.is_none() {
        app.state.ensure_current().await?;
        found = app.state.resources().await?.get(uri).cloned();
    }
    let document = found.map(|resource| Document::new(&describe(issuer, &resource)));
    document.transpose().map_err(|error| Failure::Unavailable(error.to_string()))
}

fn describe(issuer: &Issuer, resource: &Resource) -> Value {
    let settings = &resource.settings;
    let mut document = json!({
        "resource": resource.resource,
        "authorization_servers": [issuer.url()],
        "bearer_methods_supported": ["header"],
    });
    if !settings.scopes.is_empty() {
        document["scopes_supported"] = settings.scopes.keys().cloned().collect();
    }
    if let Some(name) = &settings.name {
        document["resource_name"] = json!(name);
    }
    document
}
