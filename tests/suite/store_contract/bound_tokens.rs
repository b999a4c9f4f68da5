//! Sessions that are bound to keys and certificates, and the DPoP proofs that nodes tell each other of.

use std::collections::HashMap;

use jeton::protocol::confirmation::{CertificateThumbprint, Confirmation, KeyThumbprint, Sender};
use jeton::protocol::feature;
use jeton::store::{NodeRecord, ProofBatch, Rotation, StoreError};
use uuid::Uuid;

use super::{Db, Written, at, at_once, audited, new_session, rotation};
use crate::support::on_both_stores;

const KEY: KeyThumbprint = KeyThumbprint::new([1; 32]);
const OTHER_KEY: KeyThumbprint = KeyThumbprint::new([2; 32]);
/// The same bytes: only the kind tells them apart.
const CERTIFICATE: CertificateThumbprint = CertificateThumbprint::new([1; 32]);

const NOBODY: Sender = Sender { key: None, certificate: None };
const HOLDER: Sender = Sender { key: Some(KEY), certificate: None };
const OTHER: Sender = Sender { key: Some(OTHER_KEY), certificate: None };
const WITH_CERTIFICATE: Sender = Sender { key: None, certificate: Some(CERTIFICATE) };

fn by(sender: Sender, rotation: Rotation) -> Rotation {
    Rotation { sender, ..rotation }
}

on_both_stores!(a_bound_session_moves_on_for_whoever_holds_what_it_is_bound_to, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let (of_key, of_certificate) = (Confirmation::Key(KEY), Confirmation::Certificate(CERTIFICATE));
    for (confirmation, holder, others) in [
        (of_key, HOLDER, [NOBODY, OTHER, WITH_CERTIFICATE]),
        (of_certificate, WITH_CERTIFICATE, [NOBODY, OTHER, HOLDER]),
    ] {
        let mut new = new_session(&app, &alice, at(0));
        new.session.confirmation = Some(confirmation);
        db.session_create(&new, &audited()).await.written().unwrap();
        let id = new.session.id;
        for other in others {
            // Nor does it take the binding away.
            for binds in [None, other.key.map(Confirmation::Key)] {
                let asked = Rotation { binds, ..by(other, rotation(id, 1, at(20), at(1020))) };
                assert!(db.session_rotate(asked).await.unwrap().is_none(), "{other:?}");
            }
        }
        let held = db.session_find(id).await.unwrap().unwrap().session;
        assert_eq!((held.confirmation, held.generation), (Some(confirmation), 1));
        let both = Sender { key: holder.key.or(Some(OTHER_KEY)), certificate: holder.certificate };
        let moved = db.session_rotate(by(both, rotation(id, 1, at(20), at(1020)))).await.unwrap().unwrap();
        assert_eq!((moved.session.confirmation, moved.session.generation), (Some(confirmation), 2));
    }
});

on_both_stores!(a_session_that_is_not_bound_becomes_so_once, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let new = new_session(&app, &alice, at(0));
    db.session_create(&new, &audited()).await.written().unwrap();
    let id = new.session.id;
    let binds = |key| Some(Confirmation::Key(key));
    let asked = Rotation { binds: binds(KEY), ..by(HOLDER, rotation(id, 1, at(20), at(1020))) };
    let moved = db.session_rotate(asked).await.unwrap().unwrap();
    assert_eq!((moved.session.confirmation, moved.session.bound_from), (binds(KEY), 2));
    assert!(db.session_rotate(by(OTHER, rotation(id, 2, at(30), at(1030)))).await.unwrap().is_none());
    let again = Rotation { binds: binds(KEY), ..by(HOLDER, rotation(id, 2, at(30), at(1030))) };
    let moved = db.session_rotate(again).await.unwrap().unwrap();
    assert_eq!((moved.session.confirmation, moved.session.bound_from), (binds(KEY), 2), "only the first one binds");
    db.session_give_back(id, 2).await.unwrap();
    let held = db.session_find(id).await.unwrap().unwrap().session;
    assert_eq!((held.generation, held.confirmation, held.bound_from), (2, binds(KEY), 2), "an earlier one bound it");
});

on_both_stores!(what_a_refused_request_bound_is_free_again, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    for generation in [0, 1] {
        let mut new = new_session(&app, &alice, at(0));
        new.session.generation = generation;
        if generation == 0 {
            new.session.login = Some(Box::default());
        }
        db.session_create(&new, &audited()).await.written().unwrap();
        let id = new.session.id;
        let binds = |key| Some(Confirmation::Key(key));
        let asked = Rotation { binds: binds(KEY), ..by(HOLDER, rotation(id, generation, at(1), at(50))) };
        assert_eq!(db.session_rotate(asked).await.unwrap().unwrap().session.confirmation, binds(KEY));
        db.session_give_back(id, generation).await.unwrap();
        let held = db.session_find(id).await.unwrap().unwrap().session;
        assert_eq!((held.generation, held.confirmation, held.bound_from), (generation, None, 0));
        let asked = Rotation { binds: binds(OTHER_KEY), ..by(OTHER, rotation(id, generation, at(2), at(60))) };
        let moved = db.session_rotate(asked).await.unwrap().unwrap().session;
        assert_eq!((moved.confirmation, moved.bound_from), (binds(OTHER_KEY), generation + 1));
    }
    // What its login bound stays so.
    let mut new = new_session(&app, &alice, at(0));
    new.session.confirmation = Some(Confirmation::Key(KEY));
    db.session_create(&new, &audited()).await.written().unwrap();
    let id = new.session.id;
    assert!(db.session_rotate(by(HOLDER, rotation(id, 1, at(1), at(50)))).await.unwrap().is_some());
    db.session_give_back(id, 1).await.unwrap();
    let held = db.session_find(id).await.unwrap().unwrap().session;
    assert_eq!((held.confirmation, held.bound_from), (Some(Confirmation::Key(KEY)), 0));
});

on_both_stores!(dpo_015_a_code_is_redeemed_by_the_holder_of_its_key_alone, async |backend| {
    let (db, app, alice) = Db::with_holders(backend).await;
    let mut new = new_session(&app, &alice, at(0));
    (new.session.generation, new.session.login, new.session.code_key) = (0, Some(Box::default()), Some(KEY));
    db.session_create(&new, &audited()).await.written().unwrap();
    let id = new.session.id;
    for other in [NOBODY, OTHER, WITH_CERTIFICATE] {
        assert!(db.session_rotate(by(other, rotation(id, 0, at(1), at(50)))).await.unwrap().is_none(), "{other:?}");
    }
    // Of many at once, only one of the holder's wins, whoever shares its statement.
    let results = at_once(&db, 8, |store, index| async move {
        let sender = if index % 2 == 0 { HOLDER } else { OTHER };
        (sender, store.session_rotate(by(sender, rotation(id, 0, at(1), at(50)))).await.unwrap().is_some())
    })
    .await;
    let won: Vec<_> = results.iter().filter(|(_, won)| *won).collect();
    assert_eq!(won, [&(HOLDER, true)], "{results:?}");
    // The key is that of the code: later credentials are bound otherwise.
    assert!(db.session_rotate(by(NOBODY, rotation(id, 1, at(2), at(50)))).await.unwrap().is_some());
});

fn batch(node: u128, number: i64, seconds: i64) -> ProofBatch {
    ProofBatch { node: Uuid::from_u128(node), number, proofs: vec![7; 40], expires_at: at(seconds) }
}

on_both_stores!(dpo_006_each_node_reads_what_the_others_saw_and_only_what_is_new, async |backend| {
    let db = Db::new(backend).await;
    for batch in [batch(1, 1, 60), batch(1, 2, 61), batch(2, 1, 62), batch(3, 1, 50)] {
        db.proofs_write(&batch).await.unwrap();
    }
    // Written again after an answer that was lost, it stays as it was.
    db.proofs_write(&ProofBatch { proofs: vec![8; 20], ..batch(1, 2, 99) }).await.unwrap();
    let read = async |node: u128, read: &[(u128, i64)], now: i64, most: i64| {
        let read: HashMap<_, _> =
            read.iter().map(|(node, number)| (Uuid::from_u128(*node), (*number, at(99)))).collect();
        db.node().await.proofs_after(Uuid::from_u128(node), &read, at(now), most).await.unwrap()
    };
    let nothing: [ProofBatch; 0] = [];
    assert_eq!(read(9, &[], 0, 100).await, [batch(1, 1, 60), batch(1, 2, 61), batch(2, 1, 62), batch(3, 1, 50)]);
    assert_eq!(read(9, &[], 50, 100).await, [batch(1, 1, 60), batch(1, 2, 61), batch(2, 1, 62)], "what has expired");
    assert_eq!(read(9, &[], 0, 2).await, [batch(1, 1, 60), batch(1, 2, 61)]);
    assert_eq!(read(1, &[], 0, 100).await, [batch(2, 1, 62), batch(3, 1, 50)], "its own it knows");
    assert_eq!(read(9, &[(1, 1), (2, 1), (3, 1)], 0, 100).await, [batch(1, 2, 61)]);
    assert_eq!(read(9, &[(1, 2), (2, 1), (3, 1)], 0, 100).await, nothing);
});

on_both_stores!(bound_tokens_begin_once_every_live_node_knows_them, async |backend| {
    let db = Db::new(backend).await;
    let (level, _) = feature::named(feature::BOUND_TOKENS).unwrap();
    let now = db.database_clock().await.unwrap().map_or(at(1000), jeton::protocol::time::Timestamp::from_millis);
    let old = NodeRecord {
        id: Uuid::now_v7(),
        name: "old".into(),
        version: "0.1.0".into(),
        feature_level: level - 1,
        applied: 3,
        applied_at: now,
        heartbeat_at: now,
        max_staleness: 5000,
    };
    assert!(db.node_heartbeat(&old).await.unwrap());
    let refused = db.use_bound_tokens(now).await;
    assert!(matches!(refused, Err(StoreError::UnknownFeature { .. })), "{refused:?}");
    assert_eq!(db.schema().await.unwrap().feature_level, 0);
    db.node_leave(old.id).await.unwrap();
    db.use_bound_tokens(now).await.unwrap();
    db.use_bound_tokens(now).await.unwrap();
    assert_eq!(db.schema().await.unwrap().feature_level, level);
    assert!(!db.node_heartbeat(&old).await.unwrap(), "it cannot come back");
});

on_both_stores!(tokens_of_other_issuers_are_exchanged_once_all_live_nodes_know_of_it, async |backend| {
    let db = Db::new(backend).await;
    let (level, _) = feature::named(feature::FOREIGN_EXCHANGE).unwrap();
    let now = db.database_clock().await.unwrap().map_or(at(1000), jeton::protocol::time::Timestamp::from_millis);
    let old = NodeRecord {
        id: Uuid::now_v7(),
        name: "old".into(),
        version: "0.1.0".into(),
        feature_level: level - 1,
        applied: 3,
        applied_at: now,
        heartbeat_at: now,
        max_staleness: 5000,
    };
    assert!(db.node_heartbeat(&old).await.unwrap());
    assert!(matches!(db.use_foreign_exchange(now).await, Err(StoreError::UnknownFeature { .. })));
    db.node_leave(old.id).await.unwrap();
    db.use_foreign_exchange(now).await.unwrap();
    assert_eq!(db.schema().await.unwrap().feature_level, level);
});
