//! Upkeep.

use jeton::oauth::cause::Cause;
use jeton::oauth::revocation::{NewRevocation, Target};
use jeton::oauth::time::Timestamp;
use jeton::store::{AuditFilter, NewSession, NodeRecord, SessionFilter, Swept};
use uuid::Uuid;

use super::{Db, all, at, audited, audited_at, client, new_session, revocation, secret};
use crate::support::on_both_stores;

const DAY: i64 = 24 * 3600;

on_both_stores!(nothing_that_is_not_over_is_swept, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let new = new_session(&app, &alice, at(0));
    db.session_create(&new, &audited()).await.unwrap().unwrap();
    db.revoke(&revocation(Target::Session(new.session.id), Cause::SessionRevoked), &audited()).await.unwrap();
    db.client_secret_add("app", &secret(1), &audited()).await.unwrap();
    let id = Uuid::now_v7();
    let beat =
        NodeRecord { id, name: "n".into(), applied: 0, applied_at: at(0), heartbeat_at: at(0), max_staleness: 1 };
    db.node_heartbeat(&beat).await.unwrap();
    let before = (db.told(0).await, db.trail().await);
    assert_eq!(db.sweep(at(1000), 30 * DAY).await.unwrap(), Swept::default());
    assert_eq!((db.told(0).await, db.trail().await), before);
    assert_eq!(db.node_list().await.unwrap().len(), 1);
    assert!(db.session_find(new.session.id).await.unwrap().is_some());
    assert_eq!(db.client_find("app").await.unwrap().unwrap().0.secrets.len(), 1);
});

on_both_stores!(a_session_that_is_over_is_kept_for_a_while_and_then_swept, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let (mut idle, mut absolute) = (new_session(&app, &alice, at(0)), new_session(&app, &alice, at(0)));
    (idle.session.idle_expires_at, idle.session.expires_at) = (at(100), at(400 * DAY));
    (absolute.session.idle_expires_at, absolute.session.expires_at) = (at(400 * DAY), at(200));
    let mut living = new_session(&app, &alice, at(0));
    (living.session.idle_expires_at, living.session.expires_at) = (at(400 * DAY), at(400 * DAY));
    for new in [&idle, &absolute, &living] {
        db.session_create(new, &audited()).await.unwrap().unwrap();
    }
    let left = async |now: Timestamp| {
        let swept = db.sweep(now, 30 * DAY).await.unwrap().sessions;
        let sessions = db.session_list(&SessionFilter::default(), &all()).await.unwrap();
        (swept, sessions.iter().map(|held| held.session.id).collect::<Vec<_>>())
    };
    assert_eq!(left(at(300)).await.0, 0, "it can still be explained");
    assert_eq!(left(at(150 + 30 * DAY)).await, (1, vec![absolute.session.id, living.session.id]));
    assert_eq!(left(at(250 + 30 * DAY)).await, (1, vec![living.session.id]));
    assert_eq!(left(at(399 * DAY)).await, (0, vec![living.session.id]));
});

on_both_stores!(a_notice_is_swept_after_a_day_and_a_revocation_as_long_as_sessions_live_after, async |backend| {
    let db = Db::new(backend).await;
    db.client_create(&client("app"), &audited()).await.unwrap();
    let written = db.revoke(&revocation(Target::All, Cause::AllRevoked), &audited()).await.unwrap();
    assert_eq!(db.sweep(at(DAY), 30 * DAY).await.unwrap().log_entries, 0);
    assert_eq!(db.sweep(at(DAY + 1), 30 * DAY).await.unwrap().log_entries, 1);
    assert_eq!(db.told(0).await, ["all for all_revoked"]);
    // A session may live for 400 days and is kept for 30 more: as long, what ended it is known.
    assert_eq!(db.sweep(at(429 * DAY), 30 * DAY).await.unwrap().log_entries, 0);
    assert!(db.revocation_find(written.number).await.unwrap().is_some());
    assert_eq!(db.sweep(at(430 * DAY + 1), 30 * DAY).await.unwrap().log_entries, 1);
    assert_eq!(db.log_head().await.unwrap(), written.number, "numbers go on");
    let next = db.revoke(&revocation(Target::All, Cause::AllRevoked), &audited()).await.unwrap().number;
    assert!(next > written.number);
});

on_both_stores!(the_revocation_of_a_token_is_swept_some_time_after_the_token_is_over, async |backend| {
    let db = Db::new(backend).await;
    let token = NewRevocation { covers_until: at(100), ..revocation(Target::Token(Uuid::nil()), Cause::TokenRevoked) };
    db.revoke(&token, &audited()).await.unwrap();
    db.revoke(&revocation(Target::All, Cause::AllRevoked), &audited()).await.unwrap();
    for (now, history, swept) in [(at(100 + 5 * DAY), 5 * DAY, 0), (at(101 + 5 * DAY), 5 * DAY, 1)] {
        assert_eq!(db.sweep(now, history).await.unwrap().revoked_tokens, swept);
    }
    assert_eq!(db.told(0).await, ["all for all_revoked"]);
});

on_both_stores!(old_records_and_silent_nodes_are_swept, async |backend| {
    let db = Db::new(backend).await;
    db.client_create(&client("old"), &audited_at(at(0))).await.unwrap();
    db.client_create(&client("new"), &audited_at(at(DAY))).await.unwrap();
    let node = |heartbeat_at| NodeRecord {
        id: Uuid::now_v7(),
        name: "n".into(),
        applied: 0,
        applied_at: at(0),
        heartbeat_at,
        max_staleness: 1,
    };
    let now = at(400 * DAY + 1);
    let (silent, alive) = (node(at(400 * DAY - 3600)), node(at(400 * DAY)));
    db.node_heartbeat(&silent).await.unwrap();
    db.node_heartbeat(&alive).await.unwrap();
    let swept = db.sweep(now, 30 * DAY).await.unwrap();
    assert_eq!((swept.audit_records, swept.nodes), (1, 1), "{swept:?}");
    let records = db.audit_list(&AuditFilter::default(), &all()).await.unwrap();
    assert_eq!(records.iter().map(|record| record.target.as_str()).collect::<Vec<_>>(), ["client new"]);
    assert_eq!(db.node_list().await.unwrap().iter().map(|node| node.id).collect::<Vec<_>>(), [alive.id]);
});

on_both_stores!(much_is_swept_in_several_batches, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    const COUNT: usize = 600;
    for _ in 0..COUNT {
        let new = NewSession { max_sessions: 1000, ..new_session(&app, &alice, at(0)) };
        db.session_create(&new, &audited()).await.unwrap().unwrap();
    }
    let now = at(31 * DAY);
    let first = db.sweep(now, 30 * DAY).await.unwrap();
    assert!(first.sessions > 0 && first.sessions < COUNT && first.may_have_left_some(), "{first:?}");
    let mut swept = first.sessions;
    for _ in 0..10 {
        swept += db.sweep(now, 30 * DAY).await.unwrap().sessions;
    }
    assert_eq!(swept, COUNT);
    assert_eq!(db.sweep(now, 30 * DAY).await.unwrap(), Swept::default());
    assert!(!Swept::default().may_have_left_some());
});
