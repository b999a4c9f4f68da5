//! The diagnosis of any text, and of any good token to which anything was done.

use jeton::diagnosis::judge::claimed_expiry;
use jeton::diagnosis::{Diagnosis, MAX_EFFORT, MAX_EFFORT_AT_ONCE, MAX_REPAIR_CHECKS, examine, examine_within};
use jeton::protocol::bearer::{Sent, read};
use jeton::protocol::cause::Cause;
use jeton::tokens::verify::{Verified, verify};
use serde_json::Value;

use super::edits::edited;
use super::house::{HOUSE, NOW};

/// What to begin with: the first character is 0 for a text as it is, else it chooses a token to which the rest is done.
pub const SEEDS: &[&str] = &[
    "0undefined",
    "0{\"access_token\":\"eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.\",\"token_type\":\"Bearer\"}",
    "0<!doctype html><html>",
    "0${TOKEN}",
    "0Authorization: Bearer jat_live_AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "0eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJpc3MiOiJodHRwczovL2Vsc2UuZXhhbXBsZSIsIm5vbmNlIjoiMSIsImV4cCI6MX0.AAAA",
    "0%2565%2579%254A",
    "0jrt_LIVE_abc",
    "0ghp_0123456789abcdefghij",
    "1\u{6}\u{9}\u{0}\u{0}",
    "2\u{7}\u{0}\u{0}\u{4}\u{c}\u{0}\u{0}\u{0}",
    "3\u{4}\u{30}\u{0}A",
    "4\u{8}\u{0}\u{0}\u{c}",
    "5\u{9}\u{0}\u{0}\u{0}",
    "6\u{a}\u{0}\u{0}\u{1}",
    "7\u{b}\u{0}\u{0}\u{0}",
    "8\u{d}\u{0}\u{0}\u{12}",
    "9\u{e}\u{20}\u{0}\u{3}",
];

/// Whatever a text is, there is one verdict, in order, that repeats nothing of it and does not depend on how hard one looks.
pub fn diagnosis(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let house = &*HOUSE;
    let everything = house.everything();
    let which = usize::from(choice.wrapping_sub(b'0'));
    let text = if which == 0 || choice % 8 == 0 {
        String::from_utf8_lossy(rest).into_owned()
    } else {
        let other = everything[(which / 16) % everything.len()];
        edited(&everything[which % everything.len()].text, &other.text, rest)
    };
    let origin = house.origin();
    let look = |proofs| examine(&text, verify(&text, origin), origin, proofs);
    let found = look(MAX_REPAIR_CHECKS);
    in_order(&found, &text);
    let is_good = matches!(verify(&text, origin), Ok(Verified::Access(_)));
    assert_eq!(found.cause().is_none(), is_good, "only what is good has no cause: {text:?} {found:?}");
    let seen = look(0);
    in_order(&seen, &text);
    assert_eq!(seen.cause(), found.cause(), "the first cause does not depend on repairs: {text:?}");
    bounded(&text, &seen);
    // Of some only: looking is what takes the time.
    if bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)).is_multiple_of(8) {
        assert_eq!(
            format!("{found:?}"),
            format!("{:?}", look(MAX_REPAIR_CHECKS)),
            "the same text gets the same verdict"
        );
    }
    for secret in everything.iter().map(|issued| issued.secret.as_str()) {
        silent(&found, &text, secret);
    }
    // What is proved was issued: a repair only takes away what was put around or into it.
    let was_issued = match &found.authentic {
        Some(Verified::Access(claims)) => **claims == house.claims || claims.iss != origin.issuer,
        Some(Verified::Refresh(token)) => *token == house.session,
        None => true,
    };
    assert!(was_issued, "nothing is proved that was not issued: {text:?}");
    let by_itself = claimed_expiry(&found.facts, NOW);
    assert!(by_itself.iter().all(|finding| finding.cause == Cause::Expired));
    assert!(found.accepting_refresh_tokens().findings.iter().all(|f| f.cause != Cause::RefreshTokenAsAccessToken));
    presented(&text);
}

/// However much of a text there is, looking at it ends: it shows what it shows within the work that is allowed, or it is no token.
/// Less work shows the same or nothing, so nobody waits for the rest of it.
fn bounded(text: &str, seen: &Diagnosis) {
    let origin = HOUSE.origin();
    let Err(error) = verify(text, origin) else { return };
    let within = |effort| examine_within(effort, text, &error, origin, 0);
    let at_once = within(MAX_EFFORT_AT_ONCE);
    match within(MAX_EFFORT) {
        Some(all) => assert_eq!(format!("{all:?}"), format!("{seen:?}"), "{text:?}"),
        None => assert_eq!((seen.cause(), at_once.is_none()), (Some(Cause::NotAToken), true), "{text:?}"),
    }
    if let Some(at_once) = at_once {
        assert_eq!(format!("{at_once:?}"), format!("{seen:?}"), "the same at once: {text:?}");
    }
    assert!(within(text.len() / 2).is_none() || text.len() > 32 * 1024, "nothing is read for nothing: {text:?}");
}

/// The causes stand in the order of the list, each once, the first is the first, and damage is among them.
fn in_order(found: &Diagnosis, text: &str) {
    let causes: Vec<Cause> = found.findings.iter().map(|finding| finding.cause).collect();
    assert!(causes.windows(2).all(|two| two[0] < two[1]), "{causes:?} of {text:?}");
    assert_eq!(found.cause(), causes.first().copied());
    for damage in &found.damage {
        assert!(causes.contains(&damage.cause), "{damage:?} is no finding of {text:?}");
    }
}

/// Nothing that is told repeats a secret part, moves a cursor, ends a line, or is long.
fn silent(found: &Diagnosis, text: &str, secret: &str) {
    let sentences = found.findings.iter().map(|finding| finding.detail.as_str());
    let damage = found.damage.iter().flat_map(|damage| [damage.detail.as_str(), damage.repair.as_str()]);
    let facts = found.facts.iter().flat_map(|fact| texts(&fact.value));
    let mut length = 0;
    for told in sentences.chain(damage).chain(facts) {
        length += told.len();
        assert!(!told.contains(secret) && (text.len() < 300 || !told.contains(text)), "repeated: {told}");
        assert!(!told.chars().any(char::is_control), "a control character is told: {told:?}");
    }
    assert!(length < 64 * 1024, "much is told: {length}");
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        _ => vec![],
    }
}

/// Behind `Bearer` and one space a text is handed on as it is, or refused by a cause of its own.
fn presented(text: &str) {
    let value = format!("Bearer {text}");
    let header = [value.as_bytes()];
    match read(Sent { authorization: &header, ..Sent::default() }) {
        Ok(token) => assert_eq!(token, value.trim_matches([' ', '\t']).get(7..).unwrap_or_default()),
        Err(fault) => {
            assert!(fault.cause <= Cause::WrongScheme);
            assert!(fault.detail.bytes().all(|byte| matches!(byte, 0x20..=0x7E) && byte != b'"' && byte != b'\\'));
        }
    }
}
