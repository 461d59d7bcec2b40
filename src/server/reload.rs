//! An edit, seen from above: build the whole snapshot, then swap it or keep the last good one, and tell.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::configured_series;
use super::hot::{Hot, Prepared};
use super::notify;
use super::reloads::{self, PolicyTexts};
use super::start::wants_assertions;
use crate::base::problems::{Problem, Problems, Severity};
use crate::base::text::cut;
use crate::config::{Config, Inputs, ServerTls};
use crate::live::edits::{Edit, PROBLEMS_BYTES_MAX};
use crate::live::policy::Policy;
use crate::live::providers::providers_of;
use crate::live::reloader::{Built, Trigger};
use crate::live::snapshot::{self, Built as Snapshots, Snapshot};
use crate::live::tls::Tls;
use crate::pipeline::gateway::Gateway;
use crate::store::ReloadRow;
use crate::telemetry::metrics::ReloadOutcome;

/// What the askers of a reload are told.
#[derive(Clone, Debug)]
pub struct Report {
    /// Whether the files on disk are in force now.
    pub applied: bool,
    /// The generation in force.
    pub generation: u64,
    /// What was found.
    pub problems: Arc<Problems>,
    /// Keys that need a restart.
    pub needs_restart: Vec<&'static str>,
}

/// Reads the inputs anew for each attempt: the config file, and the environment as it was at the start.
pub type Gather = Box<dyn Fn() -> Result<Inputs, Box<Problem>> + Send>;

/// Everything an attempt needs.
pub struct Attempts {
    /// Reads the inputs.
    pub gather: Gather,
    /// What the snapshot is swapped in.
    pub gateway: Arc<Gateway>,
    /// What an edit changes beside the snapshot.
    pub hot: Hot,
    /// The config file, watched even while it cannot be read.
    pub config_file: Option<PathBuf>,
    /// What the process was started with.
    pub started: Started,
    /// What the policy in force was read from.
    pub files: PolicyTexts,
}

/// Keys that are read at the start only, as they were then: the process runs with these, whatever was edited since.
pub struct Started(Vec<(&'static str, String)>);

impl Started {
    /// The values of a configuration.
    pub fn with(config: &Config) -> Self {
        Self(vec![("storage.path", config.storage.path.display().to_string())])
    }

    /// The keys that another configuration would change, if only the process were started anew.
    fn differ_from(&self, next: &Config) -> Vec<&'static str> {
        let next = Self::with(next);
        self.0.iter().zip(&next.0).filter(|(old, new)| old != new).map(|((key, _), _)| *key).collect()
    }
}

impl Attempts {
    /// One attempt. Runs on the watcher's thread. What the watcher saw as a change and is the policy in force, such as a file
    /// that was written again, makes no generation; who asks for a reload gets one.
    pub fn attempt(&mut self, trigger: Trigger) -> Built<Report> {
        notify::reloading();
        let gateway = Arc::clone(&self.gateway);
        let current = gateway.live.current();
        let mut inputs_read = None;
        let (snapshot, mut problems, mut roots, plugin_files) = match (self.gather)() {
            Ok(inputs) => {
                let inputs = inputs_read.insert(inputs);
                let Snapshots { snapshot, mut problems, watched, plugin_files } =
                    snapshot::build_after(inputs, current.generation + 1, current.before());
                let snapshot = snapshot.filter(|next| self.can_sign(next, &mut problems));
                (snapshot, problems, watched, plugin_files)
            }
            Err(problem) => {
                let mut problems = Problems::default();
                problems.push(*problem);
                (None, problems, watched_of(&current.config), None)
            }
        };
        roots.extend(self.config_file.clone());
        let ready = snapshot.and_then(|next| Some((self.hot.prepare(&next.config, &mut problems)?, next)));
        let (prepared, snapshot) = ready.unzip();
        let problems = Arc::new(problems);
        let needs_restart =
            snapshot.as_ref().map_or_else(Vec::new, |next| self.started.differ_from(&next.config));
        let applied = snapshot.is_some();
        let hash = snapshot.as_ref().map(|s| s.hash.clone()).unwrap_or_default();
        match snapshot.zip(prepared) {
            Some((next, prepared))
                if trigger == Trigger::Files
                    && prepared.changes_nothing()
                    && self.is_in_force(&next, &current) =>
            {
                gateway.metrics.reload(ReloadOutcome::Unchanged);
                notify::ready();
                let report =
                    Report { applied: true, generation: current.generation, problems, needs_restart };
                return Built { report, roots };
            }
            Some((next, prepared)) => self.apply(next, prepared, &problems, &needs_restart),
            None => self.keep(&current, &problems, plugin_files),
        }
        self.record(applied, hash, &problems, inputs_read.as_ref());
        notify::ready();
        let generation = gateway.live.current().generation;
        Built { report: Report { applied, generation, problems, needs_restart }, roots }
    }

    /// Whether the files hold what is in force; secrets, schemas, authorities of services, geo databases and TLS
    /// files are not part of the hash.
    fn is_in_force(&self, next: &Snapshot, current: &Snapshot) -> bool {
        let schemas = |snapshot: &Snapshot| -> Vec<_> {
            let schemas = snapshot.config.routes.iter().filter_map(|route| route.body_schema.as_ref());
            schemas.map(|schema| Arc::clone(&schema.document)).collect()
        };
        next.hash == current.hash
            && next.keyring.fingerprint() == current.keyring.fingerprint()
            && schemas(next) == schemas(current)
            // With what the files of authorities hold.
            && next.config.services == current.config.services
            && next.config.alerts == current.config.alerts
            && next.geo.is_same(&current.geo)
            && is_same_tls(next.tls.as_deref(), current.tls.as_deref())
            && !self.gateway.policy.read().is_stale()
    }

    /// Assertions that nobody can sign would leave their services without requests.
    fn can_sign(&self, next: &Snapshot, problems: &mut Problems) -> bool {
        if !wants_assertions(&next.config) {
            return true;
        }
        let key = self.gateway.assertions.prepare();
        key.map_err(|why| problems.push(Problem::of("services.assertion", why.to_string()))).is_ok()
    }

    fn apply(
        &mut self,
        mut next: Snapshot,
        prepared: Prepared,
        problems: &Arc<Problems>,
        needs_restart: &[&'static str],
    ) {
        let gateway = Arc::clone(&self.gateway);
        gateway.logs.reconfigure(&next.config.log);
        let services = &next.config.services;
        gateway.upstreams.apply(services);
        gateway.providers.apply(&providers_of(&next.config));
        next.rules.remember_in(&gateway.state);
        next.rules.stand_on(&gateway.standing, gateway.clock.unix_ms());
        gateway.settle(next.rules.start(false, &gateway.clock));
        let generation = next.generation;
        let plugin_files = Arc::new(next.rules.file_hashes().clone());
        gateway.policies.remember(next.policy, next.rules.file_hashes().clone());
        let next = Arc::new(next);
        gateway.live.swap(Arc::clone(&next));
        let now = gateway.clock.unix_ms();
        gateway.metrics.reload(ReloadOutcome::Applied);
        gateway.metrics.generation.set(i64::try_from(generation).unwrap_or(i64::MAX));
        gateway.metrics.reload_success.set(now / 1_000);
        gateway.policy.write(Policy {
            generation,
            loaded_ms: now,
            tried_ms: now,
            problems: Arc::clone(problems),
            needs_restart: needs_restart.to_vec(),
            plugin_files,
        });
        // What was swapped is told first: the rest takes its time.
        configured_series::keep(&gateway.metrics, &next);
        self.hot.apply(prepared, &next.config);
        gateway.alerts.apply(&next.config.alerts, generation);
        gateway.alerts.reload_failed(false);
        for problem in problems.iter() {
            tracing::warn!(problem = problem.short(), "policy warning");
        }
        if !needs_restart.is_empty() {
            tracing::warn!(keys = needs_restart.join(", "), "these keys need a restart");
        }
        tracing::info!(generation, "policy applied");
    }

    fn keep(
        &self,
        current: &Snapshot,
        problems: &Arc<Problems>,
        plugin_files: Option<BTreeMap<String, String>>,
    ) {
        let gateway = &self.gateway;
        gateway.metrics.reload(ReloadOutcome::Rejected);
        gateway.alerts.reload_failed(true);
        let before = gateway.policy.read();
        gateway.policy.write(Policy {
            tried_ms: gateway.clock.unix_ms(),
            problems: Arc::clone(problems),
            plugin_files: plugin_files.map_or_else(|| Arc::clone(&before.plugin_files), Arc::new),
            ..(*before).clone()
        });
        for problem in problems.iter() {
            tracing::error!(problem = problem.short(), "policy problem");
        }
        tracing::error!(
            generation = current.generation,
            "a bad edit was refused; the last good policy stays in force"
        );
    }

    /// Writes the attempt down. The policy is in force by now: reading the files once more makes nobody wait for it.
    fn record(&mut self, applied: bool, hash: String, problems: &Problems, inputs: Option<&Inputs>) {
        let worst = problems.iter().find(|p| p.severity == Severity::Error);
        let snapshot = self.gateway.live.current();
        let time_ms = self.gateway.clock.unix_ms();
        let difference = inputs.map(|inputs| self.files.compare(inputs, &snapshot.config, applied));
        let changes = difference.as_ref().map(|found| reloads::row_of(&found.changes));
        self.gateway.edits.push(Edit {
            time_ms,
            diff: difference.map(|found| found.text).unwrap_or_default(),
            problems: cut(&problems.render(), PROBLEMS_BYTES_MAX).to_owned(),
        });
        let row = ReloadRow {
            time_ms,
            generation: snapshot.generation,
            outcome: if applied { "applied" } else { "rejected" }.to_owned(),
            hash,
            reason: worst.map(Problem::short),
            changes,
        };
        // The log and the metrics have it already; a full queue must not hold a reload up.
        drop(self.gateway.store.add_reload(row));
    }
}

fn is_same_tls(next: Option<&Tls>, current: Option<&Tls>) -> bool {
    match (next, current) {
        (Some(next), Some(current)) => next.is_same(current),
        (None, None) => true,
        _ => false,
    }
}

fn watched_of(config: &Config) -> Vec<PathBuf> {
    let mut roots = vec![config.plugins.path.clone(), config.plugins.scripts.clone()];
    roots.extend(config.session.secret_file.clone());
    roots.extend(config.geo.country.iter().chain(&config.geo.asn).map(|file| file.path.clone()));
    roots.extend(config.server.tls.iter().flat_map(ServerTls::files).map(|file| file.path.clone()));
    roots
}
