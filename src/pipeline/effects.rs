//! What rules ask for beyond the request at hand: their numbers, and alerts.

use super::gateway::Gateway;
use crate::alert::Raised;
use crate::script::{Change, Effect};
use crate::telemetry::rule_metrics::RuleChange;

impl Gateway {
    /// Sees to what rules asked for.
    pub fn deliver(&self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Metric(m) => {
                    let change = match m.change {
                        Change::Add(n) => RuleChange::Add(n),
                        Change::Set(value) => RuleChange::Set(value),
                        Change::Observe(value) => RuleChange::Observe(value),
                    };
                    self.metrics.rules.change(&m.plugin, &m.name, &m.labels, change);
                }
                Effect::Alert(a) => {
                    self.metrics.alert(&a.plugin, a.severity.word());
                    self.alerts.raise(Raised {
                        plugin: &a.plugin,
                        severity: a.severity.word(),
                        title: &a.title,
                        fields: &a.fields,
                    });
                }
            }
        }
    }
}
