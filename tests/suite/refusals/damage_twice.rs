//! Two neighbouring causes at once, from the bytes: the earlier one is the first cause, and both are reported.

use super::ask::{Case, Sheet};
use super::damage::{first_capital, is_damageable, percent, plain_base64};
use super::stage::{Form, Jwt, Opaque, Refresh, Stage};
use crate::support::on_both_stores;

/// The form, how it is made, what is said first, and what besides.
type Row = (Form, fn(&str) -> String, &'static str, &'static str);

fn cut(token: &str, characters: usize) -> &str {
    &token[..token.len() - characters]
}

#[rustfmt::skip]
const TABLE: &[Row] = &[
    (Jwt,     |t| format!("{}\n{}\n", &t[..64], &t[64..]),             "surrounding_whitespace", "line_break"),
    (Opaque,  |t| format!(" {}\r\n{}", &t[..64], &t[64..]),            "surrounding_whitespace", "line_break"),
    (Jwt,     |t| format!("{}\n{}\u{200B}", &t[..64], &t[64..]),       "line_break", "invisible_character"),
    (Refresh, |t| format!("{}\n{}\u{00A0}", &t[..64], &t[64..]),       "line_break", "invisible_character"),
    (Jwt,     |t| format!("\u{FEFF}Bearer {t}"),                       "invisible_character", "bearer_prefix_left_in"),
    (Opaque,  |t| format!("Bearer {t}\u{200D}"),                       "invisible_character", "bearer_prefix_left_in"),
    (Jwt,     |t| format!("Bearer \"{t}\""),                           "bearer_prefix_left_in", "quoted"),
    (Opaque,  |t| format!("'Bearer {t}'"),                             "bearer_prefix_left_in", "quoted"),
    (Jwt,     |t| format!("\"{}\"", percent(t, 1)),                    "quoted", "percent_encoded"),
    (Opaque,  |t| format!("'{}'", percent(t, 2)),                      "quoted", "percent_encoded"),
    (Jwt,     |t| percent(cut(t, 5), 1),                               "percent_encoded", "truncated"),
    (Opaque,  |t| percent(cut(t, 1), 2),                               "percent_encoded", "truncated"),
    // The promise leaves open whether a truncated second token counts.
    (Jwt,     |t| format!("{t}{}", cut(t, 20)),                        "truncated|two_tokens_joined", "two_tokens_joined"),
    (Jwt,     |t| format!("{t} {}", &t[..40]),                         "truncated|two_tokens_joined", "two_tokens_joined"),
    (Jwt,     |t| format!("{} {}", plain_base64(t), plain_base64(t)),  "two_tokens_joined", "wrong_base64_alphabet"),
    (Opaque,  |t| format!("{},{}", plain_base64(t), plain_base64(t)),  "two_tokens_joined", "wrong_base64_alphabet"),
    (Jwt,     |t| first_capital(&plain_base64(t)),                     "wrong_base64_alphabet", "changed_case"),
    (Opaque,  |t| first_capital(&plain_base64(t)),                     "wrong_base64_alphabet", "changed_case"),
    // A text that is not a token has no kind, so the next neighbour is the kind.
    (Refresh, first_capital,                                           "changed_case", "refresh_token_as_access_token"),
    (Refresh, |t| format!("\"{t}\""),                                  "quoted", "refresh_token_as_access_token"),
];

on_both_stores!(of_two_kinds_of_damage_the_first_in_order_is_the_cause_and_both_are_reported, async |backend| {
    let mut sheet = Sheet::default();
    let stage = Stage::start(backend).await;
    for (index, (form, make, first, second)) in TABLE.iter().enumerate() {
        let good = stage.good_with(*form, is_damageable).await;
        let name = format!("row {index}: {first} and {second} ({form:?})");
        sheet.case(&stage, &Case::new(name, make(&good), first).made_from(&good).also(&[second])).await;
    }
    sheet.close();
});

// Five at once are the most that a chain of careless steps makes.
on_both_stores!(many_kinds_of_damage_are_all_reported, async |backend| {
    let mut sheet = Sheet::default();
    let stage = Stage::start(backend).await;
    for form in [Jwt, Opaque] {
        let good = stage.good(form).await;
        let text = format!(" Bearer \"{}\n{}\u{200B}\"\r\n", &good[..64], &good[64..]);
        let all = ["line_break", "invisible_character", "bearer_prefix_left_in", "quoted"];
        let case = Case::new(format!("{form:?}"), text, "surrounding_whitespace").made_from(&good).also(&all);
        sheet.case(&stage, &case).await;
    }
    sheet.close();
});

// Callers who may know also learn what is wrong with the token itself.
on_both_stores!(a_damaged_and_revoked_token_has_both_causes, async |backend| {
    let mut sheet = Sheet::default();
    let stage = Stage::start(backend).await;
    for form in [Jwt, Opaque] {
        let good = stage.good(form).await;
        stage.app.revoke(stage.owner(form), &good).await.assert_ok();
        for (text, cause) in [
            (format!("{good}\n"), "surrounding_whitespace"),
            (format!("Bearer {good}"), "bearer_prefix_left_in"),
            (percent(&good, 1), "percent_encoded"),
            (first_capital(&good), "changed_case"),
        ] {
            let case = Case::new(format!("{cause} ({form:?})"), text, cause).made_from(&good);
            sheet.case(&stage, &case.also(&["token_revoked"])).await;
        }
    }
    sheet.close();
});

on_both_stores!(a_damaged_token_is_checked_against_the_requirements_too, async |backend| {
    let mut sheet = Sheet::default();
    let stage = Stage::start(backend).await;
    for form in [Jwt, Opaque] {
        let good = stage.good(form).await;
        let case = Case::new(format!("{form:?}"), format!("\"{good}\""), "quoted").made_from(&good);
        let case = case.expecting(Some("read admin"), Some("https://else.example.test/"));
        sheet.case(&stage, &case.also(&["wrong_audience", "insufficient_scope"])).await;
    }
    sheet.close();
});
