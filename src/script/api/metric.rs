//! `metric::`: numbers of a rule's own, under `pluginmind_rule_PLUGIN_NAME` at `/metrics`.

use rhai::{Dynamic, Map, Module, NativeCallContext, export_module, exported_module};

use super::log::redact;
use crate::script::call::{Call, Raised, error};
use crate::script::effect::{Change, EFFECTS_MAX, Effect, RuleMetric};

/// Labels of one number.
const LABELS_MAX: usize = 4;
/// The longest name of a number or a label, in bytes.
const NAME_BYTES_MAX: usize = 48;
/// The longest value of a label, in characters.
const VALUE_CHARS_MAX: usize = 64;

pub(super) fn module() -> Module {
    exported_module!(metric)
}

fn is_name(text: &str) -> bool {
    let clean = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    clean && text.len() <= NAME_BYTES_MAX && text.starts_with(|c: char| c.is_ascii_lowercase())
}

fn write(ctx: &NativeCallContext<'_>, name: &str, labels: &Map, change: Change) -> Raised<()> {
    let call = Call::of(ctx)?;
    call.still_open()?;
    if !is_name(name) || labels.keys().any(|label| !is_name(label) || *label == "le") {
        return Err(error("the name of a metric or a label is `[a-z][a-z0-9_]*`, at most 48 characters"));
    }
    if labels.len() > LABELS_MAX {
        return Err(error(format!("a metric has at most {LABELS_MAX} labels")));
    }
    let shown = |value: &Dynamic| redact(&value.to_string(), &call).chars().take(VALUE_CHARS_MAX).collect();
    let labels = labels.iter().map(|(name, value)| (name.to_string(), shown(value))).collect();
    let mut said = call.said.lock();
    if said.effects.len() < EFFECTS_MAX {
        let plugin = call.plugin.clone();
        said.effects.push(Effect::Metric(RuleMetric { plugin, name: name.to_owned(), labels, change }));
    }
    Ok(())
}

fn number(value: &Dynamic) -> Raised<f64> {
    #[expect(clippy::cast_precision_loss, reason = "metrics are floating point numbers")]
    let number = value.as_int().map(|n| n as f64).or_else(|_| value.as_float());
    number.ok().filter(|n| n.is_finite()).ok_or_else(|| error("the value of a metric is a number"))
}

#[export_module]
mod metric {
    /// Counts one.
    #[rhai_fn(return_raw, volatile)]
    pub fn inc(ctx: NativeCallContext<'_>, name: &str) -> Raised<()> {
        write(&ctx, name, &Map::new(), Change::Add(1))
    }

    /// Counts one, with labels: at most four, and a hundred values of each; what comes after is `other`.
    #[rhai_fn(name = "inc", return_raw, volatile)]
    pub fn inc_labels(ctx: NativeCallContext<'_>, name: &str, labels: Map) -> Raised<()> {
        write(&ctx, name, &labels, Change::Add(1))
    }

    /// Sets a number that goes up and down.
    #[rhai_fn(return_raw, volatile)]
    pub fn gauge(ctx: NativeCallContext<'_>, name: &str, value: Dynamic) -> Raised<()> {
        write(&ctx, name, &Map::new(), Change::Set(number(&value)?))
    }

    /// Sets a number that goes up and down, with labels.
    #[rhai_fn(name = "gauge", return_raw, volatile)]
    pub fn gauge_labels(ctx: NativeCallContext<'_>, name: &str, value: Dynamic, labels: Map) -> Raised<()> {
        write(&ctx, name, &labels, Change::Set(number(&value)?))
    }

    /// Adds a value to a distribution.
    #[rhai_fn(return_raw, volatile)]
    pub fn observe(ctx: NativeCallContext<'_>, name: &str, value: Dynamic) -> Raised<()> {
        write(&ctx, name, &Map::new(), Change::Observe(number(&value)?))
    }

    /// Adds a value to a distribution, with labels.
    #[rhai_fn(name = "observe", return_raw, volatile)]
    pub fn observe_labels(ctx: NativeCallContext<'_>, name: &str, value: Dynamic, labels: Map) -> Raised<()> {
        write(&ctx, name, &labels, Change::Observe(number(&value)?))
    }
}
