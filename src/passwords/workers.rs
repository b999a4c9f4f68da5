//! The threads that hash passwords, and the queue in front of them.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;

use crate::passwords::hashing::Hasher;
use crate::passwords::measures::Measures;
use crate::passwords::queue::{Queue, Requester, Waiting};

/// The nice value of the threads, see setpriority(2). With 2 processors under a flood of introspections, logins kept 34
/// % of the rate of Argon2 alone at 2, 25 % at 5 and 17 % at 10. The p99 of introspection was 2.7–4.1 ms in a login
/// storm of 64 connections, 8–28 ms at 512.
pub(super) const NICE: i32 = 2;

/// The most passwords that wait; each holds a password in memory.
pub(super) const MOST_WAITING: usize = 4096;

/// More passwords arrive than can be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overloaded;

/// A password that waits to be hashed.
pub(super) struct Job {
    /// Informs the requester that hashing begins.
    pub(super) turn: oneshot::Sender<()>,
    pub(super) work: Box<dyn FnOnce(&mut Hasher) + Send>,
}

impl Waiting for Job {
    fn is_abandoned(&self) -> bool {
        self.turn.is_closed()
    }
}

/// What the handles and the threads share.
pub(super) struct Workers {
    pub(super) most_threads: usize,
    pub(super) measures: Measures,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) queue: Queue<Job>,
    pub(super) threads: usize,
    pub(super) busy: usize,
    is_closed: bool,
}

impl State {
    fn free(&self) -> usize {
        self.threads - self.busy
    }
}

impl Workers {
    pub(super) fn new(most_threads: usize) -> Self {
        Self { most_threads, measures: Measures::default(), state: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a job, and starts a thread if all are busy. Returns whether the job is the next one of a thread: no
    /// other job waits, or a thread is free for it.
    pub(super) fn enqueue(self: &Arc<Self>, requester: Requester, job: Job) -> Result<bool, Overloaded> {
        let mut state = self.state();
        let waiting = state.queue.length();
        if state.free() <= waiting && state.threads < self.most_threads {
            match self.start(state.threads) {
                Ok(()) => state.threads += 1,
                Err(error) => tracing::error!(%error, "cannot start a thread that hashes passwords"),
            }
        }
        if state.threads == 0 {
            return Err(Overloaded);
        }
        let is_next = state.queue.has_fewer_than(state.free().max(1));
        state.queue.push(requester, job);
        state.queue.shed(MOST_WAITING);
        self.note_length(&state);
        self.changed.notify_one();
        Ok(is_next)
    }

    /// Ends the threads once the queue is empty.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_all();
    }

    fn start(self: &Arc<Self>, number: usize) -> io::Result<()> {
        let workers = Arc::clone(self);
        thread::Builder::new().name(format!("password-{number}")).spawn(move || workers.serve()).map(drop)
    }

    fn serve(&self) {
        lower_priority();
        let mut hasher = Hasher::default();
        while let Some(Job { turn, work }) = self.next() {
            if turn.send(()).is_ok() {
                // The panic hook logs a panic, and the requester sees its channel closed. This thread must go on.
                let _ = catch_unwind(AssertUnwindSafe(|| work(&mut hasher)));
            }
            self.state().busy -= 1;
        }
    }

    /// Waits for the next job. Returns none once the queue is closed and empty.
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

    fn note_length(&self, state: &State) {
        self.measures.set_waiting(i64::try_from(state.queue.length()).unwrap_or(i64::MAX));
    }
}

/// On Linux this concerns the calling thread alone. It needs no privilege, yet a sandbox may forbid it.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::warn!(%error, "threads that hash passwords run at normal priority: a storm of logins slows the rest");
    }
}
