//! One round: the actors and their order.

use super::Scene;
use crate::secrets::needles::Place;

/// Who acts in one round.
pub(super) struct Cast {
    /// Every grant, a generated secret; and one whose secret was chosen, one with opaque tokens, and an administrator.
    pub(super) app: (String, String),
    pub(super) chosen: (String, String),
    pub(super) opaque: (String, String),
    pub(super) ops: (String, String),
    pub(super) user: String,
    pub(super) password: String,
}

impl Scene {
    /// One round, over TLS or plain HTTP. `outage` stops the database (`true`) and starts it again, if that is
    /// possible.
    pub(crate) async fn play(&mut self, log_format: &str, is_encrypted: bool, outage: impl AsyncFn(bool)) {
        self.is_encrypted = is_encrypted;
        for (name, file) in self.tls.clone() {
            if is_encrypted {
                self.bench.set(name, &file);
            } else {
                self.bench.environment.remove(name);
            }
        }
        self.bench.set("JETON_LOG_FORMAT", log_format);
        self.bench.set("JETON_LOG_LEVEL", "trace");
        let cast = self.enter(log_format);
        self.commands_that_fail(&cast);
        self.server = Some(self.bench.serve(&[]));
        let (access, refresh) = self.tokens(&cast).await;
        self.assertions(log_format).await;
        self.people(log_format).await;
        self.tokens_shown_around(&cast, &access, &refresh).await;
        self.requests_that_fail(&cast, &access, &refresh).await;
        self.administration(&cast, &access).await;
        outage(true).await;
        self.during_an_outage(&cast, &access, &refresh).await;
        outage(false).await;
        self.pages().await;
        self.commands_beside_the_server(&access, &refresh);
        self.change_of_the_master_key();
        self.pages().await;
    }

    /// Ends the server; its log is searched.
    pub(crate) fn end(&mut self) {
        let server = self.server.take().unwrap();
        let log = std::sync::Arc::clone(&server.log);
        server.stop();
        let log = log.lock().unwrap().clone();
        // Which crates log at these levels depends on the build; the database driver always does.
        assert!(log.contains("DEBUG") && log.contains("db.statement"), "the log has everything: {log}");
        assert!(log.contains("refused") && log.contains("token explained"), "{log}");
        assert!(log.contains("guessing is slowed down") && log.contains("asked too often"), "{log}");
        assert!(!log.contains("panicked"), "{log}");
        self.places.push(Place::new("log of the server", log));
    }
}
