//! `log::`: a rule's own lines in the gateway's log. Bounded, and without addresses and e-mails whatever the script says.

use std::fmt::Write as _;

use rhai::{Map, Module, NativeCallContext, export_module, exported_module};

use crate::base::text::cut;
use crate::script::call::{Call, LOGS_MAX, LogLevel, LogLine, Raised};
use crate::script::personal::without_people;
use crate::script::verdict::public_text;

/// Fields shown of the map of one line.
const FIELDS_MAX: usize = 8;
/// Bytes of input looked at: what is cut afterwards need not be cleaned.
const INPUT_BYTES_MAX: usize = 4_096;

pub(super) fn module() -> Module {
    exported_module!(log)
}

/// Replaces what names a person or a machine by its pseudonym, and control characters by blanks.
pub(in crate::script) fn redact(text: &str, call: &Call) -> String {
    public_text(&without_people(cut(text, INPUT_BYTES_MAX), &call.state.space.people))
}

fn write(ctx: &NativeCallContext<'_>, level: LogLevel, message: &str, fields: &Map) -> Raised<()> {
    let call = Call::of(ctx)?;
    call.still_open()?;
    let mut line = message.to_owned();
    for (name, value) in fields.iter().take(FIELDS_MAX) {
        let value = if value.is_array() || value.is_map() { "[…]".to_owned() } else { value.to_string() };
        let _ = write!(line, " {name}={value}");
    }
    let text = redact(&line, &call);
    let mut said = call.said.lock();
    if said.logs.len() < LOGS_MAX {
        said.logs.push(LogLine { level, text });
    }
    Ok(())
}

#[export_module]
mod log {
    /// A line for whoever is looking for a fault.
    #[rhai_fn(return_raw, volatile)]
    pub fn debug(ctx: NativeCallContext<'_>, message: &str) -> Raised<()> {
        write(&ctx, LogLevel::Debug, message, &Map::new())
    }

    /// A line with fields.
    #[rhai_fn(name = "debug", return_raw, volatile)]
    pub fn debug_fields(ctx: NativeCallContext<'_>, message: &str, fields: Map) -> Raised<()> {
        write(&ctx, LogLevel::Debug, message, &fields)
    }

    /// A line for the record.
    #[rhai_fn(return_raw, volatile)]
    pub fn info(ctx: NativeCallContext<'_>, message: &str) -> Raised<()> {
        write(&ctx, LogLevel::Info, message, &Map::new())
    }

    /// A line with fields.
    #[rhai_fn(name = "info", return_raw, volatile)]
    pub fn info_fields(ctx: NativeCallContext<'_>, message: &str, fields: Map) -> Raised<()> {
        write(&ctx, LogLevel::Info, message, &fields)
    }

    /// A line that somebody should see.
    #[rhai_fn(return_raw, volatile)]
    pub fn warn(ctx: NativeCallContext<'_>, message: &str) -> Raised<()> {
        write(&ctx, LogLevel::Warn, message, &Map::new())
    }

    /// A line with fields.
    #[rhai_fn(name = "warn", return_raw, volatile)]
    pub fn warn_fields(ctx: NativeCallContext<'_>, message: &str, fields: Map) -> Raised<()> {
        write(&ctx, LogLevel::Warn, message, &fields)
    }

    /// A line that somebody must see.
    #[rhai_fn(return_raw, volatile)]
    pub fn error(ctx: NativeCallContext<'_>, message: &str) -> Raised<()> {
        write(&ctx, LogLevel::Error, message, &Map::new())
    }

    /// A line with fields.
    #[rhai_fn(name = "error", return_raw, volatile)]
    pub fn error_fields(ctx: NativeCallContext<'_>, message: &str, fields: Map) -> Raised<()> {
        write(&ctx, LogLevel::Error, message, &fields)
    }
}
