//! Damage within the token itself: a part is missing, two were joined, another alphabet, another case. Missing characters
//! are never filled in.

use crate::diagnosis::damage::Damage;
use crate::diagnosis::shape::{self, Prefixed, Shape};
use crate::protocol::cause::Cause;
use crate::tokens::{opaque, refresh};

/// The most places at which the beginning of a second JWT is looked for.
const MOST_STARTS: usize = 64;
/// Characters of the header of every JWT of this server.
const OUR_HEADER: usize = 63;
/// Characters too many that are an addition rather than what is left of a longer token.
const ADDED: usize = 4;
/// Longer than the header of any JWT that is looked for, in characters.
const LONGEST_HEADER: usize = 2000;

/// What was found in a core.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) damage: Vec<Damage>,
    /// Texts without the damage, by which it can be proved; the first is the core itself, repaired as far as possible.
    pub(crate) candidates: Vec<String>,
    /// What was changed beyond doubt, so that no signature can fit.
    pub(crate) changed: Option<&'static str>,
}

impl Content {
    /// Whether nothing is missing, so that a signature can be judged.
    pub(crate) fn is_whole(&self) -> bool {
        !self.damage.iter().any(|damage| {
            matches!(damage.cause, Cause::Truncated | Cause::TwoTokensJoined | Cause::ChangedCase | Cause::NotAToken)
        })
    }

    fn found(&mut self, cause: Cause, detail: impl Into<String>, repair: impl Into<String>) {
        self.damage.push(Damage::new(cause, detail, repair));
    }
}

/// Looks into a core.
pub(crate) fn look(sent: &str, core: &str, shape: Shape) -> Content {
    let mut content = Content::default();
    if let Some(parts) = joined(core) {
        let count = parts.len();
        let place = crate::diagnosis::place(sent, core, parts[1].as_ptr().addr() - core.as_ptr().addr());
        content.found(
            Cause::TwoTokensJoined,
            format!("{count} tokens stand one after the other; the second begins{place}."),
            "Keep the one that `evidence` tells of; replace the header instead of adding to it.",
        );
        // The last one is meant.
        for part in parts.iter().rev() {
            let candidate = in_the_right_alphabet(&mut content, part);
            content.candidates.push(candidate);
        }
        return content;
    }
    if let Some(at) = ellipsis(core) {
        let place = crate::diagnosis::place(sent, &core[..at], at);
        content.found(
            Cause::Truncated,
            format!("An ellipsis or a mask stands in place of a part of the token{place}."),
            "Take the whole token from where it was issued: a log or a screen has shortened this copy.",
        );
        return content;
    }
    let mut repaired = match shape {
        Shape::Jwt | Shape::Prefixed(_) => in_the_right_alphabet(&mut content, core),
        _ => core.to_owned(),
    };
    match shape {
        Shape::Jwt => jwt(&mut content, &mut repaired),
        Shape::Prefixed(kind) => prefixed(&mut content, &mut repaired, kind),
        Shape::Headless => content.found(
            Cause::Truncated,
            "The beginning of the token is missing: its prefix was cut off.",
            "Take the whole token from where it was issued; it begins with `jat_` and the environment.",
        ),
        Shape::Foreign(_) | Shape::Nothing => {}
    }
    content.candidates.push(repaired);
    content
}

/// The text in base64url; that it was not is noted once.
fn in_the_right_alphabet(content: &mut Content, text: &str) -> String {
    if !text.contains(['+', '/', '=']) {
        return text.to_owned();
    }
    if content.damage.iter().all(|damage| damage.cause != Cause::WrongBase64Alphabet) {
        content.found(
            Cause::WrongBase64Alphabet,
            "The token has `+`, `/` or `=`, which base64url does not have.",
            "Replace `+` by `-` and `/` by `_`, and remove every `=`; or rather do not decode and encode the token.",
        );
    }
    shape::in_the_right_alphabet(text)
}

/// The parts of several tokens that stand one after the other.
fn joined(core: &str) -> Option<Vec<&str>> {
    let is_separator = |character| matches!(character, ' ' | '\t' | '\r' | '\n' | ',' | ';' | '|' | '&');
    let is_token = |part: &&str| !part.is_empty() && !part.eq_ignore_ascii_case("bearer");
    let parts: Vec<&str> = core.split(is_separator).filter(is_token).collect();
    if shape::beginnings(&parts) > 1 {
        // Not everything that begins like a token has the form of one.
        let tokens: Vec<&str> = parts.into_iter().filter(|part| shape::of(part) != Shape::Nothing).collect();
        if tokens.len() > 1 {
            return Some(tokens);
        }
    }
    let second = second_start(core)?;
    let (first, second) = core.split_at(second);
    Some(vec![first, second])
}

/// Where a second token begins without anything between.
fn second_start(core: &str) -> Option<usize> {
    let prefixes = ["jat_", "jrt_", "jcs_"].iter().filter_map(|prefix| {
        let at = core.match_indices(prefix).map(|(at, _)| at).find(|at| *at > 0)?;
        // Behind the prefix stands an environment, so that four letters of a signature do not pass for one.
        shape::parts(core.get(at..)?).0.map(|_| at)
    });
    // A JWT that begins in the signature of another: header, dot, and an object in the next segment.
    let after = match shape::of(core) {
        Shape::Jwt => core.match_indices('.').nth(1).map_or(core.len(), |(dot, _)| dot + 2),
        _ => 1,
    };
    let jwts = core.get(after..).into_iter().flat_map(|rest| rest.match_indices("eyJ")).take(MOST_STARTS);
    let jwt = jwts.map(|(at, _)| after + at).find(|at| {
        let header = core[*at..].split('.').next().unwrap_or_default();
        header.len() < LONGEST_HEADER
            && header.len() < core.len() - at
            && shape::object(header).is_some_and(|header| header.contains_key("alg"))
    });
    prefixes.chain(jwt).min()
}

/// The place of an ellipsis or of a mask, in bytes.
pub(crate) fn ellipsis(core: &str) -> Option<usize> {
    let marks =
        ["...", "…", "***", "[..", "(truncated", "[truncated", "<snip", "[redacted", "<redacted", "•••", "(redacted"];
    let lower = core.to_ascii_lowercase();
    // Each begins with what is no letter or digit; asking at these places only is much quicker.
    let mut places = lower.match_indices(|character: char| !character.is_ascii_alphanumeric()).map(|(at, _)| at);
    places.find(|at| marks.iter().any(|mark| lower[*at..].starts_with(mark)))
}

/// Whether so many letters can only be of one case because something changed it.
fn is_of_one_case(text: &str) -> bool {
    let upper = text.bytes().filter(u8::is_ascii_uppercase).count();
    let lower = text.bytes().filter(u8::is_ascii_lowercase).count();
    (upper == 0 && lower >= 20) || (lower == 0 && upper >= 20)
}

fn changed_case(content: &mut Content, where_it_is_seen: &str) {
    content.found(
        Cause::ChangedCase,
        format!("Upper and lower case of the token were changed: {where_it_is_seen}."),
        "Take the token from where it was issued; the case of its letters cannot be restored. A cache, a database or a \
         header library changed it.",
    );
}

fn truncated(content: &mut Content, what: &str) {
    content.found(
        Cause::Truncated,
        format!("A part of the token is missing: {what}."),
        "Take the whole token from where it was issued; a database column, a log line or a copied line was too short.",
    );
}

fn jwt(content: &mut Content, repaired: &mut String) {
    let core = repaired.clone();
    let segments: Vec<&str> = core.split('.').collect();
    let header = shape::object(segments[0]);
    if header.is_none()
        && !core.starts_with("eyJ")
        && core.get(..3).is_some_and(|head| head.eq_ignore_ascii_case("eyj"))
    {
        changed_case(content, "a JWT begins with `eyJ`");
        repaired.replace_range(..3, "eyJ");
        return;
    }
    if is_of_one_case(&core) {
        return changed_case(content, "all letters are of one case");
    }
    let claims = segments.get(1).and_then(|segment| shape::object(segment));
    let Some(header) = header else {
        if segments.len() == 3 && claims.is_some() && segments[0].len() == OUR_HEADER {
            content.changed = Some("its header is as long as one of this server and cannot be read");
            return;
        }
        return truncated(content, "its beginning was cut off, or its header ends too early");
    };
    let algorithm = header.get("alg").and_then(serde_json::Value::as_str);
    if algorithm.is_none() && segments.len() < 3 && (header.contains_key("iss") || header.contains_key("exp")) {
        return truncated(content, "the header in front of the claims was cut off");
    }
    let is_unsigned = algorithm.is_some_and(|name| name.eq_ignore_ascii_case("none"));
    let signature = segments.get(2).copied().unwrap_or_default();
    match segments.len() {
        1 => truncated(content, "only the header is left of three parts"),
        2 if !is_unsigned => truncated(content, "only two of three parts are left"),
        3 if signature.is_empty() && !is_unsigned => truncated(content, "the signature is missing"),
        3 if segments[1].is_empty() => truncated(content, "the claims between the dots are missing"),
        3 => {
            let due = algorithm.and_then(shape::signature_length).unwrap_or(0);
            let missing = due.saturating_sub(signature.len());
            if missing > 0 && !is_unsigned {
                let plural = if missing == 1 { "" } else { "s" };
                truncated(content, &format!("the signature is {missing} character{plural} too short"));
            } else if segments[1].len() % 4 == 1 {
                truncated(content, "its second part has a length that no base64url text has");
            }
        }
        _ => {}
    }
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if content.is_whole() && content.damage.is_empty() && !core.bytes().all(is_base64) {
        content.found(
            Cause::WrongBase64Alphabet,
            "The token has characters that base64url does not have.",
            "Take the token from where it was issued: letters, digits, `-`, `_` and two dots are all that it has.",
        );
    }
}

fn prefixed(content: &mut Content, repaired: &mut String, kind: Prefixed) {
    let prefix_is_right = repaired.starts_with(|character: char| character.is_ascii_lowercase())
        && repaired[..3].bytes().all(|byte| byte.is_ascii_lowercase());
    let (environment, body) = shape::parts(repaired);
    let (body_is_of_one_case, body_length) = (is_of_one_case(body), body.len());
    if !prefix_is_right || (environment.is_none() && body_length > 0) || body_is_of_one_case {
        let place = if prefix_is_right && environment.is_some() {
            "all letters are of one case"
        } else {
            "prefixes are in lower case"
        };
        changed_case(content, place);
        let lower = repaired[..4].to_ascii_lowercase();
        repaired.replace_range(..4, &lower);
        return;
    }
    let is_whole = match kind {
        Prefixed::AccessToken => body_length >= opaque::LENGTHS && body_length % opaque::LENGTHS <= ADDED,
        Prefixed::RefreshToken => body_length >= refresh::LENGTH / 3 * 4,
        Prefixed::ClientSecret => body_length >= shape::SECRET_LENGTH,
    };
    if !body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
        content.found(
            Cause::WrongBase64Alphabet,
            "The token has characters that base64url does not have.",
            "Take the token from where it was issued: after the prefix it has letters, digits, `-` and `_` alone.",
        );
    } else if !is_whole {
        truncated(content, &format!("{body_length} characters after the prefix are not the length of a whole one"));
    }
}
