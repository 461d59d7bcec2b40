//! Alerts beside the requests: what is looked at once a second, and what writes messages down and carries them out. It runs
//! on the thread that keeps house, never on a worker.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::admin::token::kept_secret;
use super::start::StartError;
use crate::alert::deliver::{Lanes, PAUSES};
use crate::alert::{Alerts, Letter, Notice, RECENT_MAX, Sent};
use crate::base::secret::Secret;
use crate::config::{Config, When};
use crate::pipeline::gateway::Gateway;
use crate::proxy::State;
use crate::store::{AlertRow, OpenError, Store};

/// What signs messages where an alert has no secret of its own, in the data folder.
pub const SECRET_FILE: &str = "alerts.secret";
/// How often services, storage and plugins are looked at.
const EVERY: Duration = Duration::from_secs(1);
/// For how long messages are tried once more at the end.
const FINISH_MAX: Duration = Duration::from_secs(2);

/// Puts the alerts of the start into force, with what was told before it.
///
/// # Errors
/// The database cannot be read, or there is no secret to sign with.
pub fn begin(gateway: &Gateway, data_folder: &Path) -> Result<(), StartError> {
    let snapshot = gateway.live.current();
    if let Some(secret) = own_secret(&snapshot.config, data_folder)
        .map_err(|source| StartError::Io { what: "cannot read what signs alerts", source })?
    {
        gateway.courier.sign_with(secret);
    }
    recall(&gateway.alerts, &gateway.store)?;
    gateway.alerts.apply(&snapshot.config.alerts, snapshot.generation);
    Ok(())
}

/// The secret of the data folder, made (0600) where it is absent; nothing where no alert needs it.
///
/// # Errors
/// The file cannot be made or read.
pub fn own_secret(config: &Config, data_folder: &Path) -> std::io::Result<Option<Secret<Vec<u8>>>> {
    let needs = config.alerts.iter().filter_map(|alert| alert.webhook.as_ref()).any(|w| w.secret.is_none());
    if !needs {
        return Ok(None);
    }
    let secret = kept_secret(data_folder, SECRET_FILE)?;
    Ok(Some(Secret::new(secret.expose().as_bytes().to_vec())))
}

/// What was told before the start, for whoever looks.
fn recall(alerts: &Alerts, store: &Store) -> Result<(), OpenError> {
    for row in store.reader()?.alerts(0, RECENT_MAX)?.into_iter().rev() {
        alerts.remember(sent_of(row));
    }
    Ok(())
}

/// Looks at what tells nothing by itself, for as long as the process runs.
pub async fn watch_for_ever(gateway: Arc<Gateway>) {
    let mut dropped = gateway.store.usage_rows_dropped();
    loop {
        tokio::time::sleep(EVERY).await;
        look(&gateway, &mut dropped);
    }
}

/// One look; `dropped` are the rows that were lost so far.
fn look(gateway: &Gateway, dropped: &mut u64) {
    let alerts = &gateway.alerts;
    alerts.storage_refuses(!gateway.store.is_healthy());
    let lost = gateway.store.usage_rows_dropped();
    if lost > *dropped {
        alerts.rows_dropped(lost - *dropped);
        *dropped = lost;
    }
    if alerts.watch_for(When::UpstreamDown) {
        let services = gateway.upstreams.status();
        for service in services.iter().filter(|service| service.state != State::Unknown) {
            alerts.upstream(&service.name, service.state == State::Down);
        }
        alerts.forget_things(When::UpstreamDown, |name| services.iter().any(|s| s.name == name));
    }
    if alerts.watch_for(When::PluginFault) {
        let plugins = gateway.live.current().rules.plugins();
        for plugin in &plugins {
            alerts.plugin_tripped(&plugin.name, plugin.tripped.is_some() && plugin.mode != "off");
        }
        alerts.forget_things(When::PluginFault, |name| plugins.iter().any(|p| *p.name == *name));
    }
    alerts.tick();
}

/// Writes messages down and carries them out until `stop` is told; then what waits is tried once more.
pub async fn carry_until(gateway: Arc<Gateway>, stop: Rc<Notify>) {
    let told = Arc::clone(&gateway);
    let done = move |notice: &Notice, fate: crate::alert::deliver::Fate| {
        told.alerts.became(&notice.id, fate.word());
        // Whoever looks in memory sees it; a row that could not be changed says that it waits.
        drop(told.store.alert_became(notice.id.clone(), fate.word()));
    };
    let (courier, metrics) = (Arc::clone(&gateway.courier), Arc::clone(&gateway.metrics));
    let mut lanes = Lanes::new(courier, metrics, gateway.clock.clone(), PAUSES, done);
    loop {
        tokio::select! {
            biased;
            letter = gateway.alerts.next() => take(&gateway, &mut lanes, letter),
            () = stop.notified() => break,
        }
    }
    lanes.finish(FINISH_MAX).await;
}

fn take(gateway: &Gateway, lanes: &mut Lanes, letter: Letter) {
    // A database that takes no writes may be what the message is about; the log has it in any case.
    drop(gateway.store.add_alert(row_of(&letter)));
    lanes.carry(letter);
}

fn row_of(letter: &Letter) -> AlertRow {
    let notice = &letter.notice;
    AlertRow {
        event_id: notice.id.clone(),
        time_ms: notice.unix_ms,
        name: notice.name.clone(),
        about: notice.when.to_string(),
        event: notice.event.to_string(),
        severity: notice.severity.to_string(),
        title: notice.title.clone(),
        detail: notice.detail.clone(),
        subject: notice.subject.clone(),
        count: notice.count,
        window: notice.window.clone(),
        generation: notice.generation,
        delivered: if letter.webhook.is_some() { "waiting" } else { "log" }.to_owned(),
    }
}

/// A row as it is shown. What waited when the process ended was never sent.
pub fn sent_of(row: AlertRow) -> Sent {
    let mut time = String::new();
    crate::telemetry::timestamp::push_rfc3339(&mut time, row.time_ms);
    let notice = Notice {
        id: row.event_id,
        name: row.name,
        when: row.about.into(),
        event: row.event.into(),
        severity: row.severity.into(),
        title: row.title,
        detail: row.detail,
        time,
        unix_ms: row.time_ms,
        count: row.count,
        window: row.window,
        subject: row.subject,
        generation: row.generation,
    };
    Sent { notice: Arc::new(notice), delivered: row.delivered.into() }
}

#[cfg(test)]
#[path = "alerting_tests.rs"]
mod tests;
