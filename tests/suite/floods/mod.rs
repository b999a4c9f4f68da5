//! More than a server is used to, and a world that is not as it should be: floods of revocations and of unknown names,
//! clocks that jump, what does not exist.

mod clock;
mod nothing;
mod proxy;
mod revocations;
mod unknown;

use std::time::{Duration, Instant};

use crate::support::Answer;

/// The longest wait for what has to come.
const LIMIT: Duration = Duration::from_secs(60);

/// Tries until it is so.
async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether this is the honest answer of a server that cannot tell at the moment: 503, and when to come again.
fn is_later(answer: &Answer) -> bool {
    let is_later = answer.status.as_u16() == 503;
    if is_later {
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
        assert_eq!(answer.json["error"], "temporarily_unavailable", "{answer:?}");
    }
    is_later
}
