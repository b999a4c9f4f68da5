use proptest::prelude::*;

use super::*;

fn with_header(value: &str) -> Result<String, (Cause, &'static str)> {
    read(Sent { authorization: &[value.as_bytes()], ..Sent::default() }).map_err(|fault| (fault.cause, fault.detail))
}

#[track_caller]
fn cause(sent: Sent<'_>) -> Cause {
    read(sent).unwrap_err().cause
}

#[test]
fn a_token_in_a_form_counts_where_it_is_taken_and_only_alone() {
    let in_body = |sent: Sent<'_>, tokens: &[&str]| read_with_body(sent, tokens).map_err(|fault| fault.cause);
    let (nothing, header) = (Sent::default(), Sent { authorization: &[b"Bearer a"], ..Sent::default() });
    let query = Sent { queries: &[b"access_token=a"], ..Sent::default() };
    assert_eq!(in_body(nothing, &["b"]), Ok((Scheme::Bearer, "b".to_owned())));
    assert_eq!(in_body(header, &[]), Ok((Scheme::Bearer, "a".to_owned())));
    assert_eq!(in_body(nothing, &[]), Err(Cause::Missing));
    for (sent, tokens) in [(nothing, &["b", "b"][..]), (header, &["b"]), (header, &["b", "c"]), (query, &["b"])] {
        assert_eq!(in_body(sent, tokens), Err(Cause::SentTwice), "{tokens:?}");
    }
    assert_eq!(in_body(query, &[]), Err(Cause::InQueryString));
    let basic = Sent { authorization: &[b"Basic a"], ..Sent::default() };
    assert_eq!(in_body(basic, &["b"]), Err(Cause::WrongScheme));
}

#[test]
fn what_follows_bearer_and_one_space_is_passed_on_unchanged() {
    let texts = [
        "eyJ.a.b",
        "a b",
        "a  b",
        "\"eyJ\"",
        "Bearer x",
        "null",
        "a, b",
        "x,",
        "%20x",
        "é\u{a0}x",
        "\u{a0}x",
        ":x",
        r#"{"access_token":"x", "token_type":"Bearer"}"#,
    ];
    for text in texts {
        for scheme in ["Bearer", "bearer", "BEARER"] {
            assert_eq!(with_header(&format!("{scheme} {text}")).as_deref(), Ok(text));
            assert_eq!(with_header(&format!(" \t{scheme} {text} \t")).as_deref(), Ok(text));
        }
    }
    let bytes = read(Sent { authorization: &[b"Bearer a\xa0b"], ..Sent::default() });
    assert_eq!(bytes.as_deref(), Ok("a\u{fffd}b"));
}

#[test]
fn a_request_without_a_token_is_missing_one() {
    for value in ["", " ", "Bearer", "bearer ", "Bearer  ", "Bearer\t"] {
        assert_eq!(with_header(value).unwrap_err().0, Cause::Missing, "{value:?}");
    }
    assert_eq!(cause(Sent::default()), Cause::Missing);
    assert_eq!(cause(Sent { queries: &[b"", b"token=x&access_tokens=y"], ..Sent::default() }), Cause::Missing);
    // A token in the body does not count, but the answer says so.
    let fault = read(Sent { form_names: &["access_token"], ..Sent::default() }).unwrap_err();
    assert!(fault.cause == Cause::Missing && fault.detail.contains("body"));
}

#[test]
fn a_token_in_two_places_is_sent_twice() {
    let header: &[&[u8]] = &[b"Bearer x"];
    let query: &[&[u8]] = &[b"a=b&access_token=x"];
    let twice = [
        Sent { authorization: &[b"Bearer x", b"Bearer x"], ..Sent::default() },
        Sent { authorization: &[b"Bearer x", b"Basic x"], ..Sent::default() },
        Sent { authorization: header, queries: query, ..Sent::default() },
        Sent { authorization: header, queries: &[b"", b"ACCESS%5ftoken"], ..Sent::default() },
        Sent { authorization: header, form_names: &["access_token"], ..Sent::default() },
        Sent { queries: query, form_names: &["access_token"], ..Sent::default() },
        Sent { queries: &[b"access_token=x&access_token=x"], ..Sent::default() },
    ];
    for sent in twice {
        assert_eq!(cause(sent), Cause::SentTwice);
    }
    for value in ["Bearer a, Bearer b", "Bearer a,bearer b", "Basic a, Bearer b", "Bearer a, Basic b", "Token a ,JWT b"]
    {
        assert_eq!(with_header(value).unwrap_err().0, Cause::SentTwice, "{value}");
    }
}

#[test]
fn a_token_in_the_url_is_found_however_its_name_is_written() {
    for query in
        ["access_token=x", "access_token", "a&access_token=", "Access_Token=x", "access%5Ftoken=x", "%61ccess_token=x"]
    {
        for queries in [[query.as_bytes(), b""], [b"", query.as_bytes()], [query.as_bytes(), query.as_bytes()]] {
            assert_eq!(cause(Sent { queries: &queries, ..Sent::default() }), Cause::InQueryString, "{query}");
        }
    }
}

#[test]
fn dpo_009_the_scheme_dpop_is_told_apart_and_read_as_strictly() {
    let any = |value: &str| {
        read_any(Sent { authorization: &[value.as_bytes()], ..Sent::default() }).map_err(|fault| fault.cause)
    };
    for scheme in ["DPoP", "dpop", "DPOP"] {
        assert_eq!(any(&format!("{scheme} x")), Ok((Scheme::Dpop, "x".to_owned())));
    }
    assert_eq!(any("Bearer x"), Ok((Scheme::Bearer, "x".to_owned())));
    assert_eq!((any("DPoP"), any("DPoP ")), (Err(Cause::Missing), Err(Cause::Missing)));
    for wrong in ["DPoP  x", "DPoP \tx", "DPoP\tx", "DPoP: x", "DPoP:x", "Basic x", "x"] {
        assert_eq!(any(wrong), Err(Cause::WrongScheme), "{wrong}");
    }
    assert_eq!(any("DPoP x, Bearer y"), Err(Cause::SentTwice));
    let twice = Sent { authorization: &[b"DPoP a"], queries: &[b"access_token=b"], ..Sent::default() };
    assert_eq!(read_any(twice).unwrap_err().cause, Cause::SentTwice);
}

#[test]
fn near_misses_of_the_scheme_are_named() {
    let cases = [
        ("Bear x", "it is Bear,"),
        ("Token x", "is Token,"),
        ("token", "is Token,"),
        ("Token: x", "is Token,"),
        ("JWT x", "is JWT,"),
        ("Basic dTpw", "is Basic,"),
        ("DPoP x", "DPoP"),
        ("Baerer x", "misspelled"),
        ("Bearar x", "misspelled"),
        ("Berer x", "misspelled"),
        ("Bearers x", "misspelled"),
        ("Bearer: x", "colon"),
        ("Bearer:x", "colon"),
        ("Bearer=x", "equals sign"),
        ("Bearer%20x", "percent-encoded"),
        ("Bearer+x", "plus sign"),
        ("BearereyJhbGciOi", "missing"),
        ("Bearerjat_live_x", "missing"),
        ("Bearer\u{a0}x", "plain space"),
        ("Bearer  x", "More than one space"),
        ("Bearer \tx", "More than one space"),
        ("Bearer\tx", "tab"),
        ("eyJ.a.b", "no scheme"),
        ("eyJ.a.b x", "no scheme"),
        ("jat_live_x", "no scheme"),
        ("undefined", "no scheme"),
        ("\"Bearer x\"", "quotes"),
        ("\u{201C}Bearer x\u{201D}", "quotes"),
        ("'eyJx'", "quotes"),
        ("Authorization: Bearer x", "repeats"),
        ("Hawk id=x", "is not Bearer"),
    ];
    for (value, words) in cases {
        let (cause, detail) = with_header(value).unwrap_err();
        assert_eq!(cause, Cause::WrongScheme, "{value}");
        assert!(detail.contains(words), "{value}: {detail}");
        // RFC 6750 §3: what an error_description may hold.
        assert!(detail.bytes().all(|byte| matches!(byte, 0x20..=0x7E) && byte != b'"' && byte != b'\\'), "{detail}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_judged_and_no_detail_repeats_the_token(
        before in proptest::collection::vec(any::<u8>(), 0..20),
        scheme in "(Bearer|bearer|Bear|Token|JWT|Basic|\"Bearer|)[ :=\t,]{0,2}",
        after in proptest::collection::vec(any::<u8>(), 0..20),
        copies in 0..3usize,
        in_query in any::<bool>(),
    ) {
        let secret = "jat_live_AQp5sT0k3nOfTheTest";
        let value = [&before, scheme.as_bytes(), secret.as_bytes(), &after].concat();
        let headers = vec![value.as_slice(); copies];
        let query = format!("access_token={secret}");
        let queries: &[&[u8]] = if in_query { &[query.as_bytes(), &value] } else { &[&value] };
        match read(Sent { authorization: &headers, queries, ..Sent::default() }) {
            Ok(text) => prop_assert!(copies == 1 && text.contains(secret)),
            Err(fault) => {
                prop_assert!(!fault.detail.contains(secret) && !fault.detail.is_empty());
                prop_assert!(fault.cause <= Cause::WrongScheme);
            }
        }
    }
}
