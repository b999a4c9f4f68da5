//! `jeton webhook`.

use serde_json::json;

use super::Place;
use crate::support::on_both_stores;

const URL: &str = "https://siem.example.test/hook";

on_both_stores!(a_webhook_is_made_and_changed_by_flags_with_the_names_of_its_members, async |backend| {
    let place = Place::new(backend).await;
    let made = place.json(&["webhook", "create", URL, "--types", "client.*,login", "--description", "Security"]);
    let id = made["id"].as_str().unwrap();
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"), "{made}");
    assert_eq!((&made["url"], &made["types"]), (&json!(URL), &json!(["client.*", "login"])));
    let shown = place.json(&["webhook", "show", id]);
    assert_eq!((shown.get("secret"), &shown["description"]), (None, &json!("Security")));
    assert_eq!(place.json(&["webhook", "list"]), json!([shown]));
    assert!(place.run(&["webhook", "list"]).ok().contains(URL));
    assert_eq!(place.json(&["webhook", "update", id, "--types", "login"])["types"], json!(["login"]));
    assert_eq!(place.json(&["webhook", "update", id, "--types", ""])["types"], json!([]));
    assert_eq!(place.json(&["webhook", "disable", id])["enabled"], false);
    assert_eq!(place.json(&["webhook", "enable", id])["enabled"], true);
    let added = place.json(&["webhook", "secret", "add", id]);
    assert_ne!(added["secret"], made["secret"]);
    let first = made["secrets"][0]["id"].as_str().unwrap();
    assert!(place.run(&["webhook", "secret", "retire", id, "--secret-id", first]).ok().contains(first));
    let second = added["id"].as_str().unwrap();
    place.run(&["webhook", "secret", "retire", id, "--secret-id", second]).refused(&["no other secret"]);
    assert!(place.run(&["webhook", "delete", id]).ok().contains(id));
    place.run(&["webhook", "show", id]).refused(&["no webhook", id]);
});

on_both_stores!(bad_input_for_a_webhook_is_refused_and_changes_nothing, async |backend| {
    let place = Place::new(backend).await;
    for (arguments, named) in [
        (&["webhook", "create", "http://siem.example.test/"][..], "url"),
        (&["webhook", "create", URL, "--types", "logins"], "types"),
        (&["webhook", "update", "none", "--types", "login"], "no webhook"),
        (&["webhook", "update", "none"], "nothing to change"),
        (&["webhook", "delete", "none"], "no webhook"),
    ] {
        place.run(arguments).refused(&[named]);
    }
    assert_eq!(place.json(&["webhook", "list"]), json!([]));
    assert_eq!(place.command(&["webhook", "create"]).output().unwrap().status.code(), Some(2));
});
