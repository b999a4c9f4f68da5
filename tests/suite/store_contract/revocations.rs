//! Revocations: what they cover, and how they are read.

use jeton::protocol::cause::Cause;
use jeton::protocol::revocation::Target;
use jeton::protocol::token_id::TokenId;
use jeton::store::Revocable;
use uuid::Uuid;

use super::{Db, Written, at, audited, audited_at, client, new_session, page, revocation, rotation, user};
use crate::support::{Backend, on_both_stores};

on_both_stores!(a_revocation_covers_what_is_older_and_nothing_newer, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let (other, bob) = (client("other"), user("bob"));
    db.client_create(&other, &audited()).await.written();
    db.user_create(&bob, &audited()).await.unwrap();
    let begin = async |client, user| {
        let new = new_session(client, user, at(10));
        db.session_create(&new, &audited()).await.written().unwrap();
        new.session.id
    };
    let covered_by = async |id: Uuid| {
        let held = db.session_find(id).await.unwrap().unwrap();
        held.revoked_by.zip(held.revoked_because)
    };
    for (target, cause) in [
        (Target::User(alice.sub.clone()), Cause::UserRevoked),
        (Target::Client("app".into()), Cause::ClientRevoked),
        (Target::All, Cause::AllRevoked),
    ] {
        let old = begin(&app, &alice).await;
        let unrelated = begin(&other, &bob).await;
        // The revoking node's clock is an hour slow, which does not matter.
        let written = db.revoke(&revocation(target.clone(), cause), &audited_at(at(-3600))).await.written();
        assert_eq!(written.number, db.log_head().await.unwrap());
        let new = begin(&app, &alice).await;
        assert_eq!(covered_by(old).await, Some((written.number, cause)), "{target}");
        assert_eq!(covered_by(new).await, None, "{target}");
        let hit = (target == Target::All).then_some((written.number, cause));
        assert_eq!(covered_by(unrelated).await, hit, "{target}");
        // A second one changes nothing for what the first one covers.
        let second = db.revoke(&revocation(target.clone(), Cause::UserDisabled), &audited()).await.written();
        assert_eq!(covered_by(old).await, Some((written.number, cause)), "{target}");
        assert_eq!(covered_by(new).await, Some((second.number, Cause::UserDisabled)), "{target}");
        db.revoke(&revocation(Target::All, Cause::AllRevoked), &audited()).await.written();
    }
});

on_both_stores!(revoking_a_session_ends_that_session_only, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let (one, two) = (new_session(&app, &alice, at(10)), new_session(&app, &alice, at(10)));
    db.session_create(&one, &audited()).await.written().unwrap();
    db.session_create(&two, &audited()).await.written().unwrap();
    let target = Target::Session(one.session.id);
    let written = db.revoke(&revocation(target.clone(), Cause::RefreshReuseDetected), &audited()).await.written();
    let held = db.session_find(one.session.id).await.unwrap().unwrap();
    assert_eq!((held.revoked_by, held.revoked_because), (Some(written.number), Some(Cause::RefreshReuseDetected)));
    assert_eq!(db.session_find(two.session.id).await.unwrap().unwrap().revoked_by, None);
    assert!(db.session_rotate(rotation(one.session.id, 1, at(20), at(30))).await.unwrap().is_none());
    assert!(db.session_rotate(rotation(two.session.id, 1, at(20), at(30))).await.unwrap().is_some());
    assert_eq!(db.trail().await.last().unwrap(), &("session.reuse".to_owned(), target.to_string()));
    let written = db.revoke_stolen(&revocation(target.clone(), Cause::SessionRevoked), &audited()).await.written();
    assert_eq!(written.cause, Cause::SessionRevoked);
    assert_eq!(db.trail().await.last().unwrap(), &("session.reuse".to_owned(), target.to_string()));
});

on_both_stores!(a_session_outlives_its_user_and_says_so, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let new = new_session(&app, &alice, at(10));
    db.session_create(&new, &audited()).await.written().unwrap();
    let why = revocation(Target::User(alice.sub.clone()), Cause::UserDeleted);
    assert!(db.user_delete(alice.id, &why, true, &audited()).await.written());
    let held = db.session_find(new.session.id).await.unwrap().unwrap();
    assert!(held.user.is_none());
    assert_eq!(held.revoked_because, Some(Cause::UserDeleted));
    // A user of the same name and a client of the same id revive nothing.
    db.user_create(&user("alice"), &audited()).await.unwrap();
    let why = revocation(Target::Client("app".into()), Cause::ClientDeleted);
    assert!(db.client_delete("app", &why, &audited()).await.written());
    db.client_create(&client("app"), &audited()).await.written();
    assert_eq!(db.session_find(new.session.id).await.unwrap().unwrap().revoked_because, Some(Cause::UserDeleted));
});

on_both_stores!(a_revocation_is_read_back_as_it_was_written, async |backend| {
    let db = Db::new(backend).await;
    for target in [
        Target::Token(TokenId::new([7; 16])),
        Target::Session(Uuid::now_v7()),
        Target::User("auth0|5f7c".into()),
        Target::Client("ä \"client\"".into()),
        Target::Key("kid".into()),
        Target::All,
    ] {
        let written = db.revoke(&revocation(target.clone(), Cause::TokenRevoked), &audited()).await.written();
        let found = db.revocation_find(written.number).await.unwrap().unwrap();
        assert_eq!(format!("{found:?}"), format!("{written:?}"));
        assert_eq!((found.target, found.cause), (target, Cause::TokenRevoked));
        assert_eq!((found.reason.as_deref(), found.actor.as_str()), (Some("because"), "tester"));
        assert_eq!((found.created_at, found.covers_until), (at(0), at(900)));
    }
    assert!(db.revocation_find(999).await.unwrap().is_none());
    db.client_create(&client("app"), &audited()).await.written();
    let notice = db.log_head().await.unwrap();
    assert!(db.revocation_find(notice).await.unwrap().is_none(), "a notice is no revocation");
});

on_both_stores!(revocations_are_listed_newest_first_without_notices, async |backend| {
    let db = Db::new(backend).await;
    let mut numbers = Vec::new();
    for index in 0..5 {
        db.client_create(&client(&format!("c{index}")), &audited()).await.written();
        numbers.push(db.revoke(&revocation(Target::All, Cause::AllRevoked), &audited()).await.written().number);
    }
    numbers.reverse();
    let mut listed: Vec<i64> = Vec::new();
    loop {
        let after = listed.last().map(i64::to_string);
        let part = db.revocation_list(&page(2, after)).await.unwrap();
        if part.is_empty() {
            break;
        }
        assert!(part.len() <= 2);
        listed.extend(part.iter().map(|revocation| revocation.number));
    }
    assert_eq!(listed, numbers);
});

on_both_stores!(a_revocation_is_in_force_while_it_covers_something, async |backend| {
    let db = Db::new(backend).await;
    let mut numbers = Vec::new();
    for covers_until in [100, 300, 200] {
        db.client_create(&client(&format!("c{covers_until}")), &audited()).await.written();
        let mut new = revocation(Target::All, Cause::AllRevoked);
        new.covers_until = at(covers_until);
        numbers.push(db.revoke(&new, &audited()).await.written().number);
    }
    let in_force = async |after: (i64, i64), limit| {
        let revocations = db.revocations_in_force(at(after.0), after.1, limit).await.unwrap();
        revocations.iter().map(|revocation| revocation.number).collect::<Vec<_>>()
    };
    let [first, last, middle] = numbers[..] else { unreachable!() };
    assert_eq!(in_force((99, i64::MAX), 10).await, [first, middle, last]);
    assert_eq!(in_force((100, i64::MAX), 10).await, [middle, last], "the end itself is over");
    assert_eq!(in_force((200, i64::MAX), 10).await, [last]);
    assert_eq!(in_force((99, i64::MAX), 2).await, [first, middle], "a page");
    assert_eq!(in_force((200, middle), 10).await, [last], "and the next");
    assert_eq!(in_force((200, middle - 1), 10).await, [middle, last], "several may end in one moment");
    assert!(in_force((300, i64::MAX), 10).await.is_empty());
});

// A node reads page after page until one is not full: a page that is short for another reason would hide what follows.
on_both_stores!(an_entry_that_only_newer_programs_know_does_not_shorten_a_page, async |backend| {
    let db = Db::new(backend).await;
    let id = Uuid::now_v7().simple();
    let id = if backend == Backend::Sqlite { format!("x'{id}'") } else { format!("'{id}'") };
    db.execute(&format!(
        "INSERT INTO changes (id, kind, cause, actor, created_at, covers_until, expires_at) \
         VALUES ({id}, 'planet', 'all_revoked', 'tomorrow', 0, {later}, {later})",
        later = at(5000).millis()
    ))
    .await;
    for _ in 0..3 {
        db.revoke(&revocation(Target::All, Cause::AllRevoked), &audited()).await.written();
    }
    assert_eq!(db.revocations_in_force(at(0), i64::MAX, 2).await.unwrap().len(), 2);
    assert_eq!(db.revocation_list(&page(4, None)).await.unwrap().len(), 3);
    let log = db.log_after(0, 2).await.unwrap();
    assert_eq!((log.entries.len(), log.complete_to), (1, log.entries[0].number), "it is passed over");
    let rest = db.log_after(log.complete_to, 3).await.unwrap();
    assert_eq!((rest.entries.len(), rest.is_broken), (2, false), "and the reader goes on");
});

on_both_stores!(the_log_tells_what_revoked_a_token_and_the_state_of_its_user_and_client, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let new = new_session(&app, &alice, at(10));
    let log = db.session_create(&new, &audited()).await.written().unwrap();
    let token = TokenId::new([5; 16]);
    let covered = Revocable {
        token: Some(token),
        session: Some(new.session.id),
        user: Some(alice.sub.clone()),
        client_id: "app".into(),
        log,
        key: None,
    };
    assert!(db.revocations_covering(&covered).await.unwrap().is_empty());
    let revoke = async |target, cause| db.revoke(&revocation(target, cause), &audited()).await.written().number;
    // Of others.
    revoke(Target::Token(TokenId::new([6; 16])), Cause::TokenRevoked).await;
    revoke(Target::User("somebody else".into()), Cause::UserRevoked).await;
    revoke(Target::Client("other".into()), Cause::ClientRevoked).await;
    let user = Target::User(alice.sub.clone());
    let client = Target::Client("app".into());
    let expected = [
        revoke(Target::Token(token), Cause::TokenRevoked).await,
        revoke(Target::Session(new.session.id), Cause::RefreshReuseDetected).await,
        revoke(user.clone(), Cause::UserRevoked).await,
        revoke(client.clone(), Cause::ClientRevoked).await,
        revoke(Target::All, Cause::AllRevoked).await,
    ];
    // An ended session is not ended again; for a user or client, the last change counts.
    revoke(Target::Token(token), Cause::TokenRevoked).await;
    revoke(user.clone(), Cause::UserRevoked).await;
    revoke(user.clone(), Cause::UserDisabled).await;
    revoke(client.clone(), Cause::ClientDisabled).await;
    revoke(Target::All, Cause::AllRevoked).await;
    let holders = [
        revoke(Target::Session(new.session.id), Cause::SessionRevoked).await,
        revoke(user, Cause::UserDeleted).await,
        revoke(client, Cause::ClientDeleted).await,
    ];
    let found = db.revocations_covering(&covered).await.unwrap();
    let numbers: Vec<i64> = found.iter().map(|revocation| revocation.number).collect();
    assert_eq!(numbers, [expected.as_slice(), &holders].concat());
    let later = Revocable { log: db.log_head().await.unwrap(), token: None, session: None, ..covered };
    assert!(db.revocations_covering(&later).await.unwrap().is_empty());
});

on_both_stores!(a_revocation_is_audited_unless_a_client_returns_a_token_of_its_own, async |backend| {
    let db = Db::new(backend).await;
    let token = || revocation(Target::Token(TokenId::new(Uuid::now_v7().into_bytes())), Cause::TokenRevoked);
    let quiet = db.revoke_unaudited(&token(), &audited()).await.written();
    assert!(db.trail().await.is_empty());
    let told = db.revocation_find(quiet.number).await.unwrap().unwrap();
    assert_eq!((told.target, told.actor, told.created_at), (quiet.target, audited().actor, audited().at));
    let loud = db.revoke(&token(), &audited()).await.written();
    assert_eq!(db.trail().await, [("revocation.create".to_owned(), loud.target.to_string())]);
});
