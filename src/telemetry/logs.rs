//! Operational events: `tracing` events become one line each and go to the sink.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, Registry, reload};

use super::access::AccessLine;
use super::lines::Lines;
use super::sink::Sink;
use crate::base::clock::Clock;
use crate::config::{Format, Level, Log};

/// The form of lines.
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
            Format::Text => Self::Text,
            Format::Auto if io::stdout().is_terminal() => Self::Text,
            Format::Auto | Format::Json => Self::Json,
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
    form: Arc<FormNow>,
    level: Arc<dyn Fn(Level) + Send + Sync>,
    access: Arc<AccessSwitch>,
}

/// The form in force, shared with the layer that writes.
#[derive(Debug)]
pub(super) struct FormNow(AtomicBool);

impl FormNow {
    fn new(form: Form) -> Self {
        Self(AtomicBool::new(form == Form::Text))
    }

    fn set(&self, form: Form) {
        self.0.store(form == Form::Text, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> Form {
        if self.0.load(Ordering::Relaxed) { Form::Text } else { Form::Json }
    }
}

#[derive(Default)]
struct AccessSwitch {
    info: AtomicBool,
    error: AtomicBool,
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
    pub fn to(
        sink: Sink,
        form: Form,
        config: &Log,
        clock: Clock,
    ) -> (Self, impl Subscriber + Send + Sync + use<>) {
        let (filter, handle) = reload::Layer::new(filter(config.level));
        let form = Arc::new(FormNow::new(form));
        let lines = Lines { sink: sink.clone(), form: Arc::clone(&form), clock };
        let subscriber = Registry::default().with(lines.with_filter(filter));
        let level = Arc::new(move |level| {
            // The layer is gone only when the process ends.
            handle.reload(self::filter(level)).ok();
        });
        let logs = Self { sink, form, level, access: Arc::default() };
        logs.switch_access(config);
        (logs, subscriber)
    }

    /// Takes another configuration into force, for lines that come from now on.
    pub fn reconfigure(&self, config: &Log) {
        self.form.set(Form::of(config.format));
        self.sink.set_lines_max(config.queue_max);
        (self.level)(config.level);
        self.switch_access(config);
    }

    /// Writes the line of one request, unless the level or `log.access` says otherwise.
    pub fn access(&self, line: &AccessLine<'_>) {
        let wanted = if line.level() == Level::Error { &self.access.error } else { &self.access.info };
        if !wanted.load(Ordering::Relaxed) {
            return;
        }
        BUFFER.with_borrow_mut(|out| {
            out.clear();
            match self.form.get() {
                Form::Json => line.push_json(out),
                Form::Text => line.push_text(out),
            }
            self.sink.send_clean(out);
        });
    }

    /// The sink, for its counters and for flushing.
    pub fn sink(&self) -> &Sink {
        &self.sink
    }

    /// The form of lines.
    pub fn form(&self) -> Form {
        self.form.get()
    }

    /// Takes no more lines and waits for the writer, `within` at most; says whether everything was written.
    pub fn close(&self, within: Duration) -> bool {
        self.sink.close(within)
    }

    fn switch_access(&self, config: &Log) {
        self.access.info.store(config.access && config.level <= Level::Info, Ordering::Relaxed);
        self.access.error.store(config.access, Ordering::Relaxed);
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
        let out =
            logged(Form::Json, Level::Info, |_| tracing::info!(peer = "192.0.2.7", "hello bob@example.com"));
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
            trace: crate::base::trace_context::TraceContext::begin("c", 0.0).trace,
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
