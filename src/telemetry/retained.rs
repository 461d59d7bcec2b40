//! Which series stay: those of what is configured. What was taken out of the configuration keeps no number.

use prometheus::core::Collector as _;
use prometheus::core::{MetricVec, MetricVecBuilder};
use prometheus::proto::MetricFamily;

/// What is configured, by the words that are values of labels.
pub struct Configured<'a> {
    /// Routes, and the gateway's own endpoints.
    pub route: &'a dyn Fn(&str) -> bool,
    /// Plugins.
    pub plugin: &'a dyn Fn(&str) -> bool,
    /// Services.
    pub service: &'a dyn Fn(&str) -> bool,
}

/// Takes every series out of a family whose value of a label does not stay. `labels` are those of the family, in the order
/// in which it was made.
pub(super) fn retain<B: MetricVecBuilder>(
    family: &MetricVec<B>,
    labels: &[&str],
    label: &str,
    stays: &dyn Fn(&str) -> bool,
) where
    MetricVec<B>: prometheus::core::Collector,
{
    for series in family.collect().iter().flat_map(MetricFamily::get_metric) {
        let value = |name: &str| {
            let pair = series.get_label().iter().find(|pair| pair.name() == name);
            pair.map_or("", |pair| pair.value())
        };
        if !stays(value(label)) {
            let values: Vec<&str> = labels.iter().map(|name| value(name)).collect();
            // An error says that somebody else took it out.
            family.remove_label_values(&values).ok();
        }
    }
}
