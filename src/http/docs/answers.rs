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
    Conflict Description Done HtmlPage MayPass MetadataDocument NoCaller NoPower NoSuchPage NotFound PublishedKeys Unavailable
    VerifyForbidden VerifyInvalidRequest VerifyRefused
}
