//! Damage within the token itself: a part is missing, two were joined, or its alphabet or letter case was changed. Missing
//! characters are never guessed.

use crate::diagnosis::bytes::characters::{self, position};
use crate::diagnosis::bytes::joined;
use crate::diagnosis::bytes::reader::Reader;
use crate::diagnosis::bytes::shape::{self, Prefixed, Shape};
use crate::diagnosis::finding::Damage;
use crate::protocol::cause::Cause;
use crate::tokens::{opaque, refresh};

/// Characters of the header of this server's JWTs with the `typ` `at+jwt`.
const OUR_HEADER: usize = 63;
/// The same with the `typ` `JWT`.
const OUR_SHORTER_HEADER: usize = 59;
/// This many extra characters were added to a whole token; more are what is left of a longer one.
const MAX_ADDED: usize = 4;

/// What was found in a text without its wrapping.
#[derive(Debug, Default)]
pub(in crate::diagnosis) struct Content {
    pub(in crate::diagnosis) damage: Vec<Damage>,
    /// The text without the damage, repaired as far as possible; for joined tokens, each of them, the likeliest first.
    pub(in crate::diagnosis) candidates: Vec<String>,
    /// What was changed beyond doubt, so that no signature can match.
    pub(in crate::diagnosis) changed: Option<&'static str>,
}

impl Content {
    /// Whether nothing is missing, so that the signature can be judged.
    pub(in crate::diagnosis) fn is_whole(&self) -> bool {
        !self.damage.iter().any(|damage| {
            matches!(damage.cause, Cause::Truncated | Cause::TwoTokensJoined | Cause::ChangedCase | Cause::NotAToken)
        })
    }

    fn found(&mut self, cause: Cause, detail: impl Into<String>, repair: impl Into<String>) {
        self.damage.push(Damage::new(cause, detail, repair));
    }

    fn changed_case(&mut self, evidence: &str) {
        self.found(
            Cause::ChangedCase,
            format!("The letter case of the token was changed: {evidence}."),
            "Get the token from its issuer again; the original case cannot be restored. A cache, a database or a header \
             library changed it.",
        );
    }

    fn truncated(&mut self, what: &str) {
        self.found(
            Cause::Truncated,
            format!("Part of the token is missing: {what}."),
            "Get the whole token from its issuer again; a database column, a log line or a copied line was too short.",
        );
    }

    fn wrong_characters(&mut self, allowed: &str) {
        self.found(
            Cause::WrongBase64Alphabet,
            "The token contains characters that base64url does not have.",
            format!("Get the token from its issuer again: {allowed}."),
        );
    }
}

/// Examines `core`, the text without its wrapping; `sent` is the whole text.
pub(in crate::diagnosis) fn examine(reader: &Reader, sent: &str, core: &str, shape: Shape) -> Content {
    let mut content = Content::default();
    if let Some(parts) = joined::split(reader, core) {
        let count = parts.len();
        let second = position(sent, core, parts[1].as_ptr().addr() - core.as_ptr().addr());
        content.found(
            Cause::TwoTokensJoined,
            format!("There are {count} tokens in a row; the second begins{}.", or_later(&second)),
            "Keep the token that `evidence` describes; replace the header instead of adding to it.",
        );
        // The last one is usually the one that was meant.
        for part in parts.iter().rev() {
            let candidate = to_base64url(&mut content, part);
            content.candidates.push(candidate);
        }
        return content;
    }
    if let Some(at) = joined::ellipsis(core) {
        content.found(
            Cause::Truncated,
            format!("Part of the token is replaced by an ellipsis or a mask{}.", position(sent, &core[..at], at)),
            "Get the whole token from its issuer again: this copy was shortened by a log or a screen.",
        );
        return content;
    }
    let mut repaired = match shape {
        Shape::Jwt | Shape::Prefixed(_) => to_base64url(&mut content, core),
        _ => core.to_owned(),
    };
    match shape {
        Shape::Jwt => jwt(reader, &mut content, &mut repaired),
        Shape::Prefixed(kind) => prefixed(&mut content, &mut repaired, kind),
        Shape::Headless => content.found(
            Cause::Truncated,
            "The beginning of the token is missing: its prefix was cut off.",
            "Get the whole token from its issuer again; it begins with `jat_` and the environment.",
        ),
        Shape::Foreign(_) | Shape::Nothing => {}
    }
    content.candidates.push(repaired);
    content
}

fn or_later(position: &str) -> &str {
    if position.is_empty() { " further on" } else { position }
}

/// The text in base64url; a different alphabet is reported once.
fn to_base64url(content: &mut Content, text: &str) -> String {
    if !text.contains(['+', '/', '=']) {
        return text.to_owned();
    }
    if content.damage.iter().all(|damage| damage.cause != Cause::WrongBase64Alphabet) {
        content.found(
            Cause::WrongBase64Alphabet,
            "The token contains `+`, `/` or `=`, which base64url does not have.",
            "Replace `+` by `-` and `/` by `_`, and remove every `=`. Better still, do not decode and re-encode the token.",
        );
    }
    characters::to_base64url(text)
}

/// Whether so many letters are of one case that something must have changed them.
fn is_of_one_case(text: &str) -> bool {
    let upper = text.bytes().filter(u8::is_ascii_uppercase).count();
    let lower = text.bytes().filter(u8::is_ascii_lowercase).count();
    (upper == 0 && lower >= 20) || (lower == 0 && upper >= 20)
}

/// Whether a header was changed rather than cut. One of the shorter length that does not begin like a header is a longer
/// one without its beginning.
fn has_the_length_of_ours(header: &str) -> bool {
    header.len() == OUR_HEADER || (header.len() == OUR_SHORTER_HEADER && header.starts_with("eyJ"))
}

fn jwt(reader: &Reader, content: &mut Content, repaired: &mut String) {
    let core = repaired.clone();
    let segments: Vec<&str> = core.split('.').collect();
    let header = reader.object(segments[0]);
    if header.is_none()
        && !core.starts_with("eyJ")
        && core.get(..3).is_some_and(|head| head.eq_ignore_ascii_case("eyj"))
    {
        content.changed_case("a JWT begins with `eyJ`");
        repaired.replace_range(..3, "eyJ");
        return;
    }
    if is_of_one_case(&core) {
        return content.changed_case("all letters have the same case");
    }
    let claims = segments.get(1).and_then(|segment| reader.object(segment));
    let Some(header) = header else {
        if segments.len() == 3 && claims.is_some() && has_the_length_of_ours(segments[0]) {
            content.changed = Some("its header has the length of one of this server but is not readable");
            return;
        }
        return content.truncated("its beginning was cut off, or its header is too short");
    };
    let algorithm = header.get("alg").and_then(serde_json::Value::as_str);
    if algorithm.is_none() && segments.len() < 3 && (header.contains_key("iss") || header.contains_key("exp")) {
        return content.truncated("the header before the claims was cut off");
    }
    let is_unsigned = algorithm.is_some_and(|name| name.eq_ignore_ascii_case("none"));
    let signature = segments.get(2).copied().unwrap_or_default();
    match segments.len() {
        1 => content.truncated("only the first of three parts is left, the header"),
        2 if !is_unsigned => content.truncated("only two of three parts are left"),
        3 if signature.is_empty() && !is_unsigned => content.truncated("the signature is missing"),
        3 if segments[1].is_empty() => content.truncated("the claims between the dots are missing"),
        3 => {
            let due = algorithm.and_then(shape::signature_length).unwrap_or(0);
            let missing = due.saturating_sub(signature.len());
            if missing > 0 && !is_unsigned {
                let plural = if missing == 1 { "" } else { "s" };
                content.truncated(&format!("the signature is {missing} character{plural} too short"));
            } else if segments[1].len() % 4 == 1 {
                content.truncated("no base64url text has the length of its second part");
            }
        }
        _ => {}
    }
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if content.is_whole() && content.damage.is_empty() && !core.bytes().all(is_base64) {
        content.wrong_characters("it consists of letters, digits, `-`, `_` and two dots");
    }
}

fn prefixed(content: &mut Content, repaired: &mut String, kind: Prefixed) {
    let prefix_is_right = repaired.starts_with(|character: char| character.is_ascii_lowercase())
        && repaired[..3].bytes().all(|byte| byte.is_ascii_lowercase());
    let (environment, body) = shape::parts(repaired);
    let (body_is_of_one_case, body_length) = (is_of_one_case(body), body.len());
    if !prefix_is_right || (environment.is_none() && body_length > 0) || body_is_of_one_case {
        let evidence = if prefix_is_right && environment.is_some() {
            "all letters have the same case"
        } else {
            "prefixes are lower case"
        };
        content.changed_case(evidence);
        let lower = repaired[..4].to_ascii_lowercase();
        repaired.replace_range(..4, &lower);
        return;
    }
    let is_whole = match kind {
        Prefixed::AccessToken => body_length >= opaque::LENGTHS && body_length % opaque::LENGTHS <= MAX_ADDED,
        Prefixed::RefreshToken | Prefixed::AuthorizationCode | Prefixed::DeviceCode => {
            body_length >= refresh::LENGTH / 3 * 4
        }
        Prefixed::ClientSecret | Prefixed::RegistrationToken => body_length >= shape::SECRET_LENGTH,
    };
    if !body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
        content.wrong_characters("its prefix is followed by letters, digits, `-` and `_` only");
    } else if !is_whole {
        content.truncated(&format!("{body_length} characters after the prefix do not make a whole token"));
    }
}
