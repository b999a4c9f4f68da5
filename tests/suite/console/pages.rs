//! The pages of the console: neither framed nor kept, without markup from outside, and with what they promise.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::{PASSWORD, assert_leads, assert_status, person, start, user_with_role};
use crate::support::browser::{Browser, Form};
use crate::support::scene::CLIENT_CREDENTIALS;
use crate::support::{Answer, eventually, on_both_stores};

/// What somebody may call a client, a user or a reason.
const HOSTILE: &str = "\"><script>alert(1)</script>'&";

#[track_caller]
fn assert_guarded(page: &Answer) {
    assert_eq!(page.header("x-frame-options"), Some("DENY"), "{page:?}");
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    // Pages that are kept current run the one script, which is a file of this server.
    let scripts = policy.split(';').map(str::trim).find(|directive| directive.starts_with("script-src"));
    assert_eq!(scripts, page.body.contains(" data-live-state>").then_some("script-src 'self'"), "{policy}");
    if page.header("content-type").unwrap().starts_with("text/html") {
        let without_own = page.body.replacen("<script src=\"/console/live-", "", 1);
        assert!(!without_own.contains("<script"), "{page:?}");
    }
}

/// The address after a heading, a label or another text of a page: of the next link.
#[track_caller]
fn link_after<'a>(page: &'a Answer, text: &str) -> &'a str {
    let rest = page.body.split(text).nth(1).unwrap_or_else(|| panic!("no {text} in {page:?}"));
    rest.split("href=\"").nth(1).unwrap().split('"').next().unwrap()
}

on_both_stores!(no_page_is_framed_kept_or_marked_up_from_outside, async |backend| {
    let app = start(backend).await;
    let name = format!("web {HOSTILE}");
    let grants = ["password", "refresh_token", "authorization_code"];
    let members = json!({"grant_types": grants, "client_name": name, "scope": "read", "redirect_uris": ["https://app.example.test/cb"]});
    let client = app.client(&format!("c{HOSTILE}"), members).await;
    let user = json!({"username": name, "password": PASSWORD, "claims": {"x": HOSTILE}, "profile": {"name": HOSTILE}});
    let user = app.admin(Method::POST, "/admin/v1/users", Some(user)).await.text("id");
    app.login(&client, &name, PASSWORD).await;
    let revoked = json!({"client": client.id, "reason": HOSTILE});
    let number = app.admin(Method::POST, "/admin/v1/revocations", Some(revoked)).await.json["number"].to_string();
    let login = app.login(&client, &name, PASSWORD).await;
    let session = crate::support::jwt_part(&login.text("access_token"), 1)["sid"].as_str().unwrap().to_owned();
    app.resource(json!({
        "resource": "https://orders.example.test", "name": HOSTILE, "scopes": {"read": HOSTILE}, "claims": {"x": HOSTILE},
        "serves": [client.id],
    }))
    .await;
    let issuer = json!({
        "issuer": "https://idp.example.test", "name": HOSTILE, "audience": [HOSTILE], "uses": ["client_assertion"],
        "rules": [{"name": HOSTILE, "client_id": client.id, "claims": {"sub": {"equals": HOSTILE}, "x": {"one_of": [HOSTILE]}}}],
    });
    assert_status(&app.admin(Method::POST, "/admin/v1/issuers", Some(issuer)).await, 201);
    let (_, mut ada) = person(&app, &format!("ada {HOSTILE}"), "admin").await;
    let query = |pairs: &[(&str, &str)]| form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let of_client = query(&[("id", &client.id)]);
    let addresses = [
        "/console".to_owned(),
        "/console/doctor".to_owned(),
        "/console/clients".to_owned(),
        format!("/console/clients?{}", query(&[("search", HOSTILE)])),
        format!("/console/client?{of_client}"),
        format!("/console/client-settings?{of_client}"),
        "/console/new-client".to_owned(),
        "/console/new-client?kind=workload".to_owned(),
        "/console/preview".to_owned(),
        format!("/console/preview?{}", query(&[("client", &client.id), ("user", &user)])),
        "/console/resources".to_owned(),
        "/console/resource?resource=https%3A%2F%2Forders.example.test".to_owned(),
        "/console/change-resource?resource=https%3A%2F%2Forders.example.test".to_owned(),
        "/console/new-resource".to_owned(),
        "/console/issuers".to_owned(),
        "/console/issuer?issuer=https%3A%2F%2Fidp.example.test".to_owned(),
        "/console/change-issuer?issuer=https%3A%2F%2Fidp.example.test".to_owned(),
        "/console/issuer-rule?issuer=https%3A%2F%2Fidp.example.test&number=1".to_owned(),
        "/console/new-issuer".to_owned(),
        "/console/issuer-test".to_owned(),
        "/console/allow-github".to_owned(),
        "/console/users".to_owned(),
        "/console/new-user".to_owned(),
        format!("/console/user?id={user}"),
        "/console/sessions".to_owned(),
        format!("/console/sessions?{}", query(&[("client", &client.id)])),
        format!("/console/session?id={session}"),
        "/console/revocations".to_owned(),
        format!("/console/revocation?number={number}"),
        format!("/console/revoke?{}", query(&[("client", &client.id)])),
        format!("/console/revoke?user={user}"),
        "/console/revoke?all=true".to_owned(),
        "/console/keys".to_owned(),
        "/console/audit".to_owned(),
        format!("/console/audit?{}", query(&[("actor", HOSTILE)])),
        "/console/nodes".to_owned(),
    ];
    for address in &addresses {
        let page = ada.get(&app, address).await;
        page.assert_ok();
        assert_guarded(&page);
        assert!(!page.body.contains("'&\""), "{address}: {page:?}");
    }
    for address in [
        format!("/console/preview?{}", query(&[("client", HOSTILE), ("user", HOSTILE)])),
        format!("/console/resources?{}", query(&[("resource", HOSTILE)])),
        format!("/console/issuer?{}", query(&[("issuer", HOSTILE)])),
        format!("/console/users?{}", query(&[("user", HOSTILE)])),
        format!("/console/client?{}", query(&[("id", HOSTILE)])),
    ] {
        let page = ada.get(&app, &address).await;
        assert_status(&page, 404);
        assert_guarded(&page);
    }
    for address in ["/console/audit.csv", "/console/audit.json"] {
        let file = ada.get(&app, address).await;
        assert_guarded(&file);
        assert!(file.header("content-disposition").unwrap().starts_with("attachment; filename=\"audit."), "{file:?}");
    }
    assert_guarded(&Browser::default().get(&app, "/console").await);
});

on_both_stores!(a_secret_is_rotated_without_an_outage, async |backend| {
    let app = start(backend).await;
    let main = app.main_client("main").await;
    let (_, mut clara) = person(&app, "clara", "clients").await;
    let address = "/console/client?id=main";
    let page = clara.get(&app, address).await;
    assert!(page.body.contains("Last used") && page.body.contains("never"), "{page:?}");
    let shown = clara.send(&app, Form::to(&page, "add_secret")).await;
    shown.assert_ok();
    assert_eq!(shown.header("cache-control"), Some("no-store"));
    let secret = shown.body.split("<pre>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let with_new = main.with_secret(&secret);
    for client in [&main, &with_new] {
        app.token(client, &[CLIENT_CREDENTIALS]).await.assert_ok();
    }
    let page = clara.get(&app, address).await;
    assert!(!page.body.contains(&secret) && !page.body.contains("value=\"add_secret\""), "{page:?}");
    // The first row is the older one.
    assert_leads(
        &clara.send(&app, Form::to(&page, "retire_secret")).await,
        "/console/client?id=main&done=secret_retired",
    );
    app.token(&with_new, &[CLIENT_CREDENTIALS]).await.assert_ok();
    app.token(&main, &[CLIENT_CREDENTIALS]).await.assert_error(401, "invalid_client");
});

on_both_stores!(a_revocation_says_what_it_ends_before_and_who_has_seen_it_after, async |backend| {
    let app = start(backend).await;
    let main = app.main_client("main").await;
    let other = app.main_client("other").await;
    let paul = user_with_role(&app, "paul", None).await;
    let mut tokens = Vec::new();
    for client in [&main, &main, &other] {
        tokens.push(app.login(client, "paul", PASSWORD).await.text("refresh_token"));
    }
    let (rita_id, mut rita) = person(&app, "rita", "revoke").await;
    for (query, count) in [
        (format!("user={paul}"), "3 active sessions"),
        ("client=main".into(), "2 active sessions"),
        ("client=other".into(), "1 active session"),
    ] {
        let page = rita.get(&app, &format!("/console/revoke?{query}")).await;
        assert!(page.assert_ok().body.contains(&format!("This ends {count},")), "{query}: {page:?}");
    }
    let preview = app.admin(Method::POST, "/admin/v1/revocations/preview", Some(json!({"client": "main"}))).await;
    let told = json!({"target": {"kind": "client", "id": "main"}, "sessions": 2, "or_more": false});
    assert_eq!(preview.assert_ok().json, told);
    let page = rita.get(&app, "/console/revoke?client=main").await;
    let answer = rita.send(&app, Form::to(&page, "revoke").with("reason", "lost laptop")).await;
    let page = rita.follow(&app, answer).await;
    page.assert_ok();
    for text in ["client main", "lost laptop", "It is revoked.", &format!("user {rita_id}")] {
        assert!(page.body.contains(text), "{text}: {page:?}");
    }
    let revocations = rita.get(&app, "/console/revocations").await;
    let receipt = link_after(&revocations, "<tbody>").to_owned();
    let mut reader = rita.clone();
    eventually(Duration::from_secs(10), "the node reports that it has seen it", async || {
        reader.get(&app, &receipt).await.body.contains("Every live node has seen it.")
    })
    .await;
    app.refresh(&main, &tokens[0]).await.assert_error(400, "invalid_grant");
    app.refresh(&other, &tokens[2]).await.assert_ok();
    // What has ended is not counted again.
    let page = rita.get(&app, &format!("/console/revoke?user={paul}")).await;
    assert!(page.body.contains("This ends 1 active session,"), "{page:?}");
    let page = rita.get(&app, "/console/revoke?client=main").await;
    assert!(page.body.contains("This ends no active session,"), "{page:?}");
    // Everything is for administrators, and one thing at a time.
    assert_status(&rita.get(&app, "/console/revoke?all=true").await, 403);
    assert_status(&rita.get(&app, "/console/revoke").await, 400);
    assert_status(&rita.get(&app, "/console/revoke?client=main&user=paul").await, 400);
    assert_status(&rita.get(&app, "/console/revoke?client=nobody").await, 404);
    let sessions = rita.get(&app, "/console/sessions?client=other").await;
    let session = link_after(&sessions, "<tbody>").to_owned();
    let page = rita.get(&app, &session).await;
    assert!(page.body.contains("active"), "{page:?}");
    let revoke = link_after(&page, "Ends by itself").to_owned();
    let page = rita.get(&app, &revoke).await;
    let answer = rita.send(&app, Form::to(&page, "revoke")).await;
    rita.follow(&app, answer).await.assert_ok();
    let page = rita.get(&app, &session).await;
    assert!(page.body.contains("ended (session_revoked)"), "{page:?}");
});

on_both_stores!(the_audit_trail_names_the_person_and_is_exported_without_formulas, async |backend| {
    let app = start(backend).await;
    app.main_client("main").await;
    app.client("=1+1", json!({"grant_types": ["client_credentials"]})).await;
    let (id, mut ada) = person(&app, "ada", "admin").await;
    let page = ada.get(&app, "/console/client?id=main").await;
    assert_leads(&ada.send(&app, Form::to(&page, "disable")).await, "/console/client?id=main&done=disabled");
    let reason = "=HYPERLINK(\"https://attacker.example\")";
    let revoked = json!({"client": "main", "reason": reason});
    assert_status(&app.admin(Method::POST, "/admin/v1/revocations", Some(revoked)).await, 201);
    let page = ada.get(&app, "/console/audit?action=client.disable").await;
    assert!(page.body.contains(&format!(">ada (user {id})<")) && page.body.contains("client main"), "{page:?}");
    assert!(!page.body.contains("client.create<"), "{page:?}");
    let csv = ada.get(&app, link_after(&page, "at most 5,000:")).await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    let lines: Vec<&str> = csv.body.lines().collect();
    assert_eq!(lines.len(), 2, "the filter holds: {csv:?}");
    assert!(lines[1].contains(&format!("\"user {id}\",\"client.disable\",\"client main\"")), "{csv:?}");
    let csv = ada.get(&app, "/console/audit.csv").await.body;
    assert!(csv.contains("\"'=HYPERLINK(\"\"https://attacker.example\"\")\""), "{csv}");
    for cell in csv.lines().flat_map(|line| line.split("\",\"")) {
        assert!(!cell.trim_start_matches('"').starts_with(['=', '+', '-', '@']), "{cell}");
    }
    let json = ada.get(&app, "/console/audit.json?action=client.disable").await;
    assert_eq!((&json.json["items"][0]["actor"], &json.json["next"]), (&json!(format!("user {id}")), &json!(null)));
    // So do the administrators' acts on users, and the login itself.
    let logins = ada.get(&app, &format!("/console/audit.json?actor=user%20{id}")).await;
    let actions: Vec<&str> =
        logins.json["items"].as_array().unwrap().iter().map(|record| record["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["client.disable", "login"]);
});

on_both_stores!(clients_and_users_are_found_and_lists_have_bounds, async |backend| {
    let app = start(backend).await;
    for number in 0..55 {
        app.client(&format!("Service-{number:02}"), json!({"grant_types": ["client_credentials"]})).await;
    }
    let (id, mut ada) = person(&app, "ada", "admin").await;
    let page = ada.get(&app, "/console/clients?search=service").await;
    let rows = |page: &Answer| page.body.split("<tbody>").nth(1).unwrap().matches("<tr>").count();
    assert_eq!(rows(&page), 50);
    let next = link_after(&page, "</table>").replace("&#38;", "&");
    assert!(next.starts_with("/console/clients?search=service&cursor="), "{next}");
    let page = ada.get(&app, &next).await;
    assert_eq!(rows(&page), 5, "{page:?}");
    let page = ada.get(&app, "/console/clients?search=VICE-07").await;
    assert!(rows(&page) == 1 && page.body.contains("Service-07"), "{page:?}");
    assert!(ada.get(&app, "/console/clients?search=%25").await.body.contains("No client ID contains this text."));
    for name in ["ADA", &id] {
        let answer = ada.get(&app, &format!("/console/users?user={name}")).await;
        assert_eq!(answer.header("location"), Some(format!("/console/user?id={id}").as_str()), "{answer:?}");
    }
});

on_both_stores!(the_overview_tells_what_was_refused_and_what_needs_attention, async |backend| {
    let app = start(backend).await;
    let main = app.main_client("main").await;
    app.token(&main, &[CLIENT_CREDENTIALS]).await.assert_ok();
    app.refresh(&main, "nonsense").await.assert_error(400, "invalid_grant");
    let (_, mut ada) = person(&app, "ada", "admin").await;
    let page = ada.get(&app, "/console").await;
    for text in ["client_credentials", "What needs attention", "JETON_REQUIRE_SECOND_FACTOR", "(this one)"] {
        assert!(page.body.contains(text), "{text}: {page:?}");
    }
    for check in ["permissions", "keys", "PKCE", "nodes", "second factors", "demo credentials"] {
        assert!(page.body.contains(&format!(">{check}<")), "{check}: {page:?}");
    }
    let (_, mut clara) = person(&app, "clara", "clients").await;
    let page = clara.get(&app, "/console").await;
    assert!(!page.body.contains("What needs attention") && !page.body.contains("(this one)"), "{page:?}");
});
