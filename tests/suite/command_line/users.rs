//! `jeton user`.

use serde_json::json;

use super::{Place, field, make_client};
use crate::support::{Backend, on_both_stores};

async fn login(server: &super::Running, client: (&str, &str), username: &str, password: &str) -> u16 {
    let form = [("grant_type", "password"), ("username", username), ("password", password)];
    server.form("/auth/token", Some(client), &form).await.0
}

on_both_stores!(a_user_is_created_with_a_password_from_standard_input, async |backend| {
    let place = Place::new(backend).await;
    let secret = make_client(&place, "app");
    let create = ["user", "create", "Älice", "--scope", "read", "--claims", r#"{"tenant":"blue"}"#];
    let text = place.run_with(&create, "open sesame\n").ok();
    assert!(!text.contains("open sesame") && !text.contains("argon2"), "{text}");
    let id = field(&text, "id");
    let shown = place.json(&["user", "show", &id]);
    assert_eq!((&shown["username"], &shown["scope"]), (&json!("Älice"), &json!("read")));
    assert_eq!((&shown["claims"], &shown["enabled"]), (&json!({"tenant": "blue"}), &json!(true)));
    assert_eq!(place.json(&["user", "show", "älice"]), shown, "by name, however it is spelt");
    assert_eq!(place.json(&["user", "show", "--username", "ÄLICE"]), shown);
    for ran in [place.run_with(&create, "other\n"), place.run_with(&["user", "create", "ÄLICE"], "x\n")] {
        ran.refused(&["there is a user", "already"]);
    }
    place.run_with(&["user", "create", "bob"], "").refused(&["password is empty"]);
    place.run_with(&["user", "create", "bob"], "\n").refused(&["password is empty"]);
    let bob = place.json(&["user", "create", "bob", "--no-password", "--enabled", "false"]);
    assert_eq!((&bob["enabled"], bob.get("scope")), (&json!(false), None));
    let server = place.serve(&[]);
    assert_eq!(login(&server, ("app", &secret), "Älice", "open sesame").await, 200);
    assert_eq!(login(&server, ("app", &secret), "bob", "").await, 400);
});

on_both_stores!(users_are_listed_changed_disabled_enabled_and_deleted, async |backend| {
    let place = Place::new(backend).await;
    for name in ["zoe", "adam", "mia"] {
        place.run(&["user", "create", name, "--no-password"]).ok();
    }
    let names = |list: &serde_json::Value| {
        list.as_array().unwrap().iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&place.json(&["user", "list"])), ["zoe", "adam", "mia"], "oldest first");
    assert_eq!(names(&place.json(&["user", "list", "--username", "ADAM"])), ["adam"]);
    let table = place.run(&["user", "list"]).ok();
    assert!(table.trim_start().starts_with("ID") && table.lines().count() == 4, "{table}");
    let first = place.run(&["user", "list", "--limit", "2", "--output", "json"]);
    let cursor = first.err.trim().rsplit(' ').next().unwrap().to_owned();
    assert_eq!(names(&place.json(&["user", "list", "--limit", "2", "--cursor", &cursor])), ["mia"]);

    let update = ["user", "update", "zoe", "--new-username", "Zoë", "--scope", "a,b", "--claims", r#"{"x":1}"#];
    let changed = place.json(&update);
    assert_eq!((&changed["username"], &changed["scope"]), (&json!("Zoë"), &json!("a b")));
    assert_eq!(changed["claims"], json!({"x": 1}));
    assert_eq!(place.json(&["user", "update", "zoë", "--claims", r#"{"x":null,"y":2}"#])["claims"], json!({"y": 2}));
    place.run(&["user", "update", "zoë"]).refused(&["nothing to change"]);
    place.run(&["user", "update", "zoë", "--new-username", "MIA"]).refused(&["there is a user", "already"]);
    for (verb, enabled) in [("disable", "false"), ("enable", "true")] {
        assert_eq!(field(&place.run(&["user", verb, "mia"]).ok(), "enabled"), enabled);
        assert_eq!(place.json(&["user", verb, "--username", "mia"])["enabled"].to_string(), enabled);
    }
    assert!(place.run(&["user", "delete", "mia"]).ok().contains("mia"));
    for arguments in [&["user", "show", "mia"][..], &["user", "delete", "mia"], &["user", "disable", "mia"]] {
        place.run(arguments).refused(&["no user \"mia\""]);
    }
    let nobody = "018f4d2e-0000-7000-8000-000000000000";
    place.run(&["user", "show", nobody]).refused(&["no user", nobody]);
    assert_eq!(place.json(&["user", "delete", "adam"]).as_object().unwrap().len(), 1);
});

on_both_stores!(a_new_password_ends_what_was_issued, async |backend| {
    let place = Place::new(backend).await;
    let secret = make_client(&place, "app");
    let app = ("app", secret.as_str());
    place.run_with(&["user", "create", "alice"], "first\n").ok();
    let server = place.serve(&[]);
    let form = [("grant_type", "password"), ("username", "alice"), ("password", "first")];
    let (_, tokens) = server.form("/auth/token", Some(app), &form).await;
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let said = place.run_with(&["user", "password", "alice"], "second\n").ok();
    assert!(!said.contains("second"), "{said}");
    place.run_with(&["user", "password", "alice"], "").refused(&["new password is empty"]);
    place.run_with(&["user", "password", "nobody"], "x\n").refused(&["no user \"nobody\""]);
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    let (status, answer) = server.form("/auth/token", Some(app), &refresh).await;
    assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_grant")));
    assert_eq!(login(&server, app, "alice", "first").await, 400);
    assert_eq!(login(&server, app, "alice", "second").await, 200);
});

on_both_stores!(a_link_to_set_a_password_is_printed_with_its_end, async |backend| {
    let mut place = Place::new(backend).await;
    place.run(&["user", "create", "alice", "--no-password"]).ok();
    let link = place.json(&["user", "password-link", "alice"]);
    let url = link["url"].as_str().unwrap();
    let (page, token) = url.split_once("?token=").unwrap();
    assert!(page.ends_with("/account/password") && token.len() == 43, "{url}");
    assert!(link["expires_at"].as_str().unwrap().ends_with('Z'), "{link}");
    let other = place.run(&["user", "password-link", "--username", "ALICE", "--ttl", "7d"]).ok();
    assert!(other.contains("/account/password?token=") && !other.contains(token), "{other}");
    for (ttl, words) in [("8d", "7 days"), ("0s", "7 days"), ("1500ms", "whole number"), ("soon", "duration")] {
        place.run(&["user", "password-link", "alice", "--ttl", ttl]).refused(&["ttl", words]);
    }
    place.run(&["user", "password-link", "nobody"]).refused(&["there is no user"]);
    place.run(&["user", "disable", "alice"]).ok();
    place.run(&["user", "password-link", "alice"]).refused(&["alice", "disabled"]);
    place.set("JETON_ISSUER", "");
    place.run(&["user", "password-link", "alice"]).misconfigured(&["JETON_ISSUER"]);
});

on_both_stores!(a_second_factor_is_shown_and_removed, async |backend| {
    let place = Place::new(backend).await;
    place.run(&["user", "create", "alice", "--no-password"]).ok();
    assert_eq!(place.json(&["user", "show", "alice"])["second_factor"], json!(false));
    place.run(&["user", "second-factor", "remove", "alice"]).refused(&["alice", "no second factor"]);
    place.run(&["user", "second-factor", "remove", "nobody"]).refused(&["there is no user"]);
    let planted = if backend == Backend::Sqlite { "x'00'" } else { "'\\x00'" };
    let plant = format!(
        "INSERT INTO second_factors (user_id, secret, last_step, created_at) SELECT id, {planted}, 1, 1 FROM users"
    );
    crate::store_contract::execute(&place.environment["JETON_DATABASE_URL"], &plant).await;
    assert_eq!(place.json(&["user", "show", "alice"])["second_factor"], json!(true));
    let said = place.run(&["user", "second-factor", "remove", "alice"]).ok();
    assert!(said.contains("alice has no second factor any more"), "{said}");
    assert_eq!(place.json(&["user", "show", "alice"])["second_factor"], json!(false));
});

on_both_stores!(a_role_is_given_and_taken_and_the_last_administrator_stays, async |backend| {
    let place = Place::new(backend).await;
    for (name, role) in [("ada", "admin"), ("bob", "read")] {
        place.run_with(&["user", "create", name, "--role", role], "open sesame\n").ok();
    }
    let ada = place.json(&["user", "show", "ada"]);
    assert_eq!((&ada["role"], &ada["has_password"]), (&json!("admin"), &json!(true)));
    // One who cannot log in does not count.
    place.json(&["user", "create", "zoe", "--no-password", "--role", "admin"]);
    assert_eq!(place.json(&["user", "update", "bob", "--role", "none"])["role"], json!(null));
    place.run(&["user", "update", "bob", "--role", "root"]).refused(&["--role", "root", "admin, clients, users"]);
    for refused in
        [&["user", "update", "ada", "--role", "none"][..], &["user", "disable", "ada"], &["user", "delete", "ada"]]
    {
        place.run(refused).refused(&["last enabled administrator"]);
    }
    assert_eq!(place.json(&["user", "update", "bob", "--role", "admin"])["role"], json!("admin"));
    assert_eq!(place.json(&["user", "update", "ada", "--role", "none"])["role"], json!(null));
    assert!(place.run(&["user", "list"]).ok().contains("admin"));
});
