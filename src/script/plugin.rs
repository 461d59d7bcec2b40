//! One plugin: a manifest, compiled scripts, and the sandbox that they run in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use rhai::{AST, Dynamic, Engine, Module, Shared};
use serde_json::Value;

use super::buffering;
use super::check::{self, Checked};
use super::compile::{self, Constant};
use super::declared::Setting;
use super::engine::{Extras, Names, sandbox};
use super::entry::Entries;
use super::hook::Hook;
use super::library::{FILES_MAX, Library};
use super::manifest::{self, Manifest};
use super::meter::LogMeter;
use super::occasion::ON_START;
use super::runner::Probe;
use super::schedule;
use super::source::{Reader, hex_hash};
use super::standing::{Board, Record, Share};
use super::state::{self, List, Space, State, View};
use crate::base::nearest::nearest;
use crate::base::problems::{Place, Problem, Problems, Source};
use crate::config::{Mode, PluginOverride};

/// A plugin that compiled.
pub(super) struct Plugin {
    pub name: Arc<str>,
    pub folder: PathBuf,
    pub manifest: Manifest,
    /// Where a rule of one line stands, which has no folder.
    pub stands_at: Option<Place>,
    /// `main.rhai`, for findings.
    pub source: Source,
    pub ast: Arc<AST>,
    pub engine: Engine,
    /// The hooks, ready to run in that engine.
    pub entries: Entries,
    /// The literal codes of every verb that the plugin can reach.
    pub codes: Arc<BTreeSet<String>>,
    pub hash: String,
    pub log_meter: Mutex<LogMeter>,
    /// Sees what the scripts reach, while their tests run and only then.
    pub probe: Option<Probe>,
    /// What the plugin remembers; an empty state of its own until it goes live.
    pub space: Arc<Space>,
    pub lists: Arc<BTreeMap<String, List>>,
    /// What it did and how it stands; an empty record of its own until it goes live.
    pub record: Arc<Record>,
    /// Which clients it enforces on; absent where it is all of them.
    pub share: Option<Share>,
    hooks: [bool; Hook::ALL.len()],
    /// The effective settings, and everything else that the sandbox has: enough to build another one.
    pub settings: BTreeMap<String, Dynamic>,
    around: Extras,
}

impl Plugin {
    /// Reads a plugin folder. `None` when something is so wrong that there is no plugin; problems say what.
    pub fn load(
        name: &str,
        folder: PathBuf,
        shared: &Library,
        word: Option<&PluginOverride>,
        reader: &mut Reader<'_>,
    ) -> Option<Self> {
        let before = reader.inputs.len();
        let manifest = reader.read(&folder.join("plugin.toml"));
        let main = reader.read(&folder.join("main.rhai"));
        let lib = reader.scripts(&folder.join("lib"), FILES_MAX);
        let hash = content_hash(&reader.inputs[before..]);
        reader.hashes.insert(name.to_owned(), hash.clone());
        let (manifest, problems) = manifest.map(|m| manifest::read(name, &m)).unwrap_or_default();
        reader.problems.append(problems);
        let mut manifest = manifest?;
        let settings = effective(&mut manifest, word, &mut reader.problems);
        let lists = state::load_lists(&folder, &manifest, reader);
        let source = main?;
        let (code, problems) =
            Code::compile(&source, lib, &about(name, &manifest), shared, &manifest, &settings);
        reader.problems.append(problems);
        let code = code?;
        reader.problems.append(schedule::check(&manifest.schedules, &code.ast));
        let file = reader.name(&folder.join("plugin.toml"));
        let has = |hook: Hook| code.hooks[hook.index()];
        reader.problems.append(buffering::check(&manifest.body, has, &file));
        Some(Self::assemble(name, folder, source, code, manifest, hash, settings, lists))
    }

    /// A plugin without a folder, of a manifest and a script.
    pub fn of(
        name: &str,
        folder: PathBuf,
        manifest: &Source,
        main: Source,
        shared: &Library,
    ) -> (Option<Self>, Problems) {
        let (manifest, mut problems) = manifest::read(name, manifest);
        let Some(mut manifest) = manifest else { return (None, problems) };
        let settings = effective(&mut manifest, None, &mut problems);
        let (code, found) =
            Code::compile(&main, Vec::new(), &about(name, &manifest), shared, &manifest, &settings);
        problems.append(found);
        let Some(code) = code else { return (None, problems) };
        let hash = hex_hash(main.text.as_bytes());
        let made = Self::assemble(name, folder, main, code, manifest, hash, settings, BTreeMap::new());
        (Some(made), problems)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a plugin, each once")]
    fn assemble(
        name: &str,
        folder: PathBuf,
        source: Source,
        code: Code,
        manifest: Manifest,
        hash: String,
        settings: BTreeMap<String, Dynamic>,
        lists: BTreeMap<String, List>,
    ) -> Self {
        if source.text.contains("attack::") {
            super::attack::warm();
        }
        Self {
            name: name.into(),
            record: Arc::new(Record::new(&manifest.budget, &code.codes, &hash, 0)),
            share: share_of(&manifest, &[0; 32], name),
            stands_at: None,
            folder,
            source,
            engine: sandbox(&with_settings(&code.around, &settings), Names::Known),
            entries: Entries::of(&code.ast, code.alone),
            ast: code.ast,
            codes: code.codes.into(),
            hooks: code.hooks,
            around: code.around,
            manifest,
            hash,
            settings,
            log_meter: Mutex::default(),
            probe: None,
            space: State::default().space(name),
            lists: Arc::new(lists),
        }
    }

    /// What a call sees of the plugin's state: what is real, or the copy of a plugin whose word does not count.
    pub fn state(&self, counts: bool) -> View {
        View {
            space: self.space.clone(),
            lists: self.lists.clone(),
            quota: self.manifest.quota,
            shadow: !counts,
            scratch: None,
        }
    }

    /// The same for a request that is only judged again: it reads what is real, and what it writes goes with the layer.
    pub fn scratch_state(&self, layer: &Arc<state::Area>) -> View {
        View { shadow: true, scratch: Some(Arc::clone(layer)), ..self.state(true) }
    }

    /// Takes over the state of the plugin of this name.
    pub fn remember_in(&mut self, state: &State) {
        self.space = state.space(&self.name);
        let lists = self.lists.iter().map(|(name, list)| (name.clone(), list.quota)).collect();
        // Where a share enforces, the rest of the clients is in shadow.
        let keeps_shadow = self.manifest.mode == Mode::Shadow || self.manifest.enforce_share < 1.0;
        self.space.configure(self.manifest.quota, lists, keeps_shadow);
    }

    /// Goes on with the record of the plugin with these very files, or begins one.
    pub fn stand_on(&mut self, board: &Board, now_ms: i64) {
        let fresh = || Record::new(&self.manifest.budget, &self.codes, &self.hash, now_ms);
        self.record = board.record(fresh, &self.name, &self.hash);
        self.share = share_of(&self.manifest, board.key(), &self.name);
    }

    /// A hash of the effective settings, in hex.
    pub fn settings_hash(&self) -> String {
        hex_hash(format!("{:?}", self.settings).as_bytes())
    }

    /// Whether the plugin has `on_start(info)`.
    pub fn starts(&self) -> bool {
        self.ast.iter_functions().any(|f| f.name == ON_START && f.params.len() == 1)
    }

    /// Whether the plugin has that hook.
    pub fn has(&self, hook: Hook) -> bool {
        self.hooks[hook.index()]
    }

    /// The names of its hooks.
    pub fn hook_names(&self) -> Vec<&'static str> {
        Hook::ALL.into_iter().filter(|h| self.has(*h)).map(Hook::name).collect()
    }

    /// Puts another value in place of a setting and builds the sandbox anew. The scripts stay compiled.
    ///
    /// # Errors
    /// A sentence, when there is no such setting or the value does not fit.
    pub fn set(&mut self, name: &str, value: &Value) -> Result<(), String> {
        let declared =
            self.manifest.settings.get(name).ok_or_else(|| format!("there is no setting `{name}`"))?;
        let value = declared.read(value).map_err(|why| format!("the setting `{name}` {why}"))?;
        self.settings.insert(name.to_owned(), value);
        self.renew_engine();
        Ok(())
    }

    /// Puts every setting back, and forgets everything.
    pub fn restore(&mut self, settings: &BTreeMap<String, Dynamic>) {
        self.settings.clone_from(settings);
        self.remember_in(&State::default());
        self.renew_engine();
    }

    fn renew_engine(&mut self) {
        self.engine = sandbox(&with_settings(&self.around, &self.settings), Names::Known);
        self.entries.renew();
        if let Some(probe) = &self.probe {
            probe.attach(&mut self.engine);
        }
    }

    /// What a test of this plugin may use beside the plugin itself.
    pub fn surroundings(&self) -> Extras {
        with_settings(&self.around, &self.settings)
    }
}

/// What compiling gives.
struct Code {
    ast: Arc<AST>,
    codes: BTreeSet<String>,
    hooks: [bool; Hook::ALL.len()],
    around: Extras,
    /// Whether no function of another file can run.
    alone: bool,
}

impl Code {
    fn compile(
        main: &Source,
        lib: Vec<(String, Source)>,
        about: &Extras,
        shared: &Library,
        manifest: &Manifest,
        settings: &BTreeMap<String, Dynamic>,
    ) -> (Option<Self>, Problems) {
        let outer = shared.around(about);
        let (lib, mut problems) = Library::compile(lib, &with_settings(&outer, settings));
        let mut around = lib.around(&outer);
        let constants = match compile::constants(main, &with_settings(&around, settings)) {
            Ok(constants) => constants,
            Err(found) => {
                problems.append(found);
                return (None, problems);
            }
        };
        let ast = match compile::functions(main, &with_settings(&around, settings), &constants) {
            Ok(ast) => Arc::new(ast),
            Err(failure) => {
                problems.push(failure.problem);
                return (None, problems);
            }
        };
        let libraries = [shared, &lib];
        around.constants = vec![all_constants(main, constants, libraries, &mut problems)];
        let spaces: Vec<_> = libraries.iter().flat_map(|l| &l.spaces).collect();
        problems.append(check::plugin(&Checked {
            main,
            ast: &ast,
            own: &lib.spaces,
            spaces: &spaces,
            settings: &manifest.settings,
            lists: &manifest.lists.keys().cloned().collect(),
            permissions: &manifest.permissions,
            scheduled: &manifest.schedules.iter().map(|s| s.call.clone()).collect::<Vec<_>>(),
        }));
        let mut codes = check::codes_of(&ast);
        codes.extend(spaces.iter().flat_map(|s| check::codes_of(&s.ast)));
        // A function of another file is called by the name of its namespace, which then stands in the text of this one.
        let alone = !spaces.iter().any(|space| main.text.contains(&space.name));
        let hooks = Hook::ALL
            .map(|h| ast.iter_functions().any(|f| f.name == h.name() && f.params.len() == h.arity()));
        (Some(Self { ast, codes, hooks, around, alone }), problems)
    }
}

/// One table of constants for all functions of the plugin. Two files may not give one name two values.
fn all_constants(
    main: &Source,
    own: Vec<Constant>,
    libraries: [&Library; 2],
    problems: &mut Problems,
) -> Shared<Module> {
    let own = own.into_iter().map(|c| (c, main.name.clone()));
    let mut seen: Vec<(Constant, Arc<str>)> = Vec::new();
    for (constant, file) in libraries.iter().flat_map(|l| l.constants.clone()).chain(own) {
        match seen.iter().find(|((name, _), _)| *name == constant.0) {
            Some(((name, value), other)) if format!("{value:?}") != format!("{:?}", constant.1) => {
                let message = format!("the constant `{name}` has another value in {other}");
                problems.push(Problem::of(&*file, message).code("PM012"));
            }
            Some(_) => {}
            None => seen.push((constant, file)),
        }
    }
    let all: Vec<Constant> = seen.into_iter().map(|(c, _)| c).collect();
    compile::constant_module(&all)
}

/// The namespace `plugin::`: what a script may know of itself.
fn about(name: &str, manifest: &Manifest) -> Extras {
    let mut module = Module::new();
    module.set_var("name", name.to_owned());
    module.set_var("version", manifest.version.clone());
    module.set_var("mode", mode_word(manifest.mode).to_owned());
    module.build_index();
    Extras { namespaces: vec![("plugin".to_owned(), module.into())], constants: Vec::new() }
}

fn with_settings(around: &Extras, settings: &BTreeMap<String, Dynamic>) -> Extras {
    let mut module = Module::new();
    for (name, value) in settings {
        module.set_var(name.as_str(), value.clone());
    }
    module.build_index();
    let mut extras = around.clone();
    extras.namespaces.push(("settings".to_owned(), module.into()));
    extras
}

/// Lays the operator's word over the manifest.
fn effective(
    manifest: &mut Manifest,
    word: Option<&PluginOverride>,
    problems: &mut Problems,
) -> BTreeMap<String, Dynamic> {
    let default = |s: &Setting| s.read(&s.default).unwrap_or(Dynamic::UNIT);
    let mut settings: BTreeMap<_, _> =
        manifest.settings.iter().map(|(n, s)| (n.clone(), default(s))).collect();
    let Some(word) = word else { return settings };
    manifest.mode = word.mode.unwrap_or(manifest.mode);
    manifest.priority = word.priority.unwrap_or(manifest.priority);
    manifest.enforce_share = word.enforce_share.unwrap_or(manifest.enforce_share);
    manifest.origins.extend(word.origins.iter().map(|(key, origin)| (*key, origin.clone())));
    if let Some(routes) = &word.routes
        && let Err(why) = manifest.filter.replace_routes(routes)
    {
        problems.push(Problem::of(&word.origin, why));
    }
    for (name, given) in &word.settings {
        let Some(declared) = manifest.settings.get_mut(name) else {
            let problem = Problem::of(&given.origin, format!("there is no setting `{name}`")).code("PM030");
            let near = nearest(name, manifest.settings.keys().map(String::as_str));
            problems.push(match near {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem,
            });
            continue;
        };
        match declared.read(&given.value) {
            Ok(value) => {
                settings.insert(name.clone(), value);
                declared.origin.clone_from(&given.origin);
            }
            Err(why) => problems.push(Problem::of(&given.origin, format!("`{name}` {why}")).code("PM031")),
        }
    }
    settings
}

fn content_hash(inputs: &[(PathBuf, String)]) -> String {
    let mut text = String::new();
    for (path, hash) in inputs {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let _ = writeln!(text, "{name} {hash}");
    }
    hex_hash(text.as_bytes())
}

fn share_of(manifest: &Manifest, key: &[u8; 32], name: &str) -> Option<Share> {
    (manifest.enforce_share < 1.0).then(|| Share::new(manifest.enforce_share, key, name))
}

/// The word for a mode.
pub(super) fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Shadow => "shadow",
        Mode::Enforce => "enforce",
        Mode::Off => "off",
    }
}
