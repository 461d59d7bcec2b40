//! `pluginmind alerts`: what was told, and a test of who is told.

use std::sync::Arc;

use serde_json::Value;

use super::exit::Exit;
use super::failure::Failure;
use super::options::AlertsVerb;
use super::{Options, inputs, offline, render, running, whereabouts};
use crate::alert::Sent;
use crate::alert::deliver::Courier;
use crate::base::clock::Clock;
use crate::base::units::parse_duration;
use crate::server::alert_test::test;
use crate::server::alerting::own_secret;
use crate::server::start::trust;

pub(super) fn run(options: &Options, what: AlertsVerb) -> Result<Exit, Failure> {
    match what {
        AlertsVerb::List { since, limit } => list(options, since.as_deref(), limit),
        AlertsVerb::Test { name } => try_out(options, name.as_deref()),
    }
}

fn list(options: &Options, since: Option<&str>, limit: usize) -> Result<Exit, Failure> {
    let since_ms = match since {
        None => 0,
        Some(text) => {
            let ago = parse_duration(text)
                .map_err(|why| Failure::Said(Exit::Usage, format!("`--since`: {why}")))?;
            Clock::System.unix_ms().saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX))
        }
    };
    let alerts = offline::alerts(&inputs::config(options)?, since_ms, limit)?;
    render::result(options.format, &alerts, || table(&alerts));
    Ok(Exit::Fine)
}

fn table(alerts: &[Sent]) -> String {
    let rows: Vec<_> = alerts
        .iter()
        .map(|sent| {
            let notice = &sent.notice;
            [
                notice.time.clone(),
                notice.name.clone(),
                notice.event.to_string(),
                notice.severity.to_string(),
                sent.delivered.to_string(),
                notice.subject.clone().unwrap_or_else(|| "-".to_owned()),
                notice.title.clone(),
            ]
        })
        .collect();
    render::table(["TIME", "NAME", "EVENT", "SEVERITY", "DELIVERED", "SUBJECT", "WHAT"], &rows, "no alerts")
}

/// Through the running gateway, whose authorities and secret are the ones that count; else from here.
fn try_out(options: &Options, name: Option<&str>) -> Result<Exit, Failure> {
    let gateway = whereabouts::find(options)?;
    let tested = if running::runs(&gateway)? {
        let body = name.map_or_else(|| serde_json::json!({}), |name| serde_json::json!({ "name": name }));
        running::post_document(&gateway, "/admin/api/alerts/test", &body)?
    } else {
        from_here(options, name)?
    };
    let list = tested.as_array().cloned().unwrap_or_default();
    render::result(options.format, &tested, || outcome(&list));
    let failed = list.is_empty() || list.iter().any(|one| text(one, "outcome") == "failed");
    Ok(if failed { Exit::Problems } else { Exit::Fine })
}

fn from_here(options: &Options, name: Option<&str>) -> Result<Value, Failure> {
    let config = inputs::config(options)?;
    let chosen: Vec<_> =
        config.alerts.iter().filter(|alert| name.is_none_or(|name| alert.name == name)).cloned().collect();
    if name.is_some() && chosen.is_empty() {
        return Err(Failure::problem("there is no such alert"));
    }
    let said = |why: &dyn std::fmt::Display| Failure::cannot_run(why.to_string());
    let courier = Arc::new(Courier::new(trust(&config).map_err(|why| said(&why))?));
    if let Some(secret) = own_secret(&config, config.storage.data_folder()).map_err(|why| said(&why))? {
        courier.sign_with(secret);
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|why| said(&why))?;
    let tested = runtime.block_on(test(chosen.into_iter(), &courier, Clock::System.unix_ms(), 0));
    serde_json::to_value(tested).map_err(|why| said(&why))
}

fn outcome(list: &[Value]) -> String {
    let rows: Vec<_> = list
        .iter()
        .map(|one| {
            let told = match text(one, "outcome") {
                "log" => "only the log",
                other => other,
            };
            [text(one, "name").to_owned(), told.to_owned(), text(one, "reason").to_owned()]
        })
        .collect();
    render::table(["NAME", "OUTCOME", "REASON"], &rows, "no alerts are configured: see [[alerts]]")
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
