//! From a text and an environment to a configuration, or to everything that is wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::base::document::{Document, Table};
use crate::base::problems::{Problem, Problems, Source};

use super::context::Context;
use super::file::{FileError, read_file};
use super::routes::Surroundings;
use super::{
    Admin, Alert, Auth, Bans, Config, Cors, Environment, Geo, Headers, Lockdown, Log, OwnPaths, Plugins,
    RateLimit, Route, Server, Service, Session, Storage, Thresholds, Tracing, env, secrets,
};

/// The config.toml that is part of the binary.
pub const EMBEDDED: &str = include_str!("../../config.toml");

/// All that a configuration is made of, handed in.
pub struct Inputs {
    /// The text of config.toml, and how the reader knows it.
    pub source: Source,
    /// The folder that relative paths are relative to.
    pub folder: PathBuf,
    /// The environment's variables.
    pub environment: BTreeMap<String, String>,
    /// Whether every account of the machine may change the file.
    pub writable_by_all: bool,
}

/// What came of a reading.
pub struct Loaded {
    /// The configuration; there is one exactly when no problem is an error.
    pub config: Option<Config>,
    /// The plugins' part even where another part is wrong, so that what is wrong with them is told at once; absent where the
    /// file is no TOML.
    pub plugins: Option<Plugins>,
    /// Every finding, in the file's order.
    pub problems: Problems,
    /// The other files that were looked at (schemas, secrets), there or not: what a watcher must watch.
    pub files: Vec<PathBuf>,
}

impl Inputs {
    /// Reads a config file; relative paths are relative to its folder.
    ///
    /// # Errors
    /// See [`read_file`].
    pub fn from_file(path: &Path, environment: BTreeMap<String, String>) -> Result<Self, FileError> {
        let file = read_file(path)?;
        let name = path.strip_prefix("./").unwrap_or(path).display().to_string();
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(Self {
            source: Source::new(name, file.text),
            folder: folder.to_owned(),
            environment,
            writable_by_all: file.writable_by_all,
        })
    }

    /// The config file that is part of the binary, with paths relative to a folder.
    pub fn embedded(folder: &Path, environment: BTreeMap<String, String>) -> Self {
        let source = Source::new("config.toml (embedded)", EMBEDDED);
        Self { source, folder: folder.to_owned(), environment, writable_by_all: false }
    }
}

/// Reads a configuration whole: `check`, `serve` and every reload call this and nothing else.
pub fn load(inputs: &Inputs) -> Loaded {
    let (overlay, mut outside) = env::overlay(&inputs.environment);
    let mut syntax = Problems::default();
    let parsed = Document::parse(&inputs.source, &mut syntax);
    let document = Document::new(&inputs.source, &overlay);
    let mut context = Context {
        environment: Environment::Development,
        folder: inputs.folder.clone(),
        describing: false,
        files: Vec::new(),
    };
    let config = read(document.root(&parsed), &mut context);
    let (meaning, _) = document.finish();
    if inputs.writable_by_all {
        let problem = Problem::of(inputs.source.name.to_string(), "everybody may change the file");
        outside.push(context.strict(problem.hint("chmod o-w")));
    }
    let problems = in_order(outside, &syntax, &meaning, &inputs.source.name);
    let plugins = (!syntax.has_errors()).then(|| config.plugins.clone());
    Loaded { config: (!problems.has_errors()).then_some(config), plugins, problems, files: context.files }
}

/// Reads every table. The same calls describe the keys for the reference.
pub(super) fn read(mut root: Table<'_>, context: &mut Context) -> Config {
    let environments = [("development", Environment::Development), ("production", Environment::Production)];
    let doc = "`development` or `production`, which is strict: see below.";
    context.environment =
        root.choice("environment", &environments, "development", doc).unwrap_or(Environment::Development);
    let gateway = OwnPaths::read(root.table("gateway"));
    let server = Server::read(root.table("server"), context);
    let mut own = server.listeners();
    let admin = Admin::read(root.table("admin"), context, &own);
    own.push(("admin.listen", admin.listen));
    let storage = Storage::read(root.table("storage"), context);
    let session = session(root.table("session"), &storage, context);
    let cors = Cors::read(root.table("cors"), context);
    let headers = Headers::read(root.table("headers"));
    let rate_limit = RateLimit::read(root.table("rate_limit"));
    let log = Log::read(root.table("log"));
    let auth = Auth::read(root.table("auth"), context);
    let own: Vec<_> = own.into_iter().map(|(_, listen)| listen).collect();
    let services = Service::read_all(&mut root, &own, context);
    let around = Surroundings { server: &server, services: &services, own: &gateway };
    let routes = Route::read_all(&mut root, &around, context);
    let mut plugins = Plugins::read(root.table("plugins"), context);
    plugins.rules = super::rules::read_all(&mut root);
    let geo = Geo::read(root.table("geo"), context);
    let bans = Bans::read(root.table("bans"));
    let lockdown = Lockdown::read(root.table("lockdown"), &routes);
    let thresholds = Thresholds::read(root.table("thresholds"));
    let alerts = Alert::read_all(&mut root, &routes, context);
    let tracing = Tracing::read(root.table("tracing"));
    root.finish();
    Config {
        environment: context.environment,
        folder: context.folder.clone(),
        gateway,
        server,
        admin,
        session,
        cors,
        headers,
        rate_limit,
        storage,
        log,
        auth,
        services,
        routes,
        plugins,
        geo,
        bans,
        lockdown,
        thresholds,
        alerts,
        tracing,
    }
}

fn session(mut table: Table<'_>, storage: &Storage, context: &mut Context) -> Session {
    let mut session = Session::read(&mut table, context);
    if !context.describing {
        secrets::fill(&table, &mut session, storage.data_folder(), context);
    }
    table.finish();
    session
}

/// All findings in the order of the file, those outside it first. On a line that cannot be parsed, what its remains
/// seem to mean is no news.
fn in_order(outside: Problems, syntax: &Problems, meaning: &Problems, file: &str) -> Problems {
    let line_of = |p: &Problem| p.place.as_ref().filter(|place| &*place.file == file).map(|place| place.line);
    let broken: BTreeSet<usize> = syntax.iter().filter_map(line_of).collect();
    let meant = meaning.iter().filter(|p| line_of(p).is_none_or(|line| !broken.contains(&line)));
    let mut all: Vec<Problem> = syntax.iter().chain(meant).cloned().collect();
    all.sort_by_key(|p| p.place.as_ref().map(|place| (&*place.file != file, place.line, place.column)));
    let mut problems = outside;
    for problem in all {
        problems.push(problem);
    }
    problems
}

#[cfg(test)]
mod tests;
