//! The page on which people see and end what they allowed.

use std::borrow::Cow;

use axum::http::StatusCode;
use axum::response::Response;

use crate::app::Failure;
use crate::endpoints::account::{Account, Done, PasswordProblem};
use crate::http::pages::look::Look;
use crate::http::pages::policy::Policy;
use crate::http::pages::{answer, shown_by};

/// The account of the person who is logged in. Its forms post `proof`, `action` and what the action needs to `/account`:
///
/// * `change_password`: `password`, `new_password`, `new_password_again`
/// * `end_browser`: `id`; `end_other_browsers`
/// * `remove_app`: `client_id`
/// * `log_out`
///
/// Those of the second factor post to `/account/second-factor`: `begin`, or `remove` with `password`.
#[derive(Debug)]
pub(crate) struct AccountPage<'a> {
    /// The account.
    pub(crate) account: &'a Account,
    /// Whether there is a second factor, with the number of recovery codes left; `None` if it is not offered.
    pub(crate) second_factor: Option<Option<u64>>,
}

impl AccountPage<'_> {
    fn notice(&self, look: &Look<'_>) -> Option<Cow<'static, str>> {
        Some(match self.account.done? {
            Done::PasswordChanged => look.say(
                "Your password is changed. You were logged out everywhere else.",
                "Votre mot de passe a été modifié. Vos autres sessions ont été fermées.",
            ),
            Done::BrowserEnded => look.say("That browser is logged out.", "Ce navigateur est déconnecté."),
            Done::OtherBrowsersEnded => {
                look.say("All other browsers are logged out.", "Tous les autres navigateurs sont déconnectés.")
            }
            Done::AppRemoved => {
                look.say("The app no longer has access.", "L’application n’a plus accès à votre compte.")
            }
        })
    }

    /// What is wrong with the current password.
    fn password_problem(&self, look: &Look<'_>) -> Option<String> {
        match self.account.problem.as_ref()? {
            PasswordProblem::New(_) => None,
            PasswordProblem::Current(Failure::Throttled(throttled)) => {
                Some(look.too_many_attempts(throttled.seconds.unsigned_abs()))
            }
            PasswordProblem::Current(Failure::Refused(_)) => Some(
                look.say("This is not your current password.", "Ce n’est pas votre mot de passe actuel.").into_owned(),
            ),
            PasswordProblem::Current(Failure::Overloaded | Failure::Unavailable(_)) => Some(look.busy()),
        }
    }

    /// What is wrong with the new password.
    fn new_password_problem(&self, look: &Look<'_>) -> Option<String> {
        match self.account.problem.as_ref()? {
            PasswordProblem::New(unfit) => Some(look.unfit(*unfit)),
            PasswordProblem::Current(_) => None,
        }
    }

    fn codes_left(&self, look: &Look<'_>, left: &u64) -> String {
        let english = ["{} recovery code is left.", "{} recovery codes are left."];
        look.count(*left, english, ["Il reste {} code de secours.", "Il reste {} codes de secours."])
    }

    fn has_other_browsers(&self) -> bool {
        self.account.browsers.iter().any(|browser| !browser.is_this)
    }
}

shown_by!(AccountPage, "pages/account.html");
