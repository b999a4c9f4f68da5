//! How a token is sent, as `/auth/verify` judges requests.

use std::collections::BTreeMap;

use serde_json::json;

use super::ask::Sheet;
use super::causes::answer_of;
use super::stage::{ACCESS, Jwt, Stage};
use crate::conformance::bearer::challenge_attributes;
use crate::support::scene::API;
use crate::support::{Answer, Setup, on_both_stores};

/// The values of the Authorization headers, what follows the path, and the first cause. `T` is replaced by a valid
/// token.
type Row = (&'static [&'static str], &'static str, &'static str);

#[rustfmt::skip]
const TABLE: &[Row] = &[
    (&[],                            "",                                "missing"),
    (&["Bearer"],                    "",                                "missing|wrong_scheme"),
    (&["Bearer T", "Bearer T"],      "",                                "sent_twice"),
    (&["Bearer T", "Bearer x"],      "",                                "sent_twice"),
    (&["Bearer T", "Basic dTpw"],    "",                                "sent_twice"),
    (&["Bearer T"],                  "&access_token=T",                 "sent_twice"),
    (&["Bearer T"],                  "&access_token=x",                 "sent_twice"),
    (&[],                            "&access_token=T",                 "in_query_string"),
    (&[],                            "&access%5Ftoken=T",               "in_query_string"),
    (&[],                            "&access_token=x",                 "in_query_string"),
    (&["Basic dTpw"],                "",                                "wrong_scheme"),
    (&["Bear T"],                    "",                                "wrong_scheme"),
    (&["Bearer: T"],                 "",                                "wrong_scheme"),
    (&["Bearer  T"],                 "",                                "wrong_scheme"),
    (&["BearerT"],                   "",                                "wrong_scheme"),
    (&["Bearer=T"],                  "",                                "wrong_scheme"),
    (&["Token T"],                   "",                                "wrong_scheme"),
    (&["token T"],                   "",                                "wrong_scheme"),
    (&["JWT T"],                     "",                                "wrong_scheme"),
    (&["DPoP T"],                    "",                                "wrong_scheme"),
    (&["ApiKey T"],                  "",                                "wrong_scheme"),
    (&["T"],                         "",                                "wrong_scheme"),
    (&["\"Bearer T\""],              "",                                "wrong_scheme"),
    // Neighbours in the order
    (&["Bearer T", "Bearer T"],      "&access_token=T",                 "sent_twice"),
    (&["Basic dTpw"],                "&access_token=T",                 "in_query_string"),
    (&["Token undefined"],           "",                                "wrong_scheme"),
];

/// The token instead of the `T` at the end.
fn with_token(value: &str, token: &str) -> String {
    match (value.strip_suffix('T'), value.strip_suffix("T\"")) {
        (Some(rest), _) => format!("{rest}{token}"),
        (_, Some(rest)) => format!("{rest}{token}\""),
        _ => value.to_owned(),
    }
}

async fn ask(stage: &Stage, path: &str, authorization: &[&str], token: &str) -> Answer {
    let values: Vec<String> = authorization.iter().map(|value| with_token(value, token)).collect();
    let headers: Vec<(&str, &str)> = values.iter().map(|value| ("Authorization", value.as_str())).collect();
    stage.app.get_with(path, &headers).await
}

/// One row: answered and counted by its cause, at this path below the endpoint.
async fn play(stage: &Stage, below: &str, token: &str, (headers, query, expected): &Row) {
    let path = format!("/auth/verify{below}?audience={API}{}", with_token(query, token));
    let counts = async || {
        let mut counts = BTreeMap::new();
        for cause in expected.split('|') {
            counts.insert(cause, stage.counted("verify", cause).await);
        }
        counts
    };
    let before = counts().await;
    let answer = ask(stage, &path, headers, token).await;
    let name = format!("{headers:?} {query}");
    let after = counts().await;
    let counted: Vec<&str> =
        after.into_iter().filter(|(cause, n)| *n > before[cause]).map(|(cause, _)| cause).collect();
    let [cause] = counted[..] else { panic!("{name}: {expected} is not counted: {answer:?}") };
    let (status, error) = answer_of(cause);
    assert_eq!(answer.status.as_u16(), status, "{name}: {answer:?}");
    let attributes = answer.header("www-authenticate").map(challenge_attributes);
    let attributes = attributes.unwrap_or_else(|| panic!("{name}: no challenge: {answer:?}"));
    assert_eq!(attributes.get("error").map(String::as_str), error, "{name}: {answer:?}");
    assert!(!format!("{:?} {}", answer.headers, answer.body).contains(token), "{name}: {answer:?}");
    assert!(answer.header("x-auth-subject").is_none(), "{name}: {answer:?}");
}

on_both_stores!(a_request_that_presents_its_token_wrongly_is_answered_accordingly, async |backend| {
    let stage = Stage::start(backend).await;
    let mut sheet = Sheet::default();
    for form in ACCESS {
        let token = stage.good(*form).await;
        for below in ["", "/data/7"] {
            for row in TABLE {
                let name = format!("{:?} {} ({form:?}{below})", row.0, row.1);
                sheet.row(name, play(&stage, below, &token, row)).await;
            }
        }
    }
    sheet.close();
});

on_both_stores!(a_valid_token_passes_with_its_subject_client_scope_and_session, async |backend| {
    let stage = Stage::start(backend).await;
    for form in ACCESS {
        let owner = stage.owner(*form);
        let (own, login) = (stage.good(*form).await, stage.login(owner).await.access);
        for (token, subject, has_session) in [(own, owner.id.as_str(), false), (login, stage.alice.as_str(), true)] {
            for scheme in ["Bearer", "bearer", "BEARER"] {
                let path = format!("/auth/verify/any/path?audience={API}&scope=read");
                let answer = stage.app.get_with(&path, &[("Authorization", &format!("{scheme} {token}"))]).await;
                answer.assert_ok();
                assert_eq!(answer.header("x-auth-subject"), Some(subject), "{answer:?}");
                assert_eq!(answer.header("x-auth-client"), Some(owner.id.as_str()), "{answer:?}");
                assert_eq!(answer.header("x-auth-scope"), Some("read write"), "{answer:?}");
                assert_eq!(answer.header("x-auth-session").map(str::is_empty), Some(!has_session), "{answer:?}");
            }
        }
    }
});

on_both_stores!(without_an_audience_no_token_is_accepted, async |backend| {
    let stage = Stage::start(backend).await;
    for form in ACCESS {
        let bearer = format!("Bearer {}", stage.good(*form).await);
        let answer = stage.app.get_with("/auth/verify", &[("Authorization", &bearer)]).await;
        assert_eq!(answer.status.as_u16(), 400, "{answer:?}");
        let setup = Setup::default().set("JETON_VERIFY_AUDIENCE", API);
        let configured = Stage::start_with(backend, setup).await;
        let bearer = format!("Bearer {}", configured.good(*form).await);
        configured.app.get_with("/auth/verify", &[("Authorization", &bearer)]).await.assert_ok();
        let elsewhere = "/auth/verify?audience=https://else.example.test/";
        let answer = configured.app.get_with(elsewhere, &[("Authorization", &bearer)]).await;
        assert_eq!(answer.status.as_u16(), 401, "{answer:?}");
    }
});

// The original URL is what a trusted proxy says it is.
on_both_stores!(a_token_in_the_original_url_is_noticed_only_behind_a_trusted_proxy, async |backend| {
    let setup = Setup::default().set("JETON_TRUSTED_PROXIES", "127.0.0.0/8");
    let behind_proxy = Stage::start_with(backend, setup).await;
    let direct = Stage::start(backend).await;
    for (stage, trusted) in [(&behind_proxy, true), (&direct, false)] {
        let token = stage.good(Jwt).await;
        let (path, original) = (format!("/auth/verify?audience={API}"), format!("/data?access_token={token}"));
        let bearer = format!("Bearer {token}");
        let alone = stage.app.get_with(&path, &[("X-Forwarded-Uri", &original)]).await;
        let with_header = [("X-Forwarded-Uri", original.as_str()), ("Authorization", bearer.as_str())];
        let twice = stage.app.get_with(&path, &with_header).await;
        let expected = if trusted { (400, 400) } else { (401, 200) };
        assert_eq!((alone.status.as_u16(), twice.status.as_u16()), expected, "{alone:?} {twice:?}");
    }
});

// What a client wrote into its claims or its names stays inside its header field.
on_both_stores!(no_claim_breaks_out_of_a_header, async |backend| {
    let stage = Stage::start(backend).await;
    for path in [
        format!("/auth/verify?audience={API}&scope=read%0D%0AX-Evil:%201"),
        format!("/auth/verify?audience={API}&scope=%22%20error=%22none"),
        "/auth/verify?audience=%0D%0AX-Evil:%201".to_owned(),
    ] {
        let bearer = format!("Bearer {}", stage.good(Jwt).await);
        let answer = stage.app.get_with(&path, &[("Authorization", &bearer)]).await;
        assert!((400..500).contains(&answer.status.as_u16()), "{path}: {answer:?}");
        assert!(answer.header("x-evil").is_none(), "{path}: {answer:?}");
        _ = answer.header("www-authenticate").map(challenge_attributes);
        assert_ne!(answer.json["active"], json!(true), "{path}");
    }
});
