//! Forgeries made from a valid token and the published keys.

use aws_lc_rs::signature;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jeton::jose::algorithm::SigningAlgorithm;
use jeton::jose::signing::SigningKey;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use super::jose::{OWN_KEYS, changed, pem, sign, sign_hmac, signing_input, spki, verify};
use crate::support::{TestServer, jwt_part};

/// What it is, and the text.
pub(super) type Forged = Vec<(String, String)>;

/// A good token, taken apart.
pub(super) struct Forger {
    pub(super) good: String,
    header: Value,
    pub(super) claims: Value,
    signature: String,
    /// The published half of the key that signed it.
    jwk: Value,
}

impl Forger {
    pub(super) async fn of(app: &TestServer, good: &str) -> Self {
        let header = jwt_part(good, 0);
        let keys = app.published_keys().await;
        let jwk = keys.into_iter().find(|key| key["kid"] == header["kid"]).expect("the key is published");
        Self::new(good, jwk)
    }

    fn new(good: &str, jwk: Value) -> Self {
        let (header, claims) = (jwt_part(good, 0), jwt_part(good, 1));
        // Without changes, the forger writes exactly what the server wrote, so only the forged part makes a difference.
        assert_eq!(signing_input(&header, &claims), good.rsplit_once('.').unwrap().0);
        let signature = good.rsplit_once('.').unwrap().1.to_owned();
        Self { good: good.to_owned(), header, claims, signature, jwk }
    }

    fn header_with(&self, changes: Value) -> Value {
        changed(&self.header, changes)
    }

    /// Everything below.
    fn all(&self, address: &str) -> Forged {
        [
            self.unsigned(),
            self.hmac_with_the_public_key(),
            self.changed_claims(),
            self.without_signature(),
            self.own_key_embedded(address),
            self.strange_kids(),
            self.own_key_under_the_kid(),
            self.critical_headers(),
            self.zero_signatures(),
            self.other_spellings(),
            self.other_kinds(),
        ]
        .concat()
    }

    /// INT-020: `alg` none in every spelling, with and without a signature.
    pub(super) fn unsigned(&self) -> Forged {
        let mut forged = Forged::new();
        for alg in [json!("none"), json!("None"), json!("NONE"), json!("nOnE"), json!(""), Value::Null, json!([])] {
            for header in
                [self.header_with(json!({"alg": alg})), json!({"alg": alg}), json!({"typ": "JWT", "alg": alg})]
            {
                let input = signing_input(&header, &self.claims);
                for tail in ["".to_owned(), ".".to_owned(), format!(".{}", self.signature)] {
                    forged.push((format!("{header} and {tail:?}"), format!("{input}{tail}")));
                }
            }
        }
        forged
    }

    /// INT-021: HMAC, with the public key in every form as the secret.
    pub(super) fn hmac_with_the_public_key(&self) -> Forged {
        let der = spki(&self.jwk);
        let pem = pem(&der);
        let text = |name: &str| self.jwk[name].as_str().unwrap_or_default().to_owned();
        let raw = |name: &str| URL_SAFE_NO_PAD.decode(text(name)).unwrap();
        let secrets = [
            ("PEM", pem.clone().into_bytes()),
            ("PEM without its last newline", pem.trim_end().into()),
            ("PEM with CRLF", pem.replace('\n', "\r\n").into_bytes()),
            ("DER", der.clone()),
            ("DER in base64", STANDARD.encode(&der).into_bytes()),
            ("JWK", self.jwk.to_string().into_bytes()),
            ("JWK set", json!({"keys": [self.jwk]}).to_string().into_bytes()),
            ("modulus or x, text", [text("n"), text("x")].concat().into_bytes()),
            ("modulus or point", [raw("n"), raw("x"), raw("y")].concat()),
            ("uncompressed point", [vec![4], raw("n"), raw("x"), raw("y")].concat()),
            ("kid", text("kid").into_bytes()),
            ("nothing", vec![]),
        ];
        let mut forged = Forged::new();
        for (what, secret) in secrets {
            for alg in ["HS256", "HS384", "HS512"] {
                let header = self.header_with(json!({"alg": alg}));
                forged.push((format!("{alg} with {what}"), sign_hmac(alg, &secret, &header, &self.claims)));
            }
            // The server's own header, in case a verifier does not read it.
            forged.push((format!("same header, {what}"), sign_hmac("HS256", &secret, &self.header, &self.claims)));
        }
        forged
    }

    /// INT-022: a changed payload under the signature.
    pub(super) fn changed_claims(&self) -> Forged {
        let exp = self.claims["exp"].as_i64().unwrap() + 100_000;
        let changes = [
            json!({"scope": "read write jeton:admin jeton:clients"}),
            json!({"exp": exp}),
            json!({"exp": null}),
            json!({"sub": "root"}),
            json!({"aud": "https://else.example.test/"}),
            json!({"client_id": "else"}),
            json!({"iss": "https://else.example.test"}),
            json!({"jti": "AAAAAAAAAAAAAAAAAAAAAA"}),
            json!({"log": 1_000_000}),
            json!({"more": true}),
        ];
        changes
            .into_iter()
            .map(|change| {
                let input = signing_input(&self.header, &changed(&self.claims, change.clone()));
                (change.to_string(), format!("{input}.{}", self.signature))
            })
            .collect()
    }

    /// INT-023: the signature, or another part, is missing or cut.
    pub(super) fn without_signature(&self) -> Forged {
        let (input, signature) = self.good.rsplit_once('.').unwrap();
        let (header, payload) = input.split_once('.').unwrap();
        let half = &signature[..signature.len() / 4 * 2];
        let texts = [
            format!("{input}."),
            input.to_owned(),
            format!("{input}.AA"),
            format!("{input}.{half}"),
            format!("{input}.{signature}{signature}"),
            format!("{header}..{signature}"),
            format!(".{payload}.{signature}"),
            format!("{payload}.{signature}"),
            format!("..{signature}"),
            format!("{header}.."),
        ];
        named("cut", texts)
    }

    /// INT-024: a key in the token itself, or at an address that the token names.
    pub(super) fn own_key_embedded(&self, address: &str) -> Forged {
        let mut forged = Forged::new();
        for (algorithm, key) in &*OWN_KEYS {
            let own = serde_json::to_value(key.public_jwk("own")).unwrap();
            let place = format!("http://{address}/keys");
            let sources = [
                json!({"jwk": own}),
                json!({"x5c": [STANDARD.encode(spki(&own))]}),
                json!({"jku": place}),
                json!({"x5u": place}),
                json!({"kid": place}),
                json!({"iss": format!("http://{address}")}),
            ];
            for source in sources {
                for kid in [json!("own"), self.header["kid"].clone(), Value::Null] {
                    let header = self.header_with(json!({"alg": algorithm.name(), "kid": kid}));
                    let header = changed(&header, source.clone());
                    forged.push((header.to_string(), sign(key, &header, &self.claims)));
                }
            }
        }
        forged
    }

    /// INT-025: `kid` as a path, as SQL, of another type, very long, missing.
    pub(super) fn strange_kids(&self) -> Forged {
        let kids = [
            json!("../../../../dev/null"),
            json!("/dev/null"),
            json!("' OR 1=1--"),
            json!("' UNION SELECT 'AA'--"),
            json!(""),
            json!("\u{0}"),
            json!([self.header["kid"]]),
            json!({"kid": self.header["kid"]}),
            json!(7),
            json!(true),
            json!("x".repeat(10_000)),
            Value::Null,
        ];
        let mut forged = Forged::new();
        for kid in kids {
            let what = kid.to_string().chars().take(40).collect::<String>();
            for alg in ["HS256", "ES256"] {
                let header = self.header_with(json!({"kid": kid, "alg": alg}));
                forged.push((format!("{what} {alg} empty key"), sign_hmac("HS256", b"", &header, &self.claims)));
            }
            for (algorithm, key) in &*OWN_KEYS {
                let header = self.header_with(json!({"kid": kid, "alg": algorithm.name()}));
                forged.push((format!("{what} {algorithm}"), sign(key, &header, &self.claims)));
            }
            let input = signing_input(&self.header_with(json!({"kid": kid})), &self.claims);
            forged.push((format!("{what} grafted"), format!("{input}.{}", self.signature)));
        }
        forged
    }

    /// INT-026: the server's `kid`, and a key of the forger's own.
    pub(super) fn own_key_under_the_kid(&self) -> Forged {
        let mut forged = Forged::new();
        for (algorithm, key) in &*OWN_KEYS {
            let header = self.header_with(json!({"alg": algorithm.name()}));
            forged.push((algorithm.to_string(), sign(key, &header, &self.claims)));
            forged.push((format!("same header, {algorithm}"), sign(key, &self.header, &self.claims)));
        }
        forged
    }

    /// INT-027: unknown critical headers, self-signed and grafted.
    pub(super) fn critical_headers(&self) -> Forged {
        let mut forged = Forged::new();
        for change in critical() {
            let header = self.header_with(change.clone());
            let grafted = format!("{}.{}", signing_input(&header, &self.claims), self.signature);
            forged.push((format!("grafted {change}"), grafted));
            for (algorithm, key) in &*OWN_KEYS {
                let header = changed(&header, json!({"alg": algorithm.name()}));
                forged.push((format!("{algorithm} {change}"), sign(key, &header, &self.claims)));
            }
        }
        forged
    }

    /// INT-028: signatures that need no key where a verifier forgets to check their range.
    pub(super) fn zero_signatures(&self) -> Forged {
        const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
        let order: Vec<u8> = (0..64).step_by(2).map(|at| u8::from_str_radix(&ORDER[at..at + 2], 16).unwrap()).collect();
        let one = [vec![0; 31], vec![1]].concat();
        let signatures = [
            ("r = s = 0", vec![0; 64]),
            ("r = s = 1", [one.clone(), one].concat()),
            ("r = s = order", [order.clone(), order].concat()),
            ("DER, r = s = 0", vec![0x30, 6, 2, 1, 0, 2, 1, 0]),
            ("neutral point", [vec![1], vec![0; 63]].concat()),
            ("96 zeros", vec![0; 96]),
            ("256 zeros", vec![0; 256]),
            ("256 bytes, one", [vec![0; 255], vec![1]].concat()),
            ("nothing", vec![]),
        ];
        let mut forged = Forged::new();
        for (what, signature) in signatures {
            let signature = URL_SAFE_NO_PAD.encode(signature);
            for alg in ["ES256", "ES384", "EdDSA", "RS256", "PS256"] {
                let input = signing_input(&self.header_with(json!({"alg": alg})), &self.claims);
                forged.push((format!("{alg} {what}"), format!("{input}.{signature}")));
            }
        }
        forged
    }

    /// INT-029: the same token in another spelling.
    pub(super) fn other_spellings(&self) -> Forged {
        let good = &self.good;
        let parts: Vec<&str> = good.split('.').collect();
        let [header, payload, signature] = parts[..] else { panic!("three parts") };
        let mut texts = vec![
            format!("{good}="),
            format!("{good}=="),
            format!("{good}\n"),
            format!("{good}\r\n"),
            format!("{good} "),
            format!(" {good}"),
            format!("{good}\0"),
            format!("{good}."),
            format!("{good}.x"),
            format!(".{good}"),
            format!("{header}=.{payload}.{signature}"),
            format!("{header}.{payload}=.{signature}"),
            format!("{header}. {payload}.{signature}"),
            format!("{header}.{payload}.{signature}!"),
            good.replacen('.', "%2E", 1),
            good.to_ascii_uppercase(),
            json!({"protected": header, "payload": payload, "signature": signature}).to_string(),
            json!({"payload": payload, "signatures": [{"protected": header, "signature": signature}]}).to_string(),
            format!("\"{good}\""),
            format!("Bearer {good}"),
        ];
        if good.contains(['-', '_']) {
            texts.push(good.replace('-', "+").replace('_', "/"));
        }
        // Unused bits of the last character.
        for at in 0..3 {
            if let Some(other) = with_unused_bits(parts[at]) {
                let mut parts = parts.clone();
                parts[at] = &other;
                texts.push(parts.join("."));
            }
        }
        named("spelling", texts)
    }

    /// JWT-112: other kinds of JWT that a client could have signed itself.
    pub(super) fn other_kinds(&self) -> Forged {
        let mut forged = Forged::new();
        for (algorithm, key) in &*OWN_KEYS {
            let own = serde_json::to_value(key.public_jwk("own")).unwrap();
            let client_id = &self.claims["client_id"];
            let assertion =
                changed(&self.claims, json!({"iss": client_id, "sub": client_id, "aud": self.claims["iss"]}));
            let header = json!({"alg": algorithm.name(), "typ": "JWT", "kid": "own"});
            forged.push((format!("{algorithm} client assertion"), sign(key, &header, &assertion)));
            let header = json!({"alg": algorithm.name(), "typ": "dpop+jwt", "jwk": own});
            let proof =
                json!({"jti": "1", "htm": "GET", "htu": "https://auth.example.com/", "iat": self.claims["iat"]});
            forged.push((format!("{algorithm} DPoP proof"), sign(key, &header, &proof)));
            let header = json!({"alg": algorithm.name(), "typ": "token-introspection+jwt", "kid": self.header["kid"]});
            let introspection = json!({"iss": self.claims["iss"], "token_introspection": self.claims});
            forged.push((format!("{algorithm} introspection"), sign(key, &header, &introspection)));
        }
        forged
    }
}

/// JWTs that the server would never write, signed with its own key, which is taken from memory: no forger could do
/// that.
pub(crate) fn signed_by_the_server(app: &TestServer, good: &str, header: Value, claims: Value) -> String {
    let keys = app.server.app.issuer.keys();
    let key = &keys.ring.access_token_key(SigningAlgorithm::Es256, app.clock.now()).expect("there is a key").key;
    sign(key, &changed(&jwt_part(good, 0), header), &changed(&jwt_part(good, 1), claims))
}

/// INT-027: header members that a verifier must understand.
pub(super) fn critical() -> [Value; 5] {
    [
        json!({"crit": ["x"], "x": 1}),
        json!({"crit": ["exp"], "exp": 1}),
        json!({"crit": []}),
        json!({"crit": ["b64"], "b64": false}),
        json!({"b64": false}),
    ]
}

fn named(what: &str, texts: impl IntoIterator<Item = String>) -> Forged {
    texts.into_iter().enumerate().map(|(index, text)| (format!("{what} {index}"), text)).collect()
}

/// The segment with its last character changed in bits that a lax decoder throws away, if there are such.
fn with_unused_bits(segment: &str) -> Option<String> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    if segment.len().is_multiple_of(4) {
        return None;
    }
    let (rest, last) = segment.split_at(segment.len() - 1);
    let value = ALPHABET.iter().position(|letter| *letter == last.as_bytes()[0])?;
    Some(format!("{rest}{}", char::from(ALPHABET[value ^ 1])))
}

/// Forgeries prove something only if they are as well made as valid tokens.
#[test]
fn the_forger_can_sign_tokens_that_verify() {
    for (algorithm, key) in &*OWN_KEYS {
        let jwk = serde_json::to_value(key.public_jwk("own")).unwrap();
        let header = json!({"typ": "at+jwt", "alg": algorithm.name(), "kid": "own"});
        let claims = json!({"iss": "i", "client_id": "c", "iat": 1, "exp": 2});
        let good = sign(key, &header, &claims);
        assert!(verify(&good, &jwk).is_ok(), "{algorithm}");
        let (input, signature) = good.rsplit_once('.').unwrap();
        let method: &dyn signature::VerificationAlgorithm = match algorithm {
            SigningAlgorithm::Es256 => &signature::ECDSA_P256_SHA256_FIXED,
            SigningAlgorithm::EdDsa => &signature::ED25519,
            SigningAlgorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            SigningAlgorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        };
        let public = signature::UnparsedPublicKey::new(method, spki(&jwk));
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(public.verify(input.as_bytes(), &signature).is_ok(), "{algorithm}: the DER is right");
        let server = SigningKey::parse(*algorithm, &SigningKey::generate(*algorithm)).unwrap();
        let published = serde_json::to_value(server.public_jwk("own")).unwrap();
        let good = sign(&server, &header, &claims);
        assert!(verify(&good, &published).is_ok(), "{algorithm}");
        for (what, forged) in Forger::new(&good, published.clone()).all("127.0.0.1:1") {
            assert!(verify(&forged, &published).is_err(), "{what}: no forgery is a good token by accident");
        }
    }
    let signed = sign_hmac("HS256", b"secret", &json!({"alg": "HS256"}), &json!({}));
    let mut rules = Validation::new(Algorithm::HS256);
    rules.required_spec_claims.clear();
    assert!(jsonwebtoken::decode::<Value>(&signed, &DecodingKey::from_secret(b"secret"), &rules).is_ok());
}
