//! What a text looks like, told by its characters alone: a JWT, a token of this kind of server, a token of somebody else,
//! or nothing of the sort. Damage within the token does not change its shape.

use serde_json::{Map, Value};

use crate::crypto::from_base64url;
use crate::tokens::environment::{ACCESS_TOKEN_PREFIX, CLIENT_SECRET_PREFIX, Environment, REFRESH_TOKEN_PREFIX, split};
use crate::tokens::{opaque, refresh};

/// What a text looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A JWT, or what is left of one.
    Jwt,
    /// A text with a prefix of this kind of server.
    Prefixed(Prefixed),
    /// A text of which the prefix was cut off.
    Headless,
    /// A token of somebody else, told by its prefix.
    Foreign(&'static str),
    /// None of these.
    Nothing,
}

/// The kinds of prefixed texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prefixed {
    AccessToken,
    RefreshToken,
    ClientSecret,
}

impl Prefixed {
    const ALL: [(Self, &'static str); 3] = [
        (Self::AccessToken, ACCESS_TOKEN_PREFIX),
        (Self::RefreshToken, REFRESH_TOKEN_PREFIX),
        (Self::ClientSecret, CLIENT_SECRET_PREFIX),
    ];
}

/// Characters of a client secret after its prefix: 256 bits.
pub(crate) const SECRET_LENGTH: usize = 43;
/// Characters of the shortest signature by RSA that is allowed: 2048 bits.
const RSA: usize = 342;
/// The length of a prefix.
const PREFIX: usize = 4;

/// Beginnings of tokens of others, as their makers publish them.
const FOREIGN: [(&str, &str); 47] = [
    ("ghp_", "GitHub"),
    ("gho_", "GitHub"),
    ("ghu_", "GitHub"),
    ("ghs_", "GitHub"),
    ("ghr_", "GitHub"),
    ("github_pat_", "GitHub"),
    ("glpat-", "GitLab"),
    ("gloas-", "GitLab"),
    ("xoxb-", "Slack"),
    ("xoxp-", "Slack"),
    ("xoxa-", "Slack"),
    ("xapp-", "Slack"),
    ("sk_live_", "Stripe"),
    ("sk_test_", "Stripe"),
    ("pk_live_", "Stripe"),
    ("pk_test_", "Stripe"),
    ("rk_live_", "Stripe"),
    ("ory_at_", "Ory"),
    ("ory_rt_", "Ory"),
    ("ory_ac_", "Ory"),
    ("ya29.", "Google"),
    ("AIza", "Google"),
    ("EAACEdEose0cBA", "Facebook"),
    ("npm_", "npm"),
    ("pypi-", "PyPI"),
    ("dop_v1_", "DigitalOcean"),
    ("shpat_", "Shopify"),
    ("hf_", "Hugging Face"),
    ("sk-ant-", "Anthropic"),
    ("sk-", "OpenAI"),
    ("SG.", "SendGrid"),
    ("AKIA", "AWS"),
    ("ASIA", "AWS"),
    ("hvs.", "Vault"),
    ("lin_api_", "Linear"),
    ("dapi", "Databricks"),
    ("dckr_pat_", "Docker"),
    ("ntn_", "Notion"),
    ("secret_", "Notion"),
    ("ATATT3x", "Atlassian"),
    ("sbp_", "Supabase"),
    ("figd_", "Figma"),
    ("1//0", "Google"),
    ("v2.local.", "somebody who writes PASETO"),
    ("v2.public.", "somebody who writes PASETO"),
    ("v4.local.", "somebody who writes PASETO"),
    ("v4.public.", "somebody who writes PASETO"),
];

/// What the text looks like.
pub(crate) fn of(text: &str) -> Shape {
    if let Some(kind) = prefixed(text) {
        return Shape::Prefixed(kind);
    }
    if looks_like_a_jwt(text) {
        return Shape::Jwt;
    }
    if is_headless(text) {
        return Shape::Headless;
    }
    if let Some(maker) = maker(text) {
        return Shape::Foreign(maker);
    }
    Shape::Nothing
}

/// Whether it is a whole token by its form: a JWT of three parts, or a prefix with as much behind it as belongs there.
pub(crate) fn is_whole(text: &str) -> bool {
    if let Some(kind) = prefixed(text) {
        let (environment, body) = parts(text);
        return environment.is_some()
            && match kind {
                Prefixed::AccessToken => !body.is_empty() && body.len().is_multiple_of(opaque::LENGTHS),
                Prefixed::RefreshToken => body.len() == refresh::LENGTH / 3 * 4,
                Prefixed::ClientSecret => body.len() == SECRET_LENGTH,
            };
    }
    let segments: Vec<&str> = text.splitn(4, '.').collect();
    let [header, claims, signature] = segments[..] else { return false };
    let Some(members) = object(header).filter(|_| header.starts_with("eyJ")) else { return false };
    let algorithm = members.get("alg").and_then(Value::as_str).unwrap_or_default();
    let is_long_enough = match signature_length(algorithm) {
        Some(RSA) => signature.len() >= RSA,
        Some(due) => signature.len() == due,
        None => !signature.is_empty(),
    };
    is_long_enough && object(claims).is_some()
}

/// Lengths of signatures in base64url characters (RFC 7518 §3.1); those of RSA are the shortest allowed.
pub(crate) fn signature_length(algorithm: &str) -> Option<usize> {
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

/// How many tokens begin with one of these parts of a text, which was split at what separates them. A part that begins
/// like a JWT is one only if what stands before it is whole.
pub(crate) fn beginnings(parts: &[&str]) -> usize {
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

/// What follows the prefix: the environment, unless it cannot be one, and the body.
pub(crate) fn parts(text: &str) -> (Option<Environment>, &str) {
    let rest = text.get(PREFIX..).unwrap_or_default();
    match split(rest) {
        Some((environment, body)) => (Some(environment), body),
        None => (None, rest.split_once('_').map_or("", |(_, body)| body)),
    }
}

fn looks_like_a_jwt(text: &str) -> bool {
    if text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        return false;
    }
    // `{"` in base64url, whatever became of the case of its letters.
    if text.len() >= 6 && starts_with_word(text, "eyj") {
        let first = text.split('.').next().unwrap_or_default();
        if first.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_+/=*%".contains(&byte) || byte >= 128) {
            return true;
        }
    }
    let segments: Vec<&str> = text.splitn(8, '.').collect();
    (2..=7).contains(&segments.len()) && segments.iter().take(2).any(|segment| object(segment).is_some())
}

/// A segment as a JSON object, read in either base64 alphabet.
pub(crate) fn object(segment: &str) -> Option<Map<String, Value>> {
    match serde_json::from_slice(&lenient(segment)?).ok()? {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

/// Base64 in either alphabet, with or without padding.
pub(crate) fn lenient(segment: &str) -> Option<Vec<u8>> {
    from_base64url(in_the_right_alphabet(segment))
}

/// The same text in base64url without padding.
pub(crate) fn in_the_right_alphabet(text: &str) -> String {
    text.chars()
        .filter(|character| *character != '=')
        .map(|character| match character {
            '+' => '-',
            '/' => '_',
            other => other,
        })
        .collect()
}

/// An opaque token, a refresh token or a secret without the beginning of its prefix, or without all of it.
fn is_headless(text: &str) -> bool {
    let beginnings = ["at_", "rt_", "cs_", "t_", "s_", "_", ""];
    let with_environment = beginnings.iter().any(|beginning| {
        text.strip_prefix(beginning).and_then(split).is_some_and(|(_, body)| has_a_length_of_ours(body))
    });
    with_environment || has_a_length_of_ours(text)
}

fn has_a_length_of_ours(body: &str) -> bool {
    from_base64url(body).is_some_and(|bytes| {
        let is_whole = body.len().is_multiple_of(opaque::LENGTHS) || bytes.len() == refresh::LENGTH;
        bytes.first() == Some(&1) && is_whole
    })
}

fn maker(text: &str) -> Option<&'static str> {
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~+/=|".contains(&byte)) {
        return None;
    }
    let (_, name) =
        FOREIGN.into_iter().find(|(prefix, _)| text.starts_with(prefix) && text.len() >= prefix.len() + 10)?;
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_told_by_characters_alone() {
        for (text, shape) in [
            ("eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.", Shape::Jwt),
            ("eyJhbGciOiJub25lIn0", Shape::Jwt),
            ("eyjhbgcioijub25lin0", Shape::Jwt),
            ("eyJpc3MiOiJ4In0.c2lnbmF0dXJl", Shape::Jwt),
            ("jat_live_x", Shape::Prefixed(Prefixed::AccessToken)),
            ("JRT_LIVE_X", Shape::Prefixed(Prefixed::RefreshToken)),
            ("jcs_", Shape::Prefixed(Prefixed::ClientSecret)),
            ("ghp_0123456789abcdef", Shape::Foreign("GitHub")),
            ("undefined", Shape::Nothing),
            ("your_token_here", Shape::Nothing),
            ("1.2.3", Shape::Nothing),
            ("", Shape::Nothing),
            ("é", Shape::Nothing),
        ] {
            assert_eq!(of(text), shape, "{text}");
        }
    }
}
