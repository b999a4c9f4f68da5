//! DPoP proofs (RFC 9449 §4): what a proof says, and the rules for that. Who signed one is judged elsewhere.

use std::fmt;

use serde::Deserialize;
use serde_json::Number;
use url::Url;

use crate::protocol::assertion::{moment, seconds};
use crate::protocol::names::names;
use crate::protocol::time::Timestamp;

/// The `typ` of a proof.
pub const TYPE: &str = "dpop+jwt";
/// The algorithms by which proofs are signed, as challenges list them.
pub const ALGORITHMS: &str = "ES256 EdDSA Ed25519 RS256 PS256";
/// How many seconds ago a proof may have been made.
pub const LONGEST_AGE: i64 = 120;
/// How many seconds the clock of a client may be ahead of ours.
pub const LARGEST_SKEW: i64 = 60;
/// Seconds after its use by which no proof can be used any more.
pub const REMEMBERED_FOR: i64 = LONGEST_AGE + LARGEST_SKEW + 5;
/// The longest `jti`, in bytes.
const LONGEST_ID: usize = 1024;

names! {
    /// What is wrong with a proof, as the log and the metrics name it.
    Fault {
        /// There is more than one.
        Several "proof_several",
        /// It is no signed JWT, or its claims do not have the right types.
        Malformed "proof_malformed",
        /// It is a JWT of another type.
        WrongType "proof_wrong_type",
        /// Its `alg` is none by which proofs are signed here.
        AlgorithmNotAllowed "proof_algorithm_not_allowed",
        /// It has no public key, or one that is not accepted.
        BadKey "proof_bad_key",
        /// Its signature was not made with its key.
        BadSignature "proof_bad_signature",
        /// A claim is missing.
        MissingClaim "proof_missing_claim",
        /// It is about a request with another method.
        WrongMethod "proof_wrong_method",
        /// It is about a request to another address.
        WrongAddress "proof_wrong_address",
        /// It was made too long ago.
        TooOld "proof_too_old",
        /// It was made in the future.
        InFuture "proof_in_future",
        /// It is about another access token.
        WrongToken "proof_wrong_token",
        /// Its nonce is missing though one is required, or is not one of this server, or is too old.
        WrongNonce "proof_wrong_nonce",
        /// It was used before.
        UsedBefore "proof_used_before",
    }
}

/// What is wrong with a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub fault: Fault,
    /// How exactly, in a sentence for its sender: of what was sent it repeats numbers only.
    pub description: String,
    /// What else the log says, such as what was sent.
    pub sent: Option<String>,
}

impl Problem {
    /// A problem.
    pub fn new(fault: Fault, description: impl Into<String>) -> Self {
        Self { fault, description: description.into(), sent: None }
    }

    fn with(self, sent: &str) -> Self {
        let shown: String = sent.chars().take(200).collect();
        Self { sent: Some(format!("{shown:?}")), ..self }
    }
}

impl fmt::Display for Problem {
    /// For the log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.description)?;
        match &self.sent {
            Some(sent) => write!(formatter, " It was {sent}."),
            None => Ok(()),
        }
    }
}

/// The request that a proof must be about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its method.
    pub method: String,
    /// Its address; a query does not matter.
    pub address: String,
    /// Another address of the same, if it has one (`mtls_endpoint_aliases`, RFC 8705 §5).
    pub alias: Option<String>,
}

/// What a proof says (RFC 9449 §4.2).
#[derive(Clone, Debug, Deserialize)]
pub struct ProofClaims {
    jti: Option<String>,
    htm: Option<String>,
    htu: Option<String>,
    iat: Option<Number>,
    ath: Option<String>,
    nonce: Option<String>,
}

impl ProofClaims {
    /// Its `jti`.
    pub fn id(&self) -> &str {
        self.jti.as_deref().unwrap_or_default()
    }

    /// The nonce, if it has one.
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    /// Checks what the proof is about and when it was made; `token_hash` is that of the access token beside it, in base64url, if
    /// there has to be one.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(&self, target: &Target, token_hash: Option<&str>, now: Timestamp) -> Result<(), Problem> {
        self.check_id()?;
        self.check_target(target)?;
        self.check_time(now)?;
        match (token_hash, self.ath.as_deref()) {
            (None, _) => Ok(()),
            (Some(expected), Some(hash)) if hash == expected => Ok(()),
            (Some(_), Some(_)) => {
                let text = "The ath of the proof is not the hash of this access token.";
                Err(Problem::new(Fault::WrongToken, text))
            }
            (Some(_), None) => Err(missing("ath")),
        }
    }

    fn check_id(&self) -> Result<(), Problem> {
        match self.id().len() {
            1..=LONGEST_ID => Ok(()),
            0 => Err(missing("jti")),
            _ => Err(Problem::new(Fault::Malformed, "The jti of the proof has more than 1024 bytes.")),
        }
    }

    fn check_target(&self, target: &Target) -> Result<(), Problem> {
        let Some(method) = self.htm.as_deref() else { return Err(missing("htm")) };
        if method != target.method {
            let text = format!("The htm of the proof is not {}, the method of the request.", target.method);
            return Err(Problem::new(Fault::WrongMethod, text).with(method));
        }
        let Some(htu) = self.htu.as_deref() else { return Err(missing("htu")) };
        let wrong = |text: String| Err(Problem::new(Fault::WrongAddress, text).with(htu));
        let Some(expected) = Address::parse(&target.address) else {
            return wrong("The address of the request is not known.".into());
        };
        // Usually they are the same text.
        if htu == target.address {
            return Ok(());
        }
        let Some(named) = Address::parse(htu) else {
            return wrong("The htu of the proof is not an http or https address.".into());
        };
        let Some(part) = named.differs_in(&expected) else { return Ok(()) };
        let alias = target.alias.as_deref().and_then(Address::parse);
        if alias.is_some_and(|alias| named.differs_in(&alias).is_none()) {
            return Ok(());
        }
        wrong(format!("The htu of the proof has another {part} than {}, the address of the request.", target.address))
    }

    fn check_time(&self, now: Timestamp) -> Result<(), Problem> {
        let Some(iat) = self.iat.as_ref().map(moment) else { return Err(missing("iat")) };
        let age = now.millis().saturating_sub(iat.millis());
        if age > LONGEST_AGE * 1000 {
            let text = format!(
                "The iat of the proof is {} behind the time of this server, more than {LONGEST_AGE} s: make a proof for each \
                 request, and check the clock of the client.",
                seconds(age)
            );
            return Err(Problem::new(Fault::TooOld, text));
        }
        if age < -LARGEST_SKEW * 1000 {
            let text = format!(
                "The iat of the proof is {} ahead of the time of this server, more than {LARGEST_SKEW} s: check the clock of the \
                 client.",
                seconds(age.saturating_neg())
            );
            return Err(Problem::new(Fault::InFuture, text));
        }
        Ok(())
    }

    /// When it was made.
    pub fn made_at(&self) -> Timestamp {
        self.iat.as_ref().map_or(Timestamp::from_millis(i64::MIN), moment)
    }
}

fn missing(claim: &str) -> Problem {
    Problem::new(Fault::MissingClaim, format!("The proof has no {claim}."))
}

/// An address without its query and fragment, so that two spellings of one are equal (RFC 9449 §4.3, RFC 3986 §6.2.2 and §6.2.3).
struct Address {
    scheme: String,
    host: String,
    port: Option<u16>,
    path: String,
}

impl Address {
    fn parse(text: &str) -> Option<Self> {
        // What is not an address as it stands would be taken for one by browsers.
        if !text.bytes().all(|byte| (0x21..=0x7E).contains(&byte) && byte != b'\\') {
            return None;
        }
        let url = Url::parse(text).ok()?;
        let is_plain =
            matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
        is_plain.then_some(())?;
        Some(Self {
            scheme: url.scheme().to_owned(),
            host: url.host_str()?.to_owned(),
            port: url.port_or_known_default(),
            path: with_one_spelling(url.path()),
        })
    }

    /// The first part in which it differs from another.
    fn differs_in(&self, other: &Self) -> Option<&'static str> {
        let parts = [
            ("scheme", self.scheme == other.scheme),
            ("host", self.host == other.host),
            ("port", self.port == other.port),
            ("path", self.path == other.path),
        ];
        parts.into_iter().find(|(_, is_same)| !is_same).map(|(part, _)| part)
    }
}

/// A path in which nothing is encoded that need not be, and the rest in upper case.
fn with_one_spelling(path: &str) -> String {
    let mut written = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        written.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 3).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                written.push(char::from(byte));
                rest = &rest[at + 3..];
            }
            Some(byte) => {
                written.push_str(&format!("%{byte:02X}"));
                rest = &rest[at + 3..];
            }
            None => {
                written.push('%');
                rest = &rest[at + 1..];
            }
        }
    }
    written + rest
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: i64 = 1_800_000_000;
    const HASH: &str = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo";

    fn target(address: &str) -> Target {
        Target { method: "POST".into(), address: address.into(), alias: None }
    }

    /// A good proof with members replaced or, by null, removed.
    fn problem(changes: Value) -> Option<Problem> {
        let mut claims =
            json!({"jti": "1", "htm": "POST", "htu": "https://auth.example/auth/token", "iat": NOW, "ath": HASH});
        let members = claims.as_object_mut().unwrap();
        members.extend(changes.as_object().cloned().unwrap());
        members.retain(|_, value| !value.is_null());
        let claims: ProofClaims = serde_json::from_value(claims).unwrap();
        let now = Timestamp::from_seconds(NOW);
        claims.check(&target("https://auth.example/auth/token"), Some(HASH), now).err()
    }

    #[test]
    fn a_good_proof_breaks_no_rule() {
        for changes in [
            json!({}),
            json!({"iat": NOW - 120}),
            json!({"iat": NOW + 60}),
            json!({"iat": NOW as f64 + 0.5}),
            json!({"jti": "x".repeat(1024)}),
            json!({"nonce": "any", "more": {}}),
        ] {
            assert_eq!(problem(changes.clone()), None, "{changes}");
        }
    }

    #[test]
    fn dpo_003_each_rule_for_claims_refuses_what_breaks_it() {
        for (changes, expected) in [
            (json!({"jti": null}), Fault::MissingClaim),
            (json!({"jti": ""}), Fault::MissingClaim),
            (json!({"jti": "x".repeat(1025)}), Fault::Malformed),
            (json!({"htm": null}), Fault::MissingClaim),
            (json!({"htm": "GET"}), Fault::WrongMethod),
            (json!({"htm": "post"}), Fault::WrongMethod),
            (json!({"htu": null}), Fault::MissingClaim),
            (json!({"htu": "/auth/token"}), Fault::WrongAddress),
            (json!({"htu": "https://auth.example/auth/par"}), Fault::WrongAddress),
            (json!({"iat": null}), Fault::MissingClaim),
            (json!({"iat": NOW - 121}), Fault::TooOld),
            (json!({"iat": NOW - 3600}), Fault::TooOld),
            (json!({"iat": -1e300}), Fault::TooOld),
            (json!({"iat": i64::MIN}), Fault::TooOld),
            (json!({"iat": NOW + 61}), Fault::InFuture),
            (json!({"iat": NOW + 3600}), Fault::InFuture),
            (json!({"iat": 1e300}), Fault::InFuture),
            (json!({"iat": u64::MAX}), Fault::InFuture),
            (json!({"ath": null}), Fault::MissingClaim),
            (json!({"ath": format!("{HASH}=")}), Fault::WrongToken),
            (json!({"ath": HASH.to_lowercase()}), Fault::WrongToken),
        ] {
            assert_eq!(problem(changes.clone()).map(|problem| problem.fault), Some(expected), "{changes}");
        }
    }

    #[test]
    fn a_problem_says_by_how_much_the_clock_is_off_and_which_part_of_the_address_differs() {
        let said = |changes: Value| problem(changes).unwrap().description;
        assert!(said(json!({"iat": NOW - 300})).contains("is 300.000 s behind"));
        assert!(said(json!({"iat": NOW + 90})).contains("is 90.000 s ahead"));
        for (htu, part) in [
            ("http://auth.example/auth/token", "scheme"),
            ("https://other.example/auth/token", "host"),
            ("https://auth.example:8443/auth/token", "port"),
            ("https://auth.example/auth/token/", "path"),
        ] {
            let problem = problem(json!({"htu": htu})).unwrap();
            assert!(problem.description.contains(&format!("another {part} than")), "{problem}");
            assert!(!problem.description.contains(htu), "what was sent is for the log: {problem}");
            assert!(problem.to_string().contains(htu), "{problem}");
        }
        let long = problem(json!({"htm": format!("x\n{}", "y".repeat(10_000))})).unwrap().to_string();
        assert!(long.len() < 500 && !long.contains('\n'), "{long}");
    }

    #[test]
    fn a_proof_may_name_the_alias_of_an_endpoint() {
        let claims =
            json!({"jti": "1", "htm": "POST", "htu": "https://mtls.auth.example:443/auth/token?x", "iat": NOW});
        let claims: ProofClaims = serde_json::from_value(claims).unwrap();
        let check = |alias: Option<&str>| {
            let target = Target { alias: alias.map(str::to_owned), ..target("https://auth.example/auth/token") };
            claims.check(&target, None, Timestamp::from_seconds(NOW)).map_err(|problem| problem.fault)
        };
        assert_eq!(check(Some("https://mtls.auth.example/auth/token")), Ok(()));
        for other in [None, Some("https://mtls.auth.example/auth/par"), Some("http://mtls.auth.example/auth/token")] {
            assert_eq!(check(other), Err(Fault::WrongAddress), "{other:?}");
        }
    }

    #[test]
    fn dpo_005_addresses_compare_without_query_and_fragment_after_normalisation() {
        let same = |one: &str, other: &str| match (Address::parse(one), Address::parse(other)) {
            (Some(one), Some(other)) => one.differs_in(&other).is_none(),
            _ => false,
        };
        for (one, other) in [
            ("https://a.example/t", "https://a.example/t?x=1#y"),
            ("http://a.example/t", "HTTP://A.EXAMPLE:80/t"),
            ("https://a.example", "https://a.example:443/"),
            ("https://a.example/a/t", "https://a.example/x/../a/./t"),
            ("https://a.example/~a%2Fb", "https://a.example/%7ea%2fb"),
            ("http://[::1]:8080/t", "http://[0:0::1]:8080/t"),
        ] {
            assert!(same(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("https://a.example/t", "https://a.example/T"),
            ("https://a.example/a/b", "https://a.example/a%2Fb"),
            ("https://a.example/t", "https://a.example/t/"),
            ("https://a.example/t", "https://user@a.example/t"),
            ("https://a.example/t", "https:\\\\a.example\\t"),
            ("https://a.example/t", " https://a.example/t"),
            ("https://a.example/t", "https://a.example/t\n"),
            ("https://a.example/t", "https://a.example.evil.example/t"),
            ("https://a.example/t", "ftp://a.example/t"),
            ("https://a.example/t", ""),
        ] {
            assert!(!same(one, other), "{one} {other:?}");
        }
    }

    #[test]
    fn claims_of_another_type_are_not_read() {
        for text in [
            r#"{"iat":"1800000060"}"#,
            r#"{"htm":1}"#,
            r#"{"htu":["https://a.example"]}"#,
            r#"{"jti":7}"#,
            r#"{"jti":"a","jti":"b"}"#,
            r#"{"ath":{}}"#,
            r#"{"nonce":1}"#,
        ] {
            assert!(serde_json::from_str::<ProofClaims>(text).is_err(), "{text}");
        }
    }
}
