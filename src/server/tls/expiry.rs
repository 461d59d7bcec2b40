//! Certificates that end: told in metrics at every look, and in the log once a day while the end is near.

use std::sync::Arc;
use std::time::Duration;

use crate::pipeline::gateway::Gateway;
use crate::telemetry::metrics::Metrics;

/// How often the log is told.
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// Brings `tls_certificate_expiry_timestamp_seconds` up to date.
pub fn refresh(metrics: &Metrics, gateway: &Gateway) {
    let tls = gateway.live.current().tls.clone();
    metrics.tls.expiries(tls.iter().flat_map(|tls| tls.expiries()).map(|e| (e.name, e.not_after)));
}

/// Warns of certificates that end soon, for as long as the process runs. A start and a reload warn by themselves.
pub async fn warn_for_ever(gateway: Arc<Gateway>) {
    loop {
        tokio::time::sleep(EVERY).await;
        warn(&gateway);
    }
}

fn warn(gateway: &Gateway) {
    let Some(tls) = gateway.live.current().tls.clone() else { return };
    let now = gateway.clock.unix_ms().div_euclid(1_000);
    for expiry in tls.expiries().into_iter().filter(|expiry| expiry.is_near(now)) {
        let days = (expiry.not_after - now).div_euclid(24 * 60 * 60);
        tracing::warn!(name = expiry.name, days, "a TLS certificate ends soon, or has ended");
    }
}
