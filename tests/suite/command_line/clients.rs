//! `jeton client`.

use jeton::jose::algorithm::SigningAlgorithm;
use jeton::jose::signing::SigningKey;
use serde_json::json;

use super::{Place, field};
use crate::support::on_both_stores;

on_both_stores!(a_client_is_created_and_its_secret_is_printed_exactly_once, async |backend| {
    let place = Place::new(backend).await;
    let create =
        ["client", "create", "--client-id", "ops", "--grant-types", "client_credentials", "--scope", "jeton:admin"];
    let made = place.run(&[&create[..], &["--output", "json"]].concat()).ok();
    let client: serde_json::Value = serde_json::from_str(&made).unwrap();
    let secret = client["client_secret"].as_str().unwrap();
    assert_eq!(made.matches(secret).count(), 1);
    assert!(secret.len() >= 43, "256 bits: {secret}");
    assert_eq!((&client["client_id"], &client["scope"]), (&json!("ops"), &json!("jeton:admin")));
    assert_eq!(client["grant_types"], json!(["client_credentials"]));
    assert_eq!((&client["enabled"], client["secrets"].as_array().unwrap().len()), (&json!(true), 1));

    let text = place.run(&["client", "create", "--client-name", "Second one"]).ok();
    let (id, second) = (field(&text, "client_id"), field(&text, "client_secret"));
    assert!(!id.is_empty() && text.matches(&second).count() == 1, "{text}");
    for arguments in [&["client", "list"][..], &["client", "show", "ops"], &["client", "show", &id]] {
        for format in ["text", "json"] {
            let shown = place.run(&[arguments, &["--output", format]].concat()).ok();
            assert!(!shown.contains(secret) && !shown.contains(&second), "{shown}");
            assert!(shown.contains("ops") || shown.contains(&id));
        }
    }
});

on_both_stores!(a_client_is_named_by_an_argument_or_a_flag_and_a_doubtful_one_is_warned_of, async |backend| {
    let place = Place::new(backend).await;
    let made = place.json(&["client", "create", "billing", "--grant-types", "client_credentials"]);
    assert_eq!((&made["client_id"], made.get("warnings")), (&json!("billing"), None));
    let made = place.json(&["client", "create", "--client-id", "idle"]);
    assert!(made["warnings"].to_string().contains("can do nothing"), "{made}");
    let both = place.command(&["client", "create", "one", "--client-id", "other"]).output().unwrap();
    assert_eq!(both.status.code(), Some(2));
    for secret in ["a+b", "50%", "user:password"] {
        let create = ["client", "create", "--import-secret", "--grant-types", "client_credentials"];
        let made = place.run_with(&create, &format!("{secret}\n")).ok();
        assert!(made.contains("HTTP Basic") && !made.contains(secret), "{made}");
    }
});

on_both_stores!(every_member_of_a_client_has_a_flag_of_the_same_name, async |backend| {
    let place = Place::new(backend).await;
    let flags = [
        ("client-id", "full"),
        ("client-name", "Full client"),
        ("token-endpoint-auth-method", "client_secret_post"),
        ("grant-types", "password,refresh_token"),
        ("grant-types", "client_credentials"),
        ("scope", "read write"),
        ("scope", "list,more"),
        ("audiences", "https://a.example/,https://b.example/"),
        ("access-token-format", "opaque"),
        ("access-token-typ", "JWT"),
        ("access-token-ttl", "5m"),
        ("refresh-token-ttl", "3600"),
        ("session-ttl", "2d"),
        ("refresh-token-rotation", "false"),
        ("retry-window", "0"),
        ("max-sessions", "7"),
        ("permissions", "introspect,explain"),
        ("introspect-audiences", "https://a.example/"),
        ("claims", r#"{"tenant":"blue"}"#),
        ("enabled", "false"),
    ];
    let mut arguments = vec!["client".to_owned(), "create".into()];
    arguments.extend(flags.iter().flat_map(|(name, value)| [format!("--{name}"), (*value).to_owned()]));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut made = place.json(&arguments);
    for (name, value) in [
        ("client_id", json!("full")),
        ("client_name", json!("Full client")),
        ("token_endpoint_auth_method", json!("client_secret_post")),
        ("grant_types", json!(["password", "refresh_token", "client_credentials"])),
        ("scope", json!("read write list more")),
        ("audiences", json!(["https://a.example/", "https://b.example/"])),
        ("access_token_format", json!("opaque")),
        ("access_token_typ", json!("JWT")),
        ("access_token_ttl", json!(300)),
        ("refresh_token_ttl", json!(3600)),
        ("session_ttl", json!(172_800)),
        ("refresh_token_rotation", json!(false)),
        ("retry_window", json!(0)),
        ("max_sessions", json!(7)),
        ("permissions", json!(["introspect", "explain"])),
        ("introspect_audiences", json!(["https://a.example/"])),
        ("claims", json!({"tenant": "blue"})),
        ("enabled", json!(false)),
    ] {
        assert_eq!(made[name], value, "{name}");
    }
    made.as_object_mut().unwrap().remove("client_secret");
    assert_eq!(place.json(&["client", "show", "--client-id", "full"]), made, "it was kept as it was shown");
});

on_both_stores!(a_chosen_secret_is_read_from_standard_input_and_not_shown, async |backend| {
    let place = Place::new(backend).await;
    let create = ["client", "create", "--client-id", "old", "--import-secret", "--grant-types", "client_credentials"];
    let made = place.run_with(&create, "a secret from before\n").ok();
    assert!(!made.contains("a secret from before"), "{made}");
    place.run_with(&create, "").refused(&["client secret is empty"]);
    let server = place.serve(&[]);
    assert_eq!(server.client_credentials(("old", "a secret from before")).await.0, 200);
    assert_eq!(server.client_credentials(("old", "another secret")).await.0, 401);
    place
        .command(&["client", "create", "--client-secret", "x"])
        .output()
        .map(|o| assert_eq!(o.status.code(), Some(2)))
        .unwrap();
});

on_both_stores!(keys_are_read_from_a_file_and_private_ones_are_refused, async |backend| {
    let place = Place::new(backend).await;
    let pkcs8 = SigningKey::generate(SigningAlgorithm::Es256);
    let key = SigningKey::parse(SigningAlgorithm::Es256, &pkcs8).unwrap().public_jwk("own");
    let (single, set) = (json!(key), json!({"keys": [key]}));
    let mut private = single.clone();
    private["d"] = json!("a-private-part");
    let file = |name: &str, content: &str| {
        let path = place.path(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let create = ["client", "create", "--grant-types", "client_credentials"];
    let create = [&create[..], &["--token-endpoint-auth-method", "private_key_jwt"]].concat();
    for (index, content) in [&set, &single].into_iter().enumerate() {
        let path = file("keys.json", &content.to_string());
        let id = format!("worker-{index}");
        let made = place.json(&[&create[..], &["--jwks", &path, &id]].concat());
        assert_eq!((&made["jwks"], made.get("client_secret")), (&set, None), "{made}");
        assert_eq!(made["secrets"], json!([]));
    }
    let from_input = place.run_with(&[&create[..], &["--jwks", "-"]].concat(), &set.to_string()).ok();
    assert!(from_input.contains("own"), "{from_input}");
    for (content, words) in [
        (private.to_string(), "keys[0]: the key is not public"),
        (json!({"keys": [private]}).to_string(), "keys[0]: the key is not public"),
        ("{".into(), "not a JSON Web Key Set"),
        ("-----BEGIN PUBLIC KEY-----".into(), "not a JSON Web Key Set"),
        (" ".repeat(70_000), "larger than 64 KiB"),
    ] {
        let path = file("wrong.json", &content);
        let text = place.run(&[&create[..], &["--jwks", &path]].concat()).refused(&[words]);
        assert!(!text.contains("a-private-part"), "{text}");
    }
    place.run(&[&create[..], &["--jwks", "missing.json"]].concat()).refused(&["missing.json cannot be read"]);
    place.run(&create).refused(&["private_key_jwt needs jwks, jwks_uri or issuers"]);
    // One replaces the other.
    let moved = place.json(&["client", "update", "worker-0", "--jwks-uri", "https://a.example/keys"]);
    assert_eq!((&moved["jwks"], &moved["jwks_uri"]), (&json!(null), &json!("https://a.example/keys")));
    let path = file("keys.json", &set.to_string());
    let back = place.json(&["client", "update", "worker-0", "--jwks", &path]);
    assert_eq!((&back["jwks"], &back["jwks_uri"]), (&set, &json!(null)));
    let both = ["client", "update", "worker-0", "--jwks", &path, "--jwks-uri", "https://a.example/keys"];
    place.run(&both).usage();
});

on_both_stores!(clients_are_listed_a_page_at_a_time, async |backend| {
    let place = Place::new(backend).await;
    for id in ["a", "b", "c"] {
        place.run(&["client", "create", "--client-id", id]).ok();
    }
    let list = ["client", "list", "--output", "json", "--limit", "2"];
    let first = place.run(&list);
    assert_eq!(first.code, Some(0));
    let ids = |text: &str| {
        let items: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
        items.iter().map(|item| item["client_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&first.out), ["a", "b"]);
    let cursor = first.err.trim().rsplit(' ').next().unwrap().to_owned();
    assert!(first.err.contains("--cursor "), "{first:?}");
    assert_eq!(ids(&place.run(&[&list[..], &["--cursor", &cursor]].concat()).ok()), ["c"]);
    let one = place.json(&["client", "list", "--client-id", "b"]);
    assert_eq!((one.as_array().unwrap().len(), &one[0]["client_id"]), (1, &json!("b")));
    let table = place.run(&["client", "list"]).ok();
    assert_eq!(table.lines().count(), 4, "a head and three rows: {table}");
    assert!(table.trim_start().starts_with("CLIENT_ID"), "{table}");
});

on_both_stores!(a_client_is_changed_disabled_enabled_and_deleted, async |backend| {
    let place = Place::new(backend).await;
    place.run(&["client", "create", "--client-id", "app", "--scope", "read", "--client-name", "App"]).ok();
    let changed = place.json(&["client", "update", "app", "--scope", "read,write", "--max-sessions", "3"]);
    assert_eq!((&changed["scope"], &changed["max_sessions"]), (&json!("read write"), &json!(3)));
    assert_eq!(changed["client_name"], "App", "what is not named stays");
    assert_eq!(field(&place.run(&["client", "update", "app", "--client-name", "New"]).ok(), "client_name"), "New");
    place.run(&["client", "update", "app"]).refused(&["nothing to change"]);
    for (verb, enabled) in [("disable", "false"), ("disable", "false"), ("enable", "true")] {
        assert_eq!(field(&place.run(&["client", verb, "app"]).ok(), "enabled"), enabled);
        assert_eq!(place.json(&["client", "show", "app"])["enabled"].to_string(), enabled);
        assert_eq!(place.json(&["client", verb, "--client-id", "app"])["enabled"].to_string(), enabled);
    }
    assert!(place.run(&["client", "delete", "app"]).ok().contains("app"));
    for verb in ["show", "delete", "enable", "disable"] {
        place.run(&["client", verb, "app"]).refused(&["no client \"app\""]);
    }
    let failure = place.run(&["client", "show", "app", "--output", "json"]);
    assert_eq!(failure.code, Some(1));
    let error: serde_json::Value = serde_json::from_str(&failure.err).unwrap();
    assert!(error["error"].as_str().unwrap().contains("app"), "{error}");
    place.run(&["client", "create", "--client-id", "again"]).ok();
    assert_eq!(place.json(&["client", "delete", "again"]).as_object().unwrap().len(), 1);
});

on_both_stores!(secrets_are_added_and_retired, async |backend| {
    let place = Place::new(backend).await;
    let create = ["client", "create", "--client-id", "app", "--grant-types", "client_credentials"];
    let first = place.json(&create);
    let server = place.serve(&[]);
    let added = place.run(&["client", "secret", "add", "app", "--output", "json"]).ok();
    let second: serde_json::Value = serde_json::from_str(&added).unwrap();
    let secret = second["client_secret"].as_str().unwrap();
    assert_eq!(added.matches(secret).count(), 1);
    place.run(&["client", "secret", "add", "app"]).refused(&["app", "2 secrets", "retire one"]);
    for secret in [first["client_secret"].as_str().unwrap(), secret] {
        assert_eq!(server.client_credentials(("app", secret)).await.0, 200, "two are valid at a time");
    }
    let id = first["secrets"][0]["id"].as_str().unwrap();
    place.run(&["client", "secret", "retire", "app", "--secret-id", id, "--revoke"]).ok();
    place.run(&["client", "secret", "retire", "app", "--secret-id", id]).refused(&["the client app has no"]);
    place.run(&["client", "secret", "retire", "app", "--secret-id", "x"]).refused(&["the client app has no"]);
    place.run(&["client", "secret", "retire", "app"]).usage();
    let shown = place.json(&["client", "show", "app"]);
    assert_eq!(shown["secrets"].as_array().unwrap().len(), 1);
    assert_eq!(shown["secrets"][0]["id"], second["id"]);
    let text = place.run(&["client", "secret", "add", "app"]).ok();
    assert_eq!(text.matches(&field(&text, "client_secret")).count(), 1);
    place.run(&["client", "create", "--client-id", "p", "--token-endpoint-auth-method", "none"]).ok();
    place.run(&["client", "secret", "add", "p"]).refused(&["public"]);
});
