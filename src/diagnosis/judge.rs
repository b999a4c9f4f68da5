//! What speaks against an authentic token: it was taken back, its holder is gone, its time, the place, the power. All of
//! it is told from what was loaded before, so that whoever asks gets the same verdict.

use crate::diagnosis::{Fact, Finding};
use crate::protocol::cause::Cause;
use crate::protocol::claims::AccessClaims;
use crate::protocol::revocation::Revocation;
use crate::protocol::scope::Scope;
use crate::protocol::session::Session;
use crate::protocol::time::Timestamp;
use crate::tokens::refresh::RefreshToken;

/// A revocation that covers a token: what memory knows of it, or all that the log tells.
#[derive(Clone, Debug)]
pub enum Taken {
    /// The cause, and about when.
    Remembered(Cause, Timestamp),
    /// The whole entry of the log.
    Recorded(Revocation),
}

impl Taken {
    const fn cause(&self) -> Cause {
        match self {
            Self::Remembered(cause, _) => *cause,
            Self::Recorded(revocation) => revocation.cause,
        }
    }
}

/// What whoever asks expects of an access token.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// The audience that it must name.
    pub audience: Option<String>,
    /// The scopes that it must all have.
    pub scope: Scope,
}

/// Judges an access token.
pub fn access_token(claims: &AccessClaims, taken: &[Taken], now: Timestamp) -> Vec<Finding> {
    let mut findings: Vec<Finding> = taken.iter().map(|taken| taken_back(taken, Some(claims.exp))).collect();
    if claims.is_expired(now) {
        findings.push(expired(claims, now));
    }
    if claims.is_early(now) {
        findings.push(early(claims, now));
    }
    findings
}

/// Judges an access token by what is expected of it; `held` is what it allows as things stand.
pub fn expectation(claims: &AccessClaims, held: &Scope, expected: &Expected) -> Vec<Finding> {
    let mut findings = vec![];
    if let Some(audience) = expected.audience.as_ref().filter(|audience| !claims.aud.contains(audience)) {
        let held = claims.aud.all().join(", ");
        let near = claims
            .aud
            .all()
            .iter()
            .any(|held| held.trim_end_matches('/').eq_ignore_ascii_case(audience.trim_end_matches('/')));
        let hint = if near {
            " They differ in case or by a slash at the end; they are compared letter for letter."
        } else {
            ""
        };
        let detail = format!("It is for {held}; expected is {audience}.{hint}");
        findings.push(Finding::known(Cause::WrongAudience, detail));
    }
    if !expected.scope.is_within(held) {
        let (needed, missing) = (&expected.scope, expected.scope.without(held));
        let lost = claims.scope.as_ref().is_some_and(|granted| expected.scope.is_within(granted));
        let lost = if lost { " It was granted more; its client may not have that any more." } else { "" };
        let held = if held.is_empty() { "nothing".to_owned() } else { held.to_string() };
        let detail = format!("Needed: {needed}. Held: {held}. Missing: {missing}.{lost}");
        let finding = Finding::known(Cause::InsufficientScope, detail);
        findings.push(Finding { needed: Some(needed.to_string()), ..finding });
    }
    findings
}

/// Judges a refresh token by its session.
pub fn refresh_token(token: &RefreshToken, session: &Session, taken: &[Taken], now: Timestamp) -> Vec<Finding> {
    let mut findings: Vec<Finding> = taken.iter().map(|taken| taken_back(taken, None)).collect();
    let (presented, due) = (i64::from(token.generation), session.generation);
    if presented < due {
        let at = session.last_refreshed_at;
        let detail = format!(
            "It was exchanged for a newer one: it is generation {presented}, and the session is at generation {due} since {at}."
        );
        findings.push(Finding::known(Cause::Superseded, detail).since(at));
    }
    if presented > due {
        findings.push(never_issued("it is newer than the session of this database: the database was restored"));
    }
    let ends_at = session.ends_at();
    if now >= ends_at {
        let detail = format!(
            "Its session ended {} ago, at {ends_at}: it was not used for too long, or lived its life.",
            length(ends_at, now)
        );
        let remedy = Some("Log in again: the session is over, and no refresh revives it.");
        findings.push(Finding { remedy, ..Finding::known(Cause::Expired, detail).since(ends_at) });
    }
    findings
}

/// The finding that the record behind an authentic token is missing.
pub fn never_issued(why: &str) -> Finding {
    let detail = format!("It is authentic, but {why}.");
    Finding::known(Cause::NeverIssued, detail)
}

/// The finding about a refresh token whose session is not there. Sessions are kept for `kept` seconds after their end: one
/// that began before that was over long ago, for all that is known; a younger one must be there.
pub fn no_session(token: &RefreshToken, now: Timestamp, kept: i64) -> Finding {
    let (seconds, _) = token.session.get_timestamp().map_or((0, 0), |moment| moment.to_unix());
    let began = Timestamp::from_seconds(i64::try_from(seconds).unwrap_or(0));
    if began.plus_seconds(kept) < now {
        let detail = format!("Its session began at {began}, is over, and is not kept any more.");
        return Finding::known(Cause::Expired, detail);
    }
    never_issued("its session is not in this database, which is another one, or was restored")
}

/// What a token that is not proved says of its own time.
pub fn by_its_own_words(facts: &[Fact], now: Timestamp) -> Vec<Finding> {
    let exp = facts.iter().find(|fact| fact.fact == "expires_at").and_then(|fact| fact.value.as_str());
    let exp = exp.and_then(Timestamp::parse).filter(|exp| *exp <= now);
    let detail =
        |exp: Timestamp| format!("By its own words it expired {} ago, at {exp}; that is not proved.", length(exp, now));
    exp.map(|exp| Finding::shown(Cause::Expired, detail(exp)).since(exp)).into_iter().collect()
}

/// The finding that the user of a session is gone or disabled.
pub fn holder(cause: Cause) -> Finding {
    Finding::known(cause, cause.title())
}

fn taken_back(taken: &Taken, exp: Option<i64>) -> Finding {
    let cause = taken.cause();
    let title = cause.title().trim_end_matches('.');
    let (at, detail) = match taken {
        Taken::Remembered(_, at) => (*at, format!("{title}, at {at}.")),
        Taken::Recorded(revocation) => {
            let Revocation { created_at: at, actor, target, number, .. } = revocation;
            let reason = revocation.reason.as_ref().map(|reason| format!(" Reason: {reason}.")).unwrap_or_default();
            let late = exp.map(Timestamp::from_seconds).filter(|exp| exp < at);
            let late = late.map(|exp| format!(" By then it had expired already, at {exp}.")).unwrap_or_default();
            (*at, format!("{title}, at {at}, by {actor}: revocation {number}, of {target}.{reason}{late}"))
        }
    };
    Finding::known(cause, detail).since(at)
}

fn expired(claims: &AccessClaims, now: Timestamp) -> Finding {
    let (start, end) = (Timestamp::from_seconds(claims.iat), Timestamp::from_seconds(claims.exp));
    let (ago, life) = (length(end, now), length(start, end));
    Finding::known(Cause::Expired, format!("It expired {ago} ago, at {end}; it had lived {life}.")).since(end)
}

fn early(claims: &AccessClaims, now: Timestamp) -> Finding {
    let start = Timestamp::from_seconds(claims.starts_at());
    let detail = format!(
        "It is good from {start} on, {} from now: the clock of the node that issued it is ahead, or that of this node is \
         behind.",
        length(now, start)
    );
    Finding::known(Cause::NotYetValid, detail).since(start)
}

/// A length of time for people.
fn length(from: Timestamp, to: Timestamp) -> String {
    let seconds = u64::try_from(to.millis().saturating_sub(from.millis()) / 1000).unwrap_or(0);
    match seconds {
        0..=1 => "1 second".to_owned(),
        2..=119 => format!("{seconds} seconds"),
        120..=7199 => format!("{} minutes", seconds / 60),
        7200..=172_799 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
