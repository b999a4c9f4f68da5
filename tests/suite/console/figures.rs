//! What the overview tells of the last 30 days, and what needs attention.

use reqwest::Method;
use serde_json::json;

use super::{PASSWORD, person, setup, start};
use crate::support::browser::Browser;
use crate::support::scene::CLIENT_CREDENTIALS;
use crate::support::{Answer, TestServer, on_both_stores};

/// The numbers of the newest day: issued, refused, the most frequent cause, introspections.
fn newest_day(page: &Answer) -> Vec<String> {
    let table = page.body.rsplit("Figures by day").next().unwrap().split("<tbody>").nth(1).unwrap();
    let cells = table.split("</tr>").next().unwrap().split("<td>").skip(2).take(4);
    let text = |cell: &str| {
        let tags = cell.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
        tags.collect::<String>()
    };
    cells.map(|cell| text(cell).trim().to_owned()).collect()
}

on_both_stores!(figures_of_days_outlive_a_restart, async |backend| {
    let app = start(backend).await;
    let main = app.main_client("main").await;
    let (_, mut ada) = person(&app, "ada", "admin").await;
    assert!(ada.get(&app, "/console").await.body.contains("Nothing was counted yet"));
    let token = app.token(&main, &[CLIENT_CREDENTIALS]).await.text("access_token");
    for token in [token.as_str(), "nonsense"] {
        app.introspect(&main, token).await.assert_ok();
    }
    app.refresh(&main, "nonsense").await.assert_error(400, "invalid_grant");
    // The stop writes what the last minute did not.
    let app = app.restart(setup()).await;
    let page = ada.get(&app, "/console").await;
    let day = newest_day(&page);
    // The administrator's token is one of the two.
    assert_eq!((day[0].as_str(), day[3].as_str()), ("2", "2"), "{page:?}");
    assert!(day[1].parse::<u64>().unwrap() >= 1 && day[2] != "none", "{day:?}");
    assert_eq!(page.body.matches("<svg").count(), 3, "{page:?}");
    assert_eq!(page.body.matches("<rect ").count(), 90, "a bar for each of 30 days");
    // Written again, nothing is counted twice.
    app.server.app.write_figures().await;
    app.server.app.write_figures().await;
    assert_eq!(newest_day(&ada.get(&app, "/console").await)[3], "2");
});

on_both_stores!(what_needs_attention_names_unused_secrets_and_the_next_key, async |backend| {
    let app = TestServer::start_with(backend, setup().with_manual_clock()).await;
    app.client("forgotten", json!({"grant_types": ["client_credentials"]})).await;
    let scope = (0..100).map(|number| format!("a-scope-with-a-long-name-{number:012}")).collect::<Vec<_>>().join(" ");
    let large = app.client("large", json!({"grant_types": ["client_credentials"], "scope": scope})).await;
    let (_, mut ada) = person(&app, "ada", "admin").await;
    let page = ada.get(&app, "/console").await;
    assert!(!page.body.contains("Not used for 90 days") && !page.body.contains("A new key becomes active"), "{page:?}");
    app.advance(90 * 24 * 3600 + 1);
    app.forget_admin_token().await;
    let rotated = app.admin(Method::POST, "/admin/v1/keys/rotate", Some(json!({"alg": "EdDSA"}))).await;
    assert_eq!(rotated.status.as_u16(), 201, "{rotated:?}");
    app.token(&large, &[CLIENT_CREDENTIALS]).await.assert_ok();
    let mut ada = Browser::logged_in(&app, ("ada", PASSWORD)).await;
    let page = ada.get(&app, "/console").await;
    let attention = page.body.split("What needs attention").nth(1).unwrap().split("<h2>").next().unwrap();
    for part in [
        "Not used for 90 days",
        "href=\"/console/client?id=forgotten\"",
        "access tokens of more than 4 KB",
        "href=\"/console/client?id=large\"",
        "A new key becomes active at",
    ] {
        assert!(attention.contains(part), "{part}: {attention}");
    }
});
