//! `jeton resource`.

use serde_json::json;

use super::{Place, make_client};
use crate::support::on_both_stores;

const CHAT: &str = "https://chat.example.test/";

on_both_stores!(a_resource_is_made_and_changed_by_flags_with_the_names_of_its_members, async |backend| {
    let place = Place::new(backend).await;
    make_client(&place, "chat-server");
    let create = [
        "resource",
        "create",
        CHAT,
        "--name",
        "Chat",
        "--scopes",
        "read=Read, and search = find",
        "--scopes",
        "write",
        "--access-token-format",
        "jwt",
        "--access-token-typ",
        "JWT",
        "--access-token-ttl",
        "5m",
        "--open-to",
        "registered",
        "--serves",
        "chat-server",
        "--claims",
        r#"{"tenant":"blue"}"#,
    ];
    let made = place.json(&create);
    let expected = json!({
        "resource": CHAT, "name": "Chat", "scopes": {"read": "Read, and search = find", "write": ""},
        "access_token_format": "jwt", "access_token_typ": "JWT", "access_token_ttl": 300, "open_to": "registered",
        "serves": ["chat-server"], "claims": {"tenant": "blue"}, "created_at": made["created_at"],
    });
    assert_eq!(made, expected);
    assert_eq!(place.json(&["resource", "show", "--resource", CHAT]), made);
    assert_eq!(place.json(&["resource", "list"]), json!([made]));
    assert!(place.run(&["resource", "list"]).ok().contains(CHAT));
    let update = ["resource", "update", CHAT, "--scopes", "delete=Delete", "--remove-scopes", "read,write"];
    let changed = place.json(&update);
    assert_eq!((&changed["scopes"], &changed["name"]), (&json!({"delete": "Delete"}), &json!("Chat")));
    // The command line may do what needs jeton:admin.
    assert_eq!(place.json(&["resource", "update", CHAT, "--open-to", "anybody"])["open_to"], "anybody");
    assert!(place.run(&["resource", "delete", CHAT]).ok().contains(CHAT));
    place.run(&["resource", "show", CHAT]).refused(&["no resource", CHAT]);
});

on_both_stores!(bad_input_for_a_resource_is_refused_and_changes_nothing, async |backend| {
    let place = Place::new(backend).await;
    place.json(&["resource", "create", CHAT]);
    for (arguments, named) in [
        (&["resource", "create", "/api"][..], "absolute URI"),
        (&["resource", "create", "https://chat.example.test"], "already"),
        (&["resource", "create", "urn:x", "--serves", "nobody"], "no client nobody"),
        (&["resource", "create", "urn:x", "--access-token-ttl", "soon"], "access_token_ttl"),
        (&["resource", "create", "urn:x", "--open-to", "all"], "open_to"),
        (&["resource", "create", "urn:x", "--scopes", "a b=c"], "scopes"),
        (&["resource", "create", "urn:x", "--claims", "[]"], "JSON object"),
        (&["resource", "update", CHAT], "nothing to change"),
        (&["resource", "update", "urn:x", "--name", "x"], "no resource"),
        (&["resource", "delete", "urn:x"], "no resource"),
        (&["client", "create", CHAT], "is a resource or an audience"),
    ] {
        place.run(arguments).refused(&[named]);
    }
    assert_eq!(place.json(&["resource", "list"]).as_array().unwrap().len(), 1);
    assert_eq!(place.command(&["resource", "create"]).output().unwrap().status.code(), Some(2));
});
