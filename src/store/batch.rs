//! Concurrent queries share one statement, and with it one round trip and one commit.
//!
//! A lone query runs immediately. While a statement runs, further queries gather; a second statement starts beside it
//! once enough of them wait, or one has waited long enough. A shared statement belongs to no single request, so it runs
//! outside of their spans.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::current_request;
use crate::store::{Result, StoreError};
use crate::traces::Kind;

/// The most queries in one statement.
const MOST: usize = 128;
/// The most queries that may wait.
const WAITING: usize = 4096;

/// So many waiting queries justify another statement.
const CROWD: usize = 12;
/// A query that has waited this long justifies another statement.
const PATIENCE: Duration = Duration::from_millis(5);

type Asked<Q, A> = (Q, oneshot::Sender<Result<A>>);

/// Gathers queries of one kind.
pub(crate) struct Batcher<Q, A> {
    queue: mpsc::Sender<Asked<Q, A>>,
}

impl<Q, A> Clone for Batcher<Q, A> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

impl<Q, A> fmt::Debug for Batcher<Q, A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Batcher")
    }
}

impl<Q: Clone + Send + 'static, A: Send + 'static> Batcher<Q, A> {
    /// Starts, and runs until the last handle is dropped. At most `at_once` statements run at a time; `ask` returns one
    /// answer for each query, in order.
    pub(crate) fn start<F, W>(at_once: usize, ask: F) -> Self
    where
        F: Fn(Vec<Q>) -> W + Clone + Send + 'static,
        W: Future<Output = Result<Vec<Result<A>>>> + Send + 'static,
    {
        let (queue, waiting) = mpsc::channel(WAITING);
        tokio::spawn(dispatch(waiting, at_once, ask));
        Self { queue }
    }

    /// Asks.
    pub(crate) async fn ask(&self, question: Q) -> Result<A> {
        let (answer, answered) = oneshot::channel();
        let overloaded = || StoreError::Unavailable("too much waits for the database".into());
        // The statement itself is of no single request.
        let mut span = current_request::span(Kind::Internal, "shared statement");
        self.queue.try_send((question, answer)).map_err(|_| overloaded())?;
        let found = answered.await.unwrap_or_else(|_| Err(overloaded()));
        if let Err(StoreError::Unavailable(_)) = &found {
            span.failed("unavailable");
        }
        found
    }
}

/// Limits how often something may start; a lone caller never waits.
#[derive(Clone, Debug)]
pub struct Pace {
    between: Duration,
    next: Arc<Mutex<Instant>>,
}

impl Pace {
    /// At most once in this time.
    pub fn new(between: Duration) -> Self {
        Self { between, next: Arc::new(Mutex::new(Instant::now())) }
    }

    /// Waits until it is time.
    pub async fn turn(&self) {
        let mut next = self.next.lock().await;
        tokio::time::sleep_until(*next).await;
        *next = Instant::now() + self.between;
    }
}

async fn dispatch<Q, A, F, W>(mut waiting: mpsc::Receiver<Asked<Q, A>>, at_once: usize, ask: F)
where
    Q: Clone + Send + 'static,
    A: Send + 'static,
    F: Fn(Vec<Q>) -> W + Clone + Send + 'static,
    W: Future<Output = Result<Vec<Result<A>>>> + Send + 'static,
{
    let mut running = JoinSet::new();
    let mut gathered = Vec::with_capacity(MOST);
    let mut urgent_at = Instant::now();
    loop {
        let (is_first, room) = (gathered.is_empty(), MOST - gathered.len());
        tokio::select! {
            taken = waiting.recv_many(&mut gathered, room), if room > 0 => match taken {
                // Every handle is gone.
                0 => return,
                _ if is_first => urgent_at = Instant::now() + PATIENCE,
                _ => {}
            },
            Some(_) = running.join_next() => {}
            () = tokio::time::sleep_until(urgent_at), if !is_first && running.len() < at_once => {}
        }
        let is_worth_it = || gathered.len() >= CROWD || Instant::now() >= urgent_at;
        if !gathered.is_empty() && (running.is_empty() || (running.len() < at_once && is_worth_it())) {
            running.spawn(answer(std::mem::replace(&mut gathered, Vec::with_capacity(MOST)), ask.clone()));
        }
    }
}

async fn answer<Q: Clone, A, F, W>(mut asked: Vec<Asked<Q, A>>, ask: F)
where
    F: Fn(Vec<Q>) -> W,
    W: Future<Output = Result<Vec<Result<A>>>>,
{
    // The caller may have disconnected.
    asked.retain(|(_, answer)| !answer.is_closed());
    if asked.is_empty() {
        return;
    }
    match ask(asked.iter().map(|(question, _)| question.clone()).collect()).await {
        Ok(answers) => asked.into_iter().zip(answers).for_each(|((_, answer), found)| drop(answer.send(found))),
        Err(error) => asked.into_iter().for_each(|(_, answer)| drop(answer.send(Err(error.clone())))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_query_gets_its_own_answer_however_many_share_a_statement() {
        let batcher = Batcher::start(2, async |questions: Vec<u64>| Ok(questions.iter().map(|n| Ok(n * 2)).collect()));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..500 {
            let batcher = batcher.clone();
            tasks.spawn(async move { (number, batcher.ask(number).await.unwrap()) });
        }
        for (number, answer) in tasks.join_all().await {
            assert_eq!(answer, number * 2);
        }
    }

    #[tokio::test]
    async fn a_lone_query_runs_at_once_and_a_crowd_in_batches() {
        let (pace, begun) = (Pace::new(Duration::from_millis(10)), Instant::now());
        pace.turn().await;
        for _ in 0..5 {
            pace.turn().await;
        }
        assert!(begun.elapsed() >= Duration::from_millis(50));
    }

    #[tokio::test]
    async fn a_hanging_statement_does_not_block_others() {
        let ask = async |questions: Vec<u64>| {
            if questions.contains(&0) {
                std::future::pending::<()>().await;
            }
            Ok(questions.into_iter().map(Ok).collect())
        };
        let batcher = Batcher::start(2, ask);
        let hanging = tokio::spawn({
            let batcher = batcher.clone();
            async move { batcher.ask(0).await }
        });
        tokio::task::yield_now().await;
        for number in 1..5 {
            assert_eq!(batcher.ask(number).await.unwrap(), number);
        }
        hanging.abort();
    }

    #[tokio::test]
    async fn a_failure_reaches_everyone_who_shared_the_statement() {
        let fail = async |_: Vec<u64>| Err::<Vec<Result<u64>>, _>(StoreError::Unavailable("down".into()));
        assert!(Batcher::start(1, fail).ask(1).await.is_err());
    }
}
