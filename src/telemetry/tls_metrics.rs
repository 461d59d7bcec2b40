//! The numbers of TLS: handshakes, why some fail, and when certificates end.

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec, Registry};

use super::metric_list as list;
use super::metrics::{counters, gauges};

/// The numbers of TLS.
pub struct TlsMetrics {
    full: IntCounter,
    resumed: IntCounter,
    failures: IntCounterVec,
    expiry: IntGaugeVec,
}

impl TlsMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let handshakes = counters(registry, list::TLS_HANDSHAKES);
        let [full, resumed] = ["full", "resumed"].map(|kind| handshakes.with_label_values(&[kind]));
        Self {
            full,
            resumed,
            failures: counters(registry, list::TLS_FAILURES),
            expiry: gauges(registry, list::TLS_EXPIRY),
        }
    }

    /// Counts a handshake that was finished.
    pub fn handshake(&self, resumed: bool) {
        if resumed { &self.resumed } else { &self.full }.inc();
    }

    /// Counts one that was not; `reason` is a word of the code.
    pub fn failed(&self, reason: &'static str) {
        self.failures.with_label_values(&[reason]).inc();
    }

    /// Says when each certificate ends: its first name, which is the operator's word, and seconds since 1970-01-01 UTC.
    pub fn expiries(&self, expiries: impl IntoIterator<Item = (String, i64)>) {
        self.expiry.reset();
        for (name, not_after) in expiries {
            self.expiry.with_label_values(&[name.as_str()]).set(not_after);
        }
    }
}
