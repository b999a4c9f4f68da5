//! Damage in transit.

use proptest::prelude::*;

use super::*;

/// What happens to tokens in transit, its cause, and whether it can be undone and so proved.
fn accidents(token: &str) -> Vec<(String, Cause, bool)> {
    let half = token.len() / 2;
    let (start, end) = token.split_at(half);
    let of = |text: String, cause| (text, cause, true);
    vec![
        of(format!(" {token}"), Cause::SurroundingWhitespace),
        of(format!("{token}\n"), Cause::SurroundingWhitespace),
        of(format!("\t{token}\r\n"), Cause::SurroundingWhitespace),
        of(format!("{start}\n{end}"), Cause::LineBreak),
        of(format!("{start}\r\n{end}"), Cause::LineBreak),
        of(format!("{token}\\n"), Cause::LineBreak),
        of(format!("{}\n{}", &token[..token.len() - 9], &token[token.len() - 9..]), Cause::LineBreak),
        of(format!("{} {}", &token[..token.len() - 9], &token[token.len() - 9..]), Cause::InvisibleCharacter),
        of(format!("{start}\u{200b}{end}"), Cause::InvisibleCharacter),
        of(format!("\u{feff}{token}"), Cause::InvisibleCharacter),
        of(format!("{token}\u{a0}"), Cause::InvisibleCharacter),
        of(format!("{start} {end}"), Cause::InvisibleCharacter),
        of(format!("{start}\0{end}"), Cause::InvisibleCharacter),
        of(format!("Bearer {token}"), Cause::BearerPrefixLeftIn),
        of(format!("bearer{token}"), Cause::BearerPrefixLeftIn),
        of(format!("Bearer%20{token}"), Cause::BearerPrefixLeftIn),
        of(format!("Authorization: Bearer {token}"), Cause::BearerPrefixLeftIn),
        of(format!("Bearer \"{token}\""), Cause::BearerPrefixLeftIn),
        of(format!("\"Bearer {token}\""), Cause::BearerPrefixLeftIn),
        of(format!("\"{token}\""), Cause::Quoted),
        of(format!("'{token}"), Cause::Quoted),
        of(format!("“{token}”"), Cause::Quoted),
        of(format!("\\\"{token}\\\""), Cause::Quoted),
        of(format!("\"{token}\","), Cause::Quoted),
        of(format!("&quot;{token}&quot;"), Cause::Quoted),
        of(format!("<{token}>"), Cause::Quoted),
        of(format!("{{\"access_token\":\"{token}\",\"token_type\":\"Bearer\"}}"), Cause::NotAToken),
        of(token.replacen(['.', '_'], if token.contains('.') { "%2E" } else { "%5F" }, 1), Cause::PercentEncoded),
        of(token.replace(['.'], "%252E").replace('_', "%255F"), Cause::PercentEncoded),
        of(format!("{token}{token}"), Cause::TwoTokensJoined),
        of(format!("{token},{token}"), Cause::TwoTokensJoined),
        of(format!("{token} {token}"), Cause::TwoTokensJoined),
        of(format!("{token}, Bearer {token}"), Cause::TwoTokensJoined),
        of(format!("{token}="), Cause::WrongBase64Alphabet),
        of(format!("{}{}", token[..1].to_uppercase(), &token[1..]), Cause::ChangedCase),
        of(format!("Token {token}"), Cause::WrongScheme),
        of(format!("Baerer {token}"), Cause::WrongScheme),
        of(format!("access_token={token}"), Cause::NotAToken),
        of(format!("https://api.example/data?access_token={token}&x=1"), Cause::NotAToken),
        of(format!("{{'access_token': '{token}', 'token_type': 'Bearer'}}"), Cause::NotAToken),
        of(format!("export TOKEN=\"{token}\""), Cause::Quoted),
        of(format!("({token})"), Cause::Quoted),
        of(format!("[{token}]"), Cause::Quoted),
        of(format!("\u{1b}[32m{token}\u{1b}[0m"), Cause::InvisibleCharacter),
        of(format!("{start}\u{b}{end}"), Cause::InvisibleCharacter),
        of(format!("{start}\\n{end}"), Cause::LineBreak),
        of(format!("{start}\\\n{end}"), Cause::LineBreak),
        of(format!("\"{{\\\"access_token\\\":\\\"{token}\\\"}}\""), Cause::Quoted),
        (format!("{}[truncated]", &token[..60]), Cause::Truncated, false),
        (format!("{}... (587 chars)", &token[..60]), Cause::Truncated, false),
        (token[..token.len() - 1].to_owned(), Cause::Truncated, false),
        (token[..token.len() - 20].to_owned(), Cause::Truncated, false),
        (token[..20].to_owned(), Cause::Truncated, false),
        (format!("{}...", &token[..30]), Cause::Truncated, false),
        (format!("{}…{}", &token[..12], &token[token.len() - 8..]), Cause::Truncated, false),
        (token[3..].to_owned(), Cause::Truncated, false),
        (token.to_lowercase(), Cause::ChangedCase, false),
        (token.to_uppercase(), Cause::ChangedCase, false),
    ]
}

#[test]
fn damage_is_named_and_proved_if_it_can_be_undone() {
    for token in [&SERVER.jwt, &SERVER.opaque, &SERVER.refresh] {
        for (text, cause, can_be_undone) in accidents(token) {
            let diagnosis = read(&text);
            assert_eq!(diagnosis.cause(), Some(cause), "{text}: {:?}", diagnosis.findings);
            assert_eq!(diagnosis.authentic.is_some(), can_be_undone, "{text}: {:?}", diagnosis.damage);
            assert!(diagnosis.damage.iter().all(|damage| damage.proved == can_be_undone), "{text}");
            let told = format!("{:?} {:?}", diagnosis.findings, diagnosis.damage);
            assert!(!told.contains(&token[token.len() - 12..]), "{told}");
        }
    }
}

#[test]
fn the_first_cause_does_not_depend_on_the_proof_of_a_repair() {
    for token in [&SERVER.jwt, &SERVER.opaque, &SERVER.refresh] {
        for (text, cause, _) in accidents(token) {
            assert_eq!(read_with(&text, &SERVER.ring, 0).cause(), Some(cause), "{text}");
        }
    }
}

#[test]
fn positions_are_counted_in_the_text_that_was_sent() {
    let detail = |text: &str| read(text).findings.first().unwrap().detail.clone();
    let token = &SERVER.jwt;
    let (first, second) = (token.len() + 1, token.len() + 3);
    assert!(detail(&format!("{token}{token}")).contains(&format!("at character {first}.")));
    assert!(detail(&format!("{token}, {token}")).contains(&format!("at character {second}.")));
    assert!(detail(&format!("{}\u{200b}{}", &token[..9], &token[9..])).contains("at character 10."));
    let inner = read(&format!("Bearer {}\n{}", &token[..9], &token[9..]));
    assert!(inner.damage.iter().any(|damage| damage.detail.contains("at character 17.")), "{:?}", inner.damage);
}

#[test]
fn of_two_joined_tokens_the_access_token_is_explained() {
    let both = read(&format!("{} {}", SERVER.jwt, SERVER.refresh));
    assert!(both.claims().is_some());
    assert_eq!(both.findings.iter().map(|finding| finding.cause).collect::<Vec<_>>(), [Cause::TwoTokensJoined]);
}

#[test]
fn nested_encodings_are_undone_up_to_a_limit() {
    let mut text = SERVER.jwt.clone();
    text = text.replace('.', "%2E");
    for _ in 0..9 {
        text = text.replace('%', "%25");
    }
    assert_eq!(causes(&text), [Cause::PercentEncoded]);
    for _ in 0..100 {
        text = text.replace('%', "%25");
    }
    assert_eq!(read(&text).cause(), Some(Cause::PercentEncoded));
}

/// Damages a text at a place.
fn damage(text: &str, what: u8, place: usize) -> String {
    let at = text.char_indices().map(|(at, _)| at).nth(place % (text.chars().count() + 1)).unwrap_or(text.len());
    let (start, end) = text.split_at(at);
    match what % 10 {
        0 => format!("{start}\n{end}"),
        1 => format!("{start}\u{200b}{end}"),
        2 => format!("{start}%{end}"),
        3 => start.to_owned(),
        4 => end.to_owned(),
        5 => format!("\"{text}\""),
        6 => format!("{start}{text}"),
        7 => text.to_uppercase(),
        8 => text.replace(['.', '%'], "%25"),
        _ => format!("Bearer {text}"),
    }
}

proptest! {
    #[test]
    fn any_text_is_judged_without_a_panic(text in "\\PC{0,200}|[-A-Za-z0-9_.=+/% \n\"{}]{0,300}") {
        prop_assert!(read(&text).authentic.is_none());
        prop_assert!(read(&text).cause().is_some());
    }

    #[test]
    fn any_damage_has_a_cause_and_the_token_is_never_repeated(
        kind in 0usize..3,
        accidents in proptest::collection::vec((any::<u8>(), any::<usize>()), 1..5),
    ) {
        let token = [&SERVER.jwt, &SERVER.opaque, &SERVER.refresh][kind];
        let mut text = token.clone();
        for (what, place) in accidents {
            text = damage(&text, what, place);
        }
        prop_assume!(text != *token);
        let diagnosis = read(&text);
        prop_assert!(diagnosis.cause().is_some());
        prop_assert_eq!(read_with(&text, &SERVER.ring, 0).cause(), diagnosis.cause());
        let told = format!("{:?} {:?} {:?}", diagnosis.findings, diagnosis.damage, diagnosis.facts);
        prop_assert!(!told.contains(&token[token.len() - 20..]));
        prop_assert!(diagnosis.findings.is_sorted_by_key(|finding| finding.cause));
    }
}
