//! Following events.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use utoipa::IntoParams;

use crate::admin::schema::QueryText;
use crate::admin::{Actor, AdminError, Result};
use crate::app::App;
use crate::app::streams::{OpenStream, StreamState};
use crate::protocol::claims::AccessClaims;
use crate::protocol::event::{Event, EventTypes};
use crate::validation::administrator;

/// The most events that are read at a time.
const AT_ONCE: i64 = 100;
/// The longest time for which a stream says nothing: proxies end what is silent.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Between two parts that have nothing of what is asked for, so that a stream which seeks little does not keep the database busy.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest time for which a stream goes on without asking whether its administrator's token still holds.
const JUDGED_EVERY: Duration = Duration::from_secs(1);

/// Which events to follow, as the request writes it.
#[derive(Clone, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventsRequest {
    /// Only events after this one, by its number; only new ones if absent. `0` begins with the oldest that is kept. The header
    /// `Last-Event-ID`, which browsers send when they connect again, goes before it.
    #[param(value_type = Option<i64>, minimum = 0, example = 0)]
    pub after: Option<String>,
    /// Only events of these types, separated by commas: `client.update`, or a whole group, `client.*`.
    #[param(value_type = Option<QueryText>, example = "client.*,session.reuse")]
    pub types: Option<String>,
}

/// What a stream says next.
#[derive(Debug)]
pub enum Told {
    /// An event.
    Event(Event),
    /// Events after this number, and before the next, are no longer kept.
    Gap(i64),
    /// Nothing happened that is asked for, up to this number.
    Nothing(i64),
    /// Why the stream ends, in a sentence.
    End(&'static str),
}

/// A stream of events, for as long as the token of its administrator holds.
pub struct EventStream {
    app: Arc<App>,
    claims: Arc<AccessClaims>,
    scopes: &'static [&'static str],
    /// The keys with which the token was verified.
    keys: u64,
    types: EventTypes,
    /// The last number that was read.
    cursor: i64,
    read: VecDeque<Told>,
    state: watch::Receiver<StreamState>,
    told_at: Option<Instant>,
    has_ended: bool,
    _open: OpenStream,
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("EventStream").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}

impl App {
    /// Begins a stream of events for an administrator whose token has one of these scopes; `None` if too many are open.
    pub async fn event_stream(
        self: &Arc<Self>,
        request: &EventsRequest,
        last_event_id: Option<&str>,
        actor: &Actor,
        scopes: &'static [&'static str],
    ) -> Result<Option<EventStream>> {
        let claims = actor.token.clone().ok_or_else(|| AdminError::Invalid("a stream needs an access token".into()))?;
        let number = |name: &str, text: &str| {
            let number = text.parse::<i64>().ok().filter(|number| *number >= 0);
            number.ok_or_else(|| AdminError::Invalid(format!("{name} is the number of an event, or 0")))
        };
        let after = match (last_event_id.filter(|id| !id.is_empty()), &request.after) {
            (Some(id), _) => Some(number("Last-Event-ID", id)?),
            (None, Some(text)) => Some(number("after", text)?),
            (None, None) => None,
        };
        let types = EventTypes::parse(request.types.as_deref().unwrap_or_default());
        let types = types.map_err(|problem| AdminError::Invalid(format!("types: {problem}")))?;
        let Some(open) = self.event_streams.open(&actor.name) else { return Ok(None) };
        let state = self.event_streams.follow();
        let cursor = match after {
            Some(number) => number,
            None => self.store.event_head().await?,
        };
        Ok(Some(EventStream {
            app: Arc::clone(self),
            claims,
            scopes,
            keys: self.issuer.keys().generation(),
            types,
            cursor,
            read: VecDeque::new(),
            state,
            told_at: None,
            has_ended: false,
            _open: open,
        }))
    }
}

impl EventStream {
    /// What it says next; `None` after its end.
    pub async fn next(&mut self) -> Option<Told> {
        if self.has_ended {
            return None;
        }
        loop {
            if let Some(why) = self.over().await {
                self.has_ended = true;
                return Some(Told::End(why));
            }
            // The first word comes at once, so that whoever listens knows that the stream has begun.
            let Some(told_at) = self.told_at else { return Some(self.say(Told::Nothing(self.cursor))) };
            if let Some(told) = self.read.pop_front() {
                return Some(self.say(told));
            }
            // Also in the middle of much that is not asked for.
            if told_at.elapsed() >= HEARTBEAT {
                return Some(self.say(Told::Nothing(self.cursor)));
            }
            let head = self.state.borrow_and_update().head;
            if head > self.cursor && self.read_more().await {
                if self.read.is_empty() {
                    tokio::time::sleep(PAUSE).await;
                }
                continue;
            }
            tokio::select! {
                // It lasts as long as the app.
                _ = self.state.changed() => {}
                () = tokio::time::sleep(JUDGED_EVERY) => {}
            }
        }
    }

    fn say(&mut self, told: Told) -> Told {
        self.told_at = Some(Instant::now());
        told
    }

    /// Why it ends, if it does.
    async fn over(&self) -> Option<&'static str> {
        if self.state.borrow().is_closed {
            return Some("The server stops: connect again.");
        }
        if !self.app.issuer.has_keys_of(self.keys) {
            return Some("The keys have changed: connect again.");
        }
        match administrator::still_holds(&self.app, &self.claims, self.scopes).await {
            Ok(true) => None,
            Ok(false) => Some("The access token is not valid any more."),
            Err(_) => Some("The access token could not be judged just now: connect again."),
        }
    }

    /// Reads the next events. Returns whether there were some.
    async fn read_more(&mut self) -> bool {
        let events = match self.app.store.events_after(self.cursor, AT_ONCE).await {
            Ok(events) => events,
            Err(error) => {
                tracing::debug!(%error, "events were not read");
                return false;
            }
        };
        let found_some = !events.is_empty();
        for event in events {
            // Who begins with the oldest one misses nothing. A restored database may be behind the cursor.
            if self.cursor > 0 && event.previous > self.cursor {
                self.read.push_back(Told::Gap(self.cursor));
            }
            self.cursor = event.number;
            if self.types.include(&event.event_type) {
                self.read.push_back(Told::Event(event));
            }
        }
        found_some
    }
}
