//! Numbers of rules' own: `pluginmind_rule_PLUGIN_NAME`, bounded however many a script makes up.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use parking_lot::Mutex;

use super::exposition::{Exposition, escaped, number};
use super::openmetrics;

/// Numbers of all plugins together; what comes after is not kept.
pub const FAMILIES_MAX: usize = 256;
/// Values of one label; every further one is `other`.
pub const LABEL_VALUES_MAX: usize = 100;
/// Series of one number; what comes after is not kept.
pub const SERIES_MAX: usize = 1_000;

/// What each is described with: what it means, its author knows.
const HELP: &str = "A number of a rule.";

/// Upper bounds of a distribution: rules measure what they like.
const BOUNDS: [f64; 8] = [0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1_000.0, 10_000.0];

/// What happens to a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RuleChange {
    /// A counter grows.
    Add(u64),
    /// A gauge is set.
    Set(f64),
    /// A distribution takes a value.
    Observe(f64),
}

/// All numbers of rules.
#[derive(Default)]
pub struct RuleMetrics(Mutex<BTreeMap<String, Family>>);

struct Family {
    plugin: String,
    kind: &'static str,
    /// `label=value` of every value that has a series of its own.
    values: BTreeSet<String>,
    series: BTreeMap<String, Series>,
}

#[derive(Default)]
struct Series {
    value: f64,
    count: u64,
    buckets: [u64; BOUNDS.len()],
}

impl RuleMetrics {
    /// Changes a number. A name that was a number of another kind before stays that kind, and the change is dropped.
    pub fn change(&self, plugin: &str, name: &str, labels: &[(String, String)], change: RuleChange) {
        let kind = match change {
            RuleChange::Add(_) => "counter",
            RuleChange::Set(_) => "gauge",
            RuleChange::Observe(_) => "histogram",
        };
        let total = if kind == "counter" && !name.ends_with("_total") { "_total" } else { "" };
        let name = format!("pluginmind_rule_{}_{name}{total}", plugin.replace('-', "_"));
        let mut families = self.0.lock();
        if families.len() >= FAMILIES_MAX && !families.contains_key(&name) {
            return;
        }
        if !families.contains_key(&name)
            && families.iter().any(|(other, it)| clash((&name, kind), (other, it.kind)))
        {
            return;
        }
        let fresh =
            || Family { plugin: plugin.to_owned(), kind, values: BTreeSet::new(), series: BTreeMap::new() };
        let family = families.entry(name).or_insert_with(fresh);
        if family.kind == kind {
            family.change(labels, change);
        }
    }

    /// Takes out the numbers of plugins that are not there.
    pub fn keep(&self, plugin: &dyn Fn(&str) -> bool) {
        self.0.lock().retain(|_, family| plugin(&family.plugin));
    }

    /// Writes all numbers in that form, but for its end.
    pub fn render(&self, exposition: Exposition, out: &mut String) {
        for (name, family) in &*self.0.lock() {
            if exposition == Exposition::OpenMetrics {
                openmetrics::head(name, family.kind, HELP, out);
            } else {
                let _ = writeln!(out, "# HELP {name} {HELP}\n# TYPE {name} {}", family.kind);
            }
            for (labels, series) in &family.series {
                series.render(name, labels, family.kind, exposition, out);
            }
        }
    }
}

impl Family {
    fn change(&mut self, labels: &[(String, String)], change: RuleChange) {
        let mut key = String::new();
        for (label, value) in labels {
            let value = if self.has_place(label, value) { value.as_str() } else { "other" };
            let comma = if key.is_empty() { "" } else { "," };
            let _ = write!(key, "{comma}{label}=\"{}\"", escaped(value));
        }
        if self.series.len() >= SERIES_MAX && !self.series.contains_key(&key) {
            return;
        }
        let series = self.series.entry(key).or_default();
        match change {
            #[expect(clippy::cast_precision_loss, reason = "metrics are floating point numbers")]
            RuleChange::Add(n) => series.value += n as f64,
            RuleChange::Set(value) => series.value = value,
            RuleChange::Observe(value) => {
                series.value += value;
                series.count += 1;
                for (count, bound) in series.buckets.iter_mut().zip(BOUNDS) {
                    *count += u64::from(value <= bound);
                }
            }
        }
    }
}

impl Family {
    /// Whether a value of a label has a series of its own; it gets one while there are places.
    fn has_place(&mut self, label: &str, value: &str) -> bool {
        let seen = format!("{label}={value}");
        if self.values.contains(&seen) {
            return true;
        }
        let of_label = self.values.iter().filter(|v| v.split('=').next() == Some(label)).count();
        of_label < LABEL_VALUES_MAX && self.values.insert(seen)
    }
}

impl Series {
    fn render(&self, name: &str, labels: &str, kind: &str, exposition: Exposition, out: &mut String) {
        let braces = |more: &str| match (labels.is_empty(), more.is_empty()) {
            (true, true) => String::new(),
            (false, false) => format!("{{{labels},{more}}}"),
            _ => format!("{{{labels}{more}}}"),
        };
        if kind != "histogram" {
            let _ = writeln!(out, "{name}{} {}", braces(""), number(self.value));
            return;
        }
        for (count, bound) in self.buckets.iter().zip(BOUNDS) {
            let bound = match exposition {
                Exposition::Text => bound.to_string(),
                Exposition::OpenMetrics => openmetrics::bound(bound),
            };
            let _ = writeln!(out, "{name}_bucket{} {count}", braces(&format!("le=\"{bound}\"")));
        }
        let _ = writeln!(out, "{name}_bucket{} {}", braces("le=\"+Inf\""), self.count);
        let _ = writeln!(out, "{name}_sum{} {}", braces(""), number(self.value));
        let _ = writeln!(out, "{name}_count{} {}", braces(""), self.count);
    }
}

/// Whether two numbers would have lines under one name: a script may call a gauge `hits_count` and a distribution `hits`.
///
/// # Source
/// OpenMetrics 1.0.0, section "MetricFamily": names that a family's suffixes make are its own.
fn clash(one: (&str, &'static str), other: (&str, &'static str)) -> bool {
    let (base, suffixes) = suffixes_of(one);
    let (other_base, other_suffixes) = suffixes_of(other);
    // Where neither name begins with the other, nothing that follows can make them one.
    let near = base.starts_with(other_base) || other_base.starts_with(base);
    near && suffixes.iter().any(|suffix| {
        other_suffixes.iter().any(|other| {
            base.len() + suffix.len() == other_base.len() + other.len()
                && format!("{base}{suffix}") == format!("{other_base}{other}")
        })
    })
}

/// The name of a family, and what its samples' names add to it.
fn suffixes_of<'a>((name, kind): (&'a str, &'static str)) -> (&'a str, &'static [&'static str]) {
    match kind {
        "counter" => (name.strip_suffix(openmetrics::TOTAL).unwrap_or(name), &["", "_total", "_created"]),
        "histogram" => (name, &["", "_bucket", "_sum", "_count", "_created"]),
        _ => (name, &[""]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(value: &str) -> Vec<(String, String)> {
        vec![("path".to_owned(), value.to_owned())]
    }

    fn text(metrics: &RuleMetrics) -> String {
        let mut out = String::new();
        metrics.render(Exposition::Text, &mut out);
        out
    }

    #[test]
    fn the_numbers_of_a_rule_are_rendered() {
        let m = RuleMetrics::default();
        m.change("honey-pot", "sprung", &label("/a\"b"), RuleChange::Add(2));
        m.change("honey-pot", "banned", &[], RuleChange::Set(7.0));
        m.change("honey-pot", "size", &[], RuleChange::Observe(5.0));
        m.change("honey-pot", "banned", &[], RuleChange::Observe(1.0));
        let text = text(&m);
        assert!(text.contains("pluginmind_rule_honey_pot_sprung_total{path=\"/a\\\"b\"} 2\n"), "{text}");
        assert!(text.contains("pluginmind_rule_honey_pot_banned 7\n"), "{text}");
        assert!(text.contains("pluginmind_rule_honey_pot_size_bucket{le=\"10\"} 1\n"), "{text}");
        assert!(text.contains("pluginmind_rule_honey_pot_size_bucket{le=\"1\"} 0\n"), "{text}");
        assert!(text.contains("pluginmind_rule_honey_pot_size_count 1\n"), "{text}");
    }

    #[test]
    fn no_two_numbers_of_scripts_have_lines_under_one_name() {
        for (first, second) in [
            (("x", RuleChange::Add(1)), ("x", RuleChange::Set(1.0))),
            (("x", RuleChange::Set(1.0)), ("x", RuleChange::Add(1))),
            (("x", RuleChange::Observe(1.0)), ("x_count", RuleChange::Set(1.0))),
            (("x_bucket", RuleChange::Set(1.0)), ("x", RuleChange::Observe(1.0))),
        ] {
            let m = RuleMetrics::default();
            for (name, change) in [first, second] {
                m.change("p", name, &[], change);
            }
            assert_eq!(text(&m).matches("# TYPE").count(), 1, "{first:?} {second:?}");
        }
    }

    #[test]
    fn the_numbers_of_a_plugin_that_is_gone_are_gone() {
        let m = RuleMetrics::default();
        for plugin in ["stays", "goes"] {
            m.change(plugin, "x", &[], RuleChange::Add(1));
        }
        m.keep(&|plugin| plugin == "stays");
        assert!(text(&m).contains("rule_stays_x") && !text(&m).contains("rule_goes"));
    }

    #[test]
    fn a_label_has_a_hundred_values_and_then_others() {
        let m = RuleMetrics::default();
        for n in 0..LABEL_VALUES_MAX + 50 {
            m.change("p", "x", &label(&format!("v{n}")), RuleChange::Add(1));
        }
        let text = text(&m);
        assert_eq!(text.lines().filter(|l| !l.starts_with('#')).count(), LABEL_VALUES_MAX + 1);
        assert!(text.contains("{path=\"other\"} 50"), "{text}");
    }

    #[test]
    fn names_that_a_script_makes_up_come_to_an_end() {
        let m = RuleMetrics::default();
        for n in 0..FAMILIES_MAX + 10 {
            m.change("p", &format!("n{n}"), &[], RuleChange::Add(1));
        }
        assert_eq!(text(&m).lines().filter(|l| l.starts_with("# TYPE")).count(), FAMILIES_MAX);
    }
}
