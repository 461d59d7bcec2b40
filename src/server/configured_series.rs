//! Which series of the metrics belong to what is configured. All others go away with the edit that took their route, plugin
//! or service out, and what requests that were still running bring back goes with the next reading.

use std::collections::HashSet;

use crate::live::snapshot::Snapshot;
use crate::pipeline::endpoints::Own;
use crate::telemetry::metrics::{Configured, Metrics};

/// Takes out the series of everything that a policy does not have.
pub fn keep(metrics: &Metrics, snapshot: &Snapshot) {
    let config = &snapshot.config;
    let routes: HashSet<&str> = config.routes.iter().map(|route| route.name.as_str()).collect();
    let services: HashSet<&str> = config.services.iter().map(|service| service.name.as_str()).collect();
    let plugins: HashSet<String> = snapshot.rules.plugins().into_iter().map(|p| p.name.to_string()).collect();
    metrics.keep(&Configured {
        route: &|name| name.is_empty() || routes.contains(name) || Own::is_path(name),
        plugin: &|name| plugins.contains(name),
        service: &|name| services.contains(name),
    });
}
