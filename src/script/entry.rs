//! The hooks of a plugin, ready to run.
//!
//! Rhai's own call of a function by name begins with nothing: it looks the function up, and resolves every function that
//! runs in it anew, which took half of a short hook's time. Here the statements of each hook are at hand, and what was
//! resolved is kept for as long as the plugin is.

use parking_lot::Mutex;
use rhai::{
    AST, ASTNode, Caches, Dynamic, Engine, EvalAltResult, ImmutableString, Position, Scope, Shared, Stmt,
};

use super::budget;
use super::hook::Hook;

/// Resolved functions kept by one cache. Scripts have far fewer; a name that a script makes up while it runs adds to them.
const RESOLVED_MAX: usize = 1_024;
/// Caches kept of one plugin: as many as workers that ask it at the same moment.
const CACHES_MAX: usize = 64;

/// The hooks of one plugin.
pub(super) struct Entries {
    hooks: [Option<Entry>; Hook::ALL.len()],
    source: Option<ImmutableString>,
    /// What calls in the hooks lead to. Absent where functions of other files may run: there one name may lead to two
    /// functions, and Rhai keeps one. Nobody waits for the lock: who finds it taken resolves anew.
    #[expect(
        clippy::vec_box,
        reason = "they are moved out and back at each call, and are some hundred bytes large"
    )]
    resolved: Option<Mutex<Vec<Box<Caches>>>>,
}

/// One hook: the names of its parameters, and its statements.
struct Entry {
    params: Vec<ImmutableString>,
    statements: Box<[Stmt]>,
}

impl Entries {
    /// The hooks of a file. It may be `alone`: no function of another file can run in it.
    pub fn of(ast: &AST, alone: bool) -> Self {
        Self {
            hooks: Hook::ALL.map(|hook| Entry::of(ast, hook)),
            source: ast.source().map(ImmutableString::from),
            resolved: alone.then(Mutex::default),
        }
    }

    /// Forgets what was resolved: the engine is another one.
    pub fn renew(&self) {
        if let Some(resolved) = &self.resolved {
            resolved.lock().clear();
        }
    }

    /// Runs a hook as Rhai's `call_fn` would, with the same count of operations and levels; `None` where there is none.
    pub fn run<const N: usize>(
        &self,
        engine: &Engine,
        ast: &AST,
        hook: Hook,
        tag: Dynamic,
        args: [Dynamic; N],
    ) -> Option<Result<(), Box<EvalAltResult>>> {
        let entry = self.hooks[hook.index()].as_ref().filter(|entry| entry.params.len() == N)?;
        if budget::tick() {
            // What Rhai says when it is told to stop at a call.
            return Some(Err(EvalAltResult::ErrorTerminated(Dynamic::UNIT, Position::NONE).into()));
        }
        let mut global = engine.new_global_runtime_state();
        global.source.clone_from(&self.source);
        global.lib.push(Shared::clone(ast.shared_lib()));
        global.tag = tag;
        // As inside of a function that was called from outside.
        global.level = 1;
        global.scope_level = 1;
        let mut scope = Scope::new();
        for (name, value) in entry.params.iter().zip(args) {
            scope.push_dynamic(name.clone(), value);
        }
        let mut caches = self.take();
        #[expect(
            deprecated,
            reason = "rhai marks so what may change between its versions, and this one is pinned"
        )]
        let ran = engine.eval_statements_raw(&mut global, &mut caches, &mut scope, &entry.statements);
        self.put_back(caches);
        Some(ran.map(drop).map_err(|mut error| {
            if error.is_system_exception() {
                // Rhai names the place of the call for these, and a hook is called from nowhere.
                error.set_position(Position::NONE);
            }
            error
        }))
    }

    /// How many functions are kept as resolved.
    #[cfg(test)]
    pub fn resolved(&self) -> usize {
        let kept = self.resolved.as_ref().map(|resolved| resolved.lock());
        kept.map_or(0, |mut kept| kept.iter_mut().map(|c| c.fn_resolution_cache_mut().dict.len()).sum())
    }

    fn take(&self) -> Box<Caches> {
        let kept = self.resolved.as_ref().and_then(|resolved| resolved.try_lock()?.pop());
        kept.unwrap_or_default()
    }

    fn put_back(&self, mut caches: Box<Caches>) {
        let Some(mut kept) = self.resolved.as_ref().and_then(|resolved| resolved.try_lock()) else { return };
        if kept.len() < CACHES_MAX && caches.fn_resolution_cache_mut().dict.len() <= RESOLVED_MAX {
            kept.push(caches);
        }
    }
}

impl Entry {
    fn of(ast: &AST, hook: Hook) -> Option<Self> {
        let is_hook = |name: &str, params: usize| name == hook.name() && params == hook.arity();
        let params = ast.iter_fn_def().find(|f| is_hook(&f.name, f.params.len()))?.params.to_vec();
        let mut only = ast.clone();
        only.retain_functions(|_, _, name, params| is_hook(name, params));
        let mut statements = Vec::new();
        only.walk(&mut |path| {
            if let [ASTNode::Stmt(statement)] = path {
                statements.push((*statement).clone());
            }
            true
        });
        Some(Self { params, statements: statements.into() })
    }
}
