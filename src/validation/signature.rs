//! Step 1: is it a token of this server?

use crate::app::{App, Failure, Result};
use crate::diagnosis::Diagnosis;
use crate::issuer::Issuer;
use crate::tokens::verify::{self, Verified, VerifyError};

/// A valid token, or why it is not valid.
pub type Validated<T> = std::result::Result<T, Box<Diagnosis>>;

/// Verifies a text with the keys. The database is asked about an unknown key before the token is refused.
pub(crate) async fn verify(
    app: &App,
    issuer: &Issuer,
    text: &str,
) -> Result<std::result::Result<Verified, VerifyError>> {
    let keys = issuer.keys();
    match verify::verify(text, issuer.token_context(&keys)) {
        Err(VerifyError::UnknownKey) => {
            app.state.ensure_current().await?;
            let keys = issuer.keys();
            match verify::verify(text, issuer.token_context(&keys)) {
                Err(VerifyError::UnknownKey) if keys.incomplete => Err(Failure::Unavailable(
                    "this node cannot unwrap every key: the master key was changed; restart with the new one".into(),
                )),
                verified => Ok(verified),
            }
        }
        verified => Ok(verified),
    }
}
