//! Proof that a form is one that this server showed to this browser, against requests that other sites forge (RFC 9700 §4.7).
//!
//! The proof in the form is sealed and names the hash of a cookie, which no other site can read or set.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::app::{App, Failure, Request, Result};
use crate::browser::cookie::{Cookie, SetCookie};
use crate::crypto::{base64url, equal_in_constant_time, sha256};
use crate::issuer::Issuer;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::fault::LoginFault;
use crate::tokens::sealed::{self, Purpose};

/// Seconds for which a form can be sent.
const LIFE: i64 = 12 * 3600;
/// Seconds for which a browser keeps the cookie.
const COOKIE_LIFE: i64 = 400 * 24 * 3600;

#[derive(Serialize, Deserialize)]
struct Content {
    /// The hash of the cookie.
    cookie: String,
    /// What the form is about.
    about: String,
    /// When it was shown, in seconds since the epoch.
    at: i64,
}

/// The proof for a form.
#[derive(Debug)]
pub(crate) struct Proof {
    /// The hidden field `proof`.
    pub text: String,
    /// The cookie to set, if the browser has none.
    pub cookie: Option<SetCookie>,
}

/// Makes the proof for a form. It fits only a form about the same.
pub(crate) fn prove(app: &App, request: &Request<'_>, about: &str) -> Result<Proof> {
    let (value, cookie) = match Cookie::Form.read(request) {
        Some(value) => (value, None),
        None => {
            let (value, cookie) = Cookie::Form.new_value(request.issuer, COOKIE_LIFE);
            (value, Some(cookie))
        }
    };
    let content = Content { cookie: hash(&value), about: about.to_owned(), at: app.clock.now().seconds() };
    Ok(Proof { text: seal(app, request.issuer, Purpose::Form, &content)?, cookie })
}

/// Checks the field `proof` of a form about this.
///
/// # Errors
/// If the form was not shown to this browser, or too long ago.
pub(crate) async fn check(app: &App, request: &Request<'_>, about: &str) -> Result<()> {
    let refuse = |reason: &'static str| Err(refusal(reason).into());
    let Some(proof) = request.parameters.one("proof")? else { return refuse("the form has no proof") };
    let Some(cookie) = Cookie::Form.read(request) else {
        return refuse("the browser did not send the cookie of the form");
    };
    let Some(content) = open::<Content>(app, request, Purpose::Form, proof).await? else {
        return refuse("the proof of the form is not of this server");
    };
    if !equal_in_constant_time(content.cookie.as_bytes(), hash(&cookie).as_bytes()) {
        return refuse("the form was shown to another browser");
    }
    if content.about != about {
        return refuse("the proof belongs to another form");
    }
    if content.at + LIFE < app.clock.now().seconds() {
        return Err(refusal("the form was shown too long ago").with(LoginFault::FormExpired).into());
    }
    Ok(())
}

/// The refusal of a form.
pub(crate) fn refusal(reason: &'static str) -> Refusal {
    Refusal::new(ErrorCode::InvalidForm, "This page is out of date: go back, reload it and try again.").because(reason)
}

/// Seals a value for the forms of the pages, or for a client.
///
/// # Errors
/// If no key is active.
pub(crate) fn seal<T: Serialize>(app: &App, issuer: &Issuer, purpose: Purpose, value: &T) -> Result<String> {
    let keys = issuer.keys();
    let no_active_key = || Failure::Unavailable("there is no active key to seal with".into());
    let key = keys.ring.active_token_key(app.clock.now()).ok_or_else(no_active_key)?;
    Ok(sealed::seal(purpose, value, issuer.environment(), key))
}

/// Opens what this server sealed. The database is asked about an unknown key before that is refused.
pub(crate) async fn open<T: DeserializeOwned>(
    app: &App,
    request: &Request<'_>,
    purpose: Purpose,
    text: &str,
) -> Result<Option<T>> {
    let issuer = request.issuer;
    let open = || sealed::open(purpose, text, issuer.environment(), &issuer.keys().ring);
    if let Some(opened) = open() {
        return Ok(Some(opened));
    }
    if sealed::is_of_unknown_key(text, &issuer.keys().ring) {
        app.state.ensure_current().await?;
    }
    Ok(open())
}

fn hash(cookie: &[u8]) -> String {
    base64url(sha256(cookie))
}
