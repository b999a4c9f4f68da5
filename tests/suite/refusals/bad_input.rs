//! Any text sent as a token gets a verdict or a clear refusal, and the same verdict everywhere.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jeton::jose::algorithm::SigningAlgorithm;
use serde_json::json;

use super::ask::{Case, Sheet, assert_quiet, causes};
use super::causes::place;
use super::stage::{Jwt, Stage, can_stand_in_a_header, in_time};
use crate::conformance::jose::OWN_KEYS;
use crate::support::scene::{API, every_grant};
use crate::support::{Answer, FORM, jwt_part, on_both_stores};

/// A verdict, or a refusal that says that the request is bad; never a failure of the server.
#[track_caller]
pub(super) fn assert_judged(name: &str, answer: &Answer) {
    match answer.status.as_u16() {
        200 if answer.json["active"] == json!(true) => assert!(answer.json["cause"].is_null(), "{name}: {answer:?}"),
        200 => {
            assert_eq!(answer.json["active"], json!(false), "{name}: {answer:?}");
            let all = causes(answer);
            assert!(!all.is_empty() && all.is_sorted_by_key(|cause| place(cause)), "{name}: {answer:?}");
            assert_eq!(answer.json["cause"], json!(all[0]), "{name}: {answer:?}");
        }
        status => {
            assert!(matches!(status, 400 | 413) && answer.json["error"] == "invalid_request", "{name}: {answer:?}");
        }
    }
}

/// Asks everywhere; the verdicts are the same.
pub(super) async fn agree(stage: &Stage, name: &str, text: &str) -> Answer {
    let explained = stage.explain(&stage.rs, text).await;
    assert_judged(name, &explained);
    if explained.status.as_u16() != 200 {
        return explained;
    }
    // A resource server would not accept a refresh token, but introspection knows it.
    let is_refresh_token = explained.json["cause"] == "refresh_token_as_access_token";
    let introspected = in_time(stage.app.introspect(&stage.rs, text)).await;
    assert_eq!(introspected.status.as_u16(), 200, "{name}: {introspected:?}");
    assert!(is_refresh_token || introspected.json["active"] == explained.json["active"], "{name}: {introspected:?}");
    let to_stranger = stage.explain(&stage.other, text).await;
    assert_eq!((to_stranger.status.as_u16(), &to_stranger.json["active"]), (200, &json!(false)), "{name}");
    if can_stand_in_a_header(text) {
        let verified = stage.verify(text, None, None).await;
        let passes = verified.status.as_u16() == 200;
        assert!(matches!(verified.status.as_u16(), 200 | 400 | 401), "{name}: {verified:?}");
        assert_eq!(json!(passes), explained.json["active"], "{name}: {verified:?}");
    }
    explained
}

const KIB: usize = 1024;
/// The largest body.
const LARGEST: usize = 64 * KIB;

/// What is repeated until it is long.
const REPEATED: [&str; 23] = [
    "a",
    "A1",
    " ",
    "\t",
    "\n",
    "\r\n",
    "%25",
    "%2525",
    "%",
    "\"",
    "'",
    "\\\"",
    ".",
    "..",
    "=",
    "{\"a\":",
    "[",
    "\u{200B}",
    "\u{00A0}",
    "eyJ",
    "eyJ.",
    "jat_live_",
    "Bearer ",
];

async fn repeated(stage: &Stage, good: &str, part: &str) {
    for size in [1, 19, 21, 63] {
        let name = format!("{size} KiB of {part:?}");
        let text = part.repeat(size * KIB / part.len());
        let form = form_urlencoded::Serializer::new(String::new()).append_pair("token", &text).finish();
        let bodies = [
            (FORM.1, form),
            (FORM.1, format!("token={text}")),
            ("application/json", json!({"token": text}).to_string()),
        ];
        for (content_type, body) in bodies.into_iter().filter(|(_, body)| body.len() <= LARGEST) {
            assert_judged(&name, &stage.explain_body(content_type, body).await);
        }
    }
    // Also around a valid token: the rest neither hides it nor takes forever.
    for text in [format!("{}{good}", part.repeat(2000)), format!("{good}{}", part.repeat(2000))] {
        agree(stage, part, &text).await;
    }
}

on_both_stores!(a_very_long_text_is_judged, async |backend| {
    let stage = Stage::start(backend).await;
    let good = stage.good(Jwt).await;
    let mut sheet = Sheet::default();
    for part in REPEATED {
        sheet.row(format!("{part:?}"), repeated(&stage, &good, part)).await;
    }
    sheet.close();
    agree(&stage, "the good one, twenty times", &good.repeat(20)).await;
    agree(&stage, "good ones, each in a line", &format!("{good}\n").repeat(20)).await;
});

on_both_stores!(
    a_token_of_64_kib_gets_a_verdict_however_it_is_encoded_and_a_body_of_more_than_256_does_not,
    async |backend| {
        let stage = Stage::start(backend).await;
        let body = |length: usize| format!("token={}", "a".repeat(length - "token=".len()));
        for text in ["a".repeat(LARGEST), "[".repeat(LARGEST), "%".repeat(LARGEST), "é".repeat(LARGEST / 2)] {
            assert_eq!(stage.explain(&stage.rs, &text).await.assert_ok().text("cause"), "not_a_token");
        }
        assert_eq!(stage.explain_body(FORM.1, body(4 * LARGEST)).await.assert_ok().text("cause"), "not_a_token");
        for length in [4 * LARGEST + 1, 12 * LARGEST] {
            let request = stage.app.http.post(format!("{}/auth/explain", stage.app.base)).body(body(length));
            let request = request.header(FORM.0, FORM.1).header("Authorization", stage.rs.basic());
            let answer = in_time(Answer::of(request)).await;
            assert_eq!(answer.status.as_u16(), 413, "{length}: {answer:?}");
        }
        stage.explain(&stage.rs, &stage.good(Jwt).await).await.assert_active();
    }
);

on_both_stores!(bytes_that_are_not_utf8_are_judged_in_a_form_and_refused_in_json, async |backend| {
    let stage = Stage::start(backend).await;
    let good = stage.good(Jwt).await;
    for body in [&b"token=\xff\xfe"[..], b"token=%FF%FE", b"token=%C3", b"token=%", b"token=%zz", b"token=\xed\xa0\x80"]
    {
        let answer = stage.explain_body(FORM.1, body.to_vec()).await;
        assert_eq!(answer.assert_ok().text("cause"), "not_a_token", "{answer:?}");
        let basic = stage.rs.basic();
        let elsewhere = stage.app.raw("/auth/introspect", &[FORM, ("Authorization", &basic)], body.to_vec()).await;
        elsewhere.assert_error(400, "invalid_request");
    }
    let damaged = [b"token=", good.as_bytes(), b"%A0"].concat();
    let answer = stage.explain_body(FORM.1, damaged).await;
    assert_eq!(answer.assert_ok().text("cause"), "invisible_character");
    for body in [
        &b"{\"token\":\"\xff\"}"[..],
        b"{\"token\":\"\\ud800\"}",
        b"{\"token\":7}",
        b"[]",
        b"{\"token\":\"a\",\"token\":\"b\"}",
    ] {
        stage.explain_body("application/json", body.to_vec()).await.assert_error(400, "invalid_request");
    }
    stage.explain_body(FORM.1, "token=a&token=b").await.assert_error(400, "invalid_request");
    stage.explain_body("text/plain", "token=a").await.assert_error(400, "invalid_request");
});

on_both_stores!(deeply_nested_encodings_are_judged, async |backend| {
    let stage = Stage::start(backend).await;
    let good = stage.good(Jwt).await;
    for depth in [3, 10, 50] {
        let percent = format!("%{}2E", "25".repeat(depth));
        let quotes = format!("{}{good}{}", "\"".repeat(depth), "\"".repeat(depth));
        let bearers = format!("{}{good}", "Bearer ".repeat(depth));
        let json = format!("{}\"{good}\"{}", "[".repeat(depth), "]".repeat(depth));
        let mut escaped = good.clone();
        for _ in 0..depth.min(10) {
            escaped = serde_json::to_string(&escaped).unwrap();
        }
        let nothing = ["Bearer ", "\"", "%25", "["].map(|part| part.repeat(depth));
        let around = [good.replacen('.', &percent, 1), quotes, bearers, json, escaped];
        for text in around.into_iter().chain(nothing) {
            let answer = agree(&stage, &format!("{depth} deep"), &text).await;
            assert_eq!(answer.json["active"], json!(false), "{answer:?}");
            assert_quiet(&Case::new("nested", text, "").made_from(&good), &answer);
        }
    }
});

/// Headers of JWTs; `KID` is replaced by the id of this server's key.
const HEADERS: [&str; 12] = [
    r#"{"alg":"ES256","alg":"none","kid":"KID"}"#,
    r#"{"typ":"at+jwt","alg":"ES256","kid":"KID","kid":"KID"}"#,
    r#"{"alg":"ES256","kid":9007199254740993}"#,
    r#"{"alg":"ES256","kid":1e999}"#,
    r#"{"alg":["ES256"],"kid":{"a":"b"}}"#,
    r#"{"alg":"ES256\u0000","kid":"KID\u0000"}"#,
    r#"{"alg":"ES256","kid":"a\r\nX-Evil: 1"}"#,
    r#"{"alg":"ES256","kid":"KID"} trailing"#,
    "{}",
    "[]",
    "null",
    "\"ES256\"",
];

/// Claims of JWTs.
const CLAIMS: [&str; 26] = [
    r#"{"exp":9007199254740993,"iat":9007199254740993}"#,
    r#"{"exp":18446744073709551616}"#,
    r#"{"exp":-9223372036854775808,"iat":9223372036854775807}"#,
    r#"{"exp":-1,"iat":-1}"#,
    r#"{"exp":1800000000.5,"iat":0.1}"#,
    r#"{"exp":1e400}"#,
    r#"{"exp":1e-400}"#,
    r#"{"exp":1.8e9}"#,
    r#"{"exp":"1800000000"}"#,
    r#"{"exp":null,"iat":null}"#,
    r#"{"exp":[1],"iat":{}}"#,
    r#"{"exp":true}"#,
    r#"{"exp":1,"exp":4000000000}"#,
    r#"{"iss":"https://auth.example.com","iss":"https://evil.example"}"#,
    r#"{"iss":7}"#,
    r#"{"iss":"https://auth.staging.example.com\r\nX-Evil: 1"}"#,
    r#"{"iss":"\u0000"}"#,
    r#"{"aud":[],"scope":""}"#,
    r#"{"aud":{"a":1},"scope":["a"]}"#,
    r#"{"scope":"read\r\nX-Evil: 1","sub":"\u001b[31m"}"#,
    r#"{"jti":"not an id","sid":"neither"}"#,
    r#"{"log":-1}"#,
    r#"{"log":1e30}"#,
    "[1,2,3]",
    "7",
    "",
];

on_both_stores!(strange_json_in_a_jwt_is_judged, async |backend| {
    let stage = Stage::start(backend).await;
    let good = stage.good(Jwt).await;
    let (kid, parts) = (jwt_part(&good, 0)["kid"].clone(), good.split('.').collect::<Vec<_>>());
    let own = &OWN_KEYS[0].1;
    let keys = stage.app.server.app.issuer.keys();
    let server = &keys.ring.access_token_key(SigningAlgorithm::Es256, stage.app.clock.now()).unwrap().key;
    let nested = format!("{{\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
    let long = format!("{{\"alg\":\"ES256\",\"kid\":\"{}\"}}", "k".repeat(45 * KIB));
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let mut inputs: Vec<String> = Vec::new();
    for header in HEADERS.into_iter().chain([nested.as_str(), &long]) {
        inputs.push(format!("{}.{}", encode(&header.replace("KID", kid.as_str().unwrap())), parts[1]));
    }
    for claims in CLAIMS.into_iter().chain([nested.as_str()]) {
        // Under the header of the server; and as a whole set of claims with something strange among them.
        inputs.push(format!("{}.{}", parts[0], encode(claims)));
        if let Some(members) = claims.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            let whole = jwt_part(&good, 1).to_string();
            inputs.push(format!(
                "{}.{}",
                parts[0],
                encode(&format!("{},{members}}}", whole.strip_suffix('}').unwrap()))
            ));
        }
    }
    inputs.push(format!("{}.{}", URL_SAFE_NO_PAD.encode([0xff, 0xfe]), parts[1]));
    inputs.push(format!("{}.{}", parts[0], URL_SAFE_NO_PAD.encode([0xff, 0xfe])));
    for input in inputs {
        for signature in
            [URL_SAFE_NO_PAD.encode(own.sign(input.as_bytes())), encode_signature(server, &input), String::new()]
        {
            let text = format!("{input}.{signature}");
            let answer = agree(&stage, &format!("{input:.60}"), &text).await;
            assert!(!format!("{:?}", answer.headers).contains("x-evil"), "{answer:?}");
        }
    }
    stage.explain(&stage.rs, &good).await.assert_active();
});

fn encode_signature(key: &jeton::jose::signing::SigningKey, input: &str) -> String {
    URL_SAFE_NO_PAD.encode(key.sign(input.as_bytes()))
}

on_both_stores!(control_characters_in_claims_stay_where_they_are, async |backend| {
    let stage = Stage::start(backend).await;
    for format in ["jwt", "opaque"] {
        let claims = json!({"note": "one\r\nX-Evil: 1\u{0}\u{1b}[31m", "<b>": "\u{202E}\"\\"});
        let owner = every_grant(json!({"access_token_format": format, "claims": claims}));
        let owner = stage.app.client(&format!("noted-{format}"), owner).await;
        let token = stage.client_credentials(&owner, &[]).await.text("access_token");
        let good = stage.explain(&stage.rs, &token).await;
        good.assert_active();
        let answers = [
            good,
            stage.explain_with(&stage.rs, &token, &[("scope", "admin\r\nX-Evil: 1")]).await,
            stage.explain_with(&stage.rs, &token, &[("audience", "https://x.test/\r\nX-Evil: 1")]).await,
            stage.verify(&token, Some("admin"), None).await,
            stage.verify(&token, None, Some("https://x.test/")).await,
            stage.verify(&token, None, Some(API)).await,
        ];
        for answer in answers {
            assert!(answer.status.as_u16() < 500 && answer.header("x-evil").is_none(), "{answer:?}");
            for value in answer.headers.values() {
                assert!(value.as_bytes().iter().all(|byte| (0x20..0x7F).contains(byte)), "{answer:?}");
            }
        }
    }
});
