//! Examinations beside other requests: what is quickly done is done at once, the rest apart and in turn, so that nobody
//! waits for what others send but those who send the like.

use tokio::sync::Semaphore;

use crate::diagnosis::examine::{self, MAX_EFFORT_AT_ONCE, examine_within};
use crate::diagnosis::report::Diagnosis;
use crate::issuer::Issuer;
use crate::tokens::verify::{Verified, VerifyError};

/// Held while a refused text is examined apart.
static REFUSALS: Semaphore = Semaphore::const_new(1);
/// Held while a text is examined for an explanation. Only who is known may ask for one, so strangers are not in the queue.
static EXPLANATIONS: Semaphore = Semaphore::const_new(1);

/// Examines a text that was presented as a token, without repairs.
pub(crate) async fn examine(issuer: &Issuer, text: &str, verified: Result<Verified, VerifyError>) -> Diagnosis {
    let error = match verified {
        Ok(token) => return examine::examine(text, Ok(token), issuer.view().context(), 0),
        Err(error) => error,
    };
    match examine_within(MAX_EFFORT_AT_ONCE, text, &error, issuer.view().context(), 0) {
        Some(diagnosis) => diagnosis,
        None => apart(&REFUSALS, issuer, text, Err(error), 0).await,
    }
}

/// Examines a text for an explanation: at most `max_repair_checks` repaired texts are checked against the keys.
pub(crate) async fn examine_to_explain(
    issuer: &Issuer,
    text: &str,
    verified: Result<Verified, VerifyError>,
    max_repair_checks: usize,
) -> Diagnosis {
    apart(&EXPLANATIONS, issuer, text, verified, max_repair_checks).await
}

async fn apart(
    turns: &'static Semaphore,
    issuer: &Issuer,
    text: &str,
    verified: Result<Verified, VerifyError>,
    max_repair_checks: usize,
) -> Diagnosis {
    // It is held until the examination ends, also when nobody waits for it any more.
    let turn = turns.acquire().await;
    let (text, view) = (text.to_owned(), issuer.view());
    let examination = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        examine::examine(&text, verified, view.context(), max_repair_checks)
    });
    match examination.await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(diagnosis) => diagnosis,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The runtime ends, and with it this request.
        Err(Err(_)) => std::future::pending().await,
    }
}
