//! Named values of the whole installation.

use super::{Db, Written, at_once, audited, client, user};
use crate::support::on_both_stores;

on_both_stores!(the_first_check_value_stays, async |backend| {
    let db = Db::new(backend).await;
    let answers = at_once(&db, 8, |store, index| async move {
        store.master_key_check(vec![u8::try_from(index).unwrap(); 5]).await.unwrap()
    })
    .await;
    assert!(answers.iter().all(|answer| *answer == answers[0]), "everybody gets the same: {answers:?}");
    assert_eq!(db.master_key_check(vec![9]).await.unwrap(), answers[0]);
});

on_both_stores!(the_mark_of_a_development_database_is_set_and_removed, async |backend| {
    let db = Db::new(backend).await;
    assert!(!db.has_dev_mark().await.unwrap());
    for marked in [true, true, false, false, true] {
        db.set_dev_mark(marked).await.unwrap();
        assert_eq!(db.has_dev_mark().await.unwrap(), marked);
    }
    assert_eq!(db.master_key_check(vec![1]).await.unwrap(), [1], "the one value is not the other");
});

on_both_stores!(a_database_with_a_client_or_a_user_is_in_use, async |backend| {
    let db = Db::new(backend).await;
    db.set_dev_mark(true).await.unwrap();
    assert!(db.is_unused().await.unwrap());
    db.client_create(&client("app"), &audited()).await.written();
    assert!(!db.is_unused().await.unwrap());
    let other = Db::new(backend).await;
    other.user_create(&user("alice"), &audited()).await.unwrap();
    assert!(!other.is_unused().await.unwrap());
});

on_both_stores!(the_issuer_of_a_development_server_is_kept_until_the_next_start, async |backend| {
    let db = Db::new(backend).await;
    assert_eq!(db.dev_issuer().await.unwrap(), None);
    for issuer in ["http://127.0.0.1:1", "http://127.0.0.1:2"] {
        db.set_dev_issuer(issuer).await.unwrap();
        assert_eq!(db.dev_issuer().await.unwrap().as_deref(), Some(issuer));
    }
});
