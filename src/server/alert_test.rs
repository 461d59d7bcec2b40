//! A message to every receiver, to see whether it comes through: the running gateway sends it, or the command line where
//! none runs.

use std::sync::Arc;

use serde::Serialize;
use tokio::task::JoinSet;

use crate::alert::deliver::{Courier, Fate};
use crate::alert::test_notice;
use crate::config::Alert;

/// What became of the message to one receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tested {
    /// The alert's name.
    pub name: String,
    /// `delivered`, `failed`, or `log` where nobody else is told.
    pub outcome: &'static str,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Sends one message for each alert, all at once, one try each; `unix_ms` is now.
pub async fn test(
    alerts: impl Iterator<Item = Alert>,
    courier: &Arc<Courier>,
    unix_ms: i64,
    generation: u64,
) -> Vec<Tested> {
    let mut tries = JoinSet::new();
    for (place, alert) in alerts.enumerate() {
        let courier = Arc::clone(courier);
        tries.spawn(async move { (place, one(&alert, &courier, unix_ms, generation).await) });
    }
    let mut tested = tries.join_all().await;
    tested.sort_unstable_by_key(|(place, _)| *place);
    tested.into_iter().map(|(_, tested)| tested).collect()
}

async fn one(alert: &Alert, courier: &Courier, unix_ms: i64, generation: u64) -> Tested {
    let notice = test_notice(alert, unix_ms, generation);
    tracing::info!(alert = alert.name, event = &*notice.event, "an alert is tested");
    let (outcome, reason) = match &alert.webhook {
        None => ("log", None),
        Some(webhook) => match courier.send(webhook, &notice, unix_ms.div_euclid(1_000)).await {
            Ok(()) => (Fate::Delivered.word(), None),
            Err(why) => (Fate::Failed.word(), Some(why.to_string())),
        },
    };
    Tested { name: alert.name.clone(), outcome, reason }
}
