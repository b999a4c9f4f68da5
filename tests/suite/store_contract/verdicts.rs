//! Verdicts of the token doctor that somebody keeps for colleagues.

use jeton::store::{KeptVerdict, Round, StoreError, VerdictLimits};
use uuid::Uuid;

use super::{Db, at, audited, audited_at};
use crate::support::on_both_stores;

const LIMITS: VerdictLimits = VerdictLimits { all: 3, of_one: 2 };

fn kept(made_by: u128, created: i64) -> KeptVerdict {
    KeptVerdict {
        made_by: Uuid::from_u128(made_by),
        verdict: format!("{{\"verdict\":{made_by}}}"),
        created_at: at(created),
        expires_at: at(created + 100),
    }
}

on_both_stores!(a_verdict_is_found_by_its_link_until_it_expires, async |backend| {
    let db = Db::new(backend).await;
    let one = kept(1, 0);
    db.verdict_create([1; 32], &one, LIMITS, "explanation x".into(), &audited()).await.unwrap();
    assert_eq!(db.verdict_find([1; 32], at(99)).await.unwrap(), Some(one));
    assert_eq!(db.verdict_find([1; 32], at(100)).await.unwrap(), None);
    assert_eq!(db.verdict_find([2; 32], at(0)).await.unwrap(), None);
    assert_eq!(db.trail().await, [("token.share".to_owned(), "explanation x".to_owned())]);
    let sweep = async |now| {
        let mut round = Round::new(now, 0);
        while db.sweep(&mut round).await.unwrap() {}
        round.removed().find(|(kind, _)| *kind == "verdicts").unwrap().1
    };
    assert_eq!((sweep(at(100)).await, sweep(at(101)).await), (0, 1));
    assert_eq!(db.verdict_find([1; 32], at(0)).await.unwrap(), None);
});

on_both_stores!(verdicts_are_bounded_in_all_and_for_each_person, async |backend| {
    let db = Db::new(backend).await;
    let create = async |hash: u8, verdict: KeptVerdict| {
        db.verdict_create([hash; 32], &verdict, LIMITS, "explanation x".into(), &audited()).await
    };
    create(1, kept(1, 0)).await.unwrap();
    create(2, kept(1, 0)).await.unwrap();
    assert!(matches!(create(3, kept(1, 0)).await, Err(StoreError::TooMany(2))));
    create(4, kept(2, 0)).await.unwrap();
    assert!(matches!(create(5, kept(3, 0)).await, Err(StoreError::TooMany(3))));
    assert_eq!(db.verdict_find([5; 32], at(0)).await.unwrap(), None);
    assert_eq!(db.trail().await.len(), 3, "what is refused is not recorded");
    // What has expired does not count.
    create(6, kept(1, 100)).await.unwrap();
});

on_both_stores!(a_verdict_is_deleted_once_and_recorded, async |backend| {
    let db = Db::new(backend).await;
    for hash in [[1; 32], [2; 32]] {
        db.verdict_create(hash, &kept(1, 0), LIMITS, "explanation x".into(), &audited()).await.unwrap();
    }
    let delete =
        async |hash: u8, moment| db.verdict_delete([hash; 32], "explanation x".into(), &audited_at(moment)).await;
    assert!(delete(1, at(99)).await.unwrap());
    assert!(!delete(1, at(99)).await.unwrap() && !delete(3, at(0)).await.unwrap());
    assert!(!delete(2, at(100)).await.unwrap(), "it has expired");
    assert_eq!(db.verdict_find([1; 32], at(0)).await.unwrap(), None);
    assert!(db.verdict_find([2; 32], at(0)).await.unwrap().is_some());
    let actions: Vec<String> = db.trail().await.into_iter().map(|(action, _)| action).collect();
    assert_eq!(actions, ["token.share", "token.share", "token.unshare"]);
});
