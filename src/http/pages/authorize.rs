//! The pages of the authorization endpoint and of logout.

use axum::http::StatusCode;
use axum::response::Response;

use crate::endpoints::reply::AskedAccess;
use crate::http::pages::look::Look;
use crate::http::pages::policy::Policy;
use crate::http::pages::{answer, shown_by};

/// The most characters of a value that a page repeats.
const SHOWN: usize = 200;
/// The script of the page that posts an answer.
const SEND: &str = "document.forms[0].submit()";

/// Asks whether a client may have what it asks for. Posts `request`, `proof` and `action` to `/consent`: `allow`, `deny`, or
/// `switch` if somebody else is to log in.
#[derive(Debug)]
pub(crate) struct ConsentPage<'a> {
    /// The sealed authorization request.
    pub(crate) request: &'a str,
    /// The proof that this server showed the form.
    pub(crate) proof: &'a str,
    /// Who is logged in.
    pub(crate) username: &'a str,
    /// The client.
    pub(crate) client_name: &'a str,
    /// Its host, if nobody registered it by hand.
    pub(crate) client_host: Option<&'a str>,
    /// What the client would be allowed.
    pub(crate) access: &'a AskedAccess,
    /// Whether the client keeps its access after the logout.
    pub(crate) offline: bool,
    /// Where the answer may lead: source expressions.
    pub(crate) form_targets: &'a [String],
}

shown_by!(ConsentPage, "pages/consent.html", |page| Policy { form_targets: page.form_targets, ..Policy::default() });

/// Says which parameter of an authorization request is wrong, when the answer cannot go to the client (RFC 6749 §4.1.2.1). People
/// learn that it is not their fault, developers what to correct.
#[derive(Debug)]
pub(crate) struct AuthorizationErrorPage<'a> {
    /// The parameter.
    pub(crate) parameter: &'a str,
    /// The name of what is wrong, whose page explains it.
    pub(crate) code: &'a str,
    /// What is wrong, in English.
    pub(crate) problem: &'a str,
    /// What to do, in English.
    pub(crate) advice: &'a str,
    /// The value that was received.
    pub(crate) received: Option<&'a str>,
    /// How many values are registered for the client.
    pub(crate) registered: Option<usize>,
    /// The id of the request, by which the log is searched.
    pub(crate) request_id: &'a str,
}

shown_by!(AuthorizationErrorPage, "pages/authorization_error.html");

impl AuthorizationErrorPage<'_> {
    fn shortened(&self) -> Option<String> {
        let received = self.received?;
        let mut shown: String = received.chars().take(SHOWN).collect();
        if shown.len() < received.len() {
            shown.push('…');
        }
        Some(shown)
    }
}

/// Posts the answer to the client (OAuth 2.0 Form Post Response Mode): by itself if scripts run, else by its button.
#[derive(Debug)]
pub(crate) struct FormPostPage<'a> {
    /// The redirect URI.
    pub(crate) action: &'a str,
    /// The parameters of the answer.
    pub(crate) fields: &'a [(&'a str, String)],
    /// The client.
    pub(crate) client_name: &'a str,
    /// The redirect URI as a source expression.
    pub(crate) form_targets: &'a [String],
}

shown_by!(FormPostPage, "pages/form_post.html", |page| Policy { script: Some(SEND), form_targets: page.form_targets });

impl FormPostPage<'_> {
    fn script(&self) -> &'static str {
        SEND
    }
}

/// Asks whether the person wants to log out (OpenID Connect RP-Initiated Logout §2). Posts `proof`, `action` (`log_out` or
/// `stay`) and the fields to `/auth/logout`.
#[derive(Debug)]
pub(crate) struct LogoutPage<'a> {
    /// The proof that this server showed the form.
    pub(crate) proof: &'a str,
    /// Who is logged in.
    pub(crate) username: &'a str,
    /// The client that asked for the logout.
    pub(crate) client_name: Option<&'a str>,
    /// The parameters of the request.
    pub(crate) fields: &'a [(&'a str, String)],
    /// Where the answer may lead: source expressions.
    pub(crate) form_targets: &'a [String],
}

shown_by!(LogoutPage, "pages/logout.html", |page| Policy { form_targets: page.form_targets, ..Policy::default() });
