//! `none`: a public client, which sends only its id (RFC 6749 §2.1, §3.2.1).

use crate::app::Result;
use crate::client_auth::{AuthRequest, Proof};

pub(super) async fn prove<'a>(asked: &AuthRequest<'a>) -> Result<Proof<'a>> {
    Ok(Proof::Decided(match asked.credentials.secret() {
        None => Ok(()),
        Some(_) => Err("a public client presented a secret".into()),
    }))
}
