//! The pages on which people prove who they are, and choose a password.

use axum::http::StatusCode;
use axum::response::Response;

use crate::browser::new_password::{self, Unfit};
use crate::http::pages::look::Look;
use crate::http::pages::policy::Policy;
use crate::http::pages::{AnswersTo, answer, shown_by};

/// Asks for username and password, then for the second factor of those who have one. Posts `username`, `password` or `code`,
/// `request`, `password_proof` and `proof` to `/login`.
#[derive(Debug)]
pub(crate) struct LoginPage<'a> {
    /// The sealed authorization request that the login is for.
    pub(crate) request: Option<&'a str>,
    /// The proof that this server showed the form.
    pub(crate) proof: &'a str,
    /// The username, as far as it is known.
    pub(crate) username: &'a str,
    /// The client that asked for the login.
    pub(crate) client_name: Option<&'a str>,
    /// Its host, if nobody registered it by hand.
    pub(crate) client_host: Option<&'a str>,
    /// Where the answer goes, if that is elsewhere.
    pub(crate) answers_to: Option<&'a AnswersTo>,
    /// What was wrong with the last attempt.
    pub(crate) problem: Option<LoginProblem>,
    /// What stands for the password once it was right, sealed; then the second factor is asked for in its place.
    pub(crate) password_proof: Option<&'a str>,
    /// Where the answer to the form may lead: source expressions.
    pub(crate) form_targets: &'a [String],
}

/// Why a login failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginProblem {
    /// The username or the password is wrong.
    Wrong,
    /// Too many attempts failed.
    Throttled {
        /// The time to wait.
        seconds: u64,
    },
    /// The server has no time for another login now.
    Busy,
    /// The second factor is wrong, or was used before.
    SecondFactorWrong,
    /// The form lay too long.
    Expired,
}

impl LoginPage<'_> {
    fn is(&self, problem: LoginProblem) -> bool {
        self.problem == Some(problem)
    }

    fn is_wrong(&self) -> bool {
        self.is(LoginProblem::Wrong)
    }

    fn is_second_factor_wrong(&self) -> bool {
        self.is(LoginProblem::SecondFactorWrong)
    }

    /// The problem that is of no field.
    fn notice(&self, look: &Look<'_>) -> Option<String> {
        match self.problem? {
            LoginProblem::Wrong | LoginProblem::SecondFactorWrong => None,
            LoginProblem::Throttled { seconds } => Some(look.too_many_attempts(seconds)),
            LoginProblem::Busy => Some(look.busy()),
            LoginProblem::Expired => Some(
                look.say(
                    "This page was open for too long. Log in again.",
                    "Cette page est restée ouverte trop longtemps. Reconnectez-vous.",
                )
                .into_owned(),
            ),
        }
    }
}

shown_by!(LoginPage, "pages/login.html", |page| Policy { form_targets: page.form_targets, ..Policy::default() });

/// Sets a password by a one-time link. Posts `token`, `password`, `password_again` and `proof` to `/account/password`.
pub(crate) struct SetPasswordPage<'a> {
    /// The token of the link, a secret.
    pub(crate) token: &'a str,
    /// The proof that this server showed the form.
    pub(crate) proof: &'a str,
    /// Whose password it is.
    pub(crate) username: &'a str,
    /// What was wrong with the last attempt.
    pub(crate) problem: Option<Unfit>,
}

impl SetPasswordPage<'_> {
    fn problem(&self, look: &Look<'_>) -> Option<String> {
        Some(look.unfit(self.problem?))
    }
}

shown_by!(SetPasswordPage, "pages/set_password.html");

impl Look<'_> {
    /// Too many attempts failed: when the next one is possible.
    pub(super) fn too_many_attempts(&self, seconds: u64) -> String {
        let text =
            self.say("Too many attempts have failed. Try again in", "Trop de tentatives ont échoué. Réessayez dans");
        format!("{text} {}.", self.wait(seconds))
    }

    /// There is no time to hash a password now.
    pub(super) fn busy(&self) -> String {
        let text = "Beaucoup de personnes se connectent en ce moment. Réessayez dans un instant.";
        self.say("Many people are logging in right now. Try again in a moment.", text).into_owned()
    }

    /// Why a new password is refused.
    pub(super) fn unfit(&self, unfit: Unfit) -> String {
        match unfit {
            Unfit::TooShort => self
                .say("Use at least {} characters.", "Choisissez au moins {} caractères.")
                .replace("{}", &new_password::LEAST.to_string()),
            Unfit::TooLong => self
                .say(
                    "Use at most {} characters, all on one line.",
                    "Choisissez au plus {} caractères, sur une seule ligne.",
                )
                .replace("{}", &new_password::MOST.to_string()),
            Unfit::Differs => {
                self.say("The two passwords differ.", "Les deux mots de passe sont différents.").into_owned()
            }
            Unfit::Busy => self.busy(),
        }
    }
}
