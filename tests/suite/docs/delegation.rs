//! The commands of the guide to token exchange are run as shown, one after the other.

use serde_json::{Value, json};

use crate::readme::blocks;
use crate::support::program::Place;

const GUIDE: &str = include_str!("../../../docs/delegation.md");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_of_the_guide_to_token_exchange_do_what_it_says() {
    let place = Place::bare();
    let server = place.serve(&["--dev"]);
    let blocks = blocks(GUIDE, "sh");
    assert_eq!(blocks.len(), 5);
    // One shell, since they hand variables on; a separator between the outputs.
    let script = blocks.join("\nprintf '\\036'\n").replace("http://127.0.0.1:8080", &server.base);
    let script = format!("set -e\njeton() {{ \"$0\" \"$@\"; }}\n{script}");
    let output = tokio::task::spawn_blocking(move || place.shell(&script).output().unwrap()).await.unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{out}\n{err}");
    let parts: Vec<&str> = out.split('\u{1e}').collect();
    assert_eq!(parts.len(), 5, "{out}\n{err}");
    let answer: Value = serde_json::from_str(parts[2]).unwrap();
    assert_eq!(answer["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token", "{answer}");
    assert_eq!((&answer["scope"], answer.get("refresh_token")), (&json!("read:conversations"), None));
    let seen: Value = serde_json::from_str(parts[3]).unwrap();
    assert_eq!(
        (&seen["active"], &seen["act"], &seen["username"], &seen["aud"]),
        (&json!(true), &json!({"sub": "gateway"}), &json!("demo"), &json!("https://archive.example.com")),
        "{seen}"
    );
    for words in
        ["token_revoked", "lost a laptop", "gateway acts for ", "client demo-login: broken here: token_revoked"]
    {
        assert!(parts[4].contains(words), "{words} in {}", parts[4]);
    }
}
