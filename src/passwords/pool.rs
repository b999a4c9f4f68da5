//! The pool that hashes passwords: a fixed number of threads of its own and a bounded queue, so that a storm of logins
//! never starves the rest. A place is held until the hash is really over, also when the client has gone.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use secrecy::SecretString;
use tokio::sync::oneshot;

pub use crate::passwords::queue::Precedence;
use crate::passwords::queue::{LONGEST_WAIT, Queue};
use crate::passwords::worker::{Answer, Place, Task};

/// Upper bounds of the time that a hash takes, in seconds.
const HASH_BOUNDS: [f64; 10] = [0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// More passwords arrive than can be hashed. A second later there is room again, for those who come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overloaded;

/// A password that waits to be hashed.
struct Job {
    password: SecretString,
    task: Task,
    answer: oneshot::Sender<Answer>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Job")
    }
}

/// What is measured of the pool.
#[derive(Debug)]
struct Measures {
    waiting: Gauge,
    refused: Counter,
    hashes: Histogram,
}

/// What the handles and the threads share. No thread of low priority ever takes this lock.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    measures: Measures,
}

#[derive(Debug)]
struct State {
    queue: Queue<Job>,
    started: usize,
    closed: bool,
}

/// A handle to the pool. A thread starts, and its memory is allocated, when it is first needed, so that a server at rest
/// stays small.
#[derive(Clone, Debug)]
pub struct PasswordPool {
    threads: usize,
    shared: Arc<Shared>,
    /// Ends the threads with the last handle.
    _open: Arc<Open>,
}

#[derive(Debug)]
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.changed.notify_all();
    }
}

impl PasswordPool {
    /// A pool of so many threads.
    pub fn new(threads: usize) -> Self {
        let state = State { queue: Queue::new(threads), started: 0, closed: false };
        let measures =
            Measures { waiting: Gauge::default(), refused: Counter::default(), hashes: Histogram::new(HASH_BOUNDS) };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), measures });
        Self { threads, _open: Arc::new(Open(Arc::clone(&shared))), shared }
    }

    /// Whether a password fits a hash. Without a hash it does not, after the same time. Those who are known find room where
    /// a storm of others does not.
    ///
    /// # Errors
    /// [`Overloaded`] when too many wait or the wait is too long: at once if that can be foreseen, and always within a
    /// second.
    pub async fn verify(
        &self,
        password: SecretString,
        hash: Option<String>,
        precedence: Precedence,
    ) -> Result<bool, Overloaded> {
        match self.run(password, Task::Verify(hash), precedence).await? {
            Answer::Fits(fits) => Ok(fits),
            Answer::Hash(_) => Ok(false),
        }
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub async fn hash(&self, password: SecretString) -> Result<String, Overloaded> {
        match self.run(password, Task::Hash, Precedence::Known).await? {
            Answer::Hash(hash) => Ok(hash),
            Answer::Fits(_) => Err(Overloaded),
        }
    }

    async fn run(&self, password: SecretString, task: Task, precedence: Precedence) -> Result<Answer, Overloaded> {
        let outcome = self.wait_and_run(password, task, precedence).await;
        if outcome.is_err() {
            self.shared.measures.refused.inc();
        }
        outcome
    }

    async fn wait_and_run(
        &self,
        password: SecretString,
        task: Task,
        precedence: Precedence,
    ) -> Result<Answer, Overloaded> {
        let (answer, answered) = oneshot::channel();
        let turn = self.admit(Job { password, task, answer }, precedence)?;
        // To return early is to drop the turn: the job is passed over.
        let Ok(Ok(())) = tokio::time::timeout(LONGEST_WAIT, turn).await else { return Err(Overloaded) };
        answered.await.map_err(|_| Overloaded)
    }

    fn admit(&self, job: Job, precedence: Precedence) -> Result<oneshot::Receiver<()>, Overloaded> {
        let mut state = self.shared.state();
        if state.started < self.threads && state.queue.demand() >= state.started {
            match start(state.started, self.threads, &self.shared) {
                Ok(()) => state.started += 1,
                Err(error) => tracing::error!(%error, "a thread that hashes passwords cannot be started"),
            }
        }
        let turn = state.queue.admit(job, precedence)?;
        self.shared.note_length(&state);
        self.shared.changed.notify_one();
        Ok(turn)
    }

    /// Shows in a registry what is measured of the pool.
    pub fn register(&self, registry: &mut Registry) {
        let Measures { waiting, refused, hashes } = &self.shared.measures;
        registry.register("password_queue", "Passwords that wait to be hashed", waiting.clone());
        let help = "Passwords that were not hashed, because too many waited or the wait was too long";
        registry.register("password_refusals", help, refused.clone());
        registry.register(
            "password_hash_seconds",
            "Time that a thread took for the hash of a password",
            hashes.clone(),
        );
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_length(&self, state: &State) {
        self.measures.waiting.set(i64::try_from(state.queue.length()).unwrap_or(i64::MAX));
    }

    /// The next job; none: the pool has ended.
    fn next(&self) -> Option<Job> {
        let mut state = self.state();
        loop {
            let job = state.queue.take();
            self.note_length(&state);
            if job.is_some() {
                return job;
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Starts a place.
fn start(number: usize, places: usize, shared: &Arc<Shared>) -> io::Result<()> {
    let place = Place::start(number, places)?;
    let shared = Arc::clone(shared);
    thread::Builder::new().name(format!("password-{number}")).spawn(move || serve(place, &shared))?;
    Ok(())
}

fn serve(mut place: Place, shared: &Shared) {
    while let Some(Job { password, task, answer }) = shared.next() {
        let begun = Instant::now();
        let Some((outcome, took)) = place.run(password, task) else {
            // Only a fault of the hashing itself leads here; whoever waited sees `answer` dropped.
            let mut state = shared.state();
            state.queue.abandoned();
            state.started -= 1;
            return;
        };
        shared.measures.hashes.observe(took.as_secs_f64());
        // Nobody listens any more when the client has gone.
        let _ = answer.send(outcome);
        // Only then is the place free, and so long do those wait who come next.
        place.rest();
        shared.state().queue.finished(begun.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use prometheus_client::encoding::text;

    use super::*;

    impl PasswordPool {
        /// A line of its metrics.
        fn shown(&self, name: &str) -> String {
            let (mut registry, mut shown) = (Registry::default(), String::new());
            self.register(&mut registry);
            text::encode(&mut shown, &registry).unwrap();
            shown.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).unwrap().to_owned()
        }
    }

    #[tokio::test]
    async fn an_unknown_user_is_refused_by_the_same_work() {
        let pool = PasswordPool::new(1);
        let hash = pool.hash("right".into()).await.unwrap();
        for (count, (password, hash, fits)) in
            (2..).zip([("right", None, false), ("right", Some(&hash), true), ("wrong", Some(&hash), false)])
        {
            assert_eq!(pool.verify(password.into(), hash.cloned(), Precedence::Anybody).await, Ok(fits));
            assert_eq!(pool.shown("password_hash_seconds_count"), count.to_string(), "one hash each, the first too");
        }
    }

    #[tokio::test]
    async fn more_than_the_queue_holds_is_refused_and_the_rest_is_answered() {
        let pool = PasswordPool::new(1);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..200 {
            let pool = pool.clone();
            tasks.spawn(async move { pool.hash("x".into()).await.is_ok() });
        }
        let answers = tasks.join_all().await;
        let refused = answers.iter().filter(|was_hashed| !**was_hashed).count();
        assert!(refused > 0 && refused < 200, "{refused} of 200");
        assert_eq!(pool.shown("password_refusals_total"), refused.to_string());
        // Those that gave up count until their turn comes.
        while pool.hash("after".into()).await.is_err() {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.shown("password_queue"), "0");
    }

    #[tokio::test]
    async fn a_password_whose_client_has_gone_while_it_waited_is_not_hashed() {
        let pool = PasswordPool::new(1);
        {
            // They wait behind one another, and all go together.
            let mut first = pin!(pool.hash("first".into()));
            let mut others: Vec<_> = (0..50).map(|_| Box::pin(pool.hash("other".into()))).collect();
            let mut context = Context::from_waker(Waker::noop());
            assert!(first.as_mut().poll(&mut context).is_pending());
            assert!(others.iter_mut().all(|other| other.as_mut().poll(&mut context).is_pending()));
        }
        while pool.hash("last".into()).await.is_err() {
            tokio::task::yield_now().await;
        }
        let hashes: usize = pool.shown("password_hash_seconds_count").parse().unwrap();
        assert!(hashes < 52, "all of them were hashed: {hashes}");
    }
}
