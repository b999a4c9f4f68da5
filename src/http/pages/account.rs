//! The page on which people see and end what they allowed.

use axum::http::StatusCode;
use axum::response::Response;
use uuid::Uuid;

use crate::http::pages::login::PasswordProblem;
use crate::http::pages::look::Look;
use crate::http::pages::policy::Policy;
use crate::http::pages::{answer, shown_by};
use crate::protocol::time::Timestamp;

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
    /// The proof that this server showed the form.
    pub(crate) proof: &'a str,
    /// The username.
    pub(crate) username: &'a str,
    /// The name in the profile.
    pub(crate) name: Option<&'a str>,
    /// The browsers where the person is logged in, this one first.
    pub(crate) browsers: &'a [BrowserEntry],
    /// The apps that have access.
    pub(crate) apps: &'a [ConnectedApp],
    /// Whether there is a second factor, with the number of recovery codes left; `None` if it is not offered.
    pub(crate) second_factor: Option<Option<u64>>,
    /// What was done.
    pub(crate) notice: Option<Notice>,
    /// Why the password was not changed.
    pub(crate) problem: Option<AccountProblem>,
    /// The present.
    pub(crate) now: Timestamp,
}

/// A browser where the person is logged in.
#[derive(Clone, Debug)]
pub(crate) struct BrowserEntry {
    /// The id of its browser session.
    pub(crate) id: Uuid,
    /// The browser, as it calls itself.
    pub(crate) agent: String,
    /// The network of the login.
    pub(crate) network: String,
    /// When it was last used.
    pub(crate) last_seen_at: Timestamp,
    /// Whether it is the one that shows the page.
    pub(crate) is_this: bool,
}

/// An app that has access, or whose consent is remembered.
#[derive(Clone, Debug)]
pub(crate) struct ConnectedApp {
    /// The client.
    pub(crate) client_id: String,
    /// Its name.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) scopes: Vec<String>,
    /// Since when.
    pub(crate) since: Timestamp,
    /// When it last got a token; `None` if it has no access now.
    pub(crate) last_used_at: Option<Timestamp>,
    /// Whether the consent is remembered.
    pub(crate) is_remembered: bool,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The password was changed.
    PasswordChanged,
    /// A browser was logged out.
    BrowserEnded,
    /// All others were logged out.
    OtherBrowsersEnded,
    /// An app lost its access.
    AppRemoved,
    /// The second factor is in force.
    SecondFactorSet,
    /// The second factor is gone.
    SecondFactorRemoved,
}

/// Why the password was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccountProblem {
    /// The current password is wrong.
    Wrong,
    /// Too many attempts failed.
    Throttled {
        /// The time to wait.
        seconds: u64,
    },
    /// The new password is refused.
    New(PasswordProblem),
}

impl AccountPage<'_> {
    fn notice(&self, look: &Look<'_>) -> Option<String> {
        let text = match self.notice? {
            Notice::PasswordChanged => look.say(
                "Your password is changed. You were logged out everywhere else.",
                "Votre mot de passe a été modifié. Vos autres sessions ont été fermées.",
            ),
            Notice::BrowserEnded => look.say("That browser is logged out.", "Ce navigateur est déconnecté."),
            Notice::OtherBrowsersEnded => {
                look.say("All other browsers are logged out.", "Tous les autres navigateurs sont déconnectés.")
            }
            Notice::AppRemoved => {
                look.say("The app no longer has access.", "L’application n’a plus accès à votre compte.")
            }
            Notice::SecondFactorSet => look.say("Two-step login is on.", "La connexion en deux étapes est activée."),
            Notice::SecondFactorRemoved => {
                look.say("Two-step login is off.", "La connexion en deux étapes est désactivée.")
            }
        };
        Some(text.into_owned())
    }

    /// What is wrong with the current password.
    fn password_problem(&self, look: &Look<'_>) -> Option<String> {
        match self.problem? {
            AccountProblem::Wrong => Some(
                look.say("This is not your current password.", "Ce n’est pas votre mot de passe actuel.").into_owned(),
            ),
            AccountProblem::Throttled { seconds } => Some(format!(
                "{} {}.",
                look.say(
                    "Too many attempts have failed. Try again in",
                    "Trop de tentatives ont échoué. Réessayez dans"
                ),
                look.wait(seconds)
            )),
            AccountProblem::New(_) => None,
        }
    }

    /// What is wrong with the new password.
    fn new_password_problem(&self, look: &Look<'_>) -> Option<String> {
        match self.problem? {
            AccountProblem::New(problem) => Some(problem.text(look)),
            AccountProblem::Wrong | AccountProblem::Throttled { .. } => None,
        }
    }

    fn codes_left(&self, look: &Look<'_>, left: &u64) -> String {
        let english = ["{} recovery code is left.", "{} recovery codes are left."];
        look.count(*left, english, ["Il reste {} code de secours.", "Il reste {} codes de secours."])
    }

    fn has_other_browsers(&self) -> bool {
        self.browsers.iter().any(|browser| !browser.is_this)
    }
}

shown_by!(AccountPage, "pages/account.html");
