//! Goes on with blocks of clients whose writer did not come to the end of what they end.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::store::{Audited, Ended, Result};

/// Time between two looks for unfinished blocks.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);
/// The pause after a part, in which others get their turn.
const PAUSE: Duration = Duration::from_millis(200);

/// Every few seconds, carries out what is left of blocks whose writer did not finish. Every node does this, without waiting for the turn
/// of the cleanup: until then those clients go on.
pub(super) async fn run(app: Arc<App>) {
    loop {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        if let Err(error) = go_on(&app).await {
            tracing::debug!(%error, "what blocks of clients have still to do was postponed");
        }
    }
}

async fn go_on(app: &App) -> Result<()> {
    loop {
        let now = app.clock.now();
        let audited = Audited { actor: "cleanup".into(), request_id: None, address: None, at: now };
        let write = app.store.client_blocks_go_on(app.settings.covers_until(now), &audited);
        if app.state.honour(write).await? != Ended::Part {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}
