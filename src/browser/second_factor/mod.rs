//! Second factors: TOTP (RFC 6238) with recovery codes.

mod secret;

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::app::{App, Failure, Request, Result};
use crate::browser::second_factor::secret::TotpSecret;
use crate::browser::{form, session};
use crate::crypto::{random, sha256};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::identity::Identity;
use crate::protocol::time::Timestamp;
use crate::protocol::totp::{Entered, RECOVERY_CODES, grouped, recovery_code};
use crate::protocol::user::User;
use crate::store::SecondFactor;
use crate::tokens::sealed::Purpose;

/// Seconds within which a second factor that is being set up must be confirmed.
pub const SETTING_UP: i64 = 600;

/// What a login needs besides the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Required {
    /// Nothing.
    Nothing,
    /// A code: the user has a second factor.
    Code,
    /// That the user sets one up first (`JETON_REQUIRE_SECOND_FACTOR`).
    SetUp,
}

/// What a login of this user needs besides the password.
pub fn required(app: &App, user: &User) -> Required {
    if user.has_second_factor {
        Required::Code
    } else if app.settings.require_second_factor.demands_of(user) {
        Required::SetUp
    } else {
        Required::Nothing
    }
}

/// Proof that a user has just shown the second factor; only [`check`] makes one.
#[derive(Debug)]
pub struct Proven {
    user: Uuid,
    /// How many recovery codes are left, if one was used up for it.
    pub recovery_codes_left: Option<i64>,
}

/// Whether a code is right.
#[derive(Debug)]
pub enum Checked {
    /// It is, and does not count again.
    Right(Proven),
    /// It is a code of an authenticator that, or a later one than that, was used before: the next one will do.
    Used,
    /// It is wrong.
    Wrong,
}

/// A second factor that is being set up: nothing is stored until it is confirmed.
pub struct SettingUp {
    /// The secret for the form, which only this server can read.
    pub sealed: String,
    /// The secret in base32, to be typed into an authenticator.
    pub secret: Zeroizing<String>,
    /// The secret as an `otpauth:` URI, for a QR code.
    pub uri: Zeroizing<String>,
}

impl fmt::Debug for SettingUp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SettingUp")
    }
}

impl SettingUp {
    fn new(sealed: String, secret: &TotpSecret, user: &User, service: &str) -> Self {
        Self { sealed, secret: secret.to_base32(), uri: secret.uri(service, &user.username) }
    }
}

/// The outcome of a confirmation.
#[derive(Debug)]
pub enum Confirmed {
    /// The second factor counts from now on. The codes are shown this once.
    Yes(RecoveryCodes),
    /// The code is wrong; the same form may be sent again.
    WrongCode,
    /// The form is too old, or of another user: begin again.
    Expired,
    /// The user has a second factor already.
    ThereIsOne,
}

/// New recovery codes, shown once.
pub struct RecoveryCodes(Vec<Zeroizing<String>>);

impl fmt::Debug for RecoveryCodes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RecoveryCodes")
    }
}

impl RecoveryCodes {
    fn generate() -> Self {
        Self((0..RECOVERY_CODES).map(|_| recovery_code(&Zeroizing::new(random()))).collect())
    }

    /// Each as people read it.
    pub fn texts(&self) -> impl Iterator<Item = Zeroizing<String>> + '_ {
        self.0.iter().map(|code| grouped(code))
    }

    /// What is kept of them. 50 random bits each, of which only a few can be tried, need no slow hash.
    fn hashes(&self) -> Vec<[u8; 32]> {
        self.0.iter().map(|code| sha256(code.as_bytes())).collect()
    }
}

/// What the form of a second factor that is being set up holds.
#[derive(Serialize, Deserialize)]
struct Form {
    user: Uuid,
    secret: TotpSecret,
    /// Milliseconds since the epoch.
    until: i64,
}

/// Checks a code of an authenticator or a recovery code. Call it after the password was right: each attempt counts as a
/// failure of the user until a code is right.
///
/// # Errors
/// [`Failure::Throttled`] after too many failures, whatever the code is; [`Failure::Unavailable`].
pub async fn check(app: &App, request: &Request<'_>, user: &User, code: &str) -> Result<Checked> {
    let record = app.store.second_factor_find(user.id).await?;
    let attempt = app.throttle.second_factor_attempt(user.id, record.failures, request.source()).await?;
    attempt.map_err(|throttled| Failure::from(throttled).about(Identity::of_user(&user.sub)))?;
    let Some(factor) = record.factor else { return Ok(Checked::Wrong) };
    match Entered::read(code) {
        Some(Entered::Totp(code)) => {
            let step = open(app, request, user, &factor).await?.step_of(&code, app.clock.now());
            let Some(step) = step else { return Ok(Checked::Wrong) };
            Ok(match app.store.second_factor_use_step(user.id, step).await? {
                true => Checked::Right(Proven { user: user.id, recovery_codes_left: None }),
                false => Checked::Used,
            })
        }
        Some(Entered::Recovery(code)) => {
            let hash = sha256(code.as_bytes());
            let left =
                app.store.second_factor_use_recovery(user.id, hash, &session::audited(app, request, user.id)).await?;
            Ok(left.map_or(Checked::Wrong, |left| {
                Checked::Right(Proven { user: user.id, recovery_codes_left: Some(left) })
            }))
        }
        None => Ok(Checked::Wrong),
    }
}

/// The second factor of a user whose password was right, by this code.
///
/// # Errors
/// A refusal if the code is wrong or was used before, else those of [`check`].
pub(crate) async fn prove(app: &App, request: &Request<'_>, user: &User, code: &str) -> Result<Proven> {
    let reason = match check(app, request, user, code).await? {
        Checked::Right(proven) => return Ok(proven),
        Checked::Used => "the code was used before",
        Checked::Wrong => "wrong second factor",
    };
    let refusal = Refusal::new(ErrorCode::InvalidGrant, "The code is wrong or was used before.").because(reason);
    Err(Failure::from(refusal).about(Identity::of_user(&user.sub)))
}

/// Begins to set up a second factor. `service` is the name that authenticators show.
pub fn set_up(app: &App, request: &Request<'_>, user: &User, service: &str) -> Result<SettingUp> {
    let until = app.clock.now().plus_seconds(SETTING_UP).millis();
    let form = Form { user: user.id, secret: TotpSecret::generate(), until };
    let sealed = form::seal(app, request.issuer, Purpose::SecondFactor, &form)?;
    Ok(SettingUp::new(sealed, &form.secret, user, service))
}

/// Shows again what [`set_up`] showed, for a form that came back with a wrong code; none if it is too old or of another
/// user.
pub async fn shown_again(
    app: &App,
    request: &Request<'_>,
    user: &User,
    service: &str,
    sealed: &str,
) -> Result<Option<SettingUp>> {
    let secret = secret_of(app, request, user, sealed).await?;
    Ok(secret.map(|secret| SettingUp::new(sealed.to_owned(), &secret, user, service)))
}

/// Ends the setting up with the first code of the authenticator.
pub async fn confirm(app: &App, request: &Request<'_>, user: &User, sealed: &str, code: &str) -> Result<Confirmed> {
    let now = app.clock.now();
    let Some(secret) = secret_of(app, request, user, sealed).await? else { return Ok(Confirmed::Expired) };
    let Some(Entered::Totp(code)) = Entered::read(code) else { return Ok(Confirmed::WrongCode) };
    let Some(step) = secret.step_of(&code, now) else { return Ok(Confirmed::WrongCode) };
    let audited = session::audited(app, request, user.id);
    let key = app.data_key(request.issuer, &audited).await?;
    let recovery = RecoveryCodes::generate();
    let sealed = secret.seal(user.id, &key);
    let factor = SecondFactor {
        secret: sealed,
        last_step: step,
        recovery_codes: i64::try_from(RECOVERY_CODES).unwrap_or(i64::MAX),
        created_at: now,
    };
    Ok(match app.store.second_factor_create(user.id, &factor, &recovery.hashes(), &audited).await? {
        true => Confirmed::Yes(recovery),
        false => Confirmed::ThereIsOne,
    })
}

/// Removes the second factor of a user who has just shown it.
pub async fn remove(app: &App, request: &Request<'_>, proven: Proven) -> Result<()> {
    let audited = session::audited(app, request, proven.user);
    app.store.second_factor_delete(proven.user, true, &audited).await?;
    Ok(())
}

/// New recovery codes in place of the old ones, for a user who has just shown the second factor; none if it was removed
/// meanwhile.
pub async fn new_recovery_codes(app: &App, request: &Request<'_>, proven: Proven) -> Result<Option<RecoveryCodes>> {
    let codes = RecoveryCodes::generate();
    let audited = session::audited(app, request, proven.user);
    let replaced = app.store.second_factor_replace_recovery(proven.user, &codes.hashes(), &audited).await?;
    Ok(replaced.then_some(codes))
}

/// The secret in a form, unless it is too old or of another user.
async fn secret_of(app: &App, request: &Request<'_>, user: &User, sealed: &str) -> Result<Option<TotpSecret>> {
    let form: Option<Form> = form::open(app, request, Purpose::SecondFactor, sealed).await?;
    let is_valid = |form: &Form| form.user == user.id && app.clock.now() < Timestamp::from_millis(form.until);
    Ok(form.filter(is_valid).map(|form| form.secret))
}

/// The secret of a second factor.
async fn open(app: &App, request: &Request<'_>, user: &User, factor: &SecondFactor) -> Result<TotpSecret> {
    let key = app.data_key(request.issuer, &session::audited(app, request, user.id)).await?;
    TotpSecret::open(&factor.secret, user.id, &key).ok_or_else(|| {
        Failure::Unavailable(format!(
            "the secret of the second factor of user {} cannot be decrypted; `jeton user second-factor remove` removes it",
            user.id
        ))
    })
}
