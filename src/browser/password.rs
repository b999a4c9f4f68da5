//! Username and password, for every way to log in with them: throttled, and hashed behind the fair queue.

use secrecy::SecretString;

use crate::app::{App, Failure, Request, Result};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::identity::Identity;
use crate::protocol::revocation::SequenceNumber;
use crate::protocol::user::{User, is_credential};
use crate::store::LoginRecord;
use crate::throttle::{Attempt, LoginAttempt};

/// A user whose password is not yet judged.
pub(crate) struct Login<'a> {
    attempt: LoginAttempt<'a>,
    record: LoginRecord,
    password: &'a str,
}

/// The username and the password of a request.
///
/// # Errors
/// If one is missing or has a form that no credential has.
pub(crate) fn credentials<'a>(request: &Request<'a>) -> Result<(&'a str, &'a str)> {
    let username = request.parameters.one("username")?;
    let password = request.parameters.one("password")?;
    let (Some(username), Some(password)) = (username, password) else {
        return Err(Refusal::invalid_request("The parameters username and password are both required.").into());
    };
    if is_credential(username) && is_credential(password) {
        return Ok((username, password));
    }
    Err(Refusal::invalid_request("The username or the password is too long or has control characters.").into())
}

/// Looks the user up, if logins are not slowed down at the moment.
pub(crate) async fn find<'a>(
    app: &'a App,
    request: &Request<'_>,
    (username, password): (&str, &'a str),
) -> Result<Login<'a>> {
    let lookup = app.throttle.admit_login(username, request.source())?;
    let record = app.store.login_find(username, request.source().network()).await?;
    Ok(Login { attempt: lookup.found(&record), record, password })
}

impl Login<'_> {
    /// The head of the log when the user was looked up.
    pub(crate) const fn head(&self) -> SequenceNumber {
        self.record.head
    }

    /// The user, if the password is right. An unknown user costs the same hash as a wrong password.
    ///
    /// # Errors
    /// The same refusal for a wrong password, an unknown user and a disabled one (conformance PWD-003, PWD-017).
    pub(crate) async fn verify(self, app: &App) -> Result<User> {
        let about = self.record.user.as_ref().map(|user| Identity::of_user(&user.sub)).unwrap_or_default();
        self.judge(app).await.map_err(|failure| failure.about(about))
    }

    async fn judge(self, app: &App) -> Result<User> {
        let Self { attempt, record, password } = self;
        let hash = record.user.as_ref().and_then(|user| user.password_hash.clone());
        let verdict = app.passwords.verify(SecretString::from(password), hash, attempt.requester());
        let is_right = attempt.judge(verdict).await??;
        let reason = match record.user {
            Some(user) if is_right && user.enabled => {
                attempt.succeeded();
                return Ok(user);
            }
            Some(_) if is_right => "the user is disabled",
            Some(_) => "wrong password",
            None => "unknown user",
        };
        attempt.failed();
        Err(wrong(reason))
    }
}

/// The refusal of a login.
pub(crate) fn wrong(reason: &'static str) -> Failure {
    Refusal::new(ErrorCode::InvalidGrant, "The username or the password is wrong.").because(reason).into()
}
