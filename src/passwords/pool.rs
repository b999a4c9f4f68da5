//! Hashing passwords without blocking the rest of the server.
//!
//! Hashing has threads of its own, so that a storm of logins never blocks the async runtime. Their nice value lets
//! other requests go first, without starving the logins beside a flood of cheap requests. A login that no thread takes
//! up in about two seconds is refused then and no earlier, so that asking again at once gains nothing.

#[cfg(test)]
mod tests;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::registry::Registry;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;

use crate::crypto::random;
use crate::current_request;
use crate::passwords::hashing::Hasher;
use crate::passwords::queue::Requester;
use crate::passwords::workers::{Job, Workers};
use crate::traces::Kind;

pub use crate::passwords::workers::Overloaded;

/// The longest wait for a thread. It does not apply to a login that found an empty queue, so that one login at a time
/// succeeds however busy other programs keep the machine.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// A handle to the threads. Each starts, and allocates 19 MiB for itself, when it is first needed, so that an idle
/// server stays small.
#[derive(Clone)]
pub struct PasswordPool {
    workers: Arc<Workers>,
    _close: Arc<CloseOnDrop>,
}

impl std::fmt::Debug for PasswordPool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let most_threads = self.workers.most_threads;
        formatter.debug_struct("PasswordPool").field("most_threads", &most_threads).finish_non_exhaustive()
    }
}

/// Ends the threads with the last handle.
struct CloseOnDrop(Arc<Workers>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl PasswordPool {
    /// A pool of at most this many threads.
    pub fn new(most_threads: usize) -> Self {
        let workers = Arc::new(Workers::new(most_threads));
        Self { _close: Arc::new(CloseOnDrop(Arc::clone(&workers))), workers }
    }

    /// Whether a password matches a hash; [`Overloaded`] after about 2 s in the queue. Without a hash it does not match,
    /// after the same work.
    pub async fn verify(
        &self,
        password: SecretString,
        hash: Option<String>,
        requester: Requester,
    ) -> Result<bool, Overloaded> {
        let work = move |hasher: &mut Hasher| hasher.verify(password.expose_secret().as_bytes(), hash.as_deref());
        self.run(requester, work).await
    }

    /// Hashes a new password for an administrator; [`Overloaded`] after about 2 s in the queue.
    pub async fn hash(&self, password: SecretString) -> Result<String, Overloaded> {
        self.hash_for(Requester::administrator(), password).await
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// [`Overloaded`] after about 2 s in the queue.
    pub async fn hash_for(&self, requester: Requester, password: SecretString) -> Result<String, Overloaded> {
        let work = move |hasher: &mut Hasher| hasher.hash(password.expose_secret().as_bytes());
        self.run(requester, work).await
    }

    /// How many wait now.
    pub(crate) fn waiting(&self) -> i64 {
        self.workers.measures.waiting.get()
    }

    /// The most that waited at a time since [`take_most_waiting`](Self::take_most_waiting).
    pub(crate) fn most_waiting(&self) -> i64 {
        self.workers.measures.most_waiting()
    }

    /// The same; from then on it is counted anew.
    pub(crate) fn take_most_waiting(&self) -> i64 {
        self.workers.measures.take_most_waiting()
    }

    /// Registers the pool's metrics.
    pub(crate) fn register(&self, registry: &mut Registry) {
        self.workers.measures.register(registry);
    }

    async fn run<T: Send + 'static>(
        &self,
        requester: Requester,
        work: impl FnOnce(&mut Hasher) -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let outcome = self.run_before(tokio::time::sleep(patience()), requester, work).await;
        if outcome.is_err() {
            self.workers.measures.refused.inc();
        }
        outcome
    }

    /// Does the work if a thread begins it before the deadline, and always if no other job was waiting. A job that a full
    /// queue sheds is refused at the deadline too. Dropping the future gives up the turn in the queue; work that has
    /// begun is finished.
    async fn run_before<T: Send + 'static>(
        &self,
        deadline: impl Future<Output = ()>,
        requester: Requester,
        work: impl FnOnce(&mut Hasher) -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let (turn, turned) = oneshot::channel();
        let (answer, answered) = oneshot::channel();
        let hashes = self.workers.measures.hashes.clone();
        let request = current_request::current();
        let work = Box::new(move |hasher: &mut Hasher| {
            let begun = Instant::now();
            let outcome = current_request::within_sync(request, || {
                let _span = current_request::span(Kind::Internal, "password hash");
                work(hasher)
            });
            // Before the answer, so that its recipient finds this hash among the metrics.
            hashes.observe(begun.elapsed().as_secs_f64());
            // The client may have gone.
            let _ = answer.send(outcome);
        });
        let mut wait = current_request::span(Kind::Internal, "password queue");
        let is_next = self.workers.enqueue(requester, Job { turn, work })?;
        let mut deadline = pin!(deadline);
        let turned = tokio::select! {
            biased;
            turned = turned => turned,
            () = &mut deadline, if !is_next => {
                wait.failed("overloaded");
                return Err(Overloaded);
            }
        };
        if turned.is_err() {
            deadline.await;
            wait.failed("overloaded");
            return Err(Overloaded);
        }
        wait.waited();
        answered.await.map_err(|_| Overloaded)
    }
}

/// How long one login may wait: between three quarters of [`LONGEST_WAIT`] and all of it. Refused clients that try
/// again at once would otherwise all return at the same moment, and hold up the requests behind them.
fn patience() -> Duration {
    let [byte] = random();
    LONGEST_WAIT - LONGEST_WAIT / 4 * u32::from(byte) / u32::from(u8::MAX)
}
