//! What the log of a server says. Only on its own thread a test sees that, so such a test has a single thread.

use std::io::Write;
use std::sync::{Arc, Mutex};

use jeton::settings::{LogFormat, log_filter};
use jeton::telemetry;
use tracing_subscriber::fmt::MakeWriter;

/// Makes two tests of one body, an `async fn` with this name, one for each store, on a single thread each.
macro_rules! on_one_thread {
    ($name:ident) => {
        mod $name {
            use crate::support::Backend;

            #[tokio::test]
            async fn on_sqlite() {
                super::$name(Backend::Sqlite).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                super::$name(Backend::Postgres).await;
            }
        }
    };
}
pub(crate) use on_one_thread;

/// What is logged on this thread.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    /// Begins to write down what is logged from this level on, until the guard is dropped.
    pub(crate) fn begin(level: &str) -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let filter = log_filter().parse_lossy(level);
        let subscriber = telemetry::log::subscriber(LogFormat::Text, filter, false, log.clone());
        (log, tracing::subscriber::set_default(subscriber))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    pub(crate) fn lines_with(&self, words: &str) -> usize {
        self.text().lines().filter(|line| line.contains(words)).count()
    }

    /// What was logged since this was asked last.
    pub(crate) fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}
