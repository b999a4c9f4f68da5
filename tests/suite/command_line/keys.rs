//! `jeton key`.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jeton::keys::master::MasterKey;
use serde_json::json;

use super::{Place, make_client};
use crate::support::{Backend, on_both_stores};

/// A directory where a server has run, so that there are keys, with a client `app`.
async fn used(backend: Backend) -> (Place, String) {
    let place = Place::new(backend).await;
    let secret = make_client(&place, "app");
    assert_eq!(place.serve(&[]).stop().code(), Some(0));
    (place, secret)
}

fn kids(place: &Place, key_use: &str, state: &str) -> Vec<String> {
    let keys = place.json(&["key", "list"]);
    let keys = keys.as_array().unwrap().iter().filter(|key| key["use"] == key_use && key["state"] == state);
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_master_key_is_printed_and_needs_no_database() {
    let place = Place::bare();
    let text = place.run(&["key", "generate-master"]).ok();
    assert!(MasterKey::parse(&text).is_ok() && text.lines().count() == 1, "{text}");
    let printed = place.json(&["key", "generate-master"]);
    assert!(MasterKey::parse(printed["master_key"].as_str().unwrap()).is_ok(), "{printed}");
    assert_ne!(text.trim(), printed["master_key"]);
    assert_eq!(fs::read_dir(place.folder()).unwrap().count(), 0, "nothing is written");
}

on_both_stores!(keys_are_listed_rotated_by_announcing_and_retired, async |backend| {
    let (place, _) = used(backend).await;
    assert_eq!((kids(&place, "signing", "active").len(), kids(&place, "token", "active").len()), (1, 1));
    assert!(place.run(&["key", "list"]).ok().trim_start().starts_with("KID"));
    let announced = place.json(&["key", "rotate"]);
    assert_eq!(announced.as_array().unwrap().len(), 2);
    assert!(announced.as_array().unwrap().iter().all(|key| key["state"] == "announced"), "{announced}");
    assert_eq!((kids(&place, "signing", "active").len(), kids(&place, "signing", "announced").len()), (1, 1));
    place.run(&["key", "rotate"]).refused(&["announced already"]);
    let old = kids(&place, "signing", "active").remove(0);
    assert!(place.run(&["key", "retire", &old]).ok().contains(&old));
    place.run(&["key", "retire", &old]).refused(&["no key", &old]);
    let last = place.json(&["key", "list"]);
    let last = last.as_array().unwrap().iter().find(|key| key["use"] == "signing").unwrap();
    place.run(&["key", "retire", last["kid"].as_str().unwrap()]).refused(&["last of its use", "rotate"]);
    place.run(&["key", "retire", "nonsense"]).refused(&["no key \"nonsense\""]);
    place.run(&["key", "retire"]).usage();
    let token_key = kids(&place, "token", "active").remove(0);
    assert_eq!(place.json(&["key", "retire", &token_key]).as_object().unwrap().len(), 1);
});

on_both_stores!(a_public_key_is_exported_as_pem, async |backend| {
    let place = Place::new(backend).await;
    place.run(&["key", "export"]).refused(&["no keys yet", "jeton serve"]);
    let server = place.serve(&[]);
    let published = reqwest::get(format!("{}/.well-known/jwks.json", server.base)).await.unwrap();
    let published: serde_json::Value = published.json().await.unwrap();
    assert_eq!(server.stop().code(), Some(0));
    let kid = kids(&place, "signing", "active").remove(0);
    let exported = place.json(&["key", "export"]);
    assert_eq!((&exported["kid"], &exported["alg"]), (&json!(kid), &json!("ES256")));
    let pem = place.run(&["key", "export", &kid]).ok();
    assert_eq!(pem, exported["public_key"].as_str().unwrap());
    assert!(pem.lines().all(|line| line.len() <= 64), "{pem}");

    // The last 64 bytes of the SubjectPublicKeyInfo are the point that the key set publishes.
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(der).unwrap();
    let coordinates = [&published["keys"][0]["x"], &published["keys"][0]["y"]];
    let point = coordinates.map(|value| URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap()).concat();
    assert_eq!(der[der.len() - 64..], point);

    let token_key = kids(&place, "token", "active").remove(0);
    for other in ["nonsense", &token_key] {
        place.run(&["key", "export", other]).refused(&["no signing key", other]);
    }
    place
        .with("JETON_MASTER_KEY", &MasterKey::generate())
        .run(&["key", "export"])
        .refused(&["JETON_MASTER_KEY is not"]);
});

on_both_stores!(rotation_is_refused_without_the_right_master_key, async |backend| {
    let (place, _) = used(backend).await;
    let before = place.json(&["key", "list"]);
    place
        .with("JETON_MASTER_KEY", &MasterKey::generate())
        .run(&["key", "rotate"])
        .refused(&["JETON_MASTER_KEY", "key reset"]);
    place.with("JETON_MASTER_KEY", "").run(&["key", "rotate"]).misconfigured(&["JETON_MASTER_KEY"]);
    assert_eq!(place.json(&["key", "list"]), before);
});

on_both_stores!(changing_the_master_key_invalidates_nothing, async |backend| {
    let (place, secret) = used(backend).await;
    let server = place.serve(&[]);
    let (_, issued) = server.client_credentials(("app", &secret)).await;
    let token = issued["access_token"].as_str().unwrap().to_owned();
    assert_eq!(server.stop().code(), Some(0));
    let keys = place.json(&["key", "list"]);
    let new = MasterKey::generate();
    let wrong = place.with("JETON_MASTER_KEY", &MasterKey::generate());
    wrong.run_with(&["key", "rewrap"], &new).refused(&["JETON_MASTER_KEY"]);
    place.run_with(&["key", "rewrap"], "too short\n").refused(&["new master key", "32 random bytes"]);
    place.run_with(&["key", "rewrap"], "").refused(&["new master key is empty"]);
    place.run(&["key", "rewrap", "--new-master-key-file", "/no/such/file"]).refused(&["/no/such/file"]);
    fs::write(place.path("new"), format!("{}\n", *new)).unwrap();
    let said = place.run(&["key", "rewrap", "--new-master-key-file", place.path("new").to_str().unwrap()]).ok();
    assert!(!said.contains(new.as_str()), "{said}");
    place.run(&["serve"]).refused_at_start(&["JETON_MASTER_KEY"]);
    let place = place.with("JETON_MASTER_KEY", &new);
    assert_eq!(place.json(&["key", "list"]), keys);
    let server = place.serve(&[]);
    let (_, answer) = server.form("/auth/introspect", Some(("app", &secret)), &[("token", &token)]).await;
    assert_eq!(answer["active"], json!(true));
    assert_eq!(server.stop().code(), Some(0));
    let newest = MasterKey::generate();
    place.run_with(&["key", "rewrap", "--output", "json"], &newest).json();
    place.with("JETON_MASTER_KEY", &newest).run(&["key", "rotate"]).ok();
});

on_both_stores!(after_the_loss_of_the_master_key_new_keys_end_everything_and_clients_stay, async |backend| {
    let (place, secret) = used(backend).await;
    place.run_with(&["user", "create", "alice"], "wonderland\n").ok();
    let server = place.serve(&[]);
    let login = [("grant_type", "password"), ("username", "alice"), ("password", "wonderland")];
    let (_, tokens) = server.form("/auth/token", Some(("app", &secret)), &login).await;
    let refresh = tokens["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(server.stop().code(), Some(0));
    let old = place.json(&["key", "list"]);
    let place = place.with("JETON_MASTER_KEY", &MasterKey::generate());
    place.run(&["serve"]).refused_at_start(&["JETON_MASTER_KEY", "jeton key reset"]);
    place.run(&["key", "reset"]).usage();
    assert_eq!(place.json(&["key", "list"]), old, "nothing without --yes");
    let made = place.json(&["key", "reset", "--yes"]);
    assert!(made.as_array().unwrap().iter().all(|key| key["state"] == "active"), "{made}");
    assert!(made.as_array().unwrap().iter().all(|key| !old.as_array().unwrap().contains(key)));
    let server = place.serve(&[]);
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
    assert_eq!(server.form("/auth/token", Some(("app", &secret)), &refresh).await.0, 400);
    assert_eq!(server.form("/auth/token", Some(("app", &secret)), &login).await.0, 200, "clients and users stay");
    assert_eq!(place.json(&["key", "list"]).as_array().map(Vec::len), Some(2));
});

on_both_stores!(a_server_moves_to_another_algorithm, async |backend| {
    let (place, secret) = used(backend).await;
    place.run(&["key", "rotate", "--alg", "HS256"]).usage();
    let added = place.json(&["key", "rotate", "--alg", "EdDSA"]);
    assert_eq!(added.as_array().map(Vec::len), Some(1), "{added}");
    assert_eq!((&added[0]["alg"], &added[0]["state"]), (&json!("EdDSA"), &json!("announced")));
    place.run(&["key", "rotate", "--alg", "EdDSA"]).refused(&["announced already"]);
    let old = kids(&place, "signing", "active").remove(0);
    place.run(&["key", "retire", &old]).refused(&["last of its use or algorithm"]);
    let place = place.with("JETON_SIGNING_ALG", "EdDSA");
    let signs = || async {
        let server = place.serve(&[]);
        let (_, issued) = server.client_credentials(("app", &secret)).await;
        assert_eq!(server.stop().code(), Some(0));
        crate::support::jwt_part(issued["access_token"].as_str().unwrap(), 0)["alg"].clone()
    };
    assert_eq!(signs().await, json!("ES256"), "the new key is only announced");
    place.run(&["key", "retire", &old]).ok();
    assert_eq!(signs().await, json!("EdDSA"), "no other key is left");
});
