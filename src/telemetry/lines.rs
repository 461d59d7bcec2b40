//! `tracing` events as lines: flat fields, cut to a length, in the form of the log.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::access::level_word;
use super::escape::{push_json, push_json_inner, push_text};
use super::logs::{Form, FormNow};
use super::sink::{LINE_BYTES_MAX, Sink};
use super::timestamp::push_rfc3339;
use crate::base::clock::Clock;
use crate::base::text::cut;
use crate::config::Level;

/// Longest value of one field, in bytes; the rest is cut.
pub const VALUE_BYTES_MAX: usize = 2 * 1024;

/// Most bytes of all fields of one event but its message; further fields are left out.
const FIELDS_BYTES_MAX: usize = 16 * 1024;

/// Escaping makes at most six bytes of one.
const ESCAPED: usize = 6;

const _: () = assert!(
    FIELDS_BYTES_MAX + ESCAPED * VALUE_BYTES_MAX + 256 < LINE_BYTES_MAX,
    "a line is never cut inside its JSON"
);

/// The layer that makes lines of events.
pub(super) struct Lines {
    pub(super) sink: Sink,
    pub(super) form: Arc<FormNow>,
    pub(super) clock: Clock,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let form = self.form.get();
        let mut fields = Fields { form, message: String::new(), rest: String::new() };
        event.record(&mut fields);
        let mut line = String::with_capacity(128 + fields.message.len() + fields.rest.len());
        let level = level_of(event.metadata());
        match form {
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
        let value = cut(value, VALUE_BYTES_MAX);
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else if self.name(field) {
            match self.form {
                Form::Text if !value.contains([' ', '"', '=']) && !value.is_empty() => {
                    push_text(&mut self.rest, value);
                }
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
