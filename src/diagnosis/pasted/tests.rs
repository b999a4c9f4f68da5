use proptest::prelude::*;

use super::*;
use crate::protocol::cause::Cause;

const TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJkZW1vIn0.c2lnbmF0dXJl";

/// Reads a request after replacing TOKEN by a token.
#[track_caller]
fn pasted(text: &str) -> Pasted {
    let pasted = read(&text.replace("TOKEN", TOKEN)).unwrap_or_else(|_| panic!("not read: {text}"));
    for problem in &pasted.problems {
        assert!(!problem.detail.contains("eyJ") && !problem.fix.contains("eyJ"));
    }
    pasted
}

/// The causes against a request, in order; None for what is only worth knowing.
fn causes(text: &str) -> Vec<Option<Cause>> {
    pasted(text).problems.iter().map(|problem| problem.cause).collect()
}

#[track_caller]
fn assert_first(text: &str, cause: Cause, words: &str, token: Option<&str>) {
    let pasted = pasted(text);
    let first = pasted.problems.first().unwrap_or_else(|| panic!("nothing is found in {text}"));
    assert_eq!(first.cause, Some(cause), "{text}: {}", first.detail);
    assert!(first.detail.contains(words), "{text}: {}", first.detail);
    assert_eq!(pasted.problems.iter().filter(|problem| problem.cause == Some(cause)).count(), 1, "{text}");
    assert_eq!(pasted.token.as_deref(), token, "{text}");
}

#[test]
fn a_correct_request_is_read_completely_and_has_no_problems() {
    let good = [
        "curl https://api.example.com/data -H 'Authorization: Bearer TOKEN'",
        "$ curl -sS --compressed -H \"Authorization: Bearer TOKEN\" https://api.example.com/data | jq .",
        "curl -sSH 'authorization: bearer TOKEN' --url https://api.example.com/data",
        "curl -H'Authorization:Bearer TOKEN' \\\n  -o out.json \\\r\n https://api.example.com/data",
        "curl --oauth2-bearer TOKEN https://api.example.com/data",
        "/usr/bin/curl -H $'Authorization: Bearer TOKEN' 'https://api.example.com/data'",
        "curl ^\"https://api.example.com/data^\" ^\r\n  -H ^\"Authorization: Bearer TOKEN^\" ^\r\n  --insecure",
        "curl -H 'Authorization: Bearer TOKEN' 'https://api.example.com/data' -H 'X-Auth-Token: other'",
        "curl -u demo:secret -H 'Authorization: Bearer TOKEN' https://api.example.com/data",
    ];
    for text in good {
        let pasted = pasted(text);
        assert_eq!(pasted.problems, [], "{text}");
        assert_eq!((pasted.method.as_str(), pasted.url.as_str()), ("GET", "https://api.example.com/data"), "{text}");
        assert_eq!(pasted.token.as_deref(), Some(TOKEN), "{text}");
    }
    let blocks = [
        "GET /data HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer TOKEN\r\n\r\n",
        "> GET /data HTTP/2\n> Host: api.example.com\n> authorization: Bearer TOKEN\n> \n< HTTP/2 401\n< www-authenticate: Bearer",
        ":method: GET\n:authority: api.example.com\n:scheme: https\n:path: /data\nauthorization: Bearer TOKEN",
        ":method:\nGET\n:path:\n/data\nauthorization:\nBearer TOKEN\naccept: */*",
        ":authority\napi.example.com\n:method\nGET\n:path\n/data\nauthorization\nBearer TOKEN\naccept\n*/*",
    ];
    for text in blocks {
        let pasted = pasted(text);
        assert_eq!(pasted.problems, [], "{text}");
        assert_eq!((pasted.method.as_str(), pasted.url.as_str()), ("GET", "/data"), "{text}");
        assert_eq!(pasted.token.as_deref(), Some(TOKEN), "{text}");
    }
    assert_eq!(pasted("Authorization: Bearer TOKEN").token.as_deref(), Some(TOKEN));
}

#[test]
fn method_address_headers_and_body_are_read() {
    let read = pasted(
        "curl -X put -H 'A: b' -H 'Content-Type: application/json' -d '{\"a\":\"b\",\"n\":1}' 'https://h/x?y=z'",
    );
    assert_eq!((read.method.as_str(), read.url.as_str()), ("PUT", "https://h/x?y=z"));
    assert_eq!(read.headers[0], ("A".to_owned(), "b".to_owned()));
    assert_eq!(read.body, [("a".to_owned(), "b".to_owned())]);
    let read = pasted("curl https://h -d a=1 --data-raw b=2 --data-urlencode 'c=d e&f' -d @file");
    let body: Vec<(&str, &str)> = read.body.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!((read.method.as_str(), body), ("POST", vec![("a", "1"), ("b", "2"), ("c", "d e&f")]));
    let read = pasted("curl -G 'https://h?x=1' -d a=1 --url-query b=2");
    assert_eq!((read.method.as_str(), read.url.as_str(), read.body.len()), ("GET", "https://h?x=1&b=2&a=1", 0));
    assert_eq!(pasted("curl -sI https://h").method, "HEAD");
    let read = pasted("POST /a HTTP/1.1\nContent-Type: application/x-www-form-urlencoded\n\na=b&c=d");
    assert_eq!((read.method.as_str(), read.body.len()), ("POST", 2));
}

#[test]
fn the_way_the_token_was_sent_is_judged_as_a_server_would() {
    let url = "https://api.example.com/data";
    assert_first(&format!("curl {url}"), Cause::Missing, "no Authorization header", None);
    assert_first(&format!("curl -u demo:secret {url}"), Cause::WrongScheme, "Basic", None);
    let cases = [
        ("-H 'Authorization: Bear TOKEN'", Cause::WrongScheme, "Bear,"),
        ("-H 'Authorization: Token TOKEN'", Cause::WrongScheme, "Token,"),
        ("-H 'Authorization: TOKEN'", Cause::WrongScheme, "no scheme"),
        ("-H 'Authorization: BearerTOKEN'", Cause::WrongScheme, "space between"),
        ("-H 'Authorization: Bearer: TOKEN'", Cause::WrongScheme, "colon"),
        ("-H 'Authorization: Bearer  TOKEN'", Cause::WrongScheme, "More than one space"),
        ("-u TOKEN:", Cause::WrongScheme, "user name or password"),
        ("-u :TOKEN", Cause::WrongScheme, "user name or password"),
        ("-uTOKEN", Cause::WrongScheme, "user name or password"),
    ];
    for (arguments, cause, words) in cases {
        assert_first(&format!("curl {url} {arguments}"), cause, words, Some(TOKEN));
    }
    assert_first("curl https://TOKEN@api.example.com/", Cause::WrongScheme, "user name or password", Some(TOKEN));
    assert_first(&format!("curl '{url}?access_token=TOKEN'"), Cause::InQueryString, "in the URL", Some(TOKEN));
    assert_first(&format!("curl -G {url} -d access_token=TOKEN"), Cause::InQueryString, "in the URL", Some(TOKEN));
    assert_first("GET /data?access_token=TOKEN HTTP/1.1\nHost: a", Cause::InQueryString, "in the URL", Some(TOKEN));
    for arguments in ["'?access_token=x'", "-d access_token=TOKEN", "-H 'Authorization: Bearer TOKEN'"] {
        let address =
            if arguments.starts_with("'?") { format!("'{url}?access_token=x'") } else { format!("{url} {arguments}") };
        let text = format!("curl {address} -H 'Authorization: Bearer TOKEN'");
        assert_eq!(causes(&text), [Some(Cause::SentTwice)], "{text}");
    }
    // What is inside of the text is for the diagnosis of the token.
    let read = pasted("curl https://h -H 'Authorization: Bearer Bearer TOKEN'");
    assert_eq!((read.problems.len(), read.token), (0, Some(format!("Bearer {TOKEN}"))));
    let folded = pasted("GET / HTTP/1.1\nHost: h\nAuthorization: Bearer eyJabc\n def.ghi\nAccept: */*");
    assert_eq!(folded.token.as_deref(), Some("eyJabc\ndef.ghi"));
    let wrapped = pasted("Authorization: Bearer eyJabc\ndef.ghi");
    assert_eq!(wrapped.token.as_deref(), Some("eyJabc\ndef.ghi"));
}

#[test]
fn a_token_in_another_place_is_found() {
    let cases = [
        ("-H 'X-Auth-Token: TOKEN'", "another name"),
        ("-H 'Access-Token: TOKEN'", "another name"),
        ("-H 'Authentication: Bearer TOKEN'", "another name"),
        ("-H 'Authorisation: Bearer TOKEN'", "misspelled"),
        ("-H 'Autorization: Bearer TOKEN'", "misspelled"),
        ("-b 'theme=dark; access_token=TOKEN'", "cookie"),
        ("-H 'Cookie: session=TOKEN'", "cookie"),
        ("-d access_token=TOKEN", "in the body"),
        ("-H 'Authorization Bearer TOKEN'", "No colon"),
        ("-H 'Authorization=Bearer TOKEN'", "No colon"),
        ("-H 'AuthorizationBearer TOKEN'", "No colon"),
        ("-H 'AuthorizationBearer: TOKEN'", "run together"),
        ("-H 'Authorization : Bearer TOKEN'", "There is a space"),
        ("-H Authorization: Bearer TOKEN", "no quotes"),
        ("-H “Authorization: Bearer TOKEN”", "no quotes"),
    ];
    for (arguments, words) in cases {
        assert_first(&format!("curl https://api.example.com/ {arguments}"), Cause::Missing, words, Some(TOKEN));
        assert_first(&format!("curl {arguments} https://api.example.com/"), Cause::Missing, words, Some(TOKEN));
    }
    assert_first("curl 'https://h/?token=TOKEN'", Cause::Missing, "in the URL", Some(TOKEN));
    assert_first("GET / HTTP/1.1\nHost: h\nAuthorization Bearer TOKEN", Cause::Missing, "No colon", Some(TOKEN));
    assert_first("GET / HTTP/1.1\nHost: h\nAuthorisation: Bearer TOKEN", Cause::Missing, "misspelled", Some(TOKEN));
    assert_first("GET / HTTP/1.1\nHost: h\nAuthorization : Bearer TOKEN", Cause::Missing, "There is a space", None);
    assert_first("GET / HTTP/1.1\nHost: h\nCookie: token=x", Cause::Missing, "cookie", Some("x"));
    // An unquoted header does not hide the address.
    assert_eq!(pasted("curl -H Authorization: Bearer TOKEN https://h/x").url, "https://h/x");
}

#[test]
fn variables_are_treated_as_a_shell_would() {
    let url = "https://h";
    for header in
        ["'Authorization: Bearer $TOKN'", "'Authorization: Bearer ${TOKN}'", "\"Authorization: Bearer \\$TOKN\""]
    {
        let read = pasted(&format!("curl {url} -H {header}"));
        assert_eq!(read.problems[0].cause, Some(Cause::NotAToken), "{header}");
        assert!(read.token.unwrap().starts_with('$'), "{header}");
    }
    for header in [
        "\"Authorization: Bearer $TOKN\"",
        "\"Authorization: Bearer $(cat token)\"",
        "\"Authorization: Bearer `cat token`\"",
    ] {
        let read = pasted(&format!("curl {url} -H {header}"));
        assert_eq!((read.problems.len(), read.problems[0].cause, read.token), (1, None, None), "{header}");
    }
    for header in ["\"Authorization: Bearer \"", "\"Authorization: Bearer\""] {
        assert_first(&format!("curl {url} -H {header}"), Cause::Missing, "it was empty", None);
    }
    assert_first("curl https://h --oauth2-bearer \"\"", Cause::Missing, "it was empty", None);
    // A dollar sign alone is no variable.
    assert_eq!(causes("curl https://h -H 'Authorization: Bearer a$1b'"), []);
}

#[test]
fn a_token_sent_over_plain_http_gets_a_warning() {
    for address in
        ["http://api.example.com/x", "api.example.com", "http://10.0.0.1:8080", "http://localhost.example.com"]
    {
        assert_eq!(causes(&format!("curl {address} -H 'Authorization: Bearer TOKEN'")), [None], "{address}");
    }
    for address in [
        "http://localhost:8080/x",
        "localhost:8080",
        "http://127.0.0.1",
        "http://[::1]:8080",
        "https://h",
        "http://API.localhost",
    ] {
        assert_eq!(causes(&format!("curl {address} -H 'Authorization: Bearer TOKEN'")), [], "{address}");
    }
    let block = ":method: GET\n:scheme: http\n:authority: api.example.com\n:path: /x\nauthorization: Bearer TOKEN";
    assert_eq!(causes(block), [None]);
    assert_eq!(causes(&block.replace("api.example.com", "localhost:8080")), []);
    // The cause comes first.
    assert_eq!(causes("curl http://api.example.com/x"), [Some(Cause::Missing), None]);
    assert_eq!(causes("curl https://h/?a=b&c=d -H 'Authorization: Bearer TOKEN'"), [Some(Cause::Missing), None]);
}

#[test]
fn a_client_that_authenticates_at_a_token_server_is_not_taken_for_a_request_with_a_token() {
    let read = pasted("curl -u demo-api:secret https://auth.example.com/auth/introspect -d token=TOKEN");
    assert_eq!((read.problems.len(), read.token.as_deref()), (0, Some(TOKEN)));
}

#[test]
fn texts_that_are_not_requests_are_not_taken_for_one() {
    for text in ["", "   ", TOKEN, "hello", "wget https://h", "<html>", "{\"access_token\":\"x\"}", "Bearer x"] {
        assert_eq!(read(text).err(), Some(NotARequest), "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_and_no_finding_repeats_the_token(
        begin in "(curl |GET / HTTP/1.1\n|Authorization|)",
        parts in proptest::collection::vec("(-H |-u|-b|--url |--data-urlencode |['\"^\\\\$&|;:=? \n`]|Authorization|Bearer|https://|TOKEN|.{0,3})", 0..14),
    ) {
        let text = format!("{begin}{}", parts.concat()).replace("TOKEN", TOKEN);
        if let Ok(pasted) = read(&text) {
            for problem in &pasted.problems {
                prop_assert!(!problem.detail.contains(TOKEN) && !problem.fix.contains(TOKEN));
            }
        }
    }
}
