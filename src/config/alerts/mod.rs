//! `[[alerts]]`: what somebody is told of, when, and who.

mod kind;
mod webhook;

pub use kind::{Measure, Per, Severity, Shape, When};
pub use webhook::Webhook;

use std::time::Duration;

use super::context::Context;
use super::routes::Route;
use crate::base::document::Table;
use crate::base::nearest::nearest;

/// Most alerts.
const ALERTS_MAX: usize = 100;
/// Most routes of one alert.
const ROUTES_MAX: usize = 100;
/// Most that is counted up to.
const COUNT_MAX: i64 = 1_000_000;
/// Shortest and longest time in which is counted.
const WITHIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 60 * 60));
/// Shortest and longest window that is compared with those of a day.
const WITHIN_USUAL: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(6 * 60 * 60));

/// One alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// What it is called in messages, logs and rows.
    pub name: String,
    /// What it is about.
    pub when: When,
    /// For whom is counted.
    pub per: Per,
    /// How often, in what time.
    pub measure: Measure,
    /// For how long the same is not told again after it was told.
    pub cooldown: Duration,
    /// How bad it is; of rules' alerts the least that is told.
    pub severity: Severity,
    /// The routes whose requests count; empty: all.
    pub routes: Vec<String>,
    /// Who is told beside the log.
    pub webhook: Option<Webhook>,
}

impl Alert {
    /// Reads every `[[alerts]]`.
    pub(super) fn read_all(root: &mut Table<'_>, routes: &[Route], context: &mut Context) -> Vec<Self> {
        let mut alerts: Vec<Self> = Vec::new();
        for table in root.tables("alerts") {
            if alerts.len() == ALERTS_MAX {
                table.report(table.problem("when", format!("there are more than {ALERTS_MAX} alerts")));
                break;
            }
            let alert = Self::read(table, &alerts, routes, context);
            alerts.extend(alert);
        }
        alerts
    }

    fn read(mut table: Table<'_>, before: &[Self], routes: &[Route], context: &mut Context) -> Option<Self> {
        let doc = "What it is about, required: `rate_limited` (429), `unauthorized` (401), `forbidden` (403), \
                   `upstream_down`, `plugin_fault`, `reload_failed`, `storage`, `rows_dropped` or `rule_alert`.";
        let when = table.choice("when", &When::WORDS, "", doc);
        if when.is_none() && !table.has("when") && table.exists() {
            table.report(table.problem("when", "`alerts[].when` is required"));
        }
        let name = read_name(&mut table, when, before);
        let per = table
            .choice(
                "per",
                &[("all", Per::All), ("user", Per::User), ("ip", Per::Ip)],
                "all",
                "For whom requests are counted: `user`, `ip` or `all` together.",
            )
            .unwrap_or_default();
        let measure = read_measure(&mut table, when);
        let cooldown = table.duration(
            "cooldown",
            "10m",
            Duration::ZERO,
            "For how long the same is not told again after it was told.",
        );
        let doc =
            "How bad it is: `low`, `medium`, `high` or `critical`; of `rule_alert` the least that is told.";
        let severity = table.choice("severity", &Severity::WORDS, "", doc);
        let names = routes.iter().map(|route| route.name.as_str());
        let routes = table.list(
            "routes",
            "list of route names",
            &[],
            "The routes whose requests count; without it all, and those without a route.",
            |name| known(name, names.clone()),
        );
        if routes.len() > ROUTES_MAX {
            table.report(table.problem("routes", format!("there are more than {ROUTES_MAX} routes")));
        }
        let webhook = Webhook::read(&mut table, context);
        let alert = when.map(|when| Self {
            name,
            when,
            per,
            measure,
            cooldown,
            severity: severity.unwrap_or_else(|| when.severity()),
            routes,
            webhook,
        });
        if let Some(alert) = &alert {
            alert.judge(&table);
        }
        table.finish();
        alert
    }

    /// Keys that have no meaning beside others.
    fn judge(&self, table: &Table<'_>) {
        let word = self.when.word();
        let report = |key: &'static str, message: String| table.report(table.problem(key, message));
        if !self.when.counts_requests() {
            for key in ["per", "routes", "factor"] {
                let is_default = key == "per" && self.per == Per::All;
                if table.has(key) && !is_default {
                    report(
                        key,
                        format!("`alerts[].{key}` is for what counts requests, which `{word}` does not"),
                    );
                }
            }
        }
        if self.when.is_state() || self.when == When::RuleAlert {
            for key in ["count", "within"].into_iter().filter(|key| table.has(key)) {
                report(key, format!("`alerts[].{key}` is for what is counted, which `{word}` is not"));
            }
        }
        if self.measure.factor.is_none() {
            return;
        }
        if self.per != Per::All {
            report("factor", "`alerts[].factor` compares all together: leave `per` away".to_owned());
        }
        if !(WITHIN_USUAL.0..=WITHIN_USUAL.1).contains(&self.measure.within) {
            report("within", "`alerts[].within` is `1m` to `6h` where there is a `factor`".to_owned());
        }
    }
}

/// The name; else what it is about, with a number where that is taken.
fn read_name(table: &mut Table<'_>, when: Option<When>, before: &[Alert]) -> String {
    let doc = "What it is called; else what it is about, with a number where that is taken.";
    let is_taken = |name: &str| before.iter().any(|alert| alert.name == name);
    if let Some(name) = table.optional_text("name", doc) {
        if !is_name(&name) {
            let message = "`alerts[].name` has 1 to 64 of letters, digits, `-`, `_`, `.` and spaces";
            table.report(table.problem("name", message));
        } else if is_taken(&name) {
            table.report(table.problem("name", format!("there is already an alert `{name}`")));
        }
        return name;
    }
    let word = when.map_or("", When::word);
    let numbered = (2..=ALERTS_MAX).map(|n| format!("{word}-{n}"));
    std::iter::once(word.to_owned()).chain(numbered).find(|name| !is_taken(name)).unwrap_or_default()
}

fn read_measure(table: &mut Table<'_>, when: Option<When>) -> Measure {
    let count = table.optional_integer(
        "count",
        "20, of other than requests 1",
        (1, COUNT_MAX),
        "How often it must happen in that time; with a `factor`, how often at least.",
    );
    let within = table
        .parsed("within", "duration", "1m", "In what time, `1s` to `24h`.", |text| {
            let within = crate::base::units::parse_duration(text)?;
            let fits = (WITHIN.0..=WITHIN.1).contains(&within);
            if fits { Ok(within) } else { Err(format!("`{text}` is not between 1s and 24h")) }
        })
        .unwrap_or(Duration::from_secs(60));
    let factor = table.number(
        "factor",
        "",
        (1.1, 1_000.0),
        "How many times the median of the last 24 hours, in windows of `within`; told only once an hour is known.",
    );
    let count = count.unwrap_or_else(|| when.map_or(1, When::count));
    Measure { count: u64::try_from(count).unwrap_or(1), within, factor }
}

fn known<'a>(name: &str, mut names: impl Iterator<Item = &'a str> + Clone) -> Result<String, String> {
    if names.clone().any(|known| known == name) {
        return Ok(name.to_owned());
    }
    let near = nearest(name, names.by_ref()).map_or_else(String::new, |n| format!(" (did you mean `{n}`?)"));
    Err(format!("there is no route `{name}`{near}"))
}

fn is_name(text: &str) -> bool {
    let fits = (1..=64).contains(&text.len()) && text.trim() == text;
    fits && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_. ".contains(&b))
}

#[cfg(test)]
mod tests;
