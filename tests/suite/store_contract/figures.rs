//! Figures: what nodes counted, by the hour, and what each counted lately.

use jeton::protocol::figures::{FIGURES_LIFE, Figures};
use jeton::protocol::time::Timestamp;
use jeton::store::{NodeFigures, NodeRecord, Round, Store};
use uuid::Uuid;

use super::{Db, Written, at, at_once, audited, client, secret};
use crate::support::on_both_stores;

const DAY: i64 = 24 * 3600;
/// The beginning of a day, at which these tests play.
const MIDNIGHT: i64 = 1_800_000_000 / DAY * DAY;

fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(MIDNIGHT + seconds)
}

fn figures(pairs: &[(&str, u64)]) -> Figures {
    pairs.iter().copied().collect()
}

async fn swept(db: &Store, now: Timestamp) -> Vec<(&'static str, usize)> {
    let mut round = Round::new(now, 30 * DAY);
    while db.sweep(&mut round).await.unwrap() {}
    round.removed().filter(|(_, count)| *count > 0).collect()
}

on_both_stores!(figures_add_up_by_hour_and_day, async |backend| {
    let db = Db::new(backend).await;
    assert_eq!(db.figures_by_day(moment(0)).await.unwrap(), []);
    let urn = "issued/urn:ietf:params:oauth:grant-type:token-exchange";
    for (seconds, pairs) in [
        (-1, &[("issued/password", 1)][..]),
        (0, &[("issued/password", 2), ("refused/expired", 3), (urn, 1)][..]),
        (3599, &[("issued/password", 4)][..]),
        (3600, &[("issued/password", 8)][..]),
        (DAY, &[("issued/password", 16)][..]),
    ] {
        db.figures_add(moment(seconds), &figures(pairs)).await.unwrap();
    }
    let today = figures(&[("issued/password", 14), ("refused/expired", 3), (urn, 1)]);
    let (yesterday, tomorrow) = (figures(&[("issued/password", 1)]), figures(&[("issued/password", 16)]));
    // Any moment of a day stands for all of it.
    for from in [moment(0), moment(DAY - 1)] {
        let days = db.figures_by_day(from).await.unwrap();
        assert_eq!(days, [(moment(DAY), tomorrow.clone()), (moment(0), today.clone())]);
    }
    let all = db.figures_by_day(moment(-DAY)).await.unwrap();
    assert_eq!(all.last(), Some(&(moment(-DAY), yesterday)));
    assert_eq!(db.figures_between(moment(0), moment(3600)).await.unwrap().get("issued/password"), 6);
    assert_eq!(db.figures_between(moment(1), moment(3601)).await.unwrap(), figures(&[("issued/password", 8)]));
    assert!(db.figures_between(moment(2 * DAY), moment(3 * DAY)).await.unwrap().is_empty());
});

on_both_stores!(nodes_that_write_at_once_lose_nothing, async |backend| {
    let db = Db::new(backend).await;
    let names: Vec<String> = (0..20).map(|number| format!("refused/cause_{number:02}")).collect();
    let some: Figures = names.iter().map(|name| (name.as_str(), 1)).collect();
    at_once(&db, 4, |store, _| {
        let some = some.clone();
        async move {
            for _ in 0..5 {
                store.figures_add(moment(5), &some).await.unwrap();
            }
        }
    })
    .await;
    let sum = db.figures_between(moment(0), moment(10)).await.unwrap();
    assert_eq!(sum, names.iter().map(|name| (name.as_str(), 20)).collect::<Figures>());
});

on_both_stores!(a_node_tells_what_it_counted_lately_while_it_is_on_the_list, async |backend| {
    let db = Db::new(backend).await;
    let told = |node, at, count| NodeFigures {
        node,
        at,
        since: moment(0),
        most_waiting: 3,
        figures: figures(&[("applied/0.1", count), ("answered/token/+Inf", 2)]),
    };
    let node = |id| NodeRecord {
        id,
        name: "n".into(),
        version: "0.1.0".into(),
        feature_level: jeton::protocol::feature::LEVEL,
        applied: 0,
        applied_at: at(0),
        heartbeat_at: at(0),
        max_staleness: 5000,
    };
    let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
    db.node_heartbeat(&node(first)).await.unwrap();
    for of in [told(first, moment(60), 1), told(second, moment(60), 1), told(first, moment(120), 2)] {
        db.node_figures_write(&of).await.unwrap();
    }
    assert_eq!(db.node_figures_list(moment(0)).await.unwrap(), [told(first, moment(120), 2)]);
    db.node_heartbeat(&node(second)).await.unwrap();
    let listed = db.node_figures_list(moment(59)).await.unwrap();
    assert_eq!(listed, [told(first, moment(120), 2), told(second, moment(60), 1)]);
    assert_eq!(db.node_figures_list(moment(60)).await.unwrap().len(), 1);
    db.node_leave(first).await.unwrap();
    assert_eq!(db.node_figures_list(moment(60)).await.unwrap(), []);
});

on_both_stores!(old_figures_are_removed, async |backend| {
    let db = Db::new(backend).await;
    db.figures_add(moment(0), &figures(&[("issued/password", 1), ("refused/expired", 1)])).await.unwrap();
    db.figures_add(moment(3600), &figures(&[("issued/password", 1)])).await.unwrap();
    db.figures_add(moment(DAY), &figures(&[("issued/password", 1)])).await.unwrap();
    let told = NodeFigures {
        node: Uuid::from_u128(1),
        at: moment(0),
        since: moment(0),
        most_waiting: 0,
        figures: Figures::default(),
    };
    db.node_figures_write(&told).await.unwrap();
    assert_eq!(swept(&db, moment(3600)).await, []);
    assert_eq!(swept(&db, moment(3601)).await, [("node_figures", 1)]);
    assert_eq!(swept(&db, moment(FIGURES_LIFE)).await, []);
    assert_eq!(swept(&db, moment(FIGURES_LIFE + 1)).await, [("figures", 2), ("figures_by_day", 2)]);
    assert_eq!(db.figures_between(moment(0), moment(DAY)).await.unwrap(), figures(&[("issued/password", 1)]));
    assert_eq!(db.figures_by_day(moment(0)).await.unwrap(), [(moment(DAY), figures(&[("issued/password", 1)]))]);
});

on_both_stores!(secrets_that_nobody_uses_are_found, async |backend| {
    let db = Db::new(backend).await;
    let mut secrets = Vec::new();
    for (number, id) in [(1, "b"), (2, "a"), (3, "c")] {
        db.client_create(&client(id), &audited()).await.written();
        let secret = secret(number);
        db.client_secret_add(id, &secret, &audited()).await.written();
        secrets.push(secret.id);
    }
    db.client_secrets_used(&[(secrets[2], at(50))]).await.unwrap();
    // They were made at `at(2)`.
    assert_eq!(db.client_secrets_unused(at(2), 10).await.unwrap(), []);
    let unused = db.client_secrets_unused(at(50), 10).await.unwrap();
    assert_eq!(unused, [("b".to_owned(), secrets[0]), ("a".to_owned(), secrets[1])]);
    assert_eq!(db.client_secrets_unused(at(50), 1).await.unwrap().len(), 1);
    assert_eq!(db.client_secrets_unused(at(51), 10).await.unwrap().len(), 3);
    db.client_secrets_used(&[(secrets[0], at(40))]).await.unwrap();
    let longest_first = [("a".to_owned(), secrets[1]), ("b".to_owned(), secrets[0])];
    assert_eq!(db.client_secrets_unused(at(50), 10).await.unwrap(), longest_first);
});
