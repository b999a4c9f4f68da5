//! Authorization requests on their way through the browser: sealed, so that requests which nobody finishes leave no rows.

use crate::app::{App, Request, Result};
use crate::browser::form;
use crate::issuer::Issuer;
use crate::protocol::authorization::AuthorizationRequest;
use crate::tokens::sealed::Purpose;

/// What precedes the sealed request in a `request_uri` (RFC 9126 §2.2).
pub const URN: &str = "urn:ietf:params:oauth:request_uri:";
/// Seconds for which a person may take to log in and to consent.
pub const LIFE: i64 = 3600;
/// Seconds for which a pushed request can be used.
pub const PUSHED_LIFE: i64 = 90;

/// Seals a request for the forms of the pages, or for a client that pushed it.
///
/// # Errors
/// If no key is active.
pub fn seal(app: &App, issuer: &Issuer, purpose: Purpose, asked: &AuthorizationRequest) -> Result<String> {
    form::seal(app, issuer, purpose, asked)
}

/// Why a sealed request does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unopened {
    /// This server did not seal it for this purpose, or it was changed.
    NotOurs,
    /// It was sealed too long ago.
    Expired,
}

/// Opens a request that this server sealed, or says why it does not open.
///
/// # Errors
/// If the database does not answer a question about an unknown key.
pub async fn open(
    app: &App,
    request: &Request<'_>,
    purpose: Purpose,
    text: &str,
) -> Result<std::result::Result<AuthorizationRequest, Unopened>> {
    let life = if purpose == Purpose::PushedRequest { PUSHED_LIFE } else { LIFE };
    let opened: Option<AuthorizationRequest> = form::open(app, request, purpose, text).await?;
    let Some(asked) = opened else { return Ok(Err(Unopened::NotOurs)) };
    let is_in_time = app.clock.now().millis() - asked.received_at < life * 1000;
    Ok(if is_in_time { Ok(asked) } else { Err(Unopened::Expired) })
}

/// Where the authorization endpoint goes on with a request: path and query, below the path of the issuer.
///
/// # Errors
/// If no key is active.
pub fn address(app: &App, issuer: &Issuer, asked: &AuthorizationRequest) -> Result<String> {
    let sealed = seal(app, issuer, Purpose::AuthorizationRequest, asked)?;
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("client_id", &asked.client_id).append_pair("request_uri", &format!("{URN}{sealed}"));
    Ok(format!("/auth/authorize?{}", query.finish()))
}
