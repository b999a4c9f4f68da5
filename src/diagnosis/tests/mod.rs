//! The keys of a server, a token of each form, and the diagnosis of a text.

mod damage;
mod kind;
mod signature;
mod work;

use std::sync::LazyLock;

use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::crypto::base64url;
use crate::jose::algorithm::SigningAlgorithm;
use crate::keys::keyring::KeyRing;
use crate::keys::master::MasterKey;
use crate::keys::record::{KeyRecord, KeyUse};
use crate::protocol::cause::Cause;
use crate::protocol::claims::AccessClaims;
use crate::protocol::client::AccessTokenTyp;
use crate::protocol::time::Timestamp;
use crate::protocol::token_id::TokenId;
use crate::tokens::context::TokenContext;
use crate::tokens::environment::{Environment, KnownIssuer};
use crate::tokens::refresh::RefreshToken;
use crate::tokens::verify::verify;
use crate::tokens::{jwt, opaque};

const ISSUER: &str = "https://auth.example";

struct Server {
    ring: KeyRing,
    jwt: String,
    opaque: String,
    refresh: String,
}

fn environment(name: &str) -> Environment {
    name.parse().unwrap()
}

fn claims(issuer: &str) -> AccessClaims {
    serde_json::from_value(json!({
        "iss": issuer, "sub": "c", "aud": "https://api.example", "client_id": "c", "scope": "read",
        "iat": 1, "exp": 2, "jti": TokenId::new([1; 16]), "log": 3,
    }))
    .unwrap()
}

fn ring() -> KeyRing {
    let master = MasterKey::parse(&MasterKey::generate()).unwrap();
    let start = Timestamp::from_seconds(0);
    let records = [KeyUse::Signing, KeyUse::Token]
        .map(|key_use| KeyRecord::generate(key_use, SigningAlgorithm::Es256, &master, start, start));
    KeyRing::open(&records, &master.into()).unwrap()
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let ring = ring();
    let now = Timestamp::from_seconds(1);
    let (signing, token) = (
        ring.access_token_key(SigningAlgorithm::Es256, now).unwrap().clone(),
        ring.active_token_key(now).unwrap().clone(),
    );
    Server {
        jwt: jwt::write(&claims(ISSUER), AccessTokenTyp::AtJwt, &signing),
        opaque: opaque::write(&claims(ISSUER), &environment("live"), &token),
        refresh: RefreshToken::first(Uuid::from_u128(9)).write(&environment("live"), &token),
        ring,
    }
});

static LIVE: LazyLock<Environment> = LazyLock::new(|| environment("live"));
static SIBLINGS: LazyLock<[KnownIssuer; 1]> =
    LazyLock::new(|| [KnownIssuer { environment: environment("staging"), issuer: "https://staging.example".into() }]);

fn here(ring: &KeyRing) -> TokenContext<'_> {
    TokenContext { issuer: ISSUER, environment: &LIVE, siblings: &*SIBLINGS, ring }
}

fn read_with(text: &str, ring: &KeyRing, max_repair_checks: usize) -> Diagnosis {
    examine(text, verify(text, here(ring)), here(ring), max_repair_checks)
}

fn read(text: &str) -> Diagnosis {
    read_with(text, &SERVER.ring, MAX_REPAIR_CHECKS)
}

fn causes(text: &str) -> Vec<Cause> {
    read(text).findings.iter().map(|finding| finding.cause).collect()
}

fn object(value: &Value) -> String {
    base64url(value.to_string())
}

#[test]
fn a_valid_token_has_no_findings() {
    assert_eq!(causes(&SERVER.jwt), []);
    assert_eq!(causes(&SERVER.opaque), []);
    assert_eq!(read(&SERVER.refresh).accepting_refresh_tokens().cause(), None);
}
