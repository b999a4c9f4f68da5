//! A server's keys and good tokens of every kind, made once: what is forged is forged from these.

use std::collections::HashMap;
use std::sync::LazyLock;

use jeton::jose::algorithm::SigningAlgorithm;
use jeton::keys::keyring::KeyRing;
use jeton::keys::master::{MasterKey, MasterKeys};
use jeton::keys::record::{KeyRecord, KeyUse};
use jeton::protocol::claims::{AccessClaims, Audience};
use jeton::protocol::client::AccessTokenTyp;
use jeton::protocol::scope::Scope;
use jeton::protocol::time::Timestamp;
use jeton::protocol::token_id::TokenId;
use jeton::tokens::context::TokenContext;
use jeton::tokens::environment::{Environment, KnownIssuer};
use jeton::tokens::refresh::RefreshToken;
use jeton::tokens::{jwt, opaque};
use serde_json::json;
use uuid::Uuid;

/// The issuer of every good token.
pub const ISSUER: &str = "https://auth.example.com";
/// The moment at which keys are used.
pub const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// Something that was issued.
pub struct Issued {
    /// The text.
    pub text: String,
    /// Characters of it that no answer may repeat.
    pub secret: String,
}

/// A server.
pub struct House {
    /// Its keys, one of each algorithm and a token key.
    pub ring: KeyRing,
    /// Only the key of one algorithm, each.
    pub one_algorithm: Vec<KeyRing>,
    environment: Environment,
    siblings: Vec<KnownIssuer>,
    /// The claims of the good access tokens.
    pub claims: AccessClaims,
    /// What a good refresh token says.
    pub session: RefreshToken,
    /// Good JWTs, one of each algorithm.
    pub jwts: Vec<Issued>,
    /// A good opaque token.
    pub opaque: Issued,
    /// A good refresh token.
    pub refresh: Issued,
    /// What is no good here: of a sister, of a stranger, of a withdrawn key, of another issuer; a client secret.
    pub others: Vec<Issued>,
}

/// The one server.
pub static HOUSE: LazyLock<House> = LazyLock::new(House::build);

fn issued(text: String) -> Issued {
    let secret = text[text.len() - 40..].to_owned();
    Issued { text, secret }
}

/// An environment's name.
fn environment(name: &str) -> Environment {
    name.parse().expect("a legal name")
}

/// Claims with this issuer and these additional claims.
pub fn claims(issuer: &str) -> AccessClaims {
    AccessClaims {
        iss: issuer.to_owned(),
        sub: Uuid::from_u128(7).to_string(),
        sub_iss: None,
        act: None,
        may_act: None,
        cnf: None,
        aud: Audience::One("https://api.example.com".to_owned()),
        client_id: "app".to_owned(),
        scope: Scope::parse("read write").ok(),
        iat: 1_799_999_900,
        exp: 1_800_000_800,
        nbf: None,
        jti: TokenId::new([8; 16]),
        sid: Some(Uuid::from_u128(9)),
        log: 17,
        exchanged_from: Vec::new(),
        extra: json!({"tenant": "blue"}).as_object().cloned().unwrap_or_default(),
    }
}

impl House {
    fn build() -> Self {
        let master = MasterKey::parse(&MasterKey::generate()).expect("a master key");
        let start = Timestamp::from_seconds(0);
        let record = |key_use, algorithm| KeyRecord::generate(key_use, algorithm, &master, start, start);
        let signing = SigningAlgorithm::OF_ACCESS_TOKENS.map(|algorithm| record(KeyUse::Signing, algorithm));
        let token = record(KeyUse::Token, SigningAlgorithm::Es256);
        let withdrawn = record(KeyUse::Signing, SigningAlgorithm::Es256);
        let strange =
            [record(KeyUse::Signing, SigningAlgorithm::Es256), record(KeyUse::Token, SigningAlgorithm::Es256)];
        let masters = MasterKeys::from(master);
        let open = |records: &[KeyRecord]| KeyRing::open(records, &masters).expect("keys open");
        let one_algorithm: Vec<KeyRing> = signing.iter().map(|key| open(std::slice::from_ref(key))).collect();
        let all: Vec<KeyRecord> = signing.iter().cloned().chain([token]).collect();
        let ring = open(&all).with_retired(HashMap::from([(withdrawn.kid.clone(), start)]));
        let (withdrawn, strange) = (open(&[withdrawn]), open(&strange));
        let live = environment("live");
        let good = claims(ISSUER);
        let sign_as = |typ: AccessTokenTyp, claims: &AccessClaims, ring: &KeyRing| {
            let key = ring.access_token_key(SigningAlgorithm::Es256, NOW).expect("there is a key");
            issued(jwt::write(claims, typ, key))
        };
        let sign = |claims: &AccessClaims, ring: &KeyRing| sign_as(AccessTokenTyp::AtJwt, claims, ring);
        let of_each_typ =
            |typ: &AccessTokenTyp| one_algorithm.iter().map(|ring| sign_as(*typ, &good, ring)).collect::<Vec<_>>();
        let token_key = ring.active_token_key(NOW).expect("there is a key");
        let strange_key = strange.active_token_key(NOW).expect("there is a key");
        let session = RefreshToken::first(Uuid::from_u128(9));
        let staging = "https://staging.example.com";
        let others = vec![
            sign(&claims(staging), &strange),
            sign(&claims("https://else.example"), &strange),
            sign(&good, &strange),
            sign(&good, &withdrawn),
            sign(&claims(staging), &one_algorithm[0]),
            issued(opaque::write(&good, &environment("staging"), strange_key)),
            issued(opaque::write(&good, &live, strange_key)),
            issued(opaque::write(&claims(staging), &live, token_key)),
            issued(session.write(&environment("other"), strange_key)),
            issued(session.write(&live, strange_key)),
            issued(live.generate_client_secret()),
        ];
        Self {
            jwts: AccessTokenTyp::ALL.iter().flat_map(of_each_typ).collect(),
            opaque: issued(opaque::write(&good, &live, token_key)),
            refresh: issued(session.write(&live, token_key)),
            siblings: vec![KnownIssuer { environment: environment("staging"), issuer: staging.to_owned() }],
            environment: live,
            claims: good,
            others,
            one_algorithm,
            session,
            ring,
        }
    }

    /// What is known when a token is read.
    pub fn origin(&self) -> TokenContext<'_> {
        TokenContext { issuer: ISSUER, environment: &self.environment, siblings: &self.siblings, ring: &self.ring }
    }

    /// Everything that was ever issued, good or not.
    pub fn everything(&self) -> Vec<&Issued> {
        self.jwts.iter().chain([&self.opaque, &self.refresh]).chain(&self.others).collect()
    }
}
