//! The pages of the authorization endpoint and of logout.

use axum::http::StatusCode;
use axum::response::Response;

use crate::endpoints::reply::AskedAccess;
use crate::http::pages::look::Look;
use crate::http::pages::policy::Policy;
use crate::http::pages::{answer, shown_by};
use crate::protocol::redirect;

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
    /// Where the answer goes, if that is elsewhere.
    pub(crate) answers_to: Option<&'a AnswersTo>,
    /// What the client would be allowed.
    pub(crate) access: &'a AskedAccess,
    /// Whether the client keeps its access after the logout.
    pub(crate) offline: bool,
    /// Where the answer may lead: source expressions.
    pub(crate) form_targets: &'a [String],
}

shown_by!(ConsentPage, "pages/consent.html", |page| Policy { form_targets: page.form_targets, ..Policy::default() });

/// Where the answer to a client goes, when that is not the host by which people know the client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AnswersTo {
    /// Another host, or nothing if it is something on the person's device.
    pub(crate) host: Option<String>,
    /// Whether any program of that computer may listen there.
    pub(crate) is_loopback: bool,
}

impl AnswersTo {
    /// Of a client that is shown with this host.
    pub(crate) fn of(client_host: Option<&str>, redirect_uri: &str) -> Option<Self> {
        let host = redirect::host(redirect_uri);
        (client_host? != host).then(|| Self {
            host: (!redirect::is_of_a_device(redirect_uri)).then_some(host),
            is_loopback: redirect::is_loopback(redirect_uri),
        })
    }
}

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

shown_by!(FormPostPage, "pages/form_post.html", |page| Policy {
    script: Some(SEND),
    form_targets: page.form_targets,
    ..Policy::default()
});

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
