//! The claims of an opaque token as bytes, short enough for cookies, caches and columns of 255 characters.
//!
//! A number is LEB128, a text is its length and its bytes. First come the claims that every token has: the digest of the
//! issuer (8 bytes), the end of the `jti` (4; it begins with the nonce, which the token contains anyway), `iat`, the
//! seconds from `iat` to `exp`, `log`, `client_id`. The others follow, each as a tag (1 byte) and a text; the tag zero ends
//! them. A tag that this program does not know may restrict the token, so the token is refused.

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::crypto::sha256;
use crate::protocol::claims::{AccessClaims, Audience, ExtraClaims};
use crate::protocol::scope::Scope;
use crate::protocol::token_id::TokenId;

/// The end of the claims; what follows is padding.
pub(super) const END: u8 = 0;
/// The tags of the claims that not every token has. `sub` is absent if it is the client, and a UUID if that is how it is
/// written; each audience has a tag of its own.
const SUB_UUID: u8 = 1;
const SUB: u8 = 2;
const SUB_ISS: u8 = 3;
const AUD: u8 = 4;
const SCOPE: u8 = 5;
const SID: u8 = 6;
const NBF: u8 = 7;
const ACT: u8 = 8;
const CNF: u8 = 9;
const EXTRA: u8 = 10;
const MAY_ACT: u8 = 11;
const EXCHANGED_FROM: u8 = 12;

/// Bytes of the `jti` that are the nonce.
pub(super) const NONCE_LENGTH: usize = 12;
const JTI_END_LENGTH: usize = TokenId::LENGTH - NONCE_LENGTH;
const DIGEST_LENGTH: usize = 8;

/// The digest that names an issuer.
pub(super) type IssuerDigest = [u8; DIGEST_LENGTH];

/// The digest of an issuer.
pub(super) fn digest(issuer: &str) -> IssuerDigest {
    let mut digest = [0; DIGEST_LENGTH];
    digest.copy_from_slice(&sha256(issuer.as_bytes())[..DIGEST_LENGTH]);
    digest
}

/// Packs claims. `jti` begins with the nonce that the token will have.
pub(super) fn pack(claims: &AccessClaims) -> Vec<u8> {
    let AccessClaims { iss, sub, sub_iss, act, may_act, cnf, aud, client_id, scope, .. } = claims;
    let AccessClaims { iat, exp, nbf, jti, sid, log, exchanged_from, extra, .. } = claims;
    let mut packed = Writer(Vec::with_capacity(160));
    packed.0.extend_from_slice(&digest(iss));
    packed.0.extend_from_slice(&jti.bytes()[NONCE_LENGTH..]);
    packed.number(*iat);
    packed.number(exp.wrapping_sub(*iat));
    packed.number(*log);
    packed.text(client_id.as_bytes());
    if sub != client_id {
        match sub.parse::<Uuid>().ok().filter(|id| id.to_string() == *sub) {
            Some(id) => packed.tagged(SUB_UUID, id.as_bytes()),
            None => packed.tagged(SUB, sub.as_bytes()),
        }
    }
    if let Some(issuer) = sub_iss {
        packed.tagged(SUB_ISS, issuer.as_bytes());
    }
    for audience in aud.all() {
        packed.tagged(AUD, audience.as_bytes());
    }
    if let Some(scope) = scope {
        packed.tagged(SCOPE, scope.to_string().as_bytes());
    }
    if let Some(id) = sid {
        packed.tagged(SID, id.as_bytes());
    }
    if let Some(seconds) = nbf {
        let mut number = Writer(Vec::new());
        number.number(*seconds);
        packed.tagged(NBF, &number.0);
    }
    if let Some(actor) = act {
        packed.json(ACT, actor);
    }
    if let Some(confirmation) = cnf {
        packed.json(CNF, confirmation);
    }
    if !extra.is_empty() {
        packed.json(EXTRA, extra);
    }
    if let Some(party) = may_act {
        packed.json(MAY_ACT, party);
    }
    if !exchanged_from.is_empty() {
        packed.json(EXCHANGED_FROM, exchanged_from);
    }
    packed.0
}

/// Unpacks claims; `nonce` is the one of the token. `iss` stays empty, since only its digest is known.
pub(super) fn unpack(packed: &[u8], nonce: [u8; NONCE_LENGTH]) -> Option<(IssuerDigest, AccessClaims)> {
    let mut rest = Reader(packed);
    let issuer = rest.take()?;
    let mut id = [0; TokenId::LENGTH];
    id[..NONCE_LENGTH].copy_from_slice(&nonce);
    id[NONCE_LENGTH..].copy_from_slice(&rest.take::<JTI_END_LENGTH>()?);
    let (iat, life, log) = (rest.number()?, rest.number()?, rest.number()?);
    let client_id = utf8(rest.text()?)?;
    let mut audiences = Vec::new();
    let mut claims = AccessClaims {
        iss: String::new(),
        sub: client_id.clone(),
        sub_iss: None,
        act: None,
        may_act: None,
        cnf: None,
        aud: Audience::Many(Vec::new()),
        client_id,
        scope: None,
        iat,
        exp: iat.wrapping_add(life),
        nbf: None,
        jti: TokenId::new(id),
        sid: None,
        log,
        exchanged_from: Vec::new(),
        extra: ExtraClaims::new(),
    };
    while let Some(tag) = rest.tag() {
        let value = rest.text()?;
        match tag {
            SUB_UUID => claims.sub = Uuid::from_slice(value).ok()?.to_string(),
            SUB => claims.sub = utf8(value)?,
            SUB_ISS => claims.sub_iss = Some(utf8(value)?),
            AUD => audiences.push(utf8(value)?),
            SCOPE => claims.scope = Some(Scope::parse(&utf8(value)?).ok()?),
            SID => claims.sid = Some(Uuid::from_slice(value).ok()?),
            NBF => claims.nbf = Some(Reader(value).number()?),
            ACT => claims.act = Some(json(value)?),
            CNF => claims.cnf = Some(json(value)?),
            EXTRA => claims.extra = json(value)?,
            MAY_ACT => claims.may_act = Some(json(value)?),
            EXCHANGED_FROM => claims.exchanged_from = json(value)?,
            _ => return None,
        }
    }
    claims.aud = Audience::new(audiences);
    Some((issuer, claims))
}

fn utf8(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

struct Writer(Vec<u8>);

impl Writer {
    /// LEB128 of the 64 bits.
    fn number(&mut self, number: i64) {
        let mut left = number.cast_unsigned();
        while left >= 0x80 {
            self.0.push(0x80 | left.to_le_bytes()[0]);
            left >>= 7;
        }
        self.0.push(left.to_le_bytes()[0]);
    }

    fn text(&mut self, text: &[u8]) {
        self.number(i64::try_from(text.len()).unwrap_or(i64::MAX));
        self.0.extend_from_slice(text);
    }

    fn tagged(&mut self, tag: u8, value: &[u8]) {
        self.0.push(tag);
        self.text(value);
    }

    fn json(&mut self, tag: u8, value: &impl Serialize) {
        self.tagged(tag, &serde_json::to_vec(value).expect("claims are JSON"));
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const LENGTH: usize>(&mut self) -> Option<[u8; LENGTH]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn number(&mut self) -> Option<i64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let [byte] = self.take()?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(number.cast_signed());
            }
        }
        None
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(text)
    }

    /// The next tag, unless the claims end here.
    fn tag(&mut self) -> Option<u8> {
        self.take().map(|[tag]| tag).filter(|tag| *tag != END)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn claims(changes: serde_json::Value) -> AccessClaims {
        let mut claims = json!({
            "iss": "", "sub": "c", "aud": "a", "client_id": "c", "iat": 1, "exp": 2, "log": 3,
            "jti": TokenId::new([1; 16]),
        });
        claims.as_object_mut().unwrap().extend(changes.as_object().cloned().unwrap());
        serde_json::from_value(claims).unwrap()
    }

    fn unpacked(packed: &[u8]) -> Option<AccessClaims> {
        unpack(packed, [1; NONCE_LENGTH]).map(|(_, claims)| claims)
    }

    #[test]
    fn every_claim_reads_back() {
        for changes in [
            json!({}),
            json!({"sub": "018f4d2e-0000-7000-8000-000000000000", "sid": Uuid::from_u128(9)}),
            json!({"sub": "018F4D2E-0000-7000-8000-000000000000"}),
            json!({"sub": "018f4d2e000070008000000000000000"}),
            json!({"sub": "auth0|5f7c", "sub_iss": "https://else.example"}),
            json!({"aud": []}),
            json!({"aud": ["a", "b", ""]}),
            json!({"scope": "read write"}),
            json!({"scope": ""}),
            json!({"iat": i64::MIN, "exp": i64::MAX, "nbf": -1, "log": i64::MAX}),
            json!({"act": {"sub": "x", "act": {"sub": "y"}}, "cnf": {"jkt": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"}}),
            json!({"sub": "u", "may_act": {"sub": "c"}, "exchanged_from": [
                {"jti": TokenId::new([2; 16]), "client_id": "d", "log": 4, "kid": "k"},
                {"jti": TokenId::new([3; 16]), "client_id": "c", "log": 5, "actor": "b", "sid": Uuid::from_u128(7)},
            ]}),
            json!({"tenant": "blue", "limits": [1, 2.5, {"a": null}], "name": "é\u{0}"}),
        ] {
            let claims = claims(changes);
            let mut packed = pack(&claims);
            assert_eq!(unpacked(&packed).as_ref(), Some(&claims));
            packed.extend([END; 5]);
            assert_eq!(unpacked(&packed), Some(claims), "padding does not matter");
        }
    }

    #[test]
    fn a_claim_that_is_not_known_here_is_not_ignored() {
        let mut packed = pack(&claims(json!({})));
        packed.extend([EXCHANGED_FROM + 1, 1, 7]);
        assert_eq!(unpacked(&packed), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), cut in 0usize..80) {
            let _ = unpacked(&bytes);
            let packed = pack(&claims(json!({"scope": "read", "sid": Uuid::from_u128(9)})));
            let _ = unpacked(&packed[..cut.min(packed.len())]);
        }
    }
}
