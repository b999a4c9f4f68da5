//! The examination of a text: what its bytes show, then what the keys prove. No input or output, no clock.

use uuid::Uuid;

use crate::diagnosis::bytes::characters::printable;
use crate::diagnosis::bytes::reader::Reader;
use crate::diagnosis::bytes::shape::{self, Prefixed, Shape};
use crate::diagnosis::bytes::unverified::UnverifiedJwt;
use crate::diagnosis::bytes::{content, facts, kind, not_a_token, origin, wrapping};
use crate::diagnosis::finding::{Damage, Fact, Finding};
use crate::diagnosis::keys::{repair, signature};
use crate::diagnosis::report::Diagnosis;
use crate::protocol::bearer::begins_like_a_token;
use crate::protocol::cause::Cause;
use crate::protocol::time::Timestamp;
use crate::tokens::code::{Code, CodeKind};
use crate::tokens::context::TokenContext;
use crate::tokens::id_token::{self, Hint};
use crate::tokens::verify::{Verified, VerifyError};

/// The longest text that is examined, in bytes: room for any token and whatever may be wrapped around it.
const MAX_LENGTH: usize = 32 * 1024;
/// The most work that an examination is, in bytes that are looked at once: a few milliseconds.
pub const MAX_EFFORT: usize = 6 << 20;
/// The most work beside other requests, on a thread that serves them: a fraction of a millisecond. It is enough for all that
/// happens to usual tokens.
pub const MAX_EFFORT_AT_ONCE: usize = 256 * 1024;

/// Examines a text, given the result of verifying it as it stands. At most `max_repair_checks` repaired texts are checked
/// against the keys.
pub fn examine(
    text: &str,
    verified: Result<Verified, VerifyError>,
    context: TokenContext<'_>,
    max_repair_checks: usize,
) -> Diagnosis {
    let error = match verified {
        Ok(token) => {
            let mut diagnosis = begun(text);
            authentic(&mut diagnosis, text, token, context);
            return diagnosis;
        }
        Err(error) => error,
    };
    examine_within(MAX_EFFORT, text, &error, context, max_repair_checks).unwrap_or_else(|| {
        let mut diagnosis = begun(text);
        let detail = "It is so long, or wrapped in so much, that no token was found in it.";
        diagnosis.add([Finding::from_bytes(Cause::NotAToken, detail)]);
        diagnosis
    })
}

/// Examines a text that did not verify, if that is not more work than `effort`.
pub fn examine_within(
    effort: usize,
    text: &str,
    error: &VerifyError,
    context: TokenContext<'_>,
    max_repair_checks: usize,
) -> Option<Diagnosis> {
    let reader = Reader::new(effort);
    let mut diagnosis = begun(text);
    refused(&reader, &mut diagnosis, text, error, context, max_repair_checks);
    (!reader.gave_up()).then_some(diagnosis)
}

fn begun(text: &str) -> Diagnosis {
    Diagnosis { facts: vec![Fact::claimed("length", text.chars().count())], ..Diagnosis::default() }
}

/// The text, or its repair, is a token of this server.
fn authentic(diagnosis: &mut Diagnosis, text: &str, token: Verified, context: TokenContext<'_>) {
    // This server wrote it, and so it is bounded.
    let reader = &Reader::new(usize::MAX);
    if matches!(token, Verified::Refresh(_)) {
        diagnosis.add(kind::of_prefix(Prefixed::RefreshToken));
    }
    let shape = shape::of(reader, text);
    diagnosis.facts.extend(facts::claimed(text, shape, &UnverifiedJwt::of(reader, text, shape)));
    facts::verify(&mut diagnosis.facts, text, &token, context);
    diagnosis.authentic = Some(token);
}

/// The text did not verify as it stands.
fn refused(
    reader: &Reader,
    diagnosis: &mut Diagnosis,
    text: &str,
    error: &VerifyError,
    context: TokenContext<'_>,
    max_repair_checks: usize,
) {
    if text.len() > MAX_LENGTH {
        return diagnosis.add([too_long(text)]);
    }
    let unwrapped = wrapping::unwrap(reader, text);
    let removed_invisible = unwrapped.damage.iter().any(|damage| damage.cause == Cause::InvisibleCharacter);
    if (unwrapped.core.is_empty() && !removed_invisible) || unwrapped.core.eq_ignore_ascii_case("bearer") {
        return diagnosis.add([Finding::from_bytes(Cause::Missing, "What was sent contains no token.")]);
    }
    let mut shape = shape::of(reader, &unwrapped.core);
    let content = content::examine(reader, text, &unwrapped.core, shape);
    if shape == Shape::Nothing && !content.damage.is_empty() {
        shape = content.candidates.first().map_or(shape, |first| shape::of(reader, first));
    }
    let core = content.candidates.first().unwrap_or(&unwrapped.core);
    let jwt = UnverifiedJwt::of(reader, core, shape);
    if reader.gave_up() {
        // What it found so far proves nothing.
        return;
    }
    if shape == Shape::Nothing {
        return not_a_token(diagnosis, &unwrapped.core, unwrapped.is_deeper);
    }
    diagnosis.add(
        content
            .changed
            .map(|what| Finding::from_bytes(Cause::BadSignature, format!("Part of it was changed: {what}."))),
    );
    let is_whole = content.is_whole() && content.changed.is_none();
    diagnosis.damage = unwrapped.damage;
    diagnosis.damage.extend(content.damage);
    let is_damaged = !diagnosis.damage.is_empty();
    let is_repairable = is_damaged && !diagnosis.damage.iter().any(|damage| damage.cause == Cause::Truncated);
    let checks = if is_repairable { max_repair_checks.min(content.candidates.len()) } else { 0 };
    let repaired = repair::check(&content.candidates[..checks], context);
    let other_issuer = match error {
        VerifyError::OtherIssuer(claims) => Some(claims.clone()),
        VerifyError::UnknownKey | VerifyError::NotOurs => repaired.other_issuer,
    };
    let is_proved = repaired.token.is_some() || (is_repairable && other_issuer.is_some());
    diagnosis.damage.iter_mut().for_each(|damage| damage.proved = is_proved);
    add_damage(diagnosis);
    if let Some((candidate, token)) = repaired.token {
        return authentic(diagnosis, candidate, token, context);
    }
    diagnosis.facts.extend(facts::claimed(core, shape, &jwt));
    diagnosis.add(kind::finding(core, shape, &jwt, context.issuer));
    if let Some(claims) = other_issuer {
        let theirs = if claims.iss.is_empty() {
            "another issuer".into()
        } else {
            format!("the issuer {}", printable(&claims.iss))
        };
        let detail = format!("A key of this server made it, but for {theirs}; this server is {}.", context.issuer);
        diagnosis.add([Finding::from_server(Cause::WrongIssuer, detail)]);
        facts::verify_claims(&mut diagnosis.facts, &claims);
        diagnosis.authentic = Some(Verified::Access(claims));
        return;
    }
    diagnosis.add(origin::finding(core, shape, &jwt, context));
    if let Some(hint) = (shape == Shape::Jwt).then(|| id_token::read(core, context)).flatten() {
        return own_id_token(diagnosis, &hint);
    }
    if let Some(session) = session_of_code(core, shape, context) {
        // Only who may know what the keys say sees that this fact is verified.
        return diagnosis.facts.push(Fact::verified("session", session.to_string()));
    }
    if is_whole {
        signature::examine(diagnosis, core, shape, &jwt, context, !is_damaged || checks > 0);
    }
    if diagnosis.findings.is_empty() {
        diagnosis.add([Finding::from_bytes(Cause::NotAToken, not_a_token::describe(core).0)]);
    }
}

/// The session of a code that this server made.
fn session_of_code(core: &str, shape: Shape, context: TokenContext<'_>) -> Option<Uuid> {
    let kind = match shape {
        Shape::Prefixed(Prefixed::AuthorizationCode) => CodeKind::Authorization,
        Shape::Prefixed(Prefixed::DeviceCode) => CodeKind::Device,
        _ => return None,
    };
    Code::read(kind, core, context.environment, context.ring).ok().map(|code| code.session())
}

/// The text is an ID token that this server issued.
fn own_id_token(diagnosis: &mut Diagnosis, hint: &Hint) {
    diagnosis.add_detail(Cause::IdTokenAsAccessToken, " A key of this server signed it.", None);
    let facts = [
        Fact::verified("subject", hint.sub.as_str()),
        Fact::verified("client_id", hint.client_id.as_str()),
        Fact::verified("session", hint.sid.to_string()),
        Fact::verified("expires_at", Timestamp::from_seconds(hint.exp).to_string()),
    ];
    diagnosis.facts.retain(|claimed| facts.iter().all(|fact| fact.fact != claimed.fact));
    diagnosis.facts.extend(facts);
}

fn not_a_token(diagnosis: &mut Diagnosis, core: &str, is_deeper: bool) {
    if is_deeper {
        let detail = "It was encoded so many times that nothing more can be said about it.";
        let repair = "Do not encode a token: a header takes it as it is.";
        diagnosis.damage.push(Damage::new(Cause::PercentEncoded, detail, repair));
    }
    let (detail, repair) = not_a_token::describe(core);
    diagnosis.damage.push(Damage::new(Cause::NotAToken, detail, repair));
    add_damage(diagnosis);
}

/// Only the beginning of a text that is longer than any token is looked at.
fn too_long(text: &str) -> Finding {
    let is_one = begins_like_a_token(text.trim_start());
    let beginning = if is_one { " It begins like a token." } else { "" };
    let detail =
        format!("It is longer than any token, even with everything that could be wrapped around it.{beginning}");
    Finding::from_bytes(Cause::NotAToken, detail)
}

/// Each damage is a reason to refuse the text.
fn add_damage(diagnosis: &mut Diagnosis) {
    let findings: Vec<Finding> =
        diagnosis.damage.iter().map(|damage| Finding::from_bytes(damage.cause, damage.detail.clone())).collect();
    diagnosis.add(findings);
}
