//! Tokens: what was not made here is refused, what was made here reads back, and one that was changed is refused.

use jeton::crypto::base64url;
use jeton::diagnosis::judge;
use jeton::jose::algorithm::SigningAlgorithm;
use jeton::protocol::claims::{AccessClaims, Audience, check_extra};
use jeton::protocol::client::AccessTokenTyp;
use jeton::protocol::scope::Scope;
use jeton::protocol::subject::Subject;
use jeton::protocol::token_id::TokenId;
use jeton::tokens::refresh::RefreshToken;
use jeton::tokens::verify::{Verified, VerifyError, verify};
use jeton::tokens::{jwt as format, opaque as sealed};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::edits::edited;
use super::house::{HOUSE, House, ISSUER, Issued, NOW};

/// What to begin with: the first character chooses what is done with the rest.
pub const JWTS: &[&str] = &[
    "0eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2F1dGguZXhhbXBsZS5jb20ifQ.",
    "1\u{0}\u{5}\u{0}A\u{7}\u{0}\u{0}\u{4}",
    "5\u{4}\u{40}\u{0}A",
    "9\u{d}\u{0}\u{0}\u{12}",
    "2{\"typ\":\"at+jwt\",\"alg\":\"none\"}\n{\"iss\":\"https://auth.example.com\"}",
    "2{\"alg\":\"HS256\",\"kid\":\"x\"}\n{}",
    "3abcdefghijklmnopqrstuvwxyz0123456789\n{\"tenant\":[1,2.5,1e300,{\"a\":null}]}",
];
/// The same for tokens with a prefix.
pub const PREFIXED: &[&str] = &[
    "0jat_live_AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "0jrt_live_AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "1\u{0}\u{15}\u{0}A\u{7}\u{0}\u{0}\u{4}",
    "2\u{0}\u{15}\u{0}A",
    "3abcdefghijklmnopqrstuvwxyz0123456789\n{\"tenant\":[1,2.5,1e300,{\"a\":null}]}",
];

/// No text that was not issued is accepted, twice the same.
fn refused(house: &House, text: &str) {
    let found = verify(text, house.origin());
    assert!(!matches!(found, Ok(_) | Err(VerifyError::OtherIssuer(_))), "accepted: {text:?}");
    assert_eq!(found, verify(text, house.origin()), "the same text is judged the same");
}

/// A good text after edits: good only if nothing was changed.
fn changed(house: &House, good: &Issued, bytes: &[u8]) {
    let other = house.others.first().map_or("", |other| other.text.as_str());
    let text = edited(&good.text, other, bytes);
    let is_issued = house.everything().iter().any(|issued| issued.text == text);
    if !is_issued {
        refused(house, &text);
    } else if text == good.text {
        assert!(verify(&text, house.origin()).is_ok(), "what was issued is good");
    }
}

/// JWTs.
pub fn jwt(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let house = &*HOUSE;
    match choice % 4 {
        0 => refused(house, &String::from_utf8_lossy(rest)),
        1 => changed(house, &house.jwts[usize::from(choice / 4) % house.jwts.len()], rest),
        2 => grafted(house, usize::from(choice / 4), rest),
        _ => {
            let claims = made_of(rest);
            let ring = &house.one_algorithm[usize::from(choice / 4) % house.one_algorithm.len()];
            let key = ring.access_token_key(SigningAlgorithm::Es256, NOW).expect("there is a key");
            for typ in AccessTokenTyp::ALL {
                reads_back(house, &claims, &format::write(&claims, *typ, key));
            }
        }
    }
}

/// A header and claims of one's own with a signature that was made for others.
fn grafted(house: &House, which: usize, bytes: &[u8]) {
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (header, claims) = (&bytes[..at], bytes.get(at + 1..).unwrap_or_default());
    let good: Vec<&str> = house.jwts[which % house.jwts.len()].text.split('.').collect();
    let own_header = base64url(header);
    // Under the server's own header, too: then it comes to a verification.
    let header = if which.is_multiple_of(2) { good[0] } else { &own_header };
    refused(house, &format!("{header}.{}.{}", base64url(claims), good[2]));
}

/// Opaque access tokens.
pub fn opaque(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let house = &*HOUSE;
    match choice % 4 {
        0 => refused(house, &String::from_utf8_lossy(rest)),
        1 => changed(house, &house.opaque, rest),
        2 => flipped(house, &house.opaque, "jat_live_", rest),
        _ => {
            let claims = made_of(rest);
            let key = house.ring.active_token_key(NOW).expect("there is a key");
            let text = sealed::write(&claims, house.origin().environment, key);
            assert!(text.len().saturating_sub("jat_live_".len()).is_multiple_of(sealed::LENGTHS));
            reads_back(house, &claims, &text);
        }
    }
}

/// Refresh tokens.
pub fn refresh(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let house = &*HOUSE;
    match choice % 4 {
        0 => refused(house, &String::from_utf8_lossy(rest)),
        1 => changed(house, &house.refresh, rest),
        2 => flipped(house, &house.refresh, "jrt_live_", rest),
        _ => {
            let mut id = [0; 16];
            for (place, byte) in id.iter_mut().zip(rest) {
                *place = *byte;
            }
            let mut token = RefreshToken::first(Uuid::from_bytes(id));
            for _ in 0..rest.last().copied().unwrap_or(0) % 4 {
                token = token.successor();
            }
            let key = house.ring.active_token_key(NOW).expect("there is a key");
            let text = token.write(house.origin().environment, key);
            let Ok(Verified::Refresh(read)) = verify(&text, house.origin()) else { panic!("it was issued: {text}") };
            assert_eq!(read, token);
            assert_eq!(read.successor().nonce_hash(), token.nonce_hash());
            assert_eq!(text, read.write(house.origin().environment, key), "a retry gives the same text");
        }
    }
}

/// The bytes behind the prefix, changed before they are written.
fn flipped(house: &House, good: &Issued, prefix: &str, bytes: &[u8]) {
    let body = jeton::crypto::from_base64url(&good.text[prefix.len()..]).expect("it is base64url");
    let mut changed = body.clone();
    for flip in bytes.chunks_exact(3).take(8) {
        let at = usize::from(u16::from_le_bytes([flip[0], flip[1]])) % changed.len();
        changed[at] ^= flip[2];
    }
    if changed != body {
        refused(house, &format!("{prefix}{}", base64url(changed)));
    }
}

/// Claims made of bytes: a line of texts and numbers, and a JSON object of additional claims.
fn made_of(bytes: &[u8]) -> AccessClaims {
    let (line, json) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len()));
    let mut parts = line.chunks(8);
    let mut number = || {
        let part = parts.next().unwrap_or_default();
        let mut eight = [0; 8];
        eight[..part.len()].copy_from_slice(part);
        i64::from_le_bytes(eight)
    };
    let (iat, exp, nbf, log) = (number(), number(), number(), number());
    let text = String::from_utf8_lossy(line).into_owned();
    let extra: Map<String, Value> = serde_json::from_slice(json.get(1..).unwrap_or_default()).unwrap_or_default();
    let half = text.chars().count() / 2;
    AccessClaims {
        iss: if log % 8 == 0 { text.clone() } else { ISSUER.to_owned() },
        sub: text.clone(),
        sub_iss: (log % 5 == 0).then(|| text.clone()),
        act: None,
        may_act: None,
        cnf: None,
        aud: if log % 2 == 0 { Audience::One(text.clone()) } else { Audience::Many(vec![text.clone(), String::new()]) },
        client_id: text.chars().take(half).collect(),
        scope: Scope::parse(&text).ok(),
        iat,
        exp,
        nbf: (nbf % 2 == 0).then_some(nbf),
        jti: TokenId::new(Uuid::from_u64_pair(iat.unsigned_abs(), exp.unsigned_abs()).into_bytes()),
        sid: (nbf % 3 == 0).then(|| Uuid::from_u64_pair(log.unsigned_abs(), 1)),
        log,
        exchanged_from: Vec::new(),
        extra: if check_extra(&extra).is_ok() { extra } else { Map::new() },
    }
}

fn reads_back(house: &House, claims: &AccessClaims, text: &str) {
    let read = match verify(text, house.origin()) {
        Ok(Verified::Access(read)) => {
            assert_eq!(read.iss, ISSUER);
            *read
        }
        Err(VerifyError::OtherIssuer(read)) => {
            assert_ne!(read.iss, ISSUER);
            *read
        }
        other => {
            assert!(text.len() > format::LONGEST, "it was issued: {other:?}");
            return;
        }
    };
    // An opaque token has only the digest of another issuer.
    let iss = if read.iss.is_empty() { String::new() } else { claims.iss.clone() };
    assert_eq!(read, AccessClaims { iss, ..claims.clone() });
    // Whatever moments it names, they are judged.
    let findings = judge::access_token(&read, &[], NOW);
    let is_in_force = !read.is_expired(NOW) && !read.is_early(NOW);
    assert_eq!(findings.is_empty(), is_in_force);
    let expected = match &read.sub_iss {
        Some(issuer) => Subject::Foreign { issuer, sub: &read.sub },
        None if read.sub == read.client_id => Subject::Client(&read.sub),
        None => Subject::User(&read.sub),
    };
    assert_eq!(read.subject(), expected);
}
