//! Generates `openapi.yaml` from the operations that stand beside their handlers, the types that are read and written, and
//! the table of routes.

pub(crate) mod answers;
mod operations;
mod parameters;
mod tidy;
mod yaml;

use serde_json::{Value, json};
use utoipa::OpenApi;

use crate::admin::schema::{Moment, QueryText};
use crate::http::{admin, docs, endpoints};

/// Every operation.
#[derive(OpenApi)]
#[openapi(
    paths(
        endpoints::authorize::answer,
        endpoints::authorize::show_login,
        endpoints::authorize::log_in,
        endpoints::authorize::answer_consent,
        endpoints::demo::answer,
        endpoints::token::answer,
        endpoints::introspect::answer,
        endpoints::explain::answer,
        endpoints::revoke::answer,
        endpoints::register::create,
        endpoints::register::show,
        endpoints::register::replace,
        endpoints::register::delete,
        endpoints::verify::answer,
        endpoints::verify::answer_below,
        endpoints::metadata::answer,
        endpoints::keys::answer,
        docs::show_openapi,
        docs::show_reference,
        docs::list_errors,
        docs::show_error,
        admin::clients::list,
        admin::clients::create,
        admin::clients::show,
        admin::clients::update,
        admin::clients::delete,
        admin::clients::add_secret,
        admin::clients::retire_secret,
        admin::users::list,
        admin::users::create,
        admin::users::show,
        admin::users::update,
        admin::users::delete,
        admin::users::set_password,
        admin::sessions::list,
        admin::sessions::show,
        admin::sessions::delete,
        admin::sessions::list_revocations,
        admin::sessions::revoke,
        admin::sessions::show_revocation,
        admin::keys::list,
        admin::keys::rotate,
        admin::keys::delete,
        admin::keys::audit,
    ),
    components(schemas(
        answers::OAuthError,
        answers::BearerError,
        answers::PlainError,
        answers::Problem,
        endpoints::metadata::Metadata,
        endpoints::keys::KeySet,
        QueryText,
        Moment,
    ))
)]
struct Operations;

/// The groups of operations.
const TAGS: [(&str, &str); 11] = [
    ("Logins", "To where clients send the browsers of people, and the pages there."),
    ("Tokens", "The OAuth endpoints. Parameters come in the body, never in the address."),
    ("Registration", "Clients that register themselves. `JETON_REGISTRATION` says whether they may."),
    ("Metadata", "What clients and resource servers can discover by themselves."),
    ("Documentation", "This description, for machines and for people."),
    (
        "Clients",
        "Applications and resource servers. Clients with a `jeton:` scope can be administered only with `jeton:admin`.",
    ),
    ("Users", "Users log in with the password grant. `{user}` is an id, a `sub` or a username."),
    (
        "Sessions",
        "A session begins with a login of a client that may refresh. It has one row, however often it is refreshed.",
    ),
    (
        "Revocations",
        "A revocation is durable when it is acknowledged, and every node sees it within `JETON_MAX_STALENESS`.",
    ),
    ("Keys", "The keys that sign and seal tokens. The secret parts are never shown."),
    ("Audit", "Who did what, and when."),
];

/// The description of the API as the code gives it. `openapi.yaml` is a copy of it.
pub fn generated() -> String {
    document().as_object().map(yaml::write).unwrap_or_default()
}

fn document() -> Value {
    let mut described = serde_json::to_value(Operations::openapi()).unwrap_or_default();
    tidy::tidy(&mut described);
    let tags = TAGS.map(|(name, description)| json!({"name": name, "description": description}));
    let mut paths = operations::complete(described["paths"].take());
    let parameters = parameters::share(&mut paths);
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Jeton",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": env!("CARGO_PKG_DESCRIPTION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": include_str!("../../../docs/openapi/info.md").trim_end(),
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
            "schemas": described["components"]["schemas"].take(),
        },
    });
    tidy::merge_flattened(&mut document["components"]["schemas"]);
    tidy::close(&mut document["components"]["schemas"]);
    // A type that was only flattened into another one is no longer named.
    let text = document.to_string();
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.retain(|name, _| text.contains(&format!("\"#/components/schemas/{name}\"")));
    }
    document
}

fn security_schemes() -> Value {
    json!({
        "clientBasic": {
            "type": "http",
            "scheme": "basic",
            "description":
                "Client authentication by HTTP Basic (RFC 6749 §2.3.1): `client_id` and `client_secret`, each \
                 form-encoded. In its place, `client_id` and `client_secret` may stand in the body.",
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
