//! ID tokens that clients send back, to say whom they mean (`id_token_hint`, OpenID Connect Core §3.1.2.1).

use serde::Deserialize;
use uuid::Uuid;

use crate::app::{App, Result};
use crate::issuer::Issuer;
use crate::jose::jws::{self, ExpectedType};
use crate::protocol::claims::Audience;

/// The longest hint that is read, in bytes.
const LONGEST: usize = 8192;

/// What an ID token of this server says, whether or not it has expired.
#[derive(Debug, Deserialize)]
pub struct Hint {
    iss: String,
    /// The person.
    pub sub: String,
    /// The client that got it.
    pub aud: Audience,
    /// The session that it came from.
    #[serde(default)]
    pub sid: Option<Uuid>,
    /// Access tokens have this claim, ID tokens never do.
    #[serde(default)]
    log: Option<serde::de::IgnoredAny>,
}

/// Reads a hint; `None` if it is no ID token of this server. The database is asked about an unknown key before that is said.
pub async fn read(app: &App, issuer: &Issuer, text: &str) -> Result<Option<Hint>> {
    if text.len() > LONGEST {
        return Ok(None);
    }
    let Ok(jws::Header { kid: Some(kid), .. }) = jws::header(text) else { return Ok(None) };
    if issuer.keys().ring.signing_key(&kid).is_none() {
        app.state.ensure_current().await?;
    }
    let keys = issuer.keys();
    let Some(key) = keys.ring.signing_key(&kid) else { return Ok(None) };
    let verified = jws::verify::<Hint>(text, ExpectedType::OneOf(&["JWT"]), &key.verification);
    Ok(verified.ok().map(|(_, hint)| hint).filter(|hint| hint.iss == issuer.url() && hint.log.is_none()))
}
