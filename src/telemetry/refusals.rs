//! The lines of refused requests: of each cause, from each network, only some are written, unless the level is `debug`.
//!
//! Who is refused may try again as often as a network allows, and a line for each would fill the disk. `/metrics` counts them all.

use std::fmt::Debug;
use std::time::Instant;

use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use crate::current_request::CurrentRequest;
use crate::protocol::backoff::Network;
use crate::telemetry::sums::{Line, Sums};

/// The most lines of a cause from a network within ten seconds.
const LINES: u32 = 200;
/// The most causes from different networks that are told apart; beyond that, those of all other networks are summed up.
const MOST: usize = 4096;

/// A cause, and the endpoint.
type Kind = (String, &'static str);

/// Which lines of refusals were written.
#[derive(Debug)]
pub(super) struct Refusals {
    by_network: Sums<(Kind, Network)>,
    of_others: Sums<Kind>,
}

impl Default for Refusals {
    fn default() -> Self {
        Self { by_network: Sums::new(LINES, MOST), of_others: Sums::new(LINES, MOST) }
    }
}

impl Refusals {
    /// How many refusals of the same kind were left out before this line; `None` if it is to be left out, too.
    pub(super) fn left_out(&self, event: &Event<'_>, request: &CurrentRequest, now: Instant) -> Option<u64> {
        let is_refusal = matches!(*event.metadata().level(), Level::INFO | Level::WARN);
        let mut cause = Cause::default();
        if is_refusal {
            event.record(&mut cause);
        }
        let Cause(Some(cause)) = cause else { return Some(0) };
        self.of(&cause, request, now)
    }

    pub(super) fn of(&self, cause: &str, request: &CurrentRequest, now: Instant) -> Option<u64> {
        let kind = (cause.to_owned(), request.endpoint);
        let line = match self.by_network.note((kind.clone(), Network::from(request.address)), now) {
            Line::TooManyKinds => self.of_others.note(kind, now),
            line => line,
        };
        match line {
            Line::First => Some(0),
            Line::Further(left_out) => Some(left_out),
            Line::LeftOut | Line::TooManyKinds => None,
        }
    }
}

/// The cause that an event names.
#[derive(Default)]
struct Cause(Option<String>);

impl Visit for Cause {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "cause" {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}
