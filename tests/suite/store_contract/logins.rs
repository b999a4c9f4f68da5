//! People logged in at browsers: their sessions there, what they allowed for good, and the sessions of codes.

use std::collections::HashMap;
use std::time::Duration;

use jeton::protocol::authorization::Login;
use jeton::protocol::browser::BrowserSession;
use jeton::protocol::cause::Cause;
use jeton::protocol::client::Client;
use jeton::protocol::consent::Remembered;
use jeton::protocol::revocation::Target;
use jeton::protocol::scope::Scope;
use jeton::protocol::session::Session;
use jeton::protocol::time::Timestamp;
use jeton::protocol::user::User;
use jeton::store::{Consent, Ended, Ending, Logged, NewSession, Rotation, Round, Store, StoreError};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::{
    Db, NETWORK, Written, at, at_once, audited, audited_at, client, new_session, revocation, rotation, together, user,
};
use crate::support::{Backend, on_both_stores};

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
    let end = async |user| db.browser_session_end(user, Ending::One(session.id), at(9000), &audited()).await.written();
    assert_eq!(end(Uuid::now_v7()).await, Ended::Nothing, "it is not that user's");
    assert!(is_found(&db, 1, at(0)).await);
    assert_eq!(end(alice.id).await, Ended::Whole);
    assert!(!is_found(&db, 1, at(0)).await);
    assert_eq!(end(alice.id).await, Ended::Nothing);
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
    let active = log_in(&db, &alice, 3).await;
    let listed = db.browser_session_list(alice.id, at(0)).await.unwrap();
    assert_eq!(listed.iter().map(|record| record.session.id).collect::<Vec<_>>(), [active.id]);
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

/// These scopes at this resource.
pub(super) fn allowed(scope: &str, resource: &str) -> Remembered {
    Remembered::default().with(&Scope::parse(scope).unwrap(), &[resource.to_owned()])
}

on_both_stores!(a_consent_is_remembered_for_user_client_and_redirect_uri, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let consent = Consent {
        user_id: alice.id,
        client_id: app.client_id.clone(),
        redirect_uri: "https://app.example/cb".into(),
        allowed: allowed("openid read", "https://api.example/"),
        created_at: at(1),
    };
    let find = async |uri: &str| db.consent_find(alice.id, "app", uri).await.unwrap();
    assert_eq!(find(&consent.redirect_uri).await, None);
    db.consent_put(&consent, &audited()).await.unwrap();
    assert_eq!(find(&consent.redirect_uri).await, Some(consent.clone()));
    assert_eq!(find("https://app.example/cb2").await, None);
    let wider = Consent {
        allowed: consent.allowed.clone().with(&Scope::parse("write").unwrap(), &["https://b.example/".into()]),
        created_at: at(2),
        ..consent.clone()
    };
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
    db.access_withdraw(alice.id, "nobody", at(9000), &audited()).await.written();
    assert_eq!(db.consent_list(alice.id).await.unwrap().len(), 2);
    db.access_withdraw(alice.id, "app", at(9000), &audited()).await.written();
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

/// Asks one node so much at once that several share a statement; the answers, in order.
async fn in_a_crowd<Q: Send + 'static, A: Send + 'static, F>(
    node: &Store,
    asked: Vec<Q>,
    ask: impl Fn(Store, Q) -> F,
) -> Vec<A>
where
    F: Future<Output = A> + Send + 'static,
{
    together(asked.into_iter().map(|question| ask(node.clone(), question)).collect()).await
}

on_both_stores!(in_a_crowd_everybody_gets_what_was_asked_for_and_nobody_that_of_another, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let other = client("other");
    db.client_create(&other, &audited()).await.written();
    let bob = user("bob");
    db.user_create(&bob, &audited()).await.unwrap();
    // Cookies: that of Alice, that of Bob, one that is over at the time of the question, and one that nobody has.
    let (of_alice, of_bob) = (log_in(&db, &alice, 1).await, log_in(&db, &bob, 2).await);
    log_in(&db, &bob, 3).await;
    let expected =
        [(1, at(50), Some(of_alice.id)), (2, at(60), Some(of_bob.id)), (3, at(100), None), (4, at(50), None)];
    let node = db.node().await;
    let asked: Vec<_> = expected.iter().cycle().take(60).map(|(hash, now, _)| (*hash, *now)).collect();
    let found = in_a_crowd(&node, asked, |store, (hash, now)| async move {
        store.browser_session_find([hash; 32], now).await.unwrap()
    })
    .await;
    for (record, (hash, _, session)) in found.iter().zip(expected.iter().cycle()) {
        assert_eq!(record.as_ref().map(|record| record.session.id), *session, "the cookie {hash}");
        let owner = if *hash == 1 { &alice } else { &bob };
        assert!(record.as_ref().is_none_or(|record| record.user.sub == owner.sub), "the cookie {hash}");
    }
    // Consents of two people, for two clients and addresses.
    let consent = |user: &User, client: &Client, uri: &str, scope: &str| Consent {
        user_id: user.id,
        client_id: client.client_id.clone(),
        redirect_uri: uri.into(),
        allowed: allowed(scope, "https://api.example/"),
        created_at: at(1),
    };
    let (here, there) = ("https://app.example/a\"b", "https://app.example/cb");
    let held =
        [consent(&alice, &app, here, "read"), consent(&bob, &app, here, "write"), consent(&alice, &other, here, "x")];
    for consent in &held {
        db.consent_put(consent, &audited()).await.unwrap();
    }
    let unheld = [consent(&bob, &other, here, ""), consent(&alice, &app, there, "")];
    let asked: Vec<_> = held.iter().chain(&unheld).cloned().cycle().take(60).collect();
    let found = in_a_crowd(&node, asked.clone(), |store, key| async move {
        store.consent_find(key.user_id, &key.client_id, &key.redirect_uri).await.unwrap()
    })
    .await;
    for (found, asked) in found.into_iter().zip(asked) {
        assert_eq!(found, held.contains(&asked).then_some(asked));
    }
    // Limits: Alice has one session more than she may have, Bob has none too many.
    let mut sessions = Vec::new();
    for (user, created) in [(&alice, 1), (&alice, 2), (&alice, 3), (&bob, 4), (&bob, 5)] {
        let mut new = one_of_two(new_session(&app, user, at(0)), created);
        new.max_sessions = 3;
        db.session_create(&new, &audited()).await.written().unwrap();
        sessions.push(new);
    }
    let asked: Vec<_> = [&sessions[2], &sessions[4]].into_iter().cycle().take(40).cloned().collect();
    in_a_crowd(&node, asked, |store, new| async move {
        store.session_limit(&new.session, 2, at(86_400), &audited_at(at(10))).await.written();
    })
    .await;
    let causes = why_ended(&db, &sessions.iter().collect::<Vec<_>>()).await;
    assert_eq!(causes, [Some(Cause::Superseded), None, None, None, None]);
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_waits_for_nobody_who_changes_its_user() {
    let (db, app, alice) = Db::with_holders(Backend::Postgres).await;
    let browser = log_in(&db, &alice, 1).await;
    let mut holder = PgConnection::connect(&db.address).await.unwrap();
    sqlx::raw_sql("BEGIN; SELECT id FROM users FOR UPDATE").execute(&mut holder).await.unwrap();
    let new = of_code(&app, &alice, &browser);
    assert!(db.session_create(&new, &audited()).await.written().is_some());
    // But for the end of the login: it comes before or after.
    sqlx::raw_sql("ROLLBACK; BEGIN; DELETE FROM browser_sessions").execute(&mut holder).await.unwrap();
    let (store, new) = (db.node().await, of_code(&app, &alice, &browser));
    let code = tokio::spawn(async move { store.session_create(&new, &audited()).await.written() });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut holder).await.unwrap() == 0 {
        assert!(!code.is_finished(), "it waits");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    sqlx::raw_sql("COMMIT").execute(&mut holder).await.unwrap();
    assert_eq!(code.await.unwrap(), None);
}

on_both_stores!(codes_that_begin_at_once_each_begin_once_as_they_were_asked_for, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    // Several people, because a statement begins one code of each.
    let mut people = vec![(alice.clone(), log_in(&db, &alice, 1).await)];
    for hash in 2..=12 {
        let other = user(&format!("user {hash}"));
        db.user_create(&other, &audited()).await.unwrap();
        let browser = log_in(&db, &other, hash).await;
        people.push((other, browser));
    }
    // A crowd, so that many share a statement. Every fourth comes twice, every fifth of a user who has changed.
    let crowd: Vec<NewSession> = (0..60)
        .map(|index| {
            let (user, browser) = &people[index % people.len()];
            let version = if index % 5 == 0 { user.version + 1 } else { user.version };
            of_code(&app, &User { version, ..user.clone() }, browser)
        })
        .enumerate()
        .flat_map(|(index, new)| std::iter::repeat_n(new, if index % 4 == 0 { 2 } else { 1 }))
        .collect();
    let outcomes = in_a_crowd(&db.node().await, crowd.clone(), |store, new| async move {
        store.session_create(&new, &audited()).await.map(Logged::without_a_node)
    })
    .await;
    let mut begun: HashMap<Uuid, usize> = HashMap::new();
    for (new, outcome) in crowd.iter().zip(outcomes) {
        let is_outdated = new.user_version != alice.version;
        match outcome {
            Ok(Some(_)) if !is_outdated => *begun.entry(new.session.id).or_default() += 1,
            Ok(None) if is_outdated => {}
            Err(StoreError::Exists) if !is_outdated => {}
            other => panic!("{other:?} of {new:?}"),
        }
    }
    assert!(begun.len() == 48 && begun.values().all(|times| *times == 1), "{begun:?}");
    let head = db.log_head().await.unwrap();
    for new in crowd.iter().filter(|new| begun.contains_key(&new.session.id)) {
        let held = db.session_find(new.session.id).await.unwrap().unwrap();
        let asked = Session { log: head, ..new.session.clone() };
        assert_eq!(format!("{:?}", held.session), format!("{asked:?}"));
    }
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
    let ended = db.browser_session_end(alice.id, Ending::One(browser.id), at(9000), &audited()).await.written();
    assert_eq!(ended, Ended::Whole);
    assert!(!begins(&alice, &browser).await, "logged out");
});

/// The session of a code that comes after so many seconds, where a user may have two.
fn one_of_two(mut new: NewSession, created: i64) -> NewSession {
    new.max_sessions = 2;
    (new.session.created_at, new.session.last_refreshed_at) = (at(created), at(created));
    new
}

/// Redeems a code, and ends what is too much.
async fn redeem(store: &Store, new: &NewSession, seconds: i64) {
    let rotation = rotation(new.session.id, 0, at(seconds), at(5000));
    let session = store.session_rotate(rotation).await.unwrap().expect("it is redeemed").session;
    store.session_limit(&session, new.max_sessions, at(86_400), &audited_at(at(seconds))).await.written();
}

async fn why_ended(db: &Db, sessions: &[&NewSession]) -> Vec<Option<Cause>> {
    let mut causes = Vec::new();
    for new in sessions {
        causes.push(db.session_find(new.session.id).await.unwrap().unwrap().revoked_because);
    }
    causes
}

on_both_stores!(a_code_counts_as_a_session_once_it_is_redeemed, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let browser = log_in(&db, &alice, 1).await;
    let (old, young) =
        (one_of_two(new_session(&app, &alice, at(0)), 1), one_of_two(new_session(&app, &alice, at(0)), 2));
    for new in [&old, &young] {
        db.session_create(new, &audited()).await.written().unwrap();
    }
    let codes = [3, 4, 5].map(|created| one_of_two(of_code(&app, &alice, &browser), created));
    for code in &codes {
        db.session_create(code, &audited_at(code.session.created_at)).await.written().unwrap();
    }
    let [first, second, third] = &codes;
    let all = [&old, &young, first, second, third];
    assert_eq!(why_ended(&db, &all).await, [None; 5], "nobody redeems them");
    let superseded = Some(Cause::Superseded);
    redeem(&db, second, 10).await;
    assert_eq!(why_ended(&db, &all).await, [superseded, None, None, None, None], "the one unused longest");
    redeem(&db, first, 11).await;
    assert_eq!(why_ended(&db, &all).await, [superseded, superseded, None, None, None]);
    redeem(&db, third, 12).await;
    assert_eq!(why_ended(&db, &all).await, [superseded, superseded, None, superseded, None]);
    // What has ended itself ends no other.
    let head = db.log_head().await.unwrap();
    let ended = db.session_find(second.session.id).await.unwrap().unwrap().session;
    db.session_limit(&ended, 1, at(86_400), &audited_at(at(13))).await.written();
    assert_eq!(db.log_head().await.unwrap(), head);
});

on_both_stores!(codes_that_are_redeemed_at_once_leave_as_many_sessions_as_are_allowed, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let browser = log_in(&db, &alice, 1).await;
    for round in 0..3 {
        let codes: Vec<_> = (0..8).map(|_| one_of_two(of_code(&app, &alice, &browser), 10 * round)).collect();
        for code in &codes {
            db.session_create(code, &audited()).await.written().unwrap();
        }
        at_once(&db, 8, |store, index| {
            let code = codes[index].clone();
            async move { redeem(&store, &code, 10 * round + 1).await }
        })
        .await;
        let causes = why_ended(&db, &codes.iter().collect::<Vec<_>>()).await;
        assert_eq!(causes.iter().filter(|cause| cause.is_none()).count(), 2, "{causes:?}");
    }
});

on_both_stores!(of_codes_that_nobody_redeems_the_last_hundred_stay_good, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let other = client("other");
    db.client_create(&other, &audited()).await.written();
    let browser = log_in(&db, &alice, 1).await;
    let session = new_session(&app, &alice, at(0));
    let elsewhere = of_code(&other, &alice, &browser);
    for new in [&session, &elsewhere] {
        db.session_create(new, &audited()).await.written().unwrap();
    }
    let head = db.log_head().await.unwrap();
    let mut codes = Vec::new();
    for _ in 0..102 {
        let code = of_code(&app, &alice, &browser);
        db.session_create(&code, &audited()).await.written().unwrap();
        codes.push(code.session.id);
    }
    assert_eq!(db.log_head().await.unwrap(), head, "no node has to hear of it");
    let is_good = async |id, client_id: &str| {
        let rotation = Rotation { client_id: client_id.to_owned(), ..rotation(id, 0, at(1), at(50)) };
        db.session_rotate(rotation).await.unwrap().is_some()
    };
    let mut good = Vec::new();
    for id in &codes {
        good.push(is_good(*id, "app").await);
    }
    assert_eq!(good, [[false; 2].as_slice(), &[true; 100]].concat());
    assert!(is_good(elsewhere.session.id, "other").await);
    let held = db.session_find(codes[0]).await.unwrap().unwrap();
    assert_eq!((held.revoked_by, held.session.idle_expires_at), (None, at(0)), "it is over by its time");
    assert!(db.session_rotate(rotation(session.session.id, 1, at(1), at(50))).await.unwrap().is_some());
});

on_both_stores!(a_login_that_has_expired_is_known_while_something_ends_with_it, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let browser = log_in(&db, &alice, 1).await;
    let known = async |seconds| {
        let known = db.browser_session_known([1; 32], at(seconds)).await.unwrap();
        known.map(|record| (record.session.id, record.user.id))
    };
    let this = Some((browser.id, alice.id));
    assert_eq!((known(99).await, known(100).await), (this, None), "nothing is left of it");
    let begin = async |offline, idle, expires| {
        let mut new = new_session(&app, &alice, at(0));
        (new.session.browser_session, new.session.offline) = (Some(browser.id), offline);
        (new.session.idle_expires_at, new.session.expires_at) = (at(idle), at(expires));
        db.session_create(&new, &audited()).await.written().unwrap();
        new.session.id
    };
    begin(true, 9000, 9000).await;
    assert_eq!(known(100).await, None, "that goes on after a logout");
    begin(false, 300, 9000).await;
    begin(false, 9000, 400).await;
    let last = begin(false, 2000, 9000).await;
    assert_eq!((known(100).await, known(1999).await, known(2000).await), (this, this, None));
    assert!(!is_found(&db, 1, at(100)).await, "it is no login");
    assert!(db.browser_session_is_active(browser.id, at(99)).await.unwrap());
    assert!(!db.browser_session_is_active(browser.id, at(100)).await.unwrap());
    assert!(!db.browser_session_is_active(Uuid::now_v7(), at(0)).await.unwrap());
    // The next login takes it over.
    let next = browser_session(&alice);
    assert!(db.browser_session_create(&next, [2; 32], alice.version, Some(browser.id), &audited()).await.unwrap());
    assert_eq!(known(1000).await, None);
    let ended = db.browser_session_end(alice.id, Ending::One(next.id), at(9000), &audited()).await.written();
    assert_eq!(ended, Ended::Whole);
    assert_eq!(db.session_find(last).await.unwrap().unwrap().revoked_because, Some(Cause::SessionRevoked));
});

on_both_stores!(a_browser_session_knows_when_its_person_last_proved_who_they_are, async |backend| {
    let (db, _, alice) = Db::with_holders(backend).await;
    let (session, other) = (log_in(&db, &alice, 1).await, log_in(&db, &alice, 2).await);
    assert!(db.browser_session_authenticated(session.id, at(50)).await.unwrap());
    assert!(!db.browser_session_authenticated(Uuid::now_v7(), at(50)).await.unwrap());
    for (hash, id, moment) in [(1, session.id, at(50)), (2, other.id, at(0))] {
        let found = db.browser_session_find([hash; 32], at(60)).await.unwrap().unwrap().session;
        assert_eq!((found.id, found.authenticated_at, found.created_at), (id, moment, at(0)));
    }
});
