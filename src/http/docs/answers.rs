//! The answers that operations share. A handler names one by its type, `(status = 404, response = NotFound)`; what is said of
//! it is added where `openapi.yaml` is generated.

use utoipa::ToResponse;
use utoipa::openapi::{Ref, RefOr, Response};

macro_rules! answers {
    ($($name:ident)+) => {
        $(
            pub(crate) struct $name;

            impl ToResponse<'static> for $name {
                fn response() -> (&'static str, RefOr<Response>) {
                    (stringify!($name), Ref::from_response_name(stringify!($name)).into())
                }
            }
        )+
    };
}

answers! {
    AdminUnavailable AskedPage BodyCompressed BodyTooLarge BodyTooSlow Conflict Description Done HtmlPage MalformedQuery
    MayPass MetadataDocument NoCaller NoDemo NoPower NoRegistration NoSuchPage NotFound NotModified PageTooOften PublishedKeys
    ResourceDocument SentOn Unavailable UserInfoForbidden UserInfoInvalidRequest UserInfoRefused VerifyForbidden
    VerifyInvalidRequest VerifyRefused
}
