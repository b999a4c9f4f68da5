//! What ends with a login, and what ends with a consent.

use jeton::protocol::browser::BrowserSession;
use jeton::protocol::scope::Scope;
use jeton::protocol::user::User;
use jeton::store::{Consent, Ending, NewSession};
use uuid::Uuid;

use super::{Db, Written, at, audited, client, new_session, user};
use crate::support::on_both_stores;

async fn log_in(db: &Db, user: &User) -> Uuid {
    let id = Uuid::now_v7();
    let session = BrowserSession {
        id,
        user_id: user.id,
        methods: vec!["pwd".into()],
        log: 0,
        network: "192.0.2.0/24".into(),
        agent: "a browser".into(),
        created_at: at(0),
        authenticated_at: at(0),
        last_seen_at: at(0),
        idle_expires_at: at(1000),
        expires_at: at(5000),
    };
    let hash = jeton::crypto::sha256(id.as_bytes());
    assert!(db.browser_session_create(&session, hash, user.version, None, &audited()).await.unwrap());
    id
}

/// A session that a client got in a browser session.
fn begun_in(browser: Uuid, offline: bool, new: NewSession) -> NewSession {
    let session = jeton::protocol::session::Session { browser_session: Some(browser), offline, ..new.session };
    NewSession { session, ..new }
}

async fn is_alive(db: &Db, session: Uuid) -> bool {
    db.session_find(session).await.unwrap().expect("it exists").revoked_by.is_none()
}

on_both_stores!(a_logout_ends_what_clients_got_in_it_unless_it_is_to_last, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let bob = user("bob");
    db.user_create(&bob, &audited()).await.unwrap();
    let (here, there, bobs) = (log_in(&db, &alice).await, log_in(&db, &alice).await, log_in(&db, &bob).await);
    let mut begun = Vec::new();
    for (browser, offline, user) in
        [(here, false, &alice), (here, true, &alice), (there, false, &alice), (bobs, false, &bob)]
    {
        let new = begun_in(browser, offline, new_session(&app, user, at(10)));
        db.session_create(&new, &audited()).await.written().expect("it begins");
        begun.push(new.session.id);
    }
    let alive = async || {
        let mut alive = Vec::new();
        for id in &begun {
            alive.push(is_alive(&db, *id).await);
        }
        alive
    };
    let end = async |user: &User, which| db.browser_session_end(user.id, which, at(9000), &audited()).await.written();
    assert!(!end(&bob, Ending::One(here)).await, "it is not his");
    assert!(!end(&alice, Ending::One(Uuid::now_v7())).await);
    assert_eq!(alive().await, [true, true, true, true]);
    assert!(end(&alice, Ending::One(here)).await);
    assert_eq!(alive().await, [false, true, true, true]);
    assert!(!end(&alice, Ending::One(here)).await, "it has ended");
    let head = db.log_head().await.unwrap();
    let third = log_in(&db, &alice).await;
    assert!(end(&alice, Ending::AllBut(third)).await);
    assert_eq!(alive().await, [false, true, false, true]);
    assert_eq!(db.log_after(head, 10).await.unwrap().entries.len(), 1, "nodes learn of the one that ended");
    assert!(!end(&alice, Ending::AllBut(third)).await);
    let left = db.browser_session_list(alice.id, at(1)).await.unwrap();
    assert_eq!(left.iter().map(|held| held.session.id).collect::<Vec<_>>(), [third]);
});

on_both_stores!(an_access_is_withdrawn_with_its_consents_and_sessions, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let (other, bob) = (client("other"), user("bob"));
    db.client_create(&other, &audited()).await.written();
    db.user_create(&bob, &audited()).await.unwrap();
    let mut begun = Vec::new();
    for (client, user) in [(&app, &alice), (&app, &alice), (&other, &alice), (&app, &bob)] {
        let new = new_session(client, user, at(10));
        db.session_create(&new, &audited()).await.written().expect("it begins");
        begun.push(new.session.id);
        let consent = Consent {
            user_id: user.id,
            client_id: client.client_id.clone(),
            redirect_uri: "https://app.example/cb".into(),
            scope: Scope::parse("read").unwrap(),
            resources: Vec::new(),
            created_at: at(10),
        };
        db.consent_put(&consent, &audited()).await.unwrap();
    }
    db.access_withdraw(alice.id, &app.client_id, at(9000), &audited()).await.written();
    let mut alive = Vec::new();
    for id in &begun {
        alive.push(is_alive(&db, *id).await);
    }
    assert_eq!(alive, [false, false, true, true]);
    let consents = async |user: &User| {
        let consents = db.consent_list(user.id).await.unwrap();
        consents.into_iter().map(|consent| consent.client_id).collect::<Vec<_>>()
    };
    assert_eq!(consents(&alice).await, [other.client_id.as_str()]);
    assert_eq!(consents(&bob).await, [app.client_id.as_str()]);
    // Nothing is left to withdraw.
    db.access_withdraw(alice.id, "nobody", at(9000), &audited()).await.written();
});
