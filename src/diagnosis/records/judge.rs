//! The reasons to refuse an authentic token: revocation, expiry, audience, scope. Pure: every caller that has loaded the same
//! records gets the same answer.

use crate::diagnosis::finding::{Fact, Finding, HolderFault};
use crate::protocol::cause::Cause;
use crate::protocol::claims::AccessClaims;
use crate::protocol::revocation::Revocation;
use crate::protocol::scope::Scope;
use crate::protocol::session::Session;
use crate::protocol::time::Timestamp;
use crate::tokens::refresh::RefreshToken;

/// A revocation that covers a token, as far as it is known.
#[derive(Clone, Debug)]
pub enum KnownRevocation {
    /// What memory keeps: the cause and the approximate time.
    Remembered(Cause, Timestamp),
    /// The complete entry of the log.
    Recorded(Revocation),
}

impl KnownRevocation {
    const fn cause(&self) -> Cause {
        match self {
            Self::Remembered(cause, _) => *cause,
            Self::Recorded(revocation) => revocation.cause,
        }
    }
}

/// What a caller requires of an access token.
#[derive(Clone, Debug, Default)]
pub struct Requirements {
    /// The audience that it must name.
    pub audience: Option<String>,
    /// The scopes that it must have, all of them.
    pub scope: Scope,
}

/// The reasons to refuse an access token for its revocations, its times, or claims that nothing here can check.
pub fn access_token(claims: &AccessClaims, revocations: &[KnownRevocation], now: Timestamp) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        revocations.iter().map(|revocation| revoked(revocation, Some(claims.exp))).collect();
    if claims.is_expired(now) {
        findings.push(expired(claims, now));
    }
    if claims.is_early(now) {
        findings.push(early(claims, now));
    }
    if claims.is_beyond_this_program() {
        findings.push(never_issued("it names a subject of another issuer, which this version of Jeton cannot check"));
    }
    findings
}

/// The requirements that an access token does not meet; `held` is the scope that it grants now.
pub fn unmet(claims: &AccessClaims, held: &Scope, required: &Requirements) -> Vec<Finding> {
    let mut findings = vec![];
    if let Some(audience) = required.audience.as_ref().filter(|audience| !claims.aud.contains(audience)) {
        let audiences = claims.aud.all().join(", ");
        let is_near_miss = claims
            .aud
            .all()
            .iter()
            .any(|named| named.trim_end_matches('/').eq_ignore_ascii_case(audience.trim_end_matches('/')));
        let hint = if is_near_miss {
            " They differ only in case or by a trailing slash; audiences are compared character by character."
        } else {
            ""
        };
        let detail = format!("It is for {audiences}, but {audience} is required.{hint}");
        findings.push(Finding::from_server(Cause::WrongAudience, detail));
    }
    if !required.scope.is_within(held) {
        let (needed, missing) = (&required.scope, required.scope.without(held));
        let lost = claims.scope.as_ref().is_some_and(|granted| required.scope.is_within(granted));
        let lost = if lost { " It was granted more, but its client may no longer have that." } else { "" };
        let held = if held.is_empty() { "nothing".to_owned() } else { held.to_string() };
        let detail = format!("Required: {needed}. Held: {held}. Missing: {missing}.{lost}");
        let finding = Finding::from_server(Cause::InsufficientScope, detail);
        findings.push(Finding { needed: Some(needed.to_string()), ..finding });
    }
    findings
}

/// The reasons to refuse a refresh token, given its session.
pub fn refresh_token(
    token: &RefreshToken,
    session: &Session,
    revocations: &[KnownRevocation],
    now: Timestamp,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = revocations.iter().map(|revocation| revoked(revocation, None)).collect();
    let (presented, due) = (i64::from(token.generation), session.generation);
    if presented < due {
        let at = session.last_refreshed_at;
        let detail = format!(
            "It was exchanged for a newer one: it is generation {presented}; the session has been at generation {due} since {at}."
        );
        findings.push(Finding::from_server(Cause::Superseded, detail).at(at));
    }
    if presented > due {
        findings.push(never_issued(
            "it is newer than its session in this database: the database was restored from a backup",
        ));
    }
    let ends_at = session.ends_at();
    if now >= ends_at {
        let detail = format!(
            "Its session ended {} ago, at {ends_at}: it was unused for too long or reached its maximum lifetime.",
            length(ends_at, now)
        );
        let remedy = Some("Log in again: the session is over and cannot be refreshed.");
        findings.push(Finding { remedy, ..Finding::from_server(Cause::Expired, detail).at(ends_at) });
    }
    findings
}

/// The sender did not prove to hold what the token is bound to.
pub fn not_held(cause: Cause, detail: String, fault: HolderFault) -> Finding {
    Finding { holder: Some(fault), ..Finding::from_server(cause, detail) }
}

/// The record behind an authentic token is missing.
pub fn never_issued(why: &str) -> Finding {
    let detail = format!("It is authentic, but {why}.");
    Finding::from_server(Cause::NeverIssued, detail)
}

/// The session of a refresh token is not in the database. Sessions are kept for `kept` seconds after they end, so one that
/// began earlier than that may simply be over, but a younger one must be there.
pub fn no_session(token: &RefreshToken, now: Timestamp, kept: i64) -> Finding {
    let (seconds, _) = token.session.get_timestamp().map_or((0, 0), |moment| moment.to_unix());
    let began = Timestamp::from_seconds(i64::try_from(seconds).unwrap_or(0));
    if began.plus_seconds(kept) < now {
        let detail = format!("Its session, which began at {began}, is over and no longer on record.");
        return Finding::from_server(Cause::Expired, detail);
    }
    never_issued("its session is not in this database, which is either another one or was restored from a backup")
}

/// Expiry as an unverified token claims it.
pub fn claimed_expiry(facts: &[Fact], now: Timestamp) -> Vec<Finding> {
    let exp = facts.iter().find(|fact| fact.fact == "expires_at").and_then(|fact| fact.value.as_str());
    let exp = exp.and_then(Timestamp::parse).filter(|exp| *exp <= now);
    let detail =
        |exp: Timestamp| format!("It claims to have expired {} ago, at {exp}; this is not verified.", length(exp, now));
    exp.map(|exp| Finding::from_bytes(Cause::Expired, detail(exp)).at(exp)).into_iter().collect()
}

/// The user of a session was deleted or disabled.
pub fn without_user(cause: Cause) -> Finding {
    Finding::from_server(cause, cause.title())
}

fn revoked(known: &KnownRevocation, exp: Option<i64>) -> Finding {
    let cause = known.cause();
    let title = cause.title().trim_end_matches('.');
    let (at, detail) = match known {
        KnownRevocation::Remembered(_, at) => (*at, format!("{title} ({at}).")),
        KnownRevocation::Recorded(revocation) => {
            let Revocation { created_at: at, actor, target, number, .. } = revocation;
            let reason = revocation.reason.as_ref().map(|reason| format!(" Reason: {reason}.")).unwrap_or_default();
            let late = exp.map(Timestamp::from_seconds).filter(|exp| exp < at);
            let late = late.map(|exp| format!(" It had already expired by then, at {exp}.")).unwrap_or_default();
            (*at, format!("{title} ({at}, by {actor}; revocation {number} of {target}).{reason}{late}"))
        }
    };
    Finding::from_server(cause, detail).at(at)
}

fn expired(claims: &AccessClaims, now: Timestamp) -> Finding {
    let (start, end) = (Timestamp::from_seconds(claims.iat), Timestamp::from_seconds(claims.exp));
    let (ago, life) = (length(end, now), length(start, end));
    Finding::from_server(Cause::Expired, format!("It expired {ago} ago, at {end}; its lifetime was {life}.")).at(end)
}

fn early(claims: &AccessClaims, now: Timestamp) -> Finding {
    let start = Timestamp::from_seconds(claims.starts_at());
    let detail = format!(
        "It becomes valid at {start}, {} from now: the clock of the node that issued it is fast, or this node's clock is \
         slow.",
        length(now, start)
    );
    Finding::from_server(Cause::NotYetValid, detail).at(start)
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
