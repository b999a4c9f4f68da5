//! The pool beside threads that have no time.

use std::future::{pending, ready};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use futures_util::FutureExt;
use prometheus_client::encoding::text;

use super::*;
use crate::passwords::queue::Precedence;
use crate::passwords::workers::MOST_WAITING;
#[cfg(target_os = "linux")]
use crate::passwords::workers::NICE;

fn anybody() -> Requester {
    Requester { precedence: Precedence::Unknown, ..Requester::administrator() }
}

impl PasswordPool {
    /// A line of its metrics.
    fn shown(&self, name: &str) -> String {
        let (mut registry, mut shown) = (Registry::default(), String::new());
        self.register(&mut registry);
        text::encode(&mut shown, &registry).unwrap();
        shown.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).unwrap().to_owned()
    }

    /// A pool of one thread, which never comes to its work.
    fn starved() -> Self {
        let pool = Self::new(1);
        pool.workers.state().threads = 1;
        pool
    }
}

#[tokio::test]
async fn an_unknown_user_costs_the_same_work() {
    let pool = PasswordPool::new(1);
    let hash = pool.hash("right".into()).await.unwrap();
    for (count, (password, hash, fits)) in
        (2..).zip([("right", None, false), ("right", Some(&hash), true), ("wrong", Some(&hash), false)])
    {
        assert_eq!(pool.verify(password.into(), hash.cloned(), anybody()).await, Ok(fits));
        // The thread counts a hash after it has answered.
        while pool.shown("password_hash_seconds_count") != count.to_string() {
            tokio::task::yield_now().await;
        }
    }
}

fn is_pending<T>(future: Pin<&mut impl Future<Output = T>>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

#[test]
fn a_queued_login_is_refused_at_the_deadline_and_not_before() {
    let pool = PasswordPool::starved();
    let (time, deadline) = oneshot::channel::<()>();
    let mut first = pin!(pool.run_before(ready(()), anybody(), |_| ()));
    let mut second = pin!(pool.run_before(deadline.map(drop), anybody(), |_| ()));
    assert!(is_pending(first.as_mut()) && is_pending(second.as_mut()));
    time.send(()).unwrap();
    let refused = second.poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(refused, Poll::Ready(Err(Overloaded)));
    assert!(is_pending(first), "the first has the thread that is free, whenever it comes to it");
}

#[test]
fn a_job_that_a_full_queue_sheds_is_refused_at_the_deadline_and_not_before() {
    let pool = PasswordPool::starved();
    let requester = |account| Requester { account: [account; 32], ..anybody() };
    let crowd: Vec<_> = (0..MOST_WAITING)
        .map(|_| {
            let mut waiting = Box::pin(pool.run_before(pending(), requester(1), |_| ()));
            assert!(is_pending(waiting.as_mut()));
            waiting
        })
        .collect();
    let mut other = Box::pin(pool.run_before(pending(), requester(2), |_| ()));
    assert!(is_pending(other.as_mut()));
    assert_eq!(pool.workers.state().queue.length(), MOST_WAITING);
    let (time, deadline) = oneshot::channel::<()>();
    let mut late = pin!(pool.run_before(deadline.map(drop), requester(1), |_| ()));
    assert!(is_pending(late.as_mut()), "its job is gone, but it learns nothing before its time");
    assert_eq!(pool.workers.state().queue.length(), MOST_WAITING);
    time.send(()).unwrap();
    assert_eq!(late.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err(Overloaded)));
    drop((crowd, other));
    let mut only = pin!(pool.run_before(ready(()), requester(3), |_| ()));
    assert!(is_pending(only.as_mut()) && is_pending(only), "nobody else waits: the others have left");
}

#[test]
fn waiting_times_vary_within_their_bounds() {
    let all: Vec<_> = std::iter::repeat_with(patience).take(100).collect();
    assert!(all.iter().all(|patience| (LONGEST_WAIT * 3 / 4..=LONGEST_WAIT).contains(patience)));
    assert!(all.iter().max() > all.iter().min());
}

#[test]
fn a_login_that_meets_an_empty_queue_is_never_refused() {
    let pool = PasswordPool::starved();
    for busy in [0, 1] {
        pool.workers.state().busy = busy;
        let mut patient = pin!(pool.run_before(ready(()), anybody(), |_| ()));
        assert!(is_pending(patient.as_mut()) && is_pending(patient), "{busy} threads are busy");
        assert!(pool.workers.state().queue.pop().is_some());
    }
}

#[tokio::test]
async fn abandoned_logins_are_not_hashed() {
    let pool = PasswordPool::starved();
    for _ in 0..3 {
        assert!(is_pending(pin!(pool.hash("gone".into()))));
    }
    assert_eq!(pool.workers.state().queue.length(), 3);
    pool.workers.state().threads = 0;
    pool.hash("last".into()).await.unwrap();
    assert_eq!(pool.workers.state().queue.length(), 0);
    pool.hash("another".into()).await.unwrap();
    let hashes: usize = pool.shown("password_hash_seconds_count").parse().unwrap();
    assert!(hashes <= 2, "the abandoned ones were hashed: {hashes}");
}

#[tokio::test]
async fn a_thread_outlives_work_that_panics() {
    let pool = PasswordPool::new(1);
    let failed = pool.run(anybody(), |_| -> () { panic!("on purpose") }).await;
    assert_eq!(failed, Err(Overloaded));
    assert!(pool.hash("x".into()).await.is_ok());
    assert_eq!(pool.workers.state().threads, 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn only_the_threads_that_hash_have_a_lower_priority() {
    let nice = || rustix::process::getpriority_process(None).unwrap();
    let of_thread = PasswordPool::new(1).run(anybody(), move |_| nice()).await;
    assert_eq!(of_thread, Ok((nice() + NICE).min(19)));
}
