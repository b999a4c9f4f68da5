//! A case, and what must hold for every answer about it, for every caller at every endpoint.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use serde_json::{Value, json};

use super::causes::{answer_of, is_damage, needs_key_or_state, place};
use super::stage::{Stage, can_stand_in_a_header};
use crate::conformance::bearer::challenge_attributes;
use crate::support::Answer;

/// A text that is not a valid access token, and what the answers must say about it.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) text: String,
    /// The good tokens that it was made from: never shown, nor any longer part of them.
    made_from: Vec<String>,
    /// The first cause; several, with `|` between them, where the promise leaves room.
    cause: &'static str,
    /// Causes that hold besides.
    also: Vec<&'static str>,
    /// Whether the bytes alone show the first cause; nothing where the promise leaves it open.
    in_the_bytes: Option<bool>,
    /// Whether it is an active refresh token, which introspection reports as active.
    active_refresh_token: bool,
    scope: Option<&'static str>,
    audience: Option<&'static str>,
}

impl Case {
    pub(super) fn new(name: impl Into<String>, text: impl Into<String>, cause: &'static str) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
            made_from: Vec::new(),
            cause,
            also: Vec::new(),
            in_the_bytes: Some(true),
            active_refresh_token: false,
            scope: None,
            audience: None,
        }
    }

    pub(super) fn made_from(mut self, good: &str) -> Self {
        self.made_from.push(good.to_owned());
        self
    }

    pub(super) fn also(mut self, causes: &[&'static str]) -> Self {
        self.also.extend(causes);
        self
    }

    /// It needs a key or the state to see the first cause.
    pub(super) fn hidden(mut self) -> Self {
        self.in_the_bytes = Some(false);
        self
    }

    /// Whether the bytes show the first cause is left open.
    pub(super) fn perhaps_hidden(mut self) -> Self {
        self.in_the_bytes = None;
        self
    }

    pub(super) fn active_refresh_token(mut self) -> Self {
        self.active_refresh_token = true;
        self
    }

    pub(super) fn expecting(mut self, scope: Option<&'static str>, audience: Option<&'static str>) -> Self {
        (self.scope, self.audience) = (scope, audience);
        self
    }

    fn expectations(&self) -> Vec<(&'static str, &'static str)> {
        let named = [("scope", self.scope), ("audience", self.audience)];
        named.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    fn is_expected(&self, cause: &str) -> bool {
        self.cause.split('|').any(|expected| expected == cause)
    }
}

/// The rows of a table that were tried, and those that failed. All are tried, so that the number of failures is known.
#[derive(Default)]
pub(super) struct Sheet {
    played: usize,
    wrong: Vec<String>,
}

impl Sheet {
    pub(super) async fn row(&mut self, name: impl Into<String>, play: impl Future<Output = ()>) {
        self.played += 1;
        if AssertUnwindSafe(play).catch_unwind().await.is_err() {
            self.wrong.push(name.into());
        }
    }

    /// A row that is a case and no more.
    pub(super) async fn case(&mut self, stage: &Stage, case: &Case) {
        self.row(&case.name, async { _ = examine(stage, case).await }).await;
    }

    #[track_caller]
    pub(super) fn close(self) {
        let (wrong, played) = (self.wrong.len(), self.played);
        assert!(
            wrong == 0 && played > 0,
            "{wrong} of {played} rows are wrong, said above why:\n{}",
            self.wrong.join("\n")
        );
    }
}

/// Asks everything about a case, as every caller. Returns the answer to a client with the permission.
pub(super) async fn examine(stage: &Stage, case: &Case) -> Answer {
    let expectations = case.expectations();
    let counts = async |endpoint| {
        let mut counts = Vec::new();
        for cause in case.cause.split('|') {
            counts.push(stage.counted(endpoint, cause).await);
        }
        counts.iter().sum::<u64>()
    };
    let before = counts("explain").await;
    let answer = stage.explain_with(&stage.rs, &case.text, &expectations).await;
    assert_told(case, &answer);
    assert_eq!(counts("explain").await, before + 1, "{}: it is counted", case.name);
    assert_documented(stage, case, &answer).await;
    // An administrator learns the same.
    let bearer = format!("Bearer {}", stage.admin_token().await);
    let parameters = [&[("token", case.text.as_str())], expectations.as_slice()].concat();
    let to_admin = stage.explain_as(Some(&bearer), &parameters).await;
    assert_eq!(without(&to_admin.json, &["request_id"]), without(&answer.json, &["request_id"]), "{}", case.name);
    // A stranger learns what the bytes show.
    assert_limited(case, &stage.explain_with(&stage.other, &case.text, &expectations).await);
    // Introspection agrees.
    let introspected = stage.app.introspect(&stage.rs, &case.text).await;
    if case.active_refresh_token {
        introspected.assert_active();
    } else if case.expectations().is_empty() {
        introspected.assert_inactive();
    }
    assert_quiet(case, &introspected);
    // So does the check for proxies, as far as HTTP carries the text.
    if can_stand_in_a_header(&case.text) {
        let before = counts("verify").await;
        let verified = stage.verify(&case.text, case.scope, case.audience).await;
        assert_quiet(case, &verified);
        let (status, error) = (verified.status.as_u16(), verified.header("www-authenticate").map(challenge_attributes));
        let error = error.as_ref().and_then(|attributes| attributes.get("error")).map(String::as_str);
        let told = answer.text("cause");
        if is_damage(&told) {
            assert!(matches!(status, 400 | 401), "{}: {verified:?}", case.name);
        } else {
            assert_eq!((status, error), answer_of(&told), "{}: {verified:?}", case.name);
            assert_eq!(counts("verify").await, before + 1, "{}: of the same cause", case.name);
        }
    }
    answer
}

/// The answer names the cause, and everything that belongs to it.
#[track_caller]
pub(super) fn assert_told(case: &Case, answer: &Answer) {
    let name = &case.name;
    assert_eq!(answer.status.as_u16(), 200, "{name}: {answer:?}");
    assert_eq!(answer.json["active"], json!(false), "{name}: {answer:?}");
    let cause = answer.json["cause"].as_str().unwrap_or_else(|| panic!("{name}: no cause: {answer:?}"));
    assert!(case.is_expected(cause), "{name}: {cause}, not {}: {answer:?}", case.cause);
    let all = causes(answer);
    for also in &case.also {
        assert!(all.iter().any(|cause| cause == also), "{name}: {also} holds besides: {answer:?}");
    }
    assert!(answer.json.get("limited").is_none_or(|limited| limited == false), "{name}: {answer:?}");
    assert_well_formed(case, answer);
    assert_damage(case, answer);
}

/// What must hold for any answer about an invalid token.
#[track_caller]
fn assert_well_formed(case: &Case, answer: &Answer) {
    let name = &case.name;
    let said = |value: &Value| value.as_str().is_some_and(|text| !text.trim().is_empty());
    for member in ["title", "detail"] {
        assert!(said(&answer.json[member]), "{name}: {member}: {answer:?}");
    }
    for reader in ["client", "resource_server", "administrator"] {
        assert!(said(&answer.json["fix"][reader]), "{name}: the fix for the {reader}: {answer:?}");
    }
    let all = causes(answer);
    let places: Vec<usize> = all.iter().map(|cause| place(cause)).collect();
    assert!(places.is_sorted_by(|one, next| one < next), "{name}: in the order of the causes, each once: {all:?}");
    assert_eq!(all.first().map(String::as_str), answer.json["cause"].as_str(), "{name}: {all:?}");
    for evidence in answer.json["evidence"].as_array().unwrap_or_else(|| panic!("{name}: no evidence: {answer:?}")) {
        let whole = said(&evidence["fact"]) && !evidence["value"].is_null() && evidence["verified"].is_boolean();
        assert!(whole, "{name}: {evidence}");
    }
    let told = &answer.json["cause"];
    let (status, error) = answer_of(told.as_str().unwrap());
    assert_eq!(answer.json["status"], json!(status), "{name}: {answer:?}");
    match answer.json["www_authenticate"].as_str() {
        Some(challenge) => {
            let attributes = challenge_attributes(challenge);
            assert_eq!(attributes.get("error").map(String::as_str), error, "{name}: {answer:?}");
            assert!(attributes.contains_key("scope") || error != Some("insufficient_scope"), "{name}: {answer:?}");
        }
        None => assert_eq!(status, 503, "{name}: there is a challenge: {answer:?}"),
    }
    assert!(answer.json.get("expect").is_none_or(Value::is_null), "{name}: that is for good tokens: {answer:?}");
    assert_eq!(answer.json["request_id"].as_str(), answer.header("x-request-id"), "{name}");
    assert_quiet(case, answer);
}

/// Damage is named and its repair described, exactly where there is damage.
#[track_caller]
fn assert_damage(case: &Case, answer: &Answer) {
    let name = &case.name;
    let all = causes(answer);
    // There is nothing to repair where no token is.
    let expected: Vec<&String> = all.iter().filter(|cause| is_damage(cause) && *cause != "not_a_token").collect();
    let empty = vec![];
    let listed = answer.json["damage"].as_array().unwrap_or(&empty);
    let of = |damage: &Value| damage["cause"].as_str().unwrap_or_default().to_owned();
    let told: Vec<String> = listed.iter().map(of).filter(|cause| cause != "not_a_token").collect();
    // One after the other as they were found; the same may have been done twice.
    let told = expected.iter().all(|cause| told.contains(cause)) && told.iter().all(|cause| expected.contains(&cause));
    assert!(told, "{name}: each damage: {answer:?}");
    for damage in listed {
        assert!(damage["repair"].as_str().is_some_and(|text| !text.is_empty()), "{name}: {damage}");
        assert!(damage["proved"].is_boolean(), "{name}: {damage}");
    }
}

/// A client that is not the owner and lacks the permission sees what the bytes show and no more.
#[track_caller]
fn assert_limited(case: &Case, answer: &Answer) {
    let name = &case.name;
    assert_eq!((answer.status.as_u16(), &answer.json["active"]), (200, &json!(false)), "{name}: {answer:?}");
    for cause in answer.json["all_causes"].as_array().into_iter().flatten().chain([&answer.json["cause"]]) {
        let cause = cause.as_str().unwrap_or("missing");
        assert!(!needs_key_or_state(cause), "{name}: a stranger is told {cause}: {answer:?}");
    }
    let listed = answer.json["damage"].as_array().into_iter().flatten();
    assert!(listed.into_iter().all(|damage| damage["proved"] != true), "{name}: that takes a key: {answer:?}");
    assert_quiet(case, answer);
    match case.in_the_bytes {
        Some(true) => {
            let cause = answer.text("cause");
            assert!(case.is_expected(&cause), "{name}: a stranger is told {cause}, not {}: {answer:?}", case.cause);
            assert_well_formed(case, answer);
        }
        Some(false) => assert_eq!(answer.json["limited"], json!(true), "{name}: {answer:?}"),
        None => {}
    }
}

/// The page about the cause is there.
async fn assert_documented(stage: &Stage, case: &Case, answer: &Answer) {
    let docs = answer.text("docs");
    let path = docs.strip_prefix(stage.app.issuer()).unwrap_or_else(|| panic!("{}: {docs}", case.name));
    assert_eq!(path, format!("/docs/errors/{}", answer.text("cause")), "{}", case.name);
    let page = stage.app.get(path).await;
    assert_eq!(page.status.as_u16(), 200, "{}: {path}", case.name);
}

/// The names of all causes.
#[track_caller]
pub(super) fn causes(answer: &Answer) -> Vec<String> {
    let all = answer.json["all_causes"].as_array().unwrap_or_else(|| panic!("no all_causes: {answer:?}"));
    all.iter().map(|cause| cause.as_str().unwrap().to_owned()).collect()
}

/// The longest part of a token that may be shown, in characters.
const LONGEST_PART: usize = 19;

/// The answer contains neither the text nor what it was made from, nor any longer part of them.
#[track_caller]
pub(super) fn assert_quiet(case: &Case, answer: &Answer) {
    let secrets: Vec<&str> = case.made_from.iter().map(String::as_str).chain([case.text.as_str()]).collect();
    let headers: Vec<u8> = answer.headers.values().flat_map(|value| [value.as_bytes(), b"\n"].concat()).collect();
    for shown in [answer.body.as_bytes(), &headers] {
        if let Some(part) = shared_part(shown, &secrets) {
            panic!("{}: {part:?} of the token is shown: {answer:?}", case.name);
        }
    }
}

/// A part of a secret that is shown and longer than allowed. Only what looks like a part of a token counts: a run of
/// letters, digits, `-` and `_`.
pub(super) fn shared_part(shown: &[u8], secrets: &[&str]) -> Option<String> {
    let length = LONGEST_PART + 1;
    let shown: HashSet<&[u8]> = shown.windows(length).collect();
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    secrets
        .iter()
        .flat_map(|secret| secret.as_bytes().windows(length))
        .find(|part| part.iter().all(is_part) && shown.contains(part))
        .map(|part| String::from_utf8_lossy(part).into_owned())
}

/// The object without some members.
pub(super) fn without(object: &Value, members: &[&str]) -> Value {
    let mut object = object.as_object().cloned().unwrap_or_default();
    object.retain(|name, _| !members.contains(&name.as_str()));
    Value::Object(object)
}

#[test]
fn a_part_of_a_token_is_found_wherever_it_is_shown() {
    let token = "jat_live_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789";
    assert!(shared_part(b"the token is jat_live_AbCdEfGhIjKlMn...", &[token]).is_some());
    assert!(shared_part(b"\"IjKlMnOpQrStUvWxYz01\"", &["x", token]).is_some());
    assert!(shared_part(b"it begins with jat_live_AbCdEfGhIj", &[token]).is_none());
    assert!(
        shared_part(b"https://auth.example.com/docs/errors/expired", &["see auth.example.com/docs/errors"]).is_none()
    );
}
