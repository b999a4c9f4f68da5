//! Signatures that are almost right, made with the server's own key, which no forger has: they are refused for their
//! form alone. Each table has a correct signature made in the same way, so that the refusals mean something.

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jeton::jose::algorithm::SigningAlgorithm;
use jeton::keys::keyring::KeyRing;
use jeton::keys::master::MasterKey;
use jeton::keys::record::{KeyRecord, KeyUse};
use jeton::protocol::client::AccessTokenTyp;
use jeton::protocol::time::Timestamp;
use jeton::tokens::context::TokenContext;
use jeton::tokens::environment::Environment;
use jeton::tokens::verify::verify;
use num_bigint::BigUint;
use serde_json::{Value, json};

use super::numbers::{
    Ed25519, P256_ORDER, P256_PRIME, Rsa, SHA256_INFO, beyond_the_order, big_endian, block, ecdsa, ed25519_order,
    hash_of, hex, p256_private, r_of_infinity,
};

const ISSUER: &str = "https://auth.example.com";

/// A server's keys, and the private half of the one that signs.
struct Signer {
    ring: KeyRing,
    environment: Environment,
    pkcs8: Vec<u8>,
    jwk: Value,
    /// Header and claims of a token, as they are signed.
    input: String,
}

impl Signer {
    fn new(algorithm: SigningAlgorithm) -> Self {
        let master = MasterKey::parse(&MasterKey::generate()).unwrap();
        let start = Timestamp::from_seconds(0);
        let record = KeyRecord::generate(KeyUse::Signing, algorithm, &master, start, start);
        let pkcs8 = master.unwrap(&format!("signing {}", record.kid), &record.wrapped).unwrap().to_vec();
        let ring = KeyRing::open(&[record], &master.into()).unwrap();
        let key = ring.access_token_key(SigningAlgorithm::Es256, start).unwrap();
        let input =
            format!("{}.{}", key.header_segment(AccessTokenTyp::AtJwt), URL_SAFE_NO_PAD.encode(claims().to_string()));
        let jwk = serde_json::to_value(&key.jwk).unwrap();
        Self { environment: "live".parse().unwrap(), pkcs8, jwk, input, ring }
    }

    /// Whether a token is accepted.
    fn accepts_text(&self, token: &str) -> bool {
        let origin = TokenContext { issuer: ISSUER, environment: &self.environment, siblings: &[], ring: &self.ring };
        verify(token, origin).is_ok()
    }

    /// Whether a signature is accepted.
    fn accepts(&self, signature: &[u8]) -> bool {
        self.accepts_text(&format!("{}.{}", self.input, URL_SAFE_NO_PAD.encode(signature)))
    }

    /// A signature by the server itself.
    fn sign(&self, input: &str) -> Vec<u8> {
        self.ring
            .access_token_key(SigningAlgorithm::Es256, Timestamp::from_seconds(0))
            .unwrap()
            .key
            .sign(input.as_bytes())
    }

    #[track_caller]
    fn refuses(&self, table: impl IntoIterator<Item = (&'static str, Vec<u8>)>) {
        for (what, signature) in table {
            assert!(!self.accepts(&signature), "{what}");
        }
    }
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "c", "aud": "https://api.example.test/", "client_id": "c", "iat": 1, "exp": 2,
        "jti": "AAAAAAAAAAAAAAAAAAAAAQ", "log": 3,
    })
}

/// A number as DER writes it.
fn der_integer(number: &BigUint) -> Vec<u8> {
    let digits = number.to_bytes_be();
    let sign: &[u8] = if digits[0] < 0x80 { &[] } else { &[0] };
    let length = u8::try_from(sign.len() + digits.len()).unwrap();
    [&[2, length], sign, &digits].concat()
}

#[test]
fn es256_accepts_only_two_numbers_in_range() {
    let signer = Signer::new(SigningAlgorithm::Es256);
    let (order, prime) = (hex(P256_ORDER), hex(P256_PRIME));
    let private = p256_private(&signer.pkcs8);
    let (r, s) = ecdsa(&private, signer.input.as_bytes());
    let pair = |r: &BigUint, s: &BigUint| [big_endian(r, 32), big_endian(s, 32)].concat();
    let right = pair(&r, &s);
    assert!(signer.accepts(&right), "two numbers made by hand are a signature");
    // Mathematically valid ECDSA. Tokens are identified by their ids, so this is the same token (`twins`).
    assert!(signer.accepts(&pair(&r, &(&order - &s))));
    let zero = BigUint::ZERO;
    let one = BigUint::from(1u8);
    let largest = (&one << 256u32) - 1u8;
    for edge in [&zero, &order, &(&order + 1u8), &(&order - 1u8), &prime, &(&prime - 1u8), &largest, &one] {
        signer.refuses([
            ("r is an edge", pair(edge, &s)),
            ("s is an edge", pair(&r, edge)),
            ("both are edges", pair(edge, edge)),
            ("r is zero", pair(&zero, edge)),
            ("s is zero", pair(edge, &zero)),
        ]);
    }
    let content = [der_integer(&r), der_integer(&s)].concat();
    let der = [vec![0x30, u8::try_from(content.len()).unwrap()], content].concat();
    let infinity = r_of_infinity(&private, signer.input.as_bytes());
    signer.refuses([
        ("swapped", pair(&s, &r)),
        ("s twice", pair(&s, &s)),
        ("r + order", pair(&(&r + &order), &s)),
        ("s + order", pair(&r, &(&s + &order))),
        ("order - r", pair(&(&order - &r), &s)),
        ("prime - r", pair(&(&prime - &r), &s)),
        ("-s in two's complement", pair(&r, &(&largest - &s + 1u8))),
        ("DER", der.clone()),
        ("DER, cut to 64 bytes", der[..64].to_vec()),
        ("DER with a byte behind it", [der, vec![0]].concat()),
        ("the point at infinity", pair(&infinity, &one)),
        ("the point at infinity, another s", pair(&infinity, &s)),
        ("the point at infinity and zero", pair(&zero, &infinity)),
        ("nothing", vec![]),
        ("r alone", right[..32].to_vec()),
        ("a byte too few", right[..63].to_vec()),
        ("a byte too few in front", right[1..].to_vec()),
        ("a byte too many", [right.as_slice(), &[0]].concat()),
        ("a zero in front", [&[0], right.as_slice()].concat()),
        ("a zero in front of each", [&[0], &right[..32], &[0], &right[32..]].concat()),
        ("twice", [right.as_slice(), &right].concat()),
        ("little-endian", right.iter().rev().copied().collect()),
        ("each little-endian", right.chunks(32).flat_map(|half| half.iter().rev().copied()).collect()),
        ("as long as ES384", [&[0; 16], &right[..32], &[0; 16], &right[32..]].concat()),
        ("with a zero byte for a sign", [&[0; 1], &right[..31], &[0; 1], &right[32..63]].concat()),
        ("of another message", pair(&r, &ecdsa(&private, b"another").1)),
    ]);
}

#[test]
fn es256_refuses_a_signature_without_its_leading_zero() {
    let signer = Signer::new(SigningAlgorithm::Es256);
    // One signature in 128 has a zero in front of one of its numbers.
    let found = (0..20_000).find_map(|_| Some(signer.sign(&signer.input)).filter(|s| s[0] == 0 || s[32] == 0));
    let signature = found.expect("one of 20,000 signatures begins with a zero");
    assert!(signer.accepts(&signature));
    let at = if signature[0] == 0 { 0 } else { 32 };
    let mut shorter = signature.clone();
    shorter.remove(at);
    signer.refuses([("without the zero", shorter)]);
}

#[test]
fn eddsa_accepts_only_canonical_signatures() {
    let signer = Signer::new(SigningAlgorithm::EdDsa);
    let key = Ed25519::of(&signer.pkcs8, &signer.jwk);
    let good = signer.sign(&signer.input);
    let message = signer.input.as_bytes();
    // The neutral point and its other encodings: above the prime, and with the sign of a zero.
    let neutral = [vec![1], vec![0; 31]].concat();
    let mut with_sign = neutral.clone();
    with_sign[31] |= 0x80;
    let above = [vec![0xee], vec![0xff; 30], vec![0x7f]].concat();
    let above_with_sign = [vec![0xee], vec![0xff; 31]].concat();
    assert!(
        signer.accepts(&key.sign(&neutral, b"", message)),
        "made by hand, with the nonce 0, by whoever has the key"
    );
    // Points of order 2, 4 and 8: adding them to a signature invalidates it.
    let order_2 = [vec![0xec], vec![0xff; 30], vec![0x7f]].concat();
    let order_4 = vec![0; 32];
    let mut order_4_with_sign = order_4.clone();
    order_4_with_sign[31] = 0x80;
    let order_8 = {
        let text = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
        big_endian(&hex(text), 32)
    };
    let small = [&order_2, &order_4, &order_4_with_sign, &order_8];
    for point in small.iter().copied().chain([&with_sign, &above, &above_with_sign]) {
        signer.refuses([
            ("a strange first half", key.sign(point, b"", message)),
            ("a strange first half, zero behind", [point.as_slice(), &[0; 32]].concat()),
            ("a strange first half, good second", [point.as_slice(), &good[32..]].concat()),
        ]);
    }
    let context = |flag: u8, context: &[u8]| {
        let head = [flag, u8::try_from(context.len()).unwrap()];
        [b"SigEd25519 no Ed25519 collisions".as_slice(), &head, context].concat()
    };
    let hashed = digest::digest(&digest::SHA512, message).as_ref().to_vec();
    let mut flipped = good.clone();
    flipped[63] |= 0x80;
    let mut high_bits = good.clone();
    high_bits[63] |= 0xe0;
    signer.refuses([
        ("S + L", beyond_the_order(&good, 1)),
        ("S + 2L", beyond_the_order(&good, 2)),
        ("S + 8L", beyond_the_order(&good, 8)),
        ("S = L", [&good[..32], &[ed25519_order().to_bytes_le(), vec![0; 32]].concat()[..32]].concat()),
        ("S = 0", [&good[..32], &[0; 32]].concat()),
        ("S = 2^256 - 1", [&good[..32], &[0xff; 32]].concat()),
        ("a bit above", flipped),
        ("three bits above", high_bits),
        ("R = 0, S = 0", vec![0; 64]),
        ("R = A, S = 0", [key.public.as_slice(), &[0; 32]].concat()),
        ("neutral R, S = 0", [neutral.as_slice(), &[0; 32]].concat()),
        ("Ed25519ph", key.sign(&neutral, &context(1, b""), &hashed)),
        ("Ed25519ctx, empty context", key.sign(&neutral, &context(0, b""), message)),
        ("Ed25519ctx", key.sign(&neutral, &context(0, b"jeton"), message)),
        ("of the hash of the message", key.sign(&neutral, b"", &hashed)),
        ("halves swapped", [&good[32..], &good[..32]].concat()),
        ("nothing", vec![]),
        ("half", good[..32].to_vec()),
        ("a byte too few", good[..63].to_vec()),
        ("a byte too many", [good.as_slice(), &[0]].concat()),
        ("with the message behind it", [good.as_slice(), message].concat()),
        ("big-endian", good.iter().rev().copied().collect()),
    ]);
    assert!(signer.accepts(&good));
}

#[test]
fn rs256_accepts_only_the_exact_padding() {
    let signer = Signer::new(SigningAlgorithm::Rs256);
    let rsa = Rsa::of(&signer.pkcs8);
    let message = signer.input.as_bytes();
    let hash = hash_of(message);
    let info = [SHA256_INFO.as_slice(), &hash].concat();
    let right = block(&info);
    assert!(signer.accepts(&rsa.raw(&right)), "made by hand");
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut block = right.clone();
        change(&mut block);
        rsa.raw(&block)
    };
    let short = |behind: &[u8]| {
        // Eight bytes of padding, which satisfies a lax verifier, and anything after the hash.
        let mut block = [&[0, 1], [0xff; 8].as_slice(), &[0], &info, behind].concat();
        block.resize(256, 0xAA);
        rsa.raw(&block)
    };
    let without_null = [&[0x30, 0x2f, 0x30, 0x0b], &SHA256_INFO[4..15], &SHA256_INFO[17..], hash.as_slice()].concat();
    let long_lengths = [&[0x30, 0x81, 0x31, 0x30, 0x0d], &SHA256_INFO[4..], hash.as_slice()].concat();
    let indefinite = [&[0x30, 0x80, 0x30, 0x0d], &SHA256_INFO[4..], hash.as_slice(), &[0, 0]].concat();
    let other_name = |last: u8| {
        let mut info = info.clone();
        info[14] = last;
        rsa.raw(&block(&info))
    };
    let garbage_within = [&[0x30, 0x33], &SHA256_INFO[2..17], &[4, 0x22], hash.as_slice(), &[0, 0]].concat();
    signer.refuses([
        ("garbage behind the hash", short(b"")),
        ("the hash at the left", short(&hash)),
        ("garbage in the DigestInfo", rsa.raw(&block(&garbage_within))),
        ("no NULL", rsa.raw(&block(&without_null))),
        ("a long length", rsa.raw(&block(&long_lengths))),
        ("an indefinite length", rsa.raw(&block(&indefinite))),
        ("no DigestInfo", rsa.raw(&block(&hash))),
        ("the name of SHA-384", other_name(2)),
        ("the name of SHA-512", other_name(3)),
        ("the name of SHA-224", other_name(4)),
        ("block type 0", with(&|block| block[1] = 0)),
        ("block type 2", with(&|block| block[1] = 2)),
        ("a zero in the padding", with(&|block| block[100] = 0)),
        ("a hole in the padding", with(&|block| block[100] = 0xfe)),
        ("no zero behind the padding", with(&|block| block[204] = 0xff)),
        ("two zeros behind the padding", with(&|block| block[203] = 0)),
        ("a bit of the hash", with(&|block| block[255] ^= 1)),
        ("nothing but the hash", rsa.raw(&big_endian(&BigUint::from_bytes_be(&hash), 256))),
    ]);
    let good = signer.sign(&signer.input);
    let number = BigUint::from_bytes_be(&good);
    let zero = BigUint::ZERO;
    let numbers = [
        ("zero", zero.clone()),
        ("one", zero + 1u8),
        ("n - 1", &rsa.modulus - 1u8),
        ("n", rsa.modulus.clone()),
        ("n - s", &rsa.modulus - &number),
        ("s + n", &number + &rsa.modulus),
        ("2^2048 - 1", (BigUint::from(1u8) << 2048u32) - 1u8),
    ];
    signer.refuses(numbers.map(|(what, number)| (what, big_endian(&number, 256))));
    signer.refuses([
        ("nothing", vec![]),
        ("a zero in front", [&[0], good.as_slice()].concat()),
        ("a zero behind", [good.as_slice(), &[0]].concat()),
        ("a byte too few", good[..255].to_vec()),
        ("a byte too few in front", good[1..].to_vec()),
        ("little-endian", good.iter().rev().copied().collect()),
        ("twice", [good.as_slice(), &good].concat()),
        ("the block itself", right),
    ]);
    let pair = RsaKeyPair::from_pkcs8(&signer.pkcs8).unwrap();
    for (what, padding) in [("PSS", &RSA_PSS_SHA256 as &dyn aws_lc_rs::signature::RsaEncoding)].into_iter().chain([
        ("SHA-384", &RSA_PKCS1_SHA384 as &dyn aws_lc_rs::signature::RsaEncoding),
        ("SHA-512", &RSA_PKCS1_SHA512 as &dyn aws_lc_rs::signature::RsaEncoding),
    ]) {
        let mut signature = vec![0; 256];
        pair.sign(padding, &SystemRandom::new(), message, &mut signature).unwrap();
        signer.refuses([(what, signature)]);
    }
    assert!(signer.accepts(&good));
}

#[test]
fn rs256_refuses_a_signature_without_its_leading_zero() {
    let signer = Signer::new(SigningAlgorithm::Rs256);
    let header = signer.input.split_once('.').unwrap().0.to_owned();
    let found = (0..20_000).find_map(|number| {
        let mut claims = claims();
        claims["log"] = json!(number);
        let input = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = signer.sign(&input);
        (signature[0] == 0).then_some((input, signature))
    });
    let (input, signature) = found.expect("one of 20,000 signatures begins with a zero");
    let with = |signature: &[u8]| format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
    assert!(signer.accepts_text(&with(&signature)));
    assert!(!signer.accepts_text(&with(&signature[1..])));
}

/// Headers and claims as no JSON library writes them, each under a signature of the server's own key.
#[test]
fn a_valid_signature_does_not_make_strange_json_acceptable() {
    for algorithm in SigningAlgorithm::OF_ACCESS_TOKENS {
        let signer = Signer::new(algorithm);
        let kid = signer.jwk["kid"].as_str().unwrap();
        let header = format!(r#"{{"typ":"at+jwt","alg":"{algorithm}","kid":"{kid}"}}"#);
        let good = claims().to_string();
        let signed = |header: &str, claims: &str| {
            let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
            let signature = URL_SAFE_NO_PAD.encode(signer.sign(&input));
            signer.accepts_text(&format!("{input}.{signature}"))
        };
        for typ in ["at+jwt", "JWT"] {
            assert!(signed(&header.replacen("at+jwt", typ, 1), &good), "a header of the server itself: {typ}");
        }
        let own = |member: &str| header.replacen('{', &format!("{{{member},"), 1);
        let jwk = &signer.jwk;
        for other in [
            header.replacen("at+jwt", "AT+JWT", 1),
            header.replacen("at+jwt", "jwt", 1),
            header.replacen("at+jwt", "application/at+jwt", 1),
            header.replacen("at+jwt", "JOSE", 1),
            header.replacen(r#""typ":"at+jwt","#, "", 1),
            header.replacen(',', ", ", 1),
            format!("{header} "),
            format!("\u{feff}{header}"),
            format!("{header}\0"),
            own(&format!(r#""jwk":{jwk}"#)),
            own(r#""jku":"https://evil.example/keys""#),
            own(r#""x5u":"https://evil.example/chain""#),
            own(r#""x5c":["MIIB"]"#),
            own(r#""x5t":"AAAA""#),
            own(r#""crit":["b64"],"b64":false"#),
            own(r#""b64":false"#),
            own(r#""zip":"DEF""#),
            own(r#""cty":"JWT""#),
            own(r#""enc":"A256GCM""#),
            own(&format!(r#""alg":"{algorithm}""#)),
            own(r#""alg":"none""#),
            own(&format!(r#""kid":"{kid}""#)),
            header.replacen(&algorithm.to_string(), "none", 1),
            header.replacen("\"alg\"", "\"\\u0061lg\"", 1),
            "{".repeat(5000),
        ] {
            assert!(!signed(&other, &good), "{algorithm}: {other}");
        }
        let member = |name: &str, value: &str| {
            let mut claims = claims();
            claims[name] = json!("@");
            claims.to_string().replacen("\"@\"", value, 1)
        };
        for other in [
            member("exp", "1e400"),
            member("exp", "-1e400"),
            member("exp", "9223372036854775808"),
            member("exp", "2.5"),
            member("exp", "\"2\""),
            member("exp", "null"),
            member("exp", "NaN"),
            member("exp", "0x10"),
            member("exp", "true"),
            member("iat", "[]"),
            member("nbf", "{}"),
            member("log", "1.0"),
            member("jti", "\"x\""),
            member("aud", "7"),
            member("aud", "[\"a\",7]"),
            member("sub", "null"),
            member("scope", "\"a  b\""),
            member("scope", "\"a\\u0000b\""),
            good.replacen('{', "{\"sub\":\"root\",", 1),
            good.replacen('{', "{\"exp\":9999999999,", 1),
            good.replacen('{', "{\"iss\":\"https://else.example\",", 1),
            format!("{good}{good}"),
            format!("[{good}]"),
            format!("{good}\0"),
            format!("\u{feff}{good}"),
            format!("{}1{}", "[".repeat(4000), "]".repeat(4000)),
            member("deep", &format!("{}1{}", "[".repeat(4000), "]".repeat(4000))),
            good.replace("\"c\"", "\"\\ud800\""),
            good.replace('"', "'"),
            String::new(),
        ] {
            assert!(!signed(&header, &other), "{algorithm}: {other}");
        }
        for far in ["9223372036854775807", "-9223372036854775808", "0", "-1"] {
            assert!(signed(&header, &member("exp", far)), "whether {far} is over is judged elsewhere");
        }
    }
}
