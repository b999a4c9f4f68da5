//! The lines of the log, as text or as JSON: what happened, and the request in whose span it happened.
//!
//! Of refused requests, those that are alike are summed up (`telemetry/refusals.rs`).
//!
//! A line has the form that `tracing-subscriber` gives to an event outside of any span; the request's fields join those of
//! the event. A field of the event that has a value replaces the request's field of the same name.

use std::error::Error;
use std::fmt::{self, Debug};
use std::time::Instant;

use serde::Serialize;
use tracing::callsite::DefaultCallsite;
use tracing::field::{Field, FieldSet, Visit, display};
use tracing::metadata::Kind;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_core::identify_callsite;
use tracing_subscriber::field::VisitOutput;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{DefaultFields, DefaultVisitor, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::{EnvFilter, Registry};

use crate::current_request::{self, CurrentRequest};
use crate::settings::LogFormat;
use crate::telemetry::refusals::Refusals;

/// What a line says of its request: names, in the form in which `tracing` wants them.
static REQUEST: Metadata<'static> = Metadata::new(
    "request",
    module_path!(),
    Level::ERROR,
    None,
    None,
    None,
    FieldSet::new(
        &["endpoint", "client", "request_id", "trace_id", "address", "left_out"],
        identify_callsite!(&CALLSITE),
    ),
    Kind::HINT,
);
static CALLSITE: DefaultCallsite = DefaultCallsite::new(&REQUEST);

/// What writes the log.
pub fn subscriber<W>(format: LogFormat, filter: EnvFilter, ansi: bool, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().event_format(Lines(format)).with_ansi(ansi).with_writer(writer);
    let shows_all = filter.max_level_hint().is_none_or(|most| most >= LevelFilter::DEBUG);
    let refusals = (!shows_all).then(Refusals::default);
    Registry::default().with(Log { lines, refusals }).with(filter)
}

/// Writes lines. The layer for lines never learns of spans, which libraries may have: it would format the fields of each.
struct Log<W> {
    lines: tracing_subscriber::fmt::Layer<Registry, DefaultFields, Lines, W>,
    /// Leaves out refusals, unless the level is `debug`.
    refusals: Option<Refusals>,
}

impl<W: for<'w> MakeWriter<'w> + 'static> Layer<Registry> for Log<W> {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, Registry>) {
        if let Some(refusals) = &self.refusals
            && event.is_contextual()
            && let Some(request) = current_request::current()
        {
            match refusals.left_out(event, &request, Instant::now()) {
                Some(left_out) => current_request::with(|request| request.left_out = left_out),
                None => return,
            };
        }
        self.lines.on_event(event, context);
    }
}

/// The format of a line.
struct Lines(LogFormat);

impl<N: for<'w> FormatFields<'w> + 'static> FormatEvent<Registry, N> for Lines {
    fn format_event(&self, _: &FmtContext<'_, Registry, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        // An event without a context belongs to no request, wherever it arises.
        let request = if event.is_contextual() { current_request::current() } else { None };
        let level = event.metadata().level();
        match self.0 {
            LogFormat::Text => {
                let (dimmed, coloured, plain) =
                    if writer.has_ansi_escapes() { ("\x1b[2m", colour(level), "\x1b[0m") } else { ("", "", "") };
                write!(writer, "{dimmed}")?;
                SystemTime.format_time(&mut writer)?;
                write!(writer, "{plain} {coloured}{level:>5}{plain} ")?;
                let mut fields = DefaultVisitor::new(writer.by_ref(), true);
                record(event, request.as_ref(), &mut fields);
                fields.finish()?;
            }
            LogFormat::Json => {
                write!(writer, "{{\"timestamp\":\"")?;
                SystemTime.format_time(&mut writer)?;
                write!(writer, "\",\"level\":\"{level}\"")?;
                let mut members = Members { writer: writer.by_ref(), written: Ok(()) };
                record(event, request.as_ref(), &mut members);
                members.written?;
                write!(writer, "}}")?;
            }
        }
        writeln!(writer)
    }
}

const fn colour(level: &Level) -> &'static str {
    match *level {
        Level::TRACE => "\x1b[35m",
        Level::DEBUG => "\x1b[34m",
        Level::INFO => "\x1b[32m",
        Level::WARN => "\x1b[33m",
        Level::ERROR => "\x1b[31m",
    }
}

/// Writes the fields of a line in their order: message, endpoint, the event's fields, client, request id, trace, address, and how many
/// such lines were left out.
fn record(event: &Event<'_>, request: Option<&CurrentRequest>, fields: &mut dyn Visit) {
    let Some(request) = request else { return event.record(fields) };
    let CurrentRequest { endpoint, client, request_id, trace, address, left_out, .. } = request;
    let mut own = FieldsWithValue::default();
    event.record(&mut own);
    let missing = |name| REQUEST.fields().field(name).filter(|_| !own.0.contains(&name));
    let endpoint = missing("endpoint").map(|field| (field, *endpoint));
    event.record(&mut EndpointAfterMessage { fields, endpoint });
    if let (Some(field), Some(client)) = (missing("client"), client) {
        fields.record_str(&field, client);
    }
    if let Some(field) = missing("request_id") {
        fields.record_debug(&field, &display(request_id));
    }
    if let (Some(field), Some(trace)) = (missing("trace_id"), trace) {
        fields.record_debug(&field, &display(trace.id));
    }
    if let Some(field) = missing("address") {
        fields.record_debug(&field, &display(address));
    }
    if let Some(field) = missing("left_out").filter(|_| *left_out > 0) {
        fields.record_u64(&field, *left_out);
    }
}

/// The names of the fields that have a value.
#[derive(Default)]
struct FieldsWithValue(Vec<&'static str>);

impl Visit for FieldsWithValue {
    fn record_debug(&mut self, field: &Field, _: &dyn Debug) {
        self.0.push(field.name());
    }
}

/// Passes fields on, and the endpoint after the first one, which is the message.
struct EndpointAfterMessage<'a> {
    fields: &'a mut dyn Visit,
    endpoint: Option<(Field, &'a str)>,
}

macro_rules! pass_on {
    ($($record:ident($value:ty)),*) => {
        $(
            fn $record(&mut self, field: &Field, value: $value) {
                self.fields.$record(field, value);
                if let Some((field, endpoint)) = self.endpoint.take() {
                    self.fields.record_str(&field, endpoint);
                }
            }
        )*
    };
}

impl Visit for EndpointAfterMessage<'_> {
    pass_on!(
        record_debug(&dyn Debug),
        record_error(&(dyn Error + 'static)),
        record_str(&str),
        record_bool(bool),
        record_i64(i64),
        record_u64(u64),
        record_f64(f64)
    );
}

/// Writes fields as members of a JSON object that has members already.
struct Members<'w> {
    writer: Writer<'w>,
    written: fmt::Result,
}

impl Members<'_> {
    fn add(&mut self, field: &Field, value: impl Serialize) {
        let value = serde_json::to_string(&value).map_err(|_| fmt::Error);
        let written = value.and_then(|value| write!(self.writer, ",{:?}:{value}", field.name()));
        self.written = self.written.and(written);
    }
}

impl Visit for Members<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io;
    use std::net::IpAddr;
    use std::sync::{Arc, Mutex};

    use tracing::subscriber::{DefaultGuard, set_default, with_default};
    use uuid::Uuid;

    use super::*;

    /// What was logged.
    #[derive(Clone, Default)]
    pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Written {
        /// Gathers the warnings of this thread while the guard lives.
        pub(crate) fn on_this_thread(format: LogFormat) -> (Self, DefaultGuard) {
            let written = Self::default();
            let guard = set_default(subscriber(format, EnvFilter::new("warn"), false, written.writer()));
            (written, guard)
        }

        fn writer(&self) -> impl Fn() -> Self + Send + Sync + 'static {
            let written = self.clone();
            move || written.clone()
        }

        /// The lines, without their times.
        pub(crate) fn lines(&self) -> String {
            const TIME: usize = "2026-11-22T12:42:32.661959Z".len();
            let log = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            let without_time = |line: &str| {
                let at = line.find("20").unwrap();
                format!("{}{}\n", &line[..at], &line[at + TIME..])
            };
            log.lines().map(without_time).collect()
        }
    }

    const ID: Uuid = Uuid::from_u128(0x01a2_0347_956b_7387_94ff_f50d_e4d0_abb6);

    fn of_a_request(address: &str, work: impl FnOnce()) {
        let request = CurrentRequest::new("token", ID, address.parse().unwrap());
        current_request::within_sync(Some(request), work);
    }

    fn everything() {
        let (error, none) = (io::Error::other("bad \x1b[31m"), None::<&str>);
        tracing::error!(error = &error as &dyn Error, "it \"failed\" {}", "\x1b[31m");
        tracing::warn!(
            text = "a \"b\"\n\x1b",
            is = true,
            count = 3_u64,
            change = -3,
            share = 0.5,
            none,
            "several kinds"
        );
        tracing::info!(client = "app", cause = ?Some("x"), large = 1_u128 << 100, shown = %ID);
        tracing::debug!("nothing more");
        tracing::trace!(only = "a field");
    }

    #[test]
    fn outside_of_a_request_a_line_is_what_the_usual_format_makes_of_it() {
        for (format, ansi) in [(LogFormat::Text, false), (LogFormat::Text, true), (LogFormat::Json, false)] {
            let (ours, usual) = (Written::default(), Written::default());
            let filter = || EnvFilter::new("trace");
            with_default(subscriber(format, filter(), ansi, ours.writer()), everything);
            let builder = tracing_subscriber::fmt().with_target(false).with_env_filter(filter()).with_ansi(ansi);
            let builder = builder.with_writer(usual.writer());
            match format {
                LogFormat::Text => with_default(builder.finish(), everything),
                LogFormat::Json => with_default(builder.json().flatten_event(true).finish(), everything),
            }
            assert!(ours.lines().contains("nothing more"), "{}", ours.lines());
            assert_eq!(ours.lines(), usual.lines());
        }
    }

    #[test]
    fn a_line_names_its_request_and_its_own_fields_go_before_those_of_the_request() {
        let write = |address: &str| {
            of_a_request(address, || {
                tracing::warn!(cause = "expired", "refused");
                current_request::authenticated("app");
                tracing::warn!(cause = "expired", "refused");
                tracing::warn!(endpoint = "deadline", client = None::<&str>, address = 1, "refused");
                tracing::warn!(parent: None, "of no request");
            });
        };
        let (written, _guard) = Written::on_this_thread(LogFormat::Text);
        write("192.0.2.7");
        assert_eq!(
            written.lines(),
            format!(
                "  WARN refused endpoint=\"token\" cause=\"expired\" request_id={ID} address=192.0.2.7\n  \
                 WARN refused endpoint=\"token\" cause=\"expired\" client=\"app\" request_id={ID} address=192.0.2.7\n  \
                 WARN refused endpoint=\"deadline\" address=1 client=\"app\" request_id={ID}\n  \
                 WARN of no request\n"
            )
        );
        let (written, _guard) = Written::on_this_thread(LogFormat::Json);
        write("2001:db8::7");
        let text = written.lines();
        let lines: Vec<_> = text.lines().collect();
        let request = format!("\"request_id\":\"{ID}\"");
        let refused = r#"{"timestamp":"","level":"WARN","message":"refused","endpoint":"#;
        assert_eq!(
            lines,
            [
                format!(r#"{refused}"token","cause":"expired",{request},"address":"2001:db8::7"}}"#),
                format!(r#"{refused}"token","cause":"expired","client":"app",{request},"address":"2001:db8::7"}}"#),
                format!(r#"{refused}"deadline","address":1,"client":"app",{request}}}"#),
                r#"{"timestamp":"","level":"WARN","message":"of no request"}"#.to_owned(),
            ]
        );
    }

    #[test]
    fn refusals_that_are_alike_are_summed_up_unless_the_level_is_debug() {
        let flood = || {
            for (cause, address, times) in [
                ("expired", "192.0.2.7", 1000),
                ("expired", "192.0.2.8", 1),
                ("truncated", "192.0.2.7", 1),
                ("expired", "2001:db8::1", 500),
                ("expired", "2001:db8::2", 500),
            ] {
                for _ in 0..times {
                    of_a_request(address, || {
                        tracing::info!(cause, "refused");
                        tracing::info!("something else");
                    });
                }
            }
        };
        for (filter, expected) in [("info", [200, 1, 1, 200]), ("debug", [1000, 1, 1, 1000])] {
            let written = Written::default();
            with_default(subscriber(LogFormat::Text, EnvFilter::new(filter), false, written.writer()), flood);
            let lines = written.lines();
            let count = |cause: &str, address: &str| {
                lines.lines().filter(|line| line.contains(cause) && line.contains(address)).count()
            };
            let counted = [
                count("expired", "192.0.2.7"),
                count("expired", "192.0.2.8"),
                count("truncated", "192.0.2.7"),
                count("expired", "2001:db8::"),
            ];
            assert_eq!(counted, expected, "{filter}");
            assert_eq!(count("something else", "address="), 2002);
        }
    }

    #[test]
    fn what_was_left_out_is_counted_for_the_next_line() {
        let (refusals, now) = (Refusals::default(), Instant::now());
        let request = CurrentRequest::new("token", ID, IpAddr::from([192, 0, 2, 7]));
        let left_out = |seconds| refusals.of("expired", &request, now + std::time::Duration::from_secs(seconds));
        assert_eq!((0..1000).filter_map(|_| left_out(0)).sum::<u64>(), 0);
        assert_eq!(left_out(10), Some(800));
    }

    #[test]
    fn whichever_lines_are_shown_say_whose_they_are() {
        for (filter, is_shown) in [("error", true), ("jeton=error", true), ("off", false)] {
            let written = Written::default();
            with_default(subscriber(LogFormat::Text, EnvFilter::new(filter), false, written.writer()), || {
                of_a_request("192.0.2.7", || tracing::error!("a fault"));
            });
            let line = format!(" ERROR a fault endpoint=\"token\" request_id={ID} address=192.0.2.7\n");
            assert_eq!(written.lines(), if is_shown { line } else { String::new() }, "{filter}");
        }
    }
}
