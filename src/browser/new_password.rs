//! The password that a person chooses.

use secrecy::SecretString;

use crate::app::{App, Request, Result};
use crate::browser::session;
use crate::crypto::sha256;
use crate::passwords::queue::{Precedence, Requester};
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

/// A password that a person may have. Nothing prints it.
#[derive(Clone, Debug)]
pub struct NewPassword(SecretString);

impl NewPassword {
    /// The new password of a form, which has it twice.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn read(password: Option<&str>, again: Option<&str>) -> std::result::Result<Self, Unfit> {
        let password = password.unwrap_or_default();
        if password.chars().count() < LEAST {
            Err(Unfit::TooShort)
        } else if !is_credential(password) {
            Err(Unfit::TooLong)
        } else if again != Some(password) {
            Err(Unfit::Differs)
        } else {
            Ok(Self(password.into()))
        }
    }

    /// Hashes it for this user. A new password waits until those who log in have had their turn.
    ///
    /// # Errors
    /// [`Failure::Overloaded`](crate::app::Failure::Overloaded).
    pub(super) async fn hash(self, app: &App, request: &Request<'_>, user: &User) -> Result<String> {
        let requester = Requester {
            precedence: Precedence::Unknown,
            network: request.source().network(),
            account: sha256(user.id.as_bytes()),
        };
        Ok(app.passwords.hash_for(requester, self.0).await?)
    }
}

/// What a new password ends: everything that was issued to the user, and the browser sessions.
pub(super) fn revocation(app: &App, user: &User) -> NewRevocation {
    app.revocation(Target::User(user.sub.clone()), Cause::UserRevoked, "the password was changed".to_owned())
}

/// Sets the password of a user, which ends what was issued to it and its browser sessions. The user as it is then; `None` if it
/// changed meanwhile.
///
/// # Errors
/// [`Failure::Overloaded`](crate::app::Failure::Overloaded), or if the database does not answer.
pub(crate) async fn set(app: &App, request: &Request<'_>, user: &User, password: NewPassword) -> Result<Option<User>> {
    let hash = password.hash(app, request, user).await?;
    let (by, revocation) = (session::audited(app, request, user.id), revocation(app, user));
    let changed = User { password_hash: Some(hash), ..user.clone() };
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
            (Some("correct horse"), Some("correct horse"), Ok(())),
            (Some("éééééééé"), Some("éééééééé"), Ok(())),
            (Some("short"), Some("short"), Err(Unfit::TooShort)),
            (None, None, Err(Unfit::TooShort)),
            (Some(&*long), Some(&*long), Err(Unfit::TooLong)),
            (Some("line\nbreaks"), Some("line\nbreaks"), Err(Unfit::TooLong)),
            (Some("correct horse"), Some("correct house"), Err(Unfit::Differs)),
            (Some("correct horse"), None, Err(Unfit::Differs)),
        ] {
            let read = NewPassword::read(password, again);
            assert!(!format!("{read:?}").contains("éééé"), "it is not printed");
            assert_eq!(read.map(drop), outcome, "{password:?}");
        }
    }
}
