//! People logged in at browsers: their sessions there, what they allowed for good, and the sessions of codes.

use jeton::protocol::authorization::Login;
use jeton::protocol::browser::BrowserSession;
use jeton::protocol::cause::Cause;
use jeton::protocol::client::Client;
use jeton::protocol::revocation::Target;
use jeton::protocol::scope::Scope;
use jeton::protocol::time::Timestamp;
use jeton::protocol::user::User;
use jeton::store::{Consent, Ending, NewSession, Round, StoreError};
use uuid::Uuid;

use super::{Db, NETWORK, Written, at, at_once, audited, audited_at, new_session, revocation, rotation, user};
use crate::support::on_both_stores;

/// A browser session of this user that begins at `at(0)`.
fn browser_session(user: &User) -> BrowserSession {
    BrowserSession {
        id: Uuid::now_v7(),
        user_id: user.id,
        methods: vec!["pwd".into(), "otp".into()],
        log: -1,
        network: NETWORK.into(),
        agent: "Firefox \"é\"".into(),
        created_at: at(0),
        authenticated_at: at(0),
        last_seen_at: at(0),
        idle_expires_at: at(100),
        expires_at: at(1000),
    }
}

/// Begins a browser session, whose cookie has this hash.
async fn log_in(db: &Db, user: &User, hash: u8) -> BrowserSession {
    let session = browser_session(user);
    assert!(db.browser_session_create(&session, [hash; 32], user.version, None, &audited()).await.unwrap());
    BrowserSession { log: db.log_head().await.unwrap(), ..session }
}

async fn is_found(db: &Db, hash: u8, now: Timestamp) -> bool {
    db.browser_session_find([hash; 32], now).await.unwrap().is_some()
}

/// The pending session of a code that this browser session asked for.
fn of_code(client: &Client, user: &User, browser: &BrowserSession) -> NewSession {
    let login = Login {
        redirect_uri: "https://app.example/cb".into(),
        sent_redirect_uri: true,
        code_challenge: Some("c".into()),
        nonce: Some("n é \"".into()),
        auth_time: 7,
        amr: vec!["pwd".into()],
        ..Login::default()
    };
    let mut new = new_session(client, user, at(0));
    (new.session.generation, new.session.login) = (0, Some(Box::new(login)));
    (new.session.browser_session, new.session.offline) = (Some(browser.id), true);
    new
}

on_both_stores!(a_browser_session_is_found_by_the_hash_of_its_cookie_until_it_ends, async |backend| {
    let (db, _, alice) = Db::with_holders(backend).await;
    let session = log_in(&db, &alice, 1).await;
    let found = db.browser_session_find([1; 32], at(99)).await.unwrap().unwrap();
    assert_eq!((found.session, found.user.id, found.user.profile), (session.clone(), alice.id, alice.profile.clone()));
    assert!(!is_found(&db, 2, at(0)).await);
    assert!(!is_found(&db, 1, at(100)).await, "it was not used");
    db.browser_session_seen(session.id, at(90), at(2000)).await.unwrap();
    let found = db.browser_session_find([1; 32], at(999)).await.unwrap().unwrap();
    assert_eq!((found.session.last_seen_at, found.session.idle_expires_at), (at(90), at(2000)));
    assert!(!is_found(&db, 1, at(1000)).await, "its time is over");
    assert!(
        !db.browser_session_end(Uuid::now_v7(), Ending::One(session.id), at(9999), &audited()).await.written(),
        "it is not that user's"
    );
    assert!(is_found(&db, 1, at(0)).await);
    assert!(db.browser_session_end(alice.id, Ending::One(session.id), at(9999), &audited()).await.written());
    assert!(!is_found(&db, 1, at(0)).await);
    assert!(!db.browser_session_end(alice.id, Ending::One(session.id), at(9999), &audited()).await.written());
    let target = format!("user {}", alice.id);
    let trail = db.trail().await;
    assert_eq!(trail[trail.len() - 2..], [("login".into(), target.clone()), ("logout".into(), target)]);
});

on_both_stores!(a_browser_session_begins_only_for_the_user_that_was_verified, async |backend| {
    let (db, _, alice) = Db::with_holders(backend).await;
    let old = log_in(&db, &alice, 1).await;
    let create = async |session: &BrowserSession, hash: u8, version: i64, replaced: Option<Uuid>| {
        db.browser_session_create(session, [hash; 32], version, replaced, &audited()).await
    };
    let trail = db.trail().await;
    assert!(!create(&browser_session(&alice), 2, alice.version + 1, Some(old.id)).await.unwrap());
    assert!(!create(&browser_session(&user("nobody")), 2, 1, Some(old.id)).await.unwrap());
    assert!(matches!(create(&browser_session(&alice), 1, alice.version, None).await, Err(StoreError::Exists)));
    assert!(is_found(&db, 1, at(0)).await);
    assert_eq!(db.trail().await, trail);
    assert!(create(&browser_session(&alice), 2, alice.version, Some(old.id)).await.unwrap());
    assert!(is_found(&db, 2, at(0)).await && !is_found(&db, 1, at(0)).await, "the cookie of before is over");
});

on_both_stores!(what_ends_a_user_ends_the_browser_sessions_of_before, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    for (hash, target) in [(1, Target::User(alice.sub.clone())), (2, Target::All)] {
        log_in(&db, &alice, hash).await;
        db.revoke(&revocation(Target::Client(app.client_id.clone()), Cause::ClientRevoked), &audited()).await.written();
        assert!(is_found(&db, hash, at(0)).await, "a client is not a person");
        db.revoke(&revocation(target, Cause::UserRevoked), &audited()).await.written();
        assert!(!is_found(&db, hash, at(0)).await);
    }
    let living = log_in(&db, &alice, 3).await;
    let listed = db.browser_session_list(alice.id, at(0)).await.unwrap();
    assert_eq!(listed.iter().map(|record| record.session.id).collect::<Vec<_>>(), [living.id]);
    let disabled = User { enabled: false, ..alice.clone() };
    assert!(db.user_update(&disabled, "user.disable", None, &audited()).await.written());
    assert!(!is_found(&db, 3, at(0)).await);
    assert!(db.browser_session_list(alice.id, at(0)).await.unwrap().is_empty());
});

on_both_stores!(browser_sessions_are_listed_the_newest_first_and_removed_when_they_are_over, async |backend| {
    let (db, _, alice) = Db::with_holders(backend).await;
    let bob = user("bob");
    db.user_create(&bob, &audited()).await.unwrap();
    let first = log_in(&db, &alice, 1).await;
    let mut later = BrowserSession { created_at: at(1), ..browser_session(&alice) };
    later.expires_at = at(5000);
    assert!(db.browser_session_create(&later, [2; 32], alice.version, None, &audited()).await.unwrap());
    log_in(&db, &bob, 3).await;
    let listed = db.browser_session_list(alice.id, at(5)).await.unwrap();
    assert_eq!(listed.iter().map(|record| record.session.id).collect::<Vec<_>>(), [later.id, first.id]);
    let swept = async |now| {
        let mut round = Round::new(now, 0);
        while db.sweep(&mut round).await.unwrap() {}
        round.removed().find(|(kind, _)| *kind == "browser_sessions").map(|(_, count)| count)
    };
    assert_eq!(swept(at(1000)).await.unwrap_or_default(), 0);
    assert_eq!(swept(at(1001)).await, Some(2));
    assert_eq!(swept(at(4999)).await.unwrap_or_default(), 0);
});

on_both_stores!(a_consent_is_remembered_for_user_client_and_redirect_uri, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let consent = Consent {
        user_id: alice.id,
        client_id: app.client_id.clone(),
        redirect_uri: "https://app.example/cb".into(),
        scope: Scope::parse("openid read").unwrap(),
        resources: vec!["https://api.example/".into()],
        created_at: at(1),
    };
    let find = async |uri: &str| db.consent_find(alice.id, "app", uri).await.unwrap();
    assert_eq!(find(&consent.redirect_uri).await, None);
    db.consent_put(&consent, &audited()).await.unwrap();
    assert_eq!(find(&consent.redirect_uri).await, Some(consent.clone()));
    assert_eq!(find("https://app.example/cb2").await, None);
    let wider = Consent { scope: Scope::parse("openid read write").unwrap(), created_at: at(2), ..consent.clone() };
    let elsewhere = Consent { redirect_uri: "https://app.example/a".into(), ..consent.clone() };
    for consent in [&wider, &elsewhere] {
        db.consent_put(consent, &audited()).await.unwrap();
    }
    assert_eq!(db.consent_list(alice.id).await.unwrap(), [elsewhere, wider]);
    for stranger in [
        Consent { user_id: Uuid::now_v7(), ..consent.clone() },
        Consent { client_id: "nobody".into(), ..consent.clone() },
    ] {
        db.consent_put(&stranger, &audited()).await.unwrap();
        assert!(db.consent_list(stranger.user_id).await.unwrap().iter().all(|held| held.client_id == "app"));
    }
    db.access_withdraw(alice.id, "nobody", at(9999), &audited()).await.written();
    assert_eq!(db.consent_list(alice.id).await.unwrap().len(), 2);
    db.access_withdraw(alice.id, "app", at(9999), &audited()).await.written();
    assert!(db.consent_list(alice.id).await.unwrap().is_empty());
    let last = db.trail().await.pop().unwrap();
    assert_eq!(last, ("consent.withdraw".into(), format!("user {}", alice.id)));
});

on_both_stores!(the_session_of_a_code_begins_once_and_keeps_what_is_known_of_the_login, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let browser = log_in(&db, &alice, 1).await;
    let new = of_code(&app, &alice, &browser);
    let outcomes = at_once(&db, 6, |store, _| {
        let new = new.clone();
        async move { store.session_create(&new, &audited()).await }
    })
    .await;
    let begun = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(begun, 1, "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(_) | Err(StoreError::Exists))), "{outcomes:?}");
    let held = db.session_find(new.session.id).await.unwrap().unwrap().session;
    assert_eq!((held.login, held.browser_session), (new.session.login.clone(), new.session.browser_session));
    assert!(held.offline && held.generation == 0);
    let moved = db.session_rotate(rotation(new.session.id, 0, at(1), at(50))).await.unwrap().unwrap();
    assert_eq!((moved.session.login, moved.session.generation), (new.session.login, 1));
});

on_both_stores!(no_session_begins_from_a_browser_session_that_has_ended, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let bob = user("bob");
    db.user_create(&bob, &audited()).await.unwrap();
    let browser = log_in(&db, &alice, 1).await;
    let begins = async |user: &User, browser: &BrowserSession| {
        db.session_create(&of_code(&app, user, browser), &audited()).await.written().is_some()
    };
    assert!(begins(&alice, &browser).await);
    assert!(!begins(&bob, &browser).await, "it is not his");
    db.revoke(&revocation(Target::User(alice.sub.clone()), Cause::UserRevoked), &audited()).await.written();
    assert!(!begins(&alice, &browser).await, "the user was revoked");
    let browser = log_in(&db, &alice, 2).await;
    db.revoke(&revocation(Target::Client(app.client_id.clone()), Cause::ClientRevoked), &audited()).await.written();
    assert!(begins(&alice, &browser).await);
    assert!(db.browser_session_end(alice.id, Ending::One(browser.id), at(9999), &audited()).await.written());
    assert!(!begins(&alice, &browser).await, "logged out");
});

on_both_stores!(codes_that_nobody_redeems_end_no_more_than_one_session, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let browser = log_in(&db, &alice, 1).await;
    let limited = |mut new: NewSession, used: i64| {
        new.max_sessions = 2;
        new.session.last_refreshed_at = at(used);
        new
    };
    let (old, young) = (limited(new_session(&app, &alice, at(0)), 1), limited(new_session(&app, &alice, at(0)), 2));
    for new in [&old, &young] {
        db.session_create(new, &audited()).await.written().unwrap();
    }
    for used in 3..6 {
        let code = limited(of_code(&app, &alice, &browser), used);
        db.session_create(&code, &audited_at(at(used))).await.written().unwrap();
    }
    let revoked = async |id| db.session_find(id).await.unwrap().unwrap().revoked_because;
    assert_eq!(revoked(old.session.id).await, Some(Cause::Superseded));
    assert_eq!(revoked(young.session.id).await, None);
});
