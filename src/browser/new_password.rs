//! The password that a person chooses.

use secrecy::SecretString;

use crate::app::{App, Failure, Request, Result};
use crate::browser::session;
use crate::protocol::cause::Cause;
use crate::protocol::revocation::{NewRevocation, Target};
use crate::protocol::user::{User, is_credential};

/// The fewest characters (NIST SP 800-63B §3.1.1.2).
pub const LEAST: usize = 8;
/// The most bytes.
pub const MOST: usize = 1024;

/// Why a new password is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It has fewer than [`LEAST`] characters.
    TooShort,
    /// It has more than [`MOST`] bytes, or control characters.
    TooLong,
    /// Its repetition differs.
    Differs,
    /// There is no time to hash it now.
    Busy,
}

/// The new password of a form, which it has twice.
///
/// # Errors
/// Why it is refused.
pub(crate) fn check<'a>(password: Option<&'a str>, again: Option<&str>) -> std::result::Result<&'a str, Unfit> {
    let password = password.unwrap_or_default();
    if password.chars().count() < LEAST {
        Err(Unfit::TooShort)
    } else if !is_credential(password) {
        Err(Unfit::TooLong)
    } else if again != Some(password) {
        Err(Unfit::Differs)
    } else {
        Ok(password)
    }
}

/// Sets the password of a user, which ends what was issued to it and its browser sessions. The user as it is then; `None` if it
/// changed meanwhile.
///
/// # Errors
/// [`Failure::Overloaded`], or if the database does not answer.
pub(crate) async fn set(app: &App, request: &Request<'_>, user: &User, password: &str) -> Result<Option<User>> {
    let hash = app.passwords.hash(SecretString::from(password)).await.map_err(|_| Failure::Overloaded)?;
    let by = session::audited(app, request, user);
    let changed = User { password_hash: Some(hash), ..user.clone() };
    let revocation = NewRevocation {
        target: Target::User(user.sub.clone()),
        cause: Cause::UserRevoked,
        reason: Some("the password was changed".to_owned()),
        covers_until: app.settings.covers_until(by.at),
    };
    let update = app.store.user_update(&changed, "user.password", Some(&revocation), &by);
    let is_changed = app.state.honour(update).await?;
    Ok(is_changed.then(|| User { version: user.version + 1, ..changed }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_password_is_long_enough_and_typed_twice() {
        let long = "x".repeat(MOST + 1);
        for (password, again, outcome) in [
            (Some("correct horse"), Some("correct horse"), Ok("correct horse")),
            (Some("éééééééé"), Some("éééééééé"), Ok("éééééééé")),
            (Some("short"), Some("short"), Err(Unfit::TooShort)),
            (None, None, Err(Unfit::TooShort)),
            (Some(&*long), Some(&*long), Err(Unfit::TooLong)),
            (Some("line\nbreaks"), Some("line\nbreaks"), Err(Unfit::TooLong)),
            (Some("correct horse"), Some("correct house"), Err(Unfit::Differs)),
            (Some("correct horse"), None, Err(Unfit::Differs)),
        ] {
            assert_eq!(check(password, again), outcome, "{password:?}");
        }
    }
}
