//! The numbers of a registry as OpenMetrics: counters without `_total` in their family's name, bounds as floats, exemplars.
//!
//! # Source
//! OpenMetrics 1.0.0, sections "Text format", "Exemplars", "Canonical Numbers".

use std::fmt::Write as _;

use prometheus::proto::{Metric, MetricFamily, MetricType};

use super::exemplars::Exemplar;
use super::exposition::{escaped, number};

/// What a family's name loses where it is a counter's.
pub(super) const TOTAL: &str = "_total";

/// Appends all families but the end. `exemplars` gives those of a histogram, one place a bucket, the last for `+Inf`.
pub(super) fn encode(
    families: &[MetricFamily],
    exemplars: impl Fn(&str, &Metric) -> Vec<Option<Exemplar>>,
    out: &mut String,
) {
    for family in families {
        let name = family.name();
        let kind = match family.get_field_type() {
            MetricType::COUNTER => "counter",
            MetricType::HISTOGRAM => "histogram",
            _ => "gauge",
        };
        head(name, kind, family.help(), out);
        for metric in family.get_metric() {
            let labels = labels_of(metric);
            match kind {
                "counter" => sample(name, "", &labels, metric.get_counter().get_value(), out),
                "histogram" => histogram(name, &labels, metric, &exemplars(name, metric), out),
                _ => sample(name, "", &labels, metric.get_gauge().get_value(), out),
            }
        }
    }
}

/// The lines that describe a family.
pub(super) fn head(name: &str, kind: &str, help: &str, out: &mut String) {
    let family = if kind == "counter" { name.strip_suffix(TOTAL).unwrap_or(name) } else { name };
    let _ = writeln!(out, "# HELP {family} {}\n# TYPE {family} {kind}", escaped(help));
}

/// The end, without which a reader knows that something is missing.
pub(super) fn end(out: &mut String) {
    out.push_str("# EOF\n");
}

fn labels_of(metric: &Metric) -> String {
    let labels = metric.get_label().iter().map(|l| format!("{}=\"{}\"", l.name(), escaped(l.value())));
    labels.collect::<Vec<_>>().join(",")
}

fn sample(name: &str, suffix: &str, labels: &str, value: f64, out: &mut String) {
    let (open, close) = if labels.is_empty() { ("", "") } else { ("{", "}") };
    let _ = writeln!(out, "{name}{suffix}{open}{labels}{close} {}", number(value));
}

fn histogram(name: &str, labels: &str, metric: &Metric, exemplars: &[Option<Exemplar>], out: &mut String) {
    let histogram = metric.get_histogram();
    let comma = if labels.is_empty() { "" } else { "," };
    let buckets = histogram.get_bucket().iter().map(|b| (bound(b.upper_bound()), b.cumulative_count()));
    let all = buckets.chain([("+Inf".to_owned(), histogram.get_sample_count())]);
    for (place, (le, count)) in all.enumerate() {
        let _ = write!(out, "{name}_bucket{{{labels}{comma}le=\"{le}\"}} {count}");
        if let Some(exemplar) = exemplars.get(place).and_then(Option::as_ref) {
            let _ = write!(out, " {exemplar}");
        }
        out.push('\n');
    }
    #[expect(clippy::cast_precision_loss, reason = "metrics are floating point numbers")]
    let count = histogram.get_sample_count() as f64;
    sample(name, "_sum", labels, histogram.get_sample_sum(), out);
    sample(name, "_count", labels, count, out);
}

/// An upper bound in its one canonical form: `1.0`, `0.25`, `2.5e-05`.
pub(super) fn bound(value: f64) -> String {
    if value.is_infinite() {
        return number(value);
    }
    let small = value != 0.0 && value.abs() < 1e-4;
    if !small && value.abs() < 1e6 {
        return format!("{value:?}");
    }
    // Rust writes `2.5e-5`; the exponent has a sign and two digits.
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let sign = if exponent.starts_with('-') { '-' } else { '+' };
    format!("{digits}e{sign}{:0>2}", exponent.trim_start_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_have_one_form() {
        let bounds = [0.000_01, 0.000_025, 0.000_1, 0.005, 0.25, 1.0, 10.0, 10_000.0, 1_000_000.0];
        let written = bounds.map(bound).join(" ");
        assert_eq!(written, "1e-05 2.5e-05 0.0001 0.005 0.25 1.0 10.0 10000.0 1e+06");
        assert_eq!(bound(f64::INFINITY), "+Inf");
    }
}
