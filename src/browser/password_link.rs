//! One-time links to set a password. An administrator makes one and sends it on; Jeton sends no mail.

use secrecy::{ExposeSecret, SecretString};

use crate::app::{App, Failure, Request, Result};
use crate::browser::new_password::{self, NewPassword};
use crate::browser::session;
use crate::crypto::{base64url, from_base64url, random, sha256};
use crate::issuer::Issuer;
use crate::protocol::user::User;

/// Seconds for which a link lives unless something else is asked for.
pub const DEFAULT_TTL: i64 = 24 * 3600;
/// The longest life of a link, in seconds.
pub const LONGEST_TTL: i64 = 7 * 24 * 3600;

/// How often it is tried anew while the user is being changed by others.
const ATTEMPTS: usize = 3;

/// The token of a link: 32 random bytes in base64url, of which only the hash is kept.
#[derive(Debug)]
pub struct LinkToken(SecretString);

impl LinkToken {
    /// A new one.
    pub fn generate() -> Self {
        Self(base64url(random::<32>()).into())
    }

    /// The token in an address; `None` for what can be none.
    pub fn read(text: &str) -> Option<Self> {
        from_base64url(text).filter(|bytes| bytes.len() == 32).map(|_| Self(text.into()))
    }

    /// By which the database knows it.
    pub fn hash(&self) -> [u8; 32] {
        sha256(self.0.expose_secret().as_bytes())
    }

    /// The token itself, for the form of the page.
    pub fn text(&self) -> &str {
        self.0.expose_secret()
    }

    /// The address of the page at which its user sets a password.
    pub fn url(&self, issuer: &Issuer) -> String {
        format!("{}?token={}", issuer.endpoint("/account/password"), self.0.expose_secret())
    }
}

/// The outcome of setting a password by a link.
#[derive(Debug)]
pub enum PasswordSet {
    /// It is set, the link is used up, and what was issued to the user has ended.
    Yes(Box<User>),
    /// The link was used, has expired, or has ended.
    LinkEnded,
}

/// The user of a link that has not ended.
pub async fn find(app: &App, token: &LinkToken) -> Result<Option<User>> {
    Ok(app.store.password_link_find(token.hash(), app.clock.now()).await?)
}

/// Sets a password by a link, which ends.
pub async fn set_password(
    app: &App,
    request: &Request<'_>,
    token: &LinkToken,
    password: NewPassword,
) -> Result<PasswordSet> {
    let Some(mut user) = find(app, token).await? else { return Ok(PasswordSet::LinkEnded) };
    let hash = password.hash(app, request, &user).await?;
    for _ in 0..ATTEMPTS {
        user.password_hash = Some(hash.clone());
        let revocation = new_password::revocation(app, &user);
        let by = session::audited(app, request, user.id);
        if app.state.honour(app.store.password_link_use(token.hash(), &user, &revocation, &by)).await? {
            return Ok(PasswordSet::Yes(Box::new(user)));
        }
        // The link has ended, or something else of the user was changed meanwhile.
        match find(app, token).await? {
            Some(current) => user = current,
            None => return Ok(PasswordSet::LinkEnded),
        }
    }
    Err(Failure::Unavailable("the user changed during every attempt to set the password".into()))
}
