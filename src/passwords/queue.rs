//! Who waits to be served by a fixed number of places: bounded in length and in waiting time.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::passwords::pool::Overloaded;

/// How many may wait for each place.
const WAITING_PER_PLACE: usize = 64;
/// The longest wait for a place. Whoever would wait longer is refused at once, whoever did wait so long at this moment.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_millis(750);

/// Who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precedence {
    /// Somebody who is known, or an administrator.
    Known,
    /// Anybody: gets half of the room and of the time, so that a storm of strangers leaves the rest to those who are known.
    Anybody,
}

/// The queue. It has no lock and no clock.
#[derive(Debug)]
pub(crate) struct Queue<Job> {
    places: usize,
    busy: usize,
    waiting: VecDeque<(oneshot::Sender<()>, Job)>,
    /// What serving one takes, by the last of them.
    each: Duration,
}

impl<Job> Queue<Job> {
    /// An empty queue for so many places.
    pub(crate) fn new(places: usize) -> Self {
        Self { places, busy: 0, waiting: VecDeque::new(), each: Duration::ZERO }
    }

    /// How many wait.
    pub(crate) fn length(&self) -> usize {
        self.waiting.len()
    }

    /// How many are served and wait.
    pub(crate) fn demand(&self) -> usize {
        self.busy + self.waiting.len()
    }

    /// Lets a job wait. What is returned says when its turn has come; to drop it is to give up.
    ///
    /// # Errors
    /// When too many wait, or the wait would be too long.
    pub(crate) fn admit(&mut self, job: Job, precedence: Precedence) -> Result<oneshot::Receiver<()>, Overloaded> {
        let share = match precedence {
            Precedence::Known => 1,
            Precedence::Anybody => 2,
        };
        let (most, longest) = (self.places * WAITING_PER_PLACE / share as usize, LONGEST_WAIT / share);
        if self.waiting.len() >= most || self.expected_wait() > longest {
            return Err(Overloaded);
        }
        let (turn, turned) = oneshot::channel();
        self.waiting.push_back((turn, job));
        Ok(turned)
    }

    fn expected_wait(&self) -> Duration {
        match (self.demand() + 1).checked_sub(self.places) {
            None | Some(0) => Duration::ZERO,
            Some(ends) => self.each.mul_f64(count(ends) / count(self.places)),
        }
    }

    /// Takes the next job to a place. Those that gave up are passed over.
    pub(crate) fn take(&mut self) -> Option<Job> {
        while let Some((turn, job)) = self.waiting.pop_front() {
            if turn.send(()).is_ok() {
                self.busy += 1;
                return Some(job);
            }
        }
        None
    }

    /// A place gave up its job.
    pub(crate) fn abandoned(&mut self) {
        self.busy -= 1;
    }

    /// A place is free again, after so long.
    pub(crate) fn finished(&mut self, after: Duration) {
        self.abandoned();
        self.each = if self.each.is_zero() { after } else { self.each.mul_f64(0.8) + after.mul_f64(0.2) };
    }
}

#[expect(clippy::cast_precision_loss, reason = "it is small")]
fn count(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills the queue with numbers until one is refused.
    fn fill(queue: &mut Queue<usize>) -> Vec<oneshot::Receiver<()>> {
        (0..).map_while(|number| queue.admit(number, Precedence::Known).ok()).collect()
    }

    #[test]
    fn no_more_may_wait_than_the_length_allows() {
        let mut queue = Queue::new(3);
        let waiting = fill(&mut queue);
        assert_eq!(waiting.len(), 3 * WAITING_PER_PLACE);
        assert_eq!(queue.take(), Some(0));
        assert_eq!(fill(&mut queue).len(), 1, "as one is served, one more may wait");
    }

    #[test]
    fn a_storm_of_strangers_leaves_room_for_those_who_are_known() {
        for (each, expected) in [(1, (64, 64)), (100, (9, 8))] {
            let mut queue = Queue::new(2);
            let _turn = queue.admit(0, Precedence::Known).unwrap();
            queue.take().unwrap();
            queue.finished(Duration::from_millis(each));
            let strangers: Vec<_> = (0..).map_while(|number| queue.admit(number, Precedence::Anybody).ok()).collect();
            let known = fill(&mut queue);
            assert_eq!((strangers.len(), known.len()), expected, "{each} ms");
            assert_eq!(queue.admit(0, Precedence::Anybody).err(), Some(Overloaded));
        }
    }

    #[test]
    fn whoever_would_wait_too_long_is_refused_at_once() {
        for (each, places, most) in [(100, 1, 8), (100, 2, 17), (375, 1, 3), (750, 1, 2), (751, 1, 1), (5000, 2, 2)] {
            let mut queue = Queue::new(places);
            let _turn = queue.admit(0, Precedence::Known).unwrap();
            queue.take().unwrap();
            queue.finished(Duration::from_millis(each));
            let waiting = fill(&mut queue);
            assert_eq!(waiting.len(), most, "{places} places, {each} ms");
        }
    }

    #[test]
    fn whoever_has_gone_counts_until_its_turn_and_is_then_passed_over() {
        let mut queue = Queue::new(1);
        let mut waiting = fill(&mut queue);
        let last = waiting.pop().unwrap();
        drop(waiting);
        assert_eq!(queue.admit(0, Precedence::Known).err(), Some(Overloaded), "those that have gone still count");
        assert_eq!(queue.take(), Some(WAITING_PER_PLACE - 1));
        drop(last);
        assert_eq!((queue.demand(), queue.take()), (1, None), "a place is held although its client has gone");
        queue.finished(Duration::from_millis(1));
        assert_eq!(queue.demand(), 0);
    }

    #[test]
    fn a_hash_that_took_very_long_does_not_shut_the_queue_for_good() {
        let mut queue = Queue::new(1);
        for after in [3600, 0, 0, 0] {
            let _turn = queue.admit(0, Precedence::Known).expect("a free place is always given");
            queue.take().unwrap();
            assert!(after != 0 || queue.admit(0, Precedence::Known).is_err());
            queue.finished(Duration::from_secs(after));
        }
        for _ in 0..100 {
            let _turn = queue.admit(0, Precedence::Known).unwrap();
            queue.take().unwrap();
            queue.finished(Duration::from_millis(10));
        }
        assert_eq!(fill(&mut queue).len(), WAITING_PER_PLACE);
    }
}
