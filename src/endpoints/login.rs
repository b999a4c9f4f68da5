//! Logging in at a browser, for an authorization request or for one's own account.

use std::sync::Arc;

use crate::app::{App, Failure, Request, Result};
use crate::authorization::sealed_request;
use crate::browser::cookie::SetCookie;
use crate::browser::second_factor::{self, Required, SETTING_UP, SettingUp};
use crate::browser::{form, password, password_proof, session};
use crate::crypto::{base64url, sha256};
use crate::endpoints::account::ACCOUNT;
use crate::endpoints::authorize::{LOGIN_FORM, host, name, reopen};
use crate::endpoints::device;
use crate::endpoints::reply::{LogIn, Reply, SetUpSecondFactor, Shown};
use crate::endpoints::second_factor::{self as second_factor_form, SetUp};
use crate::protocol::authorization::AuthorizationRequest;
use crate::protocol::browser::{OTP, PASSWORD};
use crate::protocol::client::Client;
use crate::protocol::user::{User, is_credential};
use crate::tokens::sealed;

/// Seconds between the password and the second factor.
const UNTIL_CODE: i64 = 300;

/// Shows the login page, unless somebody is logged in.
pub async fn show(app: &App, request: &Request<'_>) -> Result<Reply> {
    if session::find(app, request).await?.is_some() {
        return Ok(Shown::Elsewhere(ACCOUNT.to_owned()).into());
    }
    Login { app, request, purpose: Purpose::Account }.again(String::new(), None, None)
}

/// The login page for somebody who asks for an address of the console, to which the login leads.
pub fn for_console(app: &App, request: &Request<'_>, address: &str) -> Result<Reply> {
    let proof = form::prove(app, request, LOGIN_FORM)?;
    let address = form::seal(app, request.issuer, sealed::Purpose::Console, &address)?;
    let form = LogIn { request: Some(address), proof: proof.text, ..LogIn::default() };
    Ok(Reply::from(Shown::LogIn(form)).with_cookie(proof.cookie))
}

/// Logs a person in.
pub async fn answer(app: &App, request: &Request<'_>) -> Result<Reply> {
    // 1. Was the form shown to this browser, and what is the login for?
    let proven = request.parameters.one("password_proof")?;
    form::check(app, request, &about(proven)).await?;
    let login = Login { app, request, purpose: purpose(app, request).await? };
    // 2. Username and password, or the proof that they were right.
    let user = match proven {
        Some(proof) => password_proof::check(app, request, proof).await,
        None => verify(app, request).await,
    };
    let user = match user {
        Ok(user) => user,
        Err(problem) => return login.failed(None, problem),
    };
    // 3. The second factor.
    match second_factor::required(app, &user) {
        Required::Nothing => login.finish(&user, &[PASSWORD]).await,
        Required::Code => login.by_code(&user, proven).await,
        Required::SetUp => login.set_up(&user, proven).await,
    }
}

/// What the form says that the login is for.
async fn purpose(app: &App, request: &Request<'_>) -> Result<Purpose> {
    if let Some(text) = request.parameters.one("request")?
        && let Some(code) = form::open(app, request, sealed::Purpose::UserCode, text).await?
    {
        return Ok(Purpose::Device(code));
    }
    if let Some(text) = request.parameters.one("request")?
        && let Some(address) = form::open(app, request, sealed::Purpose::Console, text).await?
    {
        return Ok(Purpose::Console(address));
    }
    let pending = reopen(app, request).await?;
    Ok(pending.map_or(Purpose::Account, |(client, asked)| Purpose::Request(client, Box::new(asked))))
}

/// The user, if the password is right. People learn nothing but that the two do not fit.
async fn verify(app: &App, request: &Request<'_>) -> Result<User> {
    let credentials =
        password::credentials(request).map_err(|_| password::wrong("no credentials, or malformed ones"))?;
    password::find(app, request, credentials).await?.verify(app).await
}

/// What the proof of the form is about: after the password, this password, so that no other browser can go on from it.
fn about(password_proof: Option<&str>) -> String {
    match password_proof {
        None => LOGIN_FORM.to_owned(),
        Some(proof) => format!("{LOGIN_FORM} after {}", base64url(sha256(proof.as_bytes()))),
    }
}

/// What a login is for.
enum Purpose {
    Request(Arc<Client>, Box<AuthorizationRequest>),
    /// The code of a device.
    Device(String),
    /// An address of the console.
    Console(String),
    /// One's own account.
    Account,
}

/// A login that has begun.
struct Login<'a> {
    app: &'a App,
    request: &'a Request<'a>,
    purpose: Purpose,
}

impl Login<'_> {
    /// Goes on with a code, or asks for one.
    async fn by_code(&self, user: &User, proven: Option<&str>) -> Result<Reply> {
        let Some(code) = self.request.parameters.one("code")? else { return self.ask_for_code(user, proven, None) };
        match second_factor::prove(self.app, self.request, user, code).await {
            Ok(_) => self.finish(user, &[PASSWORD, OTP]).await,
            Err(problem) => self.ask_for_code(user, proven, Some(problem)),
        }
    }

    fn ask_for_code(&self, user: &User, proven: Option<&str>, problem: Option<Failure>) -> Result<Reply> {
        let proof = self.prove(user, proven, UNTIL_CODE)?;
        match problem {
            Some(problem) => self.failed(Some((user, proof)), problem),
            None => self.again(user.username.clone(), Some(proof), None),
        }
    }

    /// Has the person set up a second factor, and logs the person in once its first code was right.
    async fn set_up(&self, user: &User, proven: Option<&str>) -> Result<Reply> {
        match second_factor_form::confirm(self.app, self.request, user).await? {
            SetUp::Expired => {
                let setting_up = second_factor_form::begin(self.app, self.request, user)?;
                self.show_secret(user, proven, setting_up, false)
            }
            SetUp::WrongCode(setting_up) => self.show_secret(user, proven, setting_up, true),
            SetUp::Done(codes) => {
                // Who cannot be logged in any more logs in anew, and keeps the codes.
                let cookie = self.begin(user, &[PASSWORD, OTP]).await?;
                Ok(Reply::from(Shown::RecoveryCodes(codes, self.next()?)).with_cookie(cookie))
            }
            SetUp::ThereIsOne => self.ask_for_code(user, proven, None),
        }
    }

    fn show_secret(&self, user: &User, proven: Option<&str>, setting_up: SettingUp, is_wrong: bool) -> Result<Reply> {
        let password_proof = self.prove(user, proven, SETTING_UP)?;
        let proof = form::prove(self.app, self.request, &about(Some(&password_proof)))?;
        let page = SetUpSecondFactor {
            setting_up,
            proof: proof.text,
            is_wrong,
            password_proof: Some(password_proof),
            request: self.sealed_request()?,
        };
        Ok(Reply::from(Shown::SetUpSecondFactor(page)).with_cookie(proof.cookie))
    }

    /// Logs the person in, and goes on with the request.
    async fn finish(&self, user: &User, methods: &[&str]) -> Result<Reply> {
        match self.begin(user, methods).await? {
            Some(cookie) => Ok(Reply { shown: Shown::Elsewhere(self.next()?), cookies: vec![cookie] }),
            None => self.failed(None, password::wrong("the user was changed during the login")),
        }
    }

    /// Begins a browser session, in place of any that this browser had: its cookie is new, whatever the browser sent.
    async fn begin(&self, user: &User, methods: &[&str]) -> Result<Option<SetCookie>> {
        let replaced = session::known(self.app, self.request).await?;
        session::begin(self.app, self.request, user, methods, replaced.as_ref()).await
    }

    /// Where the browser goes on after the login.
    fn next(&self) -> Result<String> {
        match &self.purpose {
            Purpose::Request(_, asked) => sealed_request::address(self.app, self.request.issuer, asked),
            Purpose::Device(code) => Ok(device::address(code)),
            Purpose::Console(address) => Ok(address.clone()),
            Purpose::Account => Ok(ACCOUNT.to_owned()),
        }
    }

    /// What stands for the password: what did so before, which is not prolonged, or a new proof for so many seconds.
    fn prove(&self, user: &User, proven: Option<&str>, seconds: i64) -> Result<String> {
        proven.map_or_else(|| password_proof::prove(self.app, self.request, user, seconds), |it| Ok(it.to_owned()))
    }

    /// The login page after a failed attempt; with the user and the proof of the password, if that was right.
    fn failed(&self, proven: Option<(&User, String)>, problem: Failure) -> Result<Reply> {
        if let Failure::Unavailable(_) = problem {
            return Err(problem);
        }
        let (username, proof) = match proven {
            Some((user, proof)) => (user.username.clone(), Some(proof)),
            None => {
                let sent = self.request.parameters.all("username").find(|name| is_credential(name));
                (sent.unwrap_or_default().to_owned(), None)
            }
        };
        self.again(username, proof, Some(problem))
    }

    /// The login page.
    fn again(&self, username: String, password_proof: Option<String>, problem: Option<Failure>) -> Result<Reply> {
        let proof = form::prove(self.app, self.request, &about(password_proof.as_deref()))?;
        let (client_name, client_host, redirect_uri) = match &self.purpose {
            Purpose::Request(client, asked) => {
                (Some(name(client)), host(client, asked), Some(asked.redirect_uri.clone()))
            }
            Purpose::Device(_) | Purpose::Console(_) | Purpose::Account => (None, None, None),
        };
        let form = LogIn {
            request: self.sealed_request()?,
            proof: proof.text,
            username,
            client_name,
            client_host,
            redirect_uri,
            password_proof,
            problem,
        };
        Ok(Reply::from(Shown::LogIn(form)).with_cookie(proof.cookie))
    }

    /// What the login is for, sealed, as the form had it.
    fn sealed_request(&self) -> Result<Option<String>> {
        Ok(self
            .request
            .parameters
            .one("request")?
            .filter(|_| !matches!(self.purpose, Purpose::Account))
            .map(str::to_owned))
    }
}
