//! The pool that hashes passwords: a fixed number of threads of its own and a bounded queue, so that a storm of logins
//! never starves the rest. A place is held until the hash is really over, also when the client has gone.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;

use super::hashing::Hasher;

/// How many requests may wait for each thread.
const WAITING_PER_THREAD: usize = 64;
/// The longest wait in the queue.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// More passwords arrive than can be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overloaded;

/// A password that waits to be hashed.
struct Job {
    password: SecretString,
    /// What to compare with; none: make a new hash.
    hash: Option<String>,
    queued: Instant,
    answer: oneshot::Sender<Result<Answer, Overloaded>>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Job")
    }
}

enum Answer {
    Fits(bool),
    Hash(String),
}

/// A handle to the pool. Threads start with the first password, so that a server at rest stays small.
#[derive(Clone, Debug)]
pub struct PasswordPool {
    threads: usize,
    queue: Arc<OnceLock<SyncSender<Job>>>,
    /// What the password of an unknown user is compared with, so that it takes the same time.
    nobody: Arc<OnceLock<String>>,
}

impl PasswordPool {
    /// A pool of so many threads.
    pub fn new(threads: usize) -> Self {
        Self { threads, queue: Arc::default(), nobody: Arc::default() }
    }

    /// Whether a password fits a hash. Without a hash it does not, after the same time.
    ///
    /// # Errors
    /// [`Overloaded`] when the queue is full or the wait too long.
    pub async fn verify(&self, password: SecretString, hash: Option<String>) -> Result<bool, Overloaded> {
        let known = hash.is_some();
        let hash = match (hash, self.nobody.get()) {
            (Some(hash), _) => hash,
            (None, Some(hash)) => hash.clone(),
            (None, None) => {
                let hash = self.hash(SecretString::from("nobody has this password")).await?;
                self.nobody.get_or_init(|| hash).clone()
            }
        };
        match self.run(password, Some(hash)).await? {
            Answer::Fits(fits) => Ok(fits && known),
            Answer::Hash(_) => Ok(false),
        }
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// [`Overloaded`] when the queue is full or the wait too long.
    pub async fn hash(&self, password: SecretString) -> Result<String, Overloaded> {
        match self.run(password, None).await? {
            Answer::Hash(hash) => Ok(hash),
            Answer::Fits(_) => Err(Overloaded),
        }
    }

    async fn run(&self, password: SecretString, hash: Option<String>) -> Result<Answer, Overloaded> {
        let (answer, answered) = oneshot::channel();
        let job = Job { password, hash, queued: Instant::now(), answer };
        match self.queue.get_or_init(|| start(self.threads)).try_send(job) {
            Ok(()) => answered.await.unwrap_or(Err(Overloaded)),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(Overloaded),
        }
    }
}

fn start(threads: usize) -> SyncSender<Job> {
    let (sender, receiver) = sync_channel(threads * WAITING_PER_THREAD);
    let receiver = Arc::new(Mutex::new(receiver));
    for number in 0..threads {
        let receiver = Arc::clone(&receiver);
        let name = format!("password-{number}");
        if let Err(error) = std::thread::Builder::new().name(name).spawn(move || work(&receiver)) {
            tracing::error!(%error, "a thread that hashes passwords cannot be started");
        }
    }
    sender
}

fn work(receiver: &Mutex<Receiver<Job>>) {
    let mut hasher = Hasher::default();
    loop {
        let job = match receiver.lock() {
            Ok(receiver) => receiver.recv(),
            Err(_) => return,
        };
        let Ok(job) = job else { return };
        let outcome = if job.queued.elapsed() > LONGEST_WAIT {
            Err(Overloaded)
        } else {
            let password = job.password.expose_secret().as_bytes();
            Ok(match &job.hash {
                Some(hash) => Answer::Fits(hasher.verify(password, hash)),
                None => Answer::Hash(hasher.hash(password)),
            })
        };
        // Nobody listens any more when the client has gone.
        let _ = job.answer.send(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_unknown_user_is_refused_by_the_same_work() {
        let pool = PasswordPool::new(1);
        let hash = pool.hash("right".into()).await.unwrap();
        assert_eq!(pool.verify("right".into(), Some(hash.clone())).await, Ok(true));
        assert_eq!(pool.verify("wrong".into(), Some(hash)).await, Ok(false));
        assert_eq!(pool.verify("nobody has this password".into(), None).await, Ok(false));
    }

    #[tokio::test]
    async fn more_than_the_queue_holds_is_refused_and_the_rest_is_answered() {
        let pool = PasswordPool::new(1);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..WAITING_PER_THREAD * 2 {
            let pool = pool.clone();
            tasks.spawn(async move { pool.hash("x".into()).await.is_ok() });
        }
        let answers = tasks.join_all().await;
        assert!(answers.contains(&true) && answers.contains(&false));
        assert!(pool.hash("after".into()).await.is_ok());
    }
}
