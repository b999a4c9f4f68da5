//! How the values of the admin API are described (OpenAPI) where their Rust types do not say it.

use crate::protocol::claims::REGISTERED;
use crate::protocol::profile;
use crate::protocol::schema::describe;
use crate::protocol::scope::Scope;

/// Claims of a client or a user.
#[derive(Clone, Copy, Debug)]
pub struct Claims;

describe!(Claims {
    "description": "Members that go into tokens and introspection, at most 2048 bytes of JSON and 8 levels deep. Names that \
        have a fixed meaning, such as `sub`, `exp` and `scope`, are refused.",
    "type": "object",
    "propertyNames": {"minLength": 1, "not": {"enum": REGISTERED.as_slice()}},
    "examples": [{"tenant": "blue"}],
});

/// The profile of a user.
#[derive(Clone, Copy, Debug)]
pub struct Profile;

describe!(Profile {
    "description": "Standard claims of OpenID Connect (Core 5.1), at most 8192 bytes of JSON.",
    "type": "object",
    "propertyNames": {"enum": profile::names().collect::<Vec<_>>()},
    "properties": {
        "email_verified": {"type": "boolean"},
        "phone_number_verified": {"type": "boolean"},
        "updated_at": {"type": "integer"},
        "address": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "additionalProperties": {"type": "string"},
    "examples": [{"name": "Anna Example", "email": "anna@example.com", "email_verified": true}],
});

/// The name of a user.
#[derive(Clone, Copy, Debug)]
pub struct Username;

describe!(Username {
    "description": "At most 255 bytes of UTF-8 without control characters and without white space around it; not of the form \
        of a UUID. Compared after Unicode NFKC and case folding, shown as written.",
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": r"^[^\s\u0000-\u001F\u007F-\u009F]([^\u0000-\u001F\u007F-\u009F]*[^\s\u0000-\u001F\u007F-\u009F])?$",
});

/// The password of a user.
#[derive(Clone, Copy, Debug)]
pub struct Password;

describe!(Password {
    "description": "At most 1024 bytes of UTF-8 without control characters. Never shown.",
    "type": "string",
    "minLength": 1,
    "maxLength": 1024,
    "pattern": r"^[^\u0000-\u001F\u007F-\u009F]+$",
});

/// The scopes of a user.
#[derive(Clone, Copy, Debug)]
pub struct UserScope;

describe!(UserScope, [Scope] {
    "description": "Scopes other than those of the admin API.",
    "allOf": [{"$ref": "#/components/schemas/Scope"}, {"not": {"type": "string", "pattern": "(^| )jeton:"}}],
});

/// An audience of a client.
#[derive(Clone, Copy, Debug)]
pub struct AudienceUri;

describe!(AudienceUri {
    "description": "An absolute URI without a fragment.",
    "type": "string",
    "format": "uri",
    "maxLength": 1024,
});

/// The name of a trusted issuer.
#[derive(Clone, Copy, Debug)]
pub struct IssuerName;

describe!(IssuerName {
    "description": "The `iss` of the tokens of an issuer: an https URL without query and fragment, or a SPIFFE trust domain \
        (`spiffe://` and its name). Compared exactly.",
    "type": "string",
    "format": "uri",
    "maxLength": 255,
});

/// Where an answer or a person is sent.
#[derive(Clone, Copy, Debug)]
pub struct RedirectUri;

describe!(RedirectUri {
    "description": "An absolute URI without a fragment or a user name: https, http of `127.0.0.1`, `[::1]` or `localhost`, or a \
        private scheme with a dot.",
    "type": "string",
    "format": "uri",
    "maxLength": 2048,
});

/// A parameter of a query.
#[derive(Clone, Copy, Debug)]
pub struct QueryText;

describe!(QueryText {
    "description": "A text without control characters. Empty counts as absent.",
    "type": "string",
    "pattern": r"^[^\u0000-\u001F\u007F-\u009F]*$",
});

/// A moment in a query.
#[derive(Clone, Copy, Debug)]
pub struct Moment;

describe!(Moment {
    "description": "A moment in UTC, from 1970 to 9999, or seconds since the epoch. Empty counts as absent.",
    "anyOf": [
        {"type": "string", "maxLength": 0},
        {"type": "string", "format": "date-time", "pattern": "^(19[7-9]|[2-9][0-9][0-9])[0-9].*Z$"},
        {"type": "integer", "minimum": 0, "maximum": 253_402_300_799_i64},
    ],
});

/// Changes to the scopes of a resource.
#[derive(Clone, Copy, Debug)]
pub struct ScopePatch;

describe!(ScopePatch {
    "description": "The scopes to add, change or, with `null`, remove, each with its description.",
    "type": "object",
    "additionalProperties": {"type": ["string", "null"]},
    "examples": [{"read:conversations": "Read your conversations"}],
});
