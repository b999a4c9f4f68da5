//! Data keys.

use std::sync::Arc;

use jeton::jose::algorithm::SigningAlgorithm;
use jeton::keys::master::{MasterKey, MasterKeys};
use jeton::keys::record::{KeyRecord, KeyUse};
use jeton::protocol::cause::Cause;
use jeton::protocol::revocation::Target;
use jeton::protocol::time::Timestamp;
use jeton::store::{Added, StoreError};

use super::{Db, Written, at, at_once, audited, audited_at, revocation};
use crate::support::on_both_stores;

fn master() -> MasterKey {
    MasterKey::parse(&MasterKey::generate()).unwrap()
}

/// A signing key and a token key.
fn pair(master: &MasterKey, activates_at: Timestamp) -> [KeyRecord; 2] {
    [KeyUse::Signing, KeyUse::Token]
        .map(|key_use| KeyRecord::generate(key_use, SigningAlgorithm::EdDsa, master, at(0), activates_at))
}

fn described(records: &[KeyRecord]) -> Vec<String> {
    records.iter().map(|record| format!("{record:?}")).collect()
}

/// The check value that the database keeps, of this master key if it had none.
async fn check(db: &Db, master: &MasterKey) -> Vec<u8> {
    db.master_key_check(master.check_value()).await.unwrap()
}

async fn kids(db: &Db) -> Vec<String> {
    db.key_list().await.unwrap().into_iter().map(|record| record.kid).collect()
}

on_both_stores!(keys_are_read_back_the_first_to_become_active_first, async |backend| {
    let db = Db::new(backend).await;
    assert!(db.key_list().await.unwrap().is_empty());
    let master = master();
    let check = check(&db, &master).await;
    let (early, late) = (pair(&master, at(0)), pair(&master, at(600)));
    assert_eq!(db.key_create_first(&early, &check, &audited()).await.written(), Added::Yes);
    assert_eq!(db.key_rotate(&late, &check, &audited()).await.written(), Added::Yes);
    let mut expected = [early.to_vec(), late.to_vec()].concat();
    expected.sort_by_key(|record| (record.activates_at, record.kid.clone()));
    assert_eq!(described(&db.key_list().await.unwrap()), described(&expected));
    assert_eq!(db.told(0).await, ["keys changed", "keys changed"]);
    let trail = db.trail().await;
    assert_eq!(trail[0], ("key.create".into(), "first keys".into()));
    assert_eq!(trail[1..], late.clone().map(|record| ("key.rotate".to_owned(), format!("key {}", record.kid))));
    let outcome = db.key_rotate(&late, &check, &audited_at(at(601))).await;
    assert!(matches!(outcome, Err(StoreError::Exists)), "{outcome:?}");
    assert_eq!((db.trail().await, db.entries().await), (trail, 2));
});

on_both_stores!(of_nodes_that_need_a_key_of_an_algorithm_one_makes_it, async |backend| {
    let db = Db::new(backend).await;
    let (master, now) = (master(), at(5));
    let check = check(&db, &master).await;
    db.key_create_first(&pair(&master, at(0)), &check, &audited()).await.written();
    let new = |algorithm| KeyRecord::generate(KeyUse::Signing, algorithm, &master, now, now);
    let foreign = db.key_create(&new(SigningAlgorithm::Ps256), b"another", &audited()).await.written();
    assert_eq!(foreign, Added::OtherMasterKey);
    let offers: Vec<_> = (0..8).map(|_| new(SigningAlgorithm::Ps256)).collect();
    let outcomes = at_once(&db, 8, |store, index| {
        let (offer, check) = (offers[index].clone(), check.clone());
        async move { store.key_create(&offer, &check, &audited()).await.written() }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|made| **made == Added::Yes).count(), 1, "{outcomes:?}");
    assert!(outcomes.iter().all(|made| matches!(made, Added::Yes | Added::ThereAreSome)), "{outcomes:?}");
    let held = db.key_list().await.unwrap();
    let made = held.iter().find(|record| record.algorithm == Some(SigningAlgorithm::Ps256)).unwrap();
    assert_eq!((held.len(), made.activates_at), (3, now));
    assert_eq!(db.trail().await.last(), Some(&("key.create".into(), format!("key {}", made.kid))));
    assert_eq!(db.told(0).await, ["keys changed", "keys changed"]);
});

on_both_stores!(keys_are_announced_one_pair_at_a_time, async |backend| {
    let db = Db::new(backend).await;
    let master = master();
    let check = check(&db, &master).await;
    db.key_create_first(&pair(&master, at(0)), &check, &audited()).await.written();
    let offers: Vec<_> = (0..8).map(|_| pair(&master, at(600))).collect();
    let outcomes = at_once(&db, 8, |store, index| {
        let (offer, check) = (offers[index].clone(), check.clone());
        async move { store.key_rotate(&offer, &check, &audited()).await.written() }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|made| **made == Added::Yes).count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|made| **made == Added::ThereAreSome).count(), 7, "{outcomes:?}");
    assert_eq!((kids(&db).await.len(), db.entries().await), (4, 2));
    let still = db.key_rotate(&pair(&master, at(900)), &check, &audited_at(at(599))).await.written();
    assert_eq!(still, Added::ThereAreSome, "still announced");
    let later = db.key_rotate(&pair(&master, at(1200)), &check, &audited_at(at(600))).await.written();
    assert_eq!(later, Added::Yes, "they are active now");
});

on_both_stores!(the_first_keys_are_created_once_even_by_many_nodes_at_once, async |backend| {
    let db = Db::new(backend).await;
    let master = master();
    let check = check(&db, &master).await;
    let offers: Vec<_> = (0..8).map(|_| pair(&master, at(0))).collect();
    let outcomes = at_once(&db, 8, |store, index| {
        let (offer, check) = (offers[index].clone(), check.clone());
        async move { store.key_create_first(&offer, &check, &audited()).await.written() }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|made| **made == Added::Yes).count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|made| **made == Added::ThereAreSome).count(), 7, "{outcomes:?}");
    let held = kids(&db).await;
    assert_eq!(held.len(), 2, "{held:?}");
    let whole = offers.iter().any(|offer| offer.iter().all(|record| held.contains(&record.kid)));
    assert!(whole, "both are of the same node");
    assert_eq!((db.entries().await, db.trail().await.len()), (1, 1));
});

on_both_stores!(a_key_is_deleted_unless_it_is_the_last_of_its_use, async |backend| {
    let db = Db::new(backend).await;
    let master = master();
    let check = check(&db, &master).await;
    let (first, second) = (pair(&master, at(0)), pair(&master, at(600)));
    db.key_create_first(&first, &check, &audited()).await.written();
    for record in &first {
        assert!(
            !db.key_delete(&record.kid, &[SigningAlgorithm::EdDsa], at(900), &audited()).await.written(),
            "the last of its use"
        );
    }
    assert!(!db.key_delete("unknown", &[SigningAlgorithm::EdDsa], at(900), &audited()).await.written());
    assert_eq!((kids(&db).await.len(), db.entries().await), (2, 1), "refusals change nothing");
    assert_eq!(db.key_rotate(&second, &check, &audited()).await.written(), Added::Yes);
    let more = db.key_rotate(&pair(&master, at(900)), &check, &audited()).await.written();
    assert_eq!(more, Added::ThereAreSome, "keys are announced already");
    let gone = &first[0].kid;
    assert!(db.key_delete(gone, &[SigningAlgorithm::EdDsa], at(900), &audited()).await.written());
    assert!(!db.key_delete(gone, &[SigningAlgorithm::EdDsa], at(900), &audited()).await.written(), "once");
    assert!(!kids(&db).await.contains(gone));
    assert_eq!(db.told(0).await[2..], [format!("key {gone} for retired_key")]);
    let written = db.revocation_find(db.log_head().await.unwrap()).await.unwrap().unwrap();
    assert_eq!((written.target, written.covers_until), (Target::Key(gone.clone()), at(900)));
    assert_eq!(db.trail().await.last().unwrap(), &("key.delete".to_owned(), format!("key {gone}")));
    assert!(
        !db.key_delete(&second[0].kid, &[SigningAlgorithm::EdDsa], at(900), &audited()).await.written(),
        "now it is the last of its use"
    );
});

on_both_stores!(keys_of_each_algorithm_are_rotated_and_deleted_separately, async |backend| {
    let db = Db::new(backend).await;
    let master = master();
    let check = check(&db, &master).await;
    let first = pair(&master, at(0));
    db.key_create_first(&first, &check, &audited()).await.written();
    let key = |algorithm, moment| KeyRecord::generate(KeyUse::Signing, algorithm, &master, at(0), at(moment));
    let added = key(SigningAlgorithm::Rs256, 600);
    let rotate =
        async |record: &KeyRecord| db.key_rotate(std::slice::from_ref(record), &check, &audited()).await.written();
    assert_eq!(rotate(&added).await, Added::Yes);
    assert_eq!(rotate(&key(SigningAlgorithm::Rs256, 600)).await, Added::ThereAreSome);
    let mixed = [key(SigningAlgorithm::Es256, 600), key(SigningAlgorithm::Rs256, 600)];
    assert_eq!(db.key_rotate(&mixed, &check, &audited()).await.written(), Added::Yes);
    let held = kids(&db).await;
    assert!(held.contains(&mixed[0].kid) && !held.contains(&mixed[1].kid), "only what was not announced yet is added");
    assert_eq!(db.key_rotate(&mixed, &check, &audited()).await.written(), Added::ThereAreSome);
    let delete = async |record: &KeyRecord, in_use: &[_]| {
        db.key_delete(&record.kid, in_use, at(900), &audited()).await.written()
    };
    assert!(!delete(&first[0], &[SigningAlgorithm::EdDsa]).await, "the last for the algorithm in use");
    assert!(!delete(&added, &[SigningAlgorithm::EdDsa, SigningAlgorithm::Rs256]).await, "one of several in use");
    assert!(!delete(&first[1], &[SigningAlgorithm::EdDsa]).await, "the last token key");
    assert_eq!(rotate(&key(SigningAlgorithm::EdDsa, 600)).await, Added::Yes);
    assert!(delete(&first[0], &[SigningAlgorithm::EdDsa]).await, "another one of its algorithm is left");
    assert!(delete(&added, &[SigningAlgorithm::EdDsa]).await, "its algorithm is not in use");
});

on_both_stores!(simultaneous_deletions_leave_a_key_of_each_use, async |backend| {
    let db = Db::new(backend).await;
    let master = master();
    let check = check(&db, &master).await;
    for round in 0..3 {
        let offer = pair(&master, at(round));
        assert_eq!(db.key_rotate(&offer, &check, &audited_at(at(600))).await.written(), Added::Yes);
    }
    let all = kids(&db).await;
    let outcomes = at_once(&db, all.len(), |store, index| {
        let kid = all[index].clone();
        async move { store.key_delete(&kid, &[SigningAlgorithm::EdDsa], at(900), &audited()).await.written() }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|deleted| **deleted).count(), 4, "{outcomes:?}");
    let mut uses: Vec<_> = db.key_list().await.unwrap().iter().map(|record| record.key_use.name()).collect();
    uses.sort_unstable();
    assert_eq!(uses, ["signing", "token"]);
});

on_both_stores!(keys_are_rewrapped_together_with_the_check_value, async |backend| {
    let db = Db::new(backend).await;
    let (old, new) = (master(), master());
    let old_check = check(&db, &old).await;
    db.key_create_first(&pair(&old, at(0)), &old_check, &audited()).await.written();
    let before = db.key_list().await.unwrap();
    assert!(old.fits(&db.master_key_check(new.check_value()).await.unwrap()));
    let held = MasterKeys::from(old);
    // One that cannot be rewrapped leaves all as they were.
    let only_one = |record: &KeyRecord| record.rewrap(&held, &new).filter(|record| record.key_use == KeyUse::Token);
    assert_eq!(db.key_rewrap(only_one, new.check_value(), &audited()).await.written(), None);
    assert_eq!(described(&db.key_list().await.unwrap()), described(&before));
    assert_eq!((db.entries().await, db.trail().await.len()), (1, 1));
    let rewrap = |record: &KeyRecord| record.rewrap(&held, &new);
    assert_eq!(db.key_rewrap(rewrap, new.check_value(), &audited()).await.written(), Some(2));
    for (after, before) in db.key_list().await.unwrap().iter().zip(&before) {
        assert!(after.is_wrapped_by(&new) && !after.is_wrapped_by(&held.current));
        let unwrapped = |record: &KeyRecord| KeyRecord { wrapped: vec![], ..record.clone() };
        assert_eq!(described(&[unwrapped(after)]), described(&[unwrapped(before)]));
    }
    let old = &held.current;
    assert!(new.fits(&db.master_key_check(old.check_value()).await.unwrap()));
    assert_eq!(db.told(0).await[1..], ["keys changed"], "nothing is revoked");
    assert_eq!(db.trail().await.last().unwrap(), &("key.rewrap".to_owned(), "all keys".to_owned()));
    // A key that was wrapped meanwhile with the old master key is not accepted.
    let late = db.key_rotate(&pair(old, at(600)), &old_check, &audited()).await.written();
    assert_eq!(late, Added::OtherMasterKey);
    assert_eq!(kids(&db).await.len(), 2);
});

on_both_stores!(the_first_keys_are_not_kept_under_a_master_key_that_is_no_longer_in_use, async |backend| {
    let db = Db::new(backend).await;
    let (old, new) = (master(), master());
    let old_check = check(&db, &old).await;
    let nothing_to_do = |record: &KeyRecord| Some(record.clone());
    assert_eq!(db.key_rewrap(nothing_to_do, new.check_value(), &audited()).await.written(), Some(0));
    let first = db.key_create_first(&pair(&old, at(0)), &old_check, &audited()).await.written();
    assert_eq!(first, Added::OtherMasterKey);
    assert!(kids(&db).await.is_empty());
});

on_both_stores!(keys_created_while_the_master_key_changes_do_not_stay_under_the_old_one, async |backend| {
    let db = Db::new(backend).await;
    let first = master();
    let check_value = check(&db, &first).await;
    db.key_create_first(&pair(&first, at(0)), &check_value, &audited()).await.written();
    // Each round changes the master key while seven others announce keys under the one before it.
    let mut current = Arc::new(MasterKeys::from(first));
    for round in 1..=20 {
        let now = at(round * 1000);
        let new = Arc::new(MasterKeys::from(master()));
        let check_value = check(&db, &current.current).await;
        at_once(&db, 8, |store, index| {
            let (old, new, check_value) = (Arc::clone(&current), Arc::clone(&new), check_value.clone());
            async move {
                if index == 0 {
                    let rewrap = |record: &KeyRecord| record.rewrap(&old, &new.current);
                    let count = store.key_rewrap(rewrap, new.current.check_value(), &audited_at(now)).await.written();
                    assert!(count.is_some(), "every key is under the old master key until then");
                } else {
                    let offer = pair(&old.current, now.plus_seconds(600));
                    store.key_rotate(&offer, &check_value, &audited_at(now)).await.written();
                }
            }
        })
        .await;
        for record in db.key_list().await.unwrap() {
            assert!(record.is_wrapped_by(&new.current), "round {round}: {record:?}");
        }
        assert!(new.current.fits(&check(&db, &new.current).await));
        current = new;
    }
});

on_both_stores!(a_reset_replaces_every_key_and_ends_everything, async |backend| {
    let db = Db::new(backend).await;
    let (old, new) = (master(), master());
    let check = check(&db, &old).await;
    db.key_create_first(&pair(&old, at(0)), &check, &audited()).await.written();
    let fresh = pair(&new, at(10));
    let everything = revocation(Target::All, Cause::AllRevoked);
    db.key_reset(&fresh, new.check_value(), &everything, &audited()).await.written();
    let mut expected = fresh.to_vec();
    expected.sort_by_key(|record| record.kid.clone());
    assert_eq!(described(&db.key_list().await.unwrap()), described(&expected));
    assert!(new.fits(&db.master_key_check(old.check_value()).await.unwrap()));
    let mut told = db.told(0).await.split_off(1);
    let retired = db.key_list_retired().await.unwrap();
    assert_eq!(retired.len(), 2);
    for kid in retired.keys() {
        assert!(told.contains(&format!("key {kid} for retired_key")), "{told:?}");
    }
    assert_eq!(told.split_off(2), ["all for all_revoked", "keys changed"]);
    assert_eq!(db.trail().await.last().unwrap(), &("key.reset".to_owned(), "all keys".to_owned()));
});

on_both_stores!(a_reset_that_fails_changes_nothing, async |backend| {
    let db = Db::new(backend).await;
    let (old, new) = (master(), master());
    let check = check(&db, &old).await;
    db.key_create_first(&pair(&old, at(0)), &check, &audited()).await.written();
    let before = described(&db.key_list().await.unwrap());
    let twice = pair(&new, at(0));
    let twice = [twice[0].clone(), twice[0].clone()];
    let everything = revocation(Target::All, Cause::AllRevoked);
    assert!(db.key_reset(&twice, new.check_value(), &everything, &audited()).await.is_err());
    assert_eq!(described(&db.key_list().await.unwrap()), before);
    assert!(old.fits(&db.master_key_check(new.check_value()).await.unwrap()));
    assert_eq!((db.entries().await, db.trail().await.len()), (1, 1));
});
