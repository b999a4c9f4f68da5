//! What the endpoints for people at browsers answer: a page, or the way to another place.

use crate::app::Failure;
use crate::authorization::answer::Answer;
use crate::browser::cookie::SetCookie;
use crate::browser::new_password::Unfit;
use crate::browser::password_link::LinkToken;
use crate::browser::second_factor::{RecoveryCodes, SettingUp};
use crate::endpoints::account::Account;
use crate::protocol::error::Refusal;
use crate::protocol::time::Timestamp;

/// An answer to a browser.
pub struct Reply {
    /// What it shows, or where it leads.
    pub shown: Shown,
    /// The cookies to set.
    pub cookies: Vec<SetCookie>,
}

/// What an answer to a browser shows, or where it leads.
pub enum Shown {
    /// Another page of this server: its path and query, below the path of the issuer.
    Elsewhere(String),
    /// The client, with the answer to its request.
    Client(ToClient),
    /// The form for username and password.
    LogIn(LogIn),
    /// The question whether the client may have what it asks for.
    AskConsent(AskConsent),
    /// Which parameter of an authorization request is wrong, for its developer.
    WrongRequest(WrongRequest),
    /// One's own account.
    Account(Box<Account>),
    /// The question whether to log out.
    AskLogout(AskLogout),
    /// Nobody is logged in any more; perhaps the browser goes on to a client.
    LoggedOut(Option<String>),
    /// The form for the code of a device.
    AskUserCode(AskUserCode),
    /// The question whether a device may come in.
    AskDevice(AskDevice),
    /// The device was let in, or not.
    DeviceAnswered {
        /// What the person said no to, if it was not; for the log.
        denied: Option<Refusal>,
        /// The name of the client.
        client_name: String,
    },
    /// The secret of a second factor that is being set up.
    SetUpSecondFactor(SetUpSecondFactor),
    /// New recovery codes, and where the person goes on: a path, below the path of the issuer.
    RecoveryCodes(RecoveryCodes, String),
    /// The form for a new password, by a one-time link.
    SetPassword(SetPassword),
    /// The new password counts.
    PasswordSet,
    /// The demonstration of a login.
    Demo(Demo),
}

/// The secret of a second factor that is being set up.
pub struct SetUpSecondFactor {
    /// The secret.
    pub setting_up: SettingUp,
    /// The proof that this server showed the form.
    pub proof: String,
    /// Whether the last code was wrong.
    pub is_wrong: bool,
    /// What stands for the password, if this is part of a login.
    pub password_proof: Option<String>,
    /// The sealed authorization request that the login is for.
    pub request: Option<String>,
}

/// The form for a new password, by a one-time link.
pub struct SetPassword {
    /// The token of the link.
    pub token: LinkToken,
    /// The proof that this server showed the form.
    pub proof: String,
    /// Whose password it is.
    pub username: String,
    /// What was wrong with the last attempt.
    pub problem: Option<Unfit>,
}

/// The question whether to log out.
#[derive(Debug)]
pub struct AskLogout {
    /// The proof that this server showed the form.
    pub proof: String,
    /// Who is logged in.
    pub username: String,
    /// The name of the client that asks for it.
    pub client_name: Option<String>,
    /// The parameters of the request.
    pub fields: Vec<(&'static str, String)>,
    /// Where the browser goes afterwards.
    pub to: Option<String>,
}

/// The answer to a client.
pub struct ToClient {
    /// The answer.
    pub answer: Answer,
    /// Why the request is refused, if it is; for the log.
    pub refusal: Option<Refusal>,
    /// The name of the client.
    pub client_name: String,
}

/// The form for username and password, then for the second factor.
#[derive(Default)]
pub struct LogIn {
    /// What the login is for, sealed: an authorization request, or the code of a device.
    pub request: Option<String>,
    /// The proof that this server showed the form.
    pub proof: String,
    /// The username, as far as it is known.
    pub username: String,
    /// The name of the client that asks for the login.
    pub client_name: Option<String>,
    /// Its host, if nobody vouches for the name.
    pub client_host: Option<String>,
    /// Where the answer to the client will go.
    pub redirect_uri: Option<String>,
    /// What stands for the password once it was right; then the second factor is asked for.
    pub password_proof: Option<String>,
    /// Why the last attempt failed.
    pub problem: Option<Failure>,
}

/// The question whether a client may have what it asks for.
pub struct AskConsent {
    /// The sealed authorization request.
    pub request: String,
    /// The proof that this server showed the form.
    pub proof: String,
    /// Who is logged in.
    pub username: String,
    /// The name of the client.
    pub client_name: String,
    /// Its host, if nobody vouches for the name.
    pub client_host: Option<String>,
    /// Where the answer to the client will go.
    pub redirect_uri: String,
    /// What the client would be allowed.
    pub access: AskedAccess,
    /// Whether the client keeps its access after the logout.
    pub offline: bool,
}

/// What a client would be allowed.
#[derive(Debug)]
pub struct AskedAccess {
    /// The scopes that concern no resource, such as those about the person.
    pub scopes: Vec<String>,
    /// The resources: their names, and the scopes that count there.
    pub resources: Vec<(String, Vec<AskedScope>)>,
}

/// A scope, and what it allows at a resource, in words; empty if nobody described it.
pub type AskedScope = (String, String);

/// What is wrong with an authorization request whose client cannot be told.
pub struct WrongRequest {
    /// The parameter.
    pub parameter: &'static str,
    /// What is wrong.
    pub refusal: Refusal,
    /// The value that was received.
    pub received: Option<String>,
    /// How many values are registered for the client.
    pub registered: Option<usize>,
}

/// The form for the code of a device.
pub struct AskUserCode {
    /// The proof that this server showed the form.
    pub proof: String,
    /// What was typed in before.
    pub typed: String,
    /// Why the last attempt failed.
    pub problem: Option<Failure>,
}

/// The question whether a device may come in.
pub struct AskDevice {
    /// The proof that this server showed the form.
    pub proof: String,
    /// Who is logged in.
    pub username: String,
    /// The name of the client.
    pub client_name: String,
    /// Whether nobody registered it by hand.
    pub is_unknown: bool,
    /// The code that the device shows.
    pub user_code: String,
    /// When the device asked.
    pub requested_at: Timestamp,
    /// The network from which it asked.
    pub network: String,
    /// What the device would be allowed.
    pub access: AskedAccess,
    /// The present.
    pub now: Timestamp,
}

/// The demonstration of a login.
pub struct Demo {
    /// The address that starts a login.
    pub start: String,
    /// The tokens of the last one, by their names.
    pub tokens: Vec<(&'static str, String)>,
    /// Why the last one failed: the error, and its description.
    pub problem: Option<(String, String)>,
}

impl From<Shown> for Reply {
    /// An answer that sets no cookie.
    fn from(shown: Shown) -> Self {
        Self { shown, cookies: Vec::new() }
    }
}

impl Reply {
    /// The same answer that also sets a cookie.
    #[must_use]
    pub fn with_cookie(mut self, cookie: Option<SetCookie>) -> Self {
        self.cookies.extend(cookie);
        self
    }
}
