//! Generates `openapi.yaml` from the operations that are described beside their handlers, the types that are read and written,
//! the table of routes, and the prose in `docs/openapi`.

use jeton::http::Operations;
use serde_json::{Value, json};
use utoipa::OpenApi;

use super::{answers, forms, operations, parameters, schemas, tidy, yaml};

/// The groups of operations: how their paths begin, the name, and the description.
pub(super) const GROUPS: [(&[&str], &str, &str); 16] = [
    (
        &["/auth/authorize", "/auth/logout", "/login", "/consent", "/account", "/demo", "/auth/device", "/device"],
        "Logins",
        "The authorization endpoint, the device grant, logout, and the pages that people see.",
    ),
    (
        &["/console"],
        "Console",
        "Pages on which people with a role administer, in a browser. Programs use the admin API, which does the same.",
    ),
    (&["/auth/"], "Tokens", "The OAuth endpoints. Parameters come in the body, never in the address."),
    (
        &["/auth/register"],
        "Registration",
        "Clients that register themselves. `JETON_REGISTRATION` says whether they may.",
    ),
    (
        &["/.well-known/", "/auth/resource-metadata"],
        "Metadata",
        "What clients and resource servers can discover by themselves.",
    ),
    (&["/docs", "/openapi.yaml"], "Documentation", "This description, for machines and for people."),
    (
        &["/admin/v1/clients", "/admin/v1/client-blocks"],
        "Clients",
        "Applications and resource servers. Clients with a `jeton:` scope can be administered only with `jeton:admin`.",
    ),
    (
        &["/admin/v1/resources"],
        "Resources",
        "The APIs that tokens are for. A client may request tokens for those among its `audiences`, and for those that are \
         open to it.",
    ),
    (
        &["/admin/v1/issuers"],
        "Issuers",
        "Other issuers whose tokens prove clients, or are exchanged for tokens of their subjects.",
    ),
    (
        &["/admin/v1/users"],
        "Users",
        "People who log in, at a browser or with the password grant. `{user}` is an id, a `sub` or a username.",
    ),
    (
        &["/admin/v1/sessions"],
        "Sessions",
        "What one client got for one user: it begins with a code, a device, or a password login of a client that may refresh. It has \
         one row, however often it is refreshed.",
    ),
    (
        &["/admin/v1/revocations"],
        "Revocations",
        "A revocation is durable when it is acknowledged, and every node sees it within `JETON_MAX_STALENESS`.",
    ),
    (
        &["/admin/v1/apply", "/admin/v1/preview"],
        "Configuration",
        "Sets of clients, resources, issuers, roles and blocks that files describe, and what clients would get.",
    ),
    (&["/admin/v1/keys"], "Keys", "The keys that sign and seal tokens. The secret parts are never shown."),
    (&["/admin/v1/audit"], "Audit", "Who did what, and when."),
    (
        &["/admin/v1/events", "/admin/v1/webhooks"],
        "Events",
        "Being told of what the audit trail records, as it happens: in a stream, or by signed requests to a URL.",
    ),
];

/// The description of the API as the code gives it. `openapi.yaml` is a copy of it.
pub(super) fn generated() -> String {
    yaml::write(document().as_object().unwrap())
}

fn document() -> Value {
    let mut described = serde_json::to_value(Operations::openapi()).unwrap();
    let schemas = described["components"]["schemas"].as_object_mut().unwrap();
    schemas.append(&mut schemas::schemas());
    tidy::tidy(&mut described);
    let tags = GROUPS.map(|(_, name, description)| json!({"name": name, "description": description}));
    let mut paths = operations::complete(described["paths"].take());
    let parameters = parameters::share(&mut paths);
    let schemas = described["components"]["schemas"].as_object_mut().unwrap();
    forms::complete_all(&mut paths, schemas);
    schemas.sort_keys();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Jeton",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": env!("CARGO_PKG_DESCRIPTION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": super::read("docs/openapi/info.md").trim_end(),
        },
        "servers": [{
            "url": "/",
            "description": "This server. With an issuer that has a path, the same stands below that path, too.",
        }],
        "tags": tags,
        "paths": paths,
        "components": {
            "securitySchemes": security_schemes(),
            "parameters": parameters,
            "headers": answers::headers(),
            "responses": operations::with_headers_of_every_answer(answers::answers()),
            "schemas": schemas,
        },
    });
    tidy::merge_flattened(&mut document["components"]["schemas"]);
    tidy::close(&mut document["components"]["schemas"]);
    // A type that was only flattened into another one is no longer named.
    let text = document.to_string();
    let schemas = document["components"]["schemas"].as_object_mut().unwrap();
    schemas.retain(|name, _| text.contains(&format!("\"#/components/schemas/{name}\"")));
    document
}

fn security_schemes() -> Value {
    json!({
        "clientBasic": {
            "type": "http",
            "scheme": "basic",
            "description":
                "Client authentication by HTTP Basic (RFC 6749 §2.3.1): `client_id` and `client_secret`, each \
                 form-encoded. In its place, `client_id` and `client_secret` may stand in the body, or a `client_assertion`.",
        },
        "accessToken": {
            "type": "http",
            "scheme": "bearer",
            "description": "An access token of this server, JWT or opaque.",
        },
        "initialAccessToken": {
            "type": "http",
            "scheme": "bearer",
            "description": "`JETON_REGISTRATION_TOKEN`, where `JETON_REGISTRATION` is `token`.",
        },
        "registrationToken": {
            "type": "http",
            "scheme": "bearer",
            "description": "The `registration_access_token` of the client, which begins with `jrg_`.",
        },
        "adminToken": {
            "type": "http",
            "scheme": "bearer",
            "description":
                "A token of this server with a `jeton:` scope, got by `client_credentials`. The scopes are named at each \
                 operation; `jeton:admin` always suffices. Its audience is `<issuer>/admin/v1` alone.",
        },
    })
}
