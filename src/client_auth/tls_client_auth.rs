//! `tls_client_auth`: a certificate of an authority that this server trusts, with the name that is registered for the client
//! (RFC 8705 §2.1).
//!
//! The name alone would be no proof: every authority may write it. So chain, dates and usage are checked here, whoever ended the TLS
//! connection.

use crate::app::{App, Result};
use crate::certificates::ExpectedSubject;
use crate::client_auth::authenticated::Proof;
use crate::client_auth::{AuthRequest, Proved, Verdict, certificate_of, denied};

pub(super) async fn prove<'a>(app: &App, asked: &AuthRequest<'a>) -> Result<Verdict<'a>> {
    Ok(Verdict::Decided(judge(app, asked)))
}

fn judge(app: &App, asked: &AuthRequest<'_>) -> Proved {
    let certificate = certificate_of(app, asked)?;
    let Some(authorities) = &app.settings.tls_client_ca else {
        return Err(denied("no certificate of a client is accepted: JETON_TLS_CLIENT_CA is not set"));
    };
    match ExpectedSubject::of(&asked.client.settings).map_err(denied)? {
        Some(expected) => expected.check(certificate).map_err(denied)?,
        None => return Err(denied("no name is registered for the certificate of the client")),
    }
    authorities.check(certificate, app.clock.now()).map_err(denied)?;
    Ok(Proof::Certificate)
}
