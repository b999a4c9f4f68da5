//! Notifications of Postgres that the log has grown. Polling alone is correct; they make it quick.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};

use crate::store::{Location, Result, StoreError};

/// The channel on which the log announces its growth.
const CHANNEL: &str = "jeton_changes";

/// The longest wait for the connection.
const LIMIT: Duration = Duration::from_secs(3);

/// A connection that waits for notifications.
#[derive(Debug)]
pub struct Listener(PgListener);

impl Listener {
    /// Connects and listens. Returns none for SQLite, which does not notify.
    pub async fn connect(location: &Location) -> Result<Option<Self>> {
        let Some(options) = location.postgres() else { return Ok(None) };
        let unavailable = |error: sqlx::Error| StoreError::Unavailable(error.to_string());
        let connect = async {
            let pool = PgPoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.listen(CHANNEL).await?;
            Ok(Some(Self(listener)))
        };
        let connected = tokio::time::timeout(LIMIT, connect).await;
        connected.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(unavailable)
    }

    /// Waits for the next notification. Notifications are lost while the connection is down, so the caller polls the
    /// log after each return, also after an error.
    pub async fn wait(&mut self) -> Result<()> {
        match self.0.try_recv().await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(StoreError::Unavailable("the connection for notifications was lost".into())),
            Err(error) => Err(StoreError::Unavailable(error.to_string())),
        }
    }
}
