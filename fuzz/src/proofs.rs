//! DPoP proofs: what they say, and the addresses that they are about.

use jeton::protocol::dpop::{Fault, LARGEST_SKEW, LONGEST_AGE, ProofClaims, Target};
use jeton::protocol::time::Timestamp;
use serde_json::Value;

/// What to begin with: claims, a line break, and the address of the request.
pub const SEEDS: &[&str] = &[
    "{\"jti\":\"1\",\"htm\":\"POST\",\"htu\":\"https://a.example/t?x=1#y\",\"iat\":1800000000}\nhttps://a.example/t",
    "{\"jti\":\"1\",\"htm\":\"POST\",\"htu\":\"HTTP://A.EXAMPLE:80/%7Ea/../b\",\"iat\":1799999900.5}\nhttp://a.example/b",
    "{\"jti\":\"\",\"htm\":\"GET\",\"htu\":\"//a\",\"iat\":1e300}\nhttps://[::1]:8443/",
    "{\"htu\":\"https://user@a.example/%2e%2E/%\",\"ath\":\"x\",\"nonce\":\"y\"}\nhttps://a.example",
];

const NOW: i64 = 1_800_000_000;

/// What holds of any claims about any request.
pub fn dpop_proof(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (claims, address) = text.split_once('\n').unwrap_or((&text, "https://a.example/t"));
    let Ok(proof) = serde_json::from_str::<ProofClaims>(claims) else { return };
    let (now, method) = (Timestamp::from_seconds(NOW), "POST".to_owned());
    let check = |address: &str| {
        proof.check(&Target { method: method.clone(), address: address.to_owned(), alias: None }, None, now)
    };
    let verdict = check(address);
    match &verdict {
        Err(problem) => {
            assert!(!problem.description.is_empty() && problem.to_string().len() < 2000 + address.len(), "{problem}");
            assert!(!problem.to_string().contains('\n') || address.contains('\n'), "one line of the log: {problem:?}");
        }
        Ok(()) => {
            let claims: Value = serde_json::from_str(claims).expect("it was read before");
            assert!(claims["jti"].as_str().is_some_and(|id| !id.is_empty()) && claims["htm"] == method.as_str());
            let age = now.millis() - proof.made_at().millis();
            assert!((-LARGEST_SKEW * 1000..=LONGEST_AGE * 1000).contains(&age), "{age}");
            // The named address is good for itself, and no other host, scheme or path is.
            let named = claims["htu"].as_str().expect("it has one");
            assert_eq!(check(named), Ok(()), "an address equals itself");
            assert_eq!(check(&format!("{}?q#f", named.split(['?', '#']).next().unwrap_or_default())), Ok(()));
            let other = check("https://another.example/nowhere").map_err(|problem| problem.fault);
            let is_that = named.to_ascii_lowercase().contains("another.example");
            assert!(is_that || other == Err(Fault::WrongAddress), "{named}");
        }
    }
    assert_eq!(verdict, check(address), "the same each time");
}
