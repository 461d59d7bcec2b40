//! `alert::`: tells somebody. The same title of the same plugin is told once in ten minutes; addresses and e-mails go
//! out as pseudonyms or marks, whatever the script says.

use std::fmt::Write as _;

use rhai::{Map, Module, NativeCallContext, export_module, exported_module};

use super::log::redact;
use crate::script::call::{Call, Raised, error};
use crate::script::effect::{Alert, EFFECTS_MAX, Effect, Severity};

/// Fields of one alert.
const FIELDS_MAX: usize = 8;

pub(super) fn module() -> Module {
    exported_module!(alert)
}

fn write(ctx: &NativeCallContext<'_>, severity: &str, title: &str, fields: &Map) -> Raised<()> {
    let call = Call::of(ctx)?;
    call.still_open()?;
    let severity = Severity::named(severity)
        .ok_or_else(|| error("a severity is \"low\", \"medium\", \"high\" or \"critical\""))?;
    let mut text = String::new();
    for (name, value) in fields.iter().take(FIELDS_MAX) {
        let value = if value.is_array() || value.is_map() { "[…]".to_owned() } else { value.to_string() };
        let space = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{space}{name}={value}");
    }
    let (title, fields) = (redact(title, &call), redact(&text, &call));
    let mut said = call.said.lock();
    if said.effects.len() < EFFECTS_MAX {
        said.effects.push(Effect::Alert(Alert { plugin: call.plugin.clone(), severity, title, fields }));
    }
    Ok(())
}

#[export_module]
mod alert {
    /// Tells somebody: severity `"low"`, `"medium"`, `"high"` or `"critical"`, and what happened.
    #[rhai_fn(return_raw, volatile)]
    pub fn send(ctx: NativeCallContext<'_>, severity: &str, title: &str) -> Raised<()> {
        write(&ctx, severity, title, &Map::new())
    }

    /// Tells somebody, with fields.
    #[rhai_fn(name = "send", return_raw, volatile)]
    pub fn send_fields(ctx: NativeCallContext<'_>, severity: &str, title: &str, fields: Map) -> Raised<()> {
        write(&ctx, severity, title, &fields)
    }
}
