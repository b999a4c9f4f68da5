//! The threads that hash passwords.
//!
//! Hashing has threads of its own, so that a storm of logins never blocks the async runtime. Their nice value lets other
//! requests go first, without starving the logins beside a flood of cheap requests. A login that no thread takes up in
//! about two seconds is refused then and no earlier, so that asking again at once gains nothing.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;
use tracing::Span;

use crate::crypto::random;
use crate::passwords::hashing::Hasher;
use crate::passwords::queue::{Queue, Requester, Waiting};

/// The longest wait for a thread. It does not apply to a login that found nobody waiting, so that one login at a time
/// succeeds however busy other programs keep the machine.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// The nice value of the threads, see setpriority(2). With 2 processors under a flood of introspections, logins kept 34 %
/// of the rate of Argon2 alone at 2, 25 % at 5 and 17 % at 10; introspection in a storm of logins was as fast at each.
const NICE: i32 = 2;
/// Upper bounds of the time that a hash takes, in seconds.
const HASH_BOUNDS: [f64; 10] = [0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// More passwords arrive than can be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overloaded;

/// A password that waits to be hashed.
struct Job {
    /// Tells the requester that hashing begins.
    turn: oneshot::Sender<()>,
    work: Box<dyn FnOnce(&mut Hasher) + Send>,
}

impl Waiting for Job {
    fn is_abandoned(&self) -> bool {
        self.turn.is_closed()
    }
}

#[derive(Debug)]
struct Measures {
    waiting: Gauge,
    refused: Counter,
    hashes: Histogram,
}

/// What the handles and the threads share.
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    measures: Measures,
}

#[derive(Default)]
struct State {
    queue: Queue<Job>,
    threads: usize,
    busy: usize,
    is_closed: bool,
}

impl State {
    fn free(&self) -> usize {
        self.threads - self.busy
    }
}

/// A handle to the threads. Each starts, and allocates 19 MiB for itself, when it is first needed, so that an idle server
/// stays small.
#[derive(Clone)]
pub struct PasswordPool {
    most_threads: usize,
    shared: Arc<Shared>,
    /// Ends the threads with the last handle.
    _open: Arc<Open>,
}

impl std::fmt::Debug for PasswordPool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PasswordPool").field("most_threads", &self.most_threads).finish_non_exhaustive()
    }
}

struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.state().is_closed = true;
        self.0.changed.notify_all();
    }
}

impl PasswordPool {
    /// A pool of at most this many threads.
    pub fn new(most_threads: usize) -> Self {
        let measures =
            Measures { waiting: Gauge::default(), refused: Counter::default(), hashes: Histogram::new(HASH_BOUNDS) };
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), measures });
        Self { most_threads, _open: Arc::new(Open(Arc::clone(&shared))), shared }
    }

    /// Whether a password matches a hash. Without a hash it does not, after the same work.
    ///
    /// # Errors
    /// [`Overloaded`] after about 2 s in the queue.
    pub async fn verify(
        &self,
        password: SecretString,
        hash: Option<String>,
        requester: Requester,
    ) -> Result<bool, Overloaded> {
        let work = move |hasher: &mut Hasher| hasher.verify(password.expose_secret().as_bytes(), hash.as_deref());
        self.run(requester, work).await
    }

    /// Hashes a new password for an administrator.
    ///
    /// # Errors
    /// [`Overloaded`] after about 2 s in the queue.
    pub async fn hash(&self, password: SecretString) -> Result<String, Overloaded> {
        let work = move |hasher: &mut Hasher| hasher.hash(password.expose_secret().as_bytes());
        self.run(Requester::administrator(), work).await
    }

    async fn run<T: Send + 'static>(
        &self,
        requester: Requester,
        work: impl FnOnce(&mut Hasher) -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let outcome = self.run_before(tokio::time::sleep(patience()), requester, work).await;
        if outcome.is_err() {
            self.shared.measures.refused.inc();
        }
        outcome
    }

    /// Does the work if a thread begins it before the deadline, and always if no one else was waiting. Dropping the future
    /// gives up the place in the queue; work that has begun is finished.
    async fn run_before<T: Send + 'static>(
        &self,
        deadline: impl Future<Output = ()>,
        requester: Requester,
        work: impl FnOnce(&mut Hasher) -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let (turn, turned) = oneshot::channel();
        let (answer, answered) = oneshot::channel();
        let hashes = self.shared.measures.hashes.clone();
        let span = Span::current();
        let work = Box::new(move |hasher: &mut Hasher| {
            let begun = Instant::now();
            let outcome = span.in_scope(|| work(hasher));
            // Before the answer, so that who reads the metrics next finds this hash among them.
            hashes.observe(begun.elapsed().as_secs_f64());
            // The client may have gone.
            let _ = answer.send(outcome);
        });
        let is_next = self.enqueue(requester, Job { turn, work })?;
        let turned = tokio::select! {
            biased;
            turned = turned => turned,
            () = deadline, if !is_next => return Err(Overloaded),
        };
        turned.and(answered.await).map_err(|_| Overloaded)
    }

    /// Appends a job. Whether it is the next one of a thread: nobody waits, or a thread is free for it.
    fn enqueue(&self, requester: Requester, job: Job) -> Result<bool, Overloaded> {
        let mut state = self.shared.state();
        let waiting = state.queue.length();
        if state.free() <= waiting && state.threads < self.most_threads {
            match start(state.threads, &self.shared) {
                Ok(()) => state.threads += 1,
                Err(error) => tracing::error!(%error, "cannot start a thread that hashes passwords"),
            }
        }
        if state.threads == 0 {
            return Err(Overloaded);
        }
        let is_next = waiting < state.free().max(1);
        state.queue.push(requester, job);
        self.shared.note_length(&state);
        self.shared.changed.notify_one();
        Ok(is_next)
    }

    /// Registers the pool's metrics.
    pub fn register(&self, registry: &mut Registry) {
        let Measures { waiting, refused, hashes } = &self.shared.measures;
        registry.register("password_queue", "Passwords that wait to be hashed", waiting.clone());
        registry.register(
            "password_refusals",
            "Passwords that were not hashed, because they waited for too long",
            refused.clone(),
        );
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

    /// Waits for the next job. None: the pool has ended.
    fn next(&self) -> Option<Job> {
        let mut state = self.state();
        loop {
            let job = state.queue.pop();
            self.note_length(&state);
            if job.is_some() {
                state.busy += 1;
            }
            if job.is_some() || state.is_closed {
                return job;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// How long one login may wait: between three quarters of [`LONGEST_WAIT`] and all of it. Clients that are refused and ask
/// again at once would otherwise all come back at the same moment, and hold up the requests behind them.
fn patience() -> Duration {
    let [byte] = random();
    LONGEST_WAIT - LONGEST_WAIT / 4 * u32::from(byte) / u32::from(u8::MAX)
}

fn start(number: usize, shared: &Arc<Shared>) -> io::Result<()> {
    let shared = Arc::clone(shared);
    thread::Builder::new().name(format!("password-{number}")).spawn(move || serve(&shared)).map(drop)
}

fn serve(shared: &Shared) {
    lower_priority();
    let mut hasher = Hasher::default();
    while let Some(Job { turn, work }) = shared.next() {
        if turn.send(()).is_ok() {
            // A panic was logged, and the requester sees its channel closed. This thread must go on.
            let _ = catch_unwind(AssertUnwindSafe(|| work(&mut hasher)));
        }
        shared.state().busy -= 1;
    }
}

/// On Linux this concerns the calling thread alone. It needs no privilege, yet a sandbox may forbid it.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::warn!(%error, "threads that hash passwords run at normal priority: a storm of logins slows the rest");
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use futures_util::FutureExt;
    use prometheus_client::encoding::text;

    use super::*;
    use crate::passwords::queue::Precedence;

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
            pool.shared.state().threads = 1;
            pool
        }
    }

    #[tokio::test]
    async fn an_unknown_user_is_refused_by_the_same_work() {
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
    fn who_waits_behind_others_is_refused_at_the_deadline_and_not_before() {
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
    fn patience_differs_and_stays_within_its_bounds() {
        let all: Vec<_> = std::iter::repeat_with(patience).take(100).collect();
        assert!(all.iter().all(|patience| (LONGEST_WAIT * 3 / 4..=LONGEST_WAIT).contains(patience)));
        assert!(all.iter().max() > all.iter().min());
    }

    #[test]
    fn who_meets_an_empty_queue_is_never_refused() {
        let pool = PasswordPool::starved();
        for busy in [0, 1] {
            pool.shared.state().busy = busy;
            let mut patient = pin!(pool.run_before(ready(()), anybody(), |_| ()));
            assert!(is_pending(patient.as_mut()) && is_pending(patient), "{busy} threads are busy");
            assert!(pool.shared.state().queue.pop().is_some());
        }
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_not_hashed() {
        let pool = PasswordPool::starved();
        for _ in 0..3 {
            assert!(is_pending(pin!(pool.hash("gone".into()))));
        }
        assert_eq!(pool.shared.state().queue.length(), 3);
        pool.shared.state().threads = 0;
        pool.hash("last".into()).await.unwrap();
        assert_eq!(pool.shared.state().queue.length(), 0);
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
        assert_eq!(pool.shared.state().threads, 1);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn only_the_threads_that_hash_have_a_lower_priority() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let of_thread = PasswordPool::new(1).run(anybody(), move |_| nice()).await;
        assert_eq!(of_thread, Ok((nice() + NICE).min(19)));
    }
}
