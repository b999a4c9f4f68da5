//! Requests that a person pastes.

use jeton::diagnosis::pasted::read;

/// What to begin with.
pub const SEEDS: &[&str] = &[
    "curl -H 'Authorization: Bearer eyJ.a.b' https://api.example.com/x",
    "curl -X POST https://a.example/auth/introspect -u 'a:b' -d token=x --data-urlencode 'scope=a b'",
    "GET /x?access_token=y HTTP/1.1\nHost: a.example\nAuthorization: Bearer x\n\na=b",
    "curl \"$URL\" \\\n  -H \"Authorization: Bearer $TOKEN\" --json '{\"a\":\"b\"}'",
    "curl.exe -sSL --oauth2-bearer x -H $'X-Token: \\u0041' \"https://a.example\" ; rm x",
    "> GET / HTTP/2\n> Authorization: Basic dTpw\n",
];

/// Any text is read or it is none, each time the same; and a token that a command sends as it should is the one found.
pub fn pasted(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let seen = |text: &str| {
        read(text).ok().map(|request| {
            let first = request.problems.first().and_then(|problem| problem.cause);
            assert!(
                request
                    .problems
                    .iter()
                    .filter_map(|problem| problem.cause)
                    .all(|cause| first.is_none_or(|first| first <= cause))
            );
            (request.method, request.url, request.headers, request.body, request.problems, request.token)
        })
    };
    assert!(seen(&text) == seen(&text), "the same text is read the same");
    let token: String = text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')).collect();
    if token.is_empty() {
        return;
    }
    let command = format!("curl -H 'Authorization: Bearer {token}' https://api.example.com/");
    let request = read(&command).expect("it is a command");
    assert_eq!(request.token.as_deref(), Some(token.as_str()));
    assert!(request.problems.iter().all(|problem| problem.cause.is_none()), "{:?}", request.problems);
}
