//! Deadlines of requests.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

/// As `tokio::time::timeout`, but a timer is set only for what is not done when it is polled again at once: setting one takes
/// the lock that all timers share, and most requests wait only for hyper's next turn, which brings the body.
pub(crate) async fn in_time<F: Future>(limit: Duration, work: F) -> Result<F::Output, Elapsed> {
    let end = Instant::now() + limit;
    let mut work = pin!(work);
    let mut is_again = false;
    let soon = poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if is_again => Poll::Ready(None),
        Poll::Pending => {
            is_again = true;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    });
    match soon.await {
        Some(done) => Ok(done),
        None => timeout_at(end, work).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_done_in_time_is_returned_and_what_is_not_ends_at_the_deadline() {
        let hour = Duration::from_secs(3600);
        let turns = async |count| {
            for _ in 0..count {
                tokio::task::yield_now().await;
            }
            count
        };
        for count in 0..4 {
            assert_eq!(in_time(hour, turns(count)).await.ok(), Some(count));
        }
        let endless = in_time(Duration::from_millis(1), std::future::pending::<()>());
        let Ok(ended) = tokio::time::timeout(hour, endless).await else { panic!("there is no deadline") };
        assert!(ended.is_err());
    }
}
