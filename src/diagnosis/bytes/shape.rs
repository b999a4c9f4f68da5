//! What a text looks like: a JWT, a token with a prefix of this server, a token of another service, or none of these. Damage
//! within the token does not change its shape.

use serde_json::Value;

use crate::crypto::from_base64url;
use crate::diagnosis::bytes::foreign;
use crate::diagnosis::bytes::reader::Reader;
use crate::tokens::environment::{
    ACCESS_TOKEN_PREFIX, AUTHORIZATION_CODE_PREFIX, CLIENT_SECRET_PREFIX, DEVICE_CODE_PREFIX, Environment,
    REFRESH_TOKEN_PREFIX, REGISTRATION_TOKEN_PREFIX, split,
};
use crate::tokens::{opaque, refresh};

/// What a text looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::diagnosis) enum Shape {
    /// A JWT, or what is left of one.
    Jwt,
    /// A text with one of this server's prefixes.
    Prefixed(Prefixed),
    /// A text whose prefix was cut off.
    Headless,
    /// A token of another service, recognised by its prefix.
    Foreign(&'static str),
    /// None of these.
    Nothing,
}

/// What the prefix says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::diagnosis) enum Prefixed {
    AccessToken,
    RefreshToken,
    AuthorizationCode,
    DeviceCode,
    ClientSecret,
    RegistrationToken,
}

impl Prefixed {
    const ALL: [(Self, &'static str); 6] = [
        (Self::AccessToken, ACCESS_TOKEN_PREFIX),
        (Self::RefreshToken, REFRESH_TOKEN_PREFIX),
        (Self::AuthorizationCode, AUTHORIZATION_CODE_PREFIX),
        (Self::DeviceCode, DEVICE_CODE_PREFIX),
        (Self::ClientSecret, CLIENT_SECRET_PREFIX),
        (Self::RegistrationToken, REGISTRATION_TOKEN_PREFIX),
    ];

    /// Whether it is random, so that no key made it.
    pub(in crate::diagnosis) const fn is_random(self) -> bool {
        matches!(self, Self::ClientSecret | Self::RegistrationToken)
    }
}

/// Characters of a client secret or a registration access token after its prefix: 256 bits.
pub(super) const SECRET_LENGTH: usize = 43;
/// Characters of the shortest RSA signature allowed: 2048 bits.
const RSA: usize = 342;
/// The length of a prefix.
const PREFIX: usize = 4;

/// What the text looks like.
pub(in crate::diagnosis) fn of(reader: &Reader, text: &str) -> Shape {
    if !reader.may_read(text, 8) {
        return Shape::Nothing;
    }
    if let Some(kind) = prefixed(text) {
        return Shape::Prefixed(kind);
    }
    if looks_like_a_jwt(reader, text) {
        return Shape::Jwt;
    }
    if is_headless(text) {
        return Shape::Headless;
    }
    if let Some(maker) = foreign::maker(text) {
        return Shape::Foreign(maker);
    }
    Shape::Nothing
}

/// Whether the text has the form of a whole token: a JWT of three parts, or a prefix followed by the right length.
pub(super) fn is_whole(reader: &Reader, text: &str) -> bool {
    if !reader.may_read(text, 2) {
        return false;
    }
    if let Some(kind) = prefixed(text) {
        let (environment, body) = parts(text);
        return environment.is_some()
            && match kind {
                Prefixed::AccessToken => !body.is_empty() && body.len().is_multiple_of(opaque::LENGTHS),
                Prefixed::RefreshToken | Prefixed::AuthorizationCode | Prefixed::DeviceCode => {
                    body.len() == refresh::LENGTH / 3 * 4
                }
                Prefixed::ClientSecret | Prefixed::RegistrationToken => body.len() == SECRET_LENGTH,
            };
    }
    let segments: Vec<&str> = text.splitn(4, '.').collect();
    let [header, claims, signature] = segments[..] else { return false };
    if !header.starts_with("eyJ") {
        return false;
    }
    let Some(members) = reader.object(header) else { return false };
    let algorithm = members.get("alg").and_then(Value::as_str).unwrap_or_default();
    let is_long_enough = match signature_length(algorithm) {
        Some(RSA) => signature.len() >= RSA,
        Some(due) => signature.len() == due,
        None => !signature.is_empty(),
    };
    is_long_enough && reader.object(claims).is_some()
}

/// The length of a signature in base64url characters (RFC 7518 §3.1); for RSA the shortest allowed.
pub(super) fn signature_length(algorithm: &str) -> Option<usize> {
    Some(match algorithm {
        "ES256" | "EdDSA" | "HS512" | "ES256K" | "Ed25519" => 86,
        "ES384" => 128,
        "ES512" => 176,
        "HS256" => 43,
        "HS384" => 64,
        "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512" => RSA,
        _ => return None,
    })
}

/// How many of these parts of a text begin a token. A part that begins like a JWT counts only if the one before it is
/// whole.
pub(super) fn beginnings(parts: &[&str]) -> usize {
    let (mut count, mut dots) = (0, 2);
    for part in parts {
        if prefixed(part).is_some() {
            count += 1;
            dots = 2;
        } else if part.starts_with("eyJ") && dots >= 2 {
            count += 1;
            dots = part.matches('.').count();
        } else {
            dots += part.matches('.').count();
        }
    }
    count
}

fn starts_with_word(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
}

fn prefixed(text: &str) -> Option<Prefixed> {
    let head = text.get(..PREFIX)?;
    Prefixed::ALL.into_iter().find(|(_, prefix)| head.eq_ignore_ascii_case(prefix)).map(|(kind, _)| kind)
}

/// The environment after the prefix, if it has the form of one, and the body.
pub(in crate::diagnosis) fn parts(text: &str) -> (Option<Environment>, &str) {
    let rest = text.get(PREFIX..).unwrap_or_default();
    match split(rest) {
        Some((environment, body)) => (Some(environment), body),
        None => (None, rest.split_once('_').map_or("", |(_, body)| body)),
    }
}

fn looks_like_a_jwt(reader: &Reader, text: &str) -> bool {
    if text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        return false;
    }
    // `{"` in base64url, in any letter case.
    if text.len() >= 6 && starts_with_word(text, "eyj") {
        let first = text.split('.').next().unwrap_or_default();
        if first.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_+/=*%".contains(&byte) || byte >= 128) {
            return true;
        }
    }
    let segments: Vec<&str> = text.splitn(8, '.').collect();
    (2..=7).contains(&segments.len()) && segments.iter().take(2).any(|segment| reader.object(segment).is_some())
}

/// Whether it is an opaque token, a refresh token, a code or a secret that has lost all or part of its prefix.
fn is_headless(text: &str) -> bool {
    let beginnings = ["at_", "rt_", "ac_", "dc_", "cs_", "t_", "c_", "s_", "_", ""];
    let with_environment = beginnings
        .iter()
        .any(|beginning| text.strip_prefix(beginning).and_then(split).is_some_and(|(_, body)| has_our_length(body)));
    with_environment || has_our_length(text)
}

fn has_our_length(body: &str) -> bool {
    from_base64url(body).is_some_and(|bytes| {
        let is_whole = body.len().is_multiple_of(opaque::LENGTHS) || bytes.len() == refresh::LENGTH;
        bytes.first() == Some(&1) && is_whole
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_alone_decide_the_shape() {
        for (text, shape) in [
            ("eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.", Shape::Jwt),
            ("eyJhbGciOiJub25lIn0", Shape::Jwt),
            ("eyjhbgcioijub25lin0", Shape::Jwt),
            ("eyJpc3MiOiJ4In0.c2lnbmF0dXJl", Shape::Jwt),
            ("jat_live_x", Shape::Prefixed(Prefixed::AccessToken)),
            ("JRT_LIVE_X", Shape::Prefixed(Prefixed::RefreshToken)),
            ("jcs_", Shape::Prefixed(Prefixed::ClientSecret)),
            ("jac_live_x", Shape::Prefixed(Prefixed::AuthorizationCode)),
            ("Jdc_live_x", Shape::Prefixed(Prefixed::DeviceCode)),
            ("jrg_live_x", Shape::Prefixed(Prefixed::RegistrationToken)),
            ("ghp_0123456789abcdef", Shape::Foreign("GitHub")),
            ("undefined", Shape::Nothing),
            ("your_token_here", Shape::Nothing),
            ("1.2.3", Shape::Nothing),
            ("", Shape::Nothing),
            ("é", Shape::Nothing),
        ] {
            assert_eq!(of(&Reader::new(usize::MAX), text), shape, "{text}");
        }
    }
}
