//! Client assertions that were used.

use jeton::store::UsedAssertion;

use super::{Db, at, at_once};
use crate::support::on_both_stores;

/// An assertion that expires at `at(60)`.
pub(super) fn used(number: u8, seconds: i64) -> UsedAssertion {
    UsedAssertion { hash: [number; 32], now: at(seconds), expires_at: at(60) }
}

on_both_stores!(an_assertion_counts_once_and_then_it_is_known_when_that_was, async |backend| {
    let db = Db::new(backend).await;
    assert_eq!(db.assertion_use(used(1, 0)).await.unwrap(), Ok(()));
    assert_eq!(db.assertion_use(used(1, 5)).await.unwrap(), Err(at(0)));
    assert_eq!(db.node().await.assertion_use(used(1, 9)).await.unwrap(), Err(at(0)), "on another node as well");
    assert_eq!(db.assertion_use(used(2, 9)).await.unwrap(), Ok(()));
    let mut last = used(2, 9);
    last.hash[31] ^= 1;
    assert_eq!(db.assertion_use(last).await.unwrap(), Ok(()), "every byte counts");
    // As long as the row is there, time changes nothing.
    assert_eq!(db.assertion_use(used(1, 100)).await.unwrap(), Err(at(0)));
});

on_both_stores!(of_many_uses_at_once_one_counts_whether_they_share_a_statement_or_not, async |backend| {
    let db = Db::new(backend).await;
    // Each on connections of its own.
    let results = at_once(&db, 8, |store, _| async move { store.assertion_use(used(1, 0)).await.unwrap() }).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    // Many of one node, of which several are the same.
    let store = db.node().await;
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..200_u8 {
        let store = store.clone();
        tasks.spawn(async move { store.assertion_use(used(10 + index / 4, 0)).await.unwrap() });
    }
    let results = tasks.join_all().await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 50, "{results:?}");
    assert!(results.iter().all(|result| result.is_ok() || *result == Err(at(0))), "{results:?}");
});
