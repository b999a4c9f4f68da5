//! A place at which passwords are hashed: two threads, of which one hashes at the lowest priority of the machine.
//!
//! A thread of low priority may be without a processor for long, also while it holds a lock: whoever waits for that lock
//! then waits as long. So the thread that hashes shares nothing with anybody but its own companion of usual priority,
//! which takes the work from the queue, passes it on, and wakes the request. When the other is starved, the companion
//! hashes itself, and rests after each hash until the other comes back: so logins go on, slowly, on a machine that is
//! busy with other requests.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};

use crate::passwords::hashing::Hasher;

/// A hash that takes so many times what it should is starved.
const STARVED_AFTER: u32 = 5;
/// One part in so many is what the companion takes of a processor then.
const PARTS: u32 = 5;

/// What is to be done with a password.
#[derive(Clone)]
pub(crate) enum Task {
    /// Compare it with a hash that was kept, if there is one.
    Verify(Option<String>),
    /// Make a new hash.
    Hash,
}

/// What came of it.
pub(crate) enum Answer {
    Fits(bool),
    Hash(String),
}

/// Work that wanders between the two threads, with the memory that it needs.
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
        // What comes back late may lie there until the next login.
        (self.password, self.task) = ("".into(), Task::Hash);
        self
    }
}

/// The side of the companion.
pub(crate) struct Place {
    work: Sender<Work>,
    done: Receiver<Work>,
    /// The memory for a hash, unless the other thread has it.
    hasher: Hasher,
    /// How many places share a processor: with more than one, a hash takes as many times as long.
    share: u32,
    /// The least time that a hash took lately; none before the first, which is made by the companion to know it.
    quickest: Option<Duration>,
    /// The other thread was starved, and has not come back from its work yet.
    is_alone: bool,
    rests_until: Option<Instant>,
}

impl Place {
    /// Starts the thread that hashes at one of so many places.
    ///
    /// # Errors
    /// When the machine has no more threads.
    pub(crate) fn start(number: usize, places: usize) -> io::Result<Self> {
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
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let share = u32::try_from(places.div_ceil(processors)).unwrap_or(u32::MAX);
        Ok(Self::with(work, done, share))
    }

    fn with(work: Sender<Work>, done: Receiver<Work>, share: u32) -> Self {
        Self { work, done, hasher: Hasher::default(), share, quickest: None, is_alone: false, rests_until: None }
    }

    /// Waits until the next work may begin.
    pub(crate) fn rest(&mut self) {
        let Some(until) = self.rests_until.take() else { return };
        match self.done.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(late) => self.is_joined_again(late),
            Err(RecvTimeoutError::Timeout) => {}
            // The other thread has ended: the next work finds that out.
            Err(RecvTimeoutError::Disconnected) => self.is_alone = false,
        }
    }

    /// Does the work; how long it took. None: the thread that hashes has ended.
    pub(crate) fn run(&mut self, password: SecretString, task: Task) -> Option<(Answer, Duration)> {
        let begun = Instant::now();
        if self.is_alone {
            match self.done.try_recv() {
                Ok(late) => self.is_joined_again(late),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return None,
            }
        }
        if let Some(quickest) = self.quickest.filter(|_| !self.is_alone) {
            let work = self.take(password.clone(), task.clone());
            self.work.send(work).ok()?;
            match self.done.recv_timeout(quickest.saturating_mul(STARVED_AFTER).saturating_mul(self.share)) {
                Ok(work) => {
                    self.hasher = work.hasher;
                    self.quickest = Some(quickest.min(begun.elapsed()));
                    return Some((work.answer?, begun.elapsed()));
                }
                Err(RecvTimeoutError::Timeout) => self.is_alone = true,
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        let here = Instant::now();
        let work = self.take(password, task).done();
        self.hasher = work.hasher;
        let took = here.elapsed();
        // A machine may become slower than it was: what a hash takes at usual priority counts.
        self.quickest = Some(self.quickest.map_or(took, |quickest| took.min(quickest * 2)));
        self.rests_until = self.is_alone.then(|| Instant::now() + took * (PARTS - 1));
        Some((work.answer?, begun.elapsed()))
    }

    fn take(&mut self, password: SecretString, task: Task) -> Work {
        Work { hasher: std::mem::take(&mut self.hasher), password, task, answer: None }
    }

    /// The other thread is there again. Its answer is too late for anybody, and of two memories one is enough.
    fn is_joined_again(&mut self, late: Work) {
        (self.is_alone, self.hasher) = (false, late.hasher);
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
        let mut place = Place::start(90, 1).unwrap();
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
            let mut place = Place::start(91, 1).unwrap();
            for _ in 0..2 {
                place.run("x".into(), Task::Verify(None)).unwrap();
            }
            (policy_of("hash-91"), policy_of("companion"))
        });
        assert_eq!(companion.unwrap().join().unwrap(), (SCHED_IDLE, SCHED_OTHER));
    }

    #[test]
    fn while_the_other_thread_is_starved_the_companion_hashes_and_rests() {
        let (work, waiting) = channel::<Work>();
        let (finished, done) = channel();
        let mut place = Place::with(work, done, 1);
        let is_right = |place: &mut Place| {
            let Some((Answer::Hash(hash), _)) = place.run("right".into(), Task::Hash) else { panic!("no hash") };
            Hasher::default().verify(b"right", Some(&hash))
        };
        assert!(is_right(&mut place), "the first one is made here");
        assert!(waiting.try_recv().is_err() && !place.is_alone && place.rests_until.is_none());
        // The other takes the second one, and does not get on with it.
        assert!(is_right(&mut place));
        let starved = waiting.try_recv().unwrap();
        for _ in 0..3 {
            place.rest();
            let begun = Instant::now();
            assert!(place.is_alone && is_right(&mut place));
            let rest = place.rests_until.unwrap().duration_since(begun);
            assert!(rest >= place.quickest.unwrap() * PARTS, "{rest:?} is a fifth of a processor");
        }
        assert!(waiting.try_recv().is_err(), "it gets no more work meanwhile");
        // It comes back while the companion rests, and gets the next one.
        finished.send(starved.done()).unwrap();
        place.rest();
        assert!(!place.is_alone && place.rests_until.is_none());
        let other = thread::spawn(move || finished.send(waiting.recv().unwrap().done()).is_ok());
        assert!(is_right(&mut place) && other.join().unwrap());
    }

    #[test]
    fn a_place_whose_other_thread_has_ended_says_so() {
        let (work, waiting) = channel::<Work>();
        let (finished, done) = channel();
        let mut place = Place::with(work, done, 1);
        assert!(place.run("x".into(), Task::Hash).is_some());
        drop((waiting, finished));
        assert!(place.run("x".into(), Task::Hash).is_none());
    }

    #[test]
    fn a_place_whose_other_thread_ended_while_it_was_starved_says_so() {
        let (work, waiting) = channel::<Work>();
        let (finished, done) = channel();
        let mut place = Place::with(work, done, 1);
        for _ in 0..2 {
            assert!(place.run("x".into(), Task::Hash).is_some());
        }
        assert!(place.is_alone);
        drop((waiting, finished));
        place.rest();
        assert!(place.run("x".into(), Task::Hash).is_none());
    }

    #[test]
    fn work_that_is_done_holds_no_password() {
        let work = Work {
            hasher: Hasher::default(),
            password: "right".into(),
            task: Task::Verify(Some("kept".into())),
            answer: None,
        };
        let work = work.done();
        assert!(work.password.expose_secret().is_empty() && matches!(work.task, Task::Hash));
        assert!(matches!(work.answer, Some(Answer::Fits(false))));
    }
}
