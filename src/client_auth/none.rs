//! `none`: a public client, which sends only its id (RFC 6749 §2.1, §3.2.1).

use crate::app::Result;
use crate::client_auth::authenticated::Proof;
use crate::client_auth::{AuthRequest, Credentials, Verdict, denied};

pub(super) async fn prove<'a>(asked: &AuthRequest<'a>) -> Result<Verdict<'a>> {
    Ok(Verdict::Decided(match asked.credentials {
        Credentials::IdAlone(_) => Ok(Proof::IdAlone),
        Credentials::Assertion(_) | Credentials::Foreign(_) => Err(denied("a public client presented an assertion")),
        Credentials::Secret { .. } | Credentials::Nothing => Err(denied("a public client presented a secret")),
    }))
}
