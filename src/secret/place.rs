//! A place at which passwords are hashed: two threads, of which one hashes at the lowest priority of the machine.
//!
//! A thread of low priority may be without a processor for long, also while it holds a lock: whoever waits for that lock
//! then waits as long. So the thread that hashes shares nothing with anybody but its own companion of usual priority,
//! which takes the work from the queue, passes it on, and wakes the request. That companion also hashes itself for a
//! while when the other was starved, so that logins go on, slowly, on a machine that is busy with other requests.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};

use super::hashing::Hasher;

/// What is to be done with a password.
pub(super) enum Task {
    /// Compare it with a hash that was kept, if there is one.
    Verify(Option<String>),
    /// Make a new hash.
    Hash,
}

/// What came of it.
pub(super) enum Answer {
    Fits(bool),
    Hash(String),
}

/// Work that wanders between the two threads, with the memory that it needs: there is one of it for each place.
struct Work {
    hasher: Hasher,
    password: SecretString,
    task: Task,
    answer: Option<Answer>,
}

impl Work {
    fn done(mut self) -> Self {
        let password = self.password.expose_secret().as_bytes();
        self.answer = Some(match &self.task {
            Task::Verify(hash) => Answer::Fits(self.hasher.verify(password, hash.as_deref())),
            Task::Hash => Answer::Hash(self.hasher.hash(password)),
        });
        self
    }
}

/// The side of the companion.
pub(super) struct Place {
    work: Sender<Work>,
    done: Receiver<Work>,
    hasher: Hasher,
    share: Share,
}

impl Place {
    /// Starts the thread that hashes.
    ///
    /// # Errors
    /// When the machine has no more threads.
    pub(super) fn start(number: usize) -> io::Result<Self> {
        let (work, waiting) = channel::<Work>();
        let (finished, done) = channel();
        thread::Builder::new().name(format!("hash-{number}")).spawn(move || {
            lower_priority();
            while let Ok(work) = waiting.recv() {
                if finished.send(work.done()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { work, done, hasher: Hasher::default(), share: Share::default() })
    }

    /// Does the work; how long it took. None: the thread that hashes has ended.
    pub(super) fn run(&mut self, password: SecretString, task: Task) -> Option<(Answer, Duration)> {
        let begun = Instant::now();
        let work = Work { hasher: std::mem::take(&mut self.hasher), password, task, answer: None };
        let here = self.share.is_owed();
        let work = if here {
            work.done()
        } else {
            self.work.send(work).ok()?;
            self.done.recv().ok()?
        };
        self.hasher = work.hasher;
        let took = begun.elapsed();
        self.share.note(took, here);
        Some((work.answer?, took))
    }
}

/// Sees to it that hashing gets a fifth of a processor.
#[derive(Debug)]
struct Share {
    quickest: Duration,
    /// How many hashes are made at usual priority next.
    owed: u32,
}

impl Default for Share {
    /// The first hash is made at usual priority, to know what one takes.
    fn default() -> Self {
        Self { quickest: Duration::MAX, owed: 1 }
    }
}

impl Share {
    /// A hash that took so many times the quickest was starved.
    const STARVED: u32 = 5;
    /// The most that is made up for: a machine may sleep for a night.
    const MOST_OWED: u32 = 64;

    fn is_owed(&self) -> bool {
        self.owed > 0
    }

    fn note(&mut self, took: Duration, here: bool) {
        self.quickest = self.quickest.min(took);
        if here {
            self.owed -= 1;
            return;
        }
        let due = took.as_nanos() / (self.quickest.as_nanos().max(1) * u128::from(Self::STARVED));
        self.owed = u32::try_from(due).unwrap_or(u32::MAX).min(Self::MOST_OWED);
    }
}

/// Lets all others go first. It needs no privilege, yet a sandbox may forbid it.
///
/// `SCHED_IDLE` of sched(7): whoever wakes up takes the processor from such a thread at once. A thread at nice 19 may keep
/// it until the next tick of the clock, which others see in their latency.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        use thread_priority::unix::{NormalThreadSchedulePolicy, ThreadSchedulePolicy};
        use thread_priority::{
            ThreadPriority, set_thread_priority_and_policy, thread_native_id, thread_schedule_policy,
        };
        let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        // After the policy this sets the nice value to 0, which a program that was started with a higher one may not: the
        // error is then of that alone.
        let set = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy);
        if let Err(error) = set
            && thread_schedule_policy() != Ok(policy)
        {
            static TOLD: std::sync::Once = std::sync::Once::new();
            TOLD.call_once(|| {
                let text = "threads that hash passwords run at usual priority: a storm of logins slows the rest";
                tracing::warn!(?error, "{text}");
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_answers_with_the_same_memory_again_and_again() {
        let mut place = Place::start(90).unwrap();
        let Some((Answer::Hash(hash), _)) = place.run("right".into(), Task::Hash) else { panic!("no hash") };
        for (password, kept, expected) in
            [("right", Some(hash.clone()), true), ("wrong", Some(hash), false), ("right", None, false)]
        {
            let Some((Answer::Fits(fits), _)) = place.run(password.into(), Task::Verify(kept)) else {
                panic!("no answer")
            };
            assert_eq!(fits, expected);
        }
    }

    /// The scheduling policy of the thread with this name, by proc(5): field 41, of which two stand before the name's end.
    #[cfg(target_os = "linux")]
    fn policy_of(name: &str) -> u32 {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let stats = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("stat")).ok());
        let stat = stats.into_iter().find(|stat| stat.contains(&format!("({name})"))).expect("the thread is there");
        stat.rsplit_once(')').unwrap().1.split_whitespace().nth(38).unwrap().parse().unwrap()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_the_thread_that_hashes_has_the_lowest_priority() {
        const SCHED_OTHER: u32 = 0;
        const SCHED_IDLE: u32 = 5;
        let companion = thread::Builder::new().name("companion".into());
        let companion = companion.spawn(|| {
            let mut place = Place::start(91).unwrap();
            for _ in 0..2 {
                place.run("x".into(), Task::Verify(None)).unwrap();
            }
            (policy_of("hash-91"), policy_of("companion"))
        });
        assert_eq!(companion.unwrap().join().unwrap(), (SCHED_IDLE, SCHED_OTHER));
    }

    #[test]
    fn a_place_that_was_starved_makes_up_for_it_and_then_tries_again() {
        let millis = Duration::from_millis;
        let mut share = Share::default();
        assert!(share.is_owed(), "the first is made at usual priority");
        share.note(millis(20), true);
        for took in [17, 30, 84] {
            assert!(!share.is_owed());
            share.note(millis(took), false);
        }
        for (starved, owed) in [(85, 1), (850, 10), (1_000_000, Share::MOST_OWED)] {
            share.note(millis(starved), false);
            for _ in 0..owed {
                assert!(share.is_owed(), "{starved}");
                share.note(millis(40), true);
            }
            assert!(!share.is_owed(), "{starved}");
        }
    }
}
