//! Resources in the console: added, changed and deleted by forms that keep what was typed.

use reqwest::Method;
use serde_json::{Value, json};

use super::{PASSWORD, assert_leads, assert_status, person, problem, setup, start};
use crate::support::browser::{Browser, Form};
use crate::support::{TestServer, on_both_stores};

const URI: &str = "https://orders.example.test/v1";
const ENCODED: &str = "https%3A%2F%2Forders.example.test%2Fv1";

/// What the admin API says of the resource; null if there is none.
async fn resource(app: &TestServer) -> Value {
    let list = app.admin(Method::GET, &format!("/admin/v1/resources?resource={ENCODED}"), None).await;
    list.assert_ok().json["items"][0].clone()
}

/// The form for a new resource, filled in.
async fn new(app: &TestServer, browser: &mut Browser) -> Form {
    Form::to(&browser.get(app, "/console/new-resource").await, "create")
        .with("resource", URI)
        .with("name", "Orders")
        .with("scopes", "read Read your orders\r\nwrite Write  orders\r\n\r\nplain")
        .with("open_to", "registered")
        .with("serves", "main\r\n")
        .with("access_token_format", "opaque")
        .with("access_token_typ", "")
        .with("access_token_ttl", "300")
        .with("claims", "{\"region\": {\"name\": \"eu\", \"zone\": 1}}")
}

on_both_stores!(a_resource_is_added_changed_and_deleted, async |backend| {
    let app = TestServer::start_with(backend, setup().with_manual_clock()).await;
    app.main_client("main").await;
    let (_, mut clara) = person(&app, "clara", "clients").await;
    let form = new(&app, &mut clara).await;
    let answer = clara.send(&app, form.clone()).await;
    assert_leads(&answer, &format!("/console/resource?resource={ENCODED}&done=resource_saved"));
    let made = resource(&app).await;
    let expected = json!({
        "resource": URI, "name": "Orders", "scopes": {"plain": "", "read": "Read your orders", "write": "Write  orders"},
        "open_to": "registered", "serves": ["main"], "access_token_format": "opaque", "access_token_typ": null,
        "access_token_ttl": 300, "claims": {"region": {"name": "eu", "zone": 1}},
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&made[name], value, "{name}");
    }
    let page = clara.follow(&app, answer).await;
    for part in ["Read your orders", "300 seconds", "href=\"/console/client?id=main\"", "It is saved"] {
        assert!(page.body.contains(part), "{part}: {page:?}");
    }
    assert!(clara.get(&app, "/console/resources").await.body.contains(&format!(">{URI}<")));
    let found = clara.get(&app, &format!("/console/resources?resource={ENCODED}")).await;
    let leads = format!("/console/resource?resource={ENCODED}");
    assert_eq!((found.status.as_u16(), found.header("location")), (302, Some(leads.as_str())), "{found:?}");
    assert_status(&clara.get(&app, "/console/resources?resource=https%3A%2F%2Fother.example.test").await, 404);
    // There is only one of that name.
    let page = clara.send(&app, form.clone()).await;
    assert_status(&page, 409);
    assert!(problem(&page, "new-resource").contains("already"), "{page:?}");
    // The form shows what is there, and what is taken out of it is gone.
    let page = clara.get(&app, &format!("/console/change-resource?resource={ENCODED}")).await;
    assert!(page.body.contains("read Read your orders\nwrite Write  orders</textarea>"), "{page:?}");
    let shown = Form::to(&page, "save");
    assert_eq!((shown.field("name"), shown.field("access_token_ttl")), (Some("Orders"), Some("300")));
    let change = shown
        .with("scopes", "read Read them")
        .with("open_to", "listed")
        .with("serves", "")
        .with("access_token_format", "")
        .with("access_token_typ", "JWT")
        .with("access_token_ttl", "")
        .with("claims", "{\"region\": {\"name\": \"us\"}}");
    let saved = format!("/console/resource?resource={ENCODED}&done=resource_saved");
    assert_leads(&clara.send(&app, change.clone()).await, &saved);
    let changed = resource(&app).await;
    let expected = json!({
        "name": "Orders", "scopes": {"read": "Read them"}, "open_to": "listed", "serves": [], "access_token_format": null,
        "access_token_typ": "JWT", "access_token_ttl": null, "claims": {"region": {"name": "us"}},
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&changed[name], value, "{name}");
    }
    // A form that was shown before that does not undo it.
    let page = clara.send(&app, change.with("scopes", "lost")).await;
    assert_status(&page, 409);
    assert!(page.body.contains("Somebody else has changed it") && page.body.contains(">lost</textarea>"), "{page:?}");
    assert_eq!(resource(&app).await, changed);
    // Deleting it takes the password.
    let delete = Form::to(&clara.get(&app, &format!("/console/resource?resource={ENCODED}")).await, "delete");
    app.advance(301);
    app.forget_admin_token().await;
    let asked = clara.send(&app, delete).await;
    assert!(asked.assert_ok().body.contains("Is it still you?"), "{asked:?}");
    assert_eq!(resource(&app).await, changed);
    let done = clara.send(&app, Form::of(&asked).with("password", PASSWORD)).await;
    assert_leads(&done, "/console/resources?done=resource_deleted");
    assert_eq!(resource(&app).await, Value::Null);
    assert_status(&clara.get(&app, &format!("/console/resource?resource={ENCODED}")).await, 404);
});

on_both_stores!(a_wrong_form_of_a_resource_says_what_is_wrong_beside_the_field, async |backend| {
    let app = start(backend).await;
    app.main_client("main").await;
    let (_, mut clara) = person(&app, "clara", "clients").await;
    let form = new(&app, &mut clara).await;
    let long = "x".repeat(256);
    for (field, value, text) in [
        ("resource", "", "Type in its URI."),
        ("resource", "orders", "not an absolute URI"),
        ("name", long.as_str(), "255 bytes"),
        ("scopes", "a\"b Text", "is not a name"),
        ("scopes", "jeton:admin Everything", "belongs to the admin API"),
        ("scopes", "read A\r\nread B", "is there twice"),
        ("open_to", "everyone", "xpected"),
        ("serves", "nobody", "nobody"),
        ("access_token_format", "paper", "xpected"),
        ("access_token_typ", "paper", "xpected"),
        ("access_token_ttl", "soon", "no whole number"),
        ("access_token_ttl", "90000", "1 to 86400"),
        ("claims", "[]", "no JSON object"),
        ("claims", "{", "no JSON"),
        ("claims", "{\"aud\": 1}", "aud"),
    ] {
        let page = clara.send(&app, form.clone().with(field, value)).await;
        assert_status(&page, 400);
        assert!(problem(&page, &format!("new-{field}")).contains(text), "{field} {text}: {page:?}");
        assert!(page.body.contains("Write  orders") || field == "scopes", "what was typed stays: {page:?}");
    }
    // A resource must not have the name of a client: their tokens could be mistaken for each other.
    app.client("https://app.example.test", json!({"grant_types": ["client_credentials"]})).await;
    let page = clara.send(&app, form.clone().with("resource", "https://app.example.test")).await;
    assert_status(&page, 409);
    assert!(!problem(&page, "new-resource").is_empty());
    // What is open to anybody is for administrators, whatever the form says.
    let page = clara.send(&app, form.clone().with("open_to", "anybody")).await;
    assert_status(&page, 403);
    assert!(problem(&page, "new-open_to").contains("jeton:admin"), "{page:?}");
    assert_eq!(resource(&app).await, Value::Null);
    let (_, mut ada) = person(&app, "ada", "admin").await;
    let opened = new(&app, &mut ada).await.with("open_to", "anybody");
    assert_status(&ada.send(&app, opened).await, 303);
    let page = clara.get(&app, &format!("/console/resource?resource={ENCODED}")).await;
    assert!(page.assert_ok().body.contains("nobody registered") && !page.body.contains("<form"), "{page:?}");
    for (path, action) in [("/console/resource", "delete"), ("/console/change-resource", "save")] {
        let proof = form.field("proof").unwrap();
        let seen = Form::to(&ada.get(&app, &format!("/console/change-resource?resource={ENCODED}")).await, "save");
        let fields = [
            ("proof", proof),
            ("action", action),
            ("resource", URI),
            ("seen", seen.field("seen").unwrap()),
            ("open_to", "listed"),
        ];
        assert_status(&clara.post(&app, path, &fields).await, 403);
    }
    assert_eq!(resource(&app).await["open_to"], "anybody");
    // A form without its proof, or of another person, does nothing.
    let fields = [("action", "delete"), ("resource", URI)];
    assert_status(&ada.post(&app, "/console/resource", &fields).await, 403);
    assert_eq!(resource(&app).await["open_to"], "anybody");
});
