//! The preview of the console: what a client would get, as the admin API says it, and what is refused and why.

use reqwest::Method;
use serde_json::json;

use super::{assert_status, person, problem, start, user_with_role};
use crate::support::browser::Form;
use crate::support::on_both_stores;
use crate::support::scene::{API, CLIENT_CREDENTIALS};

on_both_stores!(a_preview_shows_the_token_and_where_each_claim_comes_from, async |backend| {
    let app = start(backend).await;
    let members = json!({
        "grant_types": ["client_credentials"], "scope": "read write", "audiences": [API], "claims": {"team": "blue"},
    });
    let service = app.client("service", members).await;
    app.main_client("main").await;
    let paul = user_with_role(&app, "paul", None).await;
    let (_, mut ruth) = person(&app, "ruth", "read").await;
    // From the page of a client, the token that it gets for itself is one click away.
    let address = "/console/preview?client=service";
    assert!(ruth.get(&app, "/console/client?id=service").await.body.contains(&format!("href=\"{address}\"")));
    let page = ruth.get(&app, address).await;
    page.assert_ok();
    let size = app.token(&service, &[CLIENT_CREDENTIALS]).await.text("access_token").len();
    for part in [
        format!("The client would get an access token of {size} bytes."),
        "client service: audiences".into(),
        "client service: scope".into(),
        "client service: claims".into(),
        "<code>blue</code>".into(),
        "JETON_ISSUER".into(),
        "another one for each token".into(),
    ] {
        assert!(page.body.contains(&part), "{part}: {page:?}");
    }
    // From the page of a user, the client is to be named. What is typed is posted: it stays out of addresses.
    let address = format!("/console/preview?user={paul}");
    assert!(ruth.get(&app, &format!("/console/user?id={paul}")).await.body.contains(&format!("href=\"{address}\"")));
    let page = ruth.get(&app, &address).await;
    assert!(!page.body.contains("The client would get"), "{page:?}");
    let form = Form::to(&page, "preview").with("client", "main").with("grant", "password").with("resource", "");
    assert_eq!((form.field("user"), form.action.as_str()), (Some(paul.as_str()), "/console/preview"));
    let page = ruth.send(&app, form.clone().with("scope", "read")).await;
    page.assert_ok();
    for part in ["user paul: sub", "request: scope", "client main: audiences"] {
        assert!(page.body.contains(part), "{part}: {page:?}");
    }
    let refresh_token = page.body.split("Refresh token</dt>").nth(1).unwrap().split("</dd>").next().unwrap();
    assert!(refresh_token.contains("yes"), "{page:?}");
    // With a client and a user, the grant is found.
    let page = ruth.get(&app, &format!("/console/preview?client=main&user={paul}")).await;
    assert!(page.body.contains("user paul: sub"), "{page:?}");
    let page = ruth.send(&app, form.clone().with("resource", "https://files.example.test/\r\n")).await;
    assert!(page.body.contains("request: resource"), "{page:?}");
    // Nothing came of all that.
    let sessions = app.admin(Method::GET, "/admin/v1/sessions?client=main", None).await;
    assert_eq!(sessions.json["items"], json!([]));
});

on_both_stores!(a_preview_says_what_is_refused_and_what_is_wrong_with_the_form, async |backend| {
    let app = start(backend).await;
    app.main_client("main").await;
    // Another client has the grant that this one lacks.
    app.web_client("web", json!({})).await;
    user_with_role(&app, "paul", None).await;
    let (_, mut ruth) = person(&app, "ruth", "read").await;
    let form = Form::to(&ruth.get(&app, "/console/preview").await, "preview");
    let form = form.with("client", "main").with("grant", "password").with("user", "paul").with("resource", "");
    for (field, value, error) in [
        ("scope", "delete", "invalid_scope"),
        ("resource", "https://other.example.test", "invalid_target"),
        ("user", "", "invalid_request"),
        ("grant", "authorization_code", "unauthorized_client"),
    ] {
        let page = ruth.send(&app, form.clone().with(field, value)).await;
        page.assert_ok();
        assert!(page.body.contains("would be refused") && page.body.contains(error), "{field} {value}: {page:?}");
        assert!(page.body.contains("The log would say"), "{page:?}");
    }
    // The problem stands beside the field, and what was typed stays.
    for (field, value, id, text) in [
        ("client", "nobody", "preview-client", "There is no client"),
        ("client", "", "preview-client", "Name a client."),
        ("user", "nobody", "preview-user", "There is no user"),
        ("grant", "implicit", "preview-grant", "There is no such grant."),
    ] {
        let page = ruth.send(&app, form.clone().with("scope", "typed-scope").with(field, value)).await;
        assert_status(&page, 400);
        assert!(problem(&page, id).contains(text), "{text}: {page:?}");
        assert!(page.body.contains("value=\"typed-scope\"") && !page.body.contains("would be refused"), "{page:?}");
    }
    assert_status(&ruth.get(&app, "/console/preview?client=nobody").await, 404);
    let hostile = "\"><script>alert(1)</script>";
    for field in ["client", "user", "scope", "resource", "grant"] {
        let page = ruth.send(&app, form.clone().with(field, hostile)).await;
        assert!(!page.body.contains("<script"), "{field}: {page:?}");
    }
    let (_, mut clara) = person(&app, "clara", "clients").await;
    assert!(!clara.get(&app, "/console/client?id=main").await.body.contains("console/preview"));
});
