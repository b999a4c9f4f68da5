//! The page on which people see and end what they allowed.

use std::borrow::Cow;

use axum::http::StatusCode;
use axum::response::Response;

use crate::app::Failure;
use crate::endpoints::account::{Account, AccountProblem, Done};
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
/// Those of the second factor post to `/account/second-factor`: `begin` with `password`, or `new_codes` and `remove` with `code`.
#[derive(Debug)]
pub(crate) struct AccountPage<'a> {
    /// The account.
    pub(crate) account: &'a Account,
}

const WRONG_PASSWORD: (&str, &str) = ("This is not your current password.", "Ce n’est pas votre mot de passe actuel.");

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
            Done::SecondFactorRemoved => look.say(
                "Two-step login is off: your password is enough to log in.",
                "La connexion en deux étapes est désactivée : votre mot de passe suffit pour vous connecter.",
            ),
            Done::AppRemoved => {
                look.say("The app no longer has access.", "L’application n’a plus accès à votre compte.")
            }
        })
    }

    /// What is wrong with the current password, for the change of it.
    fn password_problem(&self, look: &Look<'_>) -> Option<String> {
        let AccountProblem::CurrentPassword(failure) = self.account.problem.as_ref()? else { return None };
        Some(problem(look, failure, WRONG_PASSWORD))
    }

    /// What is wrong with the current password, for a second factor.
    fn second_factor_problem(&self, look: &Look<'_>) -> Option<String> {
        let AccountProblem::SecondFactorPassword(failure) = self.account.problem.as_ref()? else { return None };
        Some(problem(look, failure, WRONG_PASSWORD))
    }

    /// What is wrong with the new password.
    fn new_password_problem(&self, look: &Look<'_>) -> Option<String> {
        let AccountProblem::NewPassword(unfit) = self.account.problem.as_ref()? else { return None };
        Some(look.unfit(*unfit))
    }

    /// What is wrong with the code of the second factor.
    fn code_problem(&self, look: &Look<'_>) -> Option<String> {
        let AccountProblem::Code(failure) = self.account.problem.as_ref()? else { return None };
        let wrong = (
            "This code is wrong or was already used. Wait for the next one.",
            "Ce code est incorrect ou a déjà servi. Attendez le suivant.",
        );
        Some(problem(look, failure, wrong))
    }

    fn codes_left(&self, look: &Look<'_>, left: &u64) -> String {
        let english = ["{} recovery code is left.", "{} recovery codes are left."];
        look.count(*left, english, ["Il reste {} code de secours.", "Il reste {} codes de secours."])
    }

    fn has_other_browsers(&self) -> bool {
        self.account.browsers.iter().any(|browser| !browser.is_this)
    }
}

/// Why a secret that the person typed was not accepted; `wrong` if it is wrong.
fn problem(look: &Look<'_>, failure: &Failure, (english, french): (&'static str, &'static str)) -> String {
    match failure {
        Failure::Refused(_) => look.say(english, french).into_owned(),
        Failure::Throttled(throttled) => look.too_many_attempts(throttled.seconds.unsigned_abs()),
        Failure::Overloaded | Failure::Unavailable(_) => look.busy(),
    }
}

shown_by!(AccountPage, "pages/account.html");
