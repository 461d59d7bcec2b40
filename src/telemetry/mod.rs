//! Floor 2: what the outside may see of the inside: log lines, the access line, metrics.

pub mod access;
pub mod escape;
pub mod exemplars;
pub mod exposition;
pub mod lines;
pub mod logs;
pub mod metric_list;
pub mod metric_reference;
pub mod metrics;
mod openmetrics;
pub mod otlp;
pub mod panics;
pub mod redact;
mod retained;
pub mod rule_metrics;
pub mod sink;
pub mod spans;
pub mod timeline;
pub mod timestamp;
pub mod tls_metrics;
pub mod upstream_metrics;
pub mod websocket_metrics;
