//! `jeton apply`, `jeton export` and `jeton schema`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use super::Place;
use crate::support::{Answer, Backend, on_both_stores};

const MAIN: &str = "\
# The clients of the example.
clients:
  - client_id: reports
    client_secret_file: secrets/reports
    grant_types: [client_credentials]
    scope: read
    audiences: [https://api.example.test]
    claims: {tenant: blue}
  - client_id: web
    token_endpoint_auth_method: none
    grant_types: [authorization_code, refresh_token]
    redirect_uris: [https://web.example.test/cb]
    scope: openid read write
    access_token_ttl: 300
";

const API: &str = "\
resources:
  - resource: https://api.example.test
    name: API
    scopes: {read: Read, write: Write}
    serves: [reports]
";

const IDP: &str = "\
issuers:
  - issuer: https://idp.example.test
    audience: [https://auth.example.test]
    uses: [client_assertion, jwt_bearer]
    single_use: true
    rules:
      - client_id: reports
        claims: {sub: {equals: 'repo:acme/shop'}, ref: {one_of: ['yes', '0x1']}}
";

fn write_files(place: &Place) {
    fs::write(place.path("main.yaml"), MAIN).unwrap();
    fs::write(place.path("api.yaml"), API).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

on_both_stores!(files_are_applied_with_secrets_in_files_and_a_second_time_changes_nothing, async |backend| {
    let place = Place::new(backend).await;
    write_files(&place);
    let apply = ["apply", "main.yaml", "api.yaml", "--set", "main"];
    let shown = place.run(&[&apply[..], &["--dry-run"]].concat()).ok();
    for line in
        ["+ client reports", "(needs a secret)", "+ resource https://api.example.test", "3 to create, 0 unchanged"]
    {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert!(!place.path("secrets").exists(), "a dry run writes nothing");
    let ran = place.run(&apply);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("3 created, 0 unchanged") && ran.err.contains("secrets/reports"), "{ran:?}");
    let file = place.path("secrets/reports");
    assert_eq!((mode(&file), mode(&place.path("secrets"))), (0o600, 0o700));
    let secret = fs::read_to_string(&file).unwrap();
    assert!(!ran.out.contains(secret.trim()) && !ran.err.contains(secret.trim()), "a secret is in its file only");
    let again = place.run(&apply).ok();
    assert_eq!(again, "set main: 3 unchanged\n");
    assert_eq!(fs::read_to_string(&file).unwrap(), secret);
    // A change is shown as what comes and what goes.
    fs::write(place.path("api.yaml"), API.replace("write: Write", "delete: Delete")).unwrap();
    fs::write(place.path("main.yaml"), MAIN.replace("openid read write", "openid read")).unwrap();
    let changed = place.run(&apply).ok();
    for line in
        ["~ client web", "scope  -write", "scopes  -write=\"Write\" +delete=\"Delete\"", "2 changed, 1 unchanged"]
    {
        assert!(changed.contains(line), "{line}: {changed}");
    }
    fs::write(place.path("main.yaml"), "clients:\n").unwrap();
    place.run(&[&apply[..], &["--prune"]].concat()).refused(&["api.yaml:5", "serves", "reports"]);
    fs::write(place.path("api.yaml"), "").unwrap();
    let pruned = place.run(&[&apply[..], &["--prune"]].concat()).ok();
    assert!(pruned.contains("- client web") && pruned.contains("3 deleted"), "{pruned}");
    assert_eq!(place.json(&["client", "list"]), serde_json::json!([]));
    // The secret works.
    write_files(&place);
    let server = place.serve(&[]);
    place.run(&apply);
    let token = token(&server.base, "reports", secret.trim()).await;
    assert!(token.json["access_token"].is_string(), "the file was there already, so it has the secret: {token:?}");
});

async fn token(base: &str, client_id: &str, secret: &str) -> Answer {
    let request = reqwest::Client::new().post(format!("{base}/auth/token")).basic_auth(client_id, Some(secret));
    Answer::of(request.form(&[("grant_type", "client_credentials")])).await
}

on_both_stores!(what_is_exported_makes_the_same_of_an_empty_database, async |backend| {
    let (place, empty) = (Place::new(backend).await, Place::new(backend).await);
    write_files(&place);
    fs::write(place.path("idp.yaml"), IDP).unwrap();
    assert_eq!(place.run(&["apply", "main.yaml", "api.yaml", "idp.yaml", "--set", "main"]).code, Some(0));
    place.json(&["client", "create", "api", "--permissions", "introspect", "--introspect-audiences", ""]);
    place.json(&["client", "create", "off", "--enabled", "false", "--claims", r#"{"a":{"b":[1,"yes",null,"0x1"]}}"#]);
    place.json(&["resource", "create", "urn:b", "--scopes", "on=Yes: no", "--access-token-format", "opaque"]);
    place.json(&["user", "create", "Anna", "--no-password", "--role", "admin"]);
    place.json(&["user", "create", "ben", "--no-password"]);
    place.json(&["user", "create", "off", "--no-password", "--role", "read", "--enabled", "false"]);
    place.json(&["client", "block", "bad.example", "--reason", "It lies."]);
    place.json(&["client", "block", "https://app.example/client.json"]);
    let exported = place.run(&["export"]).ok();
    assert!(!exported.contains("ben"), "{exported}");
    assert_eq!(exported.matches("role: read\n  enabled: false").count(), 1, "{exported}");
    // Without the sub, nobody is created.
    let copy = ["apply", "-", "--set", "copy", "--without-secrets"];
    let without: String = exported.split_inclusive('\n').filter(|line| !line.starts_with("  sub:")).collect();
    empty.run_with(&copy, &without).refused(&["standard input:", "role off: enabled: only with sub"]);
    let without = without.replace("role: read\n  enabled: false\n", "role: read\n");
    empty.run_with(&copy, &without).refused(&["standard input:", "role Anna: username: there is no such user"]);
    assert_eq!(empty.json(&["client", "list"]), serde_json::json!([]));
    assert!(!exported.contains("secret:") && !exported.contains("jcs_"), "{exported}");
    let ran = empty.run_with(&copy, &exported);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    for line in [
        "+ user Anna (without a password)\n+ role Anna\n",
        "`jeton user password-link USERNAME`",
        "This user is created disabled, and without a password.",
        "+ block bad.example\n    reason  It lies.",
        "13 created",
    ] {
        assert!(ran.out.contains(line), "{line}: {ran:?}");
    }
    assert_eq!(empty.run(&["export"]).ok(), exported);
    assert!(empty.run(&["user", "password-link", "Anna"]).ok().contains("http"));
    let shown = |place: &Place, command: &[&str]| {
        let mut list = place.json(command);
        for object in list.as_array_mut().unwrap() {
            let members = object.as_object_mut().unwrap();
            members.remove("created_at");
            members.remove("secrets");
        }
        list
    };
    for command in [&["client", "list"][..], &["resource", "list"], &["issuer", "list"], &["client", "blocks"]] {
        assert_eq!(shown(&empty, command), shown(&place, command));
    }
    let pruning = ["apply", "-", "--set", "copy", "--prune"];
    assert_eq!(empty.run_with(&pruning, &exported).ok(), "set copy: 11 unchanged\n");
    empty.run(&["user", "disable", "Anna"]).ok();
    let exported = empty.run(&["export"]).ok();
    assert_eq!(exported.matches("enabled: false").count(), 3, "{exported}");
    assert_eq!(empty.run_with(&pruning, &exported).ok(), "set copy: 11 unchanged\n");
});

on_both_stores!(a_secret_file_is_never_overwritten_and_none_is_left_behind, async |backend| {
    let place = Place::new(backend).await;
    let file = |text: &str| fs::write(place.path("a.yaml"), text).unwrap();
    let apply = ["apply", "a.yaml", "--set", "main", "--secrets", "s"];
    // Refused by the database, after the secret was written.
    place.json(&["resource", "create", "urn:a"]);
    file("clients:\n  - client_id: one\n  - client_id: urn:a\n");
    place.run(&apply).refused(&["nothing was applied", "urn:a"]);
    assert_eq!(fs::read_dir(place.path("s")).unwrap().count(), 0);
    // What is there is the secret, and stays.
    fs::write(place.path("s/one"), "my own secret\n").unwrap();
    fs::set_permissions(place.path("s/one"), fs::Permissions::from_mode(0o600)).unwrap();
    file("clients:\n  - client_id: one\n    grant_types: [client_credentials]\n    scope: read\n");
    let ran = place.run(&apply);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    assert_eq!(fs::read_to_string(place.path("s/one")).unwrap(), "my own secret\n");
    let server = place.serve(&[]);
    assert!(token(&server.base, "one", "my own secret").await.json["access_token"].is_string());
    for (text, words) in [
        (
            "clients:\n  - client_id: two\n    client_secret_file: s/both\n  - client_id: three\n    client_secret_file: s/both\n",
            &["s/both"][..],
        ),
        ("clients:\n  - client_id: two\n    client_secret_file: s\n", &["is not a file"]),
    ] {
        file(text);
        place.run(&apply).refused(words);
    }
    assert_eq!(fs::read_dir(place.path("s")).unwrap().count(), 1);
    file("clients:\n  - client_id: two\n");
    place.run(&["apply", "a.yaml", "--set", "main"]).refused(&[
        "two",
        "--secrets",
        "client_secret_file",
        "--without-secrets",
    ]);
});

on_both_stores!(bad_files_get_errors_with_file_line_and_member, async |backend| {
    let place = Place::new(backend).await;
    for (text, words) in [
        ("clients:\n  - client_id: a\n    scope: [read]\n", &["a.yaml:3", "client a", "scope: expected a string"][..]),
        ("clients:\n  - client_id: a\n    colour: red\n", &["a.yaml:3", "`colour`"]),
        ("clients:\n  - client_id: a\n\tscope: x\n", &["a.yaml:"]),
        ("clients:\n  - client_id: a\n    client_secret: hush\n", &["a.yaml:3", "client_secret", "no secrets"]),
        ("users:\n  - username: anna\n", &["a.yaml:1", "`users`", "clients"]),
        ("clients:\n  - client_id: a\n  - client_id: a\n", &["a.yaml:3", "named twice"]),
        ("resources:\n  - resource: https://auth.example.com/admin/v1\n", &["a.yaml:2", "admin API"]),
    ] {
        fs::write(place.path("a.yaml"), text).unwrap();
        let refused = place.run(&["apply", "a.yaml", "--set", "main", "--without-secrets"]).refused(words);
        assert!(!refused.contains("hush"));
    }
    fs::write(place.path("a.yaml"), "clients:\n  - client_id: a\n    scope: 1\n  - client_id: b\n    scope: 1\n")
        .unwrap();
    let ran = place.run(&["apply", "a.yaml", "--set", "main"]);
    assert!(ran.err.contains("2 problems") && ran.err.contains("a.yaml:5"), "{ran:?}");
    place.run(&["apply", "missing.yaml", "--set", "main"]).refused(&["missing.yaml"]);
    place.run(&["apply", "--set", "main"]).usage();
    place.run(&["apply", "a.yaml"]).usage();
    assert_eq!(place.json(&["client", "list"]), serde_json::json!([]));
});

on_both_stores!(a_set_is_applied_and_exported_through_a_running_server, async |backend| {
    let place = Place::new(backend).await;
    write_files(&place);
    let ops = ["client", "create", "ops", "--grant-types", "client_credentials", "--scope", "jeton:admin"];
    let secret = place.json(&ops)["client_secret"].as_str().unwrap().to_owned();
    place.json(&["user", "create", "anna", "--no-password"]);
    let people = "roles:\n- {username: anna, role: read}\nclient_blocks:\n- {target: bad.example}\n";
    fs::write(place.path("people.yaml"), people).unwrap();
    let server = place.serve(&[]);
    let token = token(&server.base, "ops", &secret).await.text("access_token");
    fs::write(place.path("token"), format!("{token}\n")).unwrap();
    let through = ["--server", server.base.as_str(), "--token-file", "token"];
    let apply = [&["apply", "main.yaml", "api.yaml", "people.yaml", "--set", "main", "--prune"][..], &through].concat();
    let ran = place.run(&apply);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("5 created") && !ran.err.contains(&token), "{ran:?}");
    assert_eq!(place.run(&apply).ok(), "set main: 5 unchanged\n");
    let own = fs::read_to_string(place.path("secrets/reports")).unwrap();
    assert!(self::token(&server.base, "reports", own.trim()).await.json["access_token"].is_string());
    let exported = place.run(&[&["export"][..], &through].concat()).ok();
    assert_eq!(exported, place.run(&["export"]).ok());
    assert!(exported.contains("username: anna") && exported.contains("target: bad.example"), "{exported}");
    // An error of the server leads to the line, too.
    fs::write(place.path("api.yaml"), API.replace("reports", "nobody")).unwrap();
    let ran = place.run(&apply);
    assert!(ran.code == Some(1) && ran.err.contains("nobody") && ran.err.contains("409"), "{ran:?}");
    fs::write(place.path("api.yaml"), "resources:\n  - resource: https://auth.example.com/admin/v1\n").unwrap();
    place.run(&apply).refused(&["api.yaml:2", "admin API", "400"]);
    fs::write(place.path("token"), "nonsense").unwrap();
    place.run(&apply).refused(&["401"]);
    place.run(&["export", "--server", "http://auth.example.test"]).refused(&["--server", "https"]);
    place.run(&["export", "--server", &server.base]).refused(&["JETON_ADMIN_TOKEN"]);
});

on_both_stores!(what_is_exported_makes_the_same_through_a_server_on_an_empty_database, async |backend| {
    let (place, empty) = (Place::new(backend).await, Place::new(backend).await);
    write_files(&place);
    assert_eq!(place.run(&["apply", "main.yaml", "api.yaml", "--set", "main"]).code, Some(0));
    for (name, role) in [("zoe", "admin"), ("anna", "read")] {
        place.json(&["user", "create", name, "--no-password", "--role", role, "--sub", &format!("idp|{name}")]);
    }
    place.json(&["client", "block", "bad.example"]);
    let exported = place.run(&["export"]).ok();
    let ops = ["client", "create", "ops", "--grant-types", "client_credentials", "--scope", "jeton:admin"];
    let secret = empty.json(&ops)["client_secret"].as_str().unwrap().to_owned();
    let server = empty.serve(&[]);
    fs::write(empty.path("token"), token(&server.base, "ops", &secret).await.text("access_token")).unwrap();
    let through = ["--server", server.base.as_str(), "--token-file", "token"];
    let apply = [&["apply", "-", "--set", "copy", "--without-secrets"][..], &through].concat();
    let planned = empty.run_with(&[&apply[..], &["--dry-run"]].concat(), &exported).ok();
    assert!(planned.contains("+ user zoe (without a password)") && planned.contains("8 to create"), "{planned}");
    assert_eq!(empty.json(&["user", "list"]), serde_json::json!([]));
    let applied = empty.run_with(&apply, &exported).ok();
    assert_eq!(applied.replace("created", "to create"), planned);
    assert_eq!(empty.run_with(&apply, &exported).ok(), "set copy: 6 unchanged\n");
    empty.json(&["client", "disable", "ops"]);
    empty.run(&["client", "delete", "ops"]).ok();
    assert_eq!(empty.run(&["export"]).ok(), exported);
    let listed = empty.json(&["user", "list"]);
    assert!(listed.as_array().unwrap().iter().all(|user| user["has_password"] == false), "{listed}");
});

on_both_stores!(the_example_of_a_repository_is_applied, async |backend| {
    let place = Place::new(backend).await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gitops");
    for name in ["clients.yaml", "resources.yaml"] {
        fs::copy(folder.join(name), place.path(name)).unwrap();
    }
    let apply = ["apply", "clients.yaml", "resources.yaml", "--set", "shop"];
    let ran = place.run(&apply);
    assert!(ran.code == Some(0) && ran.out.contains("4 created") && !ran.out.contains("note:"), "{ran:?}");
    assert_eq!(place.run(&apply).ok(), "set shop: 4 unchanged\n");
    // As the pipeline does it: no secret is made, although the files say where one would go.
    let place = Place::new(backend).await;
    for name in ["clients.yaml", "resources.yaml"] {
        fs::copy(folder.join(name), place.path(name)).unwrap();
    }
    place.run(&[&apply[..], &["--without-secrets"]].concat()).ok();
    assert!(!place.path("secrets").exists());
    assert_eq!(place.json(&["client", "show", "orders-api"])["secrets"], serde_json::json!([]));
});

on_both_stores!(the_last_administrator_keeps_its_way_to_authenticate, async |backend| {
    let place = Place::new(backend).await;
    let ops = |how: &str| {
        format!("clients:\n- {{client_id: ops, grant_types: [client_credentials], scope: 'jeton:admin', {how}}}\n")
    };
    let by_key = "token_endpoint_auth_method: private_key_jwt, jwks_uri: 'https://keys.example/jwks'";
    fs::write(place.path("ops.yaml"), ops(by_key)).unwrap();
    let apply = ["apply", "ops.yaml", "--set", "main", "--without-secrets"];
    place.run(&apply).ok();
    fs::write(place.path("ops.yaml"), ops("token_endpoint_auth_method: client_secret_basic")).unwrap();
    place.run(&apply).refused(&["no client with jeton:admin would be left"]);
    let held = place.json(&["client", "show", "ops"]);
    assert_eq!(held["token_endpoint_auth_method"], "private_key_jwt");
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_committed_schema_is_the_one_that_the_program_prints() {
    let place = Place::new(Backend::Sqlite).await;
    let printed: Value = serde_json::from_str(&place.run(&["schema"]).ok()).unwrap();
    let committed: Value = serde_json::from_str(include_str!("../../../docs/jeton.schema.json")).unwrap();
    assert_eq!(printed, committed, "write it anew: jeton schema >docs/jeton.schema.json");
    // What it says of members is what files may have.
    let members = printed["properties"]["clients"]["items"]["properties"].as_object().unwrap();
    for name in ["client_id", "client_secret_file", "grant_types", "scope", "claims"] {
        assert!(members.contains_key(name), "{name}");
    }
    let text = printed.to_string();
    assert!(!text.contains("components") && !text.contains("x-keywords"));
    for name in text.split("\"#/$defs/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(printed["$defs"][name].is_object(), "{name}");
    }
}
