//! What the page of an account shows.

use uuid::Uuid;

use crate::app::Failure;
use crate::browser::new_password::Unfit;
use crate::protocol::time::Timestamp;

/// What the page of an account shows.
#[derive(Debug)]
pub struct Account {
    /// The proof that this server showed the forms.
    pub proof: String,
    /// The username.
    pub username: String,
    /// The name in the profile.
    pub name: Option<String>,
    /// The browsers where the person is logged in, this one first.
    pub browsers: Vec<BrowserEntry>,
    /// The apps that have access, or whose consent is remembered.
    pub apps: Vec<ConnectedApp>,
    /// How many recovery codes are left, if there is a second factor.
    pub second_factor: Option<u64>,
    /// What was done just before.
    pub done: Option<Done>,
    /// Why something was not done.
    pub problem: Option<AccountProblem>,
    /// The present.
    pub now: Timestamp,
}

/// A browser where the person is logged in.
#[derive(Clone, Debug)]
pub struct BrowserEntry {
    /// The id of its browser session.
    pub id: Uuid,
    /// The browser, as it calls itself.
    pub agent: String,
    /// The network of the login.
    pub network: String,
    /// When it was last used.
    pub last_seen_at: Timestamp,
    /// Whether it is the one that shows the page.
    pub is_this: bool,
}

/// An app that has access, or whose consent is remembered.
#[derive(Clone, Debug)]
pub struct ConnectedApp {
    /// The client.
    pub client_id: String,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Since when.
    pub since: Timestamp,
    /// When it last got a token; `None` if it has no access now.
    pub last_used_at: Option<Timestamp>,
    /// Whether the consent is remembered.
    pub is_remembered: bool,
}

/// What was done. The address of the page names it, so that loading the page anew does nothing again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// The password was changed.
    PasswordChanged,
    /// A browser was logged out.
    BrowserEnded,
    /// All other browsers were logged out.
    OtherBrowsersEnded,
    /// An app lost its access.
    AppRemoved,
    /// The second factor was removed.
    SecondFactorRemoved,
}

/// Why something was not done.
#[derive(Debug)]
pub enum AccountProblem {
    /// The current password is wrong, or may not be tried now.
    CurrentPassword(Failure),
    /// The password that allows to set up a second factor is wrong, or may not be tried now.
    SecondFactorPassword(Failure),
    /// The new password is refused.
    NewPassword(Unfit),
    /// The code of the second factor is wrong, or none may be tried now.
    Code(Failure),
}

impl Done {
    /// Everything that can be done.
    pub const ALL: [Self; 5] = [
        Self::PasswordChanged,
        Self::BrowserEnded,
        Self::OtherBrowsersEnded,
        Self::AppRemoved,
        Self::SecondFactorRemoved,
    ];

    /// The name in the address.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PasswordChanged => "password_changed",
            Self::BrowserEnded => "browser_ended",
            Self::OtherBrowsersEnded => "other_browsers_ended",
            Self::AppRemoved => "app_removed",
            Self::SecondFactorRemoved => "second_factor_removed",
        }
    }
}
