//! Operational events: `tracing` events become one line each and go to the sink.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::{Layer, Registry, reload};

use super::access::{AccessLine, level_word};
use super::escape::{push_json, push_json_inner, push_text};
use super::sink::{LINE_BYTES_MAX, Sink};
use super::timestamp::push_rfc3339;
use crate::base::clock::Clock;
use crate::config::{Format, Level, Log};

/// Longest value of one field, in bytes; the rest is cut.
pub const VALUE_BYTES_MAX: usize = 2 * 1024;

/// Most bytes of all fields of one event but its message; further fields are left out.
const FIELDS_BYTES_MAX: usize = 16 * 1024;

/// Escaping makes at most six bytes of one.
const ESCAPED: usize = 6;

const _: () = assert!(FIELDS_BYTES_MAX + ESCAPED * VALUE_BYTES_MAX + 256 < LINE_BYTES_MAX, "a line is never cut inside its JSON");

/// The form of lines, decided once at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One JSON object a line.
    Json,
    /// For a reader at a terminal.
    Text,
}

impl Form {
    /// The form that the configuration asks for; `auto` is text on a terminal and JSON elsewhere.
    pub fn of(format: Format) -> Self {
        match format {
            Format::Json => Self::Json,
            Format::Text => Self::Text,
            Format::Auto if io::stdout().is_terminal() => Self::Text,
            Format::Auto => Self::Json,
        }
    }
}

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The writing thread cannot be started.
    #[error("cannot start the log writer: {0}")]
    Writer(#[from] io::Error),
    /// Somebody has set the process's subscriber already.
    #[error("logging has been started already")]
    Taken,
}

/// The handle of a running log: cloned freely.
#[derive(Clone)]
pub struct Logs {
    sink: Sink,
    form: Form,
    level: Arc<dyn Fn(Level) + Send + Sync>,
    access: Arc<AccessSwitch>,
}

#[derive(Default)]
struct AccessSwitch {
    info: std::sync::atomic::AtomicBool,
    error: std::sync::atomic::AtomicBool,
}

impl Logs {
    /// Starts logging to standard output, for the whole process.
    ///
    /// # Errors
    /// The writing thread cannot be started, or logging runs already.
    pub fn start(config: &Log, clock: Clock) -> Result<Self, LogsError> {
        let sink = Sink::stdout(config.queue_max)?;
        let (logs, subscriber) = Self::to(sink, Form::of(config.format), config, clock);
        tracing::subscriber::set_global_default(subscriber).map_err(|_| LogsError::Taken)?;
        Ok(logs)
    }

    /// A log to a sink of the caller's, and the subscriber that feeds it: for tests, with `tracing::subscriber::with_default`.
    pub fn to(sink: Sink, form: Form, config: &Log, clock: Clock) -> (Self, impl Subscriber + Send + Sync + use<>) {
        let (filter, handle) = reload::Layer::new(filter(config.level));
        let lines = Lines { sink: sink.clone(), form, clock };
        let subscriber = Registry::default().with(lines.with_filter(filter));
        let level = Arc::new(move |level| {
            // The layer is gone only when the process ends.
            handle.reload(self::filter(level)).ok();
        });
        let logs = Self { sink, form, level, access: Arc::default() };
        logs.switch_access(config);
        (logs, subscriber)
    }

    /// Takes a new level and the access switch into force; format and queue are decided at the start.
    pub fn reconfigure(&self, config: &Log) {
        (self.level)(config.level);
        self.switch_access(config);
    }

    /// Writes the line of one request, unless the level or `log.access` says otherwise.
    pub fn access(&self, line: &AccessLine<'_>) {
        use std::sync::atomic::Ordering::Relaxed;
        let wanted = if line.level() == Level::Error { &self.access.error } else { &self.access.info };
        if !wanted.load(Relaxed) {
            return;
        }
        BUFFER.with_borrow_mut(|out| {
            out.clear();
            match self.form {
                Form::Json => line.push_json(out),
                Form::Text => line.push_text(out),
            }
            self.sink.send(out);
        });
    }

    /// The sink, for its counters and for flushing.
    pub fn sink(&self) -> &Sink {
        &self.sink
    }

    /// The form of lines.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Takes no more lines and waits for the writer, `within` at most; says whether everything was written.
    pub fn close(&self, within: Duration) -> bool {
        self.sink.close(within)
    }

    fn switch_access(&self, config: &Log) {
        use std::sync::atomic::Ordering::Relaxed;
        self.access.info.store(config.access && config.level <= Level::Info, Relaxed);
        self.access.error.store(config.access, Relaxed);
    }
}

thread_local! {
    /// Where a line is put together, one per thread, so that no request allocates for it.
    static BUFFER: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
}

/// Our own events from `level`; those of libraries from `warn`, for we do not know what they print.
fn filter(level: Level) -> Targets {
    let own = match level {
        Level::Trace => LevelFilter::TRACE,
        Level::Debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warn => LevelFilter::WARN,
        Level::Error => LevelFilter::ERROR,
    };
    Targets::new().with_default(own.min(LevelFilter::WARN)).with_target("pluginmind", own)
}

/// The layer that makes lines of events.
struct Lines {
    sink: Sink,
    form: Form,
    clock: Clock,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields { form: self.form, message: String::new(), rest: String::new() };
        event.record(&mut fields);
        let mut line = String::with_capacity(128 + fields.message.len() + fields.rest.len());
        let level = level_of(event.metadata());
        match self.form {
            Form::Json => {
                line.push_str("{\"timestamp\":\"");
                push_rfc3339(&mut line, self.clock.unix_ms());
                line.push_str("\",\"level\":\"");
                line.push_str(level_word(level));
                line.push_str("\",\"message\":");
                push_json(&mut line, &fields.message);
                line.push_str(&fields.rest);
                line.push('}');
            }
            Form::Text => {
                push_rfc3339(&mut line, self.clock.unix_ms());
                write!(line, " {:<5} ", level_word(level)).expect("writing to a String cannot fail");
                push_text(&mut line, &fields.message);
                line.push_str(&fields.rest);
            }
        }
        self.sink.send(&line);
    }
}

fn level_of(metadata: &Metadata<'_>) -> Level {
    match *metadata.level() {
        tracing::Level::TRACE => Level::Trace,
        tracing::Level::DEBUG => Level::Debug,
        tracing::Level::INFO => Level::Info,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::ERROR => Level::Error,
    }
}

/// The fields of one event, already in the form of the line.
struct Fields {
    form: Form,
    message: String,
    rest: String,
}

impl Fields {
    /// Whether a field still fits: a line ends before it must be cut, so that it stays whole JSON.
    fn name(&mut self, field: &Field) -> bool {
        if self.rest.len() + ESCAPED * (VALUE_BYTES_MAX + field.name().len()) + 8 > FIELDS_BYTES_MAX {
            return false;
        }
        match self.form {
            Form::Json => {
                self.rest.push_str(",\"");
                push_json_inner(&mut self.rest, field.name());
                self.rest.push_str("\":");
            }
            Form::Text => {
                self.rest.push(' ');
                push_text(&mut self.rest, field.name());
                self.rest.push('=');
            }
        }
        true
    }

    fn bare(&mut self, field: &Field, value: impl fmt::Display) {
        if field.name() == "message" {
            self.message = value.to_string();
        } else if self.name(field) {
            write!(self.rest, "{value}").expect("writing to a String cannot fail");
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        let value = cut(value);
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else if self.name(field) {
            match self.form {
                Form::Text if !value.contains([' ', '"', '=']) && !value.is_empty() => push_text(&mut self.rest, value),
                _ => push_json(&mut self.rest, value),
            }
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.bare(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.bare(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.bare(field, value);
        } else {
            self.record_str(field, &value.to_string());
        }
    }
}

fn cut(value: &str) -> &str {
    let mut end = value.len().min(VALUE_BYTES_MAX);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    &value[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::access::AuthState;

    const LONG: Duration = Duration::from_secs(20);

    fn config(level: Level) -> Log {
        Log { level, format: Format::Json, access: true, queue_max: 1_000 }
    }

    /// What `act` logs, as text.
    fn logged(form: Form, level: Level, act: impl FnOnce(&Logs)) -> String {
        let (sink, memory) = Sink::memory(1_000).unwrap();
        let (logs, subscriber) = Logs::to(sink, form, &config(level), Clock::manual(1_700_000_000_123));
        tracing::subscriber::with_default(subscriber, || act(&logs));
        assert!(logs.close(LONG));
        memory.text()
    }

    #[test]
    fn an_event_is_one_flat_json_object() {
        let out = logged(Form::Json, Level::Info, |_| {
            tracing::info!(count = 3, ok = true, ratio = 0.5, name = "a b", why = %"x\"y", "started");
        });
        insta::assert_snapshot!(out.trim_end(), @r#"{"timestamp":"2023-11-14T22:13:20.123Z","level":"INFO","message":"started","count":3,"ok":true,"ratio":0.5,"name":"a b","why":"x\"y"}"#);
        assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok());
    }

    #[test]
    fn at_a_terminal_an_event_is_text() {
        let out = logged(Form::Text, Level::Info, |_| tracing::warn!(count = 3, name = "a b", "started"));
        insta::assert_snapshot!(out.trim_end(), @r#"2023-11-14T22:13:20.123Z WARN  started count=3 name="a b""#);
    }

    #[test]
    fn the_level_changes_while_it_runs() {
        let out = logged(Form::Text, Level::Warn, |logs| {
            tracing::info!("unheard");
            logs.reconfigure(&config(Level::Debug));
            tracing::debug!("heard");
            logs.reconfigure(&config(Level::Error));
            tracing::warn!("unheard");
        });
        assert!(out.contains("heard") && !out.contains("unheard"), "{out}");
    }

    #[test]
    fn events_of_libraries_come_from_warn_only() {
        let out = logged(Form::Text, Level::Trace, |_| {
            tracing::info!(target: "somelib", "chatter");
            tracing::warn!(target: "somelib", "trouble");
        });
        assert!(out.contains("trouble") && !out.contains("chatter"), "{out}");
    }

    #[test]
    fn lg_01_a_hostile_value_stays_in_its_line() {
        let naughty = "x\n{\"level\":\"FAKE\"}\u{1b}[2J\u{2028}";
        let out = logged(Form::Json, Level::Info, |_| tracing::info!(v = naughty, "m\n{naughty}"));
        assert_eq!(out.lines().count(), 1);
        let read: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(read["v"], naughty);
    }

    #[test]
    fn lg_02_what_slips_into_an_event_is_redacted_on_the_way_out() {
        let out = logged(Form::Json, Level::Info, |_| tracing::info!(peer = "192.0.2.7", "hello bob@example.com"));
        assert!(!out.contains("192.0.2.7") && !out.contains("bob@"), "{out}");
        assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok());
    }

    #[test]
    fn a_huge_event_is_cut_and_is_still_json() {
        let huge = "\u{1}".repeat(100_000);
        let out = logged(Form::Json, Level::Info, |_| {
            tracing::info!(a = huge, b = huge, c = huge, d = huge, "{huge}");
        });
        assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok(), "{} bytes", out.len());
    }

    #[test]
    fn access_lines_obey_the_level_and_the_switch() {
        let line = |status| AccessLine {
            unix_ms: 0,
            correlation_id: "c",
            method: "GET",
            route: "r",
            status: Some(status),
            code: None,
            duration: Duration::ZERO,
            client: None,
            user: None,
            auth_state: AuthState::None,
            plugin: None,
            rule: None,
            generation: 1,
        };
        let both = |logs: &Logs| {
            logs.access(&line(200));
            logs.access(&line(500));
        };
        assert_eq!(logged(Form::Json, Level::Info, both).lines().count(), 2);
        assert_eq!(logged(Form::Json, Level::Warn, both).lines().count(), 1);
        let off = logged(Form::Json, Level::Info, |logs| {
            logs.reconfigure(&Log { access: false, ..config(Level::Info) });
            both(logs);
        });
        assert_eq!(off, "");
    }
}
