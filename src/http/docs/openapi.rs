//! What is generated into `openapi.yaml`: the operations, which are described beside their handlers, and what the table of
//! routes says of all operations of a kind.

use utoipa::OpenApi;

use crate::admin::schema::{Moment, QueryText};
use crate::http::route::{BodyForm, ErrorForm, Route};
use crate::http::{admin, docs, endpoints};
use crate::protocol::error::ErrorCode;

/// Every operation, with the schemas of the types that it names.
#[derive(OpenApi)]
#[openapi(
    paths(
        endpoints::token::answer,
        endpoints::introspect::answer,
        endpoints::explain::answer,
        endpoints::revoke::answer,
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
    components(schemas(ErrorCode, Moment, QueryText))
)]
pub struct Operations;

impl Route {
    /// The scopes of which an administrator's token needs one for the method at this place; `None` outside of the admin API.
    pub fn scopes_of(&self, method: usize) -> Option<&'static [&'static str]> {
        self.scopes.get(method).copied()
    }

    /// Whether it belongs to the admin API, whose errors are problem documents.
    pub fn is_of_admin_api(&self) -> bool {
        self.endpoint.errors == ErrorForm::Problem
    }

    /// Whether its answers are pages.
    pub fn is_page(&self) -> bool {
        self.endpoint.errors == ErrorForm::Page
    }

    /// Whether its body is read as OAuth parameters.
    pub fn reads_parameters(&self) -> bool {
        self.endpoint.body != BodyForm::Unread
    }
}
