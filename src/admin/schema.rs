//! How the values of the admin API are described (OpenAPI), where their Rust types do not say it.

use serde_json::json;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::protocol::cause::Cause;
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;

fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}

/// Claims of a client or a user.
#[derive(Clone, Copy, Debug)]
pub struct Claims;

impl ToSchema for Claims {}

impl PartialSchema for Claims {
    fn schema() -> RefOr<Schema> {
        let text = "Members that go into tokens and introspection, at most 2048 bytes of JSON and 8 levels deep. Names \
                    that have a fixed meaning, such as `sub`, `exp` and `scope`, are refused.";
        let schema = ObjectBuilder::new().schema_type(Type::Object).description(Some(text));
        schema.examples([json!({"tenant": "blue"})]).into()
    }
}

/// A username.
#[derive(Clone, Copy, Debug)]
pub struct Username;

impl ToSchema for Username {}

impl PartialSchema for Username {
    fn schema() -> RefOr<Schema> {
        let schema = text(
            "At most 255 bytes of UTF-8 without control characters and without white space around it; not of the form of \
             a UUID. Compared after Unicode NFKC and case folding, shown as written.",
        );
        let pattern =
            r"^[^\s\u0000-\u001F\u007F-\u009F]([^\u0000-\u001F\u007F-\u009F]*[^\s\u0000-\u001F\u007F-\u009F])?$";
        schema.min_length(Some(1)).max_length(Some(255)).pattern(Some(pattern)).into()
    }
}

/// A password.
#[derive(Clone, Copy, Debug)]
pub struct Password;

impl ToSchema for Password {}

impl PartialSchema for Password {
    fn schema() -> RefOr<Schema> {
        let schema = text("At most 1024 bytes of UTF-8 without control characters. Never shown.");
        let pattern = r"^[^\u0000-\u001F\u007F-\u009F]+$";
        schema.min_length(Some(1)).max_length(Some(1024)).pattern(Some(pattern)).into()
    }
}

/// An audience.
#[derive(Clone, Copy, Debug)]
pub struct AudienceUri;

impl ToSchema for AudienceUri {}

impl PartialSchema for AudienceUri {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::Custom("uri".into());
        text("An absolute URI without a fragment.").format(Some(format)).max_length(Some(1024)).into()
    }
}

impl ToSchema for Scope {}

impl PartialSchema for Scope {
    fn schema() -> RefOr<Schema> {
        let schema = text(
            "Names with single spaces between, at most 200 and 4096 bytes in all; none if empty. Names that begin with \
             `jeton:` are those of the admin API.",
        );
        let schema = schema.max_length(Some(4096)).pattern(Some(r"^([!#-\[\]-~]+( [!#-\[\]-~]+)*)?$"));
        schema.examples(["read:conversations write:conversations"]).into()
    }
}

impl ToSchema for Timestamp {}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        let schema = text("A moment, with milliseconds, in UTC.").format(Some(format));
        schema.examples(["2026-01-31T12:00:00.000Z"]).into()
    }
}

impl ToSchema for Cause {}

impl PartialSchema for Cause {
    fn schema() -> RefOr<Schema> {
        let names = Self::ALL.iter().map(|cause| cause.name());
        text("Why a token is refused. There is a page for each below `/docs/errors`.").enum_values(Some(names)).into()
    }
}

/// The kinds of [`Target`](crate::protocol::revocation::Target).
pub(super) fn target_kind() -> Object {
    let kinds = ["token", "session", "user", "client", "key", "all"];
    text("What kind of thing is revoked.").enum_values(Some(kinds)).build()
}

/// The algorithms of signing keys.
pub(super) fn algorithm() -> Object {
    text("The algorithm, for a signing key.").enum_values(Some(["ES256", "EdDSA", "RS256"])).build()
}
