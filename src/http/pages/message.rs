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
    pub(crate) message: Message,
    /// Where to go on; without it, nowhere.
    pub(crate) link: Option<&'a str>,
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
    /// Too many attempts failed.
    TooManyAttempts,
    /// The server cannot answer now.
    Unavailable,
}

impl Message {
    #[cfg(test)]
    pub(super) const ALL: [(&'static str, Self); 8] = [
        ("form-expired", Self::FormExpired),
        ("request-expired", Self::RequestExpired),
        ("already-answered", Self::AlreadyAnswered),
        ("logged-out", Self::LoggedOut),
        ("link-expired", Self::LinkExpired),
        ("password-set", Self::PasswordSet),
        ("too-many-attempts", Self::TooManyAttempts),
        ("unavailable", Self::Unavailable),
    ];

    /// Title, text, and the name of the link: each in English and in French.
    const fn texts(self) -> [[&'static str; 2]; 3] {
        match self {
            Self::FormExpired => [
                ["This page is out of date", "Cette page n’est plus à jour"],
                [
                    "Nothing was changed. Go back, reload the page and try again. Cookies must be allowed for this site.",
                    "Rien n’a été modifié. Revenez en arrière, rechargez la page et réessayez. Les cookies de ce site \
                     doivent être acceptés.",
                ],
                ["Start again", "Recommencer"],
            ],
            Self::RequestExpired => [
                ["This login took too long", "Cette connexion a pris trop de temps"],
                [
                    "Go back to the app that you want to use, and log in from there once more.",
                    "Revenez à l’application que vous souhaitez utiliser, et connectez-vous à nouveau depuis celle-ci.",
                ],
                ["Your account", "Votre compte"],
            ],
            Self::AlreadyAnswered => [
                ["This login is already done", "Cette connexion a déjà eu lieu"],
                [
                    "You can close this page. If the app still does not let you in, log in from there once more.",
                    "Vous pouvez fermer cette page. Si l’application ne s’ouvre toujours pas, connectez-vous à nouveau \
                     depuis celle-ci.",
                ],
                ["Your account", "Votre compte"],
            ],
            Self::LoggedOut => [
                ["You are logged out", "Déconnexion réussie"],
                ["You can close this page.", "Vous pouvez fermer cette page."],
                ["Log in again", "Se reconnecter"],
            ],
            Self::LinkExpired => [
                ["This link no longer works", "Ce lien n’est plus valable"],
                [
                    "It was already used, or it is too old. Ask whoever sent it to you for a new one.",
                    "Il a déjà été utilisé, ou il est trop ancien. Demandez-en un nouveau à la personne qui vous l’a envoyé.",
                ],
                ["Log in", "Se connecter"],
            ],
            Self::PasswordSet => [
                ["Your new password is set", "Votre nouveau mot de passe est enregistré"],
                [
                    "You were logged out everywhere. Log in with the new password.",
                    "Toutes vos sessions ont été fermées. Connectez-vous avec le nouveau mot de passe.",
                ],
                ["Log in", "Se connecter"],
            ],
            Self::TooManyAttempts => [
                ["Too many attempts", "Trop de tentatives"],
                ["Wait a moment, then try again.", "Attendez un instant, puis réessayez."],
                ["Try again", "Réessayer"],
            ],
            Self::Unavailable => [
                ["We cannot answer right now", "Nous ne pouvons pas répondre pour le moment"],
                [
                    "Nothing was changed. Please try again in a moment.",
                    "Rien n’a été modifié. Veuillez réessayer dans un instant.",
                ],
                ["Try again", "Réessayer"],
            ],
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

    fn link_name(self, look: &Look<'_>) -> String {
        self.say(look, 2)
    }
}

shown_by!(MessagePage, "pages/message.html");
