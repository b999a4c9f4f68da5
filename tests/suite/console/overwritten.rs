//! What somebody changes at the very moment at which a form is read is not overwritten.

use jeton::admin::body::{Patch, read_members};
use jeton::admin::clients::ClientPatch;
use jeton::admin::issuers::IssuerPatch;
use jeton::admin::resources::ResourcePatch;
use jeton::admin::{Actor, AdminError, Result};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::{assert_status, person, start};
use crate::issuers::Idp;
use crate::support::browser::Form;
use crate::support::{TestServer, on_both_stores};

const API: &str = "https://api.example.test";

/// Changes something by the admin API, while somebody else is between reading and writing it.
fn meanwhile(app: &TestServer, path: &str, members: Value) {
    let change = async {
        app.admin(Method::PATCH, path, Some(members)).await.assert_ok();
    };
    block_in_place(|| Handle::current().block_on(change));
}

#[track_caller]
fn assert_conflict<T: std::fmt::Debug>(result: Result<T>) {
    assert!(matches!(&result, Err(AdminError::Conflict(text)) if text.contains("at the same time")), "{result:?}");
}

on_both_stores!(nothing_is_written_if_what_it_was_made_of_changes_meanwhile, async |backend| {
    let app = start(backend).await;
    app.main_client("main").await;
    let idp = Idp::new("https://idp.example.test");
    idp.register(&app, json!({"uses": ["client_assertion"]})).await;
    let members = json!({"resource": API, "name": "First"});
    app.admin(Method::POST, "/admin/v1/resources", Some(members)).await;
    let resource =
        format!("/admin/v1/resources/{}", form_urlencoded::byte_serialize(API.as_bytes()).collect::<String>());
    let (inner, actor) = (&app.server.app, Actor::on_the_database("tester"));
    let theirs = json!({"name": "Theirs"});
    let change = |_: &_| {
        meanwhile(&app, &idp.path(), theirs.clone());
        Ok(IssuerPatch { max_age: Patch::Set(60), ..IssuerPatch::default() })
    };
    assert_conflict(inner.issuer_change(&idp.name, change, &actor).await);
    let change = |_: &_| {
        meanwhile(&app, &resource, theirs.clone());
        read_members::<ResourcePatch>(json!({"access_token_ttl": 60}).as_object().unwrap().clone())
    };
    assert_conflict(inner.resource_change(API, change, &actor).await);
    let change = |_: &_| {
        meanwhile(&app, "/admin/v1/clients/main", json!({"client_name": "Theirs"}));
        Ok(ClientPatch { access_token_ttl: Patch::Set(60), ..ClientPatch::default() })
    };
    assert_conflict(inner.client_change("main", change, &actor).await);
    for (path, name) in [(idp.path(), "name"), (resource, "name"), ("/admin/v1/clients/main".to_owned(), "client_name")]
    {
        let now = app.admin(Method::GET, &path, None).await;
        assert_eq!(now.json[name], "Theirs", "{now:?}");
        assert!(now.json["max_age"] != 60 && now.json["access_token_ttl"] != 60, "{now:?}");
    }
});

on_both_stores!(of_forms_that_are_sent_at_once_one_is_taken_and_the_others_keep_what_was_typed, async |backend| {
    let app = start(backend).await;
    app.admin(Method::POST, "/admin/v1/resources", Some(json!({"resource": API}))).await;
    let (_, mut ada) = person(&app, "ada", "admin").await;
    let path = format!("/console/change-resource?resource={API}");
    let form = Form::to(&ada.get(&app, &path).await, "save");
    let mut tasks = Vec::new();
    for number in 0..6 {
        let (mut browser, form) = (ada.clone(), form.clone().with("name", &format!("Name {number}")));
        let app = &app;
        tasks.push(async move { (browser.send(app, form).await, number) });
    }
    let answers = futures_util::future::join_all(tasks).await;
    let (taken, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(answer, _)| answer.status == 303);
    assert_eq!((taken.len(), refused.len()), (1, 5));
    for (answer, number) in refused {
        assert_status(&answer, 409);
        assert!(answer.body.contains(&format!("value=\"Name {number}\"")), "{answer:?}");
    }
    let now = Form::to(&ada.get(&app, &path).await, "save");
    assert_eq!(now.field("name"), Some(format!("Name {}", taken[0].1).as_str()));
});
