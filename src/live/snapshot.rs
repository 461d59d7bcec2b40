//! All that an edit may change, built whole from the files on disk by the same function that `check` calls.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::digest;

use super::hardening::Hardening;
use super::providers::providers_of;
use super::routes::{CompiledRoute, RouteTable};
use super::tls::Tls;
use crate::auth::Keyring;
use crate::auth::cookie::Shape;
use crate::base::clock::Clock;
use crate::base::problems::{Problem, Problems};
use crate::base::text::hex;
use crate::config::{self, Config, Environment};
use crate::geo::Geo;
use crate::outbound::Trust;
use crate::schema::Compiled;
use crate::script::{Edit, Folders, RuleBook};

/// Everything that an edit may change. Immutable: a request keeps the one it began with.
pub struct Snapshot {
    /// Counts snapshots that went live, from 1.
    pub generation: u64,
    /// SHA-256 over the content of the files that made it, in hex.
    pub hash: String,
    /// The first 8 bytes of the hash, as rows keep them.
    pub policy: [u8; 8],
    /// The configuration.
    pub config: Config,
    /// Routes, compiled.
    pub routes: RouteTable,
    /// Rules, compiled.
    pub rules: RuleBook,
    /// Where addresses are.
    pub geo: Arc<Geo>,
    /// The keys that sign and verify session tokens.
    pub keyring: Keyring,
    /// The session cookie's name.
    pub session_cookie: Arc<str>,
    /// How the session cookie is set and cleared.
    pub cookie: Shape,
    /// The security headers.
    pub hardening: Hardening,
    /// What clients are spoken to with; absent where that is plain HTTP.
    pub tls: Option<Arc<Tls>>,
}

impl Snapshot {
    /// What the next snapshot may take over.
    pub fn before(&self) -> Before<'_> {
        Before { geo: &self.geo, tls: self.tls.as_ref() }
    }
}

/// What a look at the files gave: a snapshot where no error was found, every problem, and what to watch.
pub struct Built {
    /// The snapshot; absent when the files cannot go live.
    pub snapshot: Option<Snapshot>,
    /// Every problem, warnings too.
    pub problems: Problems,
    /// Files and folders that made it, to be watched.
    pub watched: Vec<PathBuf>,
    /// Of each plugin folder, the hash of its files; absent where the configuration does not say where they are.
    pub plugin_files: Option<BTreeMap<String, String>>,
}

/// Builds a snapshot from the files as they are now.
pub fn build(inputs: &config::Inputs, generation: u64) -> Built {
    build_after(inputs, generation, Before { geo: &Geo::default(), tls: None })
}

/// What is taken from the snapshot before, where it has not changed.
#[derive(Clone, Copy)]
pub struct Before<'a> {
    /// Databases, which are large.
    pub geo: &'a Geo,
    /// TLS, whose sessions can be resumed for as long as it is the same.
    pub tls: Option<&'a Arc<Tls>>,
}

/// Builds a snapshot from the files as they are now, and takes from the one before what has not changed.
pub fn build_after(inputs: &config::Inputs, generation: u64, before: Before<'_>) -> Built {
    build_edited(inputs, generation, before, None)
}

/// The same as if an edit of a plugin had been saved, and the plugin enforced.
pub fn build_edited(
    inputs: &config::Inputs,
    generation: u64,
    before: Before<'_>,
    edit: Option<&Edit>,
) -> Built {
    let loaded = config::load(inputs);
    let mut problems = loaded.problems;
    let mut watched = loaded.files;
    let rules = loaded.plugins.as_ref().map(|plugins| {
        watched.extend([plugins.path.clone(), plugins.scripts.clone()]);
        let folders = Folders { plugins: &plugins.path, scripts: &plugins.scripts, root: &inputs.folder };
        let (rules, found) = RuleBook::load_edited(folders, &plugins.overrides, &plugins.rules, edit);
        problems.append(found);
        rules
    });
    let plugin_files = rules.as_ref().map(|rules| rules.file_hashes().clone());
    let (Some(config), Some(rules)) = (loaded.config, rules) else {
        return Built { snapshot: None, problems, watched, plugin_files };
    };
    check_providers(&config, &mut problems);
    let routes = compile_routes(&config, &mut problems);
    check_geo(&config, &rules, &mut problems);
    let (geo, found) = Geo::load(&config.geo, before.geo);
    problems.append(found);
    let now = Clock::System.unix_ms().div_euclid(1_000);
    let tls = Tls::load(&config, config.server.http2.over_tls, before.tls, now, &mut problems);
    let hash = hash_of(inputs, &rules);
    let keyring = Keyring::new(&config.session.keys)
        .map_err(|why| problems.push(Problem::of("[session]", why.to_string())))
        .ok();
    let snapshot = match keyring {
        Some(keyring) if !problems.has_errors() => {
            Some(assemble(config, generation, hash, routes, rules, Parts { geo, keyring, tls }))
        }
        _ => None,
    };
    Built { snapshot, problems, watched, plugin_files }
}

/// What was made from other files than config.toml and the rules'.
struct Parts {
    geo: Geo,
    keyring: Keyring,
    tls: Option<Arc<Tls>>,
}

fn assemble(
    config: Config,
    generation: u64,
    hash: String,
    routes: RouteTable,
    rules: RuleBook,
    Parts { geo, keyring, tls }: Parts,
) -> Snapshot {
    let production = config.environment == Environment::Production;
    let session = &config.session;
    Snapshot {
        generation,
        policy: first_bytes(&hash),
        hash,
        session_cookie: Arc::from(session.cookie_name.as_str()),
        cookie: Shape::new(
            &session.cookie_name,
            session.cookie_domain.as_deref(),
            session.same_site,
            production,
        ),
        hardening: Hardening::new(&config.headers, config.environment),
        routes,
        rules,
        geo: Arc::new(geo),
        keyring,
        tls,
        config,
    }
}

fn first_bytes(hex: &str) -> [u8; 8] {
    u64::from_str_radix(hex.get(..16).unwrap_or_default(), 16).unwrap_or_default().to_be_bytes()
}

/// SHA-256 over the config file's text and the content hashes of every rule file, in hex.
fn hash_of(inputs: &config::Inputs, rules: &RuleBook) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(inputs.source.text.as_bytes());
    for (path, hash) in rules.inputs() {
        context.update(path.as_os_str().as_encoded_bytes());
        context.update(hash.as_bytes());
    }
    hex(context.finish().as_ref())
}

/// A plugin that the operator has set up and that asks where clients are, where nobody knows.
fn check_geo(config: &Config, rules: &RuleBook, problems: &mut Problems) {
    if config.geo.country.is_some() || config.geo.asn.is_some() {
        return;
    }
    for name in rules.asks_geo() {
        let Some(word) = config.plugins.overrides.get(name) else { continue };
        let message = format!("`{name}` asks where clients are, and `[geo]` names no database: nobody knows");
        let problem = Problem::of(&word.origin, message).warning();
        problems.push(problem.hint("docs/OPERATING.md says where to get a free database"));
    }
}

/// What the trade has to say about providers, and what absolute addresses need in production.
fn check_providers(config: &Config, problems: &mut Problems) {
    if let Some(Err(why)) = config.auth.provider_ca.as_ref().map(|pem| Trust::with_own(pem.as_bytes())) {
        problems.push(Problem::of("auth.provider_ca", why.to_string()));
    }
    for provider in providers_of(config) {
        if let Some(why) = provider.problem() {
            problems.push(Problem::of(format!("[auth.providers.{}]", provider.name), why));
        }
    }
    let needs_site = config.environment == Environment::Production && config.gateway.public_url.is_none();
    if needs_site && !config.auth.providers.is_empty() {
        let problem =
            Problem::of("[gateway]", "`public_url` is needed for sign-in at a provider in production");
        problems.push(problem.hint("public_url = \"https://app.example\""));
    }
}

fn compile_routes(config: &Config, problems: &mut Problems) -> RouteTable {
    let compiled = config.routes.iter().map(|route| {
        let schema = route.body_schema.as_ref().and_then(|schema| {
            Compiled::compile(&schema.document)
                .map_err(|why| {
                    let origin = format!("{} (route `{}`)", schema.origin, route.name);
                    problems.push(Problem::of(origin, format!("the schema does not compile: {why}")));
                })
                .ok()
        });
        CompiledRoute::new(route.clone(), schema)
    });
    RouteTable::new(compiled.collect::<Vec<_>>())
}
