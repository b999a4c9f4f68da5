//! How values are described (OpenAPI) where their Rust types do not say it.

use serde_json::Value;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType};
use utoipa::openapi::{RefOr, Schema};

/// The member of a schema whose own members are to take its place.
pub(crate) const KEYWORDS: &str = "x-keywords";

/// A schema that has these keywords, as JSON Schema names them. The types of utoipa do not know all of them.
pub(crate) fn with_keywords(keywords: Value) -> RefOr<Schema> {
    let keywords = ExtensionsBuilder::new().add(KEYWORDS, keywords).build();
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).extensions(Some(keywords)).into()
}

/// Describes a type by the keywords of its schema, which may refer to the schemas of others.
macro_rules! describe {
    ($type:ty { $($keywords:tt)+ }) => { $crate::protocol::schema::describe!($type, [] { $($keywords)+ }); };
    ($type:ty, [$($other:ty),*] { $($keywords:tt)+ }) => {
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $crate::protocol::schema::with_keywords(serde_json::json!({ $($keywords)+ }))
            }
        }

        impl utoipa::ToSchema for $type {
            fn schemas(_found: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>) {
                $(
                    _found.push((<$other as utoipa::ToSchema>::name().into(), <$other as utoipa::PartialSchema>::schema()));
                    <$other as utoipa::ToSchema>::schemas(_found);
                )*
            }
        }
    };
}

pub(crate) use describe;
