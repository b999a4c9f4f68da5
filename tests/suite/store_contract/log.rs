//! The numbered log: number order is commit order, and following it misses nothing.

use std::sync::Arc;
use std::time::Duration;

use jeton::protocol::cause::Cause;
use jeton::protocol::revocation::{NewRevocation, Target};
use jeton::store::Store;
use sqlx::{Connection, PgConnection};
use tokio::sync::Barrier;
use uuid::Uuid;

use super::{Db, Written, at, at_once, audited, client, describe, revocation, user};
use crate::support::{Backend, on_both_stores};

/// The longest that anything here may take.
const LIMIT: Duration = Duration::from_secs(60);

fn of_everything() -> NewRevocation {
    revocation(Target::All, Cause::AllRevoked)
}

/// Follows the log as a node does, a small page at a time, until it has seen `count` entries.
async fn follow(store: Store, count: usize) -> Vec<i64> {
    let mut seen = Vec::new();
    let mut applied = 0;
    let following = async {
        while seen.len() < count {
            let page = store.log_after(applied, 3).await.unwrap();
            assert!(!page.is_broken);
            assert!(page.complete_to >= applied && page.complete_to <= page.head.max(page.complete_to));
            assert!(page.entries.iter().all(|entry| entry.number > applied && entry.number <= page.complete_to));
            seen.extend(page.entries.iter().map(|entry| entry.number));
            applied = page.complete_to;
        }
    };
    tokio::time::timeout(LIMIT, following).await.expect("nothing is missed");
    seen
}

on_both_stores!(an_empty_log_has_the_number_zero, async |backend| {
    let db = Db::new(backend).await;
    assert_eq!(db.log_head().await.unwrap(), 0);
    let page = db.log_after(0, 10).await.unwrap();
    assert_eq!((page.head, page.entries.len(), page.complete_to), (0, 0, 0));
    let page = db.log_after(7, 10).await.unwrap();
    assert_eq!((page.head, page.entries.len()), (0, 0), "whoever is ahead sees that the log went back");
});

on_both_stores!(the_log_returns_changes_in_order_a_page_at_a_time, async |backend| {
    let db = Db::new(backend).await;
    let alice = user("alice");
    db.user_create(&alice, &audited()).await.unwrap();
    db.client_create(&client("app"), &audited()).await.written();
    db.user_update(&alice, "user.update", None, &audited()).await.written();
    db.revoke(&of_everything(), &audited()).await.written();
    db.key_rewrap(|_| None, b"check".to_vec(), &audited()).await.written();
    let told = [
        "client app changed".to_owned(),
        format!("user {} changed", alice.sub),
        "all for all_revoked".into(),
        "keys changed".into(),
    ];
    assert_eq!(db.told(0).await, told);
    let first = db.log_after(0, 1).await.unwrap();
    let page = db.log_after(first.complete_to, 2).await.unwrap();
    assert_eq!(page.entries.iter().map(|entry| describe(&entry.event)).collect::<Vec<_>>(), told[1..3]);
    assert!(first.complete_to < page.complete_to && page.complete_to < page.head);
    let last = db.log_after(page.complete_to, 2).await.unwrap();
    assert_eq!((last.entries.len(), last.complete_to), (1, last.head));
    assert!(!first.is_broken && !page.is_broken && !last.is_broken);
});

on_both_stores!(a_number_is_no_smaller_than_the_time_in_milliseconds, async |backend| {
    // So the log continues above what was lost when an older database is restored.
    let db = Db::new(backend).await;
    let mut now = audited();
    now.at = jeton::clock::Clock::system().now();
    let first = db.revoke(&of_everything(), &now).await.written().number;
    assert!(first >= now.at.millis(), "{first}");
    let second = db.revoke(&of_everything(), &now).await.written().number;
    assert!(second > first, "also within a millisecond, or when the clock goes back");
});

on_both_stores!(a_reader_notices_that_the_log_does_not_continue_where_it_was, async |backend| {
    let db = Db::new(backend).await;
    let mut numbers = Vec::new();
    for _ in 0..3 {
        numbers.push(db.revoke(&of_everything(), &audited()).await.written().number);
    }
    let is_broken = async |after| db.log_after(after, 10).await.unwrap().is_broken;
    assert!(!is_broken(0).await && !is_broken(numbers[1]).await && !is_broken(numbers[2]).await);
    assert!(is_broken(numbers[2] + 1).await, "the log went back");
    // An older state was restored and has already grown.
    assert!(is_broken(numbers[0] - 1).await);
    db.execute(&format!("DELETE FROM changes WHERE number = {}", numbers[1])).await;
    assert!(is_broken(0).await && is_broken(numbers[0]).await, "an entry is gone");
    db.execute(&format!("DELETE FROM changes WHERE number = {}", numbers[2])).await;
    assert!(is_broken(numbers[0]).await, "the last entries are gone");
});

on_both_stores!(after_a_restore_the_log_continues_above_its_old_head_and_every_reader_notices, async |backend| {
    let db = Db::new(backend).await;
    let head = db.revoke(&of_everything(), &audited()).await.written().number;
    let lost = head.max(at(0).millis()) + 100_000_000;
    db.log_continue_above(lost, at(0)).await.unwrap();
    for reader in [head, lost - 1, lost] {
        assert!(db.log_after(reader, 10).await.unwrap().is_broken, "{reader}");
    }
    let next = db.revoke(&of_everything(), &audited()).await.written().number;
    assert!(next > lost + 1);
    assert!(!db.log_after(lost + 1, 10).await.unwrap().is_broken, "who loaded everything meanwhile goes on");
    db.log_continue_above(head, at(0)).await.unwrap();
    assert_eq!(db.log_head().await.unwrap(), next, "it never goes back");
});

on_both_stores!(nothing_is_missed_and_nothing_is_out_of_order_under_twenty_writers, async |backend| {
    let db = Db::new(backend).await;
    const WRITERS: usize = 20;
    const EACH: usize = 5;
    let follower = tokio::spawn(follow(db.node().await, WRITERS * EACH));
    let written = at_once(&db, WRITERS, |store, _| async move {
        let mut numbers = Vec::new();
        for _ in 0..EACH {
            // An acknowledged change has a number, and a later read finds the head there or beyond.
            let number = store.revoke(&of_everything(), &audited()).await.written().number;
            assert!(store.log_head().await.unwrap() >= number);
            numbers.push(number);
        }
        numbers
    })
    .await;
    for numbers in &written {
        assert!(numbers.is_sorted(), "each writer's own order is kept: {numbers:?}");
    }
    let mut all: Vec<i64> = written.concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), WRITERS * EACH);
    assert_eq!(follower.await.unwrap(), all, "a reader beside them saw each once, in order");
});

on_both_stores!(a_refused_change_takes_no_sequence_number, async |backend| {
    let db = Db::new(backend).await;
    db.client_create(&client("app"), &audited()).await.written();
    let outcomes = at_once(&db, 10, |store, index| async move {
        if index % 2 == 0 {
            store.client_create(&client("app"), &audited()).await.is_ok()
        } else {
            store.revoke(&of_everything(), &audited()).await.is_ok()
        }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|done| **done).count(), 5);
    let seen = follow(db.node().await, 6).await;
    assert_eq!(db.log_head().await.unwrap(), seen[5]);
});

/// Writes an entry in a transaction and leaves it open.
async fn begin_late(address: &str, name: &str) -> PgConnection {
    let mut late = PgConnection::connect(address).await.unwrap();
    sqlx::raw_sql("BEGIN").execute(&mut late).await.unwrap();
    let sql = "INSERT INTO changes (id, kind, target_name, actor, created_at, covers_until, expires_at) \
               VALUES ($1, 'client_changed', $2, 'late', 0, 0, 9000000000000000)";
    let insert = sqlx::query(sql).bind(Uuid::now_v7()).bind(name).execute(&mut late);
    tokio::time::timeout(LIMIT, insert).await.expect("an open transaction blocks no other").unwrap();
    late
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_commits_late_gets_a_later_number_and_is_not_missed() {
    let db = Db::new(Backend::Postgres).await;
    let mut late = begin_late(&db.address, "slow").await;
    // The waiting entry blocks nobody.
    let prompt = tokio::time::timeout(Duration::from_secs(2), db.revoke(&of_everything(), &audited())).await;
    let first = prompt.expect("an open transaction blocks no revocation").written().number;
    let page = db.log_after(0, 10).await.unwrap();
    assert_eq!((page.head, page.complete_to, page.entries.len()), (first, first, 1));
    sqlx::raw_sql("COMMIT").execute(&mut late).await.unwrap();
    let rest = db.log_after(page.complete_to, 10).await.unwrap();
    assert!(rest.entries[0].number > first && !rest.is_broken);
    assert_eq!(describe(&rest.entries[0].event), "client slow changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_and_prompt_commits_in_any_mixture_are_followed_completely() {
    let db = Db::new(Backend::Postgres).await;
    const LATE: usize = 8;
    const PROMPT: usize = 12;
    let follower = tokio::spawn(follow(db.node().await, LATE + PROMPT));
    let mut open = Vec::new();
    for index in 0..LATE {
        open.push(begin_late(&db.address, &format!("late {index}")).await);
    }
    let barrier = Arc::new(Barrier::new(LATE + 1));
    // They commit in a different order than they began, while others write.
    let commits: Vec<_> = open
        .into_iter()
        .rev()
        .map(|mut late| {
            let barrier = Arc::clone(&barrier);
            tokio::spawn(async move {
                barrier.wait().await;
                sqlx::raw_sql("COMMIT").execute(&mut late).await.unwrap();
            })
        })
        .collect();
    barrier.wait().await;
    for _ in 0..PROMPT {
        db.revoke(&of_everything(), &audited()).await.written();
    }
    for commit in commits {
        commit.await.unwrap();
    }
    let seen = follower.await.unwrap();
    assert!(seen.len() == LATE + PROMPT && seen.is_sorted_by(|one, next| one < next), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_is_rolled_back_leaves_no_gap() {
    let db = Db::new(Backend::Postgres).await;
    let mut late = begin_late(&db.address, "never").await;
    db.revoke(&of_everything(), &audited()).await.written();
    sqlx::raw_sql("ROLLBACK").execute(&mut late).await.unwrap();
    db.revoke(&of_everything(), &audited()).await.written();
    assert_eq!(follow(db.node().await, 2).await.len(), 2);
}
