//! Webhooks, their secrets, and the messages that they have not got yet.

use std::slice;

use jeton::protocol::event::EventTypes;
use jeton::protocol::webhook::{
    Deliveries, MESSAGE_LIFE, MOST_WAITING, MOST_WEBHOOKS, SealedSecret, Webhook, WebhookMessage,
};
use jeton::store::{Dialect, SecretRetired, Store, StoreError};
use uuid::Uuid;

use super::{Db, Written, all, at, at_once, audited, client, page, user};
use crate::support::{Backend, on_both_stores};

fn secret(byte: u8) -> SealedSecret {
    SealedSecret { id: Uuid::now_v7(), sealed: vec![byte; 60], created_at: at(i64::from(byte)) }
}

/// A webhook that is told of these events.
fn webhook(types: &str) -> Webhook {
    Webhook {
        id: Uuid::now_v7(),
        url: "https://siem.example/hook".into(),
        types: EventTypes::parse(types).unwrap(),
        description: Some("Café".into()),
        enabled: true,
        secrets: vec![secret(1)],
        created_at: at(1),
        version: 1,
        deliveries: Deliveries::default(),
    }
}

/// A database with one webhook for which this many messages wait.
async fn with_messages(backend: Backend, count: usize) -> (Db, Webhook) {
    let (db, hook) = (Db::new(backend).await, webhook("user.*"));
    db.webhook_create(&hook, &audited()).await.unwrap();
    for index in 0..count {
        db.user_create(&user(&format!("u{index}")), &audited()).await.unwrap();
    }
    number(&db).await;
    (db, hook)
}

async fn number(store: &Store) {
    while store.events_number(at(0), 500).await.unwrap().count > 0 {}
}

/// The targets of the messages that wait for a webhook, which are removed.
async fn told(db: &Db, webhook: Uuid) -> Vec<String> {
    let mut targets = Vec::new();
    for message in db.webhook_messages_take(webhook, at(0), at(60), 1000).await.unwrap() {
        targets.push(db.event_find(message.event).await.unwrap().unwrap().target);
        db.webhook_message_delivered(&message, at(5)).await.unwrap();
    }
    targets.sort();
    targets
}

on_both_stores!(a_webhook_reads_back_and_is_changed_unless_somebody_else_did, async |backend| {
    let (db, mut hook) = (Db::new(backend).await, webhook("client.*,login"));
    db.webhook_create(&hook, &audited()).await.unwrap();
    assert_eq!(db.webhook_find(hook.id).await.unwrap().as_ref(), Some(&hook));
    assert_eq!(db.webhook_find(Uuid::now_v7()).await.unwrap(), None);
    (hook.url, hook.types, hook.description, hook.enabled) =
        ("https://other.example/".into(), EventTypes::default(), None, false);
    assert!(db.webhook_update(&hook, &audited()).await.unwrap());
    assert!(!db.webhook_update(&hook, &audited()).await.unwrap(), "the version is another");
    hook.version = 2;
    assert_eq!(db.webhook_find(hook.id).await.unwrap().as_ref(), Some(&hook));
    let other = webhook("");
    db.webhook_create(&other, &audited()).await.unwrap();
    assert_eq!(db.webhook_list(&all()).await.unwrap(), [hook.clone(), other.clone()]);
    assert_eq!(db.webhook_list(&page(1, Some(hook.id.to_string()))).await.unwrap(), slice::from_ref(&other));
    assert!(db.webhook_delete(hook.id, &audited()).await.unwrap());
    assert!(!db.webhook_delete(hook.id, &audited()).await.unwrap());
    assert_eq!(db.webhook_list(&all()).await.unwrap(), [other]);
    let trail: Vec<String> = db.trail().await.into_iter().map(|(action, _)| action).collect();
    assert_eq!(trail, ["webhook.create", "webhook.update", "webhook.create", "webhook.delete"]);
});

on_both_stores!(there_are_few_webhooks_however_many_are_created_at_once, async |backend| {
    let db = Db::new(backend).await;
    for _ in 2..MOST_WEBHOOKS {
        db.webhook_create(&webhook(""), &audited()).await.unwrap();
    }
    let create = |store: Store, _| async move { store.webhook_create(&webhook(""), &audited()).await };
    let outcomes = at_once(&db, 4, create).await;
    let refused = |outcome: &&Result<(), StoreError>| matches!(outcome, Err(StoreError::TooMany(MOST_WEBHOOKS)));
    assert_eq!(outcomes.iter().filter(refused).count(), 2, "{outcomes:?}");
    assert_eq!(db.webhook_list(&all()).await.unwrap().len(), 20);
});

on_both_stores!(a_webhook_has_two_secrets_at_the_most_and_keeps_the_last, async |backend| {
    let (db, hook) = with_messages(backend, 0).await;
    let first = hook.secrets[0].id;
    assert_eq!(db.webhook_secret_retire(hook.id, first, &audited()).await.unwrap(), SecretRetired::ItIsTheLast);
    let add = move |store: Store, index: usize| async move {
        store.webhook_secret_add(hook.id, &secret(u8::try_from(2 + index).unwrap()), &audited()).await.unwrap()
    };
    let added = at_once(&db, 4, add).await;
    assert_eq!(added.iter().filter(|added| **added).count(), 1);
    let secrets = db.webhook_find(hook.id).await.unwrap().unwrap().secrets;
    assert_eq!((secrets.len(), secrets[0].id), (2, first), "the newest is the last");
    let retire = async |webhook, id| db.webhook_secret_retire(webhook, id, &audited()).await.unwrap();
    assert_eq!(retire(hook.id, Uuid::now_v7()).await, SecretRetired::ThereIsNone);
    assert_eq!(retire(Uuid::now_v7(), first).await, SecretRetired::ThereIsNone);
    assert_eq!(retire(hook.id, first).await, SecretRetired::Yes);
    assert_eq!(retire(hook.id, first).await, SecretRetired::ThereIsNone);
    assert_eq!(retire(hook.id, secrets[1].id).await, SecretRetired::ItIsTheLast);
    assert!(!db.webhook_secret_add(Uuid::now_v7(), &secret(9), &audited()).await.unwrap());
});

on_both_stores!(what_waits_for_a_webhook_is_dropped_when_it_is_disabled, async |backend| {
    let (db, hook) = with_messages(backend, 2).await;
    // One is postponed, the other is due.
    let taken = db.webhook_messages_take(hook.id, at(0), at(60), 1).await.unwrap();
    db.webhook_message_failed(&taken[0], "it was busy", at(0), Some(at(3600))).await.unwrap();
    let held = db.webhook_find(hook.id).await.unwrap().unwrap();
    assert_eq!(held.deliveries.waiting, 2);
    assert!(db.webhook_update(&Webhook { enabled: false, ..held.clone() }, &audited()).await.unwrap());
    let held = db.webhook_find(hook.id).await.unwrap().unwrap();
    assert_eq!(held.deliveries.waiting, 0);
    assert!(db.webhook_update(&Webhook { enabled: true, ..held }, &audited()).await.unwrap());
    assert_eq!(db.webhook_find(hook.id).await.unwrap().unwrap().deliveries.waiting, 0);
});

on_both_stores!(a_webhook_is_told_of_the_events_that_it_chose_from_its_creation_on, async |backend| {
    let db = Db::new(backend).await;
    db.user_create(&user("early"), &audited()).await.unwrap();
    number(&db).await;
    let (users, logins, every, mut off) = (webhook("user.*"), webhook("login,client.create"), webhook(""), webhook(""));
    off.enabled = false;
    for hook in [&users, &logins, &every, &off] {
        db.webhook_create(hook, &audited()).await.unwrap();
    }
    number(&db).await;
    db.webhook_messages_discard(every.id).await.unwrap();
    let anna = user("anna");
    db.user_create(&anna, &audited()).await.unwrap();
    db.client_create(&client("app"), &audited()).await.written();
    assert!(db.webhook_messages_due(at(0)).await.unwrap().is_empty(), "events without a number are not sent");
    number(&db).await;
    let mut due = db.webhook_messages_due(at(0)).await.unwrap();
    due.sort();
    assert_eq!(due, [users.id, logins.id, every.id]);
    let anna = format!("user {}", anna.id);
    assert_eq!(told(&db, users.id).await, slice::from_ref(&anna));
    assert_eq!(told(&db, logins.id).await, ["client app"]);
    assert_eq!(told(&db, every.id).await, ["client app".to_owned(), anna]);
    assert!(told(&db, off.id).await.is_empty());
    assert!(db.webhook_messages_due(at(1000)).await.unwrap().is_empty(), "each is told once");
    let delivered = db.webhook_find(users.id).await.unwrap().unwrap().deliveries;
    assert_eq!(delivered, Deliveries { delivered_at: Some(at(5)), ..Deliveries::default() });
});

on_both_stores!(a_message_is_taken_by_one_node_until_its_time_is_over, async |backend| {
    let (db, hook) = with_messages(backend, 20).await;
    let id = hook.id;
    let take = move |store: Store, _| async move { store.webhook_messages_take(id, at(0), at(60), 4).await.unwrap() };
    let mut taken: Vec<WebhookMessage> = at_once(&db, 4, take).await.into_iter().flatten().collect();
    taken.extend(db.webhook_messages_take(id, at(0), at(60), 100).await.unwrap());
    let mut events: Vec<Uuid> = taken.iter().map(|message| message.event).collect();
    events.sort();
    events.dedup();
    assert_eq!((taken.len(), events.len()), (20, 20));
    assert!(taken.iter().all(|message| message.attempts == 1));
    assert!(db.webhook_messages_due(at(59)).await.unwrap().is_empty());
    let again = db.webhook_messages_take(id, at(60), at(120), 1).await.unwrap();
    assert_eq!(again[0].attempts, 2);
    // Who took it first is too late.
    let first = taken.iter().find(|message| message.event == again[0].event).unwrap();
    db.webhook_message_failed(first, "it answered 500", at(61), Some(at(62))).await.unwrap();
    let next = db.webhook_messages_take(id, at(70), at(130), 100).await.unwrap();
    assert!(next.len() == 19 && next.iter().all(|message| message.event != first.event), "{next:?}");
});

on_both_stores!(what_is_not_taken_waits_and_is_given_up_in_the_end, async |backend| {
    let (db, hook) = with_messages(backend, 3).await;
    let taken = db.webhook_messages_take(hook.id, at(0), at(60), 1).await.unwrap().remove(0);
    db.webhook_message_failed(&taken, "it answered 500", at(1), Some(at(11))).await.unwrap();
    let deliveries = db.webhook_find(hook.id).await.unwrap().unwrap().deliveries;
    assert_eq!((deliveries.waiting, deliveries.failed_at), (3, Some(at(1))));
    assert_eq!(deliveries.failure.as_deref(), Some("it answered 500"));
    let now = db.webhook_messages_take(hook.id, at(10), at(70), 9).await.unwrap();
    assert_eq!(now.len(), 2, "the first is not due");
    let again = db.webhook_messages_take(hook.id, at(11), at(71), 9).await.unwrap().remove(0);
    assert_eq!((again.event, again.attempts), (taken.event, 2));
    db.webhook_message_failed(&again, "it answered 500", at(12), None).await.unwrap();
    assert_eq!(db.webhook_find(hook.id).await.unwrap().unwrap().deliveries.waiting, 2);
    // The others are over by time.
    let over = at(MESSAGE_LIFE);
    assert!(db.webhook_messages_take(hook.id, over, over, 9).await.unwrap().is_empty());
    assert_eq!(db.webhook_messages_expire(over.plus_seconds(-1), 9).await.unwrap(), 0);
    assert_eq!(db.webhook_messages_expire(over, 1).await.unwrap(), 1);
    assert_eq!(db.webhook_messages_expire(over, 9).await.unwrap(), 1);
    assert_eq!(db.webhook_messages_expire(over, 9).await.unwrap(), 0);
});

on_both_stores!(messages_go_with_their_webhook_and_when_it_is_told_no_more, async |backend| {
    let (db, hook) = with_messages(backend, 3).await;
    db.webhook_messages_discard(hook.id).await.unwrap();
    assert!(db.webhook_messages_due(at(0)).await.unwrap().is_empty());
    db.user_create(&user("one more"), &audited()).await.unwrap();
    number(&db).await;
    assert_eq!(db.webhook_messages_due(at(0)).await.unwrap(), [hook.id]);
    db.webhook_delete(hook.id, &audited()).await.unwrap();
    assert!(db.webhook_messages_due(at(0)).await.unwrap().is_empty());
});

on_both_stores!(a_webhook_that_takes_nothing_is_told_of_no_more_than_a_bounded_number, async |backend| {
    let (db, hook) = with_messages(backend, 1).await;
    let (id, random) = match db.dialect() {
        Dialect::Postgres => ("w.id", "gen_random_uuid()"),
        Dialect::Sqlite => ("w.id", "randomblob(16)"),
    };
    let more = MOST_WAITING - 1;
    db.execute(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {more}) \
         INSERT INTO webhook_messages (webhook, event, attempts, due_at, expires_at) \
         SELECT {id}, {random}, 0, 0, 9 FROM n, webhooks w"
    ))
    .await;
    db.user_create(&user("one more"), &audited()).await.unwrap();
    let numbered = db.events_number(at(0), 500).await.unwrap();
    assert_eq!((numbered.count, numbered.full), (1, vec![(hook.id, 1)]));
    assert_eq!(db.webhook_find(hook.id).await.unwrap().unwrap().deliveries.waiting, MOST_WAITING);
    db.webhook_messages_discard(hook.id).await.unwrap();
    db.user_create(&user("another"), &audited()).await.unwrap();
    assert!(db.events_number(at(0), 500).await.unwrap().full.is_empty(), "it is told again");
    assert_eq!(told(&db, hook.id).await.len(), 1);
});
