//! `jeton token explain`, beside a server and with pasted requests.

use serde_json::{Value, json};

use super::Place;

fn token_of(base: &str) -> String {
    let script = format!("curl -s -X POST {base}/auth/token -d 'username=demo&password=demo-password'");
    let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn a_command_knows_the_issuer_of_a_running_development_server() {
    let place = Place::bare();
    let server = place.serve(&["--dev"]);
    let token = token_of(&server.base);
    let ran = place.run(&["--dev", "token", "explain", &token]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.starts_with("The token is good."), "{ran:?}");
    assert!(ran.out.contains(&format!("issuer           {}", server.base)), "{ran:?}");
    // The line break that `echo` writes is not part of the token; a second one is.
    for (text, code, cause) in
        [(format!("{token}\n"), 0, Value::Null), (format!("{token}\n\n"), 1, json!("surrounding_whitespace"))]
    {
        let ran = place.run_with(&["--dev", "token", "explain", "--output", "json"], &text);
        let told: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!((ran.code, &told["cause"]), (Some(code), &cause), "{ran:?}");
    }
}

#[test]
fn a_pasted_request_is_judged_with_its_token() {
    let place = Place::bare();
    let server = place.serve(&["--dev"]);
    let token = token_of(&server.base);
    let explain = |pasted: &str| {
        let ran = place.run_with(&["--dev", "token", "explain", "--curl", "--output", "json"], pasted);
        let told: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        assert!(!format!("{ran:?}").contains(&token[token.len() - 20..]), "{ran:?}");
        let request: Vec<String> = told["request"]
            .as_array()
            .unwrap()
            .iter()
            .map(|fault| fault["cause"].as_str().unwrap_or_default().to_owned())
            .collect();
        (ran.code, request, told["token"]["cause"].clone(), told["token"]["active"].clone())
    };
    let none: Vec<String> = vec![];
    for (pasted, code, request, cause) in [
        (format!("curl -H 'Authorization: Bearer {token}' http://127.0.0.1/data"), 0, none.clone(), Value::Null),
        (
            format!("curl -H 'Authorization: Token {token}' http://127.0.0.1/data"),
            1,
            vec!["wrong_scheme".to_owned()],
            Value::Null,
        ),
        (
            format!("curl 'http://127.0.0.1/data?access_token={token}'"),
            1,
            vec!["in_query_string".to_owned()],
            Value::Null,
        ),
        (format!("curl -H \"Authorization: Bearer '{token}'\" http://127.0.0.1/data"), 1, none, json!("quoted")),
        (
            format!(
                "GET /data HTTP/1.1\nHost: 127.0.0.1\nAuthorization: Bearer {token}\nAuthorization: Bearer {token}\n"
            ),
            1,
            vec!["sent_twice".to_owned()],
            Value::Null,
        ),
    ] {
        let (ran, faults, found, _) = explain(&pasted);
        assert_eq!((ran, faults, found), (Some(code), request, cause), "{}", pasted.replace(&token, "TOKEN"));
    }
    let ran = place.run_with(
        &["--dev", "token", "explain", "--curl"],
        "curl -H 'Authorization: Bearer $TOKEN' http://127.0.0.1/data",
    );
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.contains("The request:") && ran.out.contains("not_a_token"), "{ran:?}");
    let ran = place.run_with(&["--dev", "token", "explain", "--curl"], "what is this");
    assert!(ran.code == Some(1) && ran.err.contains("neither a curl command nor"), "{ran:?}");
}

#[test]
fn a_secret_of_another_environment_is_named_only_in_the_log() {
    let mut place = Place::bare();
    place.set("JETON_KNOWN_ISSUERS", "staging=https://staging.example.com");
    let server = place.serve(&["--dev"]);
    let staging = format!("jcs_staging_{}", "a".repeat(43));
    let other = format!("jcs_other_{}", "b".repeat(43));
    for (secret, words) in [
        (staging.as_str(), "wrong client secret: it belongs to the sibling environment staging, and this is dev"),
        (other.as_str(), "wrong client secret: it belongs to the unknown environment other, and this is dev"),
        ("eyJhbGciOiJub25lIn0.e30.", "wrong client secret: a token was sent instead of the secret"),
        ("'demo-app-secret'", "wrong client secret: there are white space or quotes around it"),
    ] {
        let request = format!(
            "curl -s {}/auth/token -d grant_type=client_credentials -d client_id=demo-app --data-urlencode \"client_secret={secret}\"",
            server.base
        );
        let output = std::process::Command::new("sh").args(["-c", &request]).output().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["error"], "invalid_client", "{answer}");
        assert!(!answer.to_string().contains("staging") && !answer.to_string().contains("place"), "{answer}");
        server.says(words);
        assert!(!server.log.lock().unwrap().contains(secret));
    }
    assert!(server.log.lock().unwrap().contains("client=\"demo-app\""));
}
