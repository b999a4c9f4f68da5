//! More connections than there are slots.

use crate::serve::tests::*;

#[tokio::test]
async fn connections_beyond_the_slots_wait_while_the_others_are_served() {
    let running = start(with(|limits| limits.slots = 2), None).await;
    let (mut first, second) = (running.answered().await, running.answered().await);
    let mut third = running.connect(REQUEST).await;
    for _ in 0..20 {
        first.write_all(REQUEST).await.unwrap();
        read_until(&mut first, "here").await;
    }
    let unanswered = tokio::time::timeout(SHORT, third.readable()).await;
    assert!(unanswered.is_err(), "it has to wait");
    drop(second);
    read_until(&mut third, "here").await;
}

#[tokio::test]
async fn a_connection_that_takes_one_of_the_last_slots_may_not_idle_for_long() {
    let limits = with(|limits| (limits.slots, limits.idle_when_short) = (10, SHORT * 10));
    let running = start(limits, None).await;
    let mut first = running.answered().await;
    let others = running.busy(8).await;
    // The tenth is the last.
    let mut last = running.connect(b"G").await;
    read_to_end(&mut last).await;
    running.answered().await;
    first.write_all(REQUEST).await.unwrap();
    read_until(&mut first, "here").await;
    drop(others);
}

#[tokio::test]
async fn while_slots_run_short_every_answer_closes_its_connection() {
    let running = start(with(|limits| limits.slots = 20), None).await;
    let (mut early, mut late) = (running.answered().await, running.answered().await);
    let (mut http2, ended) = running.http2().await;
    assert_eq!(ask(&mut http2, "/").await, "here");
    assert!(!is_told_to_end(&mut early).await);
    // All 20 slots are taken: the next one waits, and the earliest connection ends once it is used.
    let busy = running.busy(17).await;
    let mut waiting = running.connect(REQUEST).await;
    assert!(is_told_to_end(&mut early).await);
    assert_eq!(read_to_end(&mut early).await, "");
    assert!(read_until(&mut waiting, "here").await.to_ascii_lowercase().contains("connection: close"));
    assert_eq!(read_to_end(&mut waiting).await, "");
    // 19 are left, one of them of HTTP/2.
    assert_eq!(ask(&mut http2, "/").await, "here");
    in_time("the end of HTTP/2", ended).await.unwrap().unwrap();
    // Once there are enough slots again, connections stay open.
    drop(busy);
    in_time("free slots", async { while is_told_to_end(&mut running.connect(b"").await).await {} }).await;
    assert!(!is_told_to_end(&mut late).await && !is_told_to_end(&mut late).await);
}

#[tokio::test]
async fn http2_requests_in_flight_are_finished_even_while_slots_run_short() {
    let running = start(with(|limits| limits.slots = 10), None).await;
    let (mut sender, mut ended) = running.http2().await;
    let mut other = sender.clone();
    let slow = tokio::spawn(async move { ask(&mut other, "/slow").await });
    in_time("the request", running.begun.notified()).await;
    let busy = running.busy(9).await;
    assert_eq!(ask(&mut sender, "/").await, "here");
    // It was told to end, and stays open for longer than the farewell while a request is in flight.
    let early = tokio::time::timeout(SHORT * 4, &mut ended).await;
    assert!(early.is_err() && !slow.is_finished(), "{early:?}");
    running.finish_slow.notify_waiters();
    assert_eq!(in_time("the slow answer", slow).await.unwrap(), "slow");
    in_time("the end of HTTP/2", ended).await.unwrap().unwrap();
    drop(busy);
}
