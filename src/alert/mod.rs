//! Floor 3: telling somebody. What happens is counted against the alerts of the configuration; what they come to is a line
//! of the log, always, and a message for whoever delivers it.
//!
//! Nothing here waits: a request that is refused counts under one short lock. What persists messages and carries them out
//! runs elsewhere and takes them from a bounded queue.

mod notice;
mod outbox;
mod pace;
mod quiet;
mod usual;
mod watch;
mod window;

pub mod deliver;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use serde::Serialize;

use self::notice::{Draft, TRIPPED, title};
use self::outbox::Outbox;
use self::quiet::Quiet;
use self::watch::{Told, Watch};
use crate::base::address::Pseudonym;
use crate::base::clock::Clock;
use crate::config::{Alert, AlertPer, AlertSeverity, When};
use crate::telemetry::metrics::Metrics;

pub use self::notice::{Notice, test_notice};
pub use self::outbox::{Letter, RECENT_MAX, Sent, WAITING_MAX};
pub use self::pace::PER_MINUTE_MAX;
pub use self::quiet::QUIET;
pub use self::watch::{KEYS_MAX, Subject, Turn};

/// The alerts of the configuration, and what was told of late.
pub struct Alerts {
    clock: Clock,
    metrics: Arc<Metrics>,
    start: Instant,
    watches: ArcSwap<Vec<Arc<Watch>>>,
    generation: AtomicU64,
    quiet: Quiet,
    outbox: Outbox,
}

/// One that is told and not over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Active {
    /// The alert's name.
    pub name: String,
    /// What it is about.
    pub when: &'static str,
    /// How bad it is.
    pub severity: &'static str,
    /// The keyed hash of a user or an address, or the name of a service or a plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The most that it came to.
    pub count: u64,
}

/// A request that was refused, as alerts count it.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// The status of the answer.
    pub status: u16,
    /// The route's name; empty without a route.
    pub route: &'a str,
    /// Whose request it was.
    pub user: Option<Pseudonym>,
}

/// What a rule raises.
#[derive(Clone, Copy, Debug)]
pub struct Raised<'a> {
    /// The plugin.
    pub plugin: &'a Arc<str>,
    /// A word of [`AlertSeverity`].
    pub severity: &'a str,
    /// What happened; addresses and e-mails are gone.
    pub title: &'a str,
    /// More of it; addresses and e-mails are gone.
    pub fields: &'a str,
}

impl Alerts {
    /// No alerts yet.
    pub fn new(clock: Clock, metrics: Arc<Metrics>) -> Self {
        let start = clock.now();
        Self {
            clock,
            metrics,
            start,
            watches: ArcSwap::default(),
            generation: AtomicU64::new(0),
            quiet: Quiet::default(),
            outbox: Outbox::default(),
        }
    }

    /// Takes over the alerts of a configuration. The windows of those that are the same go on.
    pub fn apply(&self, alerts: &[Alert], generation: u64) {
        let (old, now) = (self.watches.load_full(), self.clock.now());
        let watch = |alert: &Alert| {
            let same = old.iter().find(|watch| *watch.alert == *alert);
            same.map_or_else(|| Arc::new(Watch::new(Arc::new(alert.clone()), self.start, now)), Arc::clone)
        };
        self.watches.store(Arc::new(alerts.iter().map(watch).collect()));
        self.generation.store(generation, Ordering::Relaxed);
    }

    /// A request was answered with 401, 403 or 429; `network` is asked for only where somebody counts by it.
    pub fn refused(&self, refused: Refused<'_>, network: impl Fn() -> Option<Pseudonym>) {
        let when = match refused.status {
            401 => When::Unauthorized,
            403 => When::Forbidden,
            429 => When::RateLimited,
            _ => return,
        };
        for watch in self.of(when) {
            let routes = &watch.alert.routes;
            if !routes.is_empty() && !routes.iter().any(|route| route == refused.route) {
                continue;
            }
            let subject = match watch.alert.per {
                AlertPer::All => Some(Subject::All),
                AlertPer::User => refused.user.map(Subject::Hash),
                AlertPer::Ip => network().map(Subject::Hash),
            };
            if let Some(told) = subject.and_then(|subject| watch.happened(self.clock.now(), subject, 1)) {
                self.tell(&watch, &told);
            }
        }
    }

    /// A plugin failed.
    pub fn plugin_failed(&self, plugin: &Arc<str>) {
        self.happened(When::PluginFault, &Subject::Thing(Arc::clone(plugin)), 1);
    }

    /// A plugin is taken out because it failed or was slow too often, or it is not.
    pub fn plugin_tripped(&self, plugin: &str, tripped: bool) {
        if self.watch_for(When::PluginFault) {
            self.is(When::PluginFault, &Subject::Thing(format!("{plugin}{TRIPPED}").into()), tripped);
        }
    }

    /// Whether a service answers.
    pub fn upstream(&self, service: &str, down: bool) {
        self.is(When::UpstreamDown, &Subject::Thing(service.into()), down);
    }

    /// Whether an edit was refused that nobody has put right yet.
    pub fn reload_failed(&self, failed: bool) {
        self.is(When::ReloadFailed, &Subject::All, failed);
    }

    /// Whether the database refuses writes.
    pub fn storage_refuses(&self, refuses: bool) {
        self.is(When::Storage, &Subject::All, refuses);
    }

    /// Rows of the usage log were lost.
    pub fn rows_dropped(&self, rows: u64) {
        self.happened(When::RowsDropped, &Subject::All, u32::try_from(rows).unwrap_or(u32::MAX));
    }

    /// A rule raises an alert: a line of the log, unless the same was told lately, and a message to those who want it, of one
    /// plugin once in their cooldown.
    pub fn raise(&self, raised: Raised<'_>) {
        let Raised { plugin, severity, title, fields } = raised;
        let now = self.clock.now();
        if let Some(more) = self.quiet.admit(now, plugin, title) {
            tracing::warn!(plugin = &**plugin, severity, title, fields, more, "a rule raises an alert");
        }
        let known = AlertSeverity::WORDS.iter().find(|(word, _)| *word == severity).map(|(_, known)| *known);
        let known = known.unwrap_or(AlertSeverity::High);
        for watch in self.of(When::RuleAlert).filter(|watch| known >= watch.alert.severity) {
            let Some(more) = watch.raised(now, plugin, known) else { continue };
            self.send(
                &watch,
                Draft {
                    severity: known,
                    detail: fields,
                    more,
                    ..self.draft(&watch.alert, Turn::Raised.word(), title, Some(plugin.to_string()), 1)
                },
            );
        }
    }

    /// Time has passed: what is over is told. Wanted about once a second.
    pub fn tick(&self) {
        for watch in self.watches.load_full().iter() {
            for told in watch.tick(self.clock.now()) {
                self.tell(watch, &told);
            }
            if let Some(more) = watch.overdue(self.clock.now()) {
                let title = format!("{more} more of the alert {} were held back", watch.alert.name);
                self.deliver(&watch.alert, self.draft(&watch.alert, Turn::Raised.word(), &title, None, more));
            }
        }
    }

    /// What services and plugins are told and not over, though nobody knows them any more: they are over.
    pub fn forget_things(&self, when: When, is_known: impl Fn(&str) -> bool) {
        for watch in self.of(when) {
            for (subject, _) in watch.active() {
                if matches!(&subject, Subject::Thing(name) if !is_known(name.trim_end_matches(TRIPPED)))
                    && let Some(told) = watch.is(self.clock.now(), subject, false)
                {
                    self.tell(&watch, &told);
                }
            }
        }
    }

    /// The next message to be written down and carried out; waits for one.
    pub async fn next(&self) -> Letter {
        self.outbox.next().await
    }

    /// The next message, where one waits.
    pub fn try_next(&self) -> Option<Letter> {
        self.outbox.try_next()
    }

    /// Notes what became of a message.
    pub fn became(&self, id: &str, delivered: &'static str) {
        self.outbox.became(id, delivered);
    }

    /// The latest messages, the newest first; [`RECENT_MAX`] at most.
    pub fn recent(&self, most: usize) -> Vec<Sent> {
        self.outbox.recent(most)
    }

    /// What is told and not over.
    pub fn active(&self) -> Vec<Active> {
        let watches = self.watches.load_full();
        let each = |watch: &Arc<Watch>| {
            let alert = Arc::clone(&watch.alert);
            watch.active().into_iter().map(move |(subject, count)| Active {
                name: alert.name.clone(),
                when: alert.when.word(),
                severity: alert.severity.word(),
                subject: subject.text(),
                count,
            })
        };
        watches.iter().flat_map(each).collect()
    }

    /// Remembers what was told before the start.
    pub fn remember(&self, sent: Sent) {
        self.outbox.remember(sent);
    }

    /// Whether any alert is about this.
    pub fn watch_for(&self, when: When) -> bool {
        self.watches.load().iter().any(|watch| watch.alert.when == when)
    }

    fn of(&self, when: When) -> impl Iterator<Item = Arc<Watch>> {
        let watches = self.watches.load_full();
        let same = Arc::clone(&watches);
        let is_about_it = move |n: &usize| same[*n].alert.when == when;
        (0..watches.len()).filter(is_about_it).map(move |n| Arc::clone(&watches[n]))
    }

    fn happened(&self, when: When, subject: &Subject, times: u32) {
        for watch in self.of(when) {
            if let Some(told) = watch.happened(self.clock.now(), subject.clone(), times) {
                self.tell(&watch, &told);
            }
        }
    }

    fn is(&self, when: When, subject: &Subject, on: bool) {
        for watch in self.of(when) {
            if let Some(told) = watch.is(self.clock.now(), subject.clone(), on) {
                self.tell(&watch, &told);
            }
        }
    }

    fn tell(&self, watch: &Watch, told: &Told) {
        let alert = &watch.alert;
        let title = title(alert, told.turn, &told.subject, told.count);
        self.send(watch, self.draft(alert, told.turn.word(), &title, told.subject.text(), told.count));
    }

    fn draft<'a>(
        &self,
        alert: &'a Alert,
        event: &'static str,
        title: &'a str,
        subject: Option<String>,
        count: u64,
    ) -> Draft<'a> {
        Draft {
            alert,
            event,
            severity: alert.severity,
            title,
            detail: "",
            count,
            more: 0,
            subject,
            unix_ms: self.clock.unix_ms(),
            generation: self.generation.load(Ordering::Relaxed),
        }
    }

    /// Sends one message, or counts it where the alert told [`PER_MINUTE_MAX`] within the minute.
    fn send(&self, watch: &Watch, draft: Draft<'_>) {
        if let Some(more) = watch.admit(self.clock.now(), draft.more) {
            self.deliver(&watch.alert, Draft { more, ..draft });
        }
    }

    fn deliver(&self, alert: &Alert, draft: Draft<'_>) {
        let notice = Notice::new(draft);
        let Notice { name, title, count, subject, .. } = &*notice;
        let (event, severity) = (&*notice.event, &*notice.severity);
        let subject = subject.as_deref().unwrap_or_default();
        if event == Turn::Raised.word() {
            tracing::warn!(alert = name, event, severity, title, count, subject, "an alert");
        } else {
            tracing::info!(alert = name, event, severity, title, count, subject, "an alert");
        }
        if !self.outbox.push(Letter { notice, webhook: alert.webhook.clone() }) {
            self.metrics.alerts_dropped.inc();
        }
    }
}
