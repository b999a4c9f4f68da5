//! Parts of a page that are kept current while somebody looks at it.
//!
//! A stream goes on for as long as the browser session lasts. It does not count as a use of that session: a page that stays open does not
//! keep anybody logged in.

use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;

use crate::app::App;
use crate::app::streams::{OpenStream, StreamState};
use crate::console::page::Parts;
use crate::console::visit::{Outcome, Problem, Visit};
use crate::console::{overview, revocations};
use crate::protocol::role::Role;
use crate::protocol::time::Timestamp;

/// The time between two looks at what has changed.
const EVERY: Duration = Duration::from_secs(2);

/// Why a stream ends with the login.
pub const LOGGED_OUT: &str = "You are logged out.";

/// What a stream keeps current.
#[derive(Clone, Debug)]
enum Subject {
    Overview,
    /// The receipts of the revocation with this number.
    Receipts(String),
}

/// What a stream says next.
pub enum Told {
    /// Parts of the page, and the present.
    Parts(Parts, Timestamp),
    /// Why the stream ends, and whether it may begin again.
    End(&'static str, bool),
}

/// A stream for one page.
pub struct Live {
    session: Uuid,
    role: Role,
    subject: Subject,
    state: watch::Receiver<StreamState>,
    has_begun: bool,
    /// What it says last, once nothing can change any more.
    end: Option<(&'static str, bool)>,
    has_ended: bool,
    _open: OpenStream,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Live").field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// Begins a stream.
pub(super) async fn begin(visit: &Visit<'_>) -> Outcome<Live> {
    let subject = match visit.one("revocation")? {
        None => Subject::Overview,
        Some(number) => {
            // Whoever may see the page may see it change.
            revocations::find(visit, number).await?;
            Subject::Receipts(number.to_owned())
        }
    };
    let open = visit.app.console_streams.open(&visit.actor().name);
    let Some(open) = open else {
        return Err(Problem::TooMany("Too many pages are kept current: close some, or load them again by hand."));
    };
    Ok(Live {
        session: visit.record.session.id,
        role: visit.role,
        subject,
        state: visit.app.console_streams.follow(),
        has_begun: false,
        end: None,
        has_ended: false,
        _open: open,
    })
}

impl Live {
    /// What it says next; `None` after its end.
    pub async fn next(&mut self, app: &App) -> Option<Told> {
        if self.has_ended {
            return None;
        }
        if self.has_begun && self.end.is_none() {
            tokio::select! {
                // It lasts as long as the app.
                _ = self.state.changed() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
        self.has_begun = true;
        let over = match self.end {
            Some(end) => Some(end),
            None => self.over(app).await,
        };
        if let Some((why, may_begin_again)) = over {
            self.has_ended = true;
            return Some(Told::End(why, may_begin_again));
        }
        let parts = match &self.subject {
            Subject::Overview => overview::parts(app, self.role).await,
            Subject::Receipts(number) => revocations::parts(app, number).await.map(|(parts, is_complete)| {
                self.end = is_complete.then_some(("Every live node has seen it.", false));
                parts
            }),
        };
        Some(parts.map_or_else(
            |_| {
                self.has_ended = true;
                Told::End("It could not be read just now.", true)
            },
            |parts| Told::Parts(parts, app.clock.now()),
        ))
    }

    /// Why it ends, if it does. A change of the person's role ends the browser session.
    async fn over(&self, app: &App) -> Option<(&'static str, bool)> {
        if self.state.borrow().is_closed {
            return Some(("The server stops.", true));
        }
        match app.store.browser_session_is_active(self.session, app.clock.now()).await {
            Ok(true) => None,
            Ok(false) => Some((LOGGED_OUT, false)),
            Err(_) => Some(("It could not be read just now.", true)),
        }
    }
}
