//! The audit trail.

use jeton::store::{AuditFilter, AuditRecord, Audited};
use uuid::Uuid;

use super::{Db, Written, all, at, audited, client, execute, page, secret, user};
use crate::support::on_both_stores;

on_both_stores!(an_audit_record_has_actor_action_target_time_and_request, async |backend| {
    let db = Db::new(backend).await;
    db.client_create(&client("app"), &audited()).await.written();
    db.client_secret_add("app", &secret(1), &audited()).await.written();
    let bare = Audited { actor: "command line, user me".into(), request_id: None, address: None, at: at(5) };
    db.user_create(&user("alice"), &bare).await.unwrap();
    let records = db.audit_list(&AuditFilter::default(), &all(), 100).await.unwrap().found;
    assert_eq!(
        records.iter().map(|record| record.action.as_str()).collect::<Vec<_>>(),
        ["user.create", "client.secret.add", "client.create"]
    );
    let first = &records[2];
    assert_eq!((first.at, first.actor.as_str(), first.target.as_str()), (at(0), "tester", "client app"));
    assert_eq!((first.request_id.as_deref(), first.address.as_deref()), (Some("r-1"), Some("192.0.2.1")));
    assert_eq!(first.detail, None);
    assert!(records[1].detail.as_deref().unwrap().starts_with("secret "));
    assert_eq!((records[0].request_id.as_ref(), records[0].address.as_ref(), records[0].at), (None, None, at(5)));
    let ids: Vec<Uuid> = records.iter().map(|record| record.id).collect();
    assert!(ids.is_sorted_by(|newer, older| newer > older), "newest first: {ids:?}");
});

on_both_stores!(records_are_filtered_and_paged, async |backend| {
    let db = Db::new(backend).await;
    for (index, actor) in ["one", "two", "one", "two", "one"].into_iter().enumerate() {
        let moment = at(10 * i64::try_from(index).unwrap());
        let who = Audited { actor: actor.into(), request_id: None, address: None, at: moment };
        if index == 4 {
            db.user_create(&user("alice"), &who).await.unwrap();
        } else {
            db.client_create(&client(&format!("c{index}")), &who).await.written();
        }
    }
    let targets = async |filter: AuditFilter| {
        let records = db.audit_list(&filter, &all(), 100).await.unwrap().found;
        records.into_iter().map(|record| record.at.seconds() - at(0).seconds()).collect::<Vec<_>>()
    };
    let none = AuditFilter::default;
    assert_eq!(targets(none()).await, [40, 30, 20, 10, 0]);
    assert_eq!(targets(AuditFilter { actor: Some("one".into()), ..none() }).await, [40, 20, 0]);
    assert_eq!(targets(AuditFilter { action: Some("client.create".into()), ..none() }).await, [30, 20, 10, 0]);
    assert_eq!(targets(AuditFilter { target: Some("client c1".into()), ..none() }).await, [10]);
    let both = AuditFilter { target: Some("client c1".into()), action: Some("client.delete".into()), ..none() };
    assert!(targets(both).await.is_empty());
    assert_eq!(targets(AuditFilter { from: Some(at(20)), ..none() }).await, [40, 30, 20], "from is part of it");
    assert_eq!(targets(AuditFilter { to: Some(at(20)), ..none() }).await, [10, 0], "to is not");
    let narrow = AuditFilter {
        actor: Some("one".into()),
        action: Some("client.create".into()),
        target: None,
        from: Some(at(1)),
        to: Some(at(30)),
    };
    assert_eq!(targets(narrow).await, [20]);
    assert!(targets(AuditFilter { actor: Some("o%".into()), ..none() }).await.is_empty());
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let part = db.audit_list(&none(), &page(2, after), 100).await.unwrap().found;
        assert!(part.len() <= 2);
        after = part.last().map(AuditRecord::key);
        if after.is_none() {
            break;
        }
        listed.extend(part.into_iter().map(|record| record.target));
    }
    assert_eq!(listed.len(), 5);
    assert_eq!(listed[1..], ["client c3", "client c2", "client c1", "client c0"]);
});

on_both_stores!(an_action_that_changes_nothing_is_recorded_too, async |backend| {
    let db = Db::new(backend).await;
    db.audit_write(&audited(), "token.explain", "token x".into(), Some("expired".into())).await.unwrap();
    let records = db.audit_list(&AuditFilter::default(), &all(), 100).await.unwrap().found;
    let [record] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!((record.action.as_str(), record.target.as_str()), ("token.explain", "token x"));
    assert_eq!(record.detail.as_deref(), Some("expired"));
});

on_both_stores!(records_of_one_moment_are_paged_without_a_gap, async |backend| {
    let db = Db::new(backend).await;
    for target in ["a", "b", "c", "d", "e"] {
        db.audit_write(&audited(), "token.explain", target.into(), None).await.unwrap();
    }
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let part = db.audit_list(&AuditFilter::default(), &page(2, after), 100).await.unwrap().found;
        let Some(last) = part.last() else { break };
        after = Some(last.key());
        listed.extend(part.into_iter().map(|record| record.target));
    }
    assert_eq!(listed, ["e", "d", "c", "b", "a"]);
});

on_both_stores!(a_page_of_records_looks_at_so_many_and_says_where_to_go_on, async |backend| {
    let db = Db::new(backend).await;
    for (number, action) in [(1, "user.create"), (2, "login"), (3, "login"), (4, "login"), (5, "user.create")] {
        let audited = Audited { at: at(number), ..audited() };
        db.audit_write(&audited, action, format!("user {number}"), None).await.unwrap();
    }
    let filter =
        AuditFilter { actor: Some(audited().actor), action: Some("user.create".into()), ..AuditFilter::default() };
    let (mut parts, mut after) = (Vec::new(), None);
    loop {
        let looked = db.audit_list(&filter, &page(2, after), 2).await.unwrap();
        parts.push(looked.found.into_iter().map(|record| record.target).collect::<Vec<_>>());
        after = looked.looked_to;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(parts, [vec!["user 5"], vec![], vec!["user 1"]]);
    // One that is full goes on after its last record.
    let looked = db.audit_list(&filter, &page(1, None), 2).await.unwrap();
    assert_eq!((looked.found.len(), looked.looked_to), (1, None));
});

on_both_stores!(each_filter_of_the_audit_trail_has_an_index, async |backend| {
    let db = Db::new(backend).await;
    for index in ["audit_at", "audit_actor", "audit_action"] {
        execute(&db.address, &format!("DROP INDEX {index}")).await;
    }
});
