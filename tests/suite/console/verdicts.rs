//! Links to verdicts of the token doctor: what they show, to whom, and for how long.

use jeton::crypto::{base64url, sha256};
use jeton::store::{Audited, KeptVerdict, VerdictLimits};
use reqwest::Method;
use serde_json::json;

use super::{PASSWORD, assert_leads, assert_status, person, setup, start, user_with_role};
use crate::support::browser::{Browser, Form};
use crate::support::{TestServer, on_both_stores};

const WEEK: u64 = 7 * 24 * 3600;

/// A revoked token of a user.
async fn revoked_token(app: &TestServer) -> String {
    let main = app.main_client("main").await;
    user_with_role(app, "paul", None).await;
    let token = app.login(&main, "paul", PASSWORD).await.text("access_token");
    app.revoke(&main, &token).await.assert_ok();
    token
}

/// The form by which a person may keep the verdict on a text.
async fn explained(app: &TestServer, browser: &mut Browser, text: &str) -> Form {
    let form = Form::to(&browser.get(app, "/console/doctor").await, "explain").without("refresh_token");
    Form::to(&browser.send(app, form.with("text", text)).await, "keep")
}

on_both_stores!(a_verdict_is_shown_to_colleagues_without_the_token, async |backend| {
    let app = start(backend).await;
    let token = revoked_token(&app).await;
    let (id, mut ruth) = person(&app, "ruth", "read").await;
    let command = format!("curl http://api.example.test/x -H 'Authorization: Bearer {token}'");
    let form = explained(&app, &mut ruth, &command).await;
    assert!(!form.field("verdict").unwrap().contains("token_revoked"), "it is sealed");
    let answer = ruth.send(&app, form).await;
    let address = answer.header("location").unwrap().to_owned();
    let page = ruth.follow(&app, answer).await;
    page.assert_ok();
    let (_, mut rob) = person(&app, "rob", "admin").await;
    let link = address.split('&').next().unwrap();
    assert!(page.body.contains(&format!("https://auth.example.com{link}</pre>")), "{page:?}");
    let shown = rob.get(&app, link).await;
    for part in ["(token_revoked)", "The request", "What to do", ">verified<", "by client main", "Kept by", "ruth"] {
        assert!(shown.body.contains(part), "{part}: {shown:?}");
    }
    for page in [&page, &shown] {
        assert!(!page.body.contains(&token) && !page.body.contains(&token[token.len() - 20..]), "{page:?}");
        assert_eq!(page.header("cache-control"), Some("no-store"));
    }
    // For nobody else.
    let (_, mut clara) = person(&app, "clara", "clients").await;
    assert_status(&clara.get(&app, link).await, 403);
    assert!(Browser::default().get(&app, link).await.body.contains("name=\"password\""));
    for wrong in ["/console/verdict", "/console/verdict?id=x", "/console/verdict?id=AAAAAAAAAAAAAAAAAAAAAA"] {
        assert_status(&rob.get(&app, wrong).await, 404);
    }
    let records = app.admin(Method::GET, &format!("/admin/v1/audit?actor=user%20{id}"), None).await;
    let items = records.json["items"].as_array().unwrap();
    let of = |action: &str| items.iter().find(|record| record["action"] == action).unwrap();
    let target = format!("explanation {}", of("token.explain")["request_id"].as_str().unwrap());
    assert_eq!(of("token.share")["target"], target.as_str());
    assert!(!records.body.contains(link.split("id=").nth(1).unwrap()), "the link is in no record");
});

on_both_stores!(only_what_was_shown_to_a_person_is_kept, async |backend| {
    let app = start(backend).await;
    let (_, mut ruth) = person(&app, "ruth", "read").await;
    let (_, mut rob) = person(&app, "rob", "read").await;
    let (_, mut clara) = person(&app, "clara", "clients").await;
    let form = explained(&app, &mut ruth, "nonsense").await;
    let own = explained(&app, &mut rob, "nonsense").await;
    let proof = Form::to(&rob.get(&app, "/console/doctor").await, "explain").field("proof").unwrap().to_owned();
    for wrong in [
        form.clone().with("proof", &proof),
        own.clone().without("verdict"),
        own.clone().with("verdict", "AQ"),
        own.clone().with("verdict", &proof),
        own.clone().with("proof", "x"),
    ] {
        assert_status(&rob.send(&app, wrong).await, 403);
    }
    assert_eq!(rob.send(&app, own).await.status.as_u16(), 303);
    // Nor by who may not have tokens explained.
    app.main_client("main").await;
    let proof =
        Form::to(&clara.get(&app, "/console/client?id=main").await, "disable").field("proof").unwrap().to_owned();
    assert_status(&clara.send(&app, form.clone().with("proof", &proof)).await, 403);
    assert_eq!(ruth.send(&app, form).await.status.as_u16(), 303);
});

on_both_stores!(a_verdict_goes_after_a_week, async |backend| {
    let app = TestServer::start_with(backend, setup().with_manual_clock()).await;
    let (_, mut ruth) = person(&app, "ruth", "read").await;
    let form = explained(&app, &mut ruth, "nonsense").await;
    let answer = ruth.send(&app, form).await;
    let address = answer.header("location").unwrap().to_owned();
    app.advance(WEEK - 1);
    let mut ruth = Browser::logged_in(&app, ("ruth", PASSWORD)).await;
    ruth.get(&app, &address).await.assert_ok();
    app.advance(1);
    assert_status(&ruth.get(&app, &address).await, 404);
});

on_both_stores!(a_person_keeps_a_bounded_number_of_verdicts, async |backend| {
    let app = start(backend).await;
    let (_, mut ruth) = person(&app, "ruth", "read").await;
    let form = explained(&app, &mut ruth, "nonsense").await;
    for _ in 0..100 {
        assert_eq!(ruth.send(&app, form.clone()).await.status.as_u16(), 303);
    }
    let refused = ruth.send(&app, form).await;
    assert_status(&refused, 409);
    assert!(refused.body.contains("100 verdicts are kept already"), "{refused:?}");
});

on_both_stores!(a_link_is_withdrawn_by_who_made_it_or_an_administrator, async |backend| {
    let app = TestServer::start_with(backend, setup().with_manual_clock()).await;
    let token = revoked_token(&app).await;
    let (_, mut ruth) = person(&app, "ruth", "read").await;
    let (_, mut rob) = person(&app, "rob", "read").await;
    let (_, mut ada) = person(&app, "ada", "admin").await;
    for maker_withdraws in [true, false] {
        let form = explained(&app, &mut ruth, &token).await;
        let link = ruth.send(&app, form).await.header("location").unwrap().to_owned();
        let form = Form::to(&ruth.get(&app, &link).await, "withdraw");
        // Whoever else has the link only reads.
        let page = rob.get(&app, &link).await;
        assert!(page.assert_ok().body.contains("token_revoked") && !page.body.contains("withdraw"), "{page:?}");
        let own = explained(&app, &mut rob, "nonsense").await;
        let proof = own.field("proof").unwrap();
        assert_status(&rob.send(&app, form.clone().with("proof", proof)).await, 403);
        assert_status(&ruth.send(&app, form.clone().with("action", "delete")).await, 400);
        assert_status(&ruth.send(&app, form.clone().with("id", "x")).await, 404);
        rob.get(&app, &link).await.assert_ok();
        let (who, form) = match maker_withdraws {
            true => (&mut ruth, form),
            false => {
                let page = ada.get(&app, &link).await;
                (&mut ada, Form::to(&page, "withdraw"))
            }
        };
        let answer = who.send(&app, form.clone()).await;
        assert_leads(&answer, "/console/doctor?done=withdrawn");
        assert!(who.follow(&app, answer).await.body.contains("The link is withdrawn"));
        for browser in [&mut ruth, &mut rob, &mut ada] {
            assert_status(&browser.get(&app, &link).await, 404);
        }
    }
    let records = app.admin(Method::GET, "/admin/v1/audit?action=token.unshare", None).await;
    let items = records.json["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{records:?}");
    assert!(items.iter().all(|record| record["target"].as_str().unwrap().starts_with("explanation ")), "{records:?}");
    // It cannot be undone, so it takes the password after a while.
    let form = explained(&app, &mut ruth, &token).await;
    let link = ruth.send(&app, form).await.header("location").unwrap().to_owned();
    app.advance(301);
    let form = Form::to(&ruth.get(&app, &link).await, "withdraw");
    let page = ruth.send(&app, form).await;
    let form = Form::of(&page).with("password", PASSWORD).with("action", "withdraw");
    assert_leads(&ruth.send(&app, form).await, "/console/doctor?done=withdrawn");
});

on_both_stores!(a_verdict_that_an_older_node_kept_is_shown, async |backend| {
    let app = start(backend).await;
    let (id, mut ruth) = person(&app, "ruth", "read").await;
    let verdict = json!({"request_id": "r", "problems": [], "token": {
        "is_good": false, "title": "The token has expired.", "detail": "It expired.", "cause": "expired", "other_causes": [],
        "damage": [], "fixes": [["The client", "Refresh."]], "evidence": [["form", "JWT", true]], "expected": [],
        "challenge": null,
    }});
    let now = app.server.app.clock.now();
    let kept = KeptVerdict {
        made_by: id.parse().unwrap(),
        verdict: verdict.to_string(),
        created_at: now,
        expires_at: now.plus_seconds(60),
    };
    let limits = VerdictLimits { all: 9, of_one: 9 };
    let audited = Audited { actor: "tester".into(), request_id: None, address: None, at: now };
    let hash = sha256(&[7; 16]);
    app.server.app.store.verdict_create(hash, &kept, limits, "explanation r".into(), &audited).await.unwrap();
    let page = ruth.get(&app, &format!("/console/verdict?id={}", base64url([7; 16]))).await;
    assert!(page.assert_ok().body.contains("The token has expired.") && !page.body.contains("Time line"), "{page:?}");
});
