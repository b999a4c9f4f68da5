//! `none`: a public client, which gives only its id (RFC 6749 §2.1, §3.2.1).

use crate::app::Result;
use crate::client_auth::{Claim, Proof};

pub(super) async fn prove<'a>(claim: &Claim<'a>) -> Result<Proof<'a>> {
    Ok(Proof::Decided(match claim.credentials.secret() {
        None => Ok(()),
        Some(_) => Err("a public client presented a secret".into()),
    }))
}
