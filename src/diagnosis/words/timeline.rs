//! The life of a token: what happened to it, when, in order, and what is still to come. It says nothing that evidence and findings do not.

use std::ops::RangeInclusive;

use crate::diagnosis::finding::{Fact, Finding, Source};
use crate::protocol::cause::Cause;
use crate::protocol::time::Timestamp;

/// A moment in the life of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When it is. What a token says of itself has no milliseconds.
    pub at: Timestamp,
    /// What happens.
    pub what: &'static str,
    /// Who did it and why, in sentences.
    pub details: Vec<String>,
    /// Whether this server vouches for it; otherwise the token merely claims it.
    pub verified: bool,
    /// Whether the token is refused because of it.
    pub refuses: bool,
}

/// What facts tell, in the order of what has the same second: the fact, and what happens before its time and after it.
const FACTS: [(&str, &str, &str); 6] = [
    ("session_began", "The session begins", "The session began: somebody logged in"),
    (
        "session_refreshed",
        "The session is refreshed",
        "The session was last refreshed, which rotated its refresh token",
    ),
    ("issued_at", "The token is issued", "The token was issued"),
    ("not_before", "The token becomes valid", "The token became valid"),
    ("expires_at", "The token expires", "The token expired"),
    ("session_ends", "The session ends, unless it is refreshed", "The session ended"),
];

/// The causes by which a whole session ends before its time.
const ENDS_SESSIONS: RangeInclusive<Cause> = Cause::SessionRevoked..=Cause::ClientDeleted;

/// Whether a cause is a time that facts tell.
const fn is_of_time(cause: Cause) -> bool {
    matches!(cause, Cause::Expired | Cause::NotYetValid)
}

/// The time line that these facts and findings give. It ends on `now`, or on what is to come.
pub(super) fn of(facts: &[Fact], findings: &[Finding], now: Timestamp) -> Vec<Moment> {
    let moment_of = |name: &str| {
        let fact = facts.iter().find(|fact| fact.fact == name)?;
        Some((Timestamp::parse(fact.value.as_str()?)?, fact.verified))
    };
    let began = moment_of("session_began");
    let told = FACTS.into_iter().filter_map(|(name, before, after)| {
        let (at, verified) = moment_of(name)?;
        // A session that was never refreshed has the time at which it began.
        if name == "session_refreshed" && Some((at, verified)) == began {
            return None;
        }
        // It would go on, had it not been ended.
        if name == "session_ends" && at > now && findings.iter().any(|finding| ENDS_SESSIONS.contains(&finding.cause)) {
            return None;
        }
        let details = if name == "issued_at" { issued(facts) } else { vec![] };
        let refuses = findings.iter().any(|finding| is_of_time(finding.cause) && finding.at == Some(at));
        Some(Moment { at, what: if at > now { before } else { after }, details, verified, refuses })
    });
    let mut moments: Vec<Moment> = told.collect();
    let found = findings.iter().filter_map(|finding| {
        let at = finding.at?;
        let is_told = is_of_time(finding.cause) && moments.iter().any(|moment| moment.at == at);
        let what = finding.cause.title().trim_end_matches('.');
        let (details, verified) = (vec![finding.detail.clone()], finding.source == Source::Server);
        (!is_told).then_some(Moment { at, what, details, verified, refuses: true })
    });
    let found: Vec<Moment> = found.collect();
    moments.extend(found);
    moments.push(Moment {
        at: now,
        what: "This explanation, by the clock of this server",
        details: vec![],
        verified: true,
        refuses: false,
    });
    // Stable: what has the same second stays in this order, since tokens tell no more than that.
    moments.sort_by_key(|moment| moment.at.seconds());
    moments
}

/// To whom the token was issued, about whom, and who acts for whom by which tokens.
fn issued(facts: &[Fact]) -> Vec<String> {
    let text = |name: &str| facts.iter().find(|fact| fact.fact == name).and_then(|fact| fact.value.as_str());
    let parties = match (text("client_id"), text("subject")) {
        (Some(client), Some(subject)) if client == subject => Some(format!("To the client {client}, for itself.")),
        (Some(client), Some(subject)) => Some(format!("To the client {client}, about {subject}.")),
        (Some(client), None) => Some(format!("To the client {client}.")),
        (None, Some(subject)) => Some(format!("About {subject}.")),
        (None, None) => None,
    };
    let acts = text("acts").map(|acts| format!("{acts}."));
    let links = facts.iter().filter(|fact| fact.fact == "exchanged_from").filter_map(|fact| fact.value.as_str());
    let links = links.map(|link| format!("In exchange for a {link}."));
    parties.into_iter().chain(acts).chain(links).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn whats(moments: &[Moment]) -> Vec<(&str, bool, bool)> {
        moments.iter().map(|moment| (moment.what, moment.verified, moment.refuses)).collect()
    }

    #[test]
    fn a_revoked_token_of_a_refreshed_session_has_its_whole_life_in_order() {
        let facts = [
            Fact::verified("issued_at", at(160).to_string()),
            Fact::verified("expires_at", at(460).to_string()),
            Fact::verified("client_id", "shop"),
            Fact::verified("subject", "alice"),
            Fact::verified("acts", "shop acts for alice"),
            Fact::verified("exchanged_from", "token x of the subject alice, issued to client web: not revoked"),
            Fact::verified("session_began", Timestamp::from_millis(100_500).to_string()),
            Fact::verified("session_refreshed", Timestamp::from_millis(160_700).to_string()),
            Fact::verified("session_ends", at(9000).to_string()),
        ];
        let revoked = Finding::from_server(Cause::TokenRevoked, "by user ada; Reason: a leak.").at(at(200));
        let expired = Finding::from_server(Cause::Expired, "It expired.").at(at(460));
        let moments = of(&facts, &[revoked, expired], at(500));
        assert_eq!(
            whats(&moments),
            [
                (FACTS[0].2, true, false),
                (FACTS[1].2, true, false),
                (FACTS[2].2, true, false),
                ("The token was revoked", true, true),
                (FACTS[4].2, true, true),
                ("This explanation, by the clock of this server", true, false),
                (FACTS[5].1, true, false),
            ]
        );
        assert_eq!(
            moments[2].details,
            [
                "To the client shop, about alice.",
                "shop acts for alice.",
                "In exchange for a token x of the subject alice, issued to client web: not revoked.",
            ]
        );
        assert_eq!(moments[3].details, ["by user ada; Reason: a leak."]);
        // A session that was ended does not end once more.
        let ended = Finding::from_server(Cause::SessionRevoked, "by user ada").at(at(200));
        assert!(of(&facts, &[ended], at(500)).iter().all(|moment| moment.at < at(9000)));
    }

    #[test]
    fn what_nobody_vouches_for_is_only_claimed() {
        let facts = [
            Fact::claimed("issued_at", at(1).to_string()),
            Fact::claimed("not_before", at(20).to_string()),
            Fact::claimed("expires_at", "whenever"),
        ];
        let expired = Finding::from_bytes(Cause::Expired, "It claims to have expired.").at(at(9));
        let moments = of(&facts, &[expired], at(10));
        let expected = [(FACTS[2].2, false, false), ("The token has expired", false, true)];
        assert_eq!(whats(&moments)[..2], expected);
        assert_eq!(whats(&moments)[3], (FACTS[3].1, false, false));
    }

    #[test]
    fn a_text_that_tells_no_time_has_nothing_but_the_present() {
        assert_eq!(of(&[Fact::claimed("length", 3)], &[], at(10)).len(), 1);
    }

    #[test]
    fn a_session_that_was_never_refreshed_is_not_said_to_have_been() {
        let began = at(5).to_string();
        let facts = [Fact::verified("session_began", began.clone()), Fact::verified("session_refreshed", began)];
        assert_eq!(of(&facts, &[], at(10)).len(), 2);
    }
}
