//! Sends the spans of requests to the collector that `tracing.otlp` names, off the path of requests: in batches, each tried
//! a few times, and what nobody takes is counted.
//!
//! # Source
//! OTLP specification 1.9, section "OTLP/HTTP Response": which answers are worth another try.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::time::{sleep, timeout};

use super::start::trust;
use crate::config::Config;
use crate::outbound::{Client, Failure, Limits, PlainHttp, Url};
use crate::pipeline::gateway::Gateway;
use crate::telemetry::otlp;

/// Between two looks at the queue.
const EVERY: Duration = Duration::from_secs(1);
/// Most requests of one document.
const BATCH_MAX: usize = 512;
/// Waits before the tries that follow the first.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];
/// A collector only says that it has them.
const LIMITS: Limits =
    Limits { connect: Duration::from_secs(2), total: Duration::from_secs(5), body_bytes_max: 64 * 1_024 };
/// Longest wait for a collector when the process ends.
const LAST_MAX: Duration = Duration::from_secs(2);

/// Why a batch was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum NotTaken {
    /// There is no answer.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// An answer that is no yes.
    #[error("the answer was {0}")]
    Status(StatusCode),
    /// The address is one that is never asked.
    #[error("the address is one that is never asked")]
    Address,
}

impl NotTaken {
    fn may_pass(self) -> bool {
        match self {
            Self::Failure(failure) => !matches!(failure, Failure::Forbidden),
            Self::Status(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            Self::Address => false,
        }
    }
}

/// Sends what is waiting, for as long as the process runs.
pub async fn export_for_ever(gateway: Arc<Gateway>) {
    let mut exporter = Exporter::default();
    loop {
        sleep(EVERY).await;
        exporter.round(&gateway).await;
    }
}

/// Sends what is waiting when the process ends, or gives up soon.
pub async fn export_the_last(gateway: &Gateway) {
    let mut exporter = Exporter::default();
    if timeout(LAST_MAX, exporter.round(gateway)).await.is_err() {
        tracing::warn!("the collector of traces did not take the last spans in time");
    }
}

#[derive(Default)]
struct Exporter {
    /// The client, and the operator's authorities that it believes.
    client: Option<(Option<String>, Client)>,
    /// Whether the last batch was not taken: that is told once.
    failing: bool,
}

impl Exporter {
    async fn round(&mut self, gateway: &Gateway) {
        // Not for longer than what waits now: what comes meanwhile has its own round.
        let mut left = gateway.spans.len();
        while left > 0 {
            let batch = gateway.spans.take(BATCH_MAX.min(left));
            left = left.saturating_sub(batch.len());
            let snapshot = gateway.live.current();
            let Some(collector) = &snapshot.config.tracing.otlp else {
                gateway.spans.drop_some(batch.len());
                continue;
            };
            let document = otlp::encode(&batch, env!("CARGO_PKG_VERSION"));
            match self.send(collector, &snapshot.config, document).await {
                Ok(()) => gateway.spans.sent_some(batch.len()),
                Err(_) => gateway.spans.drop_some(batch.len()),
            }
        }
    }

    async fn send(&mut self, collector: &str, config: &Config, document: Vec<u8>) -> Result<(), NotTaken> {
        let outcome = match (Url::parse(collector, PlainHttp::Anywhere), self.client(config)) {
            (Ok(url), Some(client)) => tried(&client, &url, &document).await,
            _ => Err(NotTaken::Address),
        };
        match outcome {
            Err(reason) if !self.failing => tracing::warn!(%reason, "the collector takes no traces"),
            Ok(()) if self.failing => tracing::info!("the collector takes traces again"),
            _ => {}
        }
        self.failing = outcome.is_err();
        outcome
    }

    fn client(&mut self, config: &Config) -> Option<Client> {
        let authorities = &config.auth.provider_ca;
        if self.client.as_ref().is_none_or(|(believed, _)| believed != authorities) {
            self.client = Some((authorities.clone(), Client::new(trust(config).ok()?, LIMITS)));
        }
        self.client.as_ref().map(|(_, client)| client.clone())
    }
}

async fn tried(client: &Client, url: &Url, document: &[u8]) -> Result<(), NotTaken> {
    let mut pauses = PAUSES.into_iter();
    loop {
        let answer = client.post_json(url, document.to_vec()).await;
        let outcome = answer.map_err(NotTaken::from).and_then(|answer| {
            if answer.status.is_success() { Ok(()) } else { Err(NotTaken::Status(answer.status)) }
        });
        let Err(reason) = outcome else { return Ok(()) };
        match pauses.next().filter(|_| reason.may_pass()) {
            Some(pause) => sleep(pause).await,
            None => return Err(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (status, again) in
            [(429, true), (503, true), (502, true), (504, true), (400, false), (500, false)]
        {
            assert_eq!(NotTaken::Status(StatusCode::from_u16(status).unwrap()).may_pass(), again, "{status}");
        }
        assert!(NotTaken::Failure(Failure::Timeout).may_pass());
        assert!(!NotTaken::Failure(Failure::Forbidden).may_pass() && !NotTaken::Address.may_pass());
    }
}
