//! Damage in transit, each kind done to a valid token of each form.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::ask::{Case, Sheet, causes, examine};
use super::causes::is_damage;
use super::stage::{ACCESS, ALL, Form, Jwt, Opaque, Refresh, Stage};
use crate::support::on_both_stores;

/// What the repair leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repair {
    /// It gives the good token, which the key proves.
    Proved,
    /// There is no repair: something is missing, and the server does not guess it.
    None,
    /// Either: the promise does not say.
    Any,
}

use Repair::{Any, None as Lost, Proved};

/// What was done, to which forms, how, the first cause, and what the repair leads to.
type Row = (&'static str, &'static [Form], fn(&str) -> String, &'static str, Repair);

const JWT: &[Form] = &[Jwt];
const OPAQUE: &[Form] = &[Opaque];
const REFRESH: &[Form] = &[Refresh];
const FIXED_LENGTH: &[Form] = &[Jwt, Refresh];

/// The token with something in its middle.
fn inside(token: &str, what: &str) -> String {
    let (one, other) = token.split_at(token.len() / 2);
    format!("{one}{what}{other}")
}

fn wrapped(token: &str, columns: usize, end: &str) -> String {
    let lines: Vec<&str> =
        (0..token.len()).step_by(columns).map(|at| &token[at..token.len().min(at + columns)]).collect();
    lines.join(end)
}

fn cut(token: &str, characters: usize) -> String {
    token[..token.len() - characters].to_owned()
}

fn ellipsis(token: &str, dots: &str) -> String {
    format!("{}{dots}{}", &token[..16], &token[token.len() - 8..])
}

/// Percent-encodes everything but letters and digits, this many times.
pub(super) fn percent(token: &str, times: usize) -> String {
    let mut text = token.to_owned();
    for _ in 0..times {
        let encode = |c: char| if c.is_ascii_alphanumeric() { c.to_string() } else { format!("%{:02X}", u32::from(c)) };
        text = text.chars().map(encode).collect();
    }
    text
}

/// Where the encoded part begins: behind the environment, or at the start of a JWT.
fn body_at(token: &str) -> usize {
    if token.starts_with('j') { token.match_indices('_').nth(1).unwrap().0 + 1 } else { 0 }
}

/// In the alphabet of plain base64.
pub(super) fn plain_base64(token: &str) -> String {
    let (prefix, body) = token.split_at(body_at(token));
    format!("{prefix}{}", body.replace('-', "+").replace('_', "/"))
}

fn padding(part: &str) -> &'static str {
    ["", "", "==", "="][part.len() % 4]
}

/// With the padding of plain base64 after each part, even if a part needs none.
fn padded(token: &str) -> String {
    let (prefix, body) = token.split_at(body_at(token));
    let padded: Vec<String> = body.split('.').map(|part| format!("{part}{}", padding(part))).collect();
    let text = format!("{prefix}{}", padded.join("."));
    if text == token { format!("{text}=") } else { text }
}

pub(super) fn first_capital(token: &str) -> String {
    let (first, rest) = token.split_at(1);
    first.to_ascii_uppercase() + rest
}

fn segments<const N: usize>(token: &str, wanted: [usize; N]) -> String {
    let all: Vec<&str> = token.split('.').collect();
    wanted.map(|index| all[index]).join(".")
}

#[rustfmt::skip]
const TABLE: &[Row] = &[
    // White space around
    ("a space in front",               ALL, |t| format!(" {t}"),                       "surrounding_whitespace", Proved),
    ("a space behind",                 ALL, |t| format!("{t} "),                       "surrounding_whitespace", Proved),
    ("tabs and spaces around",         ALL, |t| format!("\t {t} \t"),                  "surrounding_whitespace", Proved),
    ("a newline behind",               ALL, |t| format!("{t}\n"),                      "surrounding_whitespace", Proved),
    ("CR LF behind",                   ALL, |t| format!("{t}\r\n"),                    "surrounding_whitespace", Proved),
    ("blank lines around",             ALL, |t| format!("\n\n{t}\n\n"),                "surrounding_whitespace", Proved),
    // Line breaks
    ("a newline inside",               ALL, |t| inside(t, "\n"),                       "line_break", Proved),
    ("CR LF inside",                   ALL, |t| inside(t, "\r\n"),                     "line_break", Proved),
    ("wrapped at 64 columns, CR LF",   ALL, |t| wrapped(t, 64, "\r\n"),                "line_break", Proved),
    ("wrapped at 76 columns, LF",      ALL, |t| wrapped(t, 76, "\n"),                  "line_break", Proved),
    ("wrapped and indented",           ALL, |t| wrapped(t, 64, "\n    "),              "line_break", Proved),
    ("continued by a backslash",       ALL, |t| inside(t, "\\\n"),                     "line_break", Any),
    // Invisible characters
    ("a zero-width space inside",      ALL, |t| inside(t, "\u{200B}"),                 "invisible_character", Proved),
    ("a zero-width non-joiner inside", ALL, |t| inside(t, "\u{200C}"),                 "invisible_character", Proved),
    ("a zero-width joiner inside",     ALL, |t| inside(t, "\u{200D}"),                 "invisible_character", Proved),
    ("a left-to-right mark inside",    ALL, |t| inside(t, "\u{200E}"),                 "invisible_character", Proved),
    ("a soft hyphen inside",           ALL, |t| inside(t, "\u{00AD}"),                 "invisible_character", Proved),
    ("a word joiner inside",           ALL, |t| inside(t, "\u{2060}"),                 "invisible_character", Proved),
    ("a byte order mark in front",     ALL, |t| format!("\u{FEFF}{t}"),                "invisible_character", Proved),
    ("a zero-width space behind",      ALL, |t| format!("{t}\u{200B}"),                "invisible_character", Proved),
    ("a no-break space in front",      ALL, |t| format!("\u{00A0}{t}"),                "invisible_character", Proved),
    ("a no-break space behind",        ALL, |t| format!("{t}\u{00A0}"),                "invisible_character", Proved),
    ("a narrow no-break space inside", ALL, |t| inside(t, "\u{202F}"),                 "invisible_character", Proved),
    ("a NUL behind",                   ALL, |t| format!("{t}\0"),                      "invisible_character|not_a_token", Any),
    // The word Bearer
    ("Bearer",                         ALL, |t| format!("Bearer {t}"),                 "bearer_prefix_left_in", Proved),
    ("bearer",                         ALL, |t| format!("bearer {t}"),                 "bearer_prefix_left_in", Proved),
    ("BEARER and two spaces",          ALL, |t| format!("BEARER  {t}"),                "bearer_prefix_left_in", Proved),
    ("Bearer with a colon",            ALL, |t| format!("Bearer: {t}"),                "bearer_prefix_left_in", Proved),
    ("Bearer with an encoded space",   ALL, |t| format!("Bearer%20{t}"),               "bearer_prefix_left_in", Proved),
    ("Bearer twice",                   ALL, |t| format!("Bearer Bearer {t}"),          "bearer_prefix_left_in", Proved),
    ("the whole header",               ALL, |t| format!("Authorization: Bearer {t}"),  "bearer_prefix_left_in", Proved),
    ("the whole header in small",      ALL, |t| format!("authorization: bearer {t}"),  "bearer_prefix_left_in", Proved),
    // Quotes
    ("double quotes",                  ALL, |t| format!("\"{t}\""),                    "quoted", Proved),
    ("single quotes",                  ALL, |t| format!("'{t}'"),                      "quoted", Proved),
    ("back quotes",                    ALL, |t| format!("`{t}`"),                      "quoted", Proved),
    ("smart double quotes",            ALL, |t| format!("\u{201C}{t}\u{201D}"),        "quoted", Proved),
    ("smart single quotes",            ALL, |t| format!("\u{2018}{t}\u{2019}"),        "quoted", Proved),
    ("angle quotes",                   ALL, |t| format!("\u{00AB}{t}\u{00BB}"),        "quoted", Proved),
    ("angle brackets",                 ALL, |t| format!("<{t}>"),                      "quoted", Proved),
    ("a quote in front only",          ALL, |t| format!("\"{t}"),                      "quoted", Proved),
    ("a quote behind only",            ALL, |t| format!("{t}'"),                       "quoted", Proved),
    ("escaped quotes",                 ALL, |t| format!("\\\"{t}\\\""),                "quoted", Proved),
    ("quotes in quotes",               ALL, |t| format!("'\"{t}\"'"),                  "quoted", Proved),
    // JSON around it
    ("the JSON of the answer",         ALL, |t| format!("{{\"access_token\":\"{t}\"}}"), "not_a_token", Any),
    ("the whole JSON of the answer",   ALL, |t| format!("{{\"access_token\":\"{t}\",\"token_type\":\"Bearer\",\"expires_in\":900}}"), "not_a_token", Any),
    ("a JSON array",                   ALL, |t| format!("[\"{t}\"]"),                  "not_a_token", Any),
    // Percent-encoding
    ("percent-encoded",                ALL, |t| percent(t, 1),                         "percent_encoded", Proved),
    ("percent-encoded in small hex",   ALL, |t| t.replace('.', "%2e").replace('_', "%5f"), "percent_encoded", Proved),
    ("percent-encoded twice",          ALL, |t| percent(t, 2),                         "percent_encoded", Proved),
    ("percent-encoded ten times",      ALL, |t| percent(t, 10),                        "percent_encoded", Any),
    ("every character encoded",        ALL, |t| t.bytes().map(|byte| format!("%{byte:02X}")).collect(), "percent_encoded", Proved),
    ("an encoded newline behind",      ALL, |t| format!("{t}%0A"),                     "surrounding_whitespace|percent_encoded", Any),
    ("encoded quotes",                 ALL, |t| format!("%22{t}%22"),                  "quoted|percent_encoded", Any),
    // Something is missing
    ("the last character",             ALL, |t| cut(t, 1),                             "truncated", Lost),
    ("the last five characters",       ALL, |t| cut(t, 5),                             "truncated", Lost),
    ("the last twenty characters",     FIXED_LENGTH, |t| cut(t, 20),                   "truncated", Lost),
    ("the last half",                  FIXED_LENGTH, |t| cut(t, t.len() / 2),          "truncated", Lost),
    ("nearly everything",              ALL, |t| t[..24].to_owned(),                    "truncated", Lost),
    ("the body",                       OPAQUE, |t| t[..body_at(t)].to_owned(),         "truncated", Lost),
    ("the body of a refresh token",    REFRESH, |t| t[..body_at(t)].to_owned(),        "truncated", Lost),
    ("from the payload on",            JWT, |t| t[..t.find('.').unwrap() + 30].to_owned(), "truncated", Lost),
    ("the signature and its dot",      JWT, |t| segments(t, [0, 1]),                   "truncated", Lost),
    ("the signature",                  JWT, |t| segments(t, [0, 1]) + ".",             "truncated", Lost),
    ("all but the header",             JWT, |t| segments(t, [0]),                      "truncated", Lost),
    ("the header",                     JWT, |t| segments(t, [1, 2]),                   "truncated", Lost),
    ("the header, but not its dot",    JWT, |t| format!(".{}", segments(t, [1, 2])),   "truncated", Lost),
    ("the payload",                    JWT, |t| segments(t, [0, 2]),                   "truncated", Lost),
    ("the first character",            ALL, |t| t[1..].to_owned(),                     "truncated", Lost),
    ("the first three characters",     ALL, |t| t[3..].to_owned(),                     "truncated", Lost),
    ("the first four characters",      JWT, |t| t[4..].to_owned(),                     "truncated", Lost),
    ("the end, three dots for it",     ALL, |t| format!("{}...", &t[..24]),            "truncated", Lost),
    ("the end, an ellipsis for it",    ALL, |t| format!("{}\u{2026}", &t[..24]),       "truncated", Lost),
    ("the middle, three dots for it",  ALL, |t| ellipsis(t, "..."),                    "truncated", Lost),
    ("the middle, an ellipsis for it", ALL, |t| ellipsis(t, "\u{2026}"),               "truncated", Lost),
    // Two in one
    ("twice, nothing between",         ALL, |t| format!("{t}{t}"),                     "two_tokens_joined", Any),
    ("twice, a space between",         ALL, |t| format!("{t} {t}"),                    "two_tokens_joined", Any),
    ("twice, a comma between",         ALL, |t| format!("{t},{t}"),                    "two_tokens_joined", Any),
    ("twice, comma and space",         ALL, |t| format!("{t}, {t}"),                   "two_tokens_joined", Any),
    ("twice, a semicolon between",     ALL, |t| format!("{t};{t}"),                    "two_tokens_joined", Any),
    // Base64
    ("the alphabet of plain base64",   ALL, plain_base64,                              "wrong_base64_alphabet", Proved),
    ("padding",                        ALL, padded,                                    "wrong_base64_alphabet", Proved),
    ("plain base64 with padding",      ALL, |t| padded(&plain_base64(t)),              "wrong_base64_alphabet", Proved),
    // Upper and lower case
    ("all in small letters",           ALL, |t| t.to_ascii_lowercase(),                "changed_case", Lost),
    ("all in capitals",                ALL, |t| t.to_ascii_uppercase(),                "changed_case", Lost),
    ("the first letter a capital",     ALL, first_capital,                             "changed_case", Proved),
];

/// Whether the encoding itself shows that this many characters are missing at the end.
fn cut_shows(token: &str, characters: usize) -> bool {
    let body = &token[body_at(token)..token.len() - characters];
    let last = body.rsplit('.').next().unwrap();
    URL_SAFE_NO_PAD.decode(last).is_err()
}

/// Can be damaged in every way of the table, so that it shows.
pub(super) fn is_damageable(token: &str) -> bool {
    let body = &token[body_at(token)..];
    body.contains(['-', '_']) && (!token.starts_with("jat_") || (cut_shows(token, 1) && cut_shows(token, 5)))
}

/// One damage to one good token.
async fn play(stage: &Stage, form: Form, good: &str, (name, _, make, cause, repair): &Row) {
    let name = format!("{name} ({form:?})");
    let text = make(good);
    assert_ne!(text, good, "{name}");
    let answer = examine(stage, &Case::new(&name, text, cause).made_from(good)).await;
    let proved = answer.json["damage"].to_string().contains("\"proved\":true");
    match repair {
        Proved => assert!(proved, "{name}: the repair gives a token that the key proves: {answer:?}"),
        Lost => assert!(!proved, "{name}: nothing is guessed: {answer:?}"),
        Any => {}
    }
    // Everything else follows from the token: a valid one has no other causes.
    let besides = causes(&answer).into_iter().filter(|cause| !is_damage(cause)).collect::<Vec<_>>();
    match (form, repair) {
        (Refresh, Proved) => assert_eq!(besides, ["refresh_token_as_access_token"], "{name}: {answer:?}"),
        (_, Proved) => assert!(besides.is_empty(), "{name}: {answer:?}"),
        _ => {}
    }
}

on_both_stores!(every_kind_of_damage_is_named_with_its_repair, async |backend| {
    let stage = Stage::start(backend).await;
    let mut sheet = Sheet::default();
    for form in ALL {
        let good = stage.good_with(*form, is_damageable).await;
        for row in TABLE.iter().filter(|row| row.1.contains(form)) {
            sheet.row(format!("{} ({form:?})", row.0), play(&stage, *form, &good, row)).await;
        }
    }
    sheet.close();
});

/// What separates two different tokens, and the first cause.
const BETWEEN: [(&str, &str); 6] = [
    ("", "two_tokens_joined"),
    (" ", "two_tokens_joined"),
    (",", "two_tokens_joined"),
    ("\t", "two_tokens_joined"),
    ("\n", "line_break|two_tokens_joined"),
    ("\r\n", "line_break|two_tokens_joined"),
];

on_both_stores!(two_different_tokens_in_one_text_are_named, async |backend| {
    let stage = Stage::start(backend).await;
    let mut sheet = Sheet::default();
    for one in ALL {
        for other in ALL {
            let (first, second) = (stage.good(*one).await, stage.good(*other).await);
            for (between, cause) in BETWEEN {
                let name = format!("{one:?}, {between:?}, {other:?}");
                let case = Case::new(name, format!("{first}{between}{second}"), cause);
                let case = case.made_from(&first).made_from(&second).also(&["two_tokens_joined"]);
                sheet.case(&stage, &case).await;
            }
        }
    }
    sheet.close();
});

// If the encoding does not show that something is missing, a truncation looks like a change: a key shows only that the
// seal does not match. The same holds for text after a whole token that could be part of one.
on_both_stores!(a_truncation_that_keeps_the_form_is_a_bad_signature, async |backend| {
    let stage = Stage::start(backend).await;
    let good = stage.good_with(Opaque, |token| !cut_shows(token, 20)).await;
    let case = Case::new("the last twenty characters", cut(&good, 20), "truncated|bad_signature");
    examine(&stage, &case.made_from(&good).perhaps_hidden()).await;
    for form in ACCESS {
        let good = stage.good(*form).await;
        let left_open = "truncated|two_tokens_joined|wrong_base64_alphabet|not_a_token|bad_signature";
        let case = Case::new(format!("one more character ({form:?})"), format!("{good}A"), left_open);
        examine(&stage, &case.made_from(&good).perhaps_hidden()).await;
    }
});
