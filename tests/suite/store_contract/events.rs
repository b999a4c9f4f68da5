//! Events: the audit trail in an order that others can follow.

use std::collections::BTreeSet;

use jeton::protocol::event::{EVENT_LIFE, Event};
use jeton::store::{AuditFilter, Numbered, Round, Store};
use uuid::Uuid;

use super::{Db, Written, all, at, at_once, audited, audited_at, client, user};
use crate::support::on_both_stores;

/// Gives every event its number.
async fn number(store: &Store) -> i64 {
    loop {
        let Numbered { head, count, .. } = store.events_number(at(0), 500).await.unwrap();
        if count == 0 {
            return head;
        }
    }
}

/// Each names the one before, from this number on.
#[track_caller]
fn assert_chain(events: &[Event], from: i64) {
    let mut before = from;
    for event in events {
        assert!(event.number > before && event.previous == before, "{event:?} after {before}");
        before = event.number;
    }
}

on_both_stores!(every_audit_record_is_an_event_with_a_number_in_an_order_without_gaps, async |backend| {
    let db = Db::new(backend).await;
    assert_eq!((db.event_head().await.unwrap(), number(&db).await), (0, 0));
    for id in ["a", "b", "c"] {
        db.client_create(&client(id), &audited()).await.written();
    }
    assert_eq!(db.events_after(0, 10).await.unwrap(), [], "they have no numbers yet");
    let first = db.events_number(at(0), 2).await.unwrap();
    assert_eq!((first.count, first.full.len(), first.head), (2, 0, at(0).millis() + 1));
    let head = number(&db).await;
    assert_eq!((head, db.event_head().await.unwrap()), (at(0).millis() + 2, head));
    let events = db.events_after(0, 10).await.unwrap();
    assert_chain(&events, 0);
    let seen: Vec<(&str, &str)> = events.iter().map(|event| (&*event.event_type, &*event.target)).collect();
    assert_eq!(seen, [("client.create", "client a"), ("client.create", "client b"), ("client.create", "client c")]);
    let records = db.audit_list(&AuditFilter::default(), &all(), 100).await.unwrap().found;
    let newest = &events[2];
    assert_eq!((newest.id, newest.at, &*newest.actor), (records[0].id, at(0), "tester"));
    assert_eq!(newest.request_id.as_deref(), Some("r-1"));
    assert_eq!(db.event_find(newest.id).await.unwrap().as_ref(), Some(newest));
    assert_eq!(db.event_find(Uuid::now_v7()).await.unwrap(), None);
    assert_eq!(db.events_after(events[0].number, 1).await.unwrap(), [events[1].clone()], "page by page");
    assert_eq!(db.events_after(head, 10).await.unwrap(), []);
});

on_both_stores!(an_event_that_is_committed_later_comes_later_whatever_its_time, async |backend| {
    let db = Db::new(backend).await;
    db.user_create(&user("new"), &audited_at(at(100))).await.unwrap();
    let head = db.events_number(at(100), 10).await.unwrap().head;
    db.user_create(&user("old"), &audited_at(at(0))).await.unwrap();
    assert_eq!(
        db.event_find(db.audit_list(&AuditFilter::default(), &all(), 100).await.unwrap().found[1].id).await.unwrap(),
        None
    );
    // Also by a node whose clock is behind.
    let next = db.events_number(at(0), 10).await.unwrap();
    assert_eq!((next.count, next.head), (1, head + 1));
    assert_eq!(db.events_after(head, 10).await.unwrap()[0].previous, head);
});

on_both_stores!(nodes_that_give_numbers_at_the_same_time_give_each_event_one, async |backend| {
    let db = Db::new(backend).await;
    let work = |store: Store, index: usize| async move {
        for count in 0..10 {
            store.user_create(&user(&format!("u{index}-{count}")), &audited()).await.unwrap();
            // A node that has to wait for too long tries again.
            let _ = store.events_number(at(0), 3).await;
        }
    };
    at_once(&db, 4, work).await;
    number(&db).await;
    let events = db.events_after(0, 100).await.unwrap();
    assert_chain(&events, 0);
    let ids: BTreeSet<Uuid> = events.iter().map(|event| event.id).collect();
    assert_eq!((events.len(), ids.len()), (40, 40));
});

on_both_stores!(a_reader_sees_that_events_were_removed, async |backend| {
    let db = Db::new(backend).await;
    for (name, moment) in [("one", at(0)), ("two", at(10)), ("three", at(20))] {
        db.user_create(&user(name), &audited_at(moment)).await.unwrap();
    }
    number(&db).await;
    let events = db.events_after(0, 10).await.unwrap();
    let swept = async |seconds| {
        let mut round = Round::new(at(seconds), 1);
        while db.sweep(&mut round).await.unwrap() {}
        round.removed().find(|(kind, _)| *kind == "events").unwrap().1
    };
    assert_eq!((swept(EVENT_LIFE + 10).await, swept(EVENT_LIFE + 11).await), (1, 1));
    let left = db.events_after(events[0].number, 10).await.unwrap();
    assert_eq!(left, [events[2].clone()]);
    assert!(left[0].previous > events[0].number, "the second is missing");
    assert_eq!(
        db.audit_list(&AuditFilter::default(), &all(), 100).await.unwrap().found.len(),
        3,
        "the audit trail has them"
    );
});
