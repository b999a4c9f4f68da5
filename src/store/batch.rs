//! Questions that come at the same time share one statement, and with it one round trip and one commit.
//!
//! A worker takes what waits, asks once, and hands out the answers. While it asks, the next questions gather. Nobody
//! waits for company: a single question is asked at once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;

use super::{Result, StoreError};

/// The most questions in one statement.
const MOST: usize = 128;
/// The most questions that wait.
const WAITING: usize = 4096;

type Asked<Q, A> = (Q, oneshot::Sender<Result<A>>);

/// Gathers questions of one kind.
pub(super) struct Batcher<Q, A> {
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
    /// Starts so many workers, which end with the last handle. `ask` gives one answer for each question, in order.
    pub(super) fn start<F, W>(workers: usize, ask: F) -> Self
    where
        F: Fn(Vec<Q>) -> W + Clone + Send + 'static,
        W: Future<Output = Result<Vec<A>>> + Send + 'static,
    {
        let (queue, waiting) = mpsc::channel(WAITING);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..workers {
            tokio::spawn(work(Arc::clone(&waiting), ask.clone()));
        }
        Self { queue }
    }

    /// Asks.
    pub(super) async fn ask(&self, question: Q) -> Result<A> {
        let (answer, answered) = oneshot::channel();
        let overloaded = || StoreError::Unavailable("too much waits for the database".into());
        self.queue.try_send((question, answer)).map_err(|_| overloaded())?;
        answered.await.unwrap_or_else(|_| Err(overloaded()))
    }
}

/// Lets something begin once in a while at most; what comes alone never waits.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    between: Duration,
    next: Arc<Mutex<Instant>>,
}

impl Pace {
    /// At most once in this time.
    pub(super) fn new(between: Duration) -> Self {
        Self { between, next: Arc::new(Mutex::new(Instant::now())) }
    }

    /// Waits until it is time.
    pub(super) async fn turn(&self) {
        let mut next = self.next.lock().await;
        tokio::time::sleep_until(*next).await;
        *next = Instant::now() + self.between;
    }
}

async fn work<Q: Clone, A, F, W>(waiting: Arc<Mutex<mpsc::Receiver<Asked<Q, A>>>>, ask: F)
where
    F: Fn(Vec<Q>) -> W,
    W: Future<Output = Result<Vec<A>>>,
{
    let mut batch = Vec::with_capacity(MOST);
    loop {
        if waiting.lock().await.recv_many(&mut batch, MOST).await == 0 {
            return;
        }
        let questions = batch.iter().map(|(question, _)| question.clone()).collect();
        match ask(questions).await {
            Ok(answers) => {
                for ((_, answer), found) in batch.drain(..).zip(answers) {
                    // Whoever asked may be gone.
                    let _ = answer.send(Ok(found));
                }
            }
            Err(error) => {
                for (_, answer) in batch.drain(..) {
                    let _ = answer.send(Err(error.clone()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_question_gets_its_own_answer_however_many_share_a_statement() {
        let batcher = Batcher::start(2, async |questions: Vec<u64>| Ok(questions.iter().map(|n| n * 2).collect()));
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
    async fn what_comes_alone_begins_at_once_and_a_crowd_in_turn() {
        let (pace, begun) = (Pace::new(Duration::from_millis(10)), Instant::now());
        pace.turn().await;
        for _ in 0..5 {
            pace.turn().await;
        }
        assert!(begun.elapsed() >= Duration::from_millis(50));
    }

    #[tokio::test]
    async fn a_failure_reaches_all_who_shared_the_statement() {
        let fail = async |_: Vec<u64>| Err::<Vec<u64>, _>(StoreError::Unavailable("down".into()));
        assert!(Batcher::start(1, fail).ask(1).await.is_err());
    }
}
