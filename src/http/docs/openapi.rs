//! What is generated into `openapi.yaml`: the operations, which are described beside their handlers, and what the table of
//! routes says of all operations of a kind.

use utoipa::OpenApi;

use crate::admin::schema::{Moment, QueryText};
use crate::http::route::{BodyForm, ErrorForm, Route};
use crate::http::{admin, console, docs, endpoints};
use crate::protocol::error::ErrorCode;

/// Every operation, with the schemas of the types that it names.
#[derive(OpenApi)]
#[openapi(
    paths(
        endpoints::authorize::answer,
        endpoints::authorize::show_login,
        endpoints::authorize::log_in,
        endpoints::authorize::answer_consent,
        endpoints::account::show,
        endpoints::account::answer,
        endpoints::account::second_factor,
        endpoints::account::show_password_link,
        endpoints::account::answer_password_link,
        endpoints::logout::answer,
        endpoints::device::show,
        endpoints::device::answer,
        endpoints::device::authorize,
        endpoints::pushed_authorization::answer,
        endpoints::demo::answer,
        console::show,
        console::show_below,
        console::act,
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
        endpoints::userinfo::answer,
        endpoints::userinfo::answer_post,
        endpoints::metadata::answer,
        endpoints::metadata::answer_openid,
        endpoints::resource_metadata::answer,
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
        admin::client_blocks::list,
        admin::client_blocks::create,
        admin::client_blocks::delete,
        admin::resources::list,
        admin::resources::create,
        admin::resources::show,
        admin::resources::update,
        admin::resources::delete,
        admin::issuers::list,
        admin::issuers::create,
        admin::issuers::test,
        admin::issuers::show,
        admin::issuers::replace,
        admin::issuers::update,
        admin::issuers::delete,
        admin::users::list,
        admin::users::create,
        admin::users::show,
        admin::users::update,
        admin::users::delete,
        admin::users::set_password,
        admin::users::create_password_link,
        admin::users::remove_second_factor,
        admin::sessions::list,
        admin::sessions::show,
        admin::sessions::delete,
        admin::sessions::list_revocations,
        admin::sessions::revoke,
        admin::sessions::preview_revocation,
        admin::sessions::show_revocation,
        admin::apply::apply,
        admin::preview::preview,
        admin::keys::list,
        admin::keys::rotate,
        admin::keys::delete,
        admin::keys::audit,
        admin::events::stream,
        admin::webhooks::list,
        admin::webhooks::create,
        admin::webhooks::show,
        admin::webhooks::update,
        admin::webhooks::delete,
        admin::webhooks::add_secret,
        admin::webhooks::retire_secret,
    ),
    components(schemas(ErrorCode, Moment, QueryText))
)]
pub struct Operations;

impl Route {
    /// The scopes of which an administrator's token needs one for the method at this place; `None` outside of the admin API.
    pub fn scopes_of(&self, method: usize) -> Option<&'static [&'static str]> {
        self.scopes.get(method).copied()
    }

    /// Whether it belongs to the admin API.
    pub fn is_of_admin_api(&self) -> bool {
        !self.scopes.is_empty()
    }

    /// Whether its errors are problem documents.
    pub fn has_problems(&self) -> bool {
        self.endpoint.errors == ErrorForm::Problem
    }

    /// Whether its answers are pages.
    pub fn is_page(&self) -> bool {
        self.endpoint.errors == ErrorForm::Page
    }

    /// Whether browsers send people there, with parameters in the address or in a form.
    pub fn is_at_browser(&self) -> bool {
        self.endpoint.body == BodyForm::AtBrowser
    }

    /// Whether its body is a JSON document of any form.
    pub fn reads_document(&self) -> bool {
        self.endpoint.body == BodyForm::Document
    }

    /// Whether its body is read as OAuth parameters.
    pub fn reads_parameters(&self) -> bool {
        matches!(self.endpoint.body, BodyForm::Parameters | BodyForm::AnyText)
    }
}
