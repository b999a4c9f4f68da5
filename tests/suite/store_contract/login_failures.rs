//! Failed logins that all nodes count, and the networks that users are known from.

use std::net::{IpAddr, Ipv4Addr};

use jeton::protocol::backoff::{Backoff, Failures, Network};
use jeton::protocol::cause::Cause;
use jeton::protocol::revocation::Target;
use jeton::store::account_digest;
use uuid::Uuid;

use super::{Db, Written, at, at_once, audited, revocation, user};
use crate::support::on_both_stores;

const ALLOWANCE: Backoff = Backoff { free: 10, forgiven_after: 60, longest: 60 };

pub(super) fn network(number: u8) -> Network {
    IpAddr::from(Ipv4Addr::new(192, 0, 2, number)).into()
}

on_both_stores!(failures_are_counted_and_forgiven_as_in_memory, async |backend| {
    let db = Db::new(backend).await;
    let mut expected: Option<Failures> = None;
    // A late failure counts from the moment it arrived.
    for (seconds, more) in [(0, 5), (30, 5), (89, 7), (150, 1), (3000, 2), (2999, 3), (2999, 1)] {
        let now = at(seconds);
        let counted = db.login_failures_add(account_digest("Alice"), more, ALLOWANCE, now).await.unwrap();
        expected = Some(ALLOWANCE.and(expected, more, now));
        assert_eq!(Some(counted), expected.map(|failures| failures.count));
        let record = db.login_find("ALICE", network(1)).await.unwrap();
        assert_eq!(record.failures, expected, "after {seconds} s");
        assert!(record.user.is_none(), "an account need not exist to be counted for");
    }
    assert_eq!(db.login_find("bob", network(1)).await.unwrap().failures, None);
});

on_both_stores!(no_failure_of_many_at_once_is_lost, async |backend| {
    let db = Db::new(backend).await;
    at_once(&db, 16, |store, _| async move {
        store.login_failures_add(account_digest("alice"), 5, ALLOWANCE, at(0)).await.unwrap();
    })
    .await;
    let failures = db.login_find("alice", network(1)).await.unwrap().failures.unwrap();
    assert_eq!(failures, Failures { count: 80, last: at(0) });
});

on_both_stores!(a_user_is_known_from_the_fifty_networks_that_were_used_last, async |backend| {
    let db = Db::new(backend).await;
    let (alice, bob) = (user("alice"), user("bob"));
    for user in [&alice, &bob] {
        db.user_create(user, &audited()).await.unwrap();
    }
    for number in 0..50 {
        db.network_note(alice.id, network(number), at(i64::from(number))).await.unwrap();
    }
    let is_known = async |name: &str, number: u8| db.login_find(name, network(number)).await.unwrap().is_known_network;
    assert!(is_known("alice", 0).await && is_known("alice", 49).await);
    assert!(!is_known("alice", 50).await && !is_known("bob", 0).await && !is_known("nobody", 0).await);
    db.network_note(alice.id, network(0), at(100)).await.unwrap();
    db.network_note(alice.id, network(50), at(101)).await.unwrap();
    assert!(is_known("alice", 0).await && is_known("alice", 50).await);
    assert!(!is_known("alice", 1).await, "the one that was used longest ago");

    db.network_note(Uuid::now_v7(), network(1), at(0)).await.unwrap();
    let why = revocation(Target::User(alice.sub.clone()), Cause::UserDeleted);
    assert!(db.user_delete(alice.id, &why, true, &audited()).await.written());
    db.user_create(&user("alice"), &audited()).await.unwrap();
    assert!(!is_known("alice", 0).await, "another user of the same name");
});
