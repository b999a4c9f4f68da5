//! The demonstration of a login, of servers that run with `--dev`.

use axum::http::StatusCode;
use axum::response::Response;

use crate::http::pages::look::Look;
use crate::http::pages::policy::Policy;
use crate::http::pages::{answer, shown_by};

/// Starts a login, and shows what came of it.
#[derive(Debug)]
pub(crate) struct DemoPage<'a> {
    /// The address that starts a login.
    pub(crate) start: &'a str,
    /// The tokens of the last one.
    pub(crate) tokens: &'a [DemoToken],
    /// Why the last one failed: the error, and its description.
    pub(crate) problem: Option<(&'a str, &'a str)>,
}

/// A token, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct DemoToken {
    /// Its name, such as `access_token`.
    pub(crate) name: &'static str,
    /// The token.
    pub(crate) token: String,
    /// Header and claims as JSON; none where only this server can read it.
    pub(crate) content: Option<String>,
}

shown_by!(DemoPage, "pages/demo.html");
