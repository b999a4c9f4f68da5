//! Pages that only say something.

use axum::http::StatusCode;
use axum::response::Response;

use crate::http::pages::look::Look;
use crate::http::pages::policy::Policy;
use crate::http::pages::{answer, shown_by};

/// Says something, and where to go on.
#[derive(Debug)]
pub(crate) struct MessagePage<'a> {
    /// What.
    pub(crate) message: &'a Message,
}

/// What a page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// A form does not come from a page that this browser was shown, or it lay too long.
    FormExpired,
    /// A login took too long.
    RequestExpired,
    /// A login was answered before.
    AlreadyAnswered,
    /// The person is logged out.
    LoggedOut,
    /// A one-time link was used before, or is too old.
    LinkExpired,
    /// The new password counts.
    PasswordSet,
    /// The person has none of the rights that are asked for.
    NothingToAllow,
    /// Too many attempts failed.
    TooManyAttempts,
    /// The server cannot answer now.
    Unavailable,
}

impl Message {
    #[cfg(test)]
    pub(super) const ALL: [(&'static str, Self); 9] = [
        ("form-expired", Self::FormExpired),
        ("request-expired", Self::RequestExpired),
        ("already-answered", Self::AlreadyAnswered),
        ("logged-out", Self::LoggedOut),
        ("link-expired", Self::LinkExpired),
        ("password-set", Self::PasswordSet),
        ("nothing-to-allow", Self::NothingToAllow),
        ("too-many-attempts", Self::TooManyAttempts),
        ("unavailable", Self::Unavailable),
    ];

    /// Title and text: each in English and in French.
    const fn texts(self) -> [[&'static str; 2]; 2] {
        match self {
            Self::FormExpired => [
                ["This page is out of date", "Cette page n’est plus à jour"],
                [
                    "Nothing was changed. Go back, reload the page and try again. Cookies must be allowed for this site.",
                    "Rien n’a été modifié. Revenez en arrière, rechargez la page et réessayez. Les cookies de ce site \
                     doivent être acceptés.",
                ],
            ],
            Self::RequestExpired => [
                ["This login took too long", "Cette connexion a pris trop de temps"],
                [
                    "Go back to the app that you want to use, and log in from there once more.",
                    "Revenez à l’application que vous souhaitez utiliser, et connectez-vous à nouveau depuis celle-ci.",
                ],
            ],
            Self::AlreadyAnswered => [
                ["This login is already done", "Cette connexion a déjà eu lieu"],
                [
                    "You can close this page. If the app still does not let you in, log in from there once more.",
                    "Vous pouvez fermer cette page. Si l’application ne s’ouvre toujours pas, connectez-vous à nouveau \
                     depuis celle-ci.",
                ],
            ],
            Self::LoggedOut => [
                ["You are logged out", "Déconnexion réussie"],
                ["You can close this page.", "Vous pouvez fermer cette page."],
            ],
            Self::LinkExpired => [
                ["This link no longer works", "Ce lien n’est plus valable"],
                [
                    "It was already used, or it is too old. Ask whoever sent it to you for a new one.",
                    "Il a déjà été utilisé, ou il est trop ancien. Demandez-en un nouveau à la personne qui vous l’a envoyé.",
                ],
            ],
            Self::PasswordSet => [
                ["Your new password is set", "Votre nouveau mot de passe est enregistré"],
                [
                    "You were logged out everywhere. Log in with the new password.",
                    "Toutes vos sessions ont été fermées. Connectez-vous avec le nouveau mot de passe.",
                ],
            ],
            Self::NothingToAllow => [
                ["You cannot give this access", "Vous ne pouvez pas accorder cet accès"],
                [
                    "Your account does not have the rights that are asked for. Ask whoever runs this service.",
                    "Votre compte n’a pas les droits demandés. Adressez-vous aux responsables de ce service.",
                ],
            ],
            Self::TooManyAttempts => [
                ["Too many attempts", "Trop de tentatives"],
                ["Wait a moment, then try again.", "Attendez un instant, puis réessayez."],
            ],
            Self::Unavailable => [
                ["We cannot answer right now", "Nous ne pouvons pas répondre pour le moment"],
                ["Please try again in a moment.", "Veuillez réessayer dans un instant."],
            ],
        }
    }

    /// Where to go on, below the path of the issuer, and the name of that.
    const fn link(self) -> Option<(&'static str, [&'static str; 2])> {
        match self {
            Self::RequestExpired | Self::AlreadyAnswered | Self::NothingToAllow => {
                Some(("account", ["Your account", "Votre compte"]))
            }
            Self::LoggedOut => Some(("login", ["Log in again", "Se reconnecter"])),
            Self::LinkExpired | Self::PasswordSet => Some(("login", ["Log in", "Se connecter"])),
            Self::FormExpired | Self::TooManyAttempts | Self::Unavailable => None,
        }
    }

    fn say(self, look: &Look<'_>, which: usize) -> String {
        let [english, french] = self.texts()[which];
        look.say(english, french).into_owned()
    }

    fn title(self, look: &Look<'_>) -> String {
        self.say(look, 0)
    }

    fn text(self, look: &Look<'_>) -> String {
        self.say(look, 1)
    }
}

shown_by!(MessagePage, "pages/message.html");
